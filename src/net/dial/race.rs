//! Several addresses of one peer, and who answers first (RFC 8305): attempts begin a stagger apart, or at once after a
//! failure; the first that is answered wins and the others are closed. It waits for nothing: whoever runs it polls.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use socket2::{Domain, SockAddr, Socket};

use super::Undialed;
use super::stage::{Stage, Watcher};
use crate::net::address::Address;
use crate::net::connection::Connection;
use crate::net::options::{Dialing, Moment};
use crate::net::path;
use crate::net::path::OwnPath;
use crate::net::transport::{Transport, UnixType};
use crate::sys::{self, Manner, PollFd, PollFlags};

/// How long an attempt is alone before the next begins.
pub const STAGGER: Duration = Duration::from_millis(250);

/// Between two tries at a unix listener whose backlog is full: no readiness tells when it is not.
const MOMENT: Duration = Duration::from_millis(10);

/// Between two askings of a peer that has not answered: datagrams get lost.
const AGAIN: Duration = Duration::from_secs(1);

/// The addresses, AAAA first and the families in turn.
pub fn interleave(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let (v6, v4): (Vec<_>, Vec<_>) = addresses.into_iter().partition(SocketAddr::is_ipv6);
    let (mut v6, mut v4) = (v6.into_iter(), v4.into_iter());
    let mut mixed = Vec::with_capacity(v6.len() + v4.len());
    loop {
        let pair = [v6.next(), v4.next()];
        if pair == [None, None] {
            return mixed;
        }
        mixed.extend(pair.into_iter().flatten());
    }
}

/// A socket that was refused and can be used again: where thousands of ports are asked, most of them refuse, and opening
/// and closing would be half of the work.
#[derive(Debug, Default)]
pub struct Spare(RefCell<Option<(Domain, Socket)>>);

impl Spare {
    fn take(&self, domain: Domain) -> Option<Socket> {
        self.0.borrow_mut().take_if(|(own, _)| *own == domain).map(|(_, socket)| socket)
    }
}

/// What counts as an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question<'a> {
    /// connect(2) succeeds.
    Connected,
    /// A datagram comes back for this one.
    Reply(&'a [u8]),
}

/// How a race stands.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "there is one for each peer")]
pub enum Standing {
    /// Somebody may answer still.
    Running,
    /// Somebody has, after so long.
    Won(Box<Connection>, Duration),
    /// Nobody will.
    Lost(Undialed),
}

/// Attempts at the addresses of one peer.
#[derive(Debug)]
pub struct Race<'a> {
    transport: Transport,
    options: &'a Dialing,
    question: Question<'a>,
    spare: &'a Spare,
    ahead: VecDeque<Address>,
    running: Vec<Attempt>,
    failed: Vec<(usize, Address, io::Error)>,
    begun: usize,
    next_at: Option<Instant>,
    watcher: Watcher<'a>,
}

#[derive(Debug)]
struct Attempt {
    number: usize,
    address: Address,
    to: SockAddr,
    socket: Socket,
    began: Instant,
    connected: bool,
    again: Option<Instant>,
    own_name: Option<OwnPath>,
}

impl<'a> Race<'a> {
    /// Nobody is asked yet.
    pub fn new(
        transport: Transport,
        addresses: Vec<Address>,
        options: &'a Dialing,
        question: Question<'a>,
        spare: &'a Spare,
    ) -> Self {
        let (running, failed, ahead) = (Vec::new(), Vec::new(), addresses.into());
        let (next_at, watcher) = (None, Watcher::default());
        Self { transport, options, question, spare, ahead, running, failed, begun: 0, next_at, watcher }
    }

    /// The same race, which somebody watches.
    #[must_use]
    pub fn watched(self, watcher: Watcher<'a>) -> Self {
        Self { watcher, ..self }
    }

