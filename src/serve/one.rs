//! One peer, and no server: it is waited for, and served alone. Nobody else is.

use std::io;
use std::os::fd::AsFd;
use std::time::Instant;

use super::admission::Admission;
use super::notice::Notice;
use super::porch::{self, Porch};
use super::signals::Signals;
use super::{Admitted, PAUSE, admit};
use crate::net::listen::Listener;
use crate::session::{self, Attention, Call, Deadline, Report, Terms, Watch};
use crate::sys::{self, PollFd, PollFlags};
use crate::trace::{Event, Log, reason};

/// How many may stand on the porch while nobody is served.
const PLACES: usize = 64;

/// Waits for the one peer that is to be served; with `greets`, for one who tells who called. None after a signal; fails
/// with `TimedOut` at `until`.
pub fn meet(
    listeners: &[Listener],
    mut admission: Admission,
    (until, greets): (Option<Instant>, bool),
    signals: &Signals,
    log: &Log,
) -> io::Result<Option<Admitted>> {
    let mut porch = Porch::default();
    let mut said_pause = false;
    loop {
        let listeners = if porch.len() < PLACES { listeners } else { &[] };
        let held = listeners.iter().position(Listener::holds_somebody);
        let all = porch.bells().chain(listeners.iter().map(AsFd::as_fd)).chain([signals.stop()]);
        let mut fds: Vec<_> = all.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)).collect();
        let bound = [until, porch.until()].into_iter().flatten().min();
        sys::poll(&mut fds, held.map(|_| Instant::now()).or(bound))?;
        let (greeting, fds) = fds.split_at(porch.len());
        let (greeting, came) = (porch::rang(greeting), porch::rang(fds).into_iter().position(|rang| rang).or(held));
        porch.note(greeting);
        if let Some(told) = porch.next(&mut admission, log) {
            return Ok(Some(told));
        }
        match came {
            Some(at) if at == listeners.len() => return Ok(None),
            Some(at) => match admit(&listeners[at], &mut admission, log) {
                Ok(Some(admitted)) if greets => porch.enter(admitted),
                Ok(None) => {}
                // Somebody else may give back what is lacking.
                Err(e) => {
                    if !std::mem::replace(&mut said_pause, true) {
                        log.say(&Event::Paused { why: &reason(&e) });
                    }
                    std::thread::sleep(PAUSE);
                }
                admitted => return admitted,
            },
            None if until.is_some_and(|until| Instant::now() >= until) => return Err(io::ErrorKind::TimedOut.into()),
            None => {}
        }
    }
}

/// Holds the only conversation of a process: the first signal to stop ends it, of which `notice` is told.
pub fn alone(
    (peer, number): Admitted,
    terms: &Terms,
    deadline: Option<Deadline>,
    signals: &Signals,
    notice: &Notice,
) -> Report {
    let mut answer = |watch: &mut Watch<'_>| {
        signals.hear();
        if signals.take_question() {
            terms.register.tell(&terms.log);
        }
        if !signals.stopped() {
            return Call::GoOn;
        }
        notice.stopping();
        watch.bells.clear();
        Call::End
    };
    let watch = Watch { bells: vec![signals.stop(), signals.bell()], until: None };
    session::converse(peer, terms, number, deadline, &mut Attention { watch, answer: &mut answer })
}
