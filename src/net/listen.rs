//! Listeners: the sockets that peers come to, on every address that was asked for, all on one port. It accepts; whom
//! to admit and how to serve is decided elsewhere.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

use socket2::{Domain, SockAddr, Socket};

use super::address::{Address, Place};
use super::calls::Calls;
use super::connection::Connection;
use super::endpoint::{At, Endpoint, UnixName};
use super::mailbox::Mailbox;
use super::options::{Listening, Moment, Settings, Unset};
use super::path::{self, OwnPath};
use super::resolve::{self, Family, Resolving};
use super::switch::Switch;
use super::transport::{Transport, UnixType};
use crate::sys;

/// How often another port is tried when the kernel's choice is free in one family only.
const TRIES: usize = 16;

/// A socket that peers come to.
#[derive(Debug)]
pub struct Listener {
    kind: Kind,
    transport: Transport,
    /// The real address, the port chosen by the kernel included.
    pub local: Address,
    /// What each connection is set to.
    pub(super) settings: Settings,
    /// The path, if it has one; removed when the listener closes.
    path: Option<OwnPath>,
    /// Whether somebody else holds the socket too, and listens on it after us.
    activated: bool,
}

/// How peers come.
#[derive(Debug)]
enum Kind {
    /// They connect.
    Connections(Socket),
    /// They send, and each can have a socket of its own.
    Mail(Mailbox),
    /// They send, and only the one socket can hear them.
    Shared(Switch),
}

/// Why there is no listener.
#[derive(Debug)]
pub enum Unbound {
    /// The host has no address.
    Unresolved(io::Error),
    /// The address cannot be bound.
    Bind(Address, io::Error),
    /// An option is refused.
    Unset(Unset),
}

impl From<Unset> for Unbound {
    fn from(unset: Unset) -> Self {
        Unbound::Unset(unset)
    }
}

