//! The ends of a flow: what `source` and `sink` are made of. It moves nothing.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

pub use super::sink::{Finish, Post, Reader, Sink};
pub use super::source::{Packets, Source};

/// A descriptor that a flow uses: somebody else's, or its own to close.
#[derive(Debug)]
pub enum Handle<'a> {
    /// Open longer than the flow; closed by its owner.
    Lent(BorrowedFd<'a>),
    /// Closed with the flow, or when it ends.
    Own(OwnedFd),
}

impl AsFd for Handle<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Handle::Lent(fd) => *fd,
            Handle::Own(fd) => fd.as_fd(),
        }
    }
}

/// What went wrong, and at which end.
#[derive(Debug)]
pub enum Fault {
    /// The source could not be read.
    Source(io::Error),
    /// The sink could not be written.
    Sink(io::Error),
}
