//! A connection: a socket and who is at its ends. It closes the socket when it is dropped; ending it in order first
//! is the relay's.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use socket2::{SockAddr, Socket};

use super::address::Address;
use super::endpoint::UnixName;
use super::path::OwnPath;
use super::proxy::Caller;
use super::spelling::Keepalive;
use super::switch::Bond;
use super::transport::Transport;
use crate::relay::end::{Packets, Post, Sink, Source};
use crate::sys::board::Slot;
use crate::sys::{self, Credentials};

/// A socket that stands for one peer. It is blocking, close-on-exec, and read and written with `MSG_DONTWAIT`, so that it
/// can be lent to a command as it is; where it is not lent, the relay may make it non-blocking.
#[derive(Debug)]
pub struct Connection {
    socket: Arc<Socket>,
    /// Its number among the conversations of the process, from 1 on.
    pub id: u64,
    /// When it was accepted, or when we set out for it.
    pub since: Instant,
    /// How long the peer took to agree, where we asked.
    pub handshake: Option<Duration>,
    /// How bytes travel.
    pub transport: Transport,
    /// Who is at the other end.
    pub peer: Address,
    /// Our end.
    pub local: Address,
    /// Who stands between us and the peer, and has told who that is.
    pub via: Option<Address>,
    /// Whether the peer came to us.
    pub accepted: bool,
    /// Which process the peer is, and whose, where the kernel tells (unix sockets).
    pub credentials: Option<Credentials>,
    /// Where it is noted that it is not idle, if somebody looks.
    pub slot: Option<Slot>,
    /// Datagrams that came before there was a conversation.
    pub(super) mail: RefCell<VecDeque<Vec<u8>>>,
    /// How datagrams reach a peer that the socket is not connected to.
    pub(super) post: Option<Post>,
    /// Nothing comes after the mail.
    pub(super) is_one_datagram: bool,
    /// Its mail comes by way of its listener, and ends with that.
    pub(super) ends_with_its_listener: bool,
    /// A name of our own in the file system, removed in the end.
    pub(super) own_name: Option<OwnPath>,
    /// What is undone in the end, where the socket is not ours alone.
    pub(super) bond: Option<Bond>,
}

impl Connection {
    /// Takes over a connected socket.
    pub(super) fn new(socket: Socket, transport: Transport, peer: &SockAddr, accepted: bool) -> io::Result<Self> {
        let local = Address::of(&socket.local_addr()?)?;
        Ok(Self::between(socket, transport, Address::of(peer)?, local, accepted))
    }

    /// The same with both names known.
    pub(super) fn between(socket: Socket, transport: Transport, peer: Address, local: Address, accepted: bool) -> Self {
        let credentials = if transport.is_unix() { sys::peer_credentials(socket.as_fd()) } else { None };
        let mail = RefCell::default();
        let (post, own_name) = (None, None);
        let (is_one_datagram, ends_with_its_listener) = (false, false);
        let via = None;
        Self {
            socket: Arc::new(socket),
            slot: None,
            id: 1,
            since: Instant::now(),
            handshake: None,
            transport,
            peer,
            local,
            via,
            accepted,
            credentials,
            mail,
            post,
            is_one_datagram,
            ends_with_its_listener,
            own_name,
            bond: None,
        }
    }

    /// Who connected speaks for this caller, who is the peer from now on.
    pub(super) fn speaks_for(&mut self, caller: Caller) {
        let Caller { from, to } = caller;
        self.via = Some(std::mem::replace(&mut self.peer, from));
        self.local = to;
        // They are those of who stands between.
        self.credentials = None;
    }

    /// A peer that does not answer for two minutes is gone, from now on. Where the socket knows no keepalive, one that is
    /// gone shows by itself.
    pub fn keep_alive(&self) {
        let _ = self.socket.set_tcp_keepalive(&Keepalive::USUAL.times());
    }

    /// The internet address of who connected, if it has one: that of the peer, or of who speaks for it.
    pub fn door(&self) -> Option<IpAddr> {
        self.via.as_ref().unwrap_or(&self.peer).ip()
    }

    /// Who the peer is, for messages.
    pub fn name(&self) -> Name {
        Name { peer: self.peer.clone(), credentials: self.credentials, is_told: self.via.is_some() }
    }

    /// Our end, for messages, with whose process the peer is where that is known.
    pub fn local_name(&self) -> String {
        match self.credentials {
            Some(who) => format!("{} (process {}, user {}, group {})", self.local, who.pid, who.uid, who.gid),
            None => self.local.to_string(),
        }
    }

    /// Whether it is about one datagram only, and so is the answer.
    pub fn is_one_datagram(&self) -> bool {
        self.is_one_datagram
    }

    /// A hold on the socket by which the conversation can be ended from outside.
    pub fn leash(&self) -> Leash {
        Leash(Arc::downgrade(&self.socket))
    }

    /// What the peer sends.
    pub fn source(&self) -> Source<'_> {
        let source = Source::peer(self.as_fd());
        if !self.transport.keeps_boundaries() {
            return source;
        }
        let mail = self.mail.take();
        let only = self.is_one_datagram.then(|| Arc::new(AtomicU64::new(mail.len() as u64)));
        let sized = self.transport.is_unix();
        let ends = self.transport.has_ends() || self.ends_with_its_listener;
        let leashed = self.slot.is_some();
        source.in_packets(Packets { ends, left: only, sized, leashed, mail, ..Packets::default() })
    }

    /// The way to the peer.
    pub fn sink(&self) -> Sink<'_> {
        let sink = Sink::peer(self.as_fd());
        match &self.post {
            _ if !self.transport.keeps_boundaries() => sink,
            None if self.transport == Transport::Udp => {
                sink.in_packets(false, self.transport.usual_size()).in_segments()
            }
            None => sink.in_packets(self.transport.has_ends(), self.transport.usual_size()),
            Some(post) => sink.in_packets(false, self.transport.usual_size()).by(post.clone()),
        }
    }
}

/// Who a peer is, in a message's words: its address, or its process where it has none. Most are never said.
#[derive(Clone, Debug)]
pub struct Name {
    peer: Address,
    credentials: Option<Credentials>,
    /// Somebody has told it.
    is_told: bool,
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.peer, self.credentials) {
            (Address::Unix(UnixName::Unnamed), Some(who)) if who.pid > 0 => write!(f, "process {}", who.pid),
            (Address::Inet(nobody), _) if nobody.port() == 0 && !self.is_told => f.write_str("everybody"),
            (peer, _) => peer.fmt(f),
        }
    }
}

/// A hold on somebody else's connection. It keeps nothing open.
#[derive(Clone, Debug)]
pub struct Leash(Weak<Socket>);

impl Leash {
    /// The socket, if it is still open; it stays so for as long as the answer lives.
    pub fn hold(&self) -> Option<Arc<Socket>> {
        self.0.upgrade()
    }

    /// Nothing more comes from the peer: whoever reads the socket sees an end.
    pub fn pull(&self) {
        if let Some(socket) = self.0.upgrade() {
            // Where that fails the conversation is over already.
            let _ = socket.shutdown(std::net::Shutdown::Read);
        }
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
