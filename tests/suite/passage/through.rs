//! From a socket to a socket, to nowhere, and through commands behind pipes, in every mode, to the byte; ends
//! that cross a forward in silence are the subject of `forward`.

use std::time::Duration;

use socket2::Type;

use super::{BULK, MUCH, Passage, ours, passages, sip, theirs};
use crate::launch::Stdin;
use crate::matrix::{Case, Mode, Role, Transport};
use crate::pattern::assert_same;
use crate::peers::{Ending, PeerListener, PeerStream, silence};
use crate::tool::Tool;

passages!(served over streams: echo, discard, cat, a_command_that_stops_reading);

/// Says [`BULK`] and hears it again, in odd pieces.
#[track_caller]
fn is_echoed(peer: &PeerStream) {
    let sending = peer.send(ours(BULK).to_vec());
    assert_same(&sip(BULK, |size| peer.read(size)), ours(BULK));
    sending.done().expect("all is taken");
}

fn echo(passage: Passage) {
    echoes_to_the_end(passage, &["--echo"]);
}

fn echoes_to_the_end(passage: Passage, args: &[&str]) {
    let (mut tool, peer) = passage.pair(Tool::with(Stdin::Null), args);
    peer.narrow();
    is_echoed(&peer);
    peer.write("late");
    peer.shutdown();
    assert_eq!(peer.read_to_end(), b"late");
    tool.wait().expect(0);
}

fn discard(passage: Passage) {
    let (mut tool, peer) = passage.pair(Tool::with(Stdin::Null), &["--discard", "-v"]);
    peer.send(ours(BULK).to_vec()).done().expect("all is taken");
    peer.write("late");
    peer.shutdown();
    assert_eq!(peer.read_to_end(), b"");
    let exit = tool.wait().expect(0);
    assert!(exit.stderr.contains(&format!("received {} bytes", BULK + 4)), "{exit}");
}

fn cat(passage: Passage) {
    echoes_to_the_end(passage, &["--pipes", "--", "cat"]);
}

/// What it leaves unread is taken and dropped, and what it says arrives.
fn a_command_that_stops_reading(passage: Passage) {
    let line = "head -c 100000; exec <&-; cat /dev/zero | head -c 1000000";
    let (mut tool, peer) = passage.pair(Tool::with(Stdin::Null), &["--pipes", "--sh", line]);
    let sending = peer.send(ours(MUCH).to_vec());
    assert_same(&peer.read(100_000), ours(100_000));
    assert_same(&peer.read(1_000_000), &vec![0; 1_000_000]);
    sending.done().expect("what nobody reads is taken all the same");
    peer.shutdown();
    assert_eq!(peer.hear_out(), (Vec::new(), Ending::Fin));
    tool.wait().expect(0);
}

/// Who can be forwarded to whom with a stream at one end at least.
const PAIRS: [(Transport, Transport); 5] = [
    (Transport::Tcp, Transport::Tcp),
    (Transport::Tcp, Transport::Unix),
    (Transport::Unix, Transport::Tcp),
    (Transport::Unix, Transport::Unix),
    (Transport::Tcp, Transport::Seqpacket),
];

/// A fincat of this mode, a client and a server, all joined. Packets are always copied, and saying so is refused.
#[track_caller]
fn joined(mode: Mode, copies: bool, (from, to): (Transport, Transport)) -> Option<(Tool, PeerStream, PeerStream)> {
    let (listener, endpoint) = match to {
        Transport::Tcp => {
            let listener = PeerListener::tcp();
            let endpoint = format!("tcp:{}", listener.addr());
            (listener, endpoint)
        }
        Transport::Unix => {
            let listener = PeerListener::unix(Type::STREAM);
            let endpoint = format!("unix:{}", listener.path());
            (listener, endpoint)
        }
        Transport::Seqpacket if copies => return None,
        Transport::Seqpacket => {
            let listener = PeerListener::unix(Type::SEQPACKET);
            let endpoint = format!("unix-seqpacket:{}", listener.path());
            (listener, endpoint)
        }
    };
    let passage = Passage { case: Case { role: Role::Listen, transport: from, mode }, copies };
    let args = [passage.flags(), &["--to", &endpoint]].concat();
    let tool = passage.case.serve(Tool::with(Stdin::Null), &args);
    let near = passage.case.meet(&tool);
    Some((tool, near, listener.accept()))
}

