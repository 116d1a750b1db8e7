//! From the peer to every kind of standard output, to the byte; outputs that fail are the subject of `failing`.

use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::thread;

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::pipe::{PipeFlags, fcntl_setpipe_size, pipe_with};
use tempfile::NamedTempFile;

use super::{MUCH, Passage, copy, crumbs, file_of, passages, sip, theirs};
use crate::capture::{Capture, deadline};
use crate::half_close::fifo;
use crate::kernel::wait_until;
use crate::launch::{Launch, Stdin, Stdout};
use crate::pattern::assert_same;
use crate::terminal::Terminal;
use crate::tool::Tool;

fn receiver(stdout: File) -> Launch {
    Tool::with(Stdin::Null).stdout(Stdout::File(stdout))
}

/// Lets the peer send [`MUCH`] of [`theirs`] in odd pieces to a fincat that writes them to `stdout`.
#[track_caller]
fn receive(passage: Passage, stdout: File) {
    let (mut tool, peer) = passage.pair(receiver(stdout), &["--recv-only"]);
    crumbs(theirs(MUCH)).for_each(|piece| peer.write(piece));
    peer.shutdown();
    assert_eq!(peer.read_to_end(), b"");
    assert_eq!(tool.wait().expect(0).stderr, "");
}

#[track_caller]
fn expect_heard(heard: &Capture) {
    assert!(heard.ends(deadline()), "standard output does not end");
    assert_same(&heard.bytes(), theirs(MUCH));
}

passages!(one_shot over streams:
    a_pipe,
    a_pipe_of_a_page,
    a_file,
    a_longer_file,
    a_file_that_is_appended_to,
    a_file_that_becomes_one_to_append_to,
    a_fifo,
    a_unix_socket,
    a_tcp_socket,
    nothing,
    a_terminal,
);

/// A reader that takes odd pieces, slowly.
fn a_pipe(passage: Passage) {
    let (mut tool, peer) = passage.pair(Tool::with(Stdin::Null).stdout(Stdout::Held), &["--recv-only"]);
    let mut output = tool.take_stdout();
    thread::scope(|scope| {
        scope.spawn(|| {
            crumbs(theirs(MUCH)).for_each(|piece| peer.write(piece));
            peer.shutdown();
        });
        assert_same(&sip(MUCH, |size| output.read(size)), theirs(MUCH));
    });
    assert_eq!(output.read_to_end(), b"");
    tool.wait().expect(0);
}

/// However small somebody makes it, before and after fincat has asked for more.
fn a_pipe_of_a_page(passage: Passage) {
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC).expect("a pipe");
    fcntl_setpipe_size(&writer, 4096).expect("F_SETPIPE_SZ");
    let (mut tool, peer) = passage.pair(receiver(File::from(writer)), &["--recv-only"]);
    let second = reader.try_clone().expect("a second descriptor");
    let heard = Capture::of(File::from(reader));
    let (first, rest) = theirs(MUCH).split_at(MUCH / 2);
    first.chunks(4097).for_each(|piece| peer.write(piece));
    assert!(heard.reaches(first.len(), deadline()), "half of it came out");
    fcntl_setpipe_size(&second, 4096).expect("F_SETPIPE_SZ of an empty pipe");
    crumbs(rest).for_each(|piece| peer.write(piece));
    peer.shutdown();
    expect_heard(&heard);
    tool.wait().expect(0);
}

/// `{ echo before; fincat ...; echo after; } > file`: they share one position.
fn a_file(passage: Passage) {
    let mut file = NamedTempFile::new().expect("a temporary file");
    file.write_all(b"before ").expect("write it");
    receive(passage, copy(file.as_file()));
    file.write_all(b" after").expect("write on");
    assert_same(&fs::read(file.path()).expect("read it"), &[b"before ", theirs(MUCH), b" after"].concat());
}

