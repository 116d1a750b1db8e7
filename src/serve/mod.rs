//! HOW MANY at once: the accept loop, and the ways to serve. It touches no byte of a conversation.
//!
//! In reading order: this file (accept, admit, hand over), `admission` (whom), `porch` (who called), `single`, `thread`, `hosted`, `fork` (how),
//! `signals` and `stopping` (until when), `ready` and `notice` (since when), `privileges` (as whom).

pub mod admission;
pub mod fork;
mod guests;
pub mod hosted;
pub mod notice;
mod one;
mod porch;
pub mod privileges;
pub mod ready;
pub mod signals;
pub mod single;
pub mod stopping;
pub mod thread;

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use self::admission::Admission;
use self::guests::Guests;
pub use self::one::{alone, meet};
use self::porch::Porch;
use self::stopping::{Phase, Stopping};
use crate::exit::Status;
use crate::net::connection::Connection;
use crate::net::listen::Listener;
use crate::session::{Deadline, Report, Terms};
use crate::sys::{self, PollFd, PollFlags, Signal};
use crate::trace::{Event, Log, reason};

/// How long accepting pauses when something is lacking and no conversation's end gives it back.
const PAUSE: Duration = Duration::from_millis(100);

/// How many are served at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// One at a time; the others wait in the backlog.
    #[default]
    Single,
    /// A thread for each.
    Thread,
    /// A process for each.
    Fork,
}

/// How many are served in all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// One, then exit with its status.
    One,
    /// Any number, until a signal.
    Open,
    /// This many.
    Count(u64),
}

/// The listeners and what stops them: what a way of serving may need of the front of the house.
#[derive(Debug)]
pub struct Front<'s> {
    /// Closed when nobody is accepted any more.
    pub listeners: Vec<Listener>,
    /// How the server stops.
    pub stopping: Stopping<'s>,
}

/// A conversation that is over.
#[derive(Clone, Copy, Debug)]
pub struct Over {
    /// Whose it was.
    pub ip: Option<IpAddr>,
    /// What became of it.
    pub report: Report,
    /// Its place on the board, if it had one.
    pub slot: Option<usize>,
}

/// A peer that cannot be served just now, and why.
pub type GivenBack = (Box<Connection>, io::Error);

/// A way of serving many peers.
pub trait Dispatch {
    /// Takes over an admitted peer; `number` is what a command is told of it. Gives it back, with the reason, where
    /// it cannot be served just now.
    fn dispatch(&mut self, peer: Box<Connection>, number: usize, front: &mut Front<'_>) -> Result<(), GivenBack>;

    /// The conversations that have ended since the last question.
    fn ended(&mut self) -> Vec<Over>;

    /// How many are under way.
    fn under_way(&self) -> usize;

    /// Says that the server waits for an end: every bell of `bells` must ring for one from now on.
    fn expect_an_end(&mut self) {}

    /// Says that nobody else will come; it may be said again.
    fn expect_nobody(&mut self) {}

    /// What to poll besides the listeners.
    fn bells(&self) -> Vec<BorrowedFd<'_>>;

    /// When `ended` wants to be asked at the latest.
    fn until(&self) -> Option<Instant> {
        None
    }

    /// The conversation with this place on the board has been marked: it must be told where its leash cannot tell it.
    fn evict(&mut self, _slot: usize) {}

    /// Ends every conversation now.
    fn end(&mut self) {}

    /// Somebody wants to know how the conversations stand.
    fn tell(&self) {}
}

/// What a server is to do.
#[derive(Clone, Copy, Debug)]
pub struct Duty {
    /// How many are to be served in all.
    pub keep: Keep,
    /// The most at once.
    pub most: usize,
    /// How long to wait for the first peer.
    pub first_by: Option<Instant>,
    /// Peers begin by telling who called (`--proxy-protocol accept`).
    pub greets: bool,
}

/// An admitted peer, and what a command is told of it: how many conversations its address has.
pub type Admitted = (Box<Connection>, usize);

/// A server: it accepts, admits, hands over, and stops.
pub struct Server<'s> {
    front: Front<'s>,
    admission: Admission,
    duty: Duty,
    log: Log,
    held: Option<Admitted>,
    porch: Porch,
    /// How many have been admitted.
    admitted: u64,
    pause: Option<Instant>,
    said_pause: bool,
    output_gone: bool,
    ended: bool,
    /// Who may have to give way to a newcomer.
    guests: Option<Guests>,
}

