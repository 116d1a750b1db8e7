//! A unix datagram listener: nobody can bind its name a second time, so one socket hears everybody, and what it hears
//! is handed to each sender's own conversation. Answers leave from the common socket directly.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

use super::address::Address;
use super::connection::Connection;
use super::endpoint::UnixName;
use super::mailbox::Postal;
use super::transport::{Transport, UnixType};
use crate::relay::end::Post;
use crate::sys;

/// Conversations that wait to be taken, beyond which the socket's own queue holds the rest.
const WAITING: usize = 256;

/// When a conversation that could not take its mail is tried again.
const RETRY: Duration = Duration::from_millis(5);

/// Datagrams.
const DGRAM: Transport = Transport::Unix(UnixType::Dgram);

/// The socket that hears everybody.
#[derive(Debug)]
pub(super) struct Switch {
    socket: Arc<Socket>,
    local: Address,
    postal: Postal,
    /// Whether somebody else hears by the same socket after us.
    activated: bool,
    state: RefCell<State>,
}

/// A socket that was connected to one sender, and is everybody's again in the end.
#[derive(Debug)]
pub(super) struct Bond(Arc<Socket>);

impl Drop for Bond {
    fn drop(&mut self) {
        // Where that fails the socket is as good as gone.
        let _ = sys::disconnect(self.0.as_fd());
    }
}

#[derive(Debug, Default)]
struct State {
    /// The conversations under way.
    lines: Vec<Line>,
    /// Those that wait to be taken.
    waiting: VecDeque<Connection>,
}

/// The way into one conversation. A pair of sequenced-packet sockets shows its end, which datagrams do not.
#[derive(Debug)]
struct Line {
    sender: Address,
    entry: Socket,
    mail: VecDeque<Vec<u8>>,
    /// Datagrams for it so far.
    heard: u64,
    /// It has had its last: what comes from the same sender now opens another. It stays until its conversation is over,
    /// which would take the entry's end for a peer that is gone.
    complete: bool,
}

impl Switch {
    pub(super) fn new(socket: Socket, local: Address, postal: Postal, activated: bool) -> Self {
        Self { socket: Arc::new(socket), local, postal, activated, state: RefCell::default() }
    }

    /// The next sender that has no conversation.
    pub(super) fn accept(&self) -> io::Result<Option<Connection>> {
        if !self.holds_somebody() {
            self.hear()?;
        }
        Ok(self.state.borrow_mut().waiting.pop_front())
    }

    /// Takes what has come: to its conversation, or to those who wait for one.
    pub(super) fn hear(&self) -> io::Result<()> {
        let mut state = self.state.borrow_mut();
        let State { lines, waiting } = &mut *state;
        lines.retain_mut(|line| line.mail.is_empty() || line.carry());
        while waiting.len() < WAITING {
            let Some((sender, letter)) = receive(&self.socket)? else { break };
            if self.postal.only
                && let Some(first) = waiting.front()
            {
                // One conversation only: the others are refused from now on, and dropped as far as they have come.
                if first.peer == sender {
                    first.mail.borrow_mut().push_back(letter);
                }
                continue;
            }
            let line = lines.iter().position(|line| line.sender == sender && !line.complete);
            let Some(at) = line.filter(|_| !self.postal.each) else {
                waiting.push_back(self.open(&sender, letter, lines)?);
                continue;
            };
            lines[at].count(&letter, self.postal);
            lines[at].mail.push_back(letter);
            if !lines[at].carry() {
                // Its conversation is over: the letter opens a new one.
                let mut over = lines.swap_remove(at);
                let last = over.mail.pop_back().unwrap_or_default();
                waiting.push_back(self.open(&sender, last, lines)?);
            }
        }
        Ok(())
    }