/// `1<> file`: what stands behind what comes stays.
fn a_longer_file(passage: Passage) {
    let mut longer = vec![b'.'; MUCH + 5000];
    let mut file = NamedTempFile::new().expect("a temporary file");
    file.write_all(&longer).expect("write it");
    file.seek(SeekFrom::Start(1001)).expect("seek");
    receive(passage, copy(file.as_file()));
    assert_eq!(file.stream_position().expect("a position"), 1001 + MUCH as u64);
    longer[1001..][..MUCH].copy_from_slice(theirs(MUCH));
    assert_same(&fs::read(file.path()).expect("read it"), &longer);
}

/// `>> log`.
fn a_file_that_is_appended_to(passage: Passage) {
    let mut log = NamedTempFile::new().expect("a temporary file");
    log.write_all(b"before ").expect("write it");
    receive(passage, File::options().append(true).open(log.path()).expect("open it again"));
    assert_same(&fs::read(log.path()).expect("read it"), &[b"before ", theirs(MUCH)].concat());
}

/// Whoever shares the open file makes every write an append while bytes are on their way: EINVAL, with bytes in
/// fincat's own pipe.
fn a_file_that_becomes_one_to_append_to(passage: Passage) {
    let file = file_of(b"");
    let (mut tool, peer) = passage.pair(receiver(copy(&file)), &["--recv-only"]);
    let length = || file.metadata().expect("fstat").len();
    let sending = peer.send(theirs(MUCH).to_vec());
    wait_until("bytes come", || length() > 1 << 20);
    let flags = fcntl_getfl(&file).expect("F_GETFL");
    fcntl_setfl(&file, flags | OFlags::APPEND).expect("F_SETFL");
    sending.done().expect("fincat takes it all");
    wait_until("all has come", || length() >= MUCH as u64);
    // And once more from rest.
    peer.write("the end");
    peer.shutdown();
    tool.wait().expect(0);
    let mut bytes = Vec::new();
    (&file).rewind().expect("rewind it");
    std::io::Read::read_to_end(&mut &file, &mut bytes).expect("read it");
    assert_same(&bytes, &[theirs(MUCH), b"the end"].concat());
    assert_eq!(fcntl_getfl(&file).expect("F_GETFL"), flags | OFlags::APPEND);
}

fn a_fifo(passage: Passage) {
    let (reader, writer) = fifo();
    let heard = Capture::of(reader);
    receive(passage, writer);
    expect_heard(&heard);
}

fn a_unix_socket(passage: Passage) {
    let (near, far) = UnixStream::pair().expect("a pair");
    let heard = Capture::of(far);
    receive(passage, File::from(OwnedFd::from(near)));
    expect_heard(&heard);
}

fn a_tcp_socket(passage: Passage) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let near = TcpStream::connect(listener.local_addr().expect("an address")).expect("connect");
    let heard = Capture::of(listener.accept().expect("accept").0);
    receive(passage, File::from(OwnedFd::from(near)));
    expect_heard(&heard);
}

/// `> /dev/null`, and `--discard`'s way for standard output: every byte is counted.
fn nothing(passage: Passage) {
    let null = File::options().write(true).open("/dev/null").expect("/dev/null");
    let (mut tool, peer) = passage.pair(receiver(null), &["--recv-only", "-v"]);
    crumbs(theirs(MUCH)).for_each(|piece| peer.write(piece));
    peer.shutdown();
    assert_eq!(peer.read_to_end(), b"");
    let exit = tool.wait().expect(0);
    assert!(exit.stderr.contains(&format!("received {MUCH} bytes")), "{exit}");
}

fn a_terminal(passage: Passage) {
    const SHOWN: usize = 200_000;
    let terminal = Terminal::raw();
    let screen = terminal.screen();
    let (mut tool, peer) = passage.pair(receiver(terminal.line()), &["--recv-only"]);
    peer.send(theirs(SHOWN).to_vec()).done().expect("fincat takes it");
    peer.shutdown();
    tool.wait().expect(0);
    assert!(screen.reaches(SHOWN, deadline()), "all of it is shown");
    assert_same(&screen.bytes(), theirs(SHOWN));
}
