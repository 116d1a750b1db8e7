//! What fincat says and the exit status it says it with; that it ends at all, and with what bytes
//! delivered, is the business of the other rooms.
//!
//! * here:     a status and a sentence for each failure, `-v`, `--quiet`, one line one write
//! * `help`:   usage, `-h`, `--help`, `-V`
//! * `nc`:     nc's command lines and letters
//! * `usage`:  command lines without sense

mod help;
mod nc;
mod usage;

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::thread;

use rustix::pipe::{PipeFlags, pipe_with};
use tempfile::NamedTempFile;

use crate::dead_ends::{Full, NAMELESS, Refusing};
use crate::launch::{Launch, Stdin, Stdout};
use crate::matrix::{Case, matrix};
use crate::peers::{PeerStream, external};
use crate::process::Exit;
use crate::tool::{Tool, fincat};

/// Demands that standard error is one sentence: one line, `fincat: ` in front, lower case, no full stop.
#[track_caller]
fn expect_sentence(exit: &Exit) {
    let sentence = exit.stderr.strip_prefix("fincat: ").and_then(|said| said.strip_suffix('\n'));
    let sentence = sentence.unwrap_or_else(|| panic!("not one line of fincat's: {exit}"));
    assert!(!sentence.contains('\n'), "more than one line: {exit}");
    assert!(!sentence.is_empty() && !sentence.ends_with('.'), "a full stop, or nothing: {exit}");
    assert!(!sentence.starts_with(char::is_uppercase), "not lower case: {exit}");
    assert!(!sentence.contains("os error"), "a number where words belong: {exit}");
}

/// Demands `status`, and `cannot VERB OBJECT: REASON` with all of `parts` in it.
#[track_caller]
fn expect_failure(exit: Exit, status: i32, parts: &[&str]) {
    let exit = exit.expect(status);
    expect_sentence(&exit);
    let said = exit.stderr.strip_prefix("fincat: cannot ").unwrap_or_else(|| panic!("no `cannot`: {exit}"));
    let (action, reason) = said.split_once(": ").unwrap_or_else(|| panic!("no reason: {exit}"));
    assert!(action.split_once(' ').is_some_and(|(verb, object)| !verb.is_empty() && !object.is_empty()), "{exit}");
    assert!(!reason.trim().is_empty(), "{exit}");
    for part in parts {
        assert!(exit.stderr.contains(part), "`{part}` is missing: {exit}");
    }
    assert_eq!(exit.stdout, b"", "{exit}");
}

#[test]
fn refused() {
    let nobody = Refusing::port();
    let port = nobody.addr().port().to_string();
    let line = ["connect", "127.0.0.1", &port];
    expect_failure(Tool::run(line), 4, &["connect", "127.0.0.1", &port, "refused"]);
}

/// The object is what was typed, and what it resolved to.
#[test]
fn a_name_is_told_with_its_address() {
    let nobody = Refusing::port();
    let port = nobody.addr().port().to_string();
    let line = ["connect", "-4", "localhost", &port];
    expect_failure(Tool::run(line), 4, &["localhost", "127.0.0.1", &port, "refused"]);
}

#[test]
fn unknown_name() {
    for line in [&["connect", NAMELESS, "80"][..], &["connect", &format!("{NAMELESS}:80")], &["listen", NAMELESS, "0"]]
    {
        expect_failure(Tool::run(line), 3, &[NAMELESS]);
    }
}

/// `-n` looks nothing up; what is looked up is not found.
#[test]
fn numeric_knows_no_names() {
    for command in ["connect", "listen"] {
        expect_failure(Tool::run([command, "-n", "localhost", "1"]), 3, &["localhost", "-n"]);
    }
}

#[test]
fn timed_out() {
    let full = Full::listener();
    let port = full.addr().port().to_string();
    for option in ["-w", "--connect-timeout", "--deadline"] {
        expect_failure(Tool::connect(full.addr(), [option, "300ms"]).wait(), 5, &["127.0.0.1", &port, "timed out"]);
    }
    expect_failure(Tool::listen(["127.0.0.1", "0", "-w", "300ms"]).wait(), 5, &["timed out"]);
}

