//! systemd's own way to try socket activation out, systemd-socket-activate(1), where it is installed.

use std::path::Path;

use socket2::Type;
use tempfile::TempDir;

use crate::launch::Launch;
use crate::peers::{PeerListener, PeerStream, external};
use crate::process::Process;
use crate::tool::fincat;

/// systemd that listens at `path`, and will start fincat.
#[track_caller]
fn activated(path: &Path, how: &[&str], line: &[&str]) -> Option<Process> {
    let path = path.to_str().expect("UTF-8");
    let line = [how, &["-l", path, fincat()], line].concat();
    let systemd = Launch::new().start(external("systemd-socket-activate")?, line);
    systemd.wait_line(|line| line.contains("Listening on"));
    Some(systemd)
}

#[test]
fn a_listener_is_handed_over() {
    for (how, kind, of) in [(&[][..], "stream", Type::STREAM), (&["--seqpacket"], "seqpacket", Type::SEQPACKET)] {
        let folder = TempDir::new().expect("a folder");
        let path = folder.path().join("s");
        let line = ["unix", "listen", "--activated", "--thread", "--echo", "--type", kind];
        let Some(_systemd) = activated(&path, how, &line) else { return };
        for _ in 0..3 {
            let peer = PeerStream::unix(&path, of);
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
    let peer = PeerStream::unix(&path, Type::STREAM);
    let far = far.accept();
    peer.write("a question");
    peer.shutdown();
    assert_eq!(far.read_to_end(), b"a question");
    far.write("an answer");
    far.shutdown();
    assert_eq!(peer.read_to_end(), b"an answer");
}
