//! Bulk that is cut short, by RST, FIN, a deadline or a signal, or that stands still on one side: what was taken is
//! delivered, or the status says that it was not; short conversations are the subject of `half_close`.

use std::fs::File;
use std::io::{Read, Seek};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::pipe::{PipeFlags, pipe_with};

use super::{BULK, CHOKED, MUCH, PASSED, Passage, choked, copy, file_of, ours, passages, sip, theirs};
use crate::capture::{Capture, Feed, deadline};
use crate::half_close::fifo;
use crate::kernel::wait_until;
use crate::launch::{Stdin, Stdout};
use crate::pattern::assert_same;
use crate::peers::silence;
use crate::process::{Exit, Signal};
use crate::tool::Tool;

passages!(one_shot over streams: a_silent_reader_stalls_nobody_else, a_silent_peer_stalls_nobody_else);

/// Nobody reads standard output while 64 MiB go the other way.
fn a_silent_reader_stalls_nobody_else(passage: Passage) {
    let (mut tool, peer) = passage.pair(Tool::with(Stdin::Pipe).stdout(Stdout::Held), &[]);
    let sending = peer.send(theirs(BULK).to_vec());
    let mut output = tool.take_stdout();
    assert_same(&output.read(1 << 20), theirs(1 << 20));
    for _ in 0..4 {
        tool.write(ours(BULK));
        assert_same(&peer.read(BULK), ours(BULK));
    }
    tool.close_stdin();
    assert_eq!(peer.read_to_end(), b"");
    assert_same(&output.read(BULK - (1 << 20)), &theirs(BULK)[1 << 20..]);
    sending.done().expect("all is taken");
    peer.shutdown();
    assert_eq!(output.read_to_end(), b"");
    tool.wait().expect(0);
}

/// The peer takes nothing while it sends 64 MiB.
fn a_silent_peer_stalls_nobody_else(passage: Passage) {
    let (mut tool, peer) = passage.pair(Tool::with(Stdin::Bytes(ours(BULK).to_vec())).stdout(Stdout::Held), &[]);
    peer.narrow();
    let mut bytes = peer.read(100_003);
    let mut output = tool.take_stdout();
    for _ in 0..4 {
        let sending = peer.send(theirs(BULK).to_vec());
        assert_same(&output.read(BULK), theirs(BULK));
        sending.done().expect("all is taken");
    }
    peer.shutdown();
    assert_eq!(output.read_to_end(), b"");
    bytes.extend(peer.read_to_end());
    assert_same(&bytes, ours(BULK));
    tool.wait().expect(0);
}

passages!(one_shot: a_reset_destroys_nothing_that_arrived, a_reset_finds_a_full_output);

/// What fincat finds together with a RST, in full flow, comes out on whatever standard output is.
fn a_reset_destroys_nothing_that_arrived(passage: Passage) {
    let (before, all) = (1 << 20, (1 << 20) + (48 << 10));
    let (pipe, pipes) = pipe_with(PipeFlags::CLOEXEC).expect("a pipe");
    let (end, fifos) = fifo();
    let (socket, sockets) = UnixStream::pair().expect("a pair");
    let file = file_of(b"");
    let outputs = [
        (File::from(pipes), Some(Capture::of(File::from(pipe)))),
        (fifos, Some(Capture::of(end))),
        (File::from(OwnedFd::from(sockets)), Some(Capture::of(socket))),
        (copy(&file), None),
    ];
    for (stdout, heard) in outputs {
        let launch = Tool::with(Stdin::Silent).stdout(Stdout::File(stdout));
        let (mut tool, peer) = passage.pair(launch, &["--recv-only"]);
        peer.write(&theirs(all)[..before]);
        match &heard {
            Some(heard) => assert!(heard.reaches(before, deadline()), "the bulk comes out"),
            None => wait_until("the bulk comes out", || file.metadata().expect("fstat").len() == before as u64),
        }
        tool.stop();
        peer.write(&theirs(all)[before..]);
        peer.settle();
        peer.reset();
        tool.resume();
        let exit = tool.wait().expect(7);
        assert!(exit.stderr.contains("reset"), "{exit}");
        match &heard {
            Some(heard) => {
                assert!(heard.ends(deadline()), "standard output does not end");
                assert_same(&heard.bytes(), theirs(all));
            }
            None => assert_same(&contents(&file), theirs(all)),
        }
    }
}

