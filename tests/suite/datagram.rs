//! UDP, and what holds for every conversation that has boundaries and no end of its own; the unix
//! datagram sockets have rooms of their own.
//!
//! * `peer`:     the other end: one UDP socket
//! * `asking`:   `udp connect`
//! * `crowd`:    many peers of one listener, in every mode, and who is let in
//! * `answers`:  what a conversation is for, and where its replies leave from
//! * `sizes`:    boundaries: the empty, the large, the lines
//! * `everybody`: conversations with more than one: `-k`, broadcast, multicast
//! * `servers`:  Python's UDPServers, dig and logger at the other end

mod answers;
mod asking;
mod crowd;
mod everybody;
pub(crate) mod peer;
mod servers;
mod sizes;

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use socket2::{Domain, Socket, Type};

use crate::capture::{deadline, readable_by};
use crate::launch::{Launch, Stdin};
use crate::tool::Tool;

pub(crate) use peer::Peer;

/// `fincat udp listen ARGS...`; returns when the bound address is announced.
#[track_caller]
fn listen(args: &[&str]) -> Tool {
    listen_with(Tool::with(Stdin::Null), args)
}

/// The same, for a launch with more to it.
#[track_caller]
fn listen_with(launch: Launch, args: &[&str]) -> Tool {
    launch.announce(&["udp", "listen"], args)
}

/// `fincat udp connect HOST PORT ARGS...`; returns at once.
#[track_caller]
fn connect(launch: Launch, addr: SocketAddr, args: &[&str]) -> Tool {
    let (host, port) = (addr.ip().to_string(), addr.port().to_string());
    launch.fincat([&["udp", "connect", &host, &port], args].concat())
}

/// The other end of a child's descriptor that keeps boundaries: one write is one packet, one packet
/// one read.
pub(crate) struct Packets(pub(crate) Socket);

impl Packets {
    /// A pair of sequenced-packet sockets: ours, and the child's.
    #[track_caller]
    fn pair() -> (Self, File) {
        let (ours, theirs) = Socket::pair(Domain::UNIX, Type::SEQPACKET, None).expect("a pair of sockets");
        (Self(ours), File::from(OwnedFd::from(theirs)))
    }

    /// Waits for the next packet; `None` at the end, which an empty packet looks like.
    #[track_caller]
    pub(crate) fn next(&self) -> Option<Vec<u8>> {
        assert!(readable_by(&self.0, deadline()), "no packet came");
        let mut packet = vec![0; 1 << 17];
        match (&self.0).read(&mut packet) {
            Ok(0) => None,
            Ok(count) => {
                packet.truncate(count);
                Some(packet)
            }
            Err(error) if error.kind() == ErrorKind::ConnectionReset => None,
            Err(error) => panic!("cannot read a packet: {error}"),
        }
    }

    /// Writes a packet.
    #[track_caller]
    pub(crate) fn put(&self, bytes: impl AsRef<[u8]>) {
        let bytes = bytes.as_ref();
        assert_eq!((&self.0).write(bytes).expect("write a packet"), bytes.len());
    }
}

/// Makes a test in each mode of a body that takes a [`crate::matrix::Mode`].
macro_rules! modes {
    ($($body:ident),+ $(,)?) => { $(mod $body {
        #[test]
        fn single() {
            super::$body(crate::matrix::Mode::Single);
        }

        #[test]
        fn thread() {
            super::$body(crate::matrix::Mode::Thread);
        }

        #[test]
        fn fork() {
            super::$body(crate::matrix::Mode::Fork);
        }
    })+ };
}

pub(crate) use modes;
