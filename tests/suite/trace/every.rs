//! Every event: each happens, each line parses, and has the fields that the man page's table gives it, and no others.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::thread;

use socket2::Type;

use super::events::Journal;
use super::lines;
use crate::dead_ends::Refusing;
use crate::kernel::wait_until;
use crate::launch::{Launch, Stdin};
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

/// Runs in which every event happens.
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
        scope.spawn(|| a_deaf_one(journal));
        scope.spawn(|| a_command_alone(journal));
        scope.spawn(|| a_shortage(journal));
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
    wait_until("the wait for input is mentioned", || journal.text().contains("\"waiting-for-input\""));
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
    let answers = |line: &str| line.contains("\"under-way\"") && line.contains(&port);
    wait_until("the question is answered", || journal.text().lines().any(answers));
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
    let listener = PeerListener::unix(Type::STREAM);
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

/// One in a hub reads nothing until it has lost something, and leaves. Our reader of standard output may be slow too.
fn a_deaf_one(journal: &Journal) {
    let args = ["--thread", "--hub", "--hub-queue", "10k", "--on-fin", "close"];
    let tool = Tool::with(Stdin::Silent).listen_unix(journal.plain(&args));
    let (deaf, speaker) = (PeerStream::unix(tool.path(), Type::STREAM), PeerStream::unix(tool.path(), Type::STREAM));
    wait_until("one has fallen behind", || {
        speaker.write(vec![b'x'; 64 << 10]);
        journal.text().lines().any(|line| line.contains("\"behind\",\"id\":1,"))
    });
    drop(deaf);
    wait_until("it has left", || journal.text().lines().any(|line| line.contains("\"lost\",\"id\":1,")));
}

/// A command goes on when its client is gone.
fn a_command_alone(journal: &Journal) {
    let line = "trap 'exit 0' HUP; echo ready; while :; do sleep 0.05; done";
    let mut tool = Tool::listen(journal.all(&["127.0.0.1", "0", "--thread", "--count", "1", "--sh", line]));
    let peer = PeerStream::tcp(tool.addr());
    assert_eq!(peer.read(6), b"ready\n");
    peer.reset();
    tool.wait().expect(0);
}

/// As many descriptors as waiting for a peer needs, and none for the peer.
fn a_shortage(journal: &Journal) {
    let log = journal.folder.path().join("poor");
    let name = log.to_str().expect("a path in UTF-8");
    let text = || fs::read_to_string(&log).unwrap_or_default();
    let start = |limit: u32| {
        let line = ["listen", "127.0.0.1", "0", "-k", "--echo", "--json", "--log-file", name];
        let tool = Launch::new().setup(&format!("ulimit -n {limit}")).fincat(line);
        wait_until("it listens, or cannot", || text().contains("\"listening\"") || !tool.is_running());
        tool.is_running().then_some(tool)
    };
    let tool = (5..64).find_map(start).expect("a limit that is enough to listen");
    let listening = lines(&text()).into_iter().find(|line| line["event"] == "listening").expect("an address");
    let _peer = PeerStream::tcp(listening["local"].as_str().and_then(|local| local.parse().ok()).expect("an address"));
    wait_until("nobody more is accepted", || text().contains("\"paused\""));
    drop(tool);
    let mut all = fs::File::options().append(true).open(&journal.name).expect("the log");
    all.write_all(text().as_bytes()).expect("write");
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
    assert_eq!(String::from_utf8_lossy(&exit.stdout), "[]\n", "events that never came: {exit}");
}