/// A network of its own, whose name server hears every question and answers none.
const SILENT_NAMES: &str = "
import fcntl, socket, struct, subprocess, sys
try:
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    fcntl.ioctl(server, 0x8914, struct.pack('16sh14x', b'lo', 0x41)) # SIOCSIFFLAGS: up and running
    server.bind(('127.0.0.1', 53))
    open(sys.argv[1], 'w').write('nameserver 127.0.0.1\\n')
    subprocess.check_call(['mount', '--bind', sys.argv[1], '/etc/resolv.conf'])
except Exception as error:
    sys.exit('skipped: %s' % error)
sys.exit(subprocess.call(sys.argv[2:]))
";

/// `-w` and `--deadline` are bounds over looking up the name too.
#[test]
fn timed_out_at_a_silent_name_server() {
    let (Some(unshare), Some(python)) = (external("unshare"), external("python3")) else { return };
    let resolver = NamedTempFile::new().expect("a temporary file");
    for option in ["-w", "--deadline"] {
        let script: [&OsStr; 5] =
            ["-rnm".as_ref(), python.as_ref(), "-c".as_ref(), SILENT_NAMES.as_ref(), resolver.path().as_ref()];
        let line = [fincat(), "connect", "slow.example", "80", option, "300ms"];
        let exit = Launch::new().start(&unshare, script.into_iter().chain(line.map(OsStr::new))).wait();
        if exit.stderr.starts_with("unshare:") || exit.stderr.starts_with("skipped:") {
            let _ = writeln!(io::stderr(), "timed_out_at_a_silent_name_server: {}", exit.stderr.trim());
            return;
        }
        expect_failure(exit, 5, &["slow.example", "timed out"]);
    }
}

/// In a network with nothing in it.
#[test]
fn unreachable() {
    let Some(unshare) = external("unshare") else { return };
    let exit = Launch::new().start(unshare, ["-rn", fincat(), "connect", "192.0.2.1", "9"]).wait();
    if exit.stderr.starts_with("unshare:") {
        let _ = writeln!(io::stderr(), "unreachable: skipped: {}", exit.stderr.trim());
        return;
    }
    expect_failure(exit, 6, &["192.0.2.1", "9", "unreachable"]);
}

matrix!(one_shot: reset_by_the_peer);

fn reset_by_the_peer(case: Case) {
    let (mut tool, peer) = case.pair(Stdin::Silent, &[]);
    peer.reset();
    let exit = tool.wait().expect(7);
    expect_sentence(&exit);
    assert!(exit.stderr.contains("reset"), "{exit}");
}

#[test]
fn an_address_that_cannot_be_bound() {
    let somebody = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let port = somebody.local_addr().expect("an address").port().to_string();
    expect_failure(Tool::run(["listen", "127.0.0.1", &port]), 8, &["127.0.0.1", &port, "in use"]);
    // Reserved for documentation (RFC 5737): nobody has it.
    expect_failure(Tool::run(["listen", "192.0.2.1", "0"]), 8, &["192.0.2.1"]);
    expect_failure(Tool::run(["connect", "-s", "192.0.2.1", "127.0.0.1", &port]), 8, &["192.0.2.1"]);
}

/// `--quiet` leaves the exit status to speak.
#[test]
fn quiet_says_nothing() {
    let (nobody, full) = (Refusing::port(), Full::listener());
    let lines = [
        (Tool::connect(nobody.addr(), ["--quiet"]), 4),
        (Tool::connect(full.addr(), ["--quiet", "-w", "100ms"]), 5),
        (Launch::new().fincat(["connect", "--quiet", NAMELESS, "80"]), 3),
        (Launch::new().fincat(["listen", "--quiet", "192.0.2.1", "0"]), 8),
        (Tool::listen(["--quiet", "127.0.0.1", "0", "-w", "100ms"]), 5),
    ];
    for (mut tool, status) in lines {
        assert_eq!(tool.wait().expect(status).stderr, "");
    }
}

