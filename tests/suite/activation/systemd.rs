//! systemd's own way to try socket activation out, systemd-socket-activate(1), where it is installed.

use std::path::Path;

use socket2::{Domain, Socket, Type};
use tempfile::TempDir;

use crate::kernel::wait_until;
use crate::launch::Launch;
use crate::peers::{PeerListener, PeerStream, external, unix_address};
use crate::process::Process;

const FINCAT: &str = env!("CARGO_BIN_EXE_fincat");

/// systemd with a socket at `path`, and fincat for it.
#[track_caller]
fn activated(path: &Path, how: &[&str], line: &[&str]) -> Option<Process> {
    let path = path.to_str().expect("UTF-8");
    let line = [how, &["-l", path, FINCAT], line].concat();
    Some(Launch::new().start(external("systemd-socket-activate")?, line))
}

/// The first peer, once systemd listens; fincat is started for it.
#[track_caller]
fn first(path: &Path, kind: Type) -> PeerStream {
    wait_until("systemd listens", || {
        path.exists() && Socket::new(Domain::UNIX, kind, None).and_then(|s| s.connect(&unix_address(path))).is_ok()
    });
    PeerStream::unix(path, kind)
}

#[test]
fn a_listener_is_handed_over() {
    for (how, kind, of) in [(&[][..], "stream", Type::STREAM), (&["--seqpacket"], "seqpacket", Type::SEQPACKET)] {
        let folder = TempDir::new().expect("a folder");
        let path = folder.path().join("s");
        let line = ["unix", "listen", "--activated", "--thread", "--echo", "--type", kind];
        let Some(_systemd) = activated(&path, how, &line) else { return };
        for _ in 0..3 {
            let peer = first(&path, of);
            peer.write("hello");
            assert_eq!(peer.read(5), b"hello");
        }
    }
}

#[test]
fn a_connection_is_handed_over() {
    let folder = TempDir::new().expect("a folder");
    let (path, far) = (folder.path().join("s"), PeerListener::tcp());
    let (host, port) = (far.addr().ip().to_string(), far.addr().port().to_string());
    let how = ["--accept", "--inetd"];
    let Some(_systemd) = activated(&path, &how, &["connect", &host, &port]) else { return };
    let peer = first(&path, Type::STREAM);
    // The one that found out whether systemd listens.
    drop(far.accept());
    let far = far.accept();
    peer.write("a question");
    peer.shutdown();
    assert_eq!(far.read_to_end(), b"a question");
    far.write("an answer");
    far.shutdown();
    assert_eq!(peer.read_to_end(), b"an answer");
}
