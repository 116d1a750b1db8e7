//! Signals as readable descriptors. None is ever lost in a handler, and no thread waits for one. What a signal means
//! is decided by `stopping` and by whoever serves.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM, SIGUSR1};
use signal_hook::{flag, low_level};

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

/// The self-pipes of a process. The handlers that write them stay until it ends.
#[derive(Debug)]
pub struct Signals {
    stop: SelfPipe,
    /// HUP where that does not stop, the ends of children, and questions.
    bell: SelfPipe,
    hangup: Arc<AtomicBool>,
    child: Arc<AtomicBool>,
    question: Arc<AtomicBool>,
    last: Arc<AtomicUsize>,
    /// Few processes are ever told to stop twice, or have threads to tell: made when it is asked for.
    kill: OnceLock<(OwnedFd, OwnedFd)>,
    stage: Mutex<Stage>,
}

/// How far a process has come with its signals.
#[derive(Debug, Default)]
struct Stage {
    /// It holds a conversation of a server's: a terminal's INT and the server's TERM are one wish.
    forked: bool,
    /// The next signal to stop rings `kill`.
    escalated: bool,
}

impl Signals {
    /// Takes over the signals. An INT or HUP that our caller had us ignore (a shell's background job, nohup(1)) stays
    /// ignored.
    pub fn new(hearing: Hearing) -> io::Result<Self> {
        process::set_default(SIGCHLD);
        let last = Arc::new(AtomicUsize::new(0));
        let (hangup, child, question) = (Arc::<AtomicBool>::default(), Arc::default(), Arc::default());
        let is_server = hearing != Hearing::One;
        let heard = |signals: [(i32, bool); 3]| {
            let wanted = signals.into_iter().filter(|&(signal, wanted)| wanted && is_heard(signal));
            wanted.map(|(signal, _)| signal).collect::<Vec<_>>()
        };
        // Which one it was is noted, so that who hears may ask.
        let stop = SelfPipe::at(&heard([(SIGINT, true), (SIGTERM, true), (SIGHUP, !is_server)]), |signal| {
            flag::register_usize(signal, Arc::clone(&last), usize::try_from(signal).unwrap_or_default()).map(drop)
        })?;
        let bells = [(SIGHUP, is_server), (SIGUSR1, true), (SIGCHLD, hearing == Hearing::Processes)];
        let bell = SelfPipe::at(&heard(bells), |signal| {
            let rang = match signal {
                SIGHUP => &hangup,
                SIGCHLD => &child,
                _ => &question,
            };
            flag::register(signal, Arc::clone(rang)).map(drop)
        })?;
        Ok(Self { stop, bell, hangup, child, question, last, kill: OnceLock::new(), stage: Mutex::default() })
    }

    /// In a process that was forked from the one which has made this: from now on it hears of its own signals, and the
    /// server is not disturbed by them. The handlers stay as they are; only what they write to is another pipe, one for
    /// all: it has one poller, who is to [`calm`](Self::calm) it.
    pub fn renew(&self) -> io::Result<()> {
        // What is not written is not copied.
        if self.received().is_some() {
            self.last.store(0, Ordering::Relaxed);
        }
        let flags = [&self.hangup, &self.child, &self.question];
        for flag in flags.into_iter().filter(|flag| flag.load(Ordering::Relaxed)) {
            flag.store(false, Ordering::Relaxed);
        }
        *self.stage() = Stage { forked: true, escalated: false };
        let fresh = sys::pipe(PipeEnds::Both)?;
        self.stop.become_one_with(&fresh)?;
        self.bell.become_one_with(&fresh)
    }

    /// The same process is to start others: it is no server any more, and they are waited for by other means.
    pub fn leave_children_alone(&self) {
        process::set_default(SIGCHLD);
    }

    /// The only poller of a forked process has been woken, and is about to look what has come. Each signal is noted before
    /// the pipe is written, so that nothing is missed that was silenced here.
    pub fn calm(&self) {
        self.bell.silence();
    }

