//! One at a time: `--single`, with and without `-k`; not what happens at the limits of the other modes
//! (`limits`).

use std::time::Duration;

use super::{echoed, leave};
use crate::kernel::wait_refused;
use crate::launch::Stdin;
use crate::peers::PeerStream;
use crate::process::Signal;
use crate::tool::Tool;

const ANOTHER_WAITS: &str = "fincat: another peer is waiting: one at a time (see --thread)";

/// Who waits is mentioned once, and served in turn.
#[test]
fn the_others_wait_for_their_turn() {
    let mut tool = Tool::listen(["127.0.0.1", "0", "--single", "-k", "--echo"]);
    let mut peers = Vec::new();
    for number in 0..4 {
        let peer = PeerStream::tcp(tool.addr());
        peer.write("x");
        match number {
            0 => assert_eq!(peer.read(1), b"x"),
            _ => assert_eq!(tool.wait_line(|line| line == ANOTHER_WAITS), ANOTHER_WAITS),
        }
        peers.push(peer);
    }
    peers[1].hears_nothing_for(Duration::from_millis(200));
    leave(&peers[0]);
    for (number, peer) in peers.iter().enumerate().skip(1) {
        assert_eq!(peer.read(1), b"x");
        echoed(peer, number);
        leave(peer);
    }
    tool.signal(Signal::TERM);
    let exit = tool.wait().expect_signal(Signal::TERM);
    assert_eq!(exit.stderr, format!("{ANOTHER_WAITS}\n"));
}

/// Waiting for one's turn costs no processor time, neither while somebody is served in silence.
#[test]
fn a_waiting_peer_costs_nothing() {
    let tool = Tool::listen(["127.0.0.1", "0", "--single", "-k", "--echo"]);
    let first = PeerStream::tcp(tool.addr());
    echoed(&first, 1);
    let _second = PeerStream::tcp(tool.addr());
    tool.wait_line(|line| line == ANOTHER_WAITS);
    let busy = crate::kernel::busy(tool.id(), Duration::from_secs(1));
    assert!(busy < Duration::from_millis(100), "{busy:?} of a second");
}

/// `--single -k` hands standard input to each peer in turn.
#[test]
fn standard_input_is_for_each_peer_in_turn() {
    let tool = Tool::with(Stdin::Pipe).listen(["127.0.0.1", "0", "--single", "-k", "--on-fin", "close"]);
    let mut heard = String::new();
    for number in 0..3 {
        let peer = PeerStream::tcp(tool.addr());
        let (said, answer) = (format!("for peer {number}\n"), format!("from peer {number}\n"));
        tool.write(&said);
        assert_eq!(peer.read(said.len()), said.as_bytes());
        peer.write(&answer);
        heard.push_str(&answer);
        assert_eq!(tool.wait_stdout(heard.len()), heard.as_bytes());
        leave(&peer);
    }
    tool.write("for nobody yet\n");
    assert_eq!(PeerStream::tcp(tool.addr()).read(15), b"for nobody yet\n");
    assert!(tool.is_running());
}

/// Without `-k` there is one conversation, and nobody else is kept waiting for nothing: the listener is
/// gone as soon as it has accepted.
#[test]
fn one_shot_closes_the_door_behind_the_first() {
    for mode in [&[][..], &["--single"]] {
        let line = [&["127.0.0.1", "0"], mode].concat();
        let mut tool = Tool::with(Stdin::Pipe).listen(line);
        let peer = PeerStream::tcp(tool.addr());
        tool.write("hello");
        assert_eq!(peer.read(5), b"hello");
        wait_refused(tool.addr());
        tool.close_stdin();
        leave(&peer);
        tool.wait().expect(0);
    }
}
