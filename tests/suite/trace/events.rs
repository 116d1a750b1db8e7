//! Events: that every line parses and has the fields which the man page's table gives it, that lines never interleave,
//! where they go, and the last line of a conversation.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::thread;

use serde_json::Value;
use tempfile::TempDir;

use super::{lines, named, only};
use crate::dead_ends::Refusing;
use crate::launch::{Launch, Stdin};
use crate::matrix::{Case, Role, Transport, matrix};
use crate::peers::{PeerListener, PeerStream, Python};
use crate::process::Signal;
use crate::tool::Tool;

/// The table of the man page: each event with the fields that it adds.
fn table() -> BTreeMap<String, Vec<String>> {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("man/fincat.1")).expect("the man page");
    let events = page.split("\n.Sh EVENTS\n").nth(1).expect("a section EVENTS");
    let events = events.split("\n.Sh ").next().expect("its text");
    let rows = events.lines().filter_map(|line| line.strip_prefix(".It Ic ")?.split_once(" Ta"));
    let fields = |text: &str| {
        text.split_ascii_whitespace().filter(|word| word.len() > 1 && *word != "Va").map(str::to_owned).collect()
    };
    rows.map(|(event, adds)| (event.to_owned(), fields(adds))).collect()
}

/// Where the runs of a test write what they say.
struct Journal {
    folder: TempDir,
    name: String,
}

impl Journal {
    fn new() -> Self {
        let folder = TempDir::new().expect("a folder");
        let name = folder.path().join("log").to_str().expect("a path in UTF-8").to_owned();
        Self { folder, name }
    }

