//! Boundaries: one datagram in is one write out, one read in is one datagram out, from the empty one to
//! the largest; and lines, which are boundaries of their own.

use std::fs;
use std::io::{Seek, Write};
use std::time::Duration;

use tempfile::tempfile;

use super::peer::Peer;
use super::{Packets, connect, listen, listen_with, modes};
use crate::launch::{Stdin, Stdout};
use crate::matrix::Mode;
use crate::pattern::{assert_same, pattern};
use crate::process::Signal;
use crate::tool::Tool;

/// The most that UDP over IPv4 can carry.
const LARGEST: usize = 65_507;

modes!(the_largest_come_back, an_empty_datagram_is_data);

fn the_largest_come_back(mode: Mode) {
    let tool = listen(&[&["127.0.0.1", "0", "--echo", "--size", "65507"], mode.flags()].concat());
    let peer = Peer::of(tool.addr());
    for size in [1, 1472, 1473, 8193, 60_000, LARGEST] {
        let datagram = pattern(size, 81);
        peer.send(&datagram);
        assert_same(&peer.receive(), &datagram);
    }
}

fn an_empty_datagram_is_data(mode: Mode) {
    let tool = listen(&[&["127.0.0.1", "0", "--echo"], mode.flags()].concat());
    let peer = Peer::of(tool.addr());
    for said in ["", "x", "", "", "y"] {
        peer.asks(said, said);
    }
}

/// nc's listeners exit; to us it is nothing on standard output, and counts.
#[test]
fn an_empty_datagram_ends_nothing() {
    let mut tool = listen(&["127.0.0.1", "0", "--datagrams", "4"]);
    let peer = Peer::of(tool.addr());
    for said in ["", "one", "", "two"] {
        peer.send(said);
    }
    assert_eq!(tool.wait().expect(0).stdout, b"onetwo");
}

#[test]
fn an_empty_datagram_is_the_end_if_asked() {
    let mut tool = listen(&["127.0.0.1", "0", "--eof-datagram"]);
    let peer = Peer::of(tool.addr());
    for said in ["one", "", "lost"] {
        peer.send(said);
    }
    assert_eq!(tool.wait_stdout_end(), b"one");
    assert_eq!(tool.wait().expect(0).stdout, b"one");
    let asked = Peer::new();
    let mut tool =
        connect(Tool::with(Stdin::Bytes(b"question".to_vec())), asked.addr(), &["--eof-datagram", "-q", "9"]);
    let (question, from) = asked.receive_from();
    assert_eq!((question, asked.receive()), (b"question".to_vec(), Vec::new()));
    asked.send_to("answer", from);
    asked.send_to("", from);
    // The end is the end: nobody waits 9 s for more.
    assert_eq!(tool.wait_within(Duration::from_secs(5)).expect(0).stdout, b"answer");
}

/// One datagram is one write; a reader of packets sees what was sent.
#[test]
fn a_datagram_in_is_a_write_out() {
    let (ours, theirs) = Packets::pair();
    let launch = Tool::with(Stdin::Silent).stdout(Stdout::File(theirs));
    let mut tool = listen_with(launch, &["127.0.0.1", "0", "--datagrams", "6"]);
    let peer = Peer::of(tool.addr());
    let sizes = [1, 9000, 3, 60_000, 1472, LARGEST];
    // All are there before fincat looks: nothing may merge them.
    tool.stop();
    for size in sizes.into_iter().filter(|&size| size < 10_000) {
        peer.send(pattern(size, 82));
    }
    tool.resume();
    for size in sizes.into_iter().filter(|&size| size < 10_000) {
        assert_same(&ours.next().expect("a packet"), &pattern(size, 82));
    }
    for size in [60_000, LARGEST] {
        peer.send(pattern(size, 82));
        assert_same(&ours.next().expect("a packet"), &pattern(size, 82));
    }
    assert!(ours.next().is_none());
    tool.wait().expect(0);
}

