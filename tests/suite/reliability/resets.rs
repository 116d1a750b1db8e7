//! RST at every point of a conversation, for every handler and in every mode: before it is accepted, at its first byte,
//! in mid-stream, and between the two FINs, whoever's came first. What had arrived is delivered, the status is 7 or the
//! conversation's failure in a server, and nobody else notices; not what is said of it (`messages`).
//!
//! A command that holds the socket hears of an RST by itself, and fincat's status is its own: fincat neither reads that
//! socket nor asks for its error.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;

use tempfile::TempDir;

use super::amount;
use crate::kernel::wait_until;
use crate::launch::{Launch, Stdin};
use crate::matrix::{Case, Mode, Role, Transport, matrix};
use crate::pattern::{assert_same, pattern};
use crate::peers::{Ending, PeerListener, PeerStream};
use crate::tool::Tool;

use self::Heard::{File, Nowhere, Stdout, Upstream};
use self::Input::{Ended, Endless, None as Nothing, Silent};
use self::Next::{Echo, Flood, Gone, Hush};
use self::Point::{Backlog, Middle, OurFin, Start, TheirFin};

/// When the RST comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Point {
    /// Before fincat has accepted the peer, which has said something; in `connect`, before the peer has accepted it.
    Backlog,
    /// At byte 0.
    Start,
    /// After bytes that fincat has not read yet, and while it has something to say, if it ever has.
    Middle,
    /// Instead of the peer's FIN, ours having come.
    OurFin,
    /// After the peer's own FIN, while we are still talking.
    TheirFin,
}

/// Standard input.
#[derive(Clone, Copy, Debug)]
enum Input {
    None,
    Silent,
    Ended,
    Endless,
}

/// Where that is to be found which had arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Heard {
    Nowhere,
    Stdout,
    /// A file of the command's, named after the peer's port.
    File,
    Upstream,
}

/// How it shows that the next peer is served as if nothing had happened.
#[derive(Clone, Copy, Debug)]
enum Next {
    /// What it says comes back, and then an end.
    Echo,
    /// It says a byte, ends, and hears nothing but an end.
    Hush,
    /// It is told much.
    Flood,
    /// Standard input being silent, its end would be waited for: it is accepted, and breaks off too.
    Gone,
}

