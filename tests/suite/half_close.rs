//! How a conversation ends: the table and the rules of "How it ends", seen by a peer and by a shell;
//! not what the words of the messages are (`messages`).
//!
//! * here:      whose end comes first, and RST
//! * `policy`:  what becomes of it at an end, as chosen
//! * `silence`: how long it may be silent, and how long it may last
//! * `input`:   every kind of standard input
//! * `output`:  every kind of standard output, also one that vanishes
//! * `pipes`:   a command behind pipes ends by the same rules

mod input;
mod output;
mod pipes;
mod policy;
mod silence;

use std::fs::File;
use std::io::{Seek, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::fs::{CWD, FileType, Mode as Permissions, OFlags, fcntl_getfl, fcntl_setfl, mknodat, open};
use socket2::SockRef;
use tempfile::{TempDir, tempfile};

use crate::launch::{Launch, Stdin, Stdout};
use crate::matrix::{Case, Mode, matrix};
use crate::pattern::{assert_same, pattern};
use crate::peers::{PeerStream, Python, external, silence};
use crate::tool::Tool;

/// More than every socket buffer and pipe between the two ends holds.
const MUCH: usize = 4 << 20;

/// What fincat says when it waits for nothing but a silent input.
const WAITING: &str =
    "fincat: the peer has finished; waiting for the end of standard input (see --recv-only, --on-fin)\n";

/// fincat with `text` as its input: on standard input where there is one conversation, as `--send` in
/// a server, which drops what it hears.
#[track_caller]
fn speaking(case: Case, text: &str, args: &[&str]) -> (Tool, PeerStream) {
    match case.mode {
        Mode::OneShot => {
            let (mut tool, peer) = case.pair(Stdin::Pipe, args);
            tool.write(text);
            tool.close_stdin();
            (tool, peer)
        }
        Mode::Single | Mode::Thread | Mode::Fork => {
            let tool = case.serve(Tool::with(Stdin::Null), &[&["--count", "1", "--send", text], args].concat());
            // It speaks at once: it looks only when the peer's own connect(2) is done, lest an RST overtakes that.
            tool.stop();
            let peer = case.meet(&tool);
            tool.resume();
            (tool, peer)
        }
    }
}

/// A regular file with these contents, at its beginning.
fn file_of(bytes: &[u8]) -> File {
    let mut file = tempfile().expect("a temporary file");
    file.write_all(bytes).expect("write it");
    file.rewind().expect("rewind it");
    file
}

/// A standard output, and its reader, between which there is room for a few KiB only.
fn narrow() -> (Stdout, UnixStream) {
    let (ours, theirs) = UnixStream::pair().expect("a pair");
    SockRef::from(&ours).set_send_buffer_size(4096).expect("SO_SNDBUF");
    (Stdout::File(File::from(OwnedFd::from(ours))), theirs)
}

/// A FIFO, reader and writer, that has no name any more.
pub(super) fn fifo() -> (File, File) {
    let folder = TempDir::new().expect("a folder for the FIFO");
    let path = folder.path().join("fifo");
    mknodat(CWD, &path, FileType::Fifo, Permissions::RUSR | Permissions::WUSR, 0).expect("mknod");
    // A reader that does not wait for the writer, and only later is one that waits for bytes.
    let reader =
        open(&path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC, Permissions::empty()).expect("open to read");
    let writer = open(&path, OFlags::WRONLY | OFlags::CLOEXEC, Permissions::empty()).expect("open to write");
    fcntl_setfl(&reader, fcntl_getfl(&reader).expect("F_GETFL") - OFlags::NONBLOCK).expect("F_SETFL");
    (File::from(reader), File::from(writer))
}

matrix!(one_shot over all:
    a_reply_comes_long_after_our_end,
    our_input_outlives_the_peers_fin,
    our_input_begins_after_the_peers_fin,
    quit_after_ends_a_silent_reply_in_order,
    half_close_timeout_makes_a_silent_reply_a_failure,
);

/// Our input ends first: FIN goes out, and the answer may take its time.
fn a_reply_comes_long_after_our_end(case: Case) {
    let (mut tool, peer) = case.pair(Stdin::Bytes(b"question".to_vec()), &[]);
    assert_eq!(peer.read_to_end(), b"question");
    silence(Duration::from_secs(5));
    let reply = pattern(MUCH, 1);
    let sending = peer.send(reply.clone());
    sending.done().expect("fincat takes the reply");
    peer.shutdown();
    let exit = tool.wait().expect(0);
    assert_same(&exit.stdout, &reply);
}

/// The peer's FIN comes first, with 4 MiB still in our input.
fn our_input_outlives_the_peers_fin(case: Case) {
    let input = pattern(MUCH, 2);
    let (mut tool, peer) = case.pair(Stdin::Bytes(input.clone()), &[]);
    peer.shutdown();
    peer.settle();
    assert_same(&peer.read_to_end(), &input);
    tool.wait().expect(0);
}

/// The pipeline behind us sees the peer's end at once; what we say after it still goes out.
fn our_input_begins_after_the_peers_fin(case: Case) {
    let (mut tool, peer) = case.pair(Stdin::Pipe, &["--on-fin", "drain"]);
    peer.write("greeting");
    peer.shutdown();
    assert_eq!(tool.wait_stdout_end(), b"greeting");
    let input = pattern(MUCH, 3);
    tool.write(&input);
    tool.close_stdin();
    assert_same(&peer.read_to_end(), &input);
    tool.wait().expect(0);
}

/// `-q`: our input has ended and the peer says nothing.
fn quit_after_ends_a_silent_reply_in_order(case: Case) {
    let (mut tool, peer) = case.pair(Stdin::Bytes(b"question".to_vec()), &["-q", "1"]);
    assert_eq!(peer.read_to_end(), b"question");
    tool.wait_within(Duration::from_secs(10)).expect(0);
}

/// `--half-close-timeout`: the same silence, as a failure that is said.
fn half_close_timeout_makes_a_silent_reply_a_failure(case: Case) {
    let args = ["--half-close-timeout", "1s"];
    let (mut tool, peer) = case.pair(Stdin::Bytes(b"question".to_vec()), &args);
    assert_eq!(peer.read_to_end(), b"question");
    let exit = tool.wait_within(Duration::from_secs(10)).expect(5);
    assert!(exit.stderr.contains("timed out"), "{exit}");
}

matrix!(every: a_reset_destroys_nothing_that_arrived);

/// RST is an error, with its status and a sentence, but what came before it is delivered. fincat is
/// stopped meanwhile, so that it finds the bytes and the RST together (under `--fork` it is only the
/// parent that stops: there the RST may come later).
fn a_reset_destroys_nothing_that_arrived(case: Case) {
    let (mut tool, peer) = case.pair(Stdin::Silent, &["--recv-only"]);
    let bytes = pattern(48 << 10, 4);
    let (first, rest) = bytes.split_at(16);
    peer.write(first);
    tool.wait_stdout(first.len());
    tool.stop();
    peer.write(rest);
    peer.settle();
    peer.reset();
    tool.resume();
    let exit = tool.wait().expect(case.status(7));
    assert_same(&exit.stdout, &bytes);
    assert!(exit.stderr.contains("reset"), "{exit}");
}

matrix!(every: a_reset_is_an_error_whatever_it_is_for);

/// RST to what is built in, which has neither standard input nor standard output.
fn a_reset_is_an_error_whatever_it_is_for(case: Case) {
    for (handler, greeting) in [(&["--echo"][..], "x"), (&["--discard"], ""), (&["--send", "x"], "x")] {
        let (mut tool, peer) = case.pair(Stdin::Null, handler);
        peer.write("x");
        assert_eq!(peer.read(greeting.len()), greeting.as_bytes());
        peer.reset();
        let exit = tool.wait().expect(case.status(7));
        assert!(exit.stderr.contains("reset"), "{exit}");
    }
}

matrix!(one_shot: a_reset_is_no_answer, a_reset_ends_an_endless_input);

/// Our input has ended and is acknowledged; what comes instead of the answer is RST.
fn a_reset_is_no_answer(case: Case) {
    let (mut tool, peer) = case.pair(Stdin::Bytes(b"question".to_vec()), &[]);
    assert_eq!(peer.read_to_end(), b"question");
    peer.reset();
    let exit = tool.wait().expect(7);
    assert!(exit.stderr.contains("reset"), "{exit}");
}

/// RST while we are sending as fast as we can: EPIPE, SIGPIPE and ECONNRESET are all the same to us.
fn a_reset_ends_an_endless_input(case: Case) {
    let (mut tool, peer) = case.pair(Stdin::Endless(b"y\n".to_vec()), &[]);
    peer.read(1 << 20);
    peer.reset();
    let exit = tool.wait().expect(7);
    assert!(exit.stderr.contains("reset"), "{exit}");
}

/// A server's failures are the conversation's, not its own: the next peer is served as if nothing
/// had happened.
fn a_server_outlives_a_reset(case: Case) {
    let tool = case.serve(Tool::with(Stdin::Null), &["--echo"]);
    let broken = case.meet(&tool);
    broken.write("x");
    assert_eq!(broken.read(1), b"x");
    broken.reset();
    tool.wait_line(|line| line.contains("reset"));
    let peer = case.meet(&tool);
    peer.write("still there?");
    peer.shutdown();
    assert_eq!(peer.read_to_end(), b"still there?");
    assert!(tool.is_running(), "{:?} goes on", case.mode);
}

matrix!(served: a_server_outlives_a_reset);

/// Python's socketserver hears us out before it answers.
#[test]
fn socketserver_answers_after_our_end() {
    const SERVER: &str = "
import socketserver
class Reverse(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(self.rfile.read()[::-1])
with socketserver.TCPServer(('127.0.0.1', 0), Reverse) as server:
    print(server.server_address[1])
    server.handle_request()
";
    let Some(mut server) = Python::run(SERVER, &[]) else {
        return;
    };
    let question = pattern(MUCH, 5);
    let answer: Vec<u8> = question.iter().rev().copied().collect();
    let launch = Tool::with(Stdin::Bytes(question));
    let exit = launch.connect(Python::addr(&server), []).wait();
    assert_same(&exit.expect(0).stdout, &answer);
    server.wait().expect(0);
}

/// Both sides have 4 MiB to say, and socat half-closes when it has said its own.
#[test]
fn socat_and_we_hear_each_other_out() {
    let Some(socat) = external("socat") else {
        return;
    };
    let (ours, theirs) = (pattern(MUCH, 6), pattern(MUCH, 7));
    let mut tool = Tool::with(Stdin::Bytes(ours.clone())).listen(["127.0.0.1", "0"]);
    let address = format!("TCP:{}", tool.addr());
    let launch = Launch::new().stdin(Stdin::Bytes(theirs.clone()));
    let mut socat = launch.start(socat, ["-t", "20", "-", &address]);
    assert_same(&socat.wait().expect(0).stdout, &ours);
    assert_same(&tool.wait().expect(0).stdout, &theirs);
}