    /// What is to be polled.
    pub fn bells(&self) -> impl Iterator<Item = PollFd<'_>> {
        self.running.iter().filter_map(Attempt::bell)
    }

    /// When to go on at the latest, whatever is polled.
    pub fn until(&self) -> Option<Instant> {
        let again = self.running.iter().filter_map(|attempt| attempt.again);
        again.chain(self.next_at.filter(|_| !self.ahead.is_empty())).min()
    }

    /// Goes on: `ready` tells of each of the `bells` whether it rang.
    pub fn advance(&mut self, ready: &[bool], now: Instant) -> Standing {
        let mut ready = ready.iter().copied();
        for mut attempt in std::mem::take(&mut self.running) {
            let rang = attempt.bell().is_some() && ready.next().unwrap_or_default();
            let due = attempt.again.is_some_and(|again| now >= again);
            let step = if rang || due { attempt.step(self.question, now) } else { Ok(false) };
            if let Some(standing) = self.judge(attempt, step, now) {
                return standing;
            }
        }
        while self.running.is_empty() || self.next_at.is_some_and(|at| now >= at) {
            let Some(address) = self.ahead.pop_front() else { break };
            match self.begin(address, now) {
                Ok(None) => {}
                Ok(Some(standing)) => return standing,
                Err(why) => return Standing::Lost(why),
            }
        }
        if self.running.is_empty() { Standing::Lost(self.lost()) } else { Standing::Running }
    }

    /// Gives up: everybody who was asked and has not answered is too late. Those sockets close.
    pub fn abandon(mut self) -> Undialed {
        for attempt in self.running.drain(..) {
            let late = late();
            self.watcher.show(&Stage::Failed(&attempt.address, &late));
            self.failed.push((attempt.number, attempt.address, late));
        }
        self.lost()
    }

    fn lost(&mut self) -> Undialed {
        self.failed.sort_by_key(|(number, ..)| *number);
        Undialed::Tried(self.failed.drain(..).map(|(_, address, error)| (address, error)).collect())
    }

    fn begin(&mut self, address: Address, now: Instant) -> Result<Option<Standing>, Undialed> {
        self.next_at = now.checked_add(STAGGER);
        let number = self.begun;
        self.begun += 1;
        let opened = Opening { transport: self.transport, options: self.options }.open(&address, self.spare);
        let (socket, own_name) = match opened {
            Ok(opened) => opened,
            Err(Unopened::Lacking(error)) => {
                self.fail(number, address, error, now);
                return Ok(None);
            }
            Err(Unopened::Hopeless(why)) => return Err(why),
        };
        let to = match address.to_socket() {
            Ok(to) => to,
            Err(error) => {
                self.fail(number, address, error, now);
                return Ok(None);
            }
        };
        let near = address.ip().is_some_and(|ip| ip.is_loopback());
        let mut attempt = Attempt { number, address, to, socket, began: now, connected: false, again: None, own_name };
        let mut step = attempt.step(self.question, now);
        if near && matches!(step, Ok(false)) && !attempt.connected {
            // The own machine has answered before connect(2) returned.
            step = attempt.step(self.question, now);
        }
        if self.watcher.is_there() {
            let state = sys::states::info(attempt.socket.as_fd()).map(|info| info.state);
            self.watcher.show(&Stage::Began(&attempt.address, state));
        }
        Ok(self.judge(attempt, step, now))
    }

    /// What has become of an attempt: an answer, a failure, or neither yet.
    fn judge(&mut self, attempt: Attempt, step: io::Result<bool>, now: Instant) -> Option<Standing> {
        let error = match step {
            Ok(false) => {
                self.running.push(attempt);
                return None;
            }
            Err(error) => error,
            Ok(true) => {
                let took = attempt.began.elapsed();
                let (number, address) = (attempt.number, attempt.address.clone());
                match attempt.connection(self.transport) {
                    Ok(mut connection) => {
                        self.running.clear();
                        connection.handshake = Some(took);
                        return Some(Standing::Won(Box::new(connection), took));
                    }
                    Err(error) => {
                        self.fail(number, address, error, now);
                        return None;
                    }
                }
            }
        };
        // After a refusal connect(2) leaves the socket as if nobody had been asked.
        let is_as_new = error.kind() == io::ErrorKind::ConnectionRefused && !attempt.connected;
        if self.transport == Transport::Tcp && is_as_new && !self.options.binds() {
            self.spare.0.replace(Some((attempt.to.domain(), attempt.socket)));
        }
        self.fail(attempt.number, attempt.address, error, now);
        None
    }

    fn fail(&mut self, number: usize, address: Address, error: io::Error, now: Instant) {
        self.watcher.show(&Stage::Failed(&address, &error));
        self.failed.push((number, address, error));
        self.next_at = Some(now);
    }
}

/// The error of one who has not answered in time.
pub fn late() -> io::Error {
    io::ErrorKind::TimedOut.into()
}