/// One read of standard input is one datagram, up to `--size`.
#[test]
fn a_read_in_is_a_datagram_out() {
    let (ours, theirs) = Packets::pair();
    let peer = Peer::new();
    let args = ["--size", "65507", "-q", "0.1"];
    let mut tool = connect(Tool::with(Stdin::File(theirs)), peer.addr(), &args);
    for size in [1, 3000, 60_000, LARGEST] {
        ours.put(pattern(size, 83));
        assert_same(&peer.receive(), &pattern(size, 83));
    }
    drop(ours);
    tool.wait().expect(0);
}

/// A stream is cut at 1472 bytes, what an Ethernet carries, or where one wants it.
#[test]
fn a_stream_is_cut() {
    let bytes = pattern(10_000, 84);
    for (args, size) in [(&[][..], 1472), (&["--size", "4000"], 4000), (&["--size", "65507"], 10_000)] {
        let peer = Peer::new();
        let mut file = tempfile().expect("a temporary file");
        file.write_all(&bytes).expect("write it");
        file.rewind().expect("rewind it");
        let launch = Tool::with(Stdin::File(file));
        let mut tool = connect(launch, peer.addr(), &[&["-q", "0.1"], args].concat());
        for piece in bytes.chunks(size) {
            assert_same(&peer.receive(), piece);
        }
        tool.wait().expect(0);
        peer.hears_nothing_for(Duration::ZERO);
    }
}

/// A line is a datagram, its newline included or not as the contract has it: the text is what counts.
#[test]
fn lines_go_out_one_by_one() {
    let peer = Peer::new();
    let stdin = Stdin::Bytes(b"one\ntwo\n\nlast".to_vec());
    let mut tool = connect(Tool::with(stdin), peer.addr(), &["--lines", "-q", "0.1"]);
    for line in ["one", "two", "", "last"] {
        let datagram = String::from_utf8(peer.receive()).expect("UTF-8");
        assert_eq!(datagram.strip_suffix('\n').unwrap_or(&datagram), line);
    }
    tool.wait().expect(0);
    peer.hears_nothing_for(Duration::ZERO);
}

/// Each datagram is a line, with a newline if it has none.
#[test]
fn lines_come_in_one_by_one() {
    for keep in [&["-k"][..], &[]] {
        let mut tool = listen(&[&["127.0.0.1", "0", "--lines", "--datagrams", "3"], keep].concat());
        let peer = Peer::of(tool.addr());
        for said in ["one", "two\n", "three"] {
            peer.send(said);
        }
        assert_eq!(tool.wait().expect(0).stdout, b"one\ntwo\nthree\n");
    }
}

/// What does not fit is said, none of it is sent, and the next one still arrives.
#[test]
fn what_does_not_fit_is_said() {
    let peer = Peer::new();
    let stdin = Stdin::Bytes(b"short\nmuch longer than that\nagain\n".to_vec());
    let mut tool = connect(Tool::with(stdin), peer.addr(), &["--lines", "--size", "10", "-q", "0.1"]);
    for line in ["short", "again"] {
        assert_eq!(String::from_utf8_lossy(&peer.receive()).trim_end(), line);
    }
    let exit = tool.wait();
    assert!(exit.stderr.contains("--size"), "it names the thing to change: {exit}");
    peer.hears_nothing_for(Duration::ZERO);
}

/// A listener asks for a receive buffer of 1 MiB where nobody says; `-vv` tells where the kernel grants less.
#[test]
fn a_receive_buffer_that_is_clipped_is_said() {
    let most = fs::read_to_string("/proc/sys/net/core/rmem_max").expect("the kernel's limit");
    let granted = most.trim().parse::<usize>().expect("a number") / 1024;
    let mut tool = listen(&["127.0.0.1", "0", "-vv", "--echo", "-k"]);
    tool.signal(Signal::TERM);
    let said = tool.wait().expect_signal(Signal::TERM).stderr;
    let line =
        format!("fincat: receive buffer of {granted} KiB, wanted 1024: the kernel's limit (net.core.rmem_max)\n");
    assert_eq!(said.contains(&line), granted < 1024, "{said}");
    let mut tool = listen(&["127.0.0.1", "0", "-vv", "--echo", "-k", "--rcvbuf", "65536"]);
    tool.signal(Signal::TERM);
    let said = tool.wait().expect_signal(Signal::TERM).stderr;
    assert!(!said.contains("receive buffer"), "{said}");
}