impl<'s> Server<'s> {
    /// A server that nobody has come to yet.
    pub fn new(front: Front<'s>, admission: Admission, duty: Duty, log: Log) -> Self {
        Self {
            front,
            admission,
            duty,
            log,
            held: None,
            porch: Porch::default(),
            admitted: 0,
            pause: None,
            said_pause: false,
            output_gone: false,
            ended: false,
            guests: None,
        }
    }

    /// Admits no more at once than there are descriptors for, `each` for a conversation, `spare` left over. `raise`
    /// lifts the soft limit first, as far as that needs.
    pub fn fit(&mut self, each: u64, spare: u64, raise: bool) -> io::Result<()> {
        if each == 0 {
            return Ok(());
        }
        let wanted = (self.duty.most as u64).saturating_mul(each).saturating_add(spare);
        let left = sys::process::descriptors_left(raise.then_some(wanted))?;
        let room = usize::try_from(left.saturating_sub(spare) / each).unwrap_or(usize::MAX).max(1);
        if room < self.duty.most {
            self.log.say(&Event::Option(&format!("at most {room} at once: the limit of open descriptors (ulimit -n)")));
            self.duty.most = room;
        }
        Ok(())
    }

    /// From now on the conversation that is idle longest gives way when a newcomer waits and there is no room: silent
    /// peers of a transport without ends cannot lock others out.
    pub fn make_room(&mut self) -> io::Result<()> {
        if self.front.listeners.iter().any(Listener::may_evict) {
            self.guests = Some(Guests::new(self.duty.most)?);
        }
        Ok(())
    }

    /// Serves until a signal, the count, or the loss of standard output. The status is the server's own. Fails with
    /// `TimedOut` where nobody came first in time.
    pub fn run(mut self: Box<Self>, dispatch: &mut dyn Dispatch) -> io::Result<Status> {
        loop {
            self.collect(dispatch);
            self.see_to_stopping(dispatch);
            let nobody = self.front.listeners.is_empty() && self.held.is_none() && self.porch.len() == 0;
            if nobody {
                dispatch.expect_nobody();
            }
            if nobody && dispatch.under_way() == 0 {
                return Ok(if self.output_gone { Status::Signal(Signal::PIPE.as_raw()) } else { Status::Order });
            }
            if self.duty.first_by.is_some_and(|first| Instant::now() >= first) {
                return Err(io::ErrorKind::TimedOut.into());
            }
            self.pause = self.pause.filter(|at| Instant::now() < *at);
            let room = self.pause.is_none() && dispatch.under_way() < self.duty.most;
            if let Some(admitted) = self.held.take_if(|_| room) {
                self.hand_over(admitted, dispatch);
                continue;
            }
            if self.greet() {
                continue;
            }
            let standing = dispatch.under_way() + self.porch.len();
            let accepting = room && standing < self.duty.most && !self.front.listeners.is_empty();
            if !accepting {
                dispatch.expect_an_end();
            }
            let Some(at) = self.wait(dispatch, accepting) else { continue };
            self.collect(dispatch);
            if accepting {
                self.accept(at);
            } else if let Some(slot) = self.guests.as_mut().and_then(Guests::evict) {
                dispatch.evict(slot);
            }
        }
    }

    fn collect(&mut self, dispatch: &mut dyn Dispatch) {
        for over in dispatch.ended() {
            self.admission.leave(over.ip);
            if let (Some(guests), Some(slot)) = (&mut self.guests, over.slot) {
                guests.leave(slot);
            }
            self.output_gone |= over.report.output_gone;
            // What was lacking may have come back.
            self.pause = None;
        }
    }

    fn see_to_stopping(&mut self, dispatch: &mut dyn Dispatch) {
        if self.output_gone {
            self.front.stopping.ask();
        }
        if self.front.stopping.take_question() {
            dispatch.tell();
        }
        let phase = self.front.stopping.heed();
        if phase != Phase::Serving {
            self.front.listeners.clear();
            self.held = None;
            self.porch.clear();
        }
        if phase == Phase::AtOnce && !std::mem::replace(&mut self.ended, true) {
            dispatch.end();
        }
    }

    fn hand_over(&mut self, (mut peer, number): Admitted, dispatch: &mut dyn Dispatch) {
        if let Some(guests) = self.guests.as_mut().filter(|_| peer.slot.is_none()) {
            guests.seat(&mut peer);
        }
        if let Err((peer, error)) = dispatch.dispatch(peer, number, &mut self.front) {
            self.held = Some((peer, number));
            self.rest(&error);
        }
    }