    /// Readable for ever after the first signal to stop; in a forked process until it is calmed.
    pub fn stop(&self) -> BorrowedFd<'_> {
        self.stop.reader.as_fd()
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
        self.bell.reader.as_fd()
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
        // As in `renew`.
        let taken = wanted.load(Ordering::SeqCst) && wanted.swap(false, Ordering::SeqCst);
        if taken {
            self.bell.silence();
            let all = [(SIGHUP, &self.hangup), (SIGCHLD, &self.child), (SIGUSR1, &self.question)];
            for (signal, _) in all.into_iter().filter(|(_, rang)| rang.load(Ordering::SeqCst)) {
                // What was silenced may have been its: it comes again.
                let _ = low_level::raise(signal);
            }
        }
        taken
    }

    /// Whether `stop` has rung.
    pub fn stopped(&self) -> bool {
        self.received().is_some()
    }

    /// Whether `kill` has rung.
    pub fn killed(&self) -> bool {
        self.kill.get().is_some_and(|(kill, _)| !sys::ready(kill.as_fd(), PollFlags::IN).is_empty())
    }

    /// From now on another signal to stop rings `kill`; at once, if two have come already.
    pub fn escalate(&self) {
        let mut stage = self.stage();
        if std::mem::replace(&mut stage.escalated, true) || self.kill().is_err() {
            return;
        }
        let (Some((_, ring)), forked) = (self.kill.get(), stage.forked) else { return };
        let counts = |signal: &i32| is_heard(*signal) && (!forked || self.received() == Some(*signal));
        for signal in [SIGINT, SIGTERM].into_iter().filter(counts) {
            // Without it a second signal is no more than the first; the grace still ends.
            let _ = sys::duplicate(ring.as_fd()).and_then(|ring| low_level::pipe::register(signal, ring));
        }
        if !forked && sys::waiting(self.stop()).is_some_and(|bytes| bytes > 1) {
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
        i32::try_from(self.last.load(Ordering::Relaxed)).ok().filter(|&signal| signal != 0)
    }

    fn stage(&self) -> MutexGuard<'_, Stage> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_heard(signal: i32) -> bool {
    !matches!(signal, SIGINT | SIGHUP) || !process::is_ignored(signal)
}

/// A pipe that handlers write.
#[derive(Debug)]
struct SelfPipe {
    reader: OwnedFd,
    /// The handlers' ends, one each, which are open as long as the process lives.
    writers: Vec<RawFd>,
}

impl SelfPipe {
    /// Becomes readable at each of `signals`, of which there is one at least, and which `note` has noted then.
    fn at(signals: &[i32], note: impl Fn(i32) -> io::Result<()>) -> io::Result<Self> {
        let (reader, writer) = sys::pipe(PipeEnds::Both)?;
        let mut writers = vec![writer];
        while writers.len() < signals.len() {
            writers.push(sys::duplicate(writers[0].as_fd())?);
        }
        let this = Self { reader, writers: writers.iter().map(AsRawFd::as_raw_fd).collect() };
        for (&signal, writer) in signals.iter().zip(writers) {
            // Before the pipe, so that whoever is woken finds it noted; and after it, in case somebody has emptied the
            // pipe in between.
            note(signal)?;
            low_level::pipe::register(signal, writer)?;
            note(signal)?;
        }
        Ok(this)
    }

    /// Puts a new pipe in the place of this one, its handlers' ends included.
    fn become_one_with(&self, (reader, writer): &(OwnedFd, OwnedFd)) -> io::Result<()> {
        sys::replace(self.reader.as_raw_fd(), reader.as_fd())?;
        self.writers.iter().try_for_each(|old| sys::replace(*old, writer.as_fd()))
    }

    fn silence(&self) {
        let mut bytes = Vec::with_capacity(256);
        while sys::read(self.reader.as_fd(), Manner::Plain, &mut bytes).is_ok_and(|n| n == bytes.capacity()) {
            bytes.clear();
        }
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
}
