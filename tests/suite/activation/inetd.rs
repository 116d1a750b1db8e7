//! fincat as the command of another server: standard input and output are one connected socket, as tcpserver, socat,
//! systemd (`Accept=yes`) and inetd start it.

use std::net::SocketAddr;

use crate::launch::{Launch, Stdin};
use crate::pattern::{assert_same, pattern};
use crate::peers::{PeerListener, PeerStream, Python, external};
use crate::process::Process;
use crate::tool::fincat;

const MUCH: usize = 4 << 20;

/// A server of somebody else's that starts fincat for each connection, towards `far`.
type Server = fn(far: SocketAddr) -> Option<(Process, SocketAddr)>;

const SERVERS: [(&str, Server); 4] =
    [("tcpserver", tcpserver), ("socat", socat), ("socat nofork", socat_nofork), ("python", python)];

fn tcpserver(far: SocketAddr) -> Option<(Process, SocketAddr)> {
    let (host, port) = (far.ip().to_string(), far.port().to_string());
    let line = ["-1", "-q", "-H", "-R", "-l0", "127.0.0.1", "0", fincat(), "connect", &host, &port];
    let server = Launch::new().start(external("tcpserver")?, line);
    let addr = Python::addr(&server);
    Some((server, addr))
}

fn socat(far: SocketAddr) -> Option<(Process, SocketAddr)> {
    by_socat(far, "")
}

fn socat_nofork(far: SocketAddr) -> Option<(Process, SocketAddr)> {
    by_socat(far, ",nofork")
}

fn by_socat(far: SocketAddr, how: &str) -> Option<(Process, SocketAddr)> {
    let command = format!("EXEC:{} connect {} {}{how}", fincat(), far.ip(), far.port());
    let line = ["-d", "-d", "-t", "1000", "TCP-LISTEN:0,bind=127.0.0.1,fork", &command];
    let server = Launch::new().start(external("socat")?, line);
    let told = server.wait_line(|line| line.contains("listening on"));
    let addr = told.rsplit(' ').next()?.parse().expect("an address");
    Some((server, addr))
}

const INETD: &str = r"
import os, socket, subprocess, sys
listener = socket.create_server(('127.0.0.1', 0))
print(listener.getsockname()[1])
running = []
while True:
    peer, _ = listener.accept()
    running.append(subprocess.Popen(sys.argv[1:], stdin=peer, stdout=peer))
    peer.close()
";

fn python(far: SocketAddr) -> Option<(Process, SocketAddr)> {
    let (host, port) = (far.ip().to_string(), far.port().to_string());
    let server = Python::run(INETD, &[fincat(), "connect", &host, &port])?;
    let addr = Python::addr(&server);
    Some((server, addr))
}

/// The client, and what stands at the far end of fincat.
#[track_caller]
fn joined(server: Server) -> Option<(Process, PeerStream, PeerStream)> {
    let far = PeerListener::tcp();
    let (server, addr) = server(far.addr())?;
    let client = PeerStream::tcp(addr);
    let far = far.accept();
    Some((server, client, far))
}

/// Each direction ends by itself: 4 MiB there, an end, 4 MiB back, an end.
#[test]
fn the_clients_end_is_passed_on() {
    for (name, server) in SERVERS {
        let Some((_server, client, far)) = joined(server) else { continue };
        let (question, answer) = (pattern(MUCH, 71), pattern(MUCH, 72));
        let sending = client.send(question.clone());
        assert_same(&far.read(MUCH), &question);
        sending.done().expect(name);
        client.shutdown();
        assert_eq!(far.read_to_end(), b"", "{name}");
        let sending = far.send(answer.clone());
        assert_same(&client.read(MUCH), &answer);
        sending.done().expect(name);
        far.shutdown();
        assert_eq!(client.read_to_end(), b"", "{name}");
    }
}

/// The other way round: the client learns of the end at once, and is still heard.
#[test]
fn the_far_end_is_passed_on() {
    for (name, server) in SERVERS {
        let Some((_server, client, far)) = joined(server) else { continue };
        let answer = pattern(MUCH, 73);
        client.write("first ");
        assert_eq!(far.read(6), b"first ", "{name}");
        let sending = far.send(answer.clone());
        assert_same(&client.read(MUCH), &answer);
        sending.done().expect(name);
        far.shutdown();
        assert_eq!(client.read_to_end(), b"", "{name}");
        client.write("and last");
        client.shutdown();
        assert_eq!(far.read_to_end(), b"and last", "{name}");
    }
}

/// The socket is the server's too: its flags stay as they are. Python's waits for bytes, and looks.
#[test]
fn the_flags_of_the_socket_stay() {
    const LOOK: &str = r"
import fcntl, os, socket, subprocess, sys
listener = socket.create_server(('127.0.0.1', 0))
print(listener.getsockname()[1])
peer, _ = listener.accept()
before = fcntl.fcntl(peer, fcntl.F_GETFL)
fincat = subprocess.Popen(sys.argv[1:], stdin=peer, stdout=peer)
sys.stdin.readline()
print(fcntl.fcntl(peer, fcntl.F_GETFL) == before and before & os.O_NONBLOCK == 0)
peer.close()
sys.exit(fincat.wait())
";
    let far = PeerListener::tcp();
    let (host, port) = (far.addr().ip().to_string(), far.addr().port().to_string());
    let Some(mut server) = Python::run(LOOK, &[fincat(), "connect", &host, &port]) else { return };
    let client = PeerStream::tcp(Python::addr(&server));
    let far = far.accept();
    client.write("x");
    assert_eq!(far.read(1), b"x");
    far.write("y");
    assert_eq!(client.read(1), b"y");
    server.write("look\n");
    assert_eq!(server.wait_stdout_line(2), "True");
    client.shutdown();
    assert_eq!(far.read_to_end(), b"");
    far.shutdown();
    assert_eq!(client.read_to_end(), b"");
    server.wait().expect(0);
}

/// A unix socket is forwarded to as well, and so is a client that goes away: the far end learns of it.
#[test]
fn a_client_that_goes_away_is_an_end() {
    for (name, server) in SERVERS {
        let Some((_server, client, far)) = joined(server) else { continue };
        client.write("x");
        assert_eq!(far.read(1), b"x");
        client.reset();
        assert_eq!(far.hear_out().0, b"", "{name}");
    }
}

/// Standard input that is a socket is what systemd's `Accept=yes` gives, with `LISTEN_FDS` beside it at times.
#[test]
fn what_announces_the_connection_is_no_obstacle() {
    let far = PeerListener::tcp();
    let (host, port) = (far.addr().ip().to_string(), far.addr().port().to_string());
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("bind");
    let client = PeerStream::tcp(listener.local_addr().expect("an address"));
    let (near, _) = listener.accept().expect("accept");
    let stdin = Stdin::File(std::os::fd::OwnedFd::from(near.try_clone().expect("a copy")).into());
    let stdout = crate::launch::Stdout::File(std::os::fd::OwnedFd::from(near).into());
    let launch = Launch::new().stdin(stdin).stdout(stdout).env("LISTEN_FDS", "1").env("LISTEN_PID", "1");
    let mut tool = launch.env("LISTEN_FDNAMES", "connection").start(fincat(), ["connect", &host, &port]);
    let far = far.accept();
    client.write("hello");
    client.shutdown();
    assert_eq!(far.read_to_end(), b"hello");
    far.write("bye");
    far.shutdown();
    assert_eq!(client.read_to_end(), b"bye");
    tool.wait().expect(0);
}