matrix!(one_shot: quiet_says_nothing_of_a_reset, quiet_says_nothing_of_a_silent_input);

fn quiet_says_nothing_of_a_reset(case: Case) {
    let (mut tool, peer) = case.pair(Stdin::Silent, &["--quiet"]);
    peer.reset();
    assert_eq!(tool.wait().expect(7).stderr, "");
}

fn quiet_says_nothing_of_a_silent_input(case: Case) {
    let (mut tool, peer) = case.pair(Stdin::Silent, &["--quiet"]);
    peer.write("greeting");
    peer.shutdown();
    let exit = tool.wait().expect(0);
    assert_eq!((exit.stdout.as_slice(), exit.stderr.as_str()), (b"greeting".as_slice(), ""));
}

matrix!(every: verbose_names_the_peer_and_who_closed_first, nothing_is_said_of_what_goes_well);

/// `-v`: who came, or where we went, and whose end was the first. Both ends are passed on, so that each
/// can be the first.
fn verbose_names_the_peer_and_who_closed_first(case: Case) {
    for (first, line) in [("we closed first", "echo hello"), ("peer closed first", "cat >/dev/null; echo hello")] {
        let (mut tool, peer) = case.pair(Stdin::Null, &["-v", "--pipes", "--sh", line]);
        let address = peer.addrs().0.to_string();
        if first.starts_with("peer") {
            peer.shutdown();
        }
        assert_eq!(peer.read_to_end(), b"hello\n");
        drop(peer);
        let exit = tool.wait().expect(0);
        let lines: Vec<&str> = exit.stderr.lines().filter(|line| line.contains(&address)).collect();
        assert!(lines.len() >= 2, "{address} comes and goes: {exit}");
        assert!(lines.last().is_some_and(|line| line.contains(first)), "`{first}`: {exit}");
        assert!(exit.stderr.lines().all(|line| line.starts_with("fincat: ")), "{exit}");
    }
}

/// Without `-v` a conversation that ends in order leaves no word.
fn nothing_is_said_of_what_goes_well(case: Case) {
    let (mut tool, peer) = case.pair(Stdin::Bytes(b"hello".to_vec()), &["--send", "hello"]);
    assert_eq!(peer.read_to_end(), b"hello");
    peer.shutdown();
    assert_eq!(tool.wait().expect(0).stderr, "");
}

matrix!(every: one_line_is_one_write);

/// Standard error is a pipe that keeps writes apart: each has one line, so that nothing interleaves.
fn one_line_is_one_write(case: Case) {
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::DIRECT).expect("a pipe");
    let launch = Launch::new().stdout(Stdout::File(File::from(writer))).setup("exec 2>&1");
    let (mut tool, peer) = case.pair_with(launch, &["-vv", "--echo"]);
    let packets = thread::spawn(move || {
        let (mut reader, mut buffer, mut packets) = (File::from(reader), [0; 4096], Vec::new());
        while let count @ 1.. = reader.read(&mut buffer).expect("read the pipe") {
            packets.push(String::from_utf8_lossy(&buffer[..count]).into_owned());
        }
        packets
    });
    peer.write("x");
    peer.shutdown();
    peer.read_to_end();
    tool.wait().expect(0);
    let packets = packets.join().expect("the packets");
    assert!(packets.len() >= 2, "-vv says more than {packets:?}");
    for packet in packets {
        let line = packet.strip_suffix('\n').is_some_and(|line| line.starts_with("fincat: ") && !line.contains('\n'));
        assert!(line, "one write, and not one line: {packet:?}");
    }
}

/// A standard error that is full, or gone, changes nothing.
#[test]
fn nobody_needs_to_listen() {
    for setup in ["exec 2>/dev/full", "exec 2>&-"] {
        let mut tool = Tool::with(Stdin::Null).setup(setup).listen(["127.0.0.1", "0", "-vv", "--echo"]);
        let peer = PeerStream::tcp(tool.addr());
        peer.write("x");
        peer.shutdown();
        assert_eq!(peer.read_to_end(), b"x");
        tool.wait().expect(0);
    }
}