/// Binds and listens on every address of `endpoint`, one port for all.
pub fn listen(
    endpoint: &Endpoint,
    resolving: Resolving,
    options: &Listening,
    until: Option<Instant>,
    stop: &[BorrowedFd<'_>],
) -> Result<Vec<Listener>, Unbound> {
    let place = match &endpoint.at {
        At::Place(place) => place,
        At::Unix(name) => return listen_unix(endpoint.transport, name, options).map(|listener| vec![listener]),
    };
    let addresses = addresses(place, resolving, until, stop).map_err(Unbound::Unresolved)?;
    let shared = place.port == 0 && addresses.len() > 1;
    let binding = Binding { transport: endpoint.transport, wildcards: place.host.is_none(), resolving, options };
    let mut tries = 1;
    loop {
        match binding.bind_all(&addresses) {
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
    stop: &[BorrowedFd<'_>],
) -> io::Result<Vec<SocketAddr>> {
    let (v4, v6) = (Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into());
    let every = |ips: &[_]| Ok(ips.iter().map(|ip| SocketAddr::new(*ip, place.port)).collect());
    match (&place.host, resolving.family) {
        (Some(host), _) => resolve::resolve(host, place.port, resolving, until, Calls::of(stop)),
        (None, Family::V4) => every(&[v4]),
        (None, Family::V6) => every(&[v6]),
        (None, Family::Any) => every(&[v6, v4]),
    }
}

/// What is the same for all addresses.
struct Binding<'a> {
    transport: Transport,
    /// The addresses stand for the whole machine, one for each family.
    wildcards: bool,
    resolving: Resolving,
    options: &'a Listening,
}

impl Binding<'_> {
    fn bind_all(&self, addresses: &[SocketAddr]) -> Result<Vec<Listener>, Unbound> {
        let mut listeners: Vec<Listener> = Vec::with_capacity(addresses.len());
        let mut missing = None;
        for &address in addresses {
            let port = match listeners.first() {
                Some(Listener { local: Address::Inet(first), .. }) => first.port(),
                _ => address.port(),
            };
            let address = SocketAddr::new(address.ip(), port);
            // `::` typed by hand takes IPv4 too, as the system's other tools do; not so beside an own socket for it.
            let only_v6 = self.wildcards || self.resolving.family == Family::V6 || addresses.len() > 1;
            match self.bind(address, only_v6) {
                Ok(listener) => listeners.push(listener),
                // A machine without this family, or a name with an address that is not here: the others serve.
                Err(Unbound::Bind(_, e)) if addresses.len() > 1 && is_not_here(&e) => missing = Some((address, e)),
                Err(other) => return Err(other),
            }
        }
        match missing {
            Some((address, e)) if listeners.is_empty() => Err(Unbound::Bind(Address::Inet(address), e)),
            _ => Ok(listeners),
        }
    }

    fn bind(&self, address: SocketAddr, only_v6: bool) -> Result<Listener, Unbound> {
        let unbound = |e| Unbound::Bind(Address::Inet(address), e);
        let socket = self.open(address, only_v6).map_err(unbound)?;
        let (settings, v6) = (&self.options.settings, address.is_ipv6());
        settings.wait(&socket, v6, Moment::BeforeBind)?;
        socket.bind(&address.into()).map_err(unbound)?;
        settings.wait_bound(&socket, v6)?;
        Listener::new(socket, self.transport, self.options, None).map_err(unbound)
    }

    fn open(&self, address: SocketAddr, only_v6: bool) -> io::Result<Socket> {
        let socket = self.transport.socket(Domain::for_address(address))?;
        if address.is_ipv6() {
            socket.set_only_v6(only_v6)?;
        }
        // A port in TIME-WAIT can be bound again; one that is listened on cannot, and neither can one of datagrams.
        socket.set_reuse_address(self.transport == Transport::Tcp)?;
        Ok(socket)
    }
}

fn is_not_here(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrNotAvailable || sys::is_family_missing(error)
}

fn listen_unix(transport: Transport, name: &UnixName, options: &Listening) -> Result<Listener, Unbound> {
    let address = Address::Unix(name.clone());
    let bound = || -> io::Result<Listener> {
        let socket = transport.socket(Domain::UNIX)?;
        let path = if let UnixName::Path(path) = name {
            Some(path::bind(&socket, path, &options.access)?)
        } else {
            socket.bind(&address.to_socket()?)?;
            None
        };
        Listener::new(socket, transport, options, path)
    };
    bound().map_err(|e| Unbound::Bind(address.clone(), e))
}

impl Listener {
    fn new(socket: Socket, transport: Transport, options: &Listening, path: Option<OwnPath>) -> io::Result<Self> {
        if transport.has_ends() {
            socket.listen(options.backlog)?;
        }
        Self::bound(socket, transport, options, path, false)
    }

    /// Takes over a socket that whoever started us has bound, and listens on where peers connect. They may go on with it
    /// after us: it is left as it was.
    pub(super) fn activated(socket: Socket, transport: Transport, options: &Listening) -> io::Result<Self> {
        Self::bound(socket, transport, options, None, true)
    }

    fn bound(
        socket: Socket,
        transport: Transport,
        options: &Listening,
        path: Option<OwnPath>,
        activated: bool,
    ) -> io::Result<Self> {
        let local = Address::of(&socket.local_addr()?)?;
        let kind = match transport {
            Transport::Udp => {
                options.casting.apply(&socket)?;
                options.casting.join(&socket, local.is_ipv6())?;
                Kind::Mail(Mailbox::new(socket, &local, options)?)
            }
            Transport::Unix(UnixType::Dgram) => {
                Kind::Shared(Switch::new(socket, local.clone(), options.postal, activated))
            }
            Transport::Tcp | Transport::Unix(_) => {
                // A peer that vanishes between poll(2) and accept(2) must not make us wait for the next one.
                socket.set_nonblocking(true)?;
                Kind::Connections(socket)
            }
        };
        Ok(Self { kind, transport, local, settings: options.settings.clone(), path, activated })
    }

    /// Stops listening while somebody else still watches the descriptor: whoever comes now is refused, or waits for
    /// whoever is started next.
    pub fn refuse(&self) {
        if let (Kind::Connections(socket), false) = (&self.kind, self.activated) {
            // Nothing to do where that fails: it listens no more already.
            let _ = socket.shutdown(std::net::Shutdown::Both);
        }
    }

    /// What the kernel has granted of the wanted receive buffer, and what was wanted, in bytes, where that is less.
    pub fn clipped(&self) -> Option<(usize, usize)> {
        match &self.kind {
            Kind::Mail(mailbox) => mailbox.clipped(),
            Kind::Connections(_) | Kind::Shared(_) => None,
        }
    }

    /// Takes the next peer; None where nobody waits (any more).
    pub fn accept(&self) -> io::Result<Option<Box<Connection>>> {
        match &self.kind {
            Kind::Mail(mailbox) => mailbox.accept().map(|peer| peer.map(Box::new)),
            Kind::Shared(switch) => switch.accept().map(|peer| peer.map(Box::new)),
            Kind::Connections(socket) => match socket.accept() {
                Ok((socket, peer)) => {
                    if self.activated {
                        // Whoever came before us has inherited nothing; what is a listener's alone is refused here.
                        self.settings.wait_where_allowed(&socket, peer.is_ipv6(), Moment::OnListener);
                    }
                    // Where the peer is gone already there is nobody to talk to.
                    let set = self.settings.wait(&socket, peer.is_ipv6(), Moment::OnAccepted);
                    Ok(set.ok().and_then(|()| self.connection(socket, &peer).ok()).map(Box::new))
                }
                Err(e) if sys::is_about_one_connection(&e) => Ok(None),
                Err(e) => Err(e),
            },
        }
    }

    /// A connection's own end is where we listen, unless that is everywhere, or others may have arranged it otherwise.
    fn connection(&self, socket: Socket, peer: &SockAddr) -> io::Result<Connection> {
        match &self.local {
            Address::Inet(local) if local.ip().is_unspecified() || self.activated => {
                Connection::new(socket, self.transport, peer, true)
            }
            local => Ok(Connection::between(socket, self.transport, Address::of(peer)?, local.clone(), true)),
        }
    }

    /// Whether conversations under way hear by way of this listener, so that it must be polled, and `carry` called,
    /// even while nobody new is accepted.
    pub fn carries(&self) -> bool {
        matches!(&self.kind, Kind::Shared(switch) if switch.has_room())
    }

    /// Hands on what has come for conversations under way.
    pub fn carry(&self) {
        if let Kind::Shared(switch) = &self.kind {
            // What fails here is heard of when the next peer is accepted.
            let _ = switch.hear();
        }
    }

    /// When to carry again, whether or not something has come.
    pub fn until(&self) -> Option<Instant> {
        match &self.kind {
            Kind::Shared(switch) => switch.until(),
            Kind::Connections(_) | Kind::Mail(_) => None,
        }
    }

    /// Whether its conversations have no ends of their own, so that a silent one may have to give way to a newcomer.
    pub fn may_evict(&self) -> bool {
        matches!(self.kind, Kind::Mail(_))
    }

    /// Whether somebody waits who has been received already, so that poll(2) does not tell.
    pub fn holds_somebody(&self) -> bool {
        match &self.kind {
            Kind::Mail(mailbox) => mailbox.holds_somebody(),
            Kind::Shared(switch) => switch.holds_somebody(),
            Kind::Connections(_) => false,
        }
    }

    /// Whether conversations bind its port anew, each for itself.
    pub fn is_bound_again(&self) -> bool {
        matches!(&self.kind, Kind::Mail(mailbox) if !mailbox.shares_its_socket())
    }

    /// Whether its path will stay behind: we may not remove it any more, since we have become somebody else.
    pub fn will_stay(&self) -> bool {
        self.path.as_ref().is_some_and(OwnPath::will_stay)
    }

    /// Everybody's datagrams as one conversation in which nothing is sent. None where peers connect.
    pub fn everybody(self) -> io::Result<Option<Connection>> {
        let mut everybody = match self.kind {
            Kind::Mail(mailbox) => mailbox.everybody()?,
            Kind::Shared(switch) => switch.everybody()?,
            Kind::Connections(_) => return Ok(None),
        };
        everybody.own_name = self.path;
        Ok(Some(everybody))
    }

    /// The one conversation of a datagram listener goes on under its name.
    pub fn bequeath(self, heir: &mut Connection) {
        if let Kind::Shared(_) = self.kind {
            heir.own_name = self.path;
        }
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.kind {
            Kind::Connections(socket) => socket.as_fd(),
            Kind::Mail(mailbox) => mailbox.as_fd(),
            Kind::Shared(switch) => switch.as_fd(),
        }
    }
}
