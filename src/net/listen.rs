//! Listeners: the sockets that peers come to, on every address that was asked for, all on one port. It accepts; whom
//! to admit and how to serve is decided elsewhere.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use super::address::Place;
use super::connection::{Connection, inet};
use super::options::Listening;
use super::resolve::{self, Family, Resolving};
use crate::sys;

/// How often another port is tried when the kernel's choice is free in one family only.
const TRIES: usize = 16;

/// One listening socket.
#[derive(Debug)]
pub struct Listener {
    socket: Socket,
    /// The real address, the port chosen by the kernel included.
    pub local: SocketAddr,
}

/// Why there is no listener.
#[derive(Debug)]
pub enum Unbound {
    /// The host has no address.
    Unresolved(io::Error),
    /// The address cannot be bound.
    Bind(SocketAddr, io::Error),
}

/// Binds and listens on every address of `place`, one port for all.
pub fn listen(
    place: &Place,
    resolving: Resolving,
    options: Listening,
    until: Option<Instant>,
    stop: Option<BorrowedFd<'_>>,
) -> Result<Vec<Listener>, Unbound> {
    let addresses = addresses(place, resolving, until, stop).map_err(Unbound::Unresolved)?;
    let shared = place.port == 0 && addresses.len() > 1;
    let mut tries = 1;
    loop {
        match bind_all(&addresses, place.host.is_none(), resolving.family, options) {
            // The port that the kernel chose in one family is taken in the other: it may choose again.
            Err(Unbound::Bind(_, e)) if shared && tries < TRIES && e.kind() == io::ErrorKind::AddrInUse => tries += 1,
            other => return other,
        }
    }
}

fn addresses(
    place: &Place,
    resolving: Resolving,
    until: Option<Instant>,
    stop: Option<BorrowedFd<'_>>,
) -> io::Result<Vec<SocketAddr>> {
    let (v4, v6) = (Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into());
    let every = |ips: &[_]| Ok(ips.iter().map(|ip| SocketAddr::new(*ip, place.port)).collect());
    match (&place.host, resolving.family) {
        (Some(host), _) => resolve::resolve(host, place.port, resolving, until, stop),
        (None, Family::V4) => every(&[v4]),
        (None, Family::V6) => every(&[v6]),
        (None, Family::Any) => every(&[v6, v4]),
    }
}

/// `wildcards`: the addresses stand for the whole machine, one for each family.
fn bind_all(
    addresses: &[SocketAddr],
    wildcards: bool,
    family: Family,
    options: Listening,
) -> Result<Vec<Listener>, Unbound> {
    let mut listeners: Vec<Listener> = Vec::with_capacity(addresses.len());
    let mut missing = None;
    for address in addresses {
        let mut address = *address;
        if let Some(first) = listeners.first() {
            address.set_port(first.local.port());
        }
        // `::` typed by hand takes IPv4 too, as the system's other tools do; not so beside an own socket for it.
        let only_v6 = wildcards || family == Family::V6 || addresses.len() > 1;
        match bind(address, only_v6, options) {
            Ok(listener) => listeners.push(listener),
            // A machine without this family, or a name with an address that is not here: the others serve.
            Err(e) if addresses.len() > 1 && is_not_here(&e) => missing = Some((address, e)),
            Err(e) => return Err(Unbound::Bind(address, e)),
        }
    }
    match missing {
        Some((address, e)) if listeners.is_empty() => Err(Unbound::Bind(address, e)),
        _ => Ok(listeners),
    }
}

fn is_not_here(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrNotAvailable || sys::is_family_missing(error)
}

fn bind(address: SocketAddr, only_v6: bool, options: Listening) -> io::Result<Listener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(only_v6)?;
    }
    options.before_bind(&socket)?;
    socket.bind(&SockAddr::from(address))?;
    socket.listen(options.backlog)?;
    // A peer that vanishes between poll(2) and accept(2) must not make us wait for the next one.
    socket.set_nonblocking(true)?;
    let local = inet(&socket.local_addr()?)?;
    Ok(Listener { socket, local })
}

impl Listener {
    /// Stops listening while somebody else still watches the descriptor: whoever comes now is refused.
    pub fn refuse(&self) {
        // Nothing to do where that fails: it listens no more already.
        let _ = self.socket.shutdown(std::net::Shutdown::Both);
    }

    /// Takes the next peer from the backlog; None where nobody waits (any more).
    pub fn accept(&self) -> io::Result<Option<Connection>> {
        match self.socket.accept() {
            // Where the peer is gone already there is nobody to talk to.
            Ok((socket, peer)) => Ok(Connection::new(socket, Some(peer), true).ok()),
            Err(e) if sys::is_about_one_connection(&e) => Ok(None),
            Err(e) => Err(e),
        }
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
