//! A machine that starts fincat: with sockets that are bound already, wanting to be told when it is ready, or once for
//! each connection; Python stands in for systemd. Not what fincat does with the peers (all other rooms).
//!
//! * here:      what is handed over, in every mode and over every transport
//! * `again`:   by a manager that goes on with its sockets
//! * `refused`: what is handed over wrongly
//! * `notice`:  `NOTIFY_SOCKET`
//! * `inetd`:   fincat as the command of another server
//! * `systemd`: systemd-socket-activate, where there is one
//! * `user`:    `--user` and `--chdir`

mod again;
mod inetd;
mod notice;
mod refused;
mod systemd;
mod user;

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::Path;

use socket2::Type;
use tempfile::TempDir;

use crate::capture::{DEADLINE, again};
use crate::launch::{Launch, Stdin};
use crate::matrix::Mode;
use crate::peers::{PeerStream, external};
use crate::process::{Process, Signal};
use crate::tool::fincat;

/// Makes a socket of each KIND[=NAME] (comma-separated), says the last one's port, and becomes fincat, which finds them
/// from descriptor 3 on. A KIND with a path after `@` is a unix socket's; `!` before it: it is not listened on.
const MANAGER: &str = r"
import fcntl, os, socket, sys
kinds, changed, fincat, line = sys.argv[1].split(','), sys.argv[2], sys.argv[3], sys.argv[4:]
types = {'tcp': socket.SOCK_STREAM, 'tcp6': socket.SOCK_STREAM, 'udp': socket.SOCK_DGRAM, 'stream': socket.SOCK_STREAM,
         'dgram': socket.SOCK_DGRAM, 'seqpacket': socket.SOCK_SEQPACKET}
made, names, port = [], [], 0
for word in kinds:
    kind, _, name = word.partition('=')
    names.append(name)
    bare = kind.startswith('!')
    kind, _, path = kind.lstrip('!').partition('@')
    if kind == 'file':
        s = open('/dev/null')
    elif kind == 'pair':
        s, _other = socket.socketpair()
    elif kind == 'closed':
        s = None
    else:
        family = socket.AF_UNIX if path else socket.AF_INET6 if kind == 'tcp6' else socket.AF_INET
        s = socket.socket(family, types[kind])
        if not bare or path:
            s.bind(path or ('::1' if kind == 'tcp6' else '127.0.0.1', 0))
        if not bare and types[kind] != socket.SOCK_DGRAM:
            s.listen(64)
        if not path:
            port = s.getsockname()[1]
    made.append(s and fcntl.fcntl(s.fileno(), fcntl.F_DUPFD, 20))
for number, s in enumerate(made):
    if s:
        os.dup2(s, 3 + number, inheritable=True)
print(port, flush=True)
env = dict(os.environ, LISTEN_FDS=str(len(made)), LISTEN_PID=str(os.getpid()), LISTEN_FDNAMES=':'.join(names))
for pair in changed.split():
    name, _, value = pair.partition('=')
    env.pop(name, None)
    if value:
        env[name] = value
os.execve(fincat, [fincat] + line, env)
";

/// fincat as Python starts it with sockets of these kinds, and the port of the last one. The environment is `changed`:
/// `NAME=` takes a variable away. None where there is no Python.
#[track_caller]
pub(crate) fn started(launch: Launch, kinds: &str, changed: &str, line: &[&str]) -> Option<(Process, SocketAddr)> {
    let python = external("python3")?;
    let fincat = fincat();
    let tool = launch.start(python, [&["-u", "-c", MANAGER, kinds, changed, fincat], line].concat());
    let port = tool.wait_stdout_line(1).parse().expect("a port");
    Some((tool, SocketAddr::from((Ipv4Addr::LOCALHOST, port))))
}

const MODES: [Mode; 4] = [Mode::OneShot, Mode::Single, Mode::Thread, Mode::Fork];

/// Everything that goes for a listener of ours goes for one that we were given.
#[test]
fn tcp_is_served_in_every_mode() {
    for mode in MODES {
        for handler in [&["--echo"][..], &["--", "cat"], &["--pipes", "--", "cat"]] {
            let line = [&["listen", "--activated"], mode.flags(), handler].concat();
            let Some((mut tool, addr)) = started(Launch::new(), "tcp", "", &line) else { return };
            for _ in 0..if mode == Mode::OneShot { 1 } else { 3 } {
                let peer = PeerStream::tcp(addr);
                peer.write("there and back");
                peer.shutdown();
                assert_eq!(peer.read_to_end(), b"there and back", "{mode:?}");
            }
            if mode == Mode::OneShot {
                tool.wait().expect(0);
            } else {
                tool.signal(Signal::TERM);
                tool.wait().expect_signal(Signal::TERM);
            }
        }
    }
}

