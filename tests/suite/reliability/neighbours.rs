//! fincat among its neighbours: each of them in both roles against fincat, and each with each through fincat
//! (`--to`), megabytes both ways at once, with every end that the neighbour knows; what a neighbour cannot do stands
//! beside it, and nobody is asked for more. Not a judgement of theirs.

use std::fs;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::time::Duration;

use tempfile::TempDir;

use super::amount;
use crate::kernel::wait_until;
use crate::launch::{Launch, Stdin};
use crate::pattern::{assert_same, pattern};
use crate::peers::{external, silence};
use crate::process::{Process, Signal};
use crate::tool::{Tool, fincat};

/// A program that gives standard input to a TCP connection, and what comes from there to standard output.
struct Neighbour {
    program: &'static str,
    /// How it connects to `PORT`; nothing where it cannot.
    client: &'static [&'static str],
    /// How it listens on a port of the system's choice; nothing where it cannot.
    server: &'static [&'static str],
    /// Its FIN follows the end of its input, and it goes on listening.
    half_closes: bool,
    /// It goes on sending after our FIN, as a client and as a server.
    goes_on: (bool, bool),
}

/// The neighbours that give bytes to whoever is there; curl and ssh, which do not, come below. fincat is the last, and one
/// of them in [`meet`] only.
#[rustfmt::skip]
const NEIGHBOURS: [Neighbour; 9] = [
    // -t: without it, half a second after the first end everything is over.
    Neighbour { program: "socat", client: &["-t60", "-", "TCP:127.0.0.1:PORT"],
        server: &["-t60", "TCP-LISTEN:0,bind=127.0.0.1", "-"], half_closes: true, goes_on: (true, true) },
    // -N makes it half-close. As a server it leaves at our FIN, whatever it still has to say.
    Neighbour { program: "nc.openbsd", client: &["-N", "127.0.0.1", "PORT"], server: &["-N", "-l", "127.0.0.1", "0"],
        half_closes: true, goes_on: (true, false) },
    // Without -N, its end is not known before it is gone.
    Neighbour { program: "nc.openbsd", client: &["127.0.0.1", "PORT"], server: &["-l", "127.0.0.1", "0"],
        half_closes: false, goes_on: (true, false) },
    // As a server it leaves at our FIN.
    Neighbour { program: "ncat", client: &["127.0.0.1", "PORT"], server: &["-l", "127.0.0.1", "0"],
        half_closes: true, goes_on: (true, false) },
    // --no-shutdown takes the half-close from it.
    Neighbour { program: "ncat", client: &["--no-shutdown", "127.0.0.1", "PORT"],
        server: &["--no-shutdown", "-l", "127.0.0.1", "0"], half_closes: false, goes_on: (true, false) },
    // Leaves at our FIN in both roles.
    Neighbour { program: "busybox", client: &["nc", "127.0.0.1", "PORT"], server: &["nc", "-l", "-p", "0"],
        half_closes: true, goes_on: (false, false) },
    // Has no half-close, and leaves at our FIN.
    Neighbour { program: "nc.traditional", client: &["127.0.0.1", "PORT"], server: &["-l", "-s", "127.0.0.1"],
        half_closes: false, goes_on: (false, false) },
    Neighbour { program: "python3", client: &["-c", PYTHON, "PORT"], server: &["-c", PYTHON],
        half_closes: true, goes_on: (true, true) },
    Neighbour { program: "fincat", client: &[], server: &[], half_closes: true, goes_on: (true, true) },
];

/// A client of a port, or a server of one.
const PYTHON: &str = "
import os, shutil, socket, sys, threading
if len(sys.argv) > 1: peer = socket.create_connection(('127.0.0.1', int(sys.argv[1])))
else:
    with socket.create_server(('127.0.0.1', 0)) as server: peer, _ = server.accept()
def say():
    while piece := os.read(0, 65536): peer.sendall(piece)
    peer.shutdown(socket.SHUT_WR)
saying = threading.Thread(target=say)
saying.start()
while piece := peer.recv(65536):
    while piece: piece = piece[os.write(1, piece):]
os.close(1)
saying.join()
";

const FINCAT: &Neighbour = &NEIGHBOURS[NEIGHBOURS.len() - 1];

fn others() -> impl Iterator<Item = &'static Neighbour> {
    NEIGHBOURS.iter().filter(|it| it.program != FINCAT.program)
}

impl Neighbour {
    fn start(&self, line: &[&str], port: u16) -> Option<Process> {
        let port = port.to_string();
        let words = line.iter().map(|&word| if word == "PORT" { port.clone() } else { word.replace("PORT", &port) });
        Some(Launch::new().stdin(Stdin::Pipe).start(external(self.program)?, words.collect::<Vec<_>>()))
    }

    fn connect(&self, port: u16) -> Option<Process> {
        self.start(self.client, port)
    }

