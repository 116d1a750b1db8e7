//! Signals as readable descriptors. None is ever lost in a handler, and no thread waits for one. What a signal means
//! is decided by `stopping` and by whoever serves.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM, SIGUSR1};
use signal_hook::{flag, low_level};

use crate::sys::inbox::Inbox;
use crate::sys::{self, Manner, PipeEnds, PollFlags, process};

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

/// What a process is told by signals, and has not asked about yet.
#[derive(Debug)]
pub struct Signals {
    way: Way,
    hangup: Arc<AtomicBool>,
    child: Arc<AtomicBool>,
    question: Arc<AtomicBool>,
    last: Arc<AtomicUsize>,
    /// Few processes are ever told to stop twice, or have threads to tell: made when it is asked for.
    kill: OnceLock<(OwnedFd, OwnedFd)>,
    stage: Mutex<Stage>,
}

/// How signals become descriptors.
#[derive(Debug)]
enum Way {
    /// Handlers note them and write self-pipes, `stop` for ever, for any number of threads.
    Handled {
        /// What asks to stop.
        stop: SelfPipe,
        /// HUP where that does not stop, and questions.
        bell: SelfPipe,
    },
    /// All are read, by the one thread there is. Whoever is forked from it finds its own, and has nothing to set up.
    Read(Inbox),
}

/// How far a process has come with its signals.
#[derive(Debug, Default)]
struct Stage {
    /// It holds a conversation of a server's: a terminal's INT and the server's TERM are one wish.
    forked: bool,
    /// Signals to stop that were read.
    stops: u32,
    /// The next signal to stop rings `kill`: in a forked process another one of this number.
    escalated: Option<i32>,
}

impl Signals {
    /// Takes over the signals. An INT or HUP that our caller had us ignore (a shell's background job, nohup(1)) stays
    /// ignored.
    pub fn new(hearing: Hearing) -> io::Result<Self> {
        process::set_default(SIGCHLD);
        let last = Arc::new(AtomicUsize::new(0));
        let (hangup, child, question) = (Arc::<AtomicBool>::default(), Arc::default(), Arc::default());
        let is_server = hearing != Hearing::One;
        let stops = heard([(SIGINT, true), (SIGTERM, true), (SIGHUP, !is_server)]);
        let others = heard([(SIGHUP, is_server), (SIGUSR1, true), (SIGCHLD, hearing == Hearing::Processes)]);
        let way = if hearing == Hearing::Processes {
            Way::Read(Inbox::of(&[stops, others].concat())?)
        } else {
            // Which one it was is noted, so that who hears may ask.
            let stop = SelfPipe::at(&stops, |signal| {
                flag::register_usize(signal, Arc::clone(&last), usize::try_from(signal).unwrap_or_default()).map(drop)
            })?;
            let bell = SelfPipe::at(&others, |signal| {
                let rang = if signal == SIGHUP { &hangup } else { &question };
                flag::register(signal, Arc::clone(rang)).map(drop)
            })?;
            Way::Handled { stop, bell }
        };
        Ok(Self { way, hangup, child, question, last, kill: OnceLock::new(), stage: Mutex::default() })
    }

    /// In a process that was forked from the one which has made this: what that one was told is not for us.
    pub fn begin_anew(&self) {
        // What is not written is not copied.
        if self.stopped() {
            self.last.store(0, Ordering::Relaxed);
        }
        let flags = [&self.hangup, &self.child, &self.question];
        for flag in flags.into_iter().filter(|flag| flag.load(Ordering::Relaxed)) {
            flag.store(false, Ordering::Relaxed);
        }
        *self.stage() = Stage { forked: true, ..Stage::default() };
    }

    /// Notes what has come. Whoever is woken by one of the [`bells`](Self::bells) calls this before asking.
    pub fn hear(&self) {
        let Way::Read(inbox) = &self.way else { return };
        inbox.empty(|signal| match signal {
            SIGHUP => self.hangup.store(true, Ordering::Relaxed),
            SIGCHLD => self.child.store(true, Ordering::Relaxed),
            SIGUSR1 => self.question.store(true, Ordering::Relaxed),
            _ => self.note_stop(signal),
        });
    }