/// Standard input and output, a count, and two listeners at once.
#[test]
fn a_count_is_kept_over_several_sockets() {
    let line = ["listen", "--activated", "--thread", "--count", "2", "--send", "hello", "-v"];
    let Some((mut tool, addr)) = started(Launch::new(), "tcp=one,tcp=two", "", &line) else { return };
    let told = tool.wait_lines(2, |line| line.contains("listening on 127.0.0.1:"));
    assert!(told.ends_with(&addr.to_string()), "{told}");
    let first = tool.wait_line(|line| line.contains("listening on 127.0.0.1:"));
    let first = first.rsplit(' ').next().and_then(|word| word.parse().ok()).expect("an address");
    for addr in [first, addr] {
        let peer = PeerStream::tcp(addr);
        peer.shutdown();
        assert_eq!(peer.read_to_end(), b"hello");
    }
    tool.wait().expect(0);
    let Some((mut tool, addr)) = started(Launch::new().stdin(Stdin::Pipe), "tcp", "", &["listen", "--activated"])
    else {
        return;
    };
    let peer = PeerStream::tcp(addr);
    tool.write("a question");
    assert_eq!(peer.read(10), b"a question");
    peer.write("an answer");
    peer.shutdown();
    tool.close_stdin();
    assert_eq!(peer.read_to_end(), b"");
    assert!(tool.wait().expect(0).stdout.ends_with(b"\nan answer"));
}

const ASKS: &str = "
import socket as s
c = s.socket(fileno=0)
print(c.getsockopt(s.IPPROTO_TCP, s.TCP_NODELAY), c.getsockopt(s.IPPROTO_IP, s.IP_TTL), c.getsockopt(s.SOL_SOCKET, s.SO_SNDBUF))
";

/// What can be set after a socket is bound is set, and what the kernel does not grant is said.
#[test]
fn options_act_on_their_connections() {
    let Some(python) = external("python3") else { return };
    let options = ["--nodelay", "--ttl", "33", "--sndbuf", "30000", "--", python.to_str().expect("UTF-8"), "-c", ASKS];
    let line = [&["listen", "--activated"], &options[..]].concat();
    let Some((mut tool, addr)) = started(Launch::new(), "tcp", "", &line) else { return };
    assert_eq!(PeerStream::tcp(addr).read_to_end(), b"1 33 60000\n");
    tool.wait().expect(0);
    let line = ["listen", "--activated", "--echo", "--congestion", "none-such"];
    let Some((mut tool, _)) = started(Launch::new(), "tcp", "", &line) else { return };
    let exit = tool.wait().expect(1);
    assert!(exit.stderr.contains("cannot set --congestion"), "{exit}");
}

/// Each sender is a conversation, as on a socket of ours.
#[test]
fn udp_is_served_in_every_mode() {
    for mode in &MODES[1..] {
        let line = [&["udp", "listen", "--activated", "--echo", "--idle-timeout", "100ms"], mode.flags()].concat();
        let Some((_tool, addr)) = started(Launch::new(), "udp", "", &line) else { return };
        for _ in 0..2 {
            let peer = UdpSocket::bind("127.0.0.1:0").expect("bind");
            peer.set_read_timeout(Some(DEADLINE)).expect("a timeout");
            peer.send_to(b"hello", addr).expect("send");
            let mut buffer = [0; 16];
            let (count, from) = again(|| peer.recv_from(&mut buffer)).expect("an answer");
            assert_eq!((&buffer[..count], from), (&b"hello"[..], addr), "{mode:?}");
        }
    }
    let line = ["udp", "listen", "--activated", "-k", "--datagrams", "1", "--lines"];
    let Some((mut tool, addr)) = started(Launch::new(), "udp", "", &line) else { return };
    UdpSocket::bind("127.0.0.1:0").and_then(|peer| peer.send_to(b"heard", addr)).expect("send");
    assert!(tool.wait().expect(0).stdout.ends_with(b"\nheard\n"));
}

