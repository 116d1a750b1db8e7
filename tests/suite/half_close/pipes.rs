//! A command behind pipes ends by the same rules: what it writes is our input, what it reads our output;
//! that the bytes get through, and each end with them, is the subject of `handlers`.

use std::time::Duration;

use crate::kernel::Stranger;
use crate::launch::Stdin;
use crate::matrix::{Case, Mode, matrix};
use crate::peers::{Ending, PeerStream};
use crate::tool::Tool;

matrix!(every: reset_comes_after_the_last_byte);

matrix!(every over all:
    hold_says_nothing_until_the_peer_ends,
    close_does_not_wait_for_the_peer,
    quit_after_ends_a_silent_peer_in_order,
    half_close_timeout_makes_a_silent_peer_a_failure,
    half_close_timeout_makes_a_silent_command_a_failure,
    idle_timeout_ends_mutual_silence,
    send_only_drops_what_it_hears,
);

/// Says `question`, closes its standard output, and passes on what it hears to standard error.
const ASKS: &str = "printf question; exec >&-; cat >&2";

/// `fincat ARGS... --sh LINE`, without `--pipes`, which each option here implies.
#[track_caller]
fn running(case: Case, args: &[&str], line: &str) -> (Tool, PeerStream) {
    case.pair(Stdin::Null, &[args, &["--sh", line]].concat())
}

/// `--on-eof hold`.
fn hold_says_nothing_until_the_peer_ends(case: Case) {
    let (mut tool, peer) = running(case, &["--on-eof", "hold"], ASKS);
    assert_eq!(peer.read(8), b"question");
    peer.hears_nothing_for(Duration::from_millis(300));
    peer.write("reply\n");
    tool.wait_line(|line| line == "reply");
    peer.shutdown();
    assert_eq!(peer.read_to_end(), b"");
    tool.wait().expect(0);
}

/// `--on-eof close`.
fn close_does_not_wait_for_the_peer(case: Case) {
    let (mut tool, peer) = running(case, &["--on-eof", "close"], ASKS);
    assert_eq!(peer.read_to_end(), b"question");
    tool.wait().expect(0);
}

/// `--on-eof reset`. The command waits for a word, lest the RST overtakes our own connect(2).
fn reset_comes_after_the_last_byte(case: Case) {
    let (mut tool, peer) = running(case, &["--on-eof", "reset"], "read -r _; printf question");
    peer.write("go\n");
    assert_eq!(peer.hear_out(), (b"question".to_vec(), Ending::Reset));
    tool.wait().expect(0);
}

/// `-q`, after which the command finds the end of its standard input and can end too.
fn quit_after_ends_a_silent_peer_in_order(case: Case) {
    let (mut tool, peer) = running(case, &["-q", "300ms"], ASKS);
    assert_eq!(peer.read_to_end(), b"question");
    tool.wait().expect(0);
}

/// `--half-close-timeout`, the command's end first: 5 comes before the command's own status.
fn half_close_timeout_makes_a_silent_peer_a_failure(case: Case) {
    let (mut tool, peer) = running(case, &["--half-close-timeout", "300ms"], ASKS);
    assert_eq!(peer.read_to_end(), b"question");
    let exit = tool.wait().expect(case.status(5));
    assert!(exit.stderr.contains("timed out"), "{exit}");
}

/// `--half-close-timeout`, the peer's end first. Nobody is left behind.
fn half_close_timeout_makes_a_silent_command_a_failure(case: Case) {
    let args = ["--half-close-timeout", "300ms", "--on-fin", "drain"];
    let (mut tool, peer) = running(case, &args, "printf %010d $$; exec sleep 1000");
    let pid = String::from_utf8(peer.read(10)).expect("a number");
    let sleeper = Stranger::of(pid.parse().expect("a process number"));
    peer.shutdown();
    assert_eq!(peer.read_to_end(), b"");
    let exit = tool.wait().expect(case.status(5));
    assert!(exit.stderr.contains("timed out"), "{exit}");
    sleeper.wait_gone();
}

/// `--idle-timeout`.
fn idle_timeout_ends_mutual_silence(case: Case) {
    let (mut tool, peer) = running(case, &["--idle-timeout", "800ms"], "exec cat");
    peer.write("x");
    assert_eq!(peer.read(1), b"x");
    assert_eq!(peer.read_to_end(), b"");
    let exit = tool.wait().expect(case.status(5));
    assert!(exit.stderr.contains("idle"), "{exit}");
}

/// `--send-only`: nothing of what the peer says reaches the command.
fn send_only_drops_what_it_hears(case: Case) {
    let (mut tool, peer) = running(case, &["--send-only"], "cat; echo the end");
    peer.write("dropped");
    assert_eq!(peer.read_to_end(), b"the end\n");
    tool.wait().expect(0);
}

matrix!(every over streams: deadline_ends_a_command_on_the_socket);

/// `--deadline` is the one option that leaves the socket to the command.
fn deadline_ends_a_command_on_the_socket(case: Case) {
    let args = ["--deadline", "1500ms"];
    let (mut tool, peer) = running(case, &args, "readlink /proc/self/fd/0 /proc/self/fd/1; echo $$; exec sleep 1000");
    let said = String::from_utf8(peer.read_to_end()).expect("text");
    let lines: Vec<&str> = said.lines().collect();
    assert!(lines[0].starts_with("socket:") && lines[1] == lines[0], "{said}");
    Stranger::of(lines[2].parse().expect("a process number")).wait_gone();
    let exit = tool.wait();
    assert!(exit.stderr.contains("deadline"), "{exit}");
    if case.mode == Mode::OneShot {
        assert_ne!(exit.code, Some(0), "{exit}");
    }
}
