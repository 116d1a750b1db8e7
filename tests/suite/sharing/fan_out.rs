//! `--fan-out`: everybody gets what standard input brings, nothing of it is dropped, and what they say is merged; not
//! how it ends (`ends`).

use std::fs::File;
use std::os::fd::OwnedFd;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use super::joined;
use crate::capture::{deadline, readable_by};
use crate::kernel::wait_until;
use crate::launch::{Stdin, Stdout};
use crate::matrix::{Case, matrix};
use crate::pattern::{assert_same, pattern};
use crate::peers::Ending;
use crate::tool::Tool;

matrix!(threads over streams:
    the_slowest_sets_the_pace_and_nothing_is_dropped,
    input_waits_while_nobody_is_there,
    one_who_leaves_holds_up_nobody,
    what_peers_say_is_merged_in_whole_reads,
    output_that_nobody_reads_holds_up_those_who_speak,
    at_the_limit_the_next_one_waits,
    what_they_say_can_be_dropped,
    two_hundred_hear_the_same,
);

const FAN_OUT: &[&str] = &["--fan-out"];

/// More than the system keeps for a peer.
const MUCH: usize = 24 << 20;

fn the_slowest_sets_the_pace_and_nothing_is_dropped(case: Case) {
    let mut tool = case.serve(Tool::with(Stdin::Pipe), FAN_OUT);
    let mut peers = joined(case, &tool, 5, &mut 0, false);
    let slow = peers.pop().expect("five peers");
    let bytes = pattern(MUCH, 71);
    let (done, all) = mpsc::channel();
    thread::scope(|scope| {
        for peer in &peers {
            let (done, bytes) = (done.clone(), &bytes);
            scope.spawn(move || {
                assert_same(&peer.read_to_end(), bytes);
                done.send(()).expect("the test goes on");
            });
        }
        tool.write(&bytes);
        tool.close_stdin();
        let early = all.recv_timeout(Duration::from_millis(700));
        assert!(early.is_err(), "one has everything though another one reads nothing");
        assert_same(&slow.read_to_end(), &bytes);
    });
    assert_eq!(all.try_iter().count(), 4);
}

/// Before the first peer, and between the last that left and the next that comes.
fn input_waits_while_nobody_is_there(case: Case) {
    let tool = case.serve(Tool::with(Stdin::Pipe), &["--fan-out", "-v"]);
    let bytes = pattern(2 << 20, 72);
    tool.write(&bytes);
    let first = case.meet(&tool);
    assert_same(&first.read(bytes.len()), &bytes);
    first.shutdown();
    first.reset();
    // It has been seen to be gone when something is sent to it, or before.
    let is_over = |line: &str| line.contains("received 0 bytes");
    wait_until("the first one has left", || {
        tool.write("?");
        tool.stderr().lines().any(is_over)
    });
    tool.write("\nnext");
    let next = case.meet(&tool);
    let mut heard = Vec::new();
    while !heard.ends_with(b"\nnext") {
        heard.extend(next.read(1));
    }
    assert!(heard[..heard.len() - 5].iter().all(|&byte| byte == b'?'), "{heard:?}");
}

fn one_who_leaves_holds_up_nobody(case: Case) {
    let mut tool = case.serve(Tool::with(Stdin::Pipe), FAN_OUT);
    let mut peers = joined(case, &tool, 3, &mut 0, false);
    let bytes = pattern(MUCH, 73);
    tool.write(&bytes);
    tool.close_stdin();
    let (deaf, mute) = (peers.pop().expect("three"), peers.pop().expect("two"));
    let first = 64 << 10;
    assert_same(&peers[0].read(first), &bytes[..first]);
    assert_same(&mute.read(first), &bytes[..first]);
    deaf.reset();
    drop(mute);
    assert_same(&peers[0].read_to_end(), &bytes[first..]);
}

