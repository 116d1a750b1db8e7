//! How long a conversation may be silent, and how long it may last: `-q`, `--half-close-timeout`,
//! `--idle-timeout`, `--deadline`, and peers that are gone (rule 7); what an end itself brings about is
//! the subject of `policy`.

use std::time::Duration;

use super::{WAITING, speaking};
use crate::dead_ends::Full;
use crate::launch::Stdin;
use crate::matrix::{Case, Mode, Role, matrix};
use crate::peers::{PeerStream, Python, silence};
use crate::process::Exit;
use crate::tool::Tool;

/// The silence that the options allow here, and one that is well within it.
const ALLOWED: &str = "1500ms";
const WITHIN: Duration = Duration::from_millis(600);

/// Demands a failure that says what timed out.
#[track_caller]
fn expect_timeout(exit: &Exit, status: i32, what: &str) {
    assert_eq!(exit.code, Some(status), "the exit status of {exit}");
    let said = |line: &str| line.contains("timed out") && line.contains(what);
    assert!(exit.stderr.lines().any(said), "no line says that the {what} timed out: {exit}");
}

matrix!(one_shot over all: quit_after_counts_from_our_end, a_half_close_timeout_of_zero_is_none);

matrix!(one_shot over streams:
    quit_after_begins_anew_with_every_byte,
    half_close_timeout_begins_anew_with_every_byte,
    half_close_timeout_bounds_our_silence_too,
);

/// Three times almost as much silence as is allowed, and a reply that is whole.
fn reply_slowly(case: Case, option: &str) -> Exit {
    let (mut tool, peer) = case.pair(Stdin::Bytes(b"question".to_vec()), &[option, ALLOWED]);
    assert_eq!(peer.read_to_end(), b"question");
    for (count, piece) in ["one, ", "two, ", "three"].into_iter().enumerate() {
        silence(WITHIN);
        peer.write(piece);
        tool.wait_stdout(5 * (count + 1));
    }
    let exit = tool.wait();
    assert_eq!(exit.stdout, b"one, two, three", "{exit}");
    exit
}

/// `-q`: silence, and not the time since our end, is what counts.
fn quit_after_begins_anew_with_every_byte(case: Case) {
    let exit = reply_slowly(case, "-q").expect(0);
    assert_eq!(exit.stderr, "", "an end in order needs no words");
}

/// `-q` bounds nothing while our input may still speak.
fn quit_after_counts_from_our_end(case: Case) {
    let (mut tool, peer) = case.pair(Stdin::Pipe, &["--quit-after", "300ms"]);
    silence(Duration::from_millis(800));
    assert!(tool.is_running(), "our input has not ended");
    tool.close_stdin();
    assert_eq!(peer.read_to_end(), b"");
    tool.wait().expect(0);
}

/// `--half-close-timeout`, our end first.
fn half_close_timeout_begins_anew_with_every_byte(case: Case) {
    expect_timeout(&reply_slowly(case, "--half-close-timeout"), 5, "");
}

/// `--half-close-timeout`, the peer's end first.
fn half_close_timeout_bounds_our_silence_too(case: Case) {
    let args = ["--half-close-timeout", ALLOWED, "--on-fin", "drain"];
    let (mut tool, peer) = case.pair(Stdin::Pipe, &args);
    peer.write("greeting");
    peer.shutdown();
    tool.wait_stdout_end();
    for _ in 0..3 {
        silence(WITHIN);
        tool.write("well");
        assert_eq!(peer.read(4), b"well");
    }
    expect_timeout(&tool.wait(), 5, "");
}

/// `--half-close-timeout 0`, the default, is for ever.
fn a_half_close_timeout_of_zero_is_none(case: Case) {
    let (mut tool, peer) = case.pair(Stdin::Bytes(b"question".to_vec()), &["--half-close-timeout", "0"]);
    assert_eq!(peer.read_to_end(), b"question");
    silence(Duration::from_millis(300));
    peer.write("answer");
    peer.shutdown();
    assert_eq!(tool.wait().expect(0).stdout, b"answer");
}

matrix!(served over all: half_close_timeout_fails_one_conversation);

/// In a server it is the conversation that fails.
fn half_close_timeout_fails_one_conversation(case: Case) {
    let (mut tool, peer) = speaking(case, "question", &["--half-close-timeout", "300ms"]);
    assert_eq!(peer.read_to_end(), b"question");
    expect_timeout(&tool.wait(), 0, "");
}

matrix!(every over streams: idle_timeout_ends_mutual_silence, deadline_ends_a_conversation);

/// fincat with an input that never ends by itself: a silent one, or the peer's own words in a server.
#[track_caller]
fn open_ended(case: Case, args: &[&str]) -> (Tool, PeerStream) {
    match case.mode {
        Mode::OneShot => case.pair(Stdin::Silent, args),
        Mode::Single | Mode::Thread | Mode::Fork => case.pair(Stdin::Null, &[&["--echo"], args].concat()),
    }
}

/// `--idle-timeout`: every byte begins it anew, and then both are silent for too long.
fn idle_timeout_ends_mutual_silence(case: Case) {
    let (mut tool, peer) = open_ended(case, &["--idle-timeout", ALLOWED]);
    for _ in 0..3 {
        silence(WITHIN);
        peer.write("x");
    }
    expect_timeout(&tool.wait(), case.status(5), "idle");
    let echoed = if case.mode == Mode::OneShot { "" } else { "xxx" };
    assert_eq!(peer.read_to_end(), echoed.as_bytes());
}