    fn note_stop(&self, signal: i32) {
        self.last.store(usize::try_from(signal).unwrap_or_default(), Ordering::Relaxed);
        let mut stage = self.stage();
        stage.stops += 1;
        if stage.escalated.is_some_and(|first| !stage.forked || first == signal) {
            self.ring_kill();
        }
    }

    /// What is readable when a signal has come.
    pub fn bells(&self) -> Vec<BorrowedFd<'_>> {
        match &self.way {
            Way::Handled { stop, bell } => vec![stop.as_fd(), bell.as_fd()],
            Way::Read(inbox) => vec![inbox.as_fd()],
        }
    }

    /// Readable for ever after the first signal to stop; where there are processes, until it is heard.
    pub fn stop(&self) -> BorrowedFd<'_> {
        match &self.way {
            Way::Handled { stop, .. } => stop.as_fd(),
            Way::Read(inbox) => inbox.as_fd(),
        }
    }

    /// Readable for ever once everything must end at once.
    pub fn kill(&self) -> io::Result<BorrowedFd<'_>> {
        if self.kill.get().is_none() {
            // Whoever came first is as good.
            let _ = self.kill.set(sys::pipe(PipeEnds::Both)?);
        }
        let made = self.kill.get().map(|(kill, _)| kill.as_fd());
        made.ok_or_else(|| io::Error::other("there is no pipe"))
    }

    /// Readable after HUP, where that does not stop, after a child's end, where those are heard of, and after USR1;
    /// until all have been taken.
    pub fn bell(&self) -> BorrowedFd<'_> {
        match &self.way {
            Way::Handled { bell, .. } => bell.as_fd(),
            Way::Read(inbox) => inbox.as_fd(),
        }
    }

    /// Whether a HUP has come since the last question.
    pub fn take_hangup(&self) -> bool {
        self.take(&self.hangup)
    }

    /// Whether a child has ended since the last question.
    pub fn take_child(&self) -> bool {
        self.take(&self.child)
    }

    /// Whether somebody has asked since the last question how the conversations stand (USR1).
    pub fn take_question(&self) -> bool {
        self.take(&self.question)
    }

    fn take(&self, wanted: &AtomicBool) -> bool {
        // As in `begin_anew`.
        let taken = wanted.load(Ordering::SeqCst) && wanted.swap(false, Ordering::SeqCst);
        if let (true, Way::Handled { bell, .. }) = (taken, &self.way) {
            bell.silence();
            let all = [(SIGHUP, &self.hangup), (SIGUSR1, &self.question)];
            for (signal, _) in all.into_iter().filter(|(_, rang)| rang.load(Ordering::SeqCst)) {
                // What was silenced may have been its: it comes again.
                let _ = low_level::raise(signal);
            }
        }
        taken
    }

    /// Whether `stop` has rung.
    pub fn stopped(&self) -> bool {
        self.last().is_some()
    }

    /// Whether `kill` has rung.
    pub fn killed(&self) -> bool {
        self.kill.get().is_some_and(|(kill, _)| !sys::ready(kill.as_fd(), PollFlags::IN).is_empty())
    }

    /// From now on another signal to stop rings `kill`; at once, if two have come already.
    pub fn escalate(&self) {
        let mut stage = self.stage();
        let first = self.last().unwrap_or_default();
        if stage.escalated.replace(first).is_some() || self.kill().is_err() {
            return;
        }
        let Way::Handled { stop, .. } = &self.way else {
            if !stage.forked && stage.stops > 1 {
                self.ring_kill();
            }
            return;
        };
        let Some((_, ring)) = self.kill.get() else { return };
        for signal in heard([(SIGINT, true), (SIGTERM, true)]) {
            // Without it a second signal is no more than the first; the grace still ends.
            let _ = sys::duplicate(ring.as_fd()).and_then(|ring| low_level::pipe::register(signal, ring));
        }
        if sys::waiting(stop.as_fd()).is_some_and(|bytes| bytes > 1) {
            self.ring_kill();
        }
    }

    /// Rings `kill`: the time for finishing is over.
    pub fn ring_kill(&self) {
        if let Some((_, ring)) = self.kill.get() {
            // A pipe that is full rings already.
            let _ = sys::write(ring.as_fd(), Manner::Plain, b"!");
        }
    }

    /// The last signal that asked us to stop.
    pub fn received(&self) -> Option<i32> {
        self.hear();
        self.last()
    }

    fn last(&self) -> Option<i32> {
        i32::try_from(self.last.load(Ordering::Relaxed)).ok().filter(|&signal| signal != 0)
    }

    fn stage(&self) -> MutexGuard<'_, Stage> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Those of the signals that are wanted, and that our caller does not have us ignore.
