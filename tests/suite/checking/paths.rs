//! `unix connect --check`: a path behaves as a port does.

use std::os::unix::net::{UnixDatagram, UnixListener};

use socket2::{Domain, SockAddr, Socket, Type};
use tempfile::TempDir;

use super::told;
use crate::launch::Launch;
use crate::peers::PeerListener;
use crate::tool::Tool;

#[test]
fn a_listener_is_open_and_sees_an_end_in_order() {
    for (kind, word) in [(Type::STREAM, "stream"), (Type::SEQPACKET, "seqpacket")] {
        let peer = PeerListener::unix(kind);
        let path = peer.path();
        let mut tool = Launch::new().fincat(["unix", "connect", "-z", "--type", word, &path]);
        let met = peer.accept();
        assert_eq!(met.read_to_end(), b"");
        drop(met);
        let exit = tool.wait().expect(0);
        assert_eq!(told(&exit), [format!("{path} open N ms")], "{exit}");
    }
}

#[test]
fn nobody_is_there() {
    let folder = TempDir::new().expect("a folder");
    let path = |name: &str| folder.path().join(name).to_str().expect("UTF-8").to_owned();
    drop(UnixListener::bind(path("stale")).expect("bind"));
    for name in ["stale", "missing"] {
        let exit = Tool::run(["unix", "connect", "-z", &path(name)]).expect(4);
        assert_eq!(told(&exit), [format!("{} refused", path(name))], "{exit}");
        Tool::run(["unix", "connect", &path(name)]).expect(4);
    }
    let exit = Tool::run(["unix", "connect", "-z", "--json", &path("missing")]).expect(4);
    let wanted = format!("{{\"host\":\"{}\",\"port\":null,\"status\":\"refused\",\"ms\":null}}\n", path("missing"));
    assert_eq!(String::from_utf8_lossy(&exit.stdout), wanted, "{exit}");
    let exit = Tool::run(["unix", "connect", "-z", "@nobody-is-here-by-this-name"]).expect(4);
    assert_eq!(told(&exit), ["@nobody-is-here-by-this-name refused"], "{exit}");
}

#[test]
fn a_full_backlog_is_timed_out() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("full");
    let address = SockAddr::unix(&path).expect("a short path");
    let listener = Socket::new(Domain::UNIX, Type::STREAM, None).expect("a socket");
    listener.bind(&address).expect("bind");
    listener.listen(0).expect("listen");
    let waiting = Socket::new(Domain::UNIX, Type::STREAM, None).expect("a socket");
    waiting.connect(&address).expect("the one who may wait");
    let text = path.to_str().expect("UTF-8");
    let exit = Tool::run(["unix", "connect", "-z", "-w", "200ms", text]).expect(5);
    assert_eq!(told(&exit), [format!("{text} timed out")], "{exit}");
    Tool::run(["unix", "connect", "-w", "200ms", text]).expect(5);
}

/// A datagram socket is open where somebody is bound; it is sent nothing.
#[test]
fn a_datagram_socket_is_told_apart() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("dgram");
    let socket = UnixDatagram::bind(&path).expect("bind");
    socket.set_nonblocking(true).expect("a flag");
    let text = path.to_str().expect("UTF-8");
    Tool::run(["unix", "connect", "-z", "--type", "dgram", text]).expect(0);
    assert!(socket.recv(&mut [0; 16]).is_err(), "it is sent nothing");
    drop(socket);
    Tool::run(["unix", "connect", "-z", "--type", "dgram", text]).expect(4);
}
