//! A UDP listener: each new sender becomes a connection with a socket of its own, and mail that lands beside it in
//! the meantime is sorted, so that every datagram reaches its own conversation and none is lost or misdelivered.
//! It answers nobody itself.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use socket2::{Domain, Socket};

use super::address::{Address, canonical};
use super::connection::Connection;
use super::options::{Listening, Moment, Settings};
use super::transport::Transport;
use crate::relay::end::Post;
use crate::sys::mail::{self, Way};

/// The largest datagram, and a byte more, so that none is ever cut.
const LARGEST: usize = 65_536;

/// The receive buffer of a listener, in bytes: what comes between two looks at it must have room.
const QUEUE: usize = 1024 * 1024;

/// What a datagram counts for at least, in bytes: to the kernel the smallest is more.
const LEAST: usize = 512;

/// How a listener treats its mail.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Postal {
    /// Each datagram is a conversation (`--per-datagram`).
    pub each: bool,
    /// There is one conversation only.
    pub only: bool,
    /// An empty datagram is a conversation's last (`--eof-datagram`).
    pub empty_ends: bool,
    /// So many are all of a conversation (`--datagrams`).
    pub most: Option<u64>,
}

/// A letter: its way and what it holds.
type Letter = (Way, Vec<u8>);

/// A UDP listener and the mail that waits for a conversation.
#[derive(Debug)]
pub(super) struct Mailbox {
    socket: Arc<Socket>,
    bound: SocketAddr,
    postal: Postal,
    settings: Settings,
    waiting: RefCell<VecDeque<Letter>>,
    /// Bytes in `waiting` beyond which the kernel's queue holds the rest.
    room: usize,
    clipped: Option<(usize, usize)>,
}

impl Mailbox {
    /// Takes over a bound socket. It was bound exclusively; only now may our conversations bind beside it.
    pub(super) fn new(socket: Socket, local: &Address, options: &Listening) -> io::Result<Self> {
        socket.set_reuse_address(true)?;
        let Address::Inet(bound) = *local else { return Err(io::ErrorKind::InvalidInput.into()) };
        mail::want_destinations(socket.as_fd(), bound.is_ipv6())?;
        let (postal, settings) = (options.postal, options.settings.clone());
        // Whoever has bound it for us may have given it more.
        let is_ours = !settings.size_received() && socket.recv_buffer_size()? / 2 < QUEUE;
        if is_ours {
            // The kernel grants what it grants.
            let _ = socket.set_recv_buffer_size(QUEUE);
        }
        let room = socket.recv_buffer_size()?;
        // The kernel doubles what it grants (socket(7)).
        let clipped = Some(room / 2).filter(|granted| is_ours && *granted < QUEUE).map(|granted| (granted, QUEUE));
        Ok(Self { socket: Arc::new(socket), bound, postal, settings, waiting: RefCell::default(), room, clipped })
    }

    /// What the kernel has granted of the wanted receive buffer, and what was wanted, in bytes, where that is less.
    pub(super) fn clipped(&self) -> Option<(usize, usize)> {
        self.clipped
    }

    /// The next sender that has no conversation, with everything of its that has come so far.
    pub(super) fn accept(&self) -> io::Result<Option<Connection>> {
        let waiting = self.waiting.borrow_mut().pop_front();
        let letter = if waiting.is_some() { waiting } else { receive(&self.socket)? };
        let Some((way, first)) = letter else { return Ok(None) };
        let socket = if self.postal.each { self.socket.try_clone() } else { self.open(way) };
        match socket {
            Ok(socket) if self.postal.each => Ok(Some(self.one_datagram(socket, way, first))),
            Ok(socket) => self.settle(socket, way, first).map(Some),
            Err(e) => {
                self.waiting.borrow_mut().push_front((way, first));
                Err(e)
            }
        }
    }

    /// A socket for one sender, on our own port.
    fn open(&self, way: Way) -> io::Result<Socket> {
        let socket = Transport::Udp.socket(Domain::for_address(way.peer))?;
        socket.set_reuse_address(true)?;
        for moment in [Moment::BeforeBind, Moment::OnListener] {
            self.settings.wait(&socket, way.peer.is_ipv6(), moment).map_err(|unset| unset.error)?;
        }
        socket.bind(&self.source_of(way).into())?;
        socket.connect(&way.peer.into())?;
        Ok(socket)
    }

