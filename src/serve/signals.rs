//! Signals as readable descriptors. None is ever lost in a handler, and no thread waits for one. What a signal means
//! is decided by `stopping` and by whoever serves.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use signal_hook::SigId;
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM};
use signal_hook::low_level;

use crate::sys::{self, Manner, PipeEnds, PollFlags, process};

/// What a process needs to hear of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hearing {
    /// One conversation: INT, TERM and HUP stop.
    One,
    /// Many: INT and TERM stop, HUP is passed on.
    Many,
    /// Many, in processes of their own: their ends are heard of too.
    Processes,
    /// One, in a process of a server's: as many, but a terminal's INT and the server's TERM are one wish.
    Forked,
}

/// The self-pipes of a process. Made anew in a forked one.
#[derive(Debug)]
pub struct Signals {
    stop: OwnedFd,
    kill: OwnedFd,
    kill_ring: OwnedFd,
    hangup: Option<Bell>,
    child: Option<Bell>,
    last: Arc<AtomicUsize>,
    hearing: Hearing,
    registered: Mutex<Registered>,
}

/// A pipe that is drained, and a flag that spares the question whether it rang.
#[derive(Debug)]
struct Bell {
    pipe: OwnedFd,
    rang: Arc<AtomicBool>,
}

#[derive(Debug, Default)]
struct Registered {
    ids: Vec<SigId>,
    escalated: bool,
}

impl Signals {
    /// Takes over the signals. An INT or HUP that our caller had us ignore (a shell's background job, nohup(1)) stays
    /// ignored.
    pub fn new(hearing: Hearing) -> io::Result<Self> {
        process::set_default(SIGCHLD);
        let last = Arc::new(AtomicUsize::new(0));
        let mut ids = Vec::new();
        let stopping: &[i32] = if hearing == Hearing::One { &[SIGINT, SIGTERM, SIGHUP] } else { &[SIGINT, SIGTERM] };
        let (kill, kill_ring) = sys::pipe(PipeEnds::Reader)?;
        let stop = self_pipe(stopping, Some(&last), &mut ids)?;
        let stop = stop.ok_or_else(|| io::Error::other("SIGTERM cannot be heard"))?;
        let hangup = if hearing == Hearing::One { None } else { Bell::on(SIGHUP, &mut ids)? };
        let child = if hearing == Hearing::Processes { Bell::on(SIGCHLD, &mut ids)? } else { None };
        let registered = Mutex::new(Registered { ids, escalated: false });
        Ok(Self { stop, kill, kill_ring, hangup, child, last, hearing, registered })
    }

    /// The same for a conversation in a process that was forked from this one: the parent's handlers are let go.
    pub fn renewed(&self) -> io::Result<Self> {
        self.unregister();
        Self::new(Hearing::Forked)
    }

    /// Readable for ever after the first signal to stop.
    pub fn stop(&self) -> BorrowedFd<'_> {
        self.stop.as_fd()
    }

    /// Readable for ever once everything must end at once.
    pub fn kill(&self) -> BorrowedFd<'_> {
        self.kill.as_fd()
    }

    /// Readable after HUP, where that does not stop.
    pub fn hangup(&self) -> Option<BorrowedFd<'_>> {
        self.hangup.as_ref().map(|bell| bell.pipe.as_fd())
    }

    /// Readable after a child's end, where those are heard of.
    pub fn child(&self) -> Option<BorrowedFd<'_>> {
        self.child.as_ref().map(|bell| bell.pipe.as_fd())
    }

    /// Whether a HUP has come since the last question.
    pub fn take_hangup(&self) -> bool {
        self.hangup.as_ref().is_some_and(Bell::answer)
    }

    /// Whether a child has ended since the last question.
    pub fn take_child(&self) -> bool {
        self.child.as_ref().is_some_and(Bell::answer)
    }

    /// Whether `stop` has rung.
    pub fn stopped(&self) -> bool {
        self.received().is_some()
    }

    /// Whether `kill` has rung.
    pub fn killed(&self) -> bool {
        !sys::ready(self.kill(), PollFlags::IN).is_empty()
    }

    /// From now on another signal to stop rings `kill`; at once, if two have come already.
    pub fn escalate(&self) {
        let mut registered = self.registered();
        if std::mem::replace(&mut registered.escalated, true) {
            return;
        }
        let forked = self.hearing == Hearing::Forked;
        let counts = |signal: &i32| !process::is_ignored(*signal) && (!forked || self.received() == Some(*signal));
        for signal in [SIGINT, SIGTERM].into_iter().filter(counts) {
            // Without it a second signal is no more than the first; the grace still ends.
            let ring = sys::duplicate(self.kill_ring.as_fd());
            registered.ids.extend(ring.and_then(|ring| low_level::pipe::register(signal, ring)));
        }
        drop(registered);
        if !forked && sys::waiting(self.stop()).is_some_and(|bytes| bytes > 1) {
            self.ring_kill();
        }
    }

    /// Rings `kill`: the time for finishing is over.
    pub fn ring_kill(&self) {
        // A pipe that is full rings already.
        let _ = sys::write(self.kill_ring.as_fd(), Manner::NoWait, b"!");
    }

    /// The last signal that asked us to stop.
    pub fn received(&self) -> Option<i32> {
        i32::try_from(self.last.load(Ordering::Relaxed)).ok().filter(|&signal| signal != 0)
    }

    fn registered(&self) -> MutexGuard<'_, Registered> {
        self.registered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn unregister(&self) {
        for id in self.registered().ids.drain(..) {
            low_level::unregister(id);
        }
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        self.unregister();
    }
}

/// A pipe that becomes readable at any of `signals`; which one it was is noted first, so that who hears may ask. None
/// where all of them are ignored: a pipe that nobody can write is readable for ever.
fn self_pipe(signals: &[i32], last: Option<&Arc<AtomicUsize>>, ids: &mut Vec<SigId>) -> io::Result<Option<OwnedFd>> {
    let before = ids.len();
    let (reader, ring) = sys::pipe(PipeEnds::Reader)?;
    for &signal in signals {
        if matches!(signal, SIGINT | SIGHUP) && process::is_ignored(signal) {
            continue;
        }
        if let Some(last) = last {
            let number = usize::try_from(signal).unwrap_or_default();
            ids.push(signal_hook::flag::register_usize(signal, Arc::clone(last), number)?);
        }
        ids.push(low_level::pipe::register(signal, sys::duplicate(ring.as_fd())?)?);
    }
    Ok((ids.len() > before).then_some(reader))
}

impl Bell {
    /// None where the signal is ignored.
    fn on(signal: i32, ids: &mut Vec<SigId>) -> io::Result<Option<Self>> {
        if signal == SIGHUP && process::is_ignored(signal) {
            return Ok(None);
        }
        let rang = Arc::new(AtomicBool::new(false));
        // Before the pipe, so that whoever is woken finds the flag set; and after it, in case somebody has emptied the
        // pipe in between.
        let flag = || signal_hook::flag::register(signal, Arc::clone(&rang));
        ids.push(flag()?);
        let pipe = self_pipe(&[signal], None, ids)?;
        ids.push(flag()?);
        Ok(pipe.map(|pipe| Self { pipe, rang }))
    }

    /// Whether it has rung since the last question; it is silent afterwards.
    fn answer(&self) -> bool {
        if !self.rang.swap(false, Ordering::Acquire) {
            return false;
        }
        let mut bytes = Vec::with_capacity(256);
        while matches!(sys::read(self.pipe.as_fd(), Manner::Plain, &mut bytes), Ok(1..)) {
            bytes.clear();
        }
        true
    }
}