    /// Something is lacking: nobody is accepted until a conversation ends or a moment has passed, and nobody is lost.
    fn rest(&mut self, error: &io::Error) {
        if !std::mem::replace(&mut self.said_pause, true) {
            self.log.say(&Event::Paused { why: &reason(error) });
        }
        self.pause = Some(Instant::now() + PAUSE);
    }

    /// Waits for anything; the listener that somebody waits at, if peers are wanted.
    #[inline(never)] // A process that is forked has no frame of it.
    fn wait(&mut self, dispatch: &dyn Dispatch, accepting: bool) -> Option<usize> {
        let carried = self.front.listeners.iter().filter_map(Listener::until).min();
        let own = [
            self.front.stopping.until(),
            dispatch.until(),
            self.pause,
            self.duty.first_by,
            carried,
            self.porch.until(),
        ];
        let full = dispatch.under_way() >= self.duty.most;
        let crowded = full && self.guests.as_ref().is_some_and(Guests::can_evict);
        let newcomers = |listener: &Listener| accepting || crowded && listener.may_evict();
        // Whom the listener has received already no poll(2) tells of, neither to be let in nor to have room made for them.
        let held = |listener: &Listener| listener.holds_somebody() && newcomers(listener);
        if let Some(at) = self.front.listeners.iter().position(held) {
            // They may keep coming for ever.
            self.front.stopping.hear();
            return Some(at);
        }
        let wanted = |listener: &&Listener| newcomers(listener) || listener.carries();
        let listeners: Vec<&Listener> = self.front.listeners.iter().filter(wanted).collect();
        let (bells, others) = (self.front.stopping.bells(), dispatch.bells());
        let own_bells = listeners.len()..listeners.len() + bells.len();
        let all = self.porch.bells().chain(listeners.iter().map(AsFd::as_fd)).chain(bells).chain(others);
        let mut fds: Vec<_> = all.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)).collect();
        // ENOMEM is the only failure left: the next round tries again.
        sys::poll(&mut fds, own.into_iter().flatten().min()).ok()?;
        listeners.iter().filter(|listener| listener.carries()).for_each(|listener| listener.carry());
        let (porch, fds) = fds.split_at(self.porch.len());
        let ready = fds[..listeners.len()].iter().position(|fd| !fd.revents().is_empty());
        let ready = ready.filter(|at| newcomers(listeners[*at]));
        if fds[own_bells].iter().any(|fd| !fd.revents().is_empty()) {
            self.front.stopping.hear();
        }
        let rang = porch::rang(porch);
        self.porch.note(rang);
        ready
    }

    #[inline(never)] // A process that is forked has no frame of it.
    fn accept(&mut self, at: usize) {
        match admit(&self.front.listeners[at], &mut self.admission, &self.log) {
            Ok(None) => {}
            Err(error) => self.rest(&error),
            Ok(Some(admitted)) if self.duty.greets => self.porch.enter(admitted),
            Ok(Some(admitted)) => self.let_in(admitted),
        }
    }

    /// Lets one in who has told who called; false where nobody has.
    fn greet(&mut self) -> bool {
        let told = self.porch.next(&mut self.admission, &self.log);
        told.map(|admitted| self.let_in(admitted)).is_some()
    }

    fn let_in(&mut self, (mut peer, number): Admitted) {
        self.admitted += 1;
        peer.id = self.admitted;
        self.held = Some((peer, number));
        self.duty.first_by = None;
        if let Keep::Count(left) = &mut self.duty.keep {
            *left = left.saturating_sub(1);
            if *left == 0 {
                self.front.listeners.clear();
                self.porch.clear();
            }
        }
    }
}

/// Takes the next peer, if somebody waits. One that is not admitted is closed at once, told nothing, and mentioned.
fn admit(listener: &Listener, admission: &mut Admission, log: &Log) -> io::Result<Option<Admitted>> {
    let Some(peer) = listener.accept()? else { return Ok(None) };
    match admission.admit(&peer) {
        Ok(number) => Ok(Some((peer, number))),
        Err(why) => {
            porch::refuse(&peer, why, log);
            Ok(None)
        }
    }
}

/// When a conversation that begins now must be over.
fn deadline(terms: &Terms) -> Option<Deadline> {
    let asked = terms.deadline?;
    Some(Deadline { at: Instant::now().checked_add(asked)?, asked })
}
