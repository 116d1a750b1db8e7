//! How an end crosses a forward: half-close in both directions, an upstream that is dead, one that has
//! no end at all; not who can be forwarded to whom.

use std::time::Duration;

use socket2::Type;

use super::forward;
use super::side::{Far, Kind};
use crate::datagram::modes;
use crate::dead_ends::{Refusing, who_comes};
use crate::matrix::Mode;
use crate::pattern::{assert_same, pattern};
use crate::peers::{Ending, PeerListener, PeerStream, silence};
use crate::tool::Tool;

/// More than every buffer between the two ends holds.
const MUCH: usize = 4 << 20;

modes!(
    the_client_half_closes_first,
    the_server_half_closes_first,
    both_talk_at_once,
    a_dead_upstream_ends_one_conversation,
    an_upstream_without_an_end_is_over_after_silence,
);

/// A client, fincat, and a server, all joined.
#[track_caller]
pub(super) fn joined(mode: Mode, from: Kind, to: Kind) -> (Tool, PeerStream, PeerStream) {
    let (listener, endpoint) = match to {
        Kind::Tcp => {
            let listener = PeerListener::tcp();
            let endpoint = listener.addr().to_string();
            (listener, endpoint)
        }
        Kind::Unix => at_path(Type::STREAM, "unix"),
        _ => at_path(Type::SEQPACKET, "unix-seqpacket"),
    };
    let tool = forward(from, mode.flags(), &endpoint);
    let near = match from {
        Kind::Tcp => PeerStream::tcp(tool.addr()),
        Kind::Unix => PeerStream::unix(tool.path(), Type::STREAM),
        _ => PeerStream::unix(tool.path(), Type::SEQPACKET),
    };
    let upstream = listener.accept();
    (tool, near, upstream)
}

#[track_caller]
fn at_path(kind: Type, prefix: &str) -> (PeerListener, String) {
    let listener = PeerListener::unix(kind);
    let endpoint = format!("{prefix}:{}", listener.path());
    (listener, endpoint)
}

/// Those with ends of their own, which can be forwarded to each other.
const STREAMS: [(Kind, Kind); 9] = [
    (Kind::Tcp, Kind::Tcp),
    (Kind::Tcp, Kind::Unix),
    (Kind::Tcp, Kind::Seqpacket),
    (Kind::Unix, Kind::Tcp),
    (Kind::Unix, Kind::Unix),
    (Kind::Unix, Kind::Seqpacket),
    (Kind::Seqpacket, Kind::Tcp),
    (Kind::Seqpacket, Kind::Unix),
    (Kind::Seqpacket, Kind::Seqpacket),
];

/// The server sees the end, and its answer, much later, still arrives.
fn the_client_half_closes_first(mode: Mode) {
    let answer = pattern(MUCH, 91);
    for (from, to) in STREAMS {
        let (_tool, near, far) = joined(mode, from, to);
        near.write("question");
        near.shutdown();
        assert_eq!(far.read_to_end(), b"question");
        if (from, to) == STREAMS[0] {
            silence(Duration::from_millis(1500));
        }
        let sending = far.send(answer.clone());
        assert_same(&near.read(MUCH), &answer);
        sending.done().expect("the client takes the answer");
        far.shutdown();
        assert!(near.read_to_end().is_empty());
    }
}

/// The client sees the end, and still has 4 MiB to say.
fn the_server_half_closes_first(mode: Mode) {
    let much = pattern(MUCH, 92);
    for (from, to) in STREAMS {
        let (_tool, near, far) = joined(mode, from, to);
        far.write("greeting");
        far.shutdown();
        assert_eq!(near.read_to_end(), b"greeting");
        if (from, to) == STREAMS[0] {
            silence(Duration::from_millis(2500));
        }
        let sending = near.send(much.clone());
        assert_same(&far.read(MUCH), &much);
        sending.done().expect("the server takes it all");
        near.shutdown();
        assert!(far.read_to_end().is_empty());
    }
}

fn both_talk_at_once(mode: Mode) {
    let (ours, theirs) = (pattern(MUCH, 93), pattern(MUCH, 94));
    for (from, to) in STREAMS {
        let (_tool, near, far) = joined(mode, from, to);
        let sendings = [near.send(ours.clone()), far.send(theirs.clone())];
        assert_same(&far.read(MUCH), &ours);
        assert_same(&near.read(MUCH), &theirs);
        for sending in sendings {
            sending.done().expect("all is taken");
        }
        near.shutdown();
        far.shutdown();
        assert!(near.read_to_end().is_empty() && far.read_to_end().is_empty());
    }
}

/// It is said, that client's conversation ends, and nothing else does.
fn a_dead_upstream_ends_one_conversation(mode: Mode) {
    let dead = Refusing::port();
    let tool = forward(Kind::Tcp, mode.flags(), &dead.addr().to_string());
    for turn in 1..=2 {
        // Reset, so that nobody takes it for an empty answer.
        assert_eq!(PeerStream::tcp_heard_out(tool.addr()), (Vec::new(), Ending::Reset));
        tool.wait_lines(turn, |line| line.contains("cannot forward to") && line.contains("refused"));
    }
    let back = dead.relents();
    let near = PeerStream::tcp(tool.addr());
    let far = who_comes(&back);
    near.write("x");
    assert_eq!(std::io::Read::read(&mut &far, &mut [0; 9]).expect("read"), 1);
    drop(far);
    near.shutdown();
    assert_eq!(near.read_to_end(), b"");
    assert!(tool.is_running());
}

/// A client with an end before an upstream without one: 1 s of silence is the end of the answer.
fn an_upstream_without_an_end_is_over_after_silence(mode: Mode) {
    for kind in [Kind::Udp, Kind::Dgram] {
        let mut far = Far::new(kind);
        let tool = forward(Kind::Tcp, mode.flags(), &far.endpoint());
        let near = PeerStream::tcp(tool.addr());
        near.write("question");
        near.shutdown();
        assert_eq!(far.hear(8), b"question");
        silence(Duration::from_millis(500));
        far.say(b"answer");
        assert_eq!(near.read_to_end(), b"answer");
    }
}

/// RST of one client is not the others' business.
#[test]
fn a_reset_is_one_conversations() {
    let listener = PeerListener::unix(Type::STREAM);
    let tool = forward(Kind::Tcp, &[], &listener.path());
    let (reset, other) = (PeerStream::tcp(tool.addr()), PeerStream::tcp(tool.addr()));
    let upstreams = [listener.accept(), listener.accept()];
    reset.write("x");
    reset.reset();
    other.write("still here");
    other.shutdown();
    let mut heard: Vec<_> = upstreams.iter().map(|upstream| upstream.hear_out().0.len()).collect();
    heard.sort_unstable();
    assert_eq!(heard[1], 10, "{heard:?}");
    assert!(tool.is_running());
}