/// A standard output that keeps writes apart shows that each is one peer's, and how much the largest has.
fn what_peers_say_is_merged_in_whole_reads(case: Case) {
    let (ours, theirs) = Socket::pair(Domain::UNIX, Type::SEQPACKET, None).expect("socketpair");
    let launch = Tool::with(Stdin::Silent).stdout(Stdout::File(File::from(OwnedFd::from(theirs))));
    let tool = case.serve(launch, FAN_OUT);
    let peers: Vec<_> = (b'a'..=b'd').map(|letter| (letter, case.meet(&tool))).collect();
    let sending: Vec<_> = peers.iter().map(|(letter, peer)| peer.send(vec![*letter; 1 << 20])).collect();
    let (mut heard, mut largest, mut buffer) = ([0; 4], 0, vec![0; 1 << 20]);
    while heard.iter().sum::<usize>() < 4 << 20 {
        assert!(readable_by(&ours, deadline()), "{heard:?} bytes, and no more");
        let count = std::io::Read::read(&mut &ours, &mut buffer).expect("read a packet");
        let letter = buffer[0];
        assert!(buffer[..count].iter().all(|&byte| byte == letter), "one write has two peers' bytes");
        heard[usize::from(letter - b'a')] += count;
        largest = largest.max(count);
    }
    assert_eq!(heard, [1 << 20; 4]);
    // Each piece is what one read brought, not what a reader of a stream would have made of it.
    assert!(largest > 4096, "the largest write has {largest} bytes");
    for sent in sending {
        sent.done().expect("everything is taken");
    }
}

/// And nothing is lost of what they say, in anybody's own order.
fn output_that_nobody_reads_holds_up_those_who_speak(case: Case) {
    let mut tool = case.serve(Tool::with(Stdin::Pipe).stdout(Stdout::Held), &["--fan-out", "--count", "4"]);
    let mut output = tool.take_stdout();
    let peers: Vec<_> = (0..4).map(|_| case.meet(&tool)).collect();
    let own = |number: u8| pattern(2 << 20, number.into()).into_iter().map(move |byte| byte >> 2 | number << 6);
    let sending: Vec<_> = (0..).zip(&peers).map(|(number, peer)| peer.send(own(number).collect())).collect();
    let first = output.read(1);
    thread::sleep(Duration::from_millis(300));
    let reading = thread::spawn(move || [first, output.read_to_end()].concat());
    for sent in sending {
        sent.done().expect("everything is taken");
    }
    tool.close_stdin();
    drop(peers);
    let heard = reading.join().expect("standard output is read");
    tool.wait_exit(deadline());
    for number in 0..4 {
        let of_this_peer: Vec<_> = heard.iter().copied().filter(|byte| byte >> 6 == number).collect();
        assert_same(&of_this_peer, &own(number).collect::<Vec<_>>());
    }
}

fn at_the_limit_the_next_one_waits(case: Case) {
    let tool = case.serve(Tool::with(Stdin::Pipe), &["--fan-out", "-m", "2"]);
    let mut heard = 0;
    let mut peers = joined(case, &tool, 2, &mut heard, false);
    let third = case.meet(&tool);
    third.write("*");
    tool.write("early");
    for peer in &peers {
        assert_eq!(peer.read(5), b"early");
    }
    third.hears_nothing_for(Duration::from_millis(200));
    peers.remove(0).reset();
    tool.wait_stdout(heard + 1);
    tool.write("late");
    assert_eq!(third.read(4), b"late");
    assert_eq!(peers[0].read(4), b"late");
}

fn what_they_say_can_be_dropped(case: Case) {
    let mut tool = case.serve(Tool::with(Stdin::Pipe), &["--fan-out", "--send-only", "--count", "2"]);
    let peers = [case.meet(&tool), case.meet(&tool)];
    let sending: Vec<_> = peers.iter().map(|peer| peer.send(vec![b'x'; 8 << 20])).collect();
    for sent in sending {
        sent.done().expect("everything is taken");
    }
    tool.write("heard");
    for peer in &peers {
        assert_eq!(peer.read(5), b"heard");
    }
    tool.close_stdin();
    // All that was sent is acknowledged: that is the end, though they have not finished.
    for peer in &peers {
        assert_eq!(peer.hear_out(), (Vec::new(), Ending::Fin));
    }
    drop(peers);
    assert_eq!(tool.wait().expect(0).stdout, b"");
}

fn two_hundred_hear_the_same(case: Case) {
    let mut tool = case.serve(Tool::with(Stdin::Pipe), FAN_OUT);
    let peers = joined(case, &tool, 200, &mut 0, false);
    let bytes = pattern(256 << 10, 74);
    tool.write(&bytes);
    tool.close_stdin();
    // Nobody is more than a piece ahead of the others, so each reads at once with them.
    thread::scope(|scope| {
        for peer in &peers {
            scope.spawn(|| assert_same(&peer.read_to_end(), &bytes));
        }
    });
}