    /// It listens when this returns, with the port where.
    fn listen(&self) -> Option<(Process, u16)> {
        let process = self.start(self.server, 0)?;
        let mut port = None;
        wait_until("the neighbour listens", || {
            port = listening(process.id());
            port.is_some()
        });
        Some((process, port?))
    }
}

/// The port that this process listens on, as /proc has it.
fn listening(pid: u32) -> Option<u16> {
    let folder = fs::read_dir(format!("/proc/{pid}/fd")).ok()?;
    let links = folder.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    let held: Vec<PathBuf> = links.collect();
    ["tcp", "tcp6"].iter().find_map(|table| {
        let table = fs::read_to_string(format!("/proc/net/{table}")).ok()?;
        table.lines().find_map(|line| {
            let fields: Vec<&str> = line.split_ascii_whitespace().collect();
            let listens = *fields.get(3)? == "0A";
            let socket = PathBuf::from(format!("socket:[{}]", fields.get(9)?));
            let (_, port) = fields[1].rsplit_once(':')?;
            (listens && held.contains(&socket)).then(|| u16::from_str_radix(port, 16).ok())?
        })
    })
}

/// What each says last, which it keeps back where the order of the ends is to be seen.
const TAIL: usize = 64 << 10;

/// One end of a conversation.
struct End<'a> {
    half_closes: bool,
    goes_on: bool,
    process: &'a mut Process,
    says: &'a [u8],
}

impl End<'_> {
    fn say_but_the_last(&self) {
        self.process.write(&self.says[..self.says.len() - TAIL]);
    }

    fn say_the_last_and_end(&mut self) {
        self.process.write(&self.says[self.says.len() - TAIL..]);
        self.process.close_stdin();
    }
}

/// Both talk at once, and `first` ends first: the strict way if `second` goes on sending after a FIN, else after it has
/// heard everything.
fn converse(first: &mut End<'_>, second: &mut End<'_>) {
    first.say_but_the_last();
    if second.goes_on {
        second.say_but_the_last();
        first.say_the_last_and_end();
        second.process.wait_stdout(first.says.len());
        // The FIN is right behind the last byte; that it has been seen can only be seen where it is passed on.
        silence(Duration::from_millis(20));
        second.say_the_last_and_end();
    } else {
        second.process.write(second.says);
        first.process.wait_stdout(second.says.len());
        first.say_the_last_and_end();
    }
    assert_same(&second.process.wait().stdout, first.says);
    assert_same(&first.process.wait().stdout, second.says);
}

/// Neither knows a half-close: all is said and heard, then one of them is ended.
fn converse_until_one_is_ended(one: &mut End<'_>, other: &mut End<'_>) {
    one.process.write(one.says);
    other.process.write(other.says);
    assert_same(&other.process.wait_stdout(one.says.len()), one.says);
    assert_same(&one.process.wait_stdout(other.says.len()), other.says);
    one.process.signal(Signal::TERM);
    let _ = other.process.wait();
}

/// Every way in which these two can end; `begin` starts both, with what joins them.
fn meet<J>(
    client: &Neighbour,
    server: &Neighbour,
    says: &[Vec<u8>; 2],
    mut begin: impl FnMut() -> Option<(Process, Process, J)>,
) {
    let [a, b] = says;
    let ways = match (client.half_closes, server.half_closes) {
        (true, true) => &[true, false][..],
        (_, false) => &[true],
        (false, true) => &[false],
    };
    for &client_first in ways {
        let Some((mut x, mut y, joint)) = begin() else { return };
        let mut x = End { half_closes: client.half_closes, goes_on: client.goes_on.0, process: &mut x, says: a };
        let mut y = End { half_closes: server.half_closes, goes_on: server.goes_on.1, process: &mut y, says: b };
        let (first, second) = if client_first { (&mut x, &mut y) } else { (&mut y, &mut x) };
        if first.half_closes {
            converse(first, second);
        } else {
            converse_until_one_is_ended(first, second);
        }
        drop(joint);
    }
}

/// Each as a client of `fincat listen`, and as a server of `fincat connect`.
fn in_both_roles(bytes: usize) {
    let says = [pattern(bytes, 1), pattern(bytes, 2)];
    for it in others() {
        eprintln!("{} {:?}", it.program, it.client);
        meet(it, FINCAT, &says, || {
            let tool = Tool::with(Stdin::Pipe).listen(["127.0.0.1", "0"]);
            Some((it.connect(tool.addr().port())?, tool.into_process(), ()))
        });
        meet(FINCAT, it, &says, || {
            let (server, port) = it.listen()?;
            let tool = Tool::with(Stdin::Pipe).connect(([127, 0, 0, 1], port).into(), []);
            Some((tool.into_process(), server, ()))
        });
    }
}