    /// The address that a reply leaves from: the one that was asked.
    fn source_of(&self, way: Way) -> SocketAddr {
        let wildcard: IpAddr = if way.peer.is_ipv4() { [0; 4].into() } else { [0; 16].into() };
        let bound = Some(self.bound.ip()).filter(|ip| !ip.is_unspecified());
        let mut from = SocketAddr::new(bound.or(way.local).unwrap_or(wildcard), self.bound.port());
        if let (SocketAddr::V6(from), SocketAddr::V6(peer)) = (&mut from, way.peer) {
            from.set_scope_id(peer.scope_id());
        }
        from
    }

    /// Sorts the mail: between bind(2) and connect(2) anybody's lands on the new socket, and connect does not purge it.
    fn settle(&self, socket: Socket, way: Way, first: Vec<u8>) -> io::Result<Connection> {
        let local = Address::of(&socket.local_addr()?)?;
        let mut mine = VecDeque::from([first]);
        let mut waiting = self.waiting.borrow_mut();
        let sorted = std::mem::take(&mut *waiting).into_iter().partition(|(other, _)| other.peer == way.peer);
        let (own, others): (VecDeque<Letter>, _) = sorted;
        mine.extend(own.into_iter().map(|(_, letter)| letter));
        *waiting = others;
        let mut kept: usize = waiting.iter().map(|(_, letter)| weight(letter)).sum();
        for from in [&*self.socket, &socket] {
            // What was there when the sockets parted; what has come since is where it belongs.
            let mut left = self.room;
            while let Some((other, letter)) = receive(from)? {
                left = left.saturating_sub(weight(&letter));
                if other.peer == way.peer {
                    mine.push_back(letter);
                } else {
                    kept += weight(&letter);
                    waiting.push_back((other, letter));
                }
                // The common one can keep what is too much.
                let is_common = std::ptr::eq(from, &raw const *self.socket);
                if left == 0 || is_common && kept >= self.room {
                    break;
                }
            }
        }
        let connection = Connection::between(socket, Transport::Udp, Address::Inet(way.peer), local, true);
        connection.mail.replace(mine);
        Ok(connection)
    }

    /// A conversation about one datagram, answered by letters from the common socket.
    fn one_datagram(&self, socket: Socket, way: Way, letter: Vec<u8>) -> Connection {
        let local = Address::Inet(self.source_of(way));
        let (shared, reply) = (Arc::clone(&self.socket), Way { local: way.local, peer: way.peer });
        let mut connection = Connection::between(socket, Transport::Udp, Address::Inet(way.peer), local, true);
        connection.mail.get_mut().push_back(letter);
        connection.is_one_datagram = true;
        connection.post = Some(Post::new(move |bytes| mail::send(shared.as_fd(), bytes, &reply)));
        connection
    }

    /// Everybody's mail as one conversation that sends nothing.
    pub(super) fn everybody(self) -> io::Result<Connection> {
        let local = Address::Inet(self.bound);
        let nobody = SocketAddr::new(if self.bound.is_ipv4() { [0; 4].into() } else { [0; 16].into() }, 0);
        Ok(Connection::between(self.socket.try_clone()?, Transport::Udp, Address::Inet(nobody), local, true))
    }

    /// Whether its conversations do without a socket of their own.
    pub(super) fn shares_its_socket(&self) -> bool {
        self.postal.each
    }

    pub(super) fn holds_somebody(&self) -> bool {
        !self.waiting.borrow().is_empty()
    }
}

fn weight(letter: &[u8]) -> usize {
    letter.len().max(LEAST)
}

/// The next datagram in a socket's queue. An ICMP error that waits there is about somebody who is gone: it is let go.
fn receive(socket: &Socket) -> io::Result<Option<Letter>> {
    loop {
        let mut letter = Vec::with_capacity(LARGEST);
        match mail::receive(socket.as_fd(), &mut letter) {
            Ok(way) => {
                letter.shrink_to_fit();
                let way = Way { peer: canonical(way.peer), local: way.local.map(|ip| ip.to_canonical()) };
                return Ok(Some((way, letter)));
            }
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(e) if matches!(e.kind(), io::ErrorKind::Interrupted | io::ErrorKind::ConnectionRefused) => {}
            Err(e) => return Err(e),
        }
    }
}

impl AsFd for Mailbox {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
