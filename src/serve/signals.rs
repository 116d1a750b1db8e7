//! Signals as readable descriptors: they wait until they are read, and interrupt nobody. What a signal means is decided
//! by `stopping` and by whoever serves.

use std::cell::{Cell, OnceCell};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use crate::sys::bell::Bell;
use crate::sys::inbox::Inbox;
use crate::sys::{Signal, process};

const HANGUP: i32 = Signal::HUP.as_raw();
const INTERRUPT: i32 = Signal::INT.as_raw();
const TERMINATION: i32 = Signal::TERM.as_raw();
const QUESTION: i32 = Signal::USR1.as_raw();
const CHILD: i32 = Signal::CHILD.as_raw();

/// What a process needs to hear of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hearing {
    /// One conversation, or none: INT, TERM and HUP stop.
    One,
    /// Many: INT and TERM stop, HUP is passed on.
    Many,
    /// Many, in processes of their own: their ends are heard of too.
    Processes,
}

/// What a process is told by signals. They are blocked in all of its threads, and read by the one that has made this;
/// whoever is forked from it finds its own here, and has nothing to set up.
#[derive(Debug)]
pub struct Signals {
    stop: Inbox,
    /// HUP where that does not stop, the ends of children, and questions.
    bell: Inbox,
    hangup: Cell<bool>,
    child: Cell<bool>,
    question: Cell<bool>,
    last: Cell<Option<i32>>,
    stage: Cell<Stage>,
    /// Few processes have threads to tell, or are told to stop twice: made when they are asked for.
    stopping: OnceCell<Bell>,
    kill: OnceCell<Bell>,
}

/// How far a process has come with its signals.
#[derive(Clone, Copy, Debug, Default)]
struct Stage {
    /// It holds a conversation of a server's: a terminal's INT and the server's TERM are one wish.
    forked: bool,
    /// Signals to stop that were heard.
    stops: u32,
    /// The next signal to stop rings `kill`: in a forked process another one of this number.
    escalated: Option<i32>,
    killed: bool,
}

impl Signals {
    /// Takes over the signals. An INT or HUP that our caller had us ignore (a shell's background job, nohup(1)) stays
    /// ignored.
    pub fn new(hearing: Hearing) -> io::Result<Self> {
        process::set_default(CHILD);
        let is_server = hearing != Hearing::One;
        let stop = heard([(INTERRUPT, true), (TERMINATION, true), (HANGUP, !is_server)]);
        let bell = heard([(HANGUP, is_server), (QUESTION, true), (CHILD, hearing == Hearing::Processes)]);
        Ok(Self {
            stop: Inbox::of(&stop)?,
            bell: Inbox::of(&bell)?,
            hangup: Cell::default(),
            child: Cell::default(),
            question: Cell::default(),
            last: Cell::default(),
            stage: Cell::default(),
            stopping: OnceCell::new(),
            kill: OnceCell::new(),
        })
    }

    /// In a process that was forked from the one which has made this: what that one was told is not for us.
    pub fn begin_anew(&self) {
        self.last.set(None);
        for rang in [&self.hangup, &self.child, &self.question] {
            rang.set(false);
        }
        self.stage.set(Stage { forked: true, ..Stage::default() });
    }

    /// Notes what has come. Whoever is woken by `stop` or `bell`, and goes on, calls this before asking.
    pub fn hear(&self) {
        self.bell.empty(|signal| match signal {
            HANGUP => self.hangup.set(true),
            CHILD => self.child.set(true),
            _ => self.question.set(true),
        });
        self.stop.empty(|signal| {
            self.last.set(Some(signal));
            let Stage { stops, forked, escalated, .. } = self.stage.get();
            self.stage.set(Stage { stops: stops + 1, ..self.stage.get() });
            self.stopping.get().into_iter().for_each(Bell::ring);
            if escalated.is_some_and(|first| !forked || first == signal) {
                self.ring_kill();
            }
        });
    }

