//! A connection: a socket and who is at its ends. It closes the socket when it is dropped; ending it in order first
//! is the relay's.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};

use socket2::{SockAddr, Socket};

use super::address::canonical;
use crate::relay::end::{Sink, Source};

/// A connected socket. It is blocking, close-on-exec, and read and written with `MSG_DONTWAIT` only, so that it can be
/// lent to a command as it is.
#[derive(Debug)]
pub struct Connection {
    socket: Socket,
    /// Who is at the other end.
    pub peer: SocketAddr,
    /// Our end.
    pub local: SocketAddr,
    /// Whether the peer came to us.
    pub accepted: bool,
}

impl Connection {
    /// Takes over a connected socket. Fails where the peer is gone already.
    pub(super) fn new(socket: Socket, peer: Option<SockAddr>, accepted: bool) -> io::Result<Self> {
        let peer = match peer {
            Some(peer) => peer,
            None => socket.peer_addr()?,
        };
        let local = inet(&socket.local_addr()?)?;
        Ok(Self { peer: inet(&peer)?, local, socket, accepted })
    }

    /// What the peer sends.
    pub fn source(&self) -> Source<'_> {
        Source::peer(self.socket.as_fd())
    }

    /// The way to the peer.
    pub fn sink(&self) -> Sink<'_> {
        Sink::peer(self.socket.as_fd())
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

pub(super) fn inet(address: &SockAddr) -> io::Result<SocketAddr> {
    address.as_socket().map(canonical).ok_or_else(|| io::Error::other("the address is of an unknown family"))
}
