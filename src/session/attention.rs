//! What a conversation heeds besides its bytes: bells that ring, times that come, and whoever answers then. It does not
//! know what is meant by any of them.

use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use crate::sys::{self, PollFd, PollFlags};

/// How long a conversation waits when something is lacking before it tries again.
const SHORTAGE: Duration = Duration::from_millis(100);

/// What can call a conversation away from its bytes: descriptors that become readable, a time that comes.
#[derive(Debug, Default)]
pub struct Watch<'a> {
    /// Polled beside the conversation.
    pub bells: Vec<BorrowedFd<'a>>,
    /// When to ask at the latest.
    pub until: Option<Instant>,
}

/// The answer to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// Nothing that concerns this conversation, or not yet.
    GoOn,
    /// End it now.
    End,
}

/// Whom to ask when a bell rings; it may change what is watched.
pub struct Attention<'a, 'b> {
    /// What is watched.
    pub watch: Watch<'a>,
    /// Who answers.
    pub answer: &'b mut dyn FnMut(&mut Watch<'a>) -> Call,
}

/// What ended a wait.
pub(super) enum Waited {
    Ready,
    Lost,
    Call(Call),
    Time,
}

impl Attention<'_, '_> {
    /// Something is lacking that may come back: lets a moment pass. False where the conversation is called off.
    pub(super) fn rest(&mut self) -> bool {
        let until = Instant::now() + SHORTAGE;
        loop {
            let bells = self.watch.bells.iter().map(|bell| PollFd::from_borrowed_fd(*bell, PollFlags::IN));
            let bound = self.watch.until.map_or(until, |at| at.min(until));
            let rung = sys::poll(&mut bells.collect::<Vec<_>>(), Some(bound)).is_ok_and(|n| n > 0);
            let due = self.watch.until.is_some_and(|at| Instant::now() >= at);
            if (rung || due) && self.ask() == Call::End {
                return false;
            }
            if Instant::now() >= until {
                return true;
            }
        }
    }

    pub(super) fn ask(&mut self) -> Call {
        (self.answer)(&mut self.watch)
    }

    /// Waits for `fd` to be readable, `watched` to be lost, a bell, or `until`.
    pub(super) fn wait(
        &mut self,
        fd: BorrowedFd<'_>,
        watched: Option<BorrowedFd<'_>>,
        until: Option<Instant>,
    ) -> Waited {
        let bound = [until, self.watch.until].into_iter().flatten().min();
        let bells = self.watch.bells.iter().copied();
        let heard = std::iter::once(fd).chain(bells).map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN));
        let watched = watched.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::empty()));
        let mut fds: Vec<_> = heard.chain(watched).collect();
        let failed = sys::poll(&mut fds, bound).is_err();
        let ready = |fd: &PollFd<'_>| !fd.revents().is_empty();
        let end = 1 + self.watch.bells.len();
        if fds[1..end].iter().any(ready) || failed || self.watch.until.is_some_and(|at| Instant::now() >= at) {
            return Waited::Call(if failed { Call::End } else { self.ask() });
        }
        match (ready(&fds[0]), fds.get(end).is_some_and(ready)) {
            (true, _) => Waited::Ready,
            (false, true) => Waited::Lost,
            (false, false) => Waited::Time,
        }
    }
}
