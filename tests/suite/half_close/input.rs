//! Every kind of standard input, ended and passed on: files, FIFOs, sockets, terminals in the background,
//! none at all; where standard output goes is the subject of `output`.

use std::fs::File;
use std::io::Write;
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::pipe::{PipeFlags, pipe_with};

use super::{MUCH, fifo, file_of};
use crate::capture::{Capture, Feed, deadline};
use crate::launch::{Launch, Stdin, Stdout};
use crate::matrix::{Case, matrix};
use crate::pattern::{assert_same, pattern};
use crate::peers::{PeerListener, external};
use crate::terminal::Terminal;
use crate::tool::{Tool, fincat};

/// 4 MiB from `stdin` arrive at the peer with an end behind them, and then the answer comes.
#[track_caller]
fn is_sent_and_answered(case: Case, stdin: File, bytes: &[u8]) {
    let (mut tool, peer) = case.pair(Stdin::File(stdin), &[]);
    assert_same(&peer.read_to_end(), bytes);
    peer.write("answer");
    peer.shutdown();
    let exit = tool.wait().expect(0);
    assert_eq!(exit.stdout, b"answer", "{exit}");
    assert_eq!(exit.stderr, "");
}

matrix!(one_shot over all:
    a_file_is_sent,
    the_rest_of_a_file_is_sent,
    a_fifo_is_sent,
    a_socket_is_sent,
    a_pipe_that_does_not_block_is_sent,
);

/// Standard input is a regular file.
fn a_file_is_sent(case: Case) {
    let bytes = pattern(MUCH, 21);
    is_sent_and_answered(case, file_of(&bytes), &bytes);
}

/// Somebody has read the head of the file: `{ read -r head; fincat ...; } < file`.
fn the_rest_of_a_file_is_sent(case: Case) {
    use std::io::Read;
    let bytes = pattern(MUCH, 22);
    let mut file = file_of(&bytes);
    file.read_exact(&mut [0; 1000]).expect("the head");
    is_sent_and_answered(case, file, &bytes[1000..]);
}

/// Standard input is a FIFO.
fn a_fifo_is_sent(case: Case) {
    let (bytes, (reader, writer)) = (pattern(MUCH, 23), fifo());
    Feed::of(writer).write(&bytes);
    is_sent_and_answered(case, reader, &bytes);
}

/// Standard input is a socket, as under sshd or systemd.
fn a_socket_is_sent(case: Case) {
    let bytes = pattern(MUCH, 24);
    let (ours, theirs) = UnixStream::pair().expect("a pair");
    Feed::of(theirs).write(&bytes);
    is_sent_and_answered(case, File::from(OwnedFd::from(ours)), &bytes);
}

/// Somebody else has made the shared pipe non-blocking: an empty pipe is no end and no error.
fn a_pipe_that_does_not_block_is_sent(case: Case) {
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC).expect("a pipe");
    fcntl_setfl(&reader, fcntl_getfl(&reader).expect("F_GETFL") | OFlags::NONBLOCK).expect("F_SETFL");
    let feed = Feed::of(File::from(writer));
    let (mut tool, peer) = case.pair(Stdin::File(File::from(reader)), &[]);
    let bytes = pattern(MUCH, 25);
    peer.write("first");
    tool.wait_stdout(5);
    feed.write(&bytes);
    drop(feed);
    assert_same(&peer.read_to_end(), &bytes);
    peer.shutdown();
    tool.wait().expect(0);
}

matrix!(one_shot over all:
    a_file_goes_out_after_the_peers_fin,
    one_socket_is_input_and_output,
    a_directory_is_no_input,
    what_cannot_be_read_is_no_input,
);

/// A file that has not been read yet is no silent input.
fn a_file_goes_out_after_the_peers_fin(case: Case) {
    let bytes = pattern(MUCH, 26);
    let (mut tool, peer) = case.pair(Stdin::File(file_of(&bytes)), &[]);
    peer.write("greeting");
    peer.shutdown();
    assert_eq!(tool.wait_stdout_end(), b"greeting");
    assert_same(&peer.read_to_end(), &bytes);
    assert_eq!(tool.wait().expect(0).stderr, "");
}

