//! `NOTIFY_SOCKET`: the manager hears when fincat listens and when it stops, and that it cannot be told harms nobody.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use tempfile::TempDir;

use super::MODES;
use crate::capture::{DEADLINE, again};
use crate::kernel::wait_refused;
use crate::launch::{Launch, Stdin};
use crate::matrix::Mode;
use crate::peers::PeerStream;
use crate::process::Signal;
use crate::tool::Tool;

/// A manager, and what it calls itself.
pub(super) fn manager(named: bool) -> (UnixDatagram, String, TempDir) {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("notify");
    let path = path.to_str().expect("a path in UTF-8");
    let (socket, name) = if named {
        (UnixDatagram::bind(path), path.to_owned())
    } else {
        let address = SocketAddr::from_abstract_name(path).expect("a name");
        (UnixDatagram::bind_addr(&address), format!("@{path}"))
    };
    let socket = socket.expect("bind");
    socket.set_read_timeout(Some(DEADLINE)).expect("a timeout");
    (socket, name, folder)
}

/// What the manager is told next.
#[track_caller]
pub(super) fn heard(manager: &UnixDatagram) -> String {
    let mut buffer = [0; 256];
    let count = again(|| manager.recv(&mut buffer)).expect("the manager is told");
    String::from_utf8_lossy(&buffer[..count]).into_owned()
}

#[test]
fn the_manager_hears_of_the_beginning_and_the_end() {
    for named in [true, false] {
        for mode in MODES {
            let (manager, name, _folder) = manager(named);
            let folder = TempDir::new().expect("a folder");
            let port_file = folder.path().join("port");
            let port = port_file.to_str().expect("a path in UTF-8");
            let line = [&["listen", "127.0.0.1", "0", "--port-file", port, "--echo"], mode.flags()].concat();
            let mut tool = Launch::new().env("NOTIFY_SOCKET", &name).fincat(line);
            assert_eq!(heard(&manager), "READY=1", "{mode:?}");
            // Whoever has heard that may connect.
            let port: u16 = super::text(&port_file).trim().parse().expect("a port");
            let peer = PeerStream::tcp(([127, 0, 0, 1], port).into());
            peer.write("x");
            assert_eq!(peer.read(1), b"x");
            tool.signal(Signal::TERM);
            assert_eq!(heard(&manager), "STOPPING=1", "{mode:?}");
            // Under way it is still: only then does the conversation end.
            drop(peer);
            tool.wait().expect_signal(Signal::TERM);
        }
    }
}

/// Nobody has come yet.
#[test]
fn a_listener_that_waits_says_that_it_stops() {
    for mode in MODES {
        let (manager, name, _folder) = manager(true);
        let launch = Launch::new().env("NOTIFY_SOCKET", &name);
        let mut tool = launch.listen([&["127.0.0.1", "0", "--echo"], mode.flags()].concat());
        assert_eq!(heard(&manager), "READY=1");
        tool.signal(Signal::INT);
        assert_eq!(heard(&manager), "STOPPING=1");
        tool.wait().expect_signal(Signal::INT);
        wait_refused(tool.addr());
    }
}

/// A manager that is gone, or cannot be one, is a matter of -vv.
#[test]
fn a_manager_that_cannot_be_told_harms_nobody() {
    for name in ["/no/such/path", "@fincat's suite: nobody is called so", "vsock:2:1", "", "/dev/null"] {
        let mut tool = Launch::new().env("NOTIFY_SOCKET", name).listen(["127.0.0.1", "0", "-vv", "--echo"]);
        tool.wait_line(|line| line.contains("NOTIFY_SOCKET"));
        PeerStream::tcp(tool.addr()).shutdown();
        tool.wait().expect(0);
        let mut tool = Launch::new().env("NOTIFY_SOCKET", name).listen(["127.0.0.1", "0", "--echo"]);
        PeerStream::tcp(tool.addr()).shutdown();
        assert_eq!(tool.wait().expect(0).stderr, "");
    }
}

/// It is told by the server alone: neither by commands nor by forked conversations.
#[test]
fn it_is_told_once() {
    for mode in [Mode::Thread, Mode::Fork] {
        let (manager, name, _folder) = manager(true);
        let launch = Tool::with(Stdin::Null).env("NOTIFY_SOCKET", &name);
        let line = ["127.0.0.1", "0", "--pipes", "--sh", "echo \"$NOTIFY_SOCKET.\"; cat"];
        let mut tool = launch.listen([&line, mode.flags()].concat());
        let peers = [1, 2, 3].map(|_| PeerStream::tcp(tool.addr()));
        for peer in &peers {
            assert_eq!(peer.read(2), b".\n");
        }
        tool.signal(Signal::TERM);
        drop(peers);
        tool.wait().expect_signal(Signal::TERM);
        assert_eq!([heard(&manager), heard(&manager)], ["READY=1", "STOPPING=1"]);
        manager.set_nonblocking(true).expect("non-blocking");
        assert!(manager.recv(&mut [0; 16]).is_err(), "nothing more was told");
    }
}
