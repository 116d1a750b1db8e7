//! Forwarding: each conversation is joined to another peer, of any transport, end to end. It goes there, as often as was
//! asked for, and wires; what an end on one side means for the other is the relay's, as everywhere.

use std::cell::{OnceCell, RefCell};
use std::io;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::{Called, Circumstances, Partner, Wiring, reach, stages};
use crate::exit::{Failure, Status};
use crate::net::calls::{Calls, has_left_something};
use crate::net::connection::Connection;
use crate::net::dial::retry::{Retry, Tries};
use crate::net::dial::{self, Undialed};
use crate::net::endpoint::Endpoint;
use crate::net::options::Dialing;
use crate::net::proxy::{self, Caller, Version};
use crate::net::resolve::Resolving;
use crate::relay::Flows;
use crate::relay::closing::{Closing, Input};
use crate::sys::{self, Manner, PollFlags};
use crate::trace::{About, Event, Leg, Log, reason, span};

/// Silence after which one who has an end takes one who has none for finished.
const SILENCE: Duration = Duration::from_secs(1);

/// Where to forward to.
#[derive(Clone, Debug)]
pub struct Forward {
    /// The other peer.
    pub to: Endpoint,
    /// How its name is resolved.
    pub resolving: Resolving,
    /// What its socket is set to.
    pub options: Dialing,
    /// The peer has its keepalive from us, not from its listener, which is others' too.
    pub keeps_peer: bool,
    /// How long a try to get there may take.
    pub within: Option<Duration>,
    /// Whether to try again.
    pub retry: Retry,
    /// It is told who called, in this version of the PROXY protocol.
    pub tells: Option<Version>,
}

/// How far a conversation has come on its way to the other peer.
#[derive(Debug, Default)]
pub struct Onward {
    reached: OnceCell<Box<Connection>>,
    trying: RefCell<Option<Trying>>,
}

/// The tries so far.
#[derive(Debug)]
struct Trying {
    tries: Tries,
    /// The last that failed, and when the next one is due.
    failed: Option<(anyhow::Error, Instant)>,
}

impl Onward {
    /// The other peer, once it is reached.
    pub fn reached(&self) -> Option<&Connection> {
        self.reached.get().map(|connection| &**connection)
    }
}

/// Why a try came to nothing.
enum Untried {
    /// Somebody calls, the peer perhaps, which is gone.
    Called,
    /// It failed, and is to be tried again then.
    Failed(anyhow::Error, Instant),
    /// It failed for good, within this bound.
    Given(anyhow::Error, Option<(Duration, &'static str)>),
}

impl Forward {
    /// Goes to the other peer, and joins the two. Nothing is read from the one before the other is there.
    #[inline(never)] // Its frame is no other task's: what a stack has not touched, it does not have.
    pub(super) fn wire<'a>(
        &'a self,
        partner: &Partner<'a>,
        onward: &'a Onward,
        with: &Circumstances<'_>,
    ) -> Result<Wiring<'a>> {
        let (closing, peer) = (with.closing, partner.peer);
        if onward.reached.get().is_none() {
            let dialed = self.reach(peer, onward, with).inspect_err(|e| {
                if !e.is::<Called>() {
                    // Whoever came learns that it was refused, and does not take it for an empty answer.
                    let _ = sys::abort_on_close(peer.as_fd());
                }
            })?;
            let _ = onward.reached.set(Box::new(dialed));
        }
        let other = onward.reached.get().ok_or(Called)?;
        if self.keeps_peer {
            partner.peer.keep_alive();
        }
        let (here, there) = (partner.peer.transport.has_ends(), other.transport.has_ends());
        let closing = Closing {
            input_quit_after: (!there).then_some(SILENCE),
            quit_after: closing.quit_after.or((!here).then_some(SILENCE)),
            ..closing
        };
        let outgoing = Some(partner.speak(other.source().named("the upstream")));
        let incoming = Some(partner.hear(other.sink().upstream()));
        Ok(Wiring::flows(Flows { outgoing, incoming }, closing, Input::Finite))
    }

    /// Goes to the other peer on behalf of `peer`, and tells it who that is. Fails with [`Called`] where somebody calls;
    /// asked again, it goes on.
    fn reach(&self, peer: &Connection, onward: &Onward, with: &Circumstances<'_>) -> Result<Connection> {
        let (transport, local, name) = (self.to.transport.word(), None, self.to.to_string());
        let log = with.log.about(|| About { id: peer.id, transport, local, peer: name });
        let fresh = || Trying { tries: self.retry.begin(Instant::now()), failed: None };
        let Trying { mut tries, mut failed } = onward.trying.take().unwrap_or_else(fresh);
        loop {
            let due = failed.as_ref().map(|(_, at)| *at);
            let is_called = match due.filter(|at| Instant::now() < *at) {
                Some(at) => rest(calls(peer, with), earliest([Some(at), with.until])),
                None => match self.try_once(&log, peer, &mut tries, with) {
                    Ok(connection) => return self.tell(connection, peer),
                    Err(Untried::Failed(failure, again)) => {
                        failed = Some((failure, again));
                        continue;
                    }
                    Err(Untried::Given(last, bound)) => {
                        return Err(reach::last_word(failed.map(|(before, _)| before), last, bound));
                    }
                    Err(Untried::Called) => true,
                },
            };
            if is_gone(peer) {
                return Err(gone(peer));
            }
            if is_called || with.until.is_some_and(|at| Instant::now() >= at) {
                onward.trying.replace(Some(Trying { tries, failed }));
                return Err(Called.into());
            }
        }
    }