impl Attempt {
    /// What is to be polled, if poll(2) knows: a unix socket that waits for room in a backlog always looks hung up.
    fn bell(&self) -> Option<PollFd<'_>> {
        let flags = match (self.connected, self.to.is_unix()) {
            (true, _) => PollFlags::IN,
            (false, true) => return None,
            (false, false) => PollFlags::OUT,
        };
        Some(PollFd::from_borrowed_fd(self.socket.as_fd(), flags))
    }

    /// One step further: whether it is answered.
    fn step(&mut self, question: Question<'_>, now: Instant) -> io::Result<bool> {
        if self.connected {
            return self.hear(question, now);
        }
        // The second call tells what became of the first.
        match self.socket.connect(&self.to) {
            Err(e) if sys::is_in_progress(&e) => return Ok(false),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                self.again = now.checked_add(MOMENT);
                return Ok(false);
            }
            Err(e) if !sys::is_connected(&e) => return Err(e),
            _ => self.connected = true,
        }
        match question {
            Question::Connected => Ok(true),
            Question::Reply(_) => self.ask(question, now),
        }
    }

    fn ask(&mut self, question: Question<'_>, now: Instant) -> io::Result<bool> {
        let Question::Reply(payload) = question else { return Ok(false) };
        self.again = now.checked_add(AGAIN);
        self.socket.send_with_flags(payload, sys::NO_WAIT).map(|_| false)
    }

    fn hear(&mut self, question: Question<'_>, now: Instant) -> io::Result<bool> {
        match sys::read(self.socket.as_fd(), Manner::DontWait, &mut Vec::with_capacity(1)) {
            Ok(_) => Ok(true),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                let due = self.again.is_some_and(|again| now >= again);
                if due { self.ask(question, now) } else { Ok(false) }
            }
            Err(e) => Err(e),
        }
    }

    /// The winner, blocking as every connection is.
    fn connection(self, transport: Transport) -> io::Result<Connection> {
        sys::set_blocking(self.socket.as_fd())?;
        // Whom the peer has reset has none any more: it has been heard perhaps, and the conversation ends by that RST.
        let peer = if is_its_name(&self.to) { self.to } else { self.socket.peer_addr().unwrap_or(self.to) };
        let mut connection = Connection::new(self.socket, transport, &peer, false)?;
        // Where nobody listens the kernel may choose the very port that we go to: then we have met ourselves.
        if transport == Transport::Tcp && connection.local == connection.peer {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        connection.own_name = self.own_name;
        Ok(connection)
    }
}

/// Whether who answers at this address is called by it: not at "everywhere", nor with a zone that the kernel may drop.
fn is_its_name(to: &SockAddr) -> bool {
    let has_zone = |to: &SocketAddr| matches!(to, SocketAddr::V6(to) if to.scope_id() != 0);
    to.as_socket().is_some_and(|to| !to.ip().to_canonical().is_unspecified() && !has_zone(&to))
}

/// Why there is no socket to try an address with.
pub(super) enum Unopened {
    /// This address cannot be tried; another one may.
    Lacking(io::Error),
    /// What was asked for cannot be had.
    Hopeless(Undialed),
}

/// How sockets are opened.
#[derive(Clone, Copy, Debug)]
pub(super) struct Opening<'a> {
    pub(super) transport: Transport,
    pub(super) options: &'a Dialing,
}

impl Opening<'_> {
    /// A non-blocking socket with everything that was asked of it, and its own name if it needs one to be answered at.
    fn open(self, to: &Address, spare: &Spare) -> Result<(Socket, Option<OwnPath>), Unopened> {
        let (kind, protocol) = self.transport.kind();
        let domain = match to {
            Address::Inet(address) => Domain::for_address(*address),
            Address::Unix(_) => Domain::UNIX,
        };
        if let Some(socket) = spare.take(domain) {
            return Ok((socket, None));
        }
        let socket = Socket::new(domain, kind.nonblocking(), protocol).map_err(Unopened::Lacking)?;
        let Address::Inet(address) = to else {
            let named = self.transport == Transport::Unix(UnixType::Dgram);
            let own_name = named.then(|| path::bind_privately(&socket)).transpose().map_err(Unopened::Lacking)?;
            return Ok((socket, own_name));
        };
        self.prepare(&socket, *address)?;
        Ok((socket, None))
    }

    /// Applies what was asked for, in order, and binds.
    pub(super) fn prepare(self, socket: &Socket, to: SocketAddr) -> Result<(), Unopened> {
        let Self { transport, options } = self;
        let unset = |unset| Unopened::Hopeless(Undialed::Unset(unset));
        if transport == Transport::Udp {
            options.casting.apply(socket).map_err(Unopened::Lacking)?;
        }
        options.settings.go(socket, to.is_ipv6(), Moment::BeforeBind).map_err(unset)?;
        if options.binds() {
            let source = source_of(to, options);
            let reuse = socket.set_reuse_address(transport == Transport::Tcp);
            let bound = reuse.and_then(|()| socket.bind(&source.into()));
            bound.map_err(|e| Unopened::Hopeless(Undialed::Source(source, e)))?;
        }
        options.settings.go(socket, to.is_ipv6(), Moment::BeforeConnect).map_err(unset)
    }
}

/// Where a connection to `address` comes from, as asked.
fn source_of(address: SocketAddr, options: &Dialing) -> SocketAddr {
    let any = if address.is_ipv4() { IpAddr::from([0; 4]) } else { IpAddr::from([0; 16]) };
    SocketAddr::new(options.source.unwrap_or(any), options.source_port.unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_take_turns_and_v6_begins() {
        let read = |words: &[&str]| words.iter().map(|word| word.parse().unwrap()).collect::<Vec<SocketAddr>>();
        let mixed = interleave(read(&["1.1.1.1:1", "2.2.2.2:1", "3.3.3.3:1", "[::1]:1", "[::2]:1"]));
        assert_eq!(mixed, read(&["[::1]:1", "1.1.1.1:1", "[::2]:1", "2.2.2.2:1", "3.3.3.3:1"]));
        assert_eq!(interleave(Vec::new()), Vec::new());
    }
}