/// A path that was bound by another is removed by another: somebody may start us again on the same socket.
#[test]
fn unix_sockets_keep_their_paths() {
    for mode in MODES {
        for (kind, of) in [("stream", Type::STREAM), ("seqpacket", Type::SEQPACKET)] {
            let folder = TempDir::new().expect("a folder");
            let path = folder.path().join("s");
            let line = [&["unix", "listen", "--activated", "--type", kind, "--echo"], mode.flags()].concat();
            let socket = format!("{kind}@{}", path.display());
            let Some((mut tool, _)) = started(Launch::new(), &socket, "", &line) else { return };
            let peer = PeerStream::unix(&path, of);
            peer.write("hello");
            assert_eq!(peer.read(5), b"hello");
            drop(peer);
            if mode != Mode::OneShot {
                tool.signal(Signal::TERM);
            }
            let _ = tool.wait();
            assert!(path.exists(), "{mode:?}");
        }
    }
    datagrams_keep_their_path();
}

fn datagrams_keep_their_path() {
    let folder = TempDir::new().expect("a folder");
    let (path, own) = (folder.path().join("s"), folder.path().join("own"));
    let line = ["unix", "listen", "--activated", "--type", "dgram", "--thread", "--echo"];
    let Some((mut tool, _)) = started(Launch::new(), &format!("dgram@{}", path.display()), "", &line) else { return };
    let peer = std::os::unix::net::UnixDatagram::bind(&own).expect("bind");
    peer.set_read_timeout(Some(DEADLINE)).expect("a timeout");
    peer.send_to(b"hello", &path).expect("send");
    let mut buffer = [0; 16];
    assert_eq!(again(|| peer.recv(&mut buffer)).expect("an answer"), 5);
    tool.signal(Signal::TERM);
    tool.signal(Signal::INT);
    let _ = tool.wait();
    assert!(path.exists());
}

/// A command finds neither the sockets nor what announced them.
#[test]
fn commands_inherit_nothing_of_it() {
    for how in [&[][..], &["--pipes"]] {
        let ask = "env | grep -c -e ^LISTEN_ -e ^NOTIFY_SOCKET; ls /proc/self/fd";
        let line = [&["listen", "--activated", "--thread"], how, &["--sh", ask]].concat();
        let folder = TempDir::new().expect("a folder");
        let changed = format!("NOTIFY_SOCKET={}", folder.path().join("nobody").display());
        let Some((_tool, addr)) = started(Launch::new(), "tcp,tcp6,tcp", &changed, &line) else { return };
        assert_eq!(PeerStream::tcp(addr).read_to_end(), b"0\n0\n1\n2\n3\n", "{how:?}");
    }
}

/// Readiness is told as of a listener of ours, by any descriptor that is free.
#[test]
fn readiness_is_told() {
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("port");
    let port_file = file.to_str().expect("a path in UTF-8");
    let line = ["listen", "--activated", "--thread", "--echo", "--ready-fd", "1", "--port-file", port_file];
    let Some((tool, addr)) = started(Launch::new(), "tcp", "", &line) else { return };
    assert_eq!(tool.wait_stdout_line(2), addr.to_string());
    assert_eq!(text(&file), format!("{}\n", addr.port()));
}

#[track_caller]
fn text(path: &Path) -> String {
    std::fs::read_to_string(path).expect("a file")
}

/// The units of the manual do what it says they do.
#[test]
fn the_documented_units_work() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/man/fincat.1")).expect("the manual");
    let starts = page.lines().filter_map(|line| line.strip_prefix("ExecStart=/usr/local/bin/fincat "));
    let starts: Vec<Vec<&str>> = starts.map(|line| line.split(' ').collect()).collect();
    let sorts = starts.iter().find(|words| words.contains(&"--activated")).expect("a unit with sockets");
    let Some((mut tool, addr)) = started(Launch::new(), "tcp=fincat.socket", "", sorts) else { return };
    let peers = [1, 2].map(|_| PeerStream::tcp(addr));
    for peer in &peers {
        peer.write("b\na\n");
        peer.shutdown();
        assert_eq!(peer.read_to_end(), b"a\nb\n");
    }
    tool.signal(Signal::TERM);
    tool.wait().expect_signal(Signal::TERM);
    assert!(starts.iter().any(|words| words.starts_with(&["connect"])), "a unit for each connection");
}
