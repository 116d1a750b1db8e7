//! A command under way for a conversation, and how its end is hastened: TERM first, KILL when its grace is over. It
//! waits for nothing itself; who polls its descriptor does.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use crate::handler::command::Running;
use crate::relay::Deadline;
use crate::sys::Signal;
use crate::sys::process::Ended;

/// Why a command's conversation ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The command ended by itself.
    InOrder,
    /// The deadline came first.
    TimedOut,
    /// It was called off, or its conversation failed.
    CalledOff,
}

/// A command under way.
#[derive(Debug)]
pub(crate) struct Errand {
    command: Running,
    deadline: Option<Deadline>,
    grace: Duration,
    kill_at: Option<Instant>,
    pub(crate) verdict: Verdict,
}

impl Errand {
    /// `grace` is what the command has between TERM and KILL.
    pub(crate) fn new(command: Running, deadline: Option<Deadline>, grace: Duration) -> Self {
        Self { command, deadline, grace, kill_at: None, verdict: Verdict::InOrder }
    }

    /// Ends the command: TERM now, KILL after its grace; when that is.
    pub(crate) fn hasten(&mut self, verdict: Verdict) -> Instant {
        if let Some(at) = self.kill_at {
            return at;
        }
        let at = Instant::now() + self.grace;
        (self.verdict, self.kill_at) = (verdict, Some(at));
        self.command.signal(Signal::TERM);
        at
    }

    /// Does what is due by now.
    pub(crate) fn tick(&mut self) {
        let now = Instant::now();
        if self.deadline.is_some_and(|deadline| now >= deadline.at) {
            self.hasten(Verdict::TimedOut);
        }
        if self.kill_at.is_some_and(|at| now >= at) {
            self.command.signal(Signal::KILL);
            // It is only a matter of moments now.
            self.kill_at = Some(now + Duration::from_secs(1));
        }
    }

    /// When to tick next.
    pub(crate) fn until(&self) -> Option<Instant> {
        self.kill_at.or(self.deadline.map(|deadline| deadline.at))
    }

    /// The process.
    pub(crate) fn command(&self) -> &Running {
        &self.command
    }

    /// The command has ended: reaps it. Fails, with the status of a shell, where it could not be executed at all.
    pub(crate) fn reap(&self) -> anyhow::Result<Ended> {
        self.command.reap()
    }
}

impl AsFd for Errand {
    /// Readable once the command has ended.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.command.as_fd()
    }
}
