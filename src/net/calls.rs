//! What calls somebody away who waits for the network: a bell, or the loss of the one on whose behalf it waits. It waits
//! for nothing itself.

use std::os::fd::BorrowedFd;

use crate::sys::{self, PollFd, PollFlags};

/// What calls away.
#[derive(Clone, Copy, Debug, Default)]
pub struct Calls<'a> {
    /// Descriptors that become readable.
    pub bells: &'a [BorrowedFd<'a>],
    /// A socket whose peer may be gone altogether: an error, or a hang-up after which nothing is left to be handed on.
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
        let partner = self.partner.filter(|fd| !has_left_something(*fd));
        bells.chain(partner.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::empty())))
    }
}

/// Whether a peer that ended in order, and is gone, has left something to be handed on.
pub fn has_left_something(socket: BorrowedFd<'_>) -> bool {
    let events = sys::ready(socket, PollFlags::empty());
    events.contains(PollFlags::HUP) && !events.contains(PollFlags::ERR) && sys::waiting(socket) != Some(0)
}
