//! One UDP socket as fincat's other end, with a deadline for everything it waits for; it knows no
//! conversations, only datagrams.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use crate::capture::{deadline, readable_by};

/// A UDP socket on a port of its own.
pub(crate) struct Peer(UdpSocket);

impl Peer {
    /// On 127.0.0.1, for whoever writes to it.
    #[track_caller]
    pub(crate) fn new() -> Self {
        Self::at(Ipv4Addr::LOCALHOST)
    }

    /// The same on another address.
    #[track_caller]
    pub(crate) fn at(ip: impl Into<IpAddr>) -> Self {
        Self(UdpSocket::bind((ip.into(), 0)).expect("bind a free port"))
    }

    /// Connected to `addr`: it hears nobody who answers from elsewhere.
    #[track_caller]
    pub(crate) fn of(addr: SocketAddr) -> Self {
        let any: IpAddr = if addr.is_ipv4() { [127, 0, 0, 1].into() } else { [0; 16].into() };
        let peer = Self::at(any);
        peer.0.connect(addr).expect("connect");
        peer
    }

    /// Where it is.
    #[track_caller]
    pub(crate) fn addr(&self) -> SocketAddr {
        self.0.local_addr().expect("a bound socket has an address")
    }

    /// Sends a datagram to the one it is connected to.
    #[track_caller]
    pub(crate) fn send(&self, bytes: impl AsRef<[u8]>) {
        let bytes = bytes.as_ref();
        assert_eq!(self.0.send(bytes).expect("send"), bytes.len());
    }

    /// Sends a datagram to `addr`.
    #[track_caller]
    pub(crate) fn send_to(&self, bytes: impl AsRef<[u8]>, addr: SocketAddr) {
        let bytes = bytes.as_ref();
        assert_eq!(self.0.send_to(bytes, addr).expect("send"), bytes.len());
    }

    /// Waits for a datagram.
    #[track_caller]
    pub(crate) fn receive(&self) -> Vec<u8> {
        self.receive_from().0
    }

    /// Waits for a datagram and says who sent it.
    #[track_caller]
    pub(crate) fn receive_from(&self) -> (Vec<u8>, SocketAddr) {
        assert!(readable_by(&self.0, deadline()), "no datagram came");
        let mut buffer = vec![0; 1 << 16];
        let (count, from) = self.0.recv_from(&mut buffer).expect("receive");
        buffer.truncate(count);
        (buffer, from)
    }

    /// Waits for a datagram and demands that it is a text.
    #[track_caller]
    pub(crate) fn hears(&self, text: &str) {
        let heard = self.receive();
        assert_eq!(String::from_utf8_lossy(&heard), text);
    }

    /// Sends a datagram and demands this one as the answer.
    #[track_caller]
    pub(crate) fn asks(&self, question: &str, answer: &str) {
        self.send(question);
        self.hears(answer);
    }

    /// Demands that for `time` nothing arrives.
    #[track_caller]
    pub(crate) fn hears_nothing_for(&self, time: Duration) {
        let quiet = !readable_by(&self.0, Instant::now() + time);
        assert!(quiet, "silence was expected, and {:?} came", self.0.recv(&mut [0; 64]));
    }

    /// Waits until the other end refuses: whoever was there is gone.
    #[track_caller]
    pub(crate) fn refused(&self) {
        loop {
            match self.0.send(b"anybody there?") {
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => return,
                sent => assert_eq!(sent.expect("send"), 14),
            }
            if readable_by(&self.0, deadline()) {
                let error = self.0.recv(&mut [0; 64]).expect_err("an error");
                assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
                return;
            }
        }
    }
}

impl Peer {
    /// It hears nobody any more: who sends to it is refused, as if it were gone.
    #[track_caller]
    pub(crate) fn turns_away(self) -> Closed {
        self.0.connect(self.addr()).expect("connect to itself");
        Closed(self.0)
    }
}

/// A port that nobody answers at, and that nobody else gets: its socket hears only itself.
pub(crate) struct Closed(UdpSocket);

impl Closed {
    /// Takes a free port of 127.0.0.1.
    #[track_caller]
    pub(crate) fn port() -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("bind a free port");
        let addr = socket.local_addr().expect("an address");
        socket.connect(addr).expect("connect to itself");
        Self(socket)
    }

    /// Where nobody is.
    #[track_caller]
    pub(crate) fn addr(&self) -> SocketAddr {
        self.0.local_addr().expect("a bound socket has an address")
    }
}

#[test]
fn a_closed_port_refuses() {
    Peer::of(Closed::port().addr()).refused();
}