    fn try_once(
        &self,
        log: &Log,
        peer: &Connection,
        tries: &mut Tries,
        with: &Circumstances<'_>,
    ) -> Result<Connection, Untried> {
        let now = Instant::now();
        let within = self.within.and_then(|within| Some((now.checked_add(within)?, within, "-w")));
        let whole = tries.bound().map(|(at, asked)| (at, asked, "--retry-for"));
        let deadline = with.deadline.map(|deadline| (deadline.at, deadline.asked, "--deadline"));
        let bound = [within, whole, deadline].into_iter().flatten().min_by_key(|(at, ..)| *at);
        let until = earliest([bound.map(|(at, ..)| at), with.until]);
        let dialed = stages::draw(log, Leg::Upstream, peer.since, |watcher| {
            dial::dial(&self.to, self.resolving, &self.options, until, calls(peer, with), watcher)
        });
        let why = match dialed {
            Ok(connection) => return Ok(connection),
            Err(Undialed::Stopped) => return Err(Untried::Called),
            // Not the try's time was up, but ours.
            Err(_) if with.until.is_some_and(|at| Some(at) == until && Instant::now() >= at) => {
                return Err(Untried::Called);
            }
            Err(why) => why,
        };
        let bound = bound.map(|(_, asked, option)| (asked, option));
        let failure = reach::failure("forward to", &self.to, &why, bound);
        let again = tries.after(why.fate(), Instant::now()).filter(|_| !matches!(why, Undialed::Unset(_)));
        let Some(at) = again else { return Err(Untried::Given(failure, bound)) };
        if let Some((_, asked, _)) = deadline.filter(|(deadline, ..)| at >= *deadline) {
            let sentence = format!("{failure}; no more tries before {} are over (--deadline)", span(asked));
            return Err(Untried::Given(Failure::error(Status::TimedOut, sentence), None));
        }
        with.log.say(&Event::Again { why: &failure.to_string(), after: at.saturating_duration_since(Instant::now()) });
        Err(Untried::Failed(failure, at))
    }

    /// Tells the other peer who called, before anything else.
    fn tell(&self, other: Connection, peer: &Connection) -> Result<Connection> {
        let Some(version) = self.tells else { return Ok(other) };
        let caller = Caller { from: peer.peer.clone(), to: peer.local.clone() };
        let header = proxy::header(version, &caller, !peer.transport.has_ends());
        // A new socket takes so little at once. Where it is gone again already, its reading tells.
        match sys::write(other.as_fd(), Manner::DontWait, &header) {
            Ok(n) if n < header.len() => Err(self.unsent(&io::ErrorKind::WriteZero.into())),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => Err(self.unsent(&e)),
            Ok(_) | Err(_) => Ok(other),
        }
    }

    fn unsent(&self, error: &io::Error) -> anyhow::Error {
        Failure::error(Status::Failure, format!("cannot tell {} who called: {}", self.to, reason(error)))
    }
}

fn earliest<const N: usize>(times: [Option<Instant>; N]) -> Option<Instant> {
    times.into_iter().flatten().min()
}

/// What calls somebody away who is on the way for `peer`: its loss too, where that can be told from its silence.
fn calls<'c>(peer: &'c Connection, with: &Circumstances<'c>) -> Calls<'c> {
    Calls { bells: with.bells, partner: peer.transport.has_ends().then(|| peer.as_fd()) }
}

/// Waits until somebody calls, which it tells, or until `until`.
fn rest(calls: Calls<'_>, until: Option<Instant>) -> bool {
    let mut fds: Vec<_> = calls.polled().collect();
    sys::poll(&mut fds, until).is_ok_and(|ready| ready > 0)
}

fn is_gone(peer: &Connection) -> bool {
    let events = sys::ready(peer.as_fd(), PollFlags::empty());
    peer.transport.has_ends() && events.intersects(PollFlags::HUP | PollFlags::ERR) && !has_left_something(peer.as_fd())
}

fn gone(peer: &Connection) -> anyhow::Error {
    let why = match sys::take_error(peer.as_fd()) {
        Some(error) if error.kind() != io::ErrorKind::ConnectionReset => reason(&error),
        Some(_) => "reset by the peer".into(),
        None => "it is gone".into(),
    };
    Failure::error(Status::Reset, format!("cannot finish the conversation with {}: {why}", peer.name()))
}
