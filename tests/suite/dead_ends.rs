//! Addresses that answer a connect(2) with anything but a connection, for as long as they are held;
//! those that answer with one are in `peers`.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};

use socket2::{Domain, Socket, Type};

use crate::capture::{DEADLINE, deadline, readable_by};

/// A name that no resolver knows, and that none is asked for: with an empty label in it there is no question to send, so
/// the answer is as quick on a machine whose name server is slow, or silent.
pub(crate) const NAMELESS: &str = "nobody..invalid";

/// A port of 127.0.0.1 that refuses: it is bound, so that nobody else gets it, but nobody listens.
pub(crate) struct Refusing(Socket);

impl Refusing {
    /// Takes a free port.
    #[track_caller]
    pub(crate) fn port() -> Self {
        Self(bound())
    }

    /// Where nobody listens.
    #[track_caller]
    pub(crate) fn addr(&self) -> SocketAddr {
        address(&self.0)
    }

    /// Somebody listens there after all: on the same socket, so that the port was never free for others.
    #[track_caller]
    pub(crate) fn relents(self) -> TcpListener {
        self.0.listen(16).expect("listen");
        self.0.into()
    }
}

/// The first who comes to one that has relented.
#[track_caller]
pub(crate) fn who_comes(back: &TcpListener) -> TcpStream {
    assert!(readable_by(back, deadline()), "nobody has connected");
    back.accept().expect("accept").0
}

/// A listener whose backlog is full: the kernel drops the SYNs of newcomers, who wait.
pub(crate) struct Full {
    listener: Socket,
    _waiting: TcpStream,
}

impl Full {
    /// Fills the shortest backlog there is with one connection that nobody accepts.
    #[track_caller]
    pub(crate) fn listener() -> Self {
        let listener = bound();
        listener.listen(0).expect("listen");
        let waiting = TcpStream::connect_timeout(&address(&listener), DEADLINE).expect("fill the backlog");
        Self { listener, _waiting: waiting }
    }

    /// Where nobody gets in.
    #[track_caller]
    pub(crate) fn addr(&self) -> SocketAddr {
        address(&self.listener)
    }
}

#[track_caller]
fn bound() -> Socket {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).expect("bind a free port");
    socket
}

#[track_caller]
fn address(socket: &Socket) -> SocketAddr {
    let address = socket.local_addr().expect("a bound socket has an address");
    address.as_socket().expect("an IPv4 address")
}

#[test]
fn dead_ends_are_dead() {
    use std::io::ErrorKind;
    use std::time::Duration;
    let (refusing, full) = (Refusing::port(), Full::listener());
    let refused = TcpStream::connect_timeout(&refusing.addr(), DEADLINE).expect_err("a refusal");
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    let silent = TcpStream::connect_timeout(&full.addr(), Duration::from_millis(200)).expect_err("silence");
    assert_eq!(silent.kind(), ErrorKind::TimedOut);
}
