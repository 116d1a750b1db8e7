//! SIGUSR1: a line for each conversation under way, in every mode, and nobody is disturbed.

use crate::launch::Stdin;
use crate::matrix::{Case, Mode, Transport, matrix};
use crate::peers::PeerStream;
use crate::process::Signal;
use crate::tool::Tool;

/// The line about a conversation that has moved so much. The peer may have heard of it before it is counted.
#[track_caller]
fn ask(tool: &Tool, bytes: &str) -> String {
    for times in 1.. {
        tool.signal(Signal::USR1);
        let line = tool.wait_lines(times, |line| line.contains(": under way for "));
        if line.contains(bytes) {
            return line;
        }
        assert!(times < 100, "{bytes}: {line}");
    }
    unreachable!("a hundred answers")
}

matrix!(every over streams: where_it_stands);

fn where_it_stands(case: Case) {
    let (stdin, args): (_, &[&str]) =
        if case.mode == Mode::OneShot { (Stdin::Pipe, &[]) } else { (Stdin::Null, &["--echo"]) };
    let (mut tool, peer) = case.pair(stdin, args);
    peer.write("four");
    if case.mode == Mode::OneShot {
        tool.wait_stdout(4);
        tool.write("seven!!");
        assert_eq!(peer.read(7), b"seven!!");
    } else {
        assert_eq!(peer.read(4), b"four");
    }
    let sent = if case.mode == Mode::OneShot { 7 } else { 4 };
    let line = ask(&tool, &format!(" s, sent {sent}, received 4 bytes"));
    if case.transport == Transport::Tcp {
        assert!(line.ends_with(", ESTABLISHED"), "{line}");
        assert!(line.contains(&peer.addrs().0.to_string()), "{line}");
    }
    peer.shutdown();
    tool.close_stdin();
    peer.read_to_end();
    tool.wait().expect(0);
}

matrix!(many: everybody_is_told_of);

/// Twice, so that a question is not answered once only; commands are not asked, who would die of it.
fn everybody_is_told_of(case: Case) {
    for (handler, sent) in [(&["--echo"][..], ", sent "), (&["--", "cat"], ", sent ")] {
        let mut tool = case.serve(crate::launch::Launch::new(), &[&["--count", "3"], handler].concat());
        let peers: Vec<PeerStream> = (0..3).map(|_| case.meet(&tool)).collect();
        for peer in &peers {
            peer.write("x");
            assert_eq!(peer.read(1), b"x");
        }
        for times in 1..=2 {
            tool.signal(Signal::USR1);
            for peer in &peers {
                let name = format!("fincat: {}: under way", peer.addrs().0);
                let line = tool.wait_lines(times, |line| line.starts_with(&name));
                assert!(line.contains(sent), "{line}");
            }
        }
        for peer in &peers {
            peer.write("y");
            assert_eq!(peer.read(1), b"y");
            peer.shutdown();
            peer.read_to_end();
        }
        drop(peers);
        let exit = tool.wait().expect(0);
        assert_eq!(exit.stderr.lines().count(), 6, "{exit}");
    }
}

/// A server that nobody talks to has nothing to say, and goes on.
#[test]
fn nobody_is_told_of() {
    let mut tool = Tool::listen(["127.0.0.1", "0", "--thread", "--count", "1", "--echo"]);
    tool.signal(Signal::USR1);
    let peer = PeerStream::tcp(tool.addr());
    peer.write("x");
    assert_eq!(peer.read(1), b"x");
    drop(peer);
    let exit = tool.wait().expect(0);
    assert_eq!(exit.stderr, "", "{exit}");
}