/// A handler, and what becomes of it: `status` is fincat's own in a one-shot, 1 being the command's.
type Row = (&'static str, Point, Input, i32, Heard, Next);

/// `ROOM` is a folder, `PORT` the peer's port, `UP` where somebody waits to be forwarded to.
#[rustfmt::skip]
const ROWS: &[Row] = &[
    ("",                                        Backlog,  Silent,  7, Stdout,   Gone),
    ("",                                        Start,    Silent,  7, Nowhere,  Gone),
    ("",                                        Middle,   Silent,  7, Stdout,   Gone),
    ("",                                        Middle,   Endless, 7, Stdout,   Flood),
    ("--no-splice",                             Middle,   Endless, 7, Stdout,   Flood),
    ("",                                        OurFin,   Ended,   7, Stdout,   Hush),
    ("",                                        TheirFin, Endless, 7, Stdout,   Flood),
    ("--send-only",                             Backlog,  Silent,  7, Nowhere,  Gone),
    ("--send-only",                             Start,    Silent,  7, Nowhere,  Gone),
    ("--send-only",                             Middle,   Endless, 7, Nowhere,  Flood),
    ("--send-only",                             TheirFin, Endless, 7, Nowhere,  Flood),
    ("--recv-only",                             Backlog,  Nothing, 7, Stdout,   Hush),
    ("--recv-only",                             Start,    Nothing, 7, Nowhere,  Hush),
    ("--recv-only",                             Middle,   Nothing, 7, Stdout,   Hush),
    ("-- sh -c cat>ROOM/PORT",                  Backlog,  Nothing, 1, File,     Hush),
    ("-- sh -c cat>ROOM/PORT",                  Start,    Nothing, 1, Nowhere,  Hush),
    ("-- sh -c cat>ROOM/PORT",                  Middle,   Nothing, 1, File,     Hush),
    ("--sh cat>ROOM/PORT",                      Middle,   Nothing, 1, File,     Hush),
    ("--sh cat>ROOM/PORT;cat</dev/zero||exit${S}1", TheirFin, Nothing, 1, File, Flood),
    // Who has read everything may still have something to do with it; who has pipes, something to read.
    ("--sh cat>ROOM/.PORT;sleep${S}.2;mv${S}ROOM/.PORT${S}ROOM/PORT;exit${S}1", Middle, Nothing, 1, File, Hush),
    ("--pipes --sh sleep${S}.2;cat>ROOM/PORT",  Middle,   Nothing, 7, File,     Hush),
    ("--pipes -- sh -c cat>ROOM/PORT",          Backlog,  Nothing, 7, File,     Hush),
    ("--pipes -- sh -c cat>ROOM/PORT",          Start,    Nothing, 7, Nowhere,  Hush),
    ("--pipes -- sh -c cat>ROOM/PORT",          Middle,   Nothing, 7, File,     Hush),
    ("--pipes --sh cat>ROOM/PORT&cat</dev/zero", Middle,  Nothing, 7, Nowhere,  Flood),
    ("--pipes --sh exec>&-;cat>ROOM/PORT",      OurFin,   Nothing, 7, File,     Hush),
    ("--pipes --sh cat>ROOM/PORT;cat</dev/zero", TheirFin, Nothing, 7, File,    Flood),
    ("--echo",                                  Backlog,  Nothing, 7, Nowhere,  Echo),
    ("--echo",                                  Start,    Nothing, 7, Nowhere,  Echo),
    ("--echo",                                  Middle,   Nothing, 7, Nowhere,  Echo),
    ("--discard",                               Backlog,  Nothing, 7, Nowhere,  Hush),
    ("--discard",                               Start,    Nothing, 7, Nowhere,  Hush),
    ("--discard",                               Middle,   Nothing, 7, Nowhere,  Hush),
    ("--send x",                                Backlog,  Nothing, 7, Nowhere,  Echo),
    ("--send x",                                OurFin,   Nothing, 7, Nowhere,  Echo),
    ("--send-file ROOM/much",                   Backlog,  Nothing, 7, Nowhere,  Flood),
    ("--send-file ROOM/much",                   Middle,   Nothing, 7, Nowhere,  Flood),
    ("--send-file ROOM/much",                   TheirFin, Nothing, 7, Nowhere,  Flood),
    ("--to UP",                                 Backlog,  Nothing, 7, Upstream, Echo),
    ("--to UP",                                 Start,    Nothing, 7, Upstream, Echo),
    ("--to UP",                                 Middle,   Nothing, 7, Upstream, Echo),
    ("--to UP",                                 OurFin,   Nothing, 7, Upstream, Echo),
];

/// What a row needs besides fincat.
struct Room {
    folder: TempDir,
    upstream: PeerListener,
}

impl Room {
    fn new() -> Self {
        let folder = TempDir::new().expect("a folder");
        // No disk is filled by it: it has no bytes but in its size.
        let much = fs::File::create(folder.path().join("much")).expect("a file");
        much.set_len(64 << 20).expect("a size");
        Self { folder, upstream: PeerListener::tcp() }
    }

    /// The words of a row, with this room's names in them.
    fn words(&self, row: &Row) -> Vec<String> {
        let folder = self.folder.path().to_str().expect("a path in UTF-8");
        let up = self.upstream.addr().to_string();
        let words = row.0.split_ascii_whitespace();
        let word = |word: &str| {
            let word = if word == "UP" { &up } else { word };
            word.replace("ROOM", folder).replace("PORT", "$TCPREMOTEPORT").replace("${S}", " ")
        };
        words.map(word).collect()
    }

    fn file(&self, peer: SocketAddr) -> PathBuf {
        self.folder.path().join(peer.port().to_string())
    }
}

/// What the peer says before it breaks off.
const SAID: usize = 48 << 10;

matrix!(every: resets);

fn resets(case: Case) {
    for _ in 0..amount(1) {
        for row in ROWS {
            let is_shared = matches!(case.mode, Mode::Thread | Mode::Fork);
            let reads_standard_input = matches!(row.2, Silent | Ended | Endless);
            let is_always_a_server =
                row.0.starts_with("--to") && (case.role, case.mode) == (Role::Listen, Mode::OneShot);
            if !(is_shared && reads_standard_input || is_always_a_server) {
                eprintln!("{case:?}: {row:?}");
                reset(case, row);
            }
        }
    }
}

fn reset(case: Case, row: &Row) {
    let room = Room::new();
    let stdin = match row.2 {
        Nothing => Stdin::Null,
        Silent => Stdin::Silent,
        Ended => Stdin::Bytes(b"last words".to_vec()),
        Endless => Stdin::Endless(b"y\n".to_vec()),
    };
    let words = room.words(row);
    let words: Vec<&str> = ["-v"].into_iter().chain(words.iter().map(String::as_str)).collect();
    match (case.role, case.mode) {
        (Role::Connect, _) => one(row, &room, |launch| connected(launch, row, &words), stdin),
        (Role::Listen, Mode::OneShot) => one(row, &room, |launch| accepted(case, launch, row, &words), stdin),
        (Role::Listen, _) => serving(case, row, &room, Tool::with(stdin), &words),
    }
}

/// A peer that has been connected to; or, with None, one that never accepted us.
fn connected(launch: Launch, row: &Row, words: &[&str]) -> (Tool, Option<PeerStream>) {
    let listener = PeerListener::tcp();
    let tool = launch.connect(listener.addr(), words);
    if row.1 == Backlog {
        wait_until("somebody has connected", || listener.is_wanted());
        return (tool, None);
    }
    let peer = listener.accept();
    tool.wait_line(|line| line.contains("connected"));
    (tool, Some(peer))
}

/// A peer that has connected. At [`Backlog`] fincat is stopped before it can notice.
fn accepted(case: Case, launch: Launch, row: &Row, words: &[&str]) -> (Tool, Option<PeerStream>) {
    let tool = case.serve(launch, words);
    let peer = met(case, &tool, row);
    (tool, Some(peer))
}

fn met(case: Case, tool: &Tool, row: &Row) -> PeerStream {
    if row.1 == Backlog {
        tool.stop();
    }
    let peer = case.meet(tool);
    if row.1 != Backlog {
        let name = peer.addrs().0.to_string();
        tool.wait_line(|line| line.contains(&name) && line.contains("accepted"));
    }
    peer
}

/// The only conversation: its status is fincat's, and all that had arrived is delivered.
fn one(row: &Row, room: &Room, begin: impl FnOnce(Launch) -> (Tool, Option<PeerStream>), stdin: Stdin) {
    let (mut tool, peer) = begin(Tool::with(stdin));
    let Some(peer) = peer else {
        let exit = tool.wait();
        // It may come while we are still connecting: there is no conversation then, whoever was to handle it.
        let is_early = exit.stderr.starts_with("fincat: cannot connect to ");
        let exit = exit.expect(if is_early { 7 } else { row.3 });
        let is_ours = is_early || row.3 == 7;
        assert!(!is_ours || exit.stderr.contains("reset by "), "{row:?}: {exit}");
        return;
    };
    let (name, said) = (peer.addrs().0, broken_off(&tool, peer, row, room));
    let exit = tool.wait().expect(row.3);
    assert!(row.3 != 7 || exit.stderr.contains("reset by the peer"), "{row:?}: {exit}");
    match row.4 {
        Stdout => assert_same(&exit.stdout, &said),
        File => assert_same(&fs::read(room.file(name)).expect("what the command heard"), &said),
        Nowhere | Upstream => {}
    }
}

/// One of a server's conversations: another is under way, or waits, and a third comes afterwards.
fn serving(case: Case, row: &Row, room: &Room, launch: Launch, words: &[&str]) {
    let tool = case.serve(launch, words);
    let before = (case.mode != Mode::Single).then(|| {
        let peer = case.meet(&tool);
        let name = peer.addrs().0.to_string();
        tool.wait_line(|line| line.contains(&name) && line.contains("accepted"));
        let upstream = row.0.starts_with("--to").then(|| room.upstream.accept());
        (peer, upstream)
    });
    let peer = met(case, &tool, row);
    let waiting = (case.mode == Mode::Single).then(|| case.meet(&tool));
    let name = peer.addrs().0;
    let said = broken_off(&tool, peer, row, room);
    let word = if row.3 == 7 { "reset by the peer" } else { "command ended with status 1" };
    tool.wait_line(|line| line.starts_with(&format!("fincat: {name}: ")) && line.contains(word));
    match row.4 {
        Stdout => assert_same(&tool.wait_stdout(said.len()), &said),
        File => assert_same(&fs::read(room.file(name)).expect("what the command heard"), &said),
        Nowhere | Upstream => {}
    }
    if let Some((peer, upstream)) = before {
        is_served(peer, upstream, row, &tool, room);
    }
    for peer in waiting.into_iter().chain([case.meet(&tool)]) {
        is_served(peer, None, row, &tool, room);
    }
    assert!(tool.is_running(), "{row:?}: the server goes on");
}

/// The peer says what it has to say, and breaks off at the row's point; what it has said, and what has arrived.
fn broken_off(tool: &Tool, peer: PeerStream, row: &Row, room: &Room) -> Vec<u8> {
    let upstream = (row.4 == Upstream && row.1 != Backlog).then(|| room.upstream.accept());
    let said = if row.1 == Start { Vec::new() } else { pattern(SAID, 7) };
    match row.1 {
        Backlog | Start => {}
        Middle => tool.stop(),
        OurFin => {
            if let Some(upstream) = &upstream {
                upstream.shutdown();
            }
            peer.read_to_end();
        }
        TheirFin => peer.narrow(),
    }
    peer.write(&said);
    peer.settle();
    if row.1 == TheirFin {
        peer.shutdown();
        peer.read(100_000);
    }
    peer.reset();
    if matches!(row.1, Backlog | Middle) {
        tool.resume();
    }
    if row.4 == Upstream {
        let upstream = upstream.unwrap_or_else(|| room.upstream.accept());
        assert_same(&upstream.hear_out().0, &said);
    }
    said
}

/// A peer that has nothing to do with it all.
fn is_served(peer: PeerStream, upstream: Option<PeerStream>, row: &Row, tool: &Tool, room: &Room) {
    match row.5 {
        Gone => {
            let name = leave(peer);
            tool.wait_line(|line| line.starts_with(&format!("fincat: {name}: reset by the peer")));
            return;
        }
        Flood => {
            // A command that listens first speaks after our end.
            peer.shutdown();
            peer.read(100_000);
            return;
        }
        Echo | Hush => {}
    }
    peer.write("x");
    peer.shutdown();
    if row.0.starts_with("--to") {
        let upstream = upstream.unwrap_or_else(|| room.upstream.accept());
        assert_eq!(upstream.read_to_end(), b"x");
        upstream.write("x");
        upstream.shutdown();
    }
    let (heard, ending) = peer.hear_out();
    let wanted: &[u8] = if let Echo = row.5 { b"x" } else { b"" };
    assert_eq!((heard.as_slice(), ending), (wanted, Ending::Fin), "{row:?}");
}

/// The peer is gone before we can even ask who it is: what accept(2) gave is a conversation that fails, not a server.
#[test]
fn nobody_is_left_when_it_is_accepted() {
    for mode in [Mode::Single, Mode::Thread, Mode::Fork] {
        let case = Case { role: Role::Listen, transport: Transport::Tcp, mode };
        let tool = case.serve(Tool::with(Stdin::Null), &["--echo", "-v"]);
        tool.stop();
        let gone: Vec<SocketAddr> = (0..amount(20)).map(|_| leave(case.meet(&tool))).collect();
        let peer = case.meet(&tool);
        tool.resume();
        peer.write("still there?");
        peer.shutdown();
        assert_eq!(peer.read_to_end(), b"still there?");
        for name in gone {
            tool.wait_line(|line| line.starts_with(&format!("fincat: {name}: reset by the peer")));
        }
    }
}

fn leave(peer: PeerStream) -> SocketAddr {
    let name = peer.addrs().0;
    peer.reset();
    name
}
