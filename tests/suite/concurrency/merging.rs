//! What many peers say at once, on one standard output: `--recv-only` under `--thread` and `--fork`; not
//! what `--single` does with it (`turns`).

use std::collections::BTreeSet;
use std::fs::File;
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::thread;

use socket2::{Domain, Socket, Type};

use super::leave;
use crate::capture::{deadline, readable_by};
use crate::launch::{Launch, Stdin, Stdout};
use crate::matrix::{Case, matrix};
use crate::pattern::{assert_same, pattern};
use crate::peers::Ending;
use crate::process::Signal;
use crate::tool::Tool;

/// What POSIX calls `PIPE_BUF`: a write of so many bytes to a pipe is never torn.
const PIPE_BUF: usize = 4096;

/// A line of `length` bytes, all but the newline the same letter.
fn line(letter: u8, length: usize) -> Vec<u8> {
    let mut line = vec![letter; length - 1];
    line.push(b'\n');
    line
}

matrix!(many over all: lines_come_out_whole, each_write_is_small_and_one_peers, nothing_is_lost_when_all_speak_at_once);

/// What a peer says in one piece of at most `PIPE_BUF` comes out in one piece, whoever else speaks.
fn lines_come_out_whole(case: Case) {
    let tool = case.serve(Tool::with(Stdin::Null), &["--recv-only"]);
    let peers: Vec<_> = (b'a'..=b'h').map(|letter| (letter, case.meet(&tool))).collect();
    let mut said = 0;
    let mut wanted = BTreeSet::new();
    for round in 1..=16 {
        for (letter, peer) in &peers {
            let line = line(*letter, round * PIPE_BUF / 16);
            peer.write(&line);
            said += line.len();
            wanted.insert(line);
        }
        tool.wait_stdout(said);
    }
    let heard = tool.wait_stdout(said);
    assert_eq!(heard.len(), said);
    let lines: BTreeSet<_> = heard.split_inclusive(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect();
    assert!(lines == wanted, "{} different lines of {}", lines.len(), wanted.len());
}

/// A standard output that keeps writes apart shows them as they were made.
fn each_write_is_small_and_one_peers(case: Case) {
    let (ours, theirs) = Socket::pair(Domain::UNIX, Type::SEQPACKET, None).expect("socketpair");
    let launch = Launch::new().stdin(Stdin::Null).stdout(Stdout::File(File::from(OwnedFd::from(theirs))));
    let tool = case.serve(launch, &["--recv-only"]);
    let peers: Vec<_> = (b'a'..=b'd').map(|letter| (letter, case.meet(&tool))).collect();
    let sending: Vec<_> = peers.iter().map(|(letter, peer)| peer.send(vec![*letter; 1 << 20])).collect();
    let (mut heard, mut buffer) = ([0; 4], vec![0; 1 << 20]);
    while heard.iter().sum::<usize>() < 4 << 20 {
        assert!(readable_by(&ours, deadline()), "{heard:?} bytes, and no more");
        let count = std::io::Read::read(&mut &ours, &mut buffer).expect("read a packet");
        assert!((1..=PIPE_BUF).contains(&count), "one write has {count} bytes");
        let letter = buffer[0];
        assert!(buffer[..count].iter().all(|&byte| byte == letter), "one write has two peers' bytes");
        heard[usize::from(letter - b'a')] += count;
    }
    assert_eq!(heard, [1 << 20; 4]);
    for sent in sending {
        sent.done().expect("everything is taken");
    }
    ours.shutdown(Shutdown::Both).expect("shutdown");
}

/// Everybody's bytes arrive, in everybody's own order, before the end of the conversation. Three bits of
/// each byte are its peer's number, for the pieces may be cut anywhere.
fn nothing_is_lost_when_all_speak_at_once(case: Case) {
    let mut tool = case.serve(Tool::with(Stdin::Null), &["--count", "8", "--recv-only"]);
    let own = |number: u8| pattern(256 << 10, number.into()).into_iter().map(move |byte| byte >> 3 | number << 5);
    thread::scope(|scope| {
        for number in 0..8 {
            let peer = case.meet(&tool);
            scope.spawn(move || {
                peer.write(own(number).collect::<Vec<_>>());
                leave(&peer);
            });
        }
    });
    let heard = tool.wait().expect(0).stdout;
    for number in 0..8 {
        let of_this_peer: Vec<_> = heard.iter().copied().filter(|byte| byte >> 5 == number).collect();
        assert_same(&of_this_peer, &own(number).collect::<Vec<_>>());
    }
}

/// A server whose standard output is gone stops at once, though nobody has anything to write, and as a
/// pipeline expects it.
fn a_server_without_its_output_stops(case: Case) {
    let launch = Launch::new().stdin(Stdin::Silent).stdout(Stdout::Held);
    let mut tool = case.serve(launch, &["--recv-only"]);
    let peer = case.meet(&tool);
    peer.write("heard");
    let mut output = tool.take_stdout();
    assert_eq!(output.read(5), b"heard");
    drop(output);
    assert_eq!(peer.hear_out(), (Vec::new(), Ending::Fin));
    drop(peer);
    assert_eq!(tool.wait().expect_signal(Signal::PIPE).stderr, "");
}

matrix!(served over all: a_server_without_its_output_stops);

/// Standard input cannot be shared by many, and somebody would get it.
#[test]
fn many_need_a_handler() {
    for mode in ["--thread", "--fork"] {
        for more in [&[][..], &["-k"], &["--count", "2"], &["--send-only"]] {
            let exit = Tool::with(Stdin::Silent).run([&["listen", "127.0.0.1", "0", mode], more].concat()).expect(2);
            assert!(exit.stderr.contains(mode), "{exit}");
        }
    }
}
