//! Events: that lines never interleave, where they go, and the last line of a conversation; which there are, and their
//! fields, is `every`'s.

use std::fs;
use std::path::Path;
use std::thread;

use serde_json::Value;
use tempfile::TempDir;

use super::{lines, named, only};
use crate::dead_ends::{NAMELESS, Refusing};
use crate::launch::{Launch, Stdin};
use crate::matrix::{Case, Role, Transport, matrix};
use crate::peers::{PeerListener, PeerStream, Python};
use crate::tool::{Tool, fincat};

/// Where the runs of a test write what they say.
pub(super) struct Journal {
    pub(super) folder: TempDir,
    pub(super) name: String,
}

impl Journal {
    pub(super) fn new() -> Self {
        let folder = TempDir::new().expect("a folder");
        let name = folder.path().join("log").to_str().expect("a path in UTF-8").to_owned();
        Self { folder, name }
    }

    /// The options by which everything is said to it.
    pub(super) fn all<'a>(&'a self, args: &[&'a str]) -> Vec<&'a str> {
        [args, &["--json", "-vv", "--trace", "--log-file", &self.name]].concat()
    }

    /// The same where nothing is drawn.
    pub(super) fn plain<'a>(&'a self, args: &[&'a str]) -> Vec<&'a str> {
        [args, &["--json", "-vv", "--log-file", &self.name]].concat()
    }

    pub(super) fn text(&self) -> String {
        fs::read_to_string(&self.name).expect("the log")
    }
}

/// Every line is one write: whole, whoever else speaks.
#[track_caller]
fn expect_twenty(text: &str) {
    let told = lines(text);
    for id in 1..=20 {
        let own: Vec<&Value> = told.iter().filter(|line| line["id"] == id).collect();
        let count = |name: &str| own.iter().filter(|line| line["event"] == name).count();
        assert_eq!((count("opened"), count("verdict"), count("closed")), (1, 1, 1), "#{id}: {own:#?}");
        assert_eq!(own.last().map(|line| &line["event"]), Some(&"closed".into()), "#{id}: {own:#?}");
        assert_eq!((&own[0]["peer"], &own[0]["transport"]), (&own[own.len() - 1]["peer"], &"tcp".into()));
    }
    assert_eq!(named(&told, "closed").len(), 20);
}

matrix!(many: twenty_at_once_never_interleave);

fn twenty_at_once_never_interleave(case: Case) {
    let journal = Journal::new();
    for to_file in [true, false] {
        let args = ["--count", "20", "--echo"];
        let own = ["--count", "20", "--echo", "--json", "-vv", "--trace"];
        let mut tool = case.serve(Launch::new(), &if to_file { journal.all(&args) } else { own.to_vec() });
        let peers: Vec<PeerStream> = (0..20).map(|_| case.meet(&tool)).collect();
        thread::scope(|scope| {
            for peer in &peers {
                scope.spawn(|| {
                    for _ in 0..50 {
                        peer.write("ping");
                        assert_eq!(peer.read(4), b"ping");
                    }
                    peer.shutdown();
                    peer.read_to_end();
                });
            }
        });
        drop(peers);
        let exit = tool.wait().expect(0);
        expect_twenty(if to_file { journal.text() } else { exit.stderr.clone() }.as_str());
        assert!(!to_file || exit.stderr.is_empty(), "{exit}");
    }
}

/// Into a socket of datagrams, where each write(2) is one: a line is never two, and never a part.
#[test]
fn a_line_is_one_write() {
    const SCRIPT: &str = "
import json, socket, subprocess, sys
peer = socket.create_server(('127.0.0.1', 0))
log, end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
port, fd = str(peer.getsockname()[1]), str(end.fileno())
line = [sys.argv[1], 'connect', '127.0.0.1', port, '-vv', '--trace', '--json', '--log-fd', fd]
tool = subprocess.Popen(line, pass_fds=[end.fileno()], stdin=subprocess.DEVNULL)
end.close()
peer.accept()[0].close()
count = 0
while written := log.recv(65536):
    assert written.endswith(b'\\n') and written.count(b'\\n') == 1, written
    json.loads(written)
    count += 1
assert count > 5, count
sys.exit(tool.wait())
";
    let Some(mut python) = Python::run(SCRIPT, &[fincat()]) else { return };
    python.wait().expect(0);
}

matrix!(every over streams: the_last_line_says_who_closed_first);

/// We do, or the peer does; with a relay, and with a command that holds the socket.
fn the_last_line_says_who_closed_first(case: Case) {
    for (args, first) in [
        (&["--send", "all"][..], "we"),
        (&["--echo"], "peer"),
        (&["--discard"], "peer"),
        (&["--sh", "echo all"], "we"),
        (&["--sh", "cat"], "peer"),
        (&["--pipes", "--sh", "echo all; exec >&-; exec cat >/dev/null"], "we"),
        (&["--pipes", "--sh", "cat"], "peer"),
    ] {
        let (mut tool, peer) = case.pair(Stdin::Null, &[args, &["--json"]].concat());
        if first == "peer" {
            peer.write("own");
            peer.shutdown();
        }
        let heard = peer.read_to_end().len();
        drop(peer);
        let exit = tool.wait().expect(0);
        let told = lines(&exit.stderr);
        let closed = only(&told, "closed");
        assert_eq!((&closed["closed_first"], &closed["ending"]), (&first.into(), &"fin".into()), "{args:?} {exit}");
        assert_eq!(closed["status"], 0, "{args:?} {exit}");
        let is_lent = args[0] == "--sh";
        let unknown = is_lent && case.transport != Transport::Tcp;
        let wanted = |bytes: usize| if unknown { Value::Null } else { bytes.into() };
        assert_eq!(closed["sent"], wanted(heard), "{args:?} {exit}");
        assert_eq!(closed["received"], wanted(if first == "peer" { 3 } else { 0 }), "{args:?} {exit}");
        assert_eq!(closed["id"], 1, "{args:?} {exit}");
        assert_eq!(only(&told, "opened")["accepted"], case.role == Role::Listen, "{args:?} {exit}");
    }
}

#[test]
fn the_last_line_says_how_it_ended() {
    let listener = PeerListener::tcp();
    let mut tool = Tool::with(Stdin::Silent).connect(listener.addr(), ["--json", "--idle-timeout", "50ms"]);
    let peer = listener.accept();
    peer.read_to_end();
    drop(peer);
    let exit = tool.wait().expect(5);
    let closed = only(&lines(&exit.stderr), "closed").clone();
    assert_eq!((&closed["ending"], &closed["status"]), (&"timeout".into(), &5.into()), "{exit}");
    assert_eq!(closed["closed_first"], Value::Null, "{exit}");

    let mut tool = Tool::with(Stdin::Silent).connect(listener.addr(), ["--json"]);
    let peer = listener.accept();
    tool.wait_line(|line| line.contains("\"opened\""));
    peer.reset();
    let exit = tool.wait().expect(7);
    let closed = only(&lines(&exit.stderr), "closed").clone();
    assert_eq!((&closed["ending"], &closed["status"]), (&"reset".into(), &7.into()), "{exit}");

    // Whom it should be forwarded to refuses.
    let nobody = Refusing::port();
    let to = nobody.addr().to_string();
    let mut tool = Tool::listen(["127.0.0.1", "0", "--json", "--count", "1", "--to", &to]);
    let _ = PeerStream::tcp(tool.addr()).hear_out();
    let exit = tool.wait().expect(0);
    let closed = only(&lines(&exit.stderr), "closed").clone();
    assert_eq!((&closed["ending"], &closed["status"]), (&"failure".into(), &4.into()), "{exit}");
}

/// Elsewhere than standard error, and at the end of what is there already.
#[test]
fn a_log_goes_where_it_is_wanted() {
    let journal = Journal::new();
    fs::write(&journal.name, "before\n").expect("write");
    let nobody = Refusing::port();
    let port = nobody.addr().port().to_string();
    let exit = Tool::run(["connect", "127.0.0.1", &port, "--log-file", &journal.name]).expect(4);
    assert_eq!(exit.stderr, "", "{exit}");
    assert_eq!(journal.text(), format!("before\nfincat: cannot connect to 127.0.0.1:{port}: connection refused\n"));

    let there = journal.folder.path().join("three");
    let launch = Launch::new().setup(&format!("exec 3>{}", there.display()));
    let exit = launch.run(["connect", "127.0.0.1", &port, "--json", "--log-fd", "3"]).expect(4);
    assert_eq!(exit.stderr, "", "{exit}");
    let told = lines(&fs::read_to_string(&there).expect("what 3 was told"));
    let failure = only(&told, "failure");
    assert!(failure["message"].as_str().is_some_and(|message| message.contains("refused")), "{failure}");
    assert_eq!((told.len(), &failure["id"]), (1, &1.into()), "{told:?}");
}

#[test]
fn a_log_that_cannot_be() {
    let exit = Tool::run(["connect", "127.0.0.1", "9", "--log-fd", "77"]).expect(2);
    assert_eq!(exit.stderr, "fincat: --log-fd 77 is not open for writing\n");
    let exit = Tool::run(["connect", "127.0.0.1", "9", "--log-file", "/nobody/there"]).expect(1);
    assert_eq!(exit.stderr, "fincat: cannot write /nobody/there: no such file or directory\n");
}

/// What is wrong with a command line is found out before a log is opened.
#[test]
fn usage_is_told_on_standard_error() {
    let journal = Journal::new();
    for args in [&["connect", "127.0.0.1"][..], &["connect", "127.0.0.1", "9", "--quiet", "-v"]] {
        let exit = Tool::run([args, &["--json", "--log-file", &journal.name]].concat()).expect(2);
        assert!(exit.stderr.starts_with("fincat: ") && exit.stderr.lines().count() == 1, "{exit}");
    }
    assert!(!Path::new(&journal.name).exists(), "there is nothing to tell");
}

/// Whom it was about, and the exit status: what failed before there was a conversation says both.
#[test]
fn the_only_line_says_what_failed() {
    let nobody = Refusing::port();
    let (refusing, port) = (nobody.addr().to_string(), nobody.addr().port().to_string());
    let taken = PeerListener::tcp();
    for (args, transport, peer, status) in [
        (&["connect", "127.0.0.1", &port][..], "tcp".into(), refusing.as_str().into(), 4),
        (&["connect", "127.0.0.1", &port, "--trace"], "tcp".into(), refusing.as_str().into(), 4),
        (&["connect", NAMELESS, "9"], "tcp".into(), format!("{NAMELESS}:9").into(), 3),
        (&["unix", "connect", "/nobody/there"], "unix".into(), "/nobody/there".into(), 4),
        (&["listen", "127.0.0.1", &taken.addr().port().to_string()], Value::Null, Value::Null, 8),
        (&["listen", "127.0.0.1", "0", "-w", "50ms"], Value::Null, Value::Null, 5),
    ] {
        let exit = Tool::run([args, &["--json"]].concat()).expect(status);
        let told = lines(&exit.stderr);
        let failure = only(&told, "failure");
        assert_eq!((&failure["transport"], &failure["peer"]), (&transport, &peer), "{exit}");
        assert_eq!((&failure["status"], &failure["local"]), (&status.into(), &Value::Null), "{exit}");
        assert_eq!(told.last(), Some(failure), "{exit}");
    }
}

/// What cannot act is refused, one sentence each.
#[test]
fn options_that_cannot_act() {
    for (line, part) in [
        ("connect h 9 --quiet --json", "--quiet and --json"),
        ("connect h 9 --quiet --trace", "--quiet and --trace"),
        ("connect h 9 --quiet --progress", "--quiet and --progress"),
        ("connect h 9 --quiet --log-file f", "--quiet says nothing"),
        ("connect h 9 --log-fd 3 --log-file f", "exclude each other"),
        ("connect h 9 --log-fd 1", "carries data here"),
        ("connect -z h 9 --log-fd 1", "carries data here"),
        ("listen 0 --ready-fd 3 --log-fd 3", "cannot be the same"),
        ("connect -z h 9 --trace", "--check"),
        ("connect -z h 9 --confirm", "--check has no conversation"),
        ("connect -z h 9 --progress", "--check has no conversation"),
        ("connect -z h 9 --hexdump f", "--check has no conversation"),
        ("udp connect h 9 --confirm", "nobody acknowledges datagrams"),
        ("unix connect p --type dgram --confirm", "nobody acknowledges datagrams"),
        ("listen -k 9 --echo --confirm", "a server has a status of its own"),
        ("listen --fork 9 --echo --progress", "cannot act in a server"),
        ("connect h 9 --confirm --sh true", "see --pipes"),
        ("connect h 9 --progress --sh true", "see --pipes"),
        ("connect h 9 --confirm --on-eof reset", "never ends in order"),
    ] {
        let exit = Tool::run(line.split(' ')).expect(2);
        assert!(exit.stderr.lines().count() == 1 && exit.stderr.contains(part), "{line}: {exit}");
    }
}
