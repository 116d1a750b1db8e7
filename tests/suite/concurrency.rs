//! How many conversations there are: one, one after the other, or many at once, and who is let in; what
//! is said in them is `handlers`, how they are stopped is `signals`.
//!
//! * `turns`:   one at a time, `--single`
//! * `crowd`:   many at once, more than can be, and those who come only to vanish
//! * `limits`:  `-m`, `--count`, `--max-per-ip`, `--allow`, `--deny`, `-w`, `--backlog`
//! * `doors`:   the addresses a listener has, and how others learn of them
//! * `merging`: what many peers say at once, on one standard output

use crate::matrix::Case;
use crate::peers::PeerStream;
use crate::tool::Tool;

mod crowd;
mod doors;
mod limits;
mod merging;
mod turns;

/// Says something that no other peer says, and demands it back.
#[track_caller]
fn echoed(peer: &PeerStream, number: usize) {
    let text = format!("peer {number} is served\n");
    peer.write(&text);
    assert_eq!(String::from_utf8_lossy(&peer.read(text.len())), text);
}

/// A new peer of an echo server that is served already.
#[track_caller]
fn served(case: Case, tool: &Tool, number: usize) -> PeerStream {
    let peer = case.meet(tool);
    echoed(&peer, number);
    peer
}

/// Ends a conversation in order and waits for fincat's end of it.
#[track_caller]
fn leave(peer: &PeerStream) {
    peer.shutdown();
    assert_eq!(peer.read_to_end(), b"");
}