passages!(served: forward, a_forward_ends_with_a_reset);

/// [`BULK`] both ways at once, then the end one way, and then the end of the other.
fn forward(passage: Passage) {
    for pair in PAIRS {
        let Some((_tool, near, far)) = joined(passage.case.mode, passage.copies, pair) else { continue };
        near.narrow();
        let sendings = [near.send(ours(BULK).to_vec()), far.send(theirs(BULK).to_vec())];
        std::thread::scope(|scope| {
            scope.spawn(|| assert_same(&far.read(BULK), ours(BULK)));
            assert_same(&sip(BULK, |size| near.read(size)), theirs(BULK));
        });
        for sending in sendings {
            sending.done().expect("all is taken");
        }
        near.shutdown();
        assert_eq!(far.read_to_end(), b"", "{pair:?}");
        let sending = far.send(theirs(MUCH).to_vec());
        assert_same(&near.read(MUCH), theirs(MUCH));
        sending.done().expect("fincat takes it");
        far.shutdown();
        assert_eq!(near.read_to_end(), b"", "{pair:?}");
    }
}

/// What the server said before its RST reaches a client that is slow to take it.
fn a_forward_ends_with_a_reset(passage: Passage) {
    for pair in [(Transport::Tcp, Transport::Tcp), (Transport::Unix, Transport::Tcp)] {
        let (_tool, near, far) = joined(passage.case.mode, passage.copies, pair).expect("streams");
        near.narrow();
        let (before, all) = (1 << 20, (1 << 20) + 300_001);
        let sending = far.send(theirs(before).to_vec());
        let mut bytes = near.read(before);
        sending.done().expect("fincat takes it");
        let sending = far.send(theirs(all)[before..].to_vec());
        // What is left then has room on the way, whatever the kernels grant: a window and a buffer.
        bytes.extend(near.read(200_000));
        sending.done().expect("fincat takes it");
        far.settle();
        far.reset();
        silence(Duration::from_millis(50));
        bytes.extend(near.hear_out().0);
        assert_same(&bytes, theirs(all));
    }
}

#[test]
fn the_way_is_taken_anew_after_silence() {
    rest_between_two_bulks(false);
}

#[test]
fn copies_go_on_after_silence() {
    rest_between_two_bulks(true);
}

/// Whoever rests for longer than anything is kept goes on as if nothing had happened: a word first, then a bulk.
fn rest_between_two_bulks(copies: bool) {
    const PART: usize = 1 << 20;
    let (mut echoes, mut forwards) = (Vec::new(), Vec::new());
    for mode in [Mode::Single, Mode::Thread, Mode::Fork] {
        for (transport, handler) in [
            (Transport::Tcp, &["--echo"][..]),
            (Transport::Unix, &["--echo"]),
            (Transport::Tcp, &["--pipes", "--", "cat"]),
        ] {
            let passage = Passage { case: Case { role: Role::Listen, transport, mode }, copies };
            echoes.push(passage.pair(Tool::with(Stdin::Null), handler));
        }
        let joined = PAIRS.into_iter().filter_map(|pair| joined(mode, copies, pair));
        // The peers end first.
        forwards.extend(joined.map(|(tool, near, far)| (near, far, tool)));
    }
    let talk = |(from, to): (&PeerStream, &PeerStream), bytes: &[u8]| {
        let sending = from.send(bytes.to_vec());
        assert_same(&to.read(bytes.len()), bytes);
        sending.done().expect("all is taken");
    };
    let all = || {
        let back = echoes.iter().map(|(_, peer)| (peer, peer));
        back.chain(forwards.iter().flat_map(|(near, far, _)| [(near, far), (far, near)]))
    };
    all().for_each(|pair| talk(pair, ours(PART)));
    silence(Duration::from_millis(1300));
    all().for_each(|pair| talk(pair, b"late"));
    all().for_each(|pair| talk(pair, theirs(PART)));
    for (_, peer) in &echoes {
        peer.shutdown();
        assert_eq!(peer.read_to_end(), b"");
    }
}
