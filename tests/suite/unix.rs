//! What only unix sockets have: paths and abstract names, who the peer is, and datagrams that are never
//! lost; not what they have in common with TCP, which the matrix runs in the other rooms.
//!
//! * here:      abstract names, connecting in vain, and a peer that is gone
//! * `paths`:   a path is taken, held and left
//! * `who`:     the peer's process, user and group, and who is let in
//! * `clients`: datagrams from and to a client with a name of its own
//! * `crowd`:   many senders of datagrams, and senders without a name
//! * `bounds`:  the boundaries of datagrams and packets, and the ends that datagrams have
//! * `seed`:    Python's servers and clients over unix sockets, curl and logger

mod bounds;
mod clients;
mod crowd;
mod paths;
mod seed;
mod who;

use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::Duration;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use socket2::Type;
use tempfile::TempDir;

use crate::capture::{deadline, readable_by};
use crate::launch::{Launch, Stdin};
use crate::peers::{PeerListener, PeerStream};
use crate::tool::Tool;

/// The types of unix sockets, as fincat calls them and as the system does.
const CONNECTED: [(&str, Type); 2] = [("stream", Type::STREAM), ("seqpacket", Type::SEQPACKET)];

/// More than any promise of "at once".
const AT_ONCE: Duration = Duration::from_secs(5);

/// `name` in `folder`, as a word of a command line.
fn within(folder: &TempDir, name: &str) -> String {
    folder.path().join(name).to_str().expect("a path in UTF-8").to_owned()
}

/// How many things lie in `folder`.
fn things(folder: &Path) -> usize {
    std::fs::read_dir(folder).expect("a folder").count()
}

/// A socket file that nobody listens at, as a server leaves it that was killed.
fn stale(path: &str) {
    mknodat(CWD, path, FileType::Socket, Mode::RUSR | Mode::WUSR, 0).expect("mknod");
}

/// The next datagram that comes to `socket`, and the path of its sender, if that has one.
#[track_caller]
fn receive(socket: &UnixDatagram) -> (Vec<u8>, Option<String>) {
    assert!(readable_by(socket, deadline()), "no datagram comes");
    let mut buffer = vec![0; 256 << 10];
    let (count, sender) = socket.recv_from(&mut buffer).expect("receive");
    buffer.truncate(count);
    (buffer, sender.as_pathname().and_then(Path::to_str).map(str::to_owned))
}

/// A datagram socket with a name in `folder`.
#[track_caller]
fn named(folder: &TempDir, name: &str) -> UnixDatagram {
    UnixDatagram::bind(folder.path().join(name)).expect("bind a name")
}

/// `@name` needs no file, is announced as it is written, and is free again in the end.
#[test]
fn an_abstract_name_is_a_name() {
    let name = format!("@fincat-suite-{}", std::process::id());
    for (word, kind) in CONNECTED {
        let mut tool = Launch::new().announce(&["unix", "listen"], &[&name, "--type", word, "--echo"]);
        assert_eq!(tool.announced(), [name.as_str()]);
        let exit = Tool::run(["unix", "listen", &name, "--type", word, "--echo"]).expect(8);
        assert!(exit.stderr.contains(&name) && exit.stderr.contains("in use"), "{exit}");
        let peer = PeerStream::unix(&name, kind);
        peer.write("x");
        assert_eq!(peer.read(1), b"x");
        peer.shutdown();
        assert_eq!(peer.read_to_end(), b"");
        tool.wait().expect(0);
    }
}

/// The same from the other side, whose name Python's sockets hold.
#[test]
fn an_abstract_name_is_connected_to() {
    const SERVER: &str = "
import os, socket
server = socket.socket(socket.AF_UNIX)
name = f'fincat-python-{os.getpid()}'
server.bind('\\0' + name)
server.listen()
print('@' + name)
peer = server.accept()[0]
peer.sendall(peer.makefile('rb').read().upper())
";
    let Some(mut server) = crate::peers::Python::run(SERVER, &[]) else { return };
    let name = server.wait_stdout_line(1);
    let exit = Tool::with(Stdin::Bytes(b"hello".to_vec())).connect_unix(&name, []).wait().expect(0);
    assert_eq!(exit.stdout, b"HELLO");
    server.wait().expect(0);
}

/// Nobody listens: refused. Nothing is there: a failure. Each names the path.
#[test]
fn connecting_in_vain_is_explained() {
    let folder = TempDir::new().expect("a folder");
    let path = within(&folder, "nobody");
    stale(&path);
    for word in ["stream", "dgram", "seqpacket"] {
        let exit = Tool::run(["unix", "connect", &path, "--type", word]).expect(4);
        assert!(exit.stderr.contains(&path) && exit.stderr.contains("refused"), "{exit}");
        let missing = within(&folder, "missing");
        let exit = Tool::run(["unix", "connect", &missing, "--type", word]);
        assert_ne!(exit.code, Some(0), "{exit}");
        assert!(exit.stderr.starts_with("fincat: cannot ") && exit.stderr.contains(&missing), "{exit}");
        assert_eq!(exit.stderr.lines().count(), 1, "{exit}");
    }
    assert_eq!(things(folder.path()), 1, "no client left its own name here");
}

/// What is listened at is of another type.
#[test]
fn another_type_is_no_success() {
    for (word, kind) in [("stream", Type::SEQPACKET), ("dgram", Type::STREAM), ("seqpacket", Type::STREAM)] {
        let listener = PeerListener::unix(kind);
        let exit = Tool::run(["unix", "connect", &listener.path(), "--type", word]);
        assert_ne!(exit.code, Some(0), "{exit}");
        assert!(exit.stderr.starts_with("fincat: cannot ") && exit.stderr.contains(&listener.path()), "{exit}");
        assert!(!listener.is_wanted(), "nobody has connected");
    }
}

/// 108 bytes are the system's bound: a usage error, before anything is opened.
#[test]
fn a_path_that_is_too_long_is_a_usage_error() {
    let long = format!("/tmp/{}", "x".repeat(120));
    let name = format!("@{}", "x".repeat(120));
    for path in [&long, &name] {
        for role in ["listen", "connect"] {
            let exit = Tool::run(["unix", role, path]).expect(2);
            assert!(exit.stderr.contains("long") && !exit.stderr.contains("panic"), "{exit}");
        }
    }
    assert!(!Path::new(&long).exists(), "nothing was made");
}

/// Rule 7: a peer that closed altogether shows it at once; no silent input keeps us.
#[test]
fn a_peer_that_is_gone_ends_us_at_once() {
    for (word, kind) in CONNECTED {
        let mut listening = Tool::with(Stdin::Silent).listen_unix(["--type", word, "--on-fin", "drain"]);
        let peer = PeerStream::unix(listening.path(), kind);
        peer.write("goodbye");
        assert_eq!(listening.wait_stdout(7), b"goodbye");
        drop(peer);
        let exit = listening.wait_within(AT_ONCE).expect(0);
        assert_eq!(exit.stdout, b"goodbye");
        assert_eq!(exit.stderr, "", "nothing was waited for");

        let listener = PeerListener::unix(kind);
        let args = ["--type", word, "--on-fin", "drain"];
        let mut connected = Tool::with(Stdin::Silent).connect_unix(&listener.path(), args);
        let peer = listener.accept();
        peer.write("goodbye");
        drop(peer);
        let exit = connected.wait_within(AT_ONCE).expect(0);
        assert_eq!(exit.stdout, b"goodbye");
        assert_eq!(exit.stderr, "", "nothing was waited for");
    }
}
