//! One standard input and output for many peers: who hears what, and who waits for whom; what `--thread` does with
//! handlers is `concurrency`.
//!
//! * `fan_out`: standard input to everybody, at the pace of the slowest
//! * `hub`:     each to all others, and nobody waits
//! * `lines`:   what stays together on the way
//! * `ends`:    the ends of both, and their signals

use crate::matrix::Case;
use crate::peers::PeerStream;
use crate::tool::Tool;

mod ends;
mod fan_out;
mod hub;
mod lines;

/// Peers of a hub of lines that take part already, and have heard each other say so.
#[track_caller]
fn joined_by_line(case: Case, tool: &Tool, count: usize) -> Vec<PeerStream> {
    let mut peers: Vec<PeerStream> = Vec::new();
    for number in 1..=count {
        let peer = case.meet(tool);
        peer.write("*\n");
        tool.wait_stdout(2 * number);
        for other in &peers {
            assert_eq!(other.read(2), b"*\n");
        }
        peers.push(peer);
    }
    peers
}

/// `count` new peers that take part already, which they show by a byte each; `heard` counts what has come out so far.
/// Where peers hear each other, each has heard the bytes of the others.
#[track_caller]
fn joined(case: Case, tool: &Tool, count: usize, heard: &mut usize, mutual: bool) -> Vec<PeerStream> {
    let mut peers: Vec<PeerStream> = Vec::new();
    for _ in 0..count {
        let peer = case.meet(tool);
        peer.write("*");
        *heard += 1;
        tool.wait_stdout(*heard);
        if mutual {
            for other in &peers {
                assert_eq!(other.read(1), b"*");
            }
        }
        peers.push(peer);
    }
    peers
}
