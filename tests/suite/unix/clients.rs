//! `unix connect --type dgram`: a client has a name of its own so that it can be answered, and takes it
//! away in the end; not how many senders a listener has (`crowd`).

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::{AT_ONCE, named, receive, things, within};
use crate::capture::deadline;
use crate::launch::{Launch, Stdin};
use crate::process::Signal;
use crate::tool::Tool;

/// A client whose own name lies in `names`, and the server it talks to.
struct Pair {
    client: Tool,
    server: UnixDatagram,
    names: TempDir,
    _folder: TempDir,
}

/// `fincat unix connect --type dgram ARGS...`
#[track_caller]
fn pair(stdin: Stdin, args: &[&str]) -> Pair {
    let (names, folder) = (TempDir::new().expect("a folder"), TempDir::new().expect("a folder"));
    let server = named(&folder, "server");
    let launch = Launch::new().stdin(stdin).env("TMPDIR", names.path());
    let client = launch.connect_unix(&within(&folder, "server"), [&["--type", "dgram"], args].concat());
    Pair { client, server, names, _folder: folder }
}

/// `echo x | fincat unix connect --type dgram PATH` shows its answer, and leaves nothing behind.
#[test]
fn it_is_answered_and_cleans_up() {
    let mut pair = pair(Stdin::Bytes(b"question\n".to_vec()), &[]);
    let (question, name) = receive(&pair.server);
    assert_eq!(question, b"question\n");
    let name = name.expect("a name to be answered at");
    assert!(Path::new(&name).starts_with(pair.names.path()), "TMPDIR is where names lie: {name}");
    pair.server.send_to(b"answer\n", &name).expect("send");
    let exit = pair.client.wait_within(AT_ONCE).expect(0);
    assert_eq!(exit.stdout, b"answer\n");
    assert_eq!(exit.stderr, "");
    assert_eq!(things(pair.names.path()), 0, "a name is left behind");
}

/// Whoever runs as somebody else can answer too.
#[test]
fn anybody_may_answer() {
    use std::os::unix::fs::PermissionsExt;
    let mut pair = pair(Stdin::Bytes(b"question".to_vec()), &[]);
    let name = receive(&pair.server).1.expect("a name");
    let mode = fs::metadata(&name).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o222, 0o222, "writing is what sending needs: {mode:o}");
    pair.client.wait_within(AT_ONCE).expect(0);
}

/// Also when it is stopped, by whichever signal.
#[test]
fn a_signal_leaves_no_name_behind() {
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        let mut pair = pair(Stdin::Pipe, &[]);
        pair.client.write("x");
        assert_eq!(receive(&pair.server).0, b"x");
        assert_eq!(things(pair.names.path()), 1);
        pair.client.signal(signal);
        pair.client.wait_within(AT_ONCE).expect_signal(signal);
        assert_eq!(things(pair.names.path()), 0, "after {signal:?}");
    }
}

/// Nor does a server that is gone, which is a failure.
#[test]
fn a_server_that_is_gone_is_a_failure() {
    let mut pair = pair(Stdin::Pipe, &[]);
    pair.client.write("x");
    assert_eq!(receive(&pair.server).0, b"x");
    drop(pair.server);
    // A child of another test may hold a copy of the server's socket until its exec.
    let until = deadline();
    while pair.client.is_running() && Instant::now() < until {
        pair.client.write("is anybody there?");
        crate::peers::silence(Duration::from_millis(10));
    }
    let exit = pair.client.wait_within(AT_ONCE).expect(4);
    assert!(exit.stderr.contains("refused"), "{exit}");
    assert_eq!(things(pair.names.path()), 0);
}

/// The silence after our input's end begins anew with every answer.
#[test]
fn all_answers_are_heard() {
    let mut pair = pair(Stdin::Bytes(b"question".to_vec()), &[]);
    let name = receive(&pair.server).1.expect("a name");
    for number in 0..3_usize {
        crate::peers::silence(Duration::from_millis(600));
        pair.server.send_to(b"answer", &name).expect("send");
        pair.client.wait_stdout(6 * (number + 1));
    }
    assert_eq!(pair.client.wait_within(AT_ONCE).expect(0).stdout, b"answeransweranswer");
}

/// `-q` bounds that silence.
#[test]
fn quit_after_bounds_the_silence() {
    let mut pair = pair(Stdin::Bytes(b"question".to_vec()), &["-q", "100ms"]);
    assert_eq!(receive(&pair.server).0, b"question");
    pair.client.wait_within(Duration::from_secs(4)).expect(0);
}

/// Nobody else's datagrams are taken for answers.
#[test]
fn an_intruder_is_not_heard() {
    let mut pair = pair(Stdin::Bytes(b"question".to_vec()), &[]);
    let name = receive(&pair.server).1.expect("a name");
    let intruder = UnixDatagram::unbound().expect("a socket");
    assert!(intruder.send_to(b"intrusion", &name).is_err(), "the system refuses it");
    pair.server.send_to(b"answer", &name).expect("send");
    assert_eq!(pair.client.wait_within(AT_ONCE).expect(0).stdout, b"answer");
}

/// A command behind pipes hears the answers.
#[test]
fn a_command_can_be_the_client() {
    let mut pair = pair(Stdin::Null, &["--datagrams", "1", "--sh", "printf question; cat >&2"]);
    let (question, name) = receive(&pair.server);
    assert_eq!(question, b"question");
    pair.server.send_to(b"answer\n", name.expect("a name")).expect("send");
    pair.client.wait_line(|line| line == "answer");
    pair.client.wait_within(AT_ONCE).expect(0);
    assert_eq!(things(pair.names.path()), 0);
}

/// A folder for names in which nothing can be made.
#[test]
fn a_name_that_cannot_be_made_is_a_failure() {
    let folder = TempDir::new().expect("a folder");
    let _server = named(&folder, "server");
    let launch = Launch::new().env("TMPDIR", "/nonexistent");
    let exit = launch.run(["unix", "connect", &within(&folder, "server"), "--type", "dgram"]);
    assert!(exit.code.is_some_and(|code| code != 0), "{exit}");
    assert!(exit.stderr.starts_with("fincat: cannot ") && exit.stderr.lines().count() == 1, "{exit}");
}
