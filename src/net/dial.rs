//! Opening a connection: resolve, then race the addresses, all within one bound. It converses with nobody.

pub mod fate;
pub mod race;
pub mod retry;
pub mod stage;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use socket2::{Domain, Socket};

use self::race::{Opening, Question, Race, Spare, Standing, Unopened};
use self::stage::{Stage, Watcher};
use super::address::{Address, Place};
use super::calls::Calls;
use super::casting::is_many;
use super::connection::Connection;
use super::endpoint::{At, Endpoint};
use super::options::{Dialing, Unset};
use super::resolve::{self, Resolving};
use super::transport::Transport;
use crate::relay::end::Post;
use crate::sys;

/// Why there is no connection.
#[derive(Debug)]
pub enum Undialed {
    /// The name has no address, or not in time.
    Unresolved(io::Error),
    /// The source address cannot be bound.
    Source(SocketAddr, io::Error),
    /// An option is refused.
    Unset(Unset),
    /// No address answered; each with its reason, in the order of the attempts.
    Tried(Vec<(Address, io::Error)>),
    /// Somebody called.
    Stopped,
}

/// Connects to `endpoint`. `until` bounds everything; whoever `calls` ends it at once.
pub fn dial(
    endpoint: &Endpoint,
    resolving: Resolving,
    options: &Dialing,
    until: Option<Instant>,
    calls: Calls<'_>,
    watcher: Watcher<'_>,
) -> Result<Connection, Undialed> {
    let addresses = match &endpoint.at {
        At::Unix(name) => vec![Address::Unix(name.clone())],
        At::Place(place) => {
            let addresses = addresses(place, resolving, options, until, calls)?;
            if !place.is_numeric() {
                watcher.show(&Stage::Resolved(&addresses));
            }
            if endpoint.transport == Transport::Udp {
                return dial_udp(addresses, options);
            }
            race::interleave(addresses).into_iter().map(Address::Inet).collect()
        }
    };
    let spare = Spare::default();
    let mut race = Race::new(endpoint.transport, addresses, options, Question::Connected, &spare).watched(watcher);
    let mut ready = Vec::new();
    loop {
        match race.advance(&ready, Instant::now()) {
            Standing::Won(connection, _) => return Ok(*connection),
            Standing::Lost(why) => return Err(why),
            Standing::Running if until.is_some_and(|at| Instant::now() >= at) => return Err(race.abandon()),
            Standing::Running => {}
        }
        let mut fds: Vec<_> = calls.polled().collect();
        let others = fds.len();
        fds.extend(race.bells());
        let polled = sys::poll(&mut fds, [race.until(), until].into_iter().flatten().min());
        let rang: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        drop(fds);
        if polled.is_ok() && rang[..others].contains(&true) {
            return Err(Undialed::Stopped);
        }
        ready = rang[others..].to_vec();
    }
}

/// The addresses to try. A source address can only reach addresses of its own family.
fn addresses(
    place: &Place,
    resolving: Resolving,
    options: &Dialing,
    until: Option<Instant>,
    calls: Calls<'_>,
) -> Result<Vec<SocketAddr>, Undialed> {
    let host = place.host.as_deref().unwrap_or("localhost");
    match resolve::resolve(host, place.port, resolving, until, calls) {
        Ok(addresses) => options.reachable(addresses).map_err(Undialed::Unresolved),
        Err(e) if e.kind() == io::ErrorKind::Interrupted => Err(Undialed::Stopped),
        Err(e) => Err(Undialed::Unresolved(e)),
    }
}

/// The first address that the kernel accepts, in the resolver's order: nobody answers here.
fn dial_udp(addresses: Vec<SocketAddr>, options: &Dialing) -> Result<Connection, Undialed> {
    let opening = Opening { transport: Transport::Udp, options };
    let mut tried = Vec::new();
    for address in addresses {
        let prepared = |socket: Socket| opening.prepare(&socket, address).map(|()| socket);
        let opened = Transport::Udp.socket(Domain::for_address(address)).map_err(Unopened::Lacking).and_then(prepared);
        let connected = match opened {
            Err(Unopened::Hopeless(why)) => return Err(why),
            Err(Unopened::Lacking(e)) => Err(e),
            Ok(socket) if is_many(address.ip()) || (options.casting.broadcast && is_broadcast(address)) => {
                everybody(socket, address)
            }
            Ok(socket) => {
                let connected = socket.connect(&address.into()).and_then(|()| socket.peer_addr());
                connected.and_then(|peer| Connection::new(socket, Transport::Udp, &peer, false))
            }
        };
        match connected {
            Ok(connection) => return Ok(connection),
            Err(e) => tried.push((Address::Inet(address), e)),
        }
    }
    Err(Undialed::Tried(tried))
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