/// Each with each, fincat between them.
fn through(bytes: usize) {
    let says = [pattern(bytes, 1), pattern(bytes, 2)];
    for client in others() {
        for server in others() {
            eprintln!("{} {:?} -> {} {:?}", client.program, client.client, server.program, server.server);
            meet(client, server, &says, || {
                let (far, port) = server.listen()?;
                let to = format!("127.0.0.1:{port}");
                let tool = Tool::listen(["127.0.0.1", "0", "--count", "1", "--to", &to]);
                Some((client.connect(tool.addr().port())?, far, tool))
            });
        }
    }
}

#[test]
fn each_with_fincat() {
    in_both_roles(256 << 10);
}

#[test]
#[ignore = "load: run by .ci/run"]
fn each_with_fincat_and_much() {
    in_both_roles(8 << 20);
}

#[test]
#[ignore = "load: run by .ci/run"]
fn each_with_each_through_fincat() {
    for _ in 0..amount(1) {
        through(8 << 20);
    }
}

/// curl has a length where others have an end: it neither half-closes nor waits for one, and it does not listen. A
/// command of fincat's is its server; a server of Python's behind `--to`.
#[test]
fn curl() {
    const HTTP: &str = "
import sys
line, length = sys.stdin.buffer.readline(), 0
while line.strip():
    if line.lower().startswith(b'content-length:'): length = int(line.split(b':')[1])
    line = sys.stdin.buffer.readline()
body = sys.stdin.buffer.read(length)[::-1]
sys.stdout.buffer.write(b'HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n' % len(body) + body)
";
    let (Some(curl), Some(python)) = (external("curl"), external("python3")) else { return };
    let python = python.to_str().expect("a path in UTF-8");
    let ours = pattern(8 << 20, 3);
    let answer: Vec<u8> = ours.iter().rev().copied().collect();
    for how in [&["--single"][..], &["--fork"], &["--thread", "--pipes"]] {
        let server = Tool::listen([&["127.0.0.1", "0", "--count", "2"], how, &["--", python, "-c", HTTP]].concat());
        let to = server.addr().to_string();
        let between = Tool::listen(["127.0.0.1", "0", "--count", "1", "--to", &to]);
        for tool in [&server, &between] {
            let url = format!("http://{}/", tool.addr());
            let words = ["-sS", "--noproxy", "*", "-H", "Expect:", "--data-binary", "@-", &url];
            let exit = Launch::new().stdin(Stdin::Bytes(ours.clone())).start(&curl, words).wait();
            assert_same(&exit.expect(0).stdout, &answer);
        }
    }
}

/// ssh and sshd in both of theirs at once: `sshd -i` is a command that fincat listens for, and fincat is the proxy
/// command of ssh. 8 MiB go through cat(1) at the far end, and its end is the session's.
#[test]
fn ssh() {
    let (Some(ssh), Some(sshd), Some(keygen)) = (external("ssh"), secured(), external("ssh-keygen")) else { return };
    let folder = TempDir::new().expect("a folder");
    let at = |name: &str| folder.path().join(name).to_str().expect("a path in UTF-8").to_owned();
    for name in ["host", "user"] {
        Launch::new().start(&keygen, ["-q", "-t", "ed25519", "-N", "", "-f", &at(name)]).wait().expect(0);
    }
    fs::copy(at("user.pub"), at("authorized")).expect("copy");
    let config = format!(
        "HostKey {}\nAuthorizedKeysFile {}\nStrictModes no\nUsePAM no\nPidFile none\nPermitRootLogin yes\n",
        at("host"),
        at("authorized")
    );
    fs::write(at("config"), config).expect("a configuration");
    for how in [&["--single"][..], &["--fork"], &["--thread", "--pipes"]] {
        let command = ["--", &*sshd, "-i", "-e", "-f", &at("config")];
        let server = Tool::listen([&["127.0.0.1", "0", "--count", "1"], how, &command].concat());
        let proxy = format!("ProxyCommand={} connect {}", fincat(), server.addr());
        let (key, ours) = (at("user"), pattern(8 << 20, 4));
        let words = ["-F", "none", "-i", &key, "-o", &proxy, "-o", "StrictHostKeyChecking=no", "-o", "BatchMode=yes"];
        let words = [&words[..], &["-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "x", "cat"]].concat();
        let exit = Launch::new().stdin(Stdin::Bytes(ours.clone())).start(&ssh, words).wait();
        if let Some(why) = exit.stderr.lines().find(|line| line.contains("rivilege separation")) {
            let _ = writeln!(io::stderr(), "ssh: skipped: {why}");
            return;
        }
        assert_same(&exit.expect(0).stdout, &ours);
    }
}

/// sshd by its full path, as it wants to be called; it is not on everybody's PATH.
fn secured() -> Option<String> {
    let usual = PathBuf::from("/usr/sbin/sshd");
    let found = if usual.is_file() { Some(usual) } else { external("sshd") };
    found?.to_str().map(str::to_owned)
}