/// Standard input and output are one socket, as in ssh's ProxyCommand: each direction ends by itself.
fn one_socket_is_input_and_output(case: Case) {
    let (ours, theirs) = UnixStream::pair().expect("a pair");
    let line = || File::from(OwnedFd::from(ours.try_clone().expect("a second descriptor")));
    let launch = Tool::with(Stdin::File(line())).stdout(Stdout::File(line()));
    let (mut tool, peer) = case.pair_with(launch, &["--on-fin", "drain"]);
    drop(ours);
    let bytes = pattern(MUCH, 27);
    let heard = Capture::of(theirs.try_clone().expect("a second descriptor"));
    peer.send(bytes.clone()).done().expect("fincat takes it");
    peer.shutdown();
    assert!(heard.ends(deadline()), "the peer's end does not come through");
    assert_same(&heard.bytes(), &bytes);
    (&theirs).write_all(b"still here").expect("fincat reads on");
    assert_eq!(peer.read(10), b"still here");
    theirs.shutdown(Shutdown::Write).expect("shutdown");
    assert_eq!(peer.read_to_end(), b"");
    tool.wait().expect(0);
}

/// A directory can be opened but not read.
fn a_directory_is_no_input(case: Case) {
    let directory = File::open("/").expect("the root");
    let (mut tool, peer) = case.pair(Stdin::File(directory), &[]);
    let exit = tool.wait().expect(1);
    assert_eq!(exit.stderr, "fincat: cannot read standard input: is a directory\n");
    peer.hear_out();
}

/// `0> file`.
fn what_cannot_be_read_is_no_input(case: Case) {
    let full = File::options().write(true).open("/dev/full").expect("/dev/full");
    let (mut tool, peer) = case.pair(Stdin::File(full), &[]);
    let exit = tool.wait().expect(1);
    assert_eq!(exit.stderr, "fincat: cannot read standard input: bad file descriptor\n");
    peer.hear_out();
}

matrix!(every over streams: closed_descriptors_confuse_nobody);

/// `<&- >&- 2>&-`: nothing that is opened later takes their place.
fn closed_descriptors_confuse_nobody(case: Case) {
    let launch = Tool::with(Stdin::Null).setup("exec <&- >&- 2>&-");
    let (mut tool, peer) = case.pair_with(launch, &["--recv-only", "-vv"]);
    peer.write("nobody hears this");
    peer.shutdown();
    assert_eq!(peer.read_to_end(), b"");
    tool.wait().expect(0);
}

/// Nor do commands find the socket where nothing should be.
#[test]
fn commands_find_all_three_descriptors() {
    let listener = PeerListener::tcp();
    let launch = Launch::new().setup("exec <&- >&- 2>&-");
    let mut tool = launch.connect(listener.addr(), ["--sh", "echo output; echo error >&2; ls /proc/self/fd | wc -l"]);
    let peer = listener.accept();
    peer.shutdown();
    // Descriptors 0, 1 and 2, and the folder that ls reads.
    assert_eq!(String::from_utf8_lossy(&peer.read_to_end()), "output\n4\n");
    tool.wait().expect(0);
}

/// Rule 8: a terminal is not read while we are in the background; a read would stop us with SIGTTIN.
#[test]
fn a_background_job_receives_and_leaves_the_terminal_alone() {
    let Some(setsid) = external("setsid") else { return };
    let listener = PeerListener::tcp();
    let terminal = Terminal::open();
    let port = listener.addr().port().to_string();
    let script = "\"$0\" connect 127.0.0.1 \"$1\" & wait $!";
    let fincat = fincat();
    let launch = Launch::new().stdin(Stdin::File(terminal.line()));
    let mut shell = launch.start(setsid, ["--ctty", "sh", "-m", "-c", script, fincat, &port]);
    let peer = listener.accept();
    terminal.press("for the shell\n");
    peer.write("still running");
    assert_eq!(shell.wait_stdout(13), b"still running");
    peer.shutdown();
    assert_eq!(peer.read_to_end(), b"");
    shell.wait().expect(0);
}
