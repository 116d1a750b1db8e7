//! Descriptors by which threads tell each other, across poll(2), that something is there and that there is room. What
//! is there, and for whom, is theirs to know.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Mutex, PoisonError};

use rustix::event::{EventfdFlags, eventfd};
use rustix::pipe::{PipeFlags, pipe_with};

use super::again;

/// Readable once it has been rung, until it is silenced.
#[derive(Debug)]
pub struct Bell(OwnedFd);

impl Bell {
    /// A bell that is silent.
    pub fn new() -> io::Result<Self> {
        Ok(Self(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?))
    }

    /// Rings it; once more changes nothing.
    pub fn ring(&self) {
        // What fails here is a counter that is full: it rings already.
        let _ = again(|| rustix::io::write(&self.0, &1u64.to_ne_bytes()));
    }

    /// Silences it.
    pub fn silence(&self) {
        let _ = again(|| rustix::io::read(&self.0, &mut [0u8; 8]));
    }
}

impl AsFd for Bell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Writable while there is room behind it, and in error once there is nobody. Nothing is to be written to it.
#[derive(Debug)]
pub struct Turnstile {
    /// A pipe's end, as writable as the pipe is empty.
    entry: OwnedFd,
    inside: Mutex<Option<Inside>>,
}

#[derive(Debug)]
struct Inside {
    reader: OwnedFd,
    open: bool,
}

impl Turnstile {
    /// A turnstile that is open, or shut.
    pub fn new(open: bool) -> io::Result<Self> {
        let (reader, entry) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        // A page is what it takes to be full. It works with more.
        let _ = rustix::pipe::fcntl_setpipe_size(&entry, 1);
        let this = Self { entry, inside: Mutex::new(Some(Inside { reader, open: true })) };
        this.set(open);
        Ok(this)
    }

    /// Opens it, or shuts it.
    pub fn set(&self, open: bool) {
        let mut inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(inside) = inside.as_mut().filter(|inside| inside.open != open) else { return };
        inside.open = open;
        let mut page = [0u8; super::PIPE_BUF];
        if open {
            while again(|| rustix::io::read(&inside.reader, &mut page)).is_ok_and(|n| n > 0) {}
        } else {
            while again(|| rustix::io::write(&self.entry, &page)).is_ok() {}
        }
    }

    /// There is nobody behind it any more, for good.
    pub fn desert(&self) {
        *self.inside.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl AsFd for Turnstile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.entry.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{PollFlags, ready};
    use super::*;

    #[test]
    fn a_bell_rings_until_it_is_silenced() {
        let bell = Bell::new().unwrap();
        let rings = || !ready(bell.as_fd(), PollFlags::IN).is_empty();
        assert!(!rings());
        bell.ring();
        bell.ring();
        assert!(rings());
        bell.silence();
        bell.silence();
        assert!(!rings());
    }

    #[test]
    fn a_turnstile_is_open_shut_or_deserted() {
        let turnstile = Turnstile::new(false).unwrap();
        let polled = || ready(turnstile.as_fd(), PollFlags::OUT);
        for _ in 0..3 {
            assert_eq!(polled(), PollFlags::empty());
            turnstile.set(true);
            assert_eq!(polled(), PollFlags::OUT);
            turnstile.set(false);
        }
        turnstile.desert();
        turnstile.set(true);
        assert!(polled().contains(PollFlags::ERR));
    }
}
