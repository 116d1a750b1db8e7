//! `udp connect --check`: open is what answers, closed what the kernel of the other end says, and silence is no success.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};

use socket2::{Domain, Socket, Type};

use super::told;
use crate::capture::{DEADLINE, again, deadline, readable_by};
use crate::launch::Launch;
use crate::tool::Tool;

fn socket() -> (UdpSocket, String) {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("bind a free port");
    socket.set_read_timeout(Some(DEADLINE)).expect("a timeout");
    let port = socket.local_addr().expect("an address").port().to_string();
    (socket, port)
}

#[test]
fn who_answers_is_open() {
    let (server, port) = socket();
    let mut tool = Launch::new().fincat(["udp", "connect", "-z", "127.0.0.1", &port]);
    let mut buffer = [0; 16];
    let (count, peer) = again(|| server.recv_from(&mut buffer)).expect("a question");
    assert_eq!(count, 0, "an empty datagram");
    server.send_to(b"whatever", peer).expect("an answer");
    let exit = tool.wait().expect(0);
    assert_eq!(told(&exit), [format!("127.0.0.1 {port} open N ms")], "{exit}");
}

#[test]
fn the_payload_is_what_is_sent() {
    let (server, port) = socket();
    let mut tool = Launch::new().fincat(["udp", "connect", "-z", "--payload", r"\x01ping\n", "127.0.0.1", &port]);
    let mut buffer = [0; 16];
    let (count, peer) = again(|| server.recv_from(&mut buffer)).expect("a question");
    assert_eq!(&buffer[..count], b"\x01ping\n");
    // Lost answers are asked for again.
    let (count, _) = again(|| server.recv_from(&mut buffer)).expect("the same question");
    assert_eq!(&buffer[..count], b"\x01ping\n");
    server.send_to(b"", peer).expect("an empty answer is one");
    tool.wait().expect(0);
}

/// A socket that is connected to somebody else holds its port, and hears nobody: the kernel says that nobody is there.
fn deaf() -> (UdpSocket, String) {
    let (socket, port) = socket();
    socket.connect(SocketAddr::from((Ipv4Addr::LOCALHOST, 1))).expect("connect");
    (socket, port)
}

#[test]
fn whose_kernel_says_no_is_closed() {
    let (_deaf, port) = deaf();
    let exit = Tool::run(["udp", "connect", "-z", "127.0.0.1", &port]).expect(4);
    assert_eq!(told(&exit), [format!("127.0.0.1 {port} closed")], "{exit}");
}

#[test]
fn silence_is_unknown() {
    let ((silent, port), (_deaf, none)) = (socket(), deaf());
    let exit = Tool::run(["udp", "connect", "-z", "-w", "300ms", "127.0.0.1", &port]).expect(5);
    assert_eq!(told(&exit), [format!("127.0.0.1 {port} unknown")], "{exit}");
    assert!(readable_by(&silent, deadline()), "it was asked");
    let ports = format!("{port},{none}");
    let exit = Tool::run(["udp", "connect", "-z", "-w", "300ms", "--json", "127.0.0.1", &ports]).expect(1);
    let wanted = [(&port, "unknown"), (&none, "closed")]
        .map(|(port, word)| format!(r#"{{"host":"127.0.0.1","port":{port},"status":"{word}","ms":null}}"#));
    assert_eq!(told(&exit), wanted, "{exit}");
}

/// It is waited for as a TCP service is.
#[test]
fn a_service_that_comes_later_is_waited_for() {
    // Two sockets that agree to it share a port; only the second hears strangers.
    let bound = |at: SocketAddr| {
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, None).expect("a socket");
        socket.set_reuse_address(true).expect("an option");
        socket.bind(&at.into()).expect("bind");
        UdpSocket::from(socket)
    };
    let deaf = bound((Ipv4Addr::LOCALHOST, 0).into());
    let addr = deaf.local_addr().expect("an address");
    deaf.connect((Ipv4Addr::LOCALHOST, 1)).expect("connect");
    let port = addr.port().to_string();
    let mut tool = Launch::new().fincat(["udp", "connect", "-zv", "--retry-for", "19s", "127.0.0.1", &port]);
    tool.wait_line(|line| line.contains("refused"));
    let server = bound(addr);
    server.set_read_timeout(Some(DEADLINE)).expect("a timeout");
    let (_, peer) = again(|| server.recv_from(&mut [0; 16])).expect("a question");
    server.send_to(b"here", peer).expect("an answer");
    tool.wait().expect(0);
}
