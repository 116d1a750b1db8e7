//! Those who have been admitted and have yet to tell who called (`--proxy-protocol accept`): nobody waits for them. It
//! reads no header itself, and serves nobody.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

use super::Admitted;
use super::admission::Admission;
use crate::net::connection::Connection;
use crate::net::greeting::{Greeted, Greeting};
use crate::sys::{PollFd, PollFlags};
use crate::trace::{Event, Log};

/// Those who stand there.
#[derive(Debug, Default)]
pub(super) struct Porch {
    waiting: Vec<(Greeting, usize)>,
    /// Of each, whether it has said something.
    rang: Vec<bool>,
}

impl Porch {
    /// One more, who has been admitted.
    pub(super) fn enter(&mut self, (peer, number): Admitted) {
        self.waiting.push((Greeting::new(peer), number));
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Sends everybody away.
    pub(super) fn clear(&mut self) {
        self.waiting.clear();
        self.rang.clear();
    }

    /// What to poll.
    pub(super) fn bells(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.waiting.iter().map(|(greeting, _)| greeting.as_fd())
    }

    /// What poll(2) said of them.
    pub(super) fn note(&mut self, rang: Vec<bool>) {
        self.rang = rang;
    }

    /// When to ask for the next one at the latest.
    pub(super) fn until(&self) -> Option<Instant> {
        self.waiting.iter().map(|(greeting, _)| greeting.until()).min()
    }

    /// The next who has told who called. Those who will not are closed, told nothing, and mentioned.
    pub(super) fn next(&mut self, admission: &mut Admission, log: &Log) -> Option<Admitted> {
        let (now, mut found) = (Instant::now(), None);
        let mut rang = std::mem::take(&mut self.rang).into_iter();
        for (greeting, number) in std::mem::take(&mut self.waiting) {
            let due = rang.next().unwrap_or_default() || now >= greeting.until();
            if found.is_some() || !due {
                self.waiting.push((greeting, number));
                continue;
            }
            match greeting.advance() {
                Greeted::Waiting(greeting) => self.waiting.push((*greeting, number)),
                Greeted::Told(peer) => found = Some((peer, number)),
                Greeted::Refused(peer, why) => {
                    admission.leave(peer.door());
                    refuse(&peer, why, log);
                }
            }
        }
        found
    }
}

/// Mentions somebody who is closed at once.
pub(super) fn refuse(peer: &Connection, why: &str, log: &Log) {
    let (name, transport) = (peer.name().to_string(), peer.transport.word());
    log.say(&Event::Refused { peer: &name, transport, why });
}

/// Which of what was polled rang.
pub(super) fn rang(fds: &[PollFd<'_>]) -> Vec<bool> {
    fds.iter().map(|fd| fd.revents() != PollFlags::empty()).collect()
}
