//! Many peers of one `udp listen`, in every mode: each has a conversation of its own; and who is let in,
//! and how it is stopped. What the conversations are for is the business of `answers`.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use super::peer::Peer;
use super::{listen, modes};
use crate::kernel::{children, wait_until};
use crate::matrix::Mode;
use crate::peers::silence;
use crate::process::Signal;
use crate::tool::Tool;

modes!(sixty_at_once, a_listener_outlives_icmp, a_server_is_stopped_in_order, silence_ends_a_conversation_in_order);

/// `--echo` in this mode; one at a time means that a conversation must end for the next to begin.
#[track_caller]
fn echo(mode: Mode, args: &[&str]) -> Tool {
    let brief: &[&str] = if mode == Mode::Single { &["--idle-timeout", "100ms"] } else { &[] };
    listen(&[&["127.0.0.1", "0", "--echo"], mode.flags(), brief, args].concat())
}

/// Each gets exactly its own datagrams back, in order, the first included, none misdelivered.
fn sixty_at_once(mode: Mode) {
    let tool = echo(mode, &[]);
    // One after another they take their time, so there are fewer of them.
    let count = if mode == Mode::Single { 20 } else { 60 };
    let peers: Vec<_> = (0..count).map(|_| Peer::of(tool.addr())).collect();
    let said = |peer: usize, round: usize| format!("peer {peer}, datagram {round}");
    // All that the first round says is there before fincat looks.
    tool.stop();
    for round in 0..3 {
        for (number, peer) in peers.iter().enumerate() {
            peer.send(said(number, round));
        }
    }
    tool.resume();
    for (number, peer) in peers.iter().enumerate() {
        for round in 0..3 {
            peer.hears(&said(number, round));
        }
    }
    if mode != Mode::Single {
        for round in 3..20 {
            for (number, peer) in peers.iter().enumerate() {
                peer.send(said(number, round));
            }
            for (number, peer) in peers.iter().enumerate().rev() {
                peer.hears(&said(number, round));
            }
        }
    }
    for peer in &peers {
        peer.hears_nothing_for(Duration::ZERO);
    }
}

/// A peer that is gone when its answer comes harms nobody.
fn a_listener_outlives_icmp(mode: Mode) {
    let tool = echo(mode, &[]);
    for _ in 0..3 {
        tool.stop();
        let vanishing = Peer::of(tool.addr());
        vanishing.send("x");
        drop(vanishing);
        tool.resume();
        Peer::of(tool.addr()).asks("still there?", "still there?");
    }
    assert!(tool.is_running());
}

/// Silent peers cannot lock a newcomer out: at `-m` the conversation idle longest ends, and no other.
#[track_caller]
fn the_one_idle_longest_gives_way(mode: Mode) {
    let tool = echo(mode, &["-m", "2", "-v"]);
    let [busy, silent, newcomer] = [(); 3].map(|()| Peer::of(tool.addr()));
    busy.asks("first", "first");
    silent.asks("second", "second");
    // The board of times counts in milliseconds.
    silence(Duration::from_millis(20));
    busy.asks("still here", "still here");
    newcomer.asks("let me in", "let me in");
    busy.asks("not me", "not me");
    tool.wait_line(|line| line.contains(&format!("{}: ", silent.addr())) && line.contains("sent 6,"));
    let begun = |peer: &Peer| format!("{}: accepted", peer.addr());
    tool.wait_line(|line| line.contains(&begun(&newcomer)));
    let times = |peer: &Peer| tool.stderr().lines().filter(|line| line.contains(&begun(peer))).count();
    assert_eq!(times(&busy), 1, "{}", tool.stderr());
    assert_eq!(times(&newcomer), 1, "{}", tool.stderr());
}

#[test]
fn the_one_idle_longest_gives_way_under_thread() {
    the_one_idle_longest_gives_way(Mode::Thread);
}

#[test]
fn the_one_idle_longest_gives_way_under_fork() {
    the_one_idle_longest_gives_way(Mode::Fork);
}

fn a_server_is_stopped_in_order(mode: Mode) {
    let mut tool = listen(&[&["127.0.0.1", "0", "--echo", "--grace", "200ms"], mode.flags()].concat());
    let peer = Peer::of(tool.addr());
    peer.asks("x", "x");
    tool.signal(Signal::TERM);
    tool.wait_within(Duration::from_secs(8)).expect_signal(Signal::TERM);
    peer.refused();
}

