//! What the kernel knows of the ways: flags of shared descriptors that stay, descriptors that are given back, bytes
//! that were moved without having been read; that they arrive is the subject of the other rooms.

use std::fs::{self, File};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use rustix::fs::{OFlags, fcntl_getfl};
use rustix::pipe::{PipeFlags, pipe_with};

use super::{BULK, MUCH, Passage, copy, exactly, file_of, ours, passages, theirs};
use crate::capture::{Capture, Feed, deadline};
use crate::half_close::fifo;
use crate::kernel::wait_until;
use crate::launch::{Stdin, Stdout};
use crate::matrix::{Case, Mode, Role, Transport};
use crate::pattern::assert_same;
use crate::terminal::Terminal;
use crate::tool::{Tool, suite_copies};

/// What a child is given as its standard input and output, and the far ends of these, where they have any.
struct Shared {
    kind: &'static str,
    stdin: File,
    stdout: File,
    feed: Option<File>,
    reader: Option<File>,
    /// Bytes each way.
    count: usize,
}

impl Shared {
    fn pipes() -> Self {
        let pipe = || {
            let (reader, writer) = pipe_with(PipeFlags::CLOEXEC).expect("a pipe");
            (File::from(reader), File::from(writer))
        };
        let ((stdin, feed), (reader, stdout)) = (pipe(), pipe());
        Self { kind: "pipes", stdin, stdout, feed: Some(feed), reader: Some(reader), count: MUCH }
    }

    fn fifos() -> Self {
        let ((stdin, feed), (reader, stdout)) = (fifo(), fifo());
        Self { kind: "FIFOs", stdin, stdout, feed: Some(feed), reader: Some(reader), count: MUCH }
    }

    fn sockets() -> Self {
        let pair = || {
            let (near, far) = UnixStream::pair().expect("a pair");
            (File::from(OwnedFd::from(near)), File::from(OwnedFd::from(far)))
        };
        let ((stdin, feed), (stdout, reader)) = (pair(), pair());
        Self { kind: "sockets", stdin, stdout, feed: Some(feed), reader: Some(reader), count: MUCH }
    }

    fn files() -> Self {
        let (stdin, stdout) = (file_of(ours(MUCH)), file_of(b""));
        Self { kind: "files", stdin, stdout, feed: None, reader: None, count: MUCH }
    }

    fn terminal(terminal: &Terminal) -> Self {
        let (keys, screen) = (terminal.keyboard(), terminal.keyboard());
        let (stdin, stdout) = (terminal.line(), terminal.line());
        Self { kind: "a terminal", stdin, stdout, feed: Some(keys), reader: Some(screen), count: 150_000 }
    }

    fn flags(&self) -> [OFlags; 2] {
        [&self.stdin, &self.stdout].map(|file| fcntl_getfl(file).expect("F_GETFL"))
    }
}

passages!(one_shot over streams: flags_are_left_alone);

/// Descriptors 0, 1 and 2 belong to the shell too: before, in full flow each way, and after, F_GETFL says the same.
fn flags_are_left_alone(passage: Passage) {
    let terminal = Terminal::raw();
    let kinds = [Shared::pipes(), Shared::fifos(), Shared::sockets(), Shared::files(), Shared::terminal(&terminal)];
    for mut shared in kinds {
        let (before, kind, count) = (shared.flags(), shared.kind, shared.count);
        let launch = Tool::with(Stdin::File(copy(&shared.stdin))).stdout(Stdout::File(copy(&shared.stdout)));
        let (mut tool, peer) = passage.pair(launch.setup("exec 2>&1"), &[]);
        if let Some(feed) = shared.feed.take() {
            Feed::of(feed).write(ours(count));
        }
        peer.narrow();
        assert_same(&peer.read(count / 2), ours(count / 2));
        assert_eq!(shared.flags(), before, "{kind} while bytes go out");
        let sending = peer.send(theirs(count).to_vec());
        let heard = shared.reader.take().map(|mut reader| {
            let half = exactly(&mut reader, count / 2);
            assert_same(&half, &theirs(count)[..half.len()]);
            assert_eq!(shared.flags(), before, "{kind} while bytes come in");
            Capture::of(reader)
        });
        assert_same(&peer.read(count - count / 2), &ours(count)[count / 2..]);
        sending.done().expect("fincat takes it");
        peer.shutdown();
        assert_eq!(peer.read_to_end(), b"", "{kind}");
        tool.wait_exit(deadline());
        assert_eq!(shared.flags(), before, "{kind} after the end");
        if let Some(heard) = heard {
            assert!(heard.reaches(count - count / 2, deadline()), "{kind}: all comes out");
            assert_same(&heard.bytes(), &theirs(count)[count / 2..]);
        }
    }
}

/// Descriptors that a process has open.
fn descriptors(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).expect("/proc").count()
}

/// A server's conversations that were in full flow hold nothing more than idle ones, once they are idle.
#[test]
fn what_a_bulk_took_is_given_back() {
    let mut served = Vec::new();
    for transport in [Transport::Tcp, Transport::Unix] {
        for copies in [false, true] {
            let passage = Passage { case: Case { role: Role::Listen, transport, mode: Mode::Thread }, copies };
            let args = [passage.flags(), &["--echo"]].concat();
            let tool = passage.case.serve(Tool::with(Stdin::Null), &args);
            let peers = [1, 2, 3].map(|_| passage.case.meet(&tool));
            for peer in &peers {
                peer.write("x");
                assert_eq!(peer.read(1), b"x");
            }
            let before = descriptors(tool.id());
            for peer in &peers {
                let sending = peer.send(ours(MUCH).to_vec());
                assert_same(&peer.read(MUCH), ours(MUCH));
                sending.done().expect("all is taken");
            }
            served.push((tool, peers, before));
        }
    }
    for (tool, peers, before) in &served {
        wait_until("the descriptors are given back", || descriptors(tool.id()) == *before);
        for peer in peers {
            peer.write("still here");
            assert_eq!(peer.read(10), b"still here");
        }
    }
}

passages!(one_shot over streams: bytes_are_moved_unread);

/// What a process has read and written by read(2) and write(2) and their like, in bytes.
fn read_and_written(pid: u32) -> Option<[usize; 2]> {
    let text = fs::read_to_string(format!("/proc/{pid}/io")).ok()?;
    let count = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
    Some([count("rchar:")?, count("wchar:")?])
}

/// From a pipe to the socket and back: by reference, hardly anything of it is read or written.
fn bytes_are_moved_unread(passage: Passage) {
    let (mut tool, peer) = passage.pair(Tool::with(Stdin::Bytes(ours(BULK).to_vec())), &[]);
    let sending = peer.send(theirs(BULK).to_vec());
    assert_same(&peer.read_to_end(), ours(BULK));
    sending.done().expect("all is taken");
    assert_same(&tool.wait_stdout(BULK), theirs(BULK));
    if let Some(counts) = read_and_written(tool.id()) {
        for (count, what) in counts.into_iter().zip(["read", "written"]) {
            if passage.copies || suite_copies() {
                assert!(count >= BULK, "{count} bytes {what}");
            } else {
                assert!(count < BULK / 8, "{count} bytes {what}");
            }
        }
    }
    peer.shutdown();
    tool.wait().expect(0);
}
