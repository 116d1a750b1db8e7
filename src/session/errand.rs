//! A command under way for a conversation, and how its end is hastened: HUP where its client is gone, then TERM, KILL when
//! its grace is over. It waits for nothing itself; who polls its descriptor does.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use super::Terms;
use crate::handler::command::Running;
use crate::relay::Deadline;
use crate::sys::process::Ended;
use crate::sys::{self, PollFlags, Signal};

/// What a command has between TERM and KILL when its client is gone; and between two KILLs, which are a matter of moments.
const LAST_GRACE: Duration = Duration::from_secs(1);

/// Why a command's conversation ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The command ended by itself.
    InOrder,
    /// The client was gone, and the command ran on.
    HungUp,
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
    /// Between TERM and KILL where it is called off.
    grace: Duration,
    /// Between HUP and TERM where its client is gone; None where it is left to itself.
    hangup_grace: Option<Duration>,
    /// What it gets next, and when.
    next: Option<(Instant, Signal)>,
    /// How it ended, once it is reaped: its number may be another's then.
    ended: Option<anyhow::Result<Ended>>,
    pub(crate) verdict: Verdict,
}

impl Errand {
    /// A command that has just been started.
    pub(crate) fn new(command: Running, deadline: Option<Deadline>, terms: &Terms) -> Self {
        let (grace, hangup_grace) = (terms.command_grace, terms.hangup_grace);
        Self { command, deadline, grace, hangup_grace, next: None, ended: None, verdict: Verdict::InOrder }
    }

    /// Whether it is told when its client is gone.
    pub(crate) fn is_supervised(&self) -> bool {
        self.hangup_grace.is_some()
    }

    /// Ends the command: TERM now, KILL after its grace; when that is.
    pub(crate) fn hasten(&mut self, verdict: Verdict) -> Instant {
        if let Some((at, Signal::KILL)) = self.next {
            return at;
        }
        let at = Instant::now() + self.grace;
        if self.ended.is_none() {
            (self.verdict, self.next) = (verdict, Some((at, Signal::KILL)));
            self.command.signal(Signal::TERM);
        }
        at
    }

    /// The client is gone: if the command runs on at `at` it gets HUP, and in the end KILL.
    pub(crate) fn hang_up(&mut self, at: Instant) {
        if self.is_supervised() && self.next.is_none() {
            self.next = Some((at, Signal::HUP));
        }
    }

    /// The client is lost: if the command runs on at `at` it gets HUP as above, or TERM where nobody supervises it.
    pub(crate) fn give_up(&mut self, at: Instant) {
        self.hang_up(at);
        self.next.get_or_insert((at, Signal::TERM));
    }

    /// Does what is due by now; the signal that the command got because its client is gone.
    pub(crate) fn tick(&mut self) -> Option<&'static str> {
        if self.ended.is_some() {
            return None;
        }
        let now = Instant::now();
        if self.deadline.is_some_and(|deadline| now >= deadline.at) {
            self.hasten(Verdict::TimedOut);
        }
        let (_, signal) = self.next.filter(|(at, _)| now >= *at)?;
        self.command.signal(signal);
        let (after, next, name) = match signal {
            Signal::HUP => (self.hangup_grace.unwrap_or_default(), Signal::TERM, "HUP"),
            Signal::TERM => (LAST_GRACE, Signal::KILL, "TERM"),
            _ => (LAST_GRACE, Signal::KILL, "KILL"),
        };
        self.next = now.checked_add(after).map(|at| (at, next));
        if signal == Signal::HUP {
            self.verdict = Verdict::HungUp;
        }
        (self.verdict == Verdict::HungUp).then_some(name)
    }

    /// When to tick next.
    pub(crate) fn until(&self) -> Option<Instant> {
        let killed = matches!(self.next, Some((_, Signal::KILL)));
        let deadline = self.deadline.filter(|_| !killed).map(|deadline| deadline.at);
        [self.next.map(|(at, _)| at), deadline].into_iter().flatten().min()
    }

    /// The process.
    pub(crate) fn command(&self) -> &Running {
        &self.command
    }

    /// Readable once the command has ended; None when it has been reaped.
    pub(crate) fn awaited(&self) -> Option<BorrowedFd<'_>> {
        self.ended.is_none().then(|| self.command.as_fd())
    }

    /// Whether the command has ended and is not reaped yet.
    pub(crate) fn has_ended(&self) -> bool {
        self.awaited().is_some_and(|end| !sys::ready(end, PollFlags::IN).is_empty())
    }

    /// The command has ended: reaps it, and remembers how.
    pub(crate) fn reap(&mut self) {
        self.ended.get_or_insert_with(|| self.command.reap());
    }

    /// How the command ended, which it has. Fails, with the status of a shell, where it could not be executed at all.
    pub(crate) fn end(self) -> anyhow::Result<Ended> {
        self.ended.unwrap_or_else(|| self.command.reap())
    }
}

impl AsFd for Errand {
    /// Readable once the command has ended.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.command.as_fd()
    }
}
