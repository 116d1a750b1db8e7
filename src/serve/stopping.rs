//! From the first signal to the last conversation: what is passed on, what is waited for, and when it is enough.
//! It accepts nobody and ends no conversation itself; it rings the bells.

use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use super::notice::Notice;
use super::signals::Signals;
use crate::handler::command::Roster;
use crate::sys::Signal;

/// What a process that should have ended at TERM is given before KILL.
const LAST_GRACE: Duration = Duration::from_secs(2);

/// Between two tellings of the same: signals of one kind that meet are one, so a second may be taken for the first.
const AGAIN: Duration = Duration::from_millis(100);

/// How far it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Nobody has asked.
    Serving,
    /// Nobody is accepted any more, conversations finish.
    Graceful,
    /// Everything ends now.
    AtOnce,
}

/// How a server stops.
#[derive(Debug)]
pub struct Stopping<'s> {
    signals: &'s Signals,
    roster: Roster,
    grace: Duration,
    phase: Phase,
    until: Option<Instant>,
    /// When KILL comes to what is still there.
    last: Option<Instant>,
    notice: Notice,
}

impl<'s> Stopping<'s> {
    /// Nobody has asked yet. The processes of `roster` are told when somebody does, `grace` before they must be gone.
    pub fn new(signals: &'s Signals, roster: Roster, grace: Duration) -> Self {
        Self { signals, roster, grace, phase: Phase::Serving, until: None, last: None, notice: Notice::default() }
    }

    /// The same, and whoever is to be told of a stop.
    #[must_use]
    pub fn telling(self, notice: Notice) -> Self {
        Self { notice, ..self }
    }

    /// How far it has come.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// The descriptors to poll; when one is readable, `hear` is to be called, and `heed`, which also is when `until` has
    /// come.
    pub fn bells(&self) -> Vec<BorrowedFd<'s>> {
        match self.phase {
            Phase::Serving | Phase::Graceful => vec![self.signals.stop(), self.signals.bell()],
            Phase::AtOnce => vec![self.signals.bell()],
        }
    }

    /// When to call `heed` at the latest.
    pub fn until(&self) -> Option<Instant> {
        self.until
    }

    /// Stops without a signal: there is nothing left to serve for.
    pub fn ask(&mut self) {
        if self.phase == Phase::Serving {
            self.begin();
        }
    }

    /// A bell has rung: notes why.
    pub fn hear(&self) {
        self.signals.hear();
    }

    /// Whether somebody has asked since the last question how the conversations stand.
    pub fn take_question(&self) -> bool {
        self.signals.take_question()
    }

    /// Sees to what has happened, and tells how far it has come.
    pub fn heed(&mut self) -> Phase {
        if self.signals.take_hangup() {
            self.roster.signal(Signal::HUP);
        }
        if self.phase == Phase::Serving && self.signals.stopped() {
            self.begin();
        }
        let due = self.until.is_some_and(|at| Instant::now() >= at);
        match self.phase {
            Phase::Graceful if due || self.signals.killed() => {
                self.phase = Phase::AtOnce;
                self.last = Some(Instant::now() + LAST_GRACE);
                self.until = Some(Instant::now() + AGAIN);
                self.roster.end();
                self.signals.ring_kill();
            }
            Phase::AtOnce if due && self.last.is_some_and(|last| Instant::now() < last) => {
                self.until = Some(Instant::now() + AGAIN);
                self.roster.end();
            }
            Phase::AtOnce if due => {
                self.until = None;
                self.roster.signal(Signal::KILL);
            }
            _ => {}
        }
        self.phase
    }

    fn begin(&mut self) {
        self.phase = Phase::Graceful;
        self.notice.stopping();
        self.until = Instant::now().checked_add(self.grace);
        self.signals.escalate();
        self.roster.dismiss();
    }
}