    /// The options by which everything is said to it.
    fn all<'a>(&'a self, args: &[&'a str]) -> Vec<&'a str> {
        [args, &["--json", "-vv", "--trace", "--log-file", &self.name]].concat()
    }

    /// The same where nothing is drawn.
    fn plain<'a>(&'a self, args: &[&'a str]) -> Vec<&'a str> {
        [args, &["--json", "-vv", "--log-file", &self.name]].concat()
    }

    fn text(&self) -> String {
        fs::read_to_string(&self.name).expect("the log")
    }
}

/// Runs in which every event happens but those that a shortage makes, a peer that does not read, or a command that runs
/// on without its peer.
#[track_caller]
fn broad_runs(journal: &Journal) {
    let nobody = Refusing::port();
    let _ = Tool::connect(nobody.addr(), journal.all(&["--retry", "1", "--retry-delay", "10ms"])).wait().expect(4);
    thread::scope(|scope| {
        scope.spawn(|| silent_inputs(journal));
        for mode in ["--single", "--thread", "--fork"] {
            scope.spawn(move || serve(journal, mode));
        }
        scope.spawn(|| confirmed(journal));
        scope.spawn(|| datagrams(journal));
    });
}

/// The peer finishes, and standard input is open: one that never spoke, one that did.
fn silent_inputs(journal: &Journal) {
    let listener = PeerListener::tcp();
    let mut mute = Tool::with(Stdin::Silent).connect(listener.addr(), journal.all(&[]));
    let peer = listener.accept();
    peer.write("said");
    peer.shutdown();
    let mut slow = Tool::with(Stdin::Pipe).connect(listener.addr(), journal.all(&[]));
    let other = listener.accept();
    slow.write("something");
    assert_eq!(other.read(9), b"something");
    other.shutdown();
    mute.wait().expect(0);
    while !journal.text().contains("\"waiting-for-input\"") {
        thread::sleep(std::time::Duration::from_millis(10));
    }
    slow.close_stdin();
    slow.wait().expect(0);
}

/// Two peers of a server, one of whom is not let in, and a question.
fn serve(journal: &Journal, mode: &str) {
    let args = ["127.0.0.1", "0", mode, "-k", "--deny", "127.0.0.3", "--echo", "--grace", "0"];
    let mut tool = Tool::listen(journal.all(&args));
    let (peer, denied) = (PeerStream::tcp(tool.addr()), PeerStream::tcp_from([127, 0, 0, 3], tool.addr()));
    peer.write("x");
    assert_eq!(peer.read(1), b"x");
    tool.signal(Signal::USR1);
    if mode != "--single" {
        let _ = denied.hear_out();
    }
    let port = format!("\"peer\":\"{}\"", peer.addrs().0);
    while !journal.text().lines().any(|line| line.contains("\"under-way\"") && line.contains(&port)) {
        thread::sleep(std::time::Duration::from_millis(5));
    }
    peer.shutdown();
    peer.read_to_end();
    tool.signal(Signal::TERM);
    let _ = tool.wait();
    // Standard input is /dev/null: an option in force.
    let mut tool = Tool::listen(journal.all(&["127.0.0.1", "0"]));
    drop(PeerStream::tcp(tool.addr()));
    tool.wait().expect(0);
    for pipes in [&[][..], &["--pipes"]] {
        let line = [&["127.0.0.1", "0", mode, "--count", "1", "--sh", "cat"], pipes].concat();
        let mut tool = Tool::listen(journal.all(&line));
        let peer = PeerStream::tcp(tool.addr());
        peer.write("y");
        peer.shutdown();
        assert_eq!(peer.read_to_end(), b"y");
        tool.wait().expect(0);
    }
}

fn confirmed(journal: &Journal) {
    let listener = PeerListener::tcp();
    let mut tool = Tool::with(Stdin::Bytes(b"sure".to_vec())).connect(listener.addr(), journal.all(&["--confirm"]));
    assert_eq!(listener.accept().read_to_end(), b"sure");
    tool.wait().expect(0);
    let listener = PeerListener::unix(socket2::Type::STREAM);
    let launch = Launch::new().stdin(Stdin::Bytes(b"sure".to_vec()));
    let mut tool = launch.connect_unix(&listener.path(), journal.plain(&["--confirm"]));
    assert_eq!(listener.accept().read_to_end(), b"sure");
    tool.wait().expect(0);
}

fn datagrams(journal: &Journal) {
    let peer = std::net::UdpSocket::bind("127.0.0.1:0").expect("bind");
    let port = peer.local_addr().expect("an address").port().to_string();
    let line = "x".repeat(70_000) + "\nshort\n";
    let launch = Launch::new().stdin(Stdin::Bytes(line.into_bytes()));
    let args = ["udp", "connect", "127.0.0.1", &port, "--lines", "-q", "50ms"];
    launch.fincat(journal.all(&args)).wait().expect(1);
}

/// Held against the page by a program that is not ours.
#[test]
fn every_line_parses_and_has_the_documented_fields() {
    const CHECK: &str = "
import json, sys
table = json.loads(sys.argv[1])
always = ['time', 'event', 'id', 'transport', 'local', 'peer']
seen = set()
for line in open(sys.argv[2]):
    fields = json.loads(line)
    wanted = always + table[fields['event']]
    assert list(fields) == wanted, (line, wanted)
    seen.add(fields['event'])
print(sorted(set(table) - seen))
";
    let (journal, table) = (Journal::new(), table());
    assert!(table.len() > 15, "the table of events: {table:?}");
    broad_runs(&journal);
    let table = serde_json::to_string(&table).expect("JSON");
    let Some(mut python) = Python::run(CHECK, &[&table, &journal.name]) else { return };
    let exit = python.wait().expect(0);
    assert_eq!(
        String::from_utf8_lossy(&exit.stdout),
        "['behind', 'lost', 'paused', 'urged']\n",
        "events that never came: {exit}"
    );
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
    assert_eq!((told.len(), &failure["id"]), (1, &Value::Null), "{told:?}");
}

#[test]
fn a_log_that_cannot_be() {
    let exit = Tool::run(["connect", "127.0.0.1", "9", "--log-fd", "77"]).expect(2);
    assert_eq!(exit.stderr, "fincat: --log-fd 77 is not open for writing\n");
    let exit = Tool::run(["connect", "127.0.0.1", "9", "--log-file", "/nobody/there"]).expect(1);
    assert_eq!(exit.stderr, "fincat: cannot write /nobody/there: no such file or directory\n");
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