fn heard<const N: usize>(signals: [(i32, bool); N]) -> Vec<i32> {
    let is_heard = |signal: i32| !matches!(signal, SIGINT | SIGHUP) || !process::is_ignored(signal);
    let wanted = signals.into_iter().filter(|&(signal, wanted)| wanted && is_heard(signal));
    wanted.map(|(signal, _)| signal).collect()
}

/// A pipe that handlers write. They stay until the process ends.
#[derive(Debug)]
struct SelfPipe(OwnedFd);

impl SelfPipe {
    /// Becomes readable at each of `signals`, of which there is one at least, and which `note` has noted then.
    fn at(signals: &[i32], note: impl Fn(i32) -> io::Result<()>) -> io::Result<Self> {
        let (reader, writer) = sys::pipe(PipeEnds::Both)?;
        let mut writers = vec![writer];
        while writers.len() < signals.len() {
            writers.push(sys::duplicate(writers[0].as_fd())?);
        }
        for (&signal, writer) in signals.iter().zip(writers) {
            // Before the pipe, so that whoever is woken finds it noted; and after it, in case somebody has emptied the
            // pipe in between.
            note(signal)?;
            low_level::pipe::register(signal, writer)?;
            note(signal)?;
        }
        Ok(Self(reader))
    }

    fn silence(&self) {
        let mut bytes = Vec::with_capacity(256);
        while sys::read(self.as_fd(), Manner::Plain, &mut bytes).is_ok_and(|n| n == bytes.capacity()) {
            bytes.clear();
        }
    }
}

impl AsFd for SelfPipe {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two signals are one byte too many for whoever takes the first of them: the other one rings again.
    #[test]
    fn nobody_silences_the_bell_for_others() {
        let signals = Signals::new(Hearing::Many).unwrap();
        let rings = || !sys::ready(signals.bell(), PollFlags::IN).is_empty();
        assert!(!rings());
        low_level::raise(SIGHUP).unwrap();
        low_level::raise(SIGUSR1).unwrap();
        assert!(rings());
        assert!(signals.take_question());
        assert!(rings(), "nobody has taken the hangup");
        assert!(signals.take_hangup());
        assert!(!rings());
        assert!(!signals.take_question() && !signals.take_hangup());
    }

    /// Where signals are read, they wait until they are heard, and a second one to stop is another wish than the first.
    #[test]
    fn what_is_read_is_noted() {
        let signals = Signals::new(Hearing::Processes).unwrap();
        let rings = |bell: BorrowedFd<'_>| !sys::ready(bell, PollFlags::IN).is_empty();
        for signal in [SIGHUP, SIGUSR1, SIGCHLD] {
            low_level::raise(signal).unwrap();
        }
        assert!(rings(signals.bell()) && rings(signals.stop()));
        assert!(!signals.take_hangup(), "nobody has heard it");
        signals.hear();
        assert!(!rings(signals.bell()));
        assert!(signals.take_hangup() && signals.take_question() && signals.take_child());
        assert!(!signals.take_hangup() && !signals.take_question() && !signals.take_child() && !signals.stopped());
        low_level::raise(SIGTERM).unwrap();
        assert_eq!(signals.received(), Some(SIGTERM));
        signals.escalate();
        assert!(!signals.killed());
        low_level::raise(SIGINT).unwrap();
        signals.hear();
        assert!(signals.killed());
    }

    /// A terminal's INT comes to a forked process too, and so does the server's TERM: one wish.
    #[test]
    fn in_a_forked_process_only_the_same_signal_counts_twice() {
        let signals = Signals::new(Hearing::Processes).unwrap();
        low_level::raise(SIGINT).unwrap();
        signals.hear();
        signals.begin_anew();
        assert!(!signals.stopped(), "that was the server's");
        let again = |signal| {
            low_level::raise(signal).unwrap();
            signals.hear();
            (signals.stopped(), signals.killed())
        };
        assert_eq!(again(SIGINT), (true, false));
        signals.escalate();
        assert_eq!(again(SIGTERM), (true, false));
        assert_eq!(again(SIGINT), (true, true));
    }
}
