//! What calls somebody away who waits for the network: a bell, or the loss of the one on whose behalf it waits. It polls
//! nothing itself.

use std::os::fd::BorrowedFd;

use crate::sys::{PollFd, PollFlags};

/// What calls away.
#[derive(Clone, Copy, Debug, Default)]
pub struct Calls<'a> {
    /// Descriptors that become readable.
    pub bells: &'a [BorrowedFd<'a>],
    /// A socket whose peer may be gone altogether: an error or a hang-up.
    pub partner: Option<BorrowedFd<'a>>,
}

impl<'a> Calls<'a> {
    /// Nothing but these bells.
    pub fn of(bells: &'a [BorrowedFd<'a>]) -> Self {
        Self { bells, partner: None }
    }

    /// What is to be polled; whatever is answered is a call.
    pub fn polled(self) -> impl Iterator<Item = PollFd<'a>> {
        let bells = self.bells.iter().map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN));
        bells.chain(self.partner.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::empty())))
    }
}
