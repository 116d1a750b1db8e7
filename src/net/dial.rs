//! Opening a connection: resolve, then try every address in order, all within one bound. It converses with nobody.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use super::address::Place;
use super::connection::Connection;
use super::options::Dialing;
use super::resolve::{self, Resolving};
use crate::sys::{self, PollFd, PollFlags};

/// Why there is no connection.
#[derive(Debug)]
pub enum Undialed {
    /// The name has no address, or not in time.
    Unresolved(io::Error),
    /// The source address cannot be bound.
    Source(SocketAddr, io::Error),
    /// No address answered; each with its reason, in the order of the attempts.
    Tried(Vec<(SocketAddr, io::Error)>),
    /// `stop` was readable.
    Stopped,
}

/// Connects to `place`. `until` bounds everything; a readable `stop` ends it at once.
pub fn dial(
    place: &Place,
    resolving: Resolving,
    options: Dialing,
    until: Option<Instant>,
    stop: BorrowedFd<'_>,
) -> Result<Connection, Undialed> {
    let host = place.host.as_deref().unwrap_or("localhost");
    let addresses = match resolve::resolve(host, place.port, resolving, until, Some(stop)) {
        Ok(addresses) => addresses,
        Err(e) if e.kind() == io::ErrorKind::Interrupted => return Err(Undialed::Stopped),
        Err(e) => return Err(Undialed::Unresolved(e)),
    };
    let mut tried = Vec::new();
    for address in usable(&addresses, options.source) {
        let socket = match open(address, options) {
            Ok(socket) => socket,
            Err(e) if options == Dialing::default() => {
                tried.push((address, e));
                continue;
            }
            Err(e) => return Err(Undialed::Source(source_of(address, options), e)),
        };
        match connect(&socket, address, until, stop).and_then(|()| Connection::new(socket, None, false)) {
            Ok(connection) => return Ok(connection),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => return Err(Undialed::Stopped),
            Err(e) => tried.push((address, e)),
        }
    }
    if tried.is_empty() {
        return Err(Undialed::Unresolved(io::Error::other("it has no address of the family of -s")));
    }
    Err(Undialed::Tried(tried))
}

/// A source address can only reach addresses of its own family.
fn usable(addresses: &[SocketAddr], source: Option<IpAddr>) -> Vec<SocketAddr> {
    let fits = |address: &&SocketAddr| source.is_none_or(|source| source.is_ipv4() == address.is_ipv4());
    addresses.iter().filter(fits).copied().collect()
}

/// Where a connection to `address` comes from, as asked.
fn source_of(address: SocketAddr, options: Dialing) -> SocketAddr {
    let any = if address.is_ipv4() { IpAddr::from([0; 4]) } else { IpAddr::from([0; 16]) };
    SocketAddr::new(options.source.unwrap_or(any), options.source_port.unwrap_or(0))
}

fn open(address: SocketAddr, options: Dialing) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if options != Dialing::default() {
        socket.set_reuse_address(true)?;
        socket.bind(&SockAddr::from(source_of(address, options)))?;
    }
    Ok(socket)
}

fn connect(socket: &Socket, to: SocketAddr, until: Option<Instant>, stop: BorrowedFd<'_>) -> io::Result<()> {
    socket.set_nonblocking(true)?;
    match socket.connect(&SockAddr::from(to)) {
        Err(e) if sys::is_in_progress(&e) => await_handshake(socket, until, stop)?,
        other => other?,
    }
    socket.set_nonblocking(false)
}

fn await_handshake(socket: &Socket, until: Option<Instant>, stop: BorrowedFd<'_>) -> io::Result<()> {
    loop {
        let mut fds =
            [PollFd::from_borrowed_fd(socket.as_fd(), PollFlags::OUT), PollFd::from_borrowed_fd(stop, PollFlags::IN)];
        sys::poll(&mut fds, until)?;
        if !fds[0].revents().is_empty() {
            return sys::take_error(socket.as_fd()).map_or(Ok(()), Err);
        }
        if !fds[1].revents().is_empty() {
            return Err(io::ErrorKind::Interrupted.into());
        }
        if until.is_some_and(|at| Instant::now() >= at) {
            return Err(io::ErrorKind::TimedOut.into());
        }
    }
}