/// Silence is not an error here: nobody says anything, and the next peer has its conversation.
fn silence_ends_a_conversation_in_order(mode: Mode) {
    let args = ["127.0.0.1", "0", "--idle-timeout", "300ms", "--count", "2", "--send", "hello", "-v"];
    let flags: &[&str] = match mode {
        Mode::Single => &["--single"],
        mode => mode.flags(),
    };
    let mut tool = listen(&[&args, flags].concat());
    for turn in 1..=2 {
        Peer::of(tool.addr()).asks("x", "hello");
        tool.wait_lines(turn, |line| line.contains("ended in order"));
    }
    let exit = tool.wait().expect(0);
    assert!(!exit.stderr.contains("timed out"), "{exit}");
}

/// One conversation is one: its peer is answered, and everybody else is nobody's.
#[test]
fn a_one_shot_hears_one_peer() {
    let mut tool = listen(&["127.0.0.1", "0", "--datagrams", "3"]);
    let (peer, other) = (Peer::of(tool.addr()), Peer::of(tool.addr()));
    peer.send("one");
    tool.wait_stdout(3);
    other.refused();
    peer.send("two");
    peer.send("six");
    assert_eq!(tool.wait().expect(0).stdout, b"onetwosix");
    peer.refused();
}

#[test]
fn a_one_shot_ends_in_order_after_silence() {
    let mut tool = listen(&["127.0.0.1", "0", "--idle-timeout", "200ms"]);
    Peer::of(tool.addr()).send("one");
    let exit = tool.wait_within(Duration::from_secs(5)).expect(0);
    assert_eq!((&exit.stdout[..], &exit.stderr[..]), (&b"one"[..], ""), "{exit}");
}

#[test]
fn nobody_comes_in_time() {
    let exit = Tool::run(["udp", "listen", "127.0.0.1", "0", "-w", "200ms"]).expect(5);
    assert!(exit.stderr.contains("timed out"), "{exit}");
}

/// A second listener is refused its port, also while conversations are bound beside the first.
#[test]
fn a_port_is_held_by_one() {
    let tool = echo(Mode::Thread, &[]);
    let peer = Peer::of(tool.addr());
    peer.asks("x", "x");
    let port = tool.addr().port().to_string();
    for _ in 0..2 {
        let exit = Tool::run(["udp", "listen", "127.0.0.1", &port]).expect(8);
        assert!(exit.stderr.contains("in use"), "{exit}");
    }
    let foreign = UdpSocket::bind(tool.addr());
    assert!(foreign.is_err(), "nobody else can bind it");
    peer.asks("y", "y");
}

#[test]
fn only_some_are_let_in() {
    for list in
        [&["--allow", "127.0.0.2/32"][..], &["--deny", "127.0.0.1"], &["--allow", "127.0.0.0/8", "--deny", "127.0.0.1"]]
    {
        let tool = listen(&[&["0.0.0.0", "0", "--thread", "--echo"], list].concat());
        let addr = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), tool.addr().port());
        let (out, within) = (Peer::new(), Peer::at([127, 0, 0, 2]));
        out.send_to("x", addr);
        tool.wait_line(|line| line.contains(&out.addr().to_string()));
        within.send_to("y", addr);
        assert_eq!(within.receive_from(), (b"y".to_vec(), addr));
        out.hears_nothing_for(Duration::ZERO);
    }
}

#[test]
fn an_address_has_its_share() {
    let tool = echo(Mode::Thread, &["--max-per-ip", "1"]);
    let (first, second, third) = (Peer::of(tool.addr()), Peer::of(tool.addr()), Peer::at([127, 0, 0, 2]));
    first.asks("one", "one");
    second.send("two");
    tool.wait_line(|line| line.contains(&second.addr().to_string()));
    third.send_to("three", tool.addr());
    third.hears("three");
    first.asks("four", "four");
    second.hears_nothing_for(Duration::ZERO);
}

/// -v: who came, and what became of it.
#[test]
fn it_is_told_about() {
    let tool = listen(&["127.0.0.1", "0", "--thread", "--echo", "-v", "--idle-timeout", "200ms"]);
    let (peer, addr) = (Peer::of(tool.addr()), tool.addr());
    peer.asks("four", "four");
    let about = format!("fincat: {}: ", peer.addr());
    tool.wait_line(|line| line == format!("fincat: listening on {addr}"));
    tool.wait_line(|line| line == format!("{about}accepted on {addr}"));
    tool.wait_line(|line| line.starts_with(&format!("{about}ended in order")) && line.contains("sent 4, received 4"));
}

/// No process is left when its conversation is over.
#[test]
fn a_forked_conversation_is_reaped() {
    let tool = echo(Mode::Fork, &["--idle-timeout", "200ms"]);
    let peers: Vec<_> = (0..10).map(|_| Peer::of(tool.addr())).collect();
    for peer in &peers {
        peer.asks("x", "x");
    }
    wait_until("no process is left", || children(tool.id()).is_empty());
    peers[0].asks("again", "again");
}