/// `--deadline`: talking does not help.
fn deadline_ends_a_conversation(case: Case) {
    let (mut tool, peer) = open_ended(case, &["--deadline", "1500ms"]);
    for _ in 0..3 {
        silence(Duration::from_millis(200));
        peer.write("x");
    }
    let exit = tool.wait();
    expect_timeout(&exit, case.status(5), "deadline");
    if case.mode == Mode::OneShot {
        assert_eq!(exit.stdout, b"xxx", "{exit}");
    }
}

matrix!(one_shot: idle_timeout_is_not_for_full_buffers);

matrix!(one_shot over all: idle_timeout_counts_our_words_too, deadline_ends_us_with_a_peer_that_never_reads);

/// `--idle-timeout`: what we send is no silence.
fn idle_timeout_counts_our_words_too(case: Case) {
    let (mut tool, peer) = case.pair(Stdin::Pipe, &["--idle-timeout", ALLOWED]);
    for _ in 0..3 {
        silence(WITHIN);
        tool.write("well");
        assert_eq!(peer.read(4), b"well");
    }
    expect_timeout(&tool.wait(), 5, "idle");
}

/// `--idle-timeout` while a peer takes its time to read: something is left to be written.
fn idle_timeout_is_not_for_full_buffers(case: Case) {
    let (mut tool, peer) = case.pair(Stdin::Endless(b"y\n".to_vec()), &["--idle-timeout", "500ms"]);
    silence(Duration::from_millis(1500));
    assert!(tool.is_running(), "the peer has not read anything yet");
    peer.reset();
    tool.wait().expect(7);
}

/// A peer that never reads, and an input that never ends.
fn deadline_ends_us_with_a_peer_that_never_reads(case: Case) {
    let (mut tool, peer) = case.pair(Stdin::Endless(b"y\n".to_vec()), &["--deadline", "500ms"]);
    expect_timeout(&tool.wait_within(Duration::from_secs(10)), 5, "deadline");
    drop(peer);
}

/// `--deadline` covers what comes before the conversation: connecting, and waiting for the peer.
#[test]
fn deadline_begins_at_the_beginning() {
    let full = Full::listener();
    expect_timeout(&Tool::connect(full.addr(), ["--deadline", "300ms"]).wait(), 5, "");
    expect_timeout(&Tool::listen(["127.0.0.1", "0", "--deadline", "300ms"]).wait(), 5, "");
}

/// A server's deadline is each conversation's: it may wait for ever, and outlives them.
#[test]
fn deadline_does_not_end_a_server() {
    let tool = Tool::listen(["127.0.0.1", "0", "--thread", "--echo", "--deadline", "600ms"]);
    silence(Duration::from_millis(800));
    for _ in 0..2 {
        let peer = PeerStream::tcp(tool.addr());
        peer.write("x");
        assert_eq!(peer.read(1), b"x");
        assert_eq!(peer.read_to_end(), b"");
    }
    assert!(tool.is_running());
}

matrix!(one_shot: a_peer_that_is_gone_ends_us_in_order, words_to_a_peer_that_is_gone_are_lost);

/// Reads `hello`, says something and closes both directions at once. `TCP_LINGER2` makes FIN-WAIT-2,
/// in which its system still answers for it, last a second instead of a minute.
const GONE: &str = "
import socket, sys
if len(sys.argv) > 1:
    peer = socket.create_connection(('127.0.0.1', int(sys.argv[1])))
else:
    server = socket.create_server(('127.0.0.1', 0))
    print(server.getsockname()[1])
    peer = server.accept()[0]
peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_LINGER2, 1)
while peer.recv(5, socket.MSG_WAITALL | socket.MSG_PEEK) != b'hello':
    pass
peer.recv(5)
peer.sendall(b'goodbye')
peer.close()
";

/// fincat, its input still open, after such a peer has gone.
fn after_the_peer_has_gone(case: Case) -> Option<Tool> {
    let launch = Tool::with(Stdin::Pipe);
    let (tool, mut peer) = if case.role == Role::Listen {
        let tool = launch.listen(["127.0.0.1", "0", "--on-fin", "drain"]);
        let peer = Python::run(GONE, &[&tool.addr().port().to_string()])?;
        (tool, peer)
    } else {
        let peer = Python::run(GONE, &[])?;
        (launch.connect(Python::addr(&peer), ["--on-fin", "drain"]), peer)
    };
    tool.write("hello");
    assert_eq!(tool.wait_stdout_end(), b"goodbye");
    peer.wait().expect(0);
    Some(tool)
}

/// Rule 7: a sentence, and an end in order as soon as the keepalive probe is answered by RST.
fn a_peer_that_is_gone_ends_us_in_order(case: Case) {
    let Some(mut tool) = after_the_peer_has_gone(case) else { return };
    assert_eq!(tool.wait().expect(0).stderr, WAITING);
}

/// Rule 7, with something that nobody has acknowledged.
fn words_to_a_peer_that_is_gone_are_lost(case: Case) {
    let Some(mut tool) = after_the_peer_has_gone(case) else { return };
    tool.write("is anybody there?");
    let exit = tool.wait().expect(7);
    assert!(exit.stderr.contains("reset"), "{exit}");
}
