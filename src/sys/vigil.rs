//! A watch over many sockets for their loss only: whoever waits polls one descriptor, however many there are, and is
//! woken by nothing else (epoll(7)). What the loss of one means is decided elsewhere.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};

/// Losses that are told at once.
const AT_ONCE: usize = 64;

/// The watch.
#[derive(Debug)]
pub struct Vigil(OwnedFd);

impl Vigil {
    /// Nothing is watched yet.
    pub fn new() -> io::Result<Self> {
        Ok(Self(epoll::create(CreateFlags::CLOEXEC)?))
    }

    /// Watches a socket; its loss is told once, by `key`. It must be taken off before it is closed: others may hold it.
    pub fn add(&self, socket: BorrowedFd<'_>, key: u64) -> io::Result<()> {
        // No event is asked for: an error and a hang-up are always told.
        Ok(epoll::add(&self.0, socket, EventData::new_u64(key), EventFlags::ONESHOT)?)
    }

    /// Watches it no more.
    pub fn remove(&self, socket: BorrowedFd<'_>) {
        // One that was never watched is not watched now.
        let _ = epoll::delete(&self.0, socket);
    }

    /// The keys of those that have been lost since the last question.
    pub fn lost(&self) -> Vec<u64> {
        let mut events = Vec::with_capacity(AT_ONCE);
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        match epoll::wait(&self.0, spare_capacity(&mut events), Some(&at_once)) {
            Ok(_) => events.iter().map(|event| event.data.u64()).collect(),
            Err(_) => Vec::new(),
        }
    }
}

impl AsFd for Vigil {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