fn contents(mut file: &File) -> Vec<u8> {
    let mut bytes = Vec::new();
    file.rewind().expect("rewind it");
    file.read_to_end(&mut bytes).expect("read it");
    bytes
}

/// The RST comes while fincat waits for a reader.
fn a_reset_finds_a_full_output(passage: Passage) {
    let (mut tool, peer, mut reader) = choked(passage, Tool::with(Stdin::Silent));
    let mut bytes = Vec::new();
    peer.reset();
    // Whatever fincat learns of it, it learns now.
    silence(Duration::from_millis(20));
    assert!(tool.is_running(), "it has bytes to deliver");
    reader.read_to_end(&mut bytes).expect("read the rest");
    assert_same(&bytes, &theirs(BULK)[PASSED..][..CHOKED]);
    let exit = tool.wait().expect(7);
    assert!(exit.stderr.contains("reset"), "{exit}");
}

passages!(one_shot over streams: a_fin_lets_a_file_go_out, a_fin_takes_no_more_than_is_sent);

/// `--on-fin close` in mid-bulk: a file holds all of itself ready.
fn a_fin_lets_a_file_go_out(passage: Passage) {
    let launch = Tool::with(Stdin::File(file_of(ours(MUCH))));
    let (mut tool, peer) = passage.pair(launch, &["--on-fin", "close"]);
    peer.narrow();
    let mut bytes = peer.read(100_003);
    peer.write("the end");
    peer.shutdown();
    assert_eq!(tool.wait_stdout_end(), b"the end");
    bytes.extend(sip(MUCH - bytes.len(), |size| peer.read(size)));
    assert_same(&bytes, ours(MUCH));
    assert_eq!(peer.read_to_end(), b"");
    tool.wait().expect(0);
}

/// The same where standard input is a pipe that goes on: what the peer did not get is still in there.
fn a_fin_takes_no_more_than_is_sent(passage: Passage) {
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC).expect("a pipe");
    let mut input = File::from(reader);
    let feed = Feed::of(File::from(writer));
    feed.write(ours(MUCH));
    drop(feed);
    let (mut tool, peer) = passage.pair(Tool::with(Stdin::File(copy(&input))), &["--on-fin", "close"]);
    peer.narrow();
    let mut bytes = peer.read(2_000_003);
    peer.shutdown();
    bytes.extend(peer.read_to_end());
    tool.wait().expect(0);
    input.read_to_end(&mut bytes).expect("read what is left");
    assert_same(&bytes, ours(MUCH));
}

passages!(one_shot over streams: a_deadline, a_signal);

/// `--deadline` in mid-bulk, both ways: the status says that not all was delivered.
fn a_deadline(passage: Passage) {
    // In a one-shot `listen` it counts from the start, so there must be time for the peer to come.
    let told = |tool: &Tool| drop(tool.wait_line(|line| line.contains("timed out")));
    let _ = interrupt(passage, &["--deadline", "2s"], told).expect(5);
}

/// The same with SIGTERM.
fn a_signal(passage: Passage) {
    let _ = interrupt(passage, &[], |tool| tool.signal(Signal::TERM)).expect_signal(Signal::TERM);
}

/// Bulk both ways, and a peer that stops reading; what arrived at either end is a beginning of what was sent.
fn interrupt(passage: Passage, args: &[&str], end: impl Fn(&Tool)) -> Exit {
    let file = file_of(b"");
    let launch = Tool::with(Stdin::Bytes(ours(BULK).to_vec())).stdout(Stdout::File(copy(&file)));
    let (mut tool, peer) = passage.pair(launch, args);
    peer.narrow();
    let sending = peer.send(theirs(BULK).to_vec());
    let mut bytes = peer.read(100_003);
    end(&tool);
    bytes.extend(peer.hear_out().0);
    assert_same(&bytes, ours(bytes.len()));
    let _ = sending.done();
    // After an RST there is nothing to shut down.
    drop(peer);
    let exit = tool.wait();
    let out = contents(&file);
    assert_same(&out, theirs(out.len()));
    exit
}
