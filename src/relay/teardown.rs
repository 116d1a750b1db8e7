//! The last close of a socket, such that it never destroys what we sent: half-close, read and drop what still comes,
//! close. (Closing a TCP socket with unread input sends RST, and RST can destroy what the peer has not read yet.)
//! It does not close the socket: its owner does, by dropping it.

use std::io;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use crate::sys::{self, Manner, passage};

/// How long the peer may be silent before we close on it.
const SILENCE: Duration = Duration::from_secs(1);

/// How long it may talk on.
const LONGEST: Duration = Duration::from_secs(30);

/// Between two looks at what is acknowledged, which wakes no poll(2).
const LOOK: Duration = Duration::from_millis(5);

/// Bytes dropped at a time.
const PIECE: usize = 64 * 1024;

/// Pieces dropped before anybody else has a turn: a signal, or who is to learn that they are dropped.
const TURN: usize = 16;

/// How much the peer is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// Until its EOF, 1 s without a byte, which is more while TCP has not got all that we sent across, or 30 s in all.
    Full,
    /// Until its EOF, or all that we sent is acknowledged and what came is read; 1 s at most.
    Brief,
}

/// A socket that is being finished.
#[derive(Debug)]
pub struct Teardown {
    patience: Patience,
    /// Not acknowledged when it began, our FIN included.
    outstanding: u64,
    silent_since: Instant,
    longest: Instant,
    over: bool,
    heard_the_end: bool,
    dropped: bool,
    failure: Option<io::Error>,
}

impl Teardown {
    /// Half-closes `peer` and begins to hear it out.
    pub fn begin(peer: BorrowedFd<'_>, patience: Patience) -> Self {
        let now = Instant::now();
        // What fails here is a socket that is finished already; the first read says so.
        let _ = sys::shutdown_write(peer);
        let longest = if patience == Patience::Full { LONGEST } else { SILENCE };
        let (silent_since, longest, outstanding) = (now, now + longest, sys::unacknowledged(peer));
        let (over, heard_the_end, dropped, failure) = (false, false, false, None);
        Self { patience, outstanding, silent_since, longest, over, heard_the_end, dropped, failure }
    }

    /// The peer is given no more than is brief, from now on.
    pub fn hasten(&mut self) {
        if std::mem::replace(&mut self.patience, Patience::Brief) == Patience::Full {
            self.longest = self.longest.min(Instant::now() + SILENCE);
        }
    }

    /// Reads and drops what is there, or so much of it that somebody else should have a turn; true when the socket can be
    /// closed.
    pub fn advance(&mut self, peer: BorrowedFd<'_>) -> bool {
        let mut dropped = Vec::with_capacity(PIECE);
        for _ in 0..TURN {
            if self.over {
                break;
            }
            dropped.clear();
            match sys::read(peer, Manner::DontWait, &mut dropped) {
                Ok(1..) => (self.silent_since, self.dropped) = (Instant::now(), true),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
                Ok(0) => (self.over, self.heard_the_end) = (true, true),
                Err(e) => (self.over, self.failure) = (true, Some(e)),
            }
            self.over |= Instant::now() >= self.longest;
        }
        if Instant::now() >= self.bound() && passage::is_tcp(peer) && sys::unacknowledged(peer) > 0 {
            // What is still on its way would be lost if the peer, which does not listen just now, spoke then. Between
            // unix sockets it has arrived already.
            self.silent_since = Instant::now();
        }
        let heard_enough = self.patience == Patience::Brief && sys::unacknowledged(peer) == 0;
        self.over |= heard_enough || Instant::now() >= self.bound();
        self.over
    }

    /// Whether the peer's end has been read.
    pub fn heard_the_end(&self) -> bool {
        self.heard_the_end
    }

    /// Whether the peer has said something that nobody was there to hear.
    pub fn has_dropped(&self) -> bool {
        self.dropped
    }

    /// Whether nothing more is read.
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// Whether the peer was waited for, and its TCP has taken nothing all that time of what was on its way to it; our FIN
    /// alone does not count.
    pub fn was_in_vain(&self, peer: BorrowedFd<'_>) -> bool {
        !self.heard_the_end
            && self.outstanding > 1
            && passage::is_tcp(peer)
            && sys::unacknowledged(peer) >= self.outstanding
    }

    /// Why the peer's end has not been read: its RST, mostly.
    pub fn take_failure(&mut self) -> Option<io::Error> {
        self.failure.take()
    }

    /// When to advance again, readable or not.
    pub fn until(&self) -> Instant {
        match self.patience {
            Patience::Full => self.bound(),
            Patience::Brief => self.bound().min(Instant::now() + LOOK),
        }
    }

    fn bound(&self) -> Instant {
        self.longest.min(self.silent_since + SILENCE)
    }
}
