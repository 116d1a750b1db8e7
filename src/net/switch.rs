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
    /// Those that wait to be taken: a descriptor is needed only then, and who cannot have one goes on waiting.
    waiting: VecDeque<Call>,
}

/// A conversation that waits to be taken.
#[derive(Debug)]
struct Call {
    sender: Address,
    mail: VecDeque<Vec<u8>>,
    count: Count,
}

/// What a conversation has had.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    /// Datagrams for it so far.
    heard: u64,
    /// It has had its last: what comes from the same sender now opens another.
    complete: bool,
}

/// The way into one conversation. A pair of sequenced-packet sockets shows its end, which datagrams do not. It stays
/// until its conversation is over, which would take the entry's end for a peer that is gone.
#[derive(Debug)]
struct Line {
    sender: Address,
    entry: Socket,
    mail: VecDeque<Vec<u8>>,
    count: Count,
}

impl Switch {
    pub(super) fn new(socket: Socket, local: Address, postal: Postal, activated: bool) -> Self {
        Self { socket: Arc::new(socket), local, postal, activated, state: RefCell::default() }
    }

    /// The next sender that has no conversation. Where that fails it goes on waiting.
    pub(super) fn accept(&self) -> io::Result<Option<Connection>> {
        if !self.holds_somebody() {
            self.hear()?;
        }
        let mut state = self.state.borrow_mut();
        let Some(call) = state.waiting.pop_front() else { return Ok(None) };
        match self.open(&call, &mut state.lines) {
            Ok(connection) => {
                connection.mail.borrow_mut().extend(call.mail);
                if self.postal.only {
                    self.drop_others(&connection)?;
                }
                Ok(Some(connection))
            }
            Err(e) => {
                state.waiting.push_front(call);
                Err(e)
            }
        }
    }

    /// The others are refused from now on, and dropped as far as they have come.
    fn drop_others(&self, one: &Connection) -> io::Result<()> {
        while let Some((sender, letter)) = receive(&self.socket)? {
            if sender == one.peer {
                one.mail.borrow_mut().push_back(letter);
            }
        }
        Ok(())
    }

    /// Takes what has come: to its conversation, or to those who wait for one.
    pub(super) fn hear(&self) -> io::Result<()> {
        let mut state = self.state.borrow_mut();
        let State { lines, waiting } = &mut *state;
        lines.retain_mut(|line| line.mail.is_empty() || line.carry());
        while waiting.len() < WAITING {
            let Some((sender, letter)) = receive(&self.socket)? else { break };
            if self.postal.only
                && let Some(first) = waiting.front_mut()
            {
                // One conversation only: the others are dropped as far as they have come.
                if first.sender == sender {
                    first.mail.push_back(letter);
                }
                continue;
            }
            let alone = self.is_alone(&sender);
            let call = waiting.iter_mut().find(|call| call.sender == sender && !call.count.complete && !alone);
            if let Some(call) = call {
                call.count.add(&letter, &self.postal);
                call.mail.push_back(letter);
                continue;
            }
            let line = lines.iter().position(|line| line.sender == sender && !line.count.complete && !alone);
            let letter = match line {
                None => letter,
                Some(at) => {
                    lines[at].count.add(&letter, &self.postal);
                    lines[at].mail.push_back(letter);
                    if lines[at].carry() {
                        continue;
                    }
                    // Its conversation is over: the letter opens a new one.
                    lines.swap_remove(at).mail.pop_back().unwrap_or_default()
                }
            };
            let mut count = Count::default();
            count.add(&letter, &self.postal);
            waiting.push_back(Call { sender, mail: VecDeque::from([letter]), count });
        }
        Ok(())
    }

    /// Whether each datagram of a sender is a conversation.
    fn is_alone(&self, sender: &Address) -> bool {
        self.postal.each || *sender == Address::Unix(UnixName::Unnamed)
    }

    fn open(&self, call: &Call, lines: &mut Vec<Line>) -> io::Result<Connection> {
        let Call { sender, count, .. } = call;
        let between = |socket| Connection::between(socket, DGRAM, sender.clone(), self.local.clone(), true);
        let connection = if self.is_alone(sender) {
            let mut connection = between(self.socket.try_clone()?);
            connection.is_one_datagram = true;
            connection
        } else if self.postal.only {
            let socket = self.socket.try_clone()?;
            // From now on the kernel refuses everybody else.
            self.socket.connect(&sender.to_socket()?)?;
            let mut connection = between(socket);
            connection.bond = self.activated.then(|| Bond(Arc::clone(&self.socket)));
            connection
        } else {
            let (entry, exit) = Socket::pair(Domain::UNIX, Type::SEQPACKET, None)?;
            lines.retain(|line| !sys::has_hung_up(line.entry.as_fd()));
            lines.push(Line { sender: sender.clone(), entry, mail: VecDeque::new(), count: *count });
            let mut connection = between(exit);
            connection.ends_with_its_listener = true;
            connection
        };
        Ok(self.addressed(connection, sender))
    }

    /// The connection, answered from the common socket.
    fn addressed(&self, mut connection: Connection, sender: &Address) -> Connection {
        connection.credentials = None;
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

impl Count {
    /// Counts a datagram.
    fn add(&mut self, letter: &[u8], postal: &Postal) {
        self.heard += 1;
        self.complete |= postal.empty_ends && letter.is_empty() || postal.most.is_some_and(|most| self.heard >= most);
    }
}

impl Line {
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
    // Nobody else reads this socket: what is received is what the kernel said it would be.
    let mut letter = Vec::new();
    let room = sys::next_packet(socket.as_fd()).map(|size| letter.reserve_exact(size));
    match room.and_then(|()| socket.recv_from_with_flags(letter.spare_capacity_mut(), sys::NO_WAIT)) {
        Ok((n, sender)) => {
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
