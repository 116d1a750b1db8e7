//! From every kind of standard input, and from a file, to the peer, to the byte; where bytes go is the subject
//! of `output`.

use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use tempfile::NamedTempFile;

use super::{BULK, MUCH, Passage, copy, crumbs, file_of, ours, passages, sip};
use crate::capture::Feed;
use crate::half_close::fifo;
use crate::kernel::wait_until;
use crate::launch::{Launch, Stdin};
use crate::pattern::assert_same;
use crate::peers::PeerStream;
use crate::terminal::Terminal;
use crate::tool::Tool;

/// Demands that `bytes` and an end arrive at a peer that takes them slowly, and that its answer is heard.
#[track_caller]
fn arrives(tool: &mut Tool, peer: &PeerStream, bytes: &[u8]) {
    peer.narrow();
    assert_same(&sip(bytes.len(), |size| peer.read(size)), bytes);
    assert_eq!(peer.read_to_end(), b"");
    peer.write("answer");
    peer.shutdown();
    let exit = tool.wait().expect(0);
    assert_eq!((exit.stdout.as_slice(), exit.stderr.as_str()), (&b"answer"[..], ""));
}

/// The same where standard input is `file`.
#[track_caller]
fn is_sent(passage: Passage, file: File, bytes: &[u8]) {
    let (mut tool, peer) = passage.pair(Tool::with(Stdin::File(file)), &[]);
    arrives(&mut tool, &peer, bytes);
}

passages!(one_shot over streams:
    a_pipe,
    a_file,
    the_rest_of_a_file,
    a_file_of_about_a_buffer,
    a_fifo,
    a_socket,
    a_terminal,
    a_file_without_a_size,
    a_file_by_name,
);

fn a_pipe(passage: Passage) {
    let (mut tool, peer) = passage.pair(Tool::with(Stdin::Pipe), &[]);
    for piece in crumbs(ours(MUCH)) {
        tool.write(piece);
    }
    tool.close_stdin();
    arrives(&mut tool, &peer, ours(MUCH));
}

fn a_file(passage: Passage) {
    is_sent(passage, file_of(ours(MUCH)), ours(MUCH));
}

/// `{ read -r head; fincat ...; tail; } < file`: they share one position.
fn the_rest_of_a_file(passage: Passage) {
    let mut file = file_of(ours(MUCH));
    file.seek(SeekFrom::Start(1001)).expect("seek");
    is_sent(passage, copy(&file), &ours(MUCH)[1001..]);
    assert_eq!(file.stream_position().expect("a position"), MUCH as u64);
}

/// A whole one may be all there is.
fn a_file_of_about_a_buffer(passage: Passage) {
    for size in [0, 1, (16 << 10) - 1, 16 << 10, (16 << 10) + 1, 32 << 10, 64 << 10, (64 << 10) + 1] {
        is_sent(passage, file_of(ours(size)), ours(size));
    }
}

fn a_fifo(passage: Passage) {
    let (reader, writer) = fifo();
    let feed = Feed::of(writer);
    crumbs(ours(MUCH)).for_each(|piece| feed.write(piece));
    drop(feed);
    is_sent(passage, reader, ours(MUCH));
}

fn a_socket(passage: Passage) {
    let (near, far) = UnixStream::pair().expect("a pair");
    let feed = Feed::of(far);
    crumbs(ours(MUCH)).for_each(|piece| feed.write(piece));
    drop(feed);
    is_sent(passage, File::from(OwnedFd::from(near)), ours(MUCH));
}

/// A terminal has no end; that it is one ends the conversation at the peer's.
fn a_terminal(passage: Passage) {
    const TYPED: usize = 200_000;
    let terminal = Terminal::raw();
    let (mut tool, peer) = passage.pair(Tool::with(Stdin::File(terminal.line())), &[]);
    Feed::of(terminal.keyboard()).write(ours(TYPED));
    peer.narrow();
    assert_same(&sip(TYPED, |size| peer.read(size)), ours(TYPED));
    peer.shutdown();
    assert_eq!(peer.read_to_end(), b"");
    tool.wait().expect(0);
}

/// Files of /proc say that they are empty, and are not.
fn a_file_without_a_size(passage: Passage) {
    let long = "0123456789abcdefghijklmnopqrstuvw".repeat(3000);
    let shell = Launch::new().stdin(Stdin::Silent).start("sh", ["-c", "read -r line", &long, &long, &long]);
    let path = format!("/proc/{}/cmdline", shell.id());
    let read = || fs::read(&path).expect(&path);
    wait_until("the shell's words are there", || read().len() > 3 * long.len());
    let bytes = read();
    is_sent(passage, File::open(&path).expect(&path), &bytes);
}

/// `--send-file`, in pieces that the peer's slowness makes.
fn a_file_by_name(passage: Passage) {
    let mut file = NamedTempFile::new().expect("a temporary file");
    file.write_all(ours(BULK)).expect("write it");
    let path = file.path().to_str().expect("a path in UTF-8");
    let (mut tool, peer) = passage.pair(Tool::with(Stdin::Silent), &["--send-file", path]);
    arrives(&mut tool, &peer, ours(BULK));
}

passages!(one_shot over streams: a_file_that_is_cut, a_file_that_grows);

/// Somebody truncates the file while it is being sent: what there was arrives, and then an end in order.
fn a_file_that_is_cut(passage: Passage) {
    let mut file = file_of(ours(BULK));
    let (mut tool, peer) = passage.pair(Tool::with(Stdin::File(copy(&file))), &[]);
    peer.narrow();
    let mut bytes = peer.read(100_003);
    file.set_len((BULK / 2) as u64).expect("truncate it");
    bytes.extend(peer.read_to_end());
    // What is behind the cut may have been on its way.
    assert!(bytes.len() >= BULK / 2, "{} bytes arrived", bytes.len());
    assert_same(&bytes, ours(bytes.len()));
    peer.shutdown();
    tool.wait().expect(0);
    assert_eq!(file.stream_position().expect("a position"), bytes.len() as u64);
}

/// Somebody goes on writing: all that is there when the end is reached arrives.
fn a_file_that_grows(passage: Passage) {
    let mut file = NamedTempFile::new().expect("a temporary file");
    let (first, second) = ours(BULK).split_at(BULK * 3 / 4);
    file.write_all(first).expect("write it");
    let mut input = File::open(file.path()).expect("open it");
    let (mut tool, peer) = passage.pair(Tool::with(Stdin::File(copy(&input))), &[]);
    peer.narrow();
    let mut bytes = peer.read(100_003);
    assert!(input.stream_position().expect("a position") < first.len() as u64, "all is read before it grows");
    file.write_all(second).expect("write on");
    bytes.extend(peer.read_to_end());
    assert_same(&bytes, ours(BULK));
    peer.shutdown();
    tool.wait().expect(0);
    assert_eq!(input.stream_position().expect("a position"), BULK as u64);
}