    /// Readable while a signal to stop has come that was not heard.
    pub fn stop(&self) -> BorrowedFd<'_> {
        self.stop.as_fd()
    }

    /// Readable while another signal has come that was not heard: HUP, where that does not stop, a child's end, where
    /// those are heard of, or USR1.
    pub fn bell(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }

    /// Readable for ever once a signal to stop has been heard: for other threads.
    pub fn stopping(&self) -> io::Result<BorrowedFd<'_>> {
        made(&self.stopping)
    }

    /// Readable for ever once everything must end at once.
    pub fn kill(&self) -> io::Result<BorrowedFd<'_>> {
        made(&self.kill)
    }

    /// Whether a HUP has been heard since the last question.
    pub fn take_hangup(&self) -> bool {
        self.hangup.take()
    }

    /// Whether the end of a child has been heard of since the last question.
    pub fn take_child(&self) -> bool {
        self.child.take()
    }

    /// Whether somebody was heard to ask since the last question how the conversations stand (USR1).
    pub fn take_question(&self) -> bool {
        self.question.take()
    }

    /// Whether a signal to stop has been heard.
    pub fn stopped(&self) -> bool {
        self.last.get().is_some()
    }

    /// Whether `kill` has rung.
    pub fn killed(&self) -> bool {
        self.stage.get().killed
    }

    /// From now on another signal to stop rings `kill`; at once, if two have been heard already.
    pub fn escalate(&self) {
        let stage = self.stage.get();
        if stage.escalated.is_some() {
            return;
        }
        self.stage.set(Stage { escalated: Some(self.last.get().unwrap_or_default()), ..stage });
        if !stage.forked && stage.stops > 1 {
            self.ring_kill();
        }
    }

    /// Rings `kill`: the time for finishing is over.
    pub fn ring_kill(&self) {
        self.stage.set(Stage { killed: true, ..self.stage.get() });
        self.kill.get().into_iter().for_each(Bell::ring);
    }

    /// The last signal that asked us to stop, heard or not.
    pub fn received(&self) -> Option<i32> {
        self.hear();
        self.last.get()
    }
}

/// Those of the signals that are wanted, and that our caller does not have us ignore.
fn heard(signals: [(i32, bool); 3]) -> Vec<i32> {
    let is_heard = |signal: i32| !matches!(signal, INTERRUPT | HANGUP) || !process::is_ignored(signal);
    let wanted = signals.into_iter().filter(|&(signal, wanted)| wanted && is_heard(signal));
    wanted.map(|(signal, _)| signal).collect()
}

/// A bell that is made when it is first asked for.
fn made(bell: &OnceCell<Bell>) -> io::Result<BorrowedFd<'_>> {
    if bell.get().is_none() {
        // Nobody else can have come first.
        let _ = bell.set(Bell::new()?);
    }
    bell.get().map(AsFd::as_fd).ok_or_else(|| io::Error::other("there is no bell"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::{self, PollFlags};

    fn rings(bell: BorrowedFd<'_>) -> bool {
        !sys::ready(bell, PollFlags::IN).is_empty()
    }

    /// They wait until they are heard, and a second one to stop is another wish than the first.
    #[test]
    fn what_has_come_is_noted_when_it_is_heard() {
        let signals = Signals::new(Hearing::Processes).unwrap();
        for signal in [HANGUP, QUESTION, CHILD] {
            process::raise(signal);
        }
        assert!(rings(signals.bell()) && !rings(signals.stop()));
        assert!(!signals.take_hangup(), "nobody has heard it");
        signals.hear();
        assert!(!rings(signals.bell()));
        assert!(signals.take_hangup() && signals.take_question() && signals.take_child());
        assert!(!signals.take_hangup() && !signals.take_question() && !signals.take_child() && !signals.stopped());
        let stopping = signals.stopping().unwrap();
        process::raise(TERMINATION);
        assert!(rings(signals.stop()) && !rings(signals.bell()) && !rings(stopping));
        assert_eq!(signals.received(), Some(TERMINATION));
        assert!(!rings(signals.stop()) && rings(stopping));
        signals.escalate();
        assert!(!signals.killed());
        process::raise(INTERRUPT);
        signals.hear();
        assert!(signals.killed() && rings(stopping));
    }

    /// Who comes to the bell late finds it ringing.
    #[test]
    fn a_bell_rings_for_ever() {
        let signals = Signals::new(Hearing::Many).unwrap();
        let kill = signals.kill().unwrap();
        assert!(!rings(kill));
        process::raise(INTERRUPT);
        signals.hear();
        process::raise(TERMINATION);
        signals.hear();
        signals.escalate();
        assert!(signals.killed() && rings(kill));
    }

    /// A terminal's INT comes to a forked process too, and so does the server's TERM: one wish.
    #[test]
    fn in_a_forked_process_only_the_same_signal_counts_twice() {
        let signals = Signals::new(Hearing::Processes).unwrap();
        process::raise(INTERRUPT);
        signals.hear();
        signals.begin_anew();
        assert!(!signals.stopped(), "that was the server's");
        let again = |signal| {
            process::raise(signal);
            signals.hear();
            (signals.stopped(), signals.killed())
        };
        assert_eq!(again(INTERRUPT), (true, false));
        signals.escalate();
        assert_eq!(again(TERMINATION), (true, false));
        assert_eq!(again(INTERRUPT), (true, true));
    }
}
