//! Opening a connection: resolve, then try every address in order, all within one bound. It converses with nobody.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::Instant;

use socket2::{Domain, Socket};

use super::address::{Address, Place};
use super::connection::Connection;
use super::endpoint::{At, Endpoint, UnixName};
use super::options::{Dialing, is_many};
use super::path;
use super::resolve::{self, Resolving};
use super::transport::{Transport, UnixType};
use crate::relay::end::Post;
use crate::sys::{self, PollFd, PollFlags};

/// Why there is no connection.
#[derive(Debug)]
pub enum Undialed {
    /// The name has no address, or not in time.
    Unresolved(io::Error),
    /// The source address cannot be bound.
    Source(SocketAddr, io::Error),
    /// No address answered; each with its reason, in the order of the attempts.
    Tried(Vec<(Address, io::Error)>),
    /// `stop` was readable.
    Stopped,
}

/// Connects to `endpoint`. `until` bounds everything; one of `stop` that is readable ends it at once.
pub fn dial(
    endpoint: &Endpoint,
    resolving: Resolving,
    options: &Dialing,
    until: Option<Instant>,
    stop: &[BorrowedFd<'_>],
) -> Result<Connection, Undialed> {
    let place = match &endpoint.at {
        At::Place(place) => place,
        At::Unix(name) => return dial_unix(endpoint.transport, name, until, stop),
    };
    let mut tried = Vec::new();
    for address in addresses(place, resolving, options, until, stop)? {
        let socket = match open(endpoint.transport, address, options) {
            Ok(socket) => socket,
            Err(e) if options.binds() => return Err(Undialed::Source(source_of(address, options), e)),
            Err(e) => {
                tried.push((Address::Inet(address), e));
                continue;
            }
        };
        let broadcast = || options.casting.broadcast && is_broadcast(address);
        if endpoint.transport == Transport::Udp && (is_many(address.ip()) || broadcast()) {
            return everybody(socket, address).map_err(|e| Undialed::Tried(vec![(Address::Inet(address), e)]));
        }
        let connected = connect(&socket, &Address::Inet(address), until, stop);
        match connected.and_then(|()| Connection::new(socket, endpoint.transport, None, false)) {
            Ok(connection) => return Ok(connection),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => return Err(Undialed::Stopped),
            Err(e) => tried.push((Address::Inet(address), e)),
        }
    }
    if tried.is_empty() {
        return Err(Undialed::Unresolved(io::Error::other("it has no address of the family of -s")));
    }
    Err(Undialed::Tried(tried))
}

/// The addresses to try. A source address can only reach addresses of its own family.
fn addresses(
    place: &Place,
    resolving: Resolving,
    options: &Dialing,
    until: Option<Instant>,
    stop: &[BorrowedFd<'_>],
) -> Result<Vec<SocketAddr>, Undialed> {
    let host = place.host.as_deref().unwrap_or("localhost");
    let mut addresses = match resolve::resolve(host, place.port, resolving, until, stop) {
        Ok(addresses) => addresses,
        Err(e) if e.kind() == io::ErrorKind::Interrupted => return Err(Undialed::Stopped),
        Err(e) => return Err(Undialed::Unresolved(e)),
    };
    addresses.retain(|address| options.source.is_none_or(|source| source.is_ipv4() == address.is_ipv4()));
    Ok(addresses)
}

/// Where a connection to `address` comes from, as asked.
fn source_of(address: SocketAddr, options: &Dialing) -> SocketAddr {
    let any = if address.is_ipv4() { IpAddr::from([0; 4]) } else { IpAddr::from([0; 16]) };
    SocketAddr::new(options.source.unwrap_or(any), options.source_port.unwrap_or(0))
}

fn open(transport: Transport, address: SocketAddr, options: &Dialing) -> io::Result<Socket> {
    let socket = transport.socket(Domain::for_address(address))?;
    if transport == Transport::Udp {
        options.casting.apply(&socket, address.is_ipv6())?;
    }
    if options.binds() {
        socket.set_reuse_address(transport == Transport::Tcp)?;
        socket.bind(&source_of(address, options).into())?;
    }
    Ok(socket)
}

/// Whether an address stands for all of a network: the kernel refuses to connect to it unless that was allowed.
fn is_broadcast(address: SocketAddr) -> bool {
    let probe = Transport::Udp.socket(Domain::for_address(address));
    let connected = probe.and_then(|probe| probe.connect(&address.into()));
    connected.is_err_and(|e| e.kind() == io::ErrorKind::PermissionDenied)
}

/// A socket that sends to many and hears everybody's answers: it is not connected.
fn everybody(socket: Socket, to: SocketAddr) -> io::Result<Connection> {
    let local = Address::of(&socket.local_addr()?)?;
    let socket = Arc::new(socket);
    let (sender, address) = (Arc::clone(&socket), to.into());
    let mut connection = Connection::between(socket.try_clone()?, Transport::Udp, Address::Inet(to), local, false);
    connection.post = Some(Post::new(move |bytes| sender.send_to_with_flags(bytes, &address, sys::NO_WAIT).map(drop)));
    Ok(connection)
}

fn dial_unix(
    transport: Transport,
    name: &UnixName,
    until: Option<Instant>,
    stop: &[BorrowedFd<'_>],
) -> Result<Connection, Undialed> {
    let address = Address::Unix(name.clone());
    let dialed = || -> io::Result<Connection> {
        let socket = transport.socket(Domain::UNIX)?;
        // A datagram is answered at a name, so it needs one.
        let named = transport == Transport::Unix(UnixType::Dgram);
        let own_name = if named { Some(path::bind_privately(&socket)?) } else { None };
        connect(&socket, &address, until, stop)?;
        let mut connection = Connection::new(socket, transport, None, false)?;
        connection.own_name = own_name;
        Ok(connection)
    };
    match dialed() {
        Err(e) if e.kind() == io::ErrorKind::Interrupted => Err(Undialed::Stopped),
        other => other.map_err(|e| Undialed::Tried(vec![(address.clone(), e)])),
    }
}

fn connect(socket: &Socket, to: &Address, until: Option<Instant>, stop: &[BorrowedFd<'_>]) -> io::Result<()> {
    socket.set_nonblocking(true)?;
    loop {
        match socket.connect(&to.to_socket()?) {
            Err(e) if sys::is_in_progress(&e) => await_handshake(socket, until, stop)?,
            // A unix listener whose backlog is full: no readiness tells when it is not.
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                await_moment(until, stop)?;
                continue;
            }
            other => other?,
        }
        return socket.set_nonblocking(false);
    }
}

fn await_handshake(socket: &Socket, until: Option<Instant>, stop: &[BorrowedFd<'_>]) -> io::Result<()> {
    loop {
        let own = PollFd::from_borrowed_fd(socket.as_fd(), PollFlags::OUT);
        let others = stop.iter().map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN));
        let mut fds: Vec<_> = std::iter::once(own).chain(others).collect();
        sys::poll(&mut fds, until)?;
        if !fds[0].revents().is_empty() {
            return sys::take_error(socket.as_fd()).map_or(Ok(()), Err);
        }
        resolve::check(&fds[1..], until)?;
    }
}

fn await_moment(until: Option<Instant>, stop: &[BorrowedFd<'_>]) -> io::Result<()> {
    let moment = Instant::now() + std::time::Duration::from_millis(10);
    let mut fds: Vec<_> = stop.iter().map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN)).collect();
    sys::poll(&mut fds, Some(until.map_or(moment, |at| at.min(moment))))?;
    resolve::check(&fds, until)
}