    fn open(&self, sender: &Address, letter: Vec<u8>, lines: &mut Vec<Line>) -> io::Result<Connection> {
        let between = |socket| Connection::between(socket, DGRAM, sender.clone(), self.local.clone(), true);
        let named = *sender != Address::Unix(UnixName::Unnamed);
        let connection = if self.postal.each || !named {
            let mut connection = between(self.socket.try_clone()?);
            connection.is_one_datagram = true;
            connection
        } else if self.postal.only {
            // From now on the kernel refuses everybody else.
            self.socket.connect(&sender.to_socket()?)?;
            let mut connection = between(self.socket.try_clone()?);
            connection.bond = self.activated.then(|| Bond(Arc::clone(&self.socket)));
            connection
        } else {
            let (entry, exit) = Socket::pair(Domain::UNIX, Type::SEQPACKET, None)?;
            lines.retain(|line| !sys::has_hung_up(line.entry.as_fd()));
            let mut line = Line { sender: sender.clone(), entry, mail: VecDeque::new(), heard: 0, complete: false };
            line.count(&letter, self.postal);
            lines.push(line);
            let mut connection = between(exit);
            connection.ends_with_its_listener = true;
            connection
        };
        Ok(self.addressed(connection, sender, letter))
    }

    /// The connection with its first letter, answered from the common socket.
    fn addressed(&self, mut connection: Connection, sender: &Address, letter: Vec<u8>) -> Connection {
        connection.credentials = None;
        connection.mail.get_mut().push_back(letter);
        let (socket, to) = (Arc::clone(&self.socket), sender.to_socket());
        connection.post = Some(Post::new(move |bytes| match &to {
            Ok(to) => socket.send_to_with_flags(bytes, to, sys::NO_WAIT).map(drop),
            Err(_) => Err(io::Error::other("the sender has no name to be answered at")),
        }));
        connection
    }

    /// Everybody's mail as one conversation that sends nothing.
    pub(super) fn everybody(self) -> io::Result<Connection> {
        let nobody = Address::Unix(UnixName::Unnamed);
        Ok(Connection::between(self.socket.try_clone()?, DGRAM, nobody, self.local, true))
    }

    /// Whether more can be heard: those who wait have a bound, beyond which the socket's own queue holds the rest.
    pub(super) fn has_room(&self) -> bool {
        self.state.borrow().waiting.len() < WAITING
    }

    /// When to carry again at the latest.
    pub(super) fn until(&self) -> Option<Instant> {
        self.state.borrow().lines.iter().any(|line| !line.mail.is_empty()).then(|| Instant::now() + RETRY)
    }

    pub(super) fn holds_somebody(&self) -> bool {
        !self.state.borrow().waiting.is_empty()
    }
}

impl Line {
    /// Counts a datagram that is for it.
    fn count(&mut self, letter: &[u8], postal: Postal) {
        self.heard += 1;
        self.complete |= postal.empty_ends && letter.is_empty() || postal.most.is_some_and(|most| self.heard >= most);
    }

    /// Hands its mail in as far as it is taken; false where the conversation is over.
    fn carry(&mut self) -> bool {
        if sys::has_hung_up(self.entry.as_fd()) {
            return false;
        }
        while let Some(letter) = self.mail.front() {
            match self.entry.send_with_flags(letter, sys::NO_WAIT) {
                Ok(_) => drop(self.mail.pop_front()),
                Err(e) => return e.kind() == io::ErrorKind::WouldBlock,
            }
        }
        true
    }
}

/// The next datagram in the socket's queue.
fn receive(socket: &Socket) -> io::Result<Option<(Address, Vec<u8>)>> {
    let size = sys::waiting(socket.as_fd()).and_then(|size| usize::try_from(size).ok()).unwrap_or(0);
    let mut letter = Vec::with_capacity(size.max(1));
    match socket.recv_from_with_flags(letter.spare_capacity_mut(), sys::NO_WAIT) {
        Ok((n, sender)) => {
            // What was received is what the kernel said it would be: nobody else reads this socket.
            let sender = Address::of(&sender)?;
            sys::received(&mut letter, n);
            Ok(Some((sender, letter)))
        }
        Err(e) if e.kind() == io::ErrorKind::WouldBlock => Ok(None),
        Err(e) => Err(e),
    }
}

impl AsFd for Switch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
