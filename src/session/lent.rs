//! A conversation whose socket a command holds: fincat only keeps a copy, learns of the command's end, and finishes
//! the socket then, so that unread input never destroys the answer. One step at a time, so that a process can see to
//! one or to many.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use super::absence::Absence;
use super::ending::{command_ended, failure, status_of_command, words};
use super::errand::{Errand, Verdict};
use super::register::Entered;
use super::{Report, Terms, Watch};
use crate::exit::{Failure, Status};
use crate::handler::forward::Onward;
use crate::handler::{self, Wiring};
use crate::net::connection::Connection;
use crate::relay::Deadline;
use crate::relay::closing::Side;
use crate::relay::outcome::{Bound, Ending};
use crate::relay::teardown::{Patience, Teardown};
use crate::relay::witness::Witness;
use crate::sys::process::Ended;
use crate::sys::{self, Pid, PollFlags};
use crate::trace::{Event, Leg, Level, Log};

/// Such a conversation.
#[derive(Debug)]
pub struct Lent {
    peer: Box<Connection>,
    log: Log,
    started: Instant,
    asked: Duration,
    state: State,
    client: Client,
    witness: Option<Witness>,
    /// When to sample the socket again.
    sample_at: Instant,
    /// Its place among those under way.
    #[allow(dead_code, reason = "it leaves the register when it is dropped")]
    entered: Entered,
    /// Whose end came first, as far as that could be seen.
    first: Option<Side>,
    /// The peer broke it off, as far as that could be seen.
    broken: Option<io::Error>,
    ended: anyhow::Result<Ended>,
    verdict: Verdict,
}

/// Between two samples of a socket that a command holds (`--trace`).
const SAMPLE: Duration = Duration::from_millis(20);

/// What is known of the client while the command holds the socket. Nothing is read and no error is taken: poll(2)
/// tells of a loss, and ioctl(2) how much the command has left unread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Client {
    /// It is there, as far as is known, and its loss matters.
    Watched,
    /// It is gone; the command has been told or will be.
    Gone(Absence),
    /// Nobody looks.
    Unwatched,
}

#[derive(Debug)]
enum State {
    Running(Errand),
    Finishing(Teardown),
}

impl Lent {
    /// Starts the command on the socket. Where that fails the peer is given back, with the reason.
    pub fn start(
        peer: Box<Connection>,
        terms: &Terms,
        number: usize,
        deadline: Option<Deadline>,
    ) -> Result<Self, (Box<Connection>, anyhow::Error)> {
        let log = terms.log.about(|| super::about(&peer));
        // Before the command speaks: whoever hears it may ask for it.
        let entered = terms.register.enter(&peer, None);
        let state = match handler::wire(
            &terms.task,
            &peer,
            &Onward::default(),
            &terms.circumstances(number, deadline, &Watch::default(), &log),
        ) {
            Ok(Wiring::Lent(command)) => State::Running(Errand::new(command, deadline, terms)),
            Ok(Wiring::Flows { .. }) => {
                let e = Failure::error(Status::Failure, "cannot lend the socket: the handler does not take it");
                return Err((peer, e));
            }
            Err(e) => return Err((peer, e)),
        };
        super::say_opened(&peer, &log);
        let asked = deadline.map_or(Duration::ZERO, |deadline| deadline.asked);
        let started = Instant::now();
        let client = if terms.hangup_grace.is_some() { Client::Watched } else { Client::Unwatched };
        let witness = super::witness(&log, &peer, Leg::Peer).map(Witness::sampling);
        let ended = Err(Failure::error(Status::Failure, "the command has not ended"));
        let (first, broken, verdict) = (None, None, Verdict::InOrder);
        Ok(Self {
            peer,
            log,
            started,
            asked,
            state,
            client,
            witness,
            sample_at: started,
            entered,
            first,
            broken,
            ended,
            verdict,
        })
    }

    /// The command's process, while it runs.
    pub fn pid(&self) -> Option<Pid> {
        match &self.state {
            State::Running(errand) => Some(errand.command().pid()),
            State::Finishing(_) => None,
        }
    }

    /// The descriptor to wait for: the command's end, then what the peer still sends.
    pub fn awaited(&self) -> BorrowedFd<'_> {
        match &self.state {
            State::Running(errand) => errand.as_fd(),
            State::Finishing(_) => self.peer.as_fd(),
        }
    }

    /// The client's socket while its loss matters: to be watched for errors and hang-ups only.
    pub fn watched(&self) -> Option<BorrowedFd<'_>> {
        let runs = matches!(self.state, State::Running(_));
        (runs && self.client == Client::Watched).then(|| self.peer.as_fd())
    }

    /// Something is wrong with what is watched: looks what it is. From now on it is watched no more.
    pub fn note_loss(&mut self) {
        let events = sys::ready(self.peer.as_fd(), PollFlags::empty());
        // An error alone may be no more than a message for the command.
        self.client = if events.contains(PollFlags::HUP) {
            Client::Gone(Absence::new(events.contains(PollFlags::ERR), self.unread(), Instant::now()))
        } else {
            Client::Unwatched
        };
        self.step(false);
    }

    fn unread(&self) -> u64 {
        sys::waiting(self.peer.as_fd()).unwrap_or(0)
    }

    /// When to step at the latest.
    pub fn until(&self) -> Option<Instant> {
        let own = match &self.state {
            State::Running(errand) => {
                let look =
                    if let Client::Gone(absence) = &self.client { Some(absence.until(Instant::now())) } else { None };
                [errand.until(), look].into_iter().flatten().min()
            }
            State::Finishing(teardown) => Some(teardown.until()),
        };
        let sample = self.witness.as_ref().map(|_| self.sample_at);
        [own, sample].into_iter().flatten().min()
    }

    /// Does what is due. `ready` says that what is awaited has come. The report ends the conversation.
    pub fn step(&mut self, ready: bool) -> Option<Report> {
        if let (Some(witness), State::Running(_)) = (&mut self.witness, &self.state) {
            witness.sample(self.peer.as_fd());
            self.sample_at = Instant::now() + SAMPLE;
        }
        let unread = if let Client::Gone(_) = self.client { self.unread() } else { 0 };
        match &mut self.state {
            State::Running(errand) if ready => {
                self.verdict = errand.verdict;
                if self.log.wants(Level::Conversations) {
                    // Before our own end: from now on it is ours alone.
                    self.first = self.witness.as_ref().and_then(Witness::first).or_else(|| who_ended(&self.peer));
                }
                let patience = if self.verdict == Verdict::InOrder { Patience::Full } else { Patience::Brief };
                let finishing = State::Finishing(Teardown::begin(self.peer.as_fd(), patience));
                if let State::Running(errand) = std::mem::replace(&mut self.state, finishing) {
                    self.ended = errand.end();
                }
                if let Some(witness) = &mut self.witness {
                    witness.take_over();
                    witness.our_fin(self.peer.as_fd());
                }
                self.step(true)
            }
            State::Running(errand) => {
                if let Client::Gone(absence) = &mut self.client
                    && absence.is_over(unread, Instant::now())
                {
                    self.client = Client::Unwatched;
                    errand.hang_up(Instant::now());
                }
                super::say_urged(errand.tick(), &self.log);
                None
            }
            State::Finishing(_) => self.finish().then(|| self.report()),
        }
    }

    /// Hears the peer out; true when the socket can be closed.
    fn finish(&mut self) -> bool {
        let State::Finishing(teardown) = &mut self.state else { return false };
        let peer = self.peer.as_fd();
        let over = teardown.advance(peer);
        if let Some(error) = teardown.take_failure() {
            if let Some(witness) = &mut self.witness {
                witness.broken(peer, &error);
            }
            self.broken = Some(error);
        }
        let Some(witness) = &mut self.witness else { return over };
        if teardown.heard_the_end() {
            witness.peers_fin(peer);
        }
        witness.look(peer);
        over && !witness.holds_back()
    }

    /// Ends the conversation now; it still takes steps until its report.
    pub fn call_off(&mut self) {
        match &mut self.state {
            State::Running(errand) => {
                errand.hasten(Verdict::CalledOff);
            }
            State::Finishing(teardown) => teardown.hasten(),
        }
    }

    fn report(&mut self) -> Report {
        let (ending, how, status) = match (self.verdict, &self.ended) {
            (Verdict::TimedOut, _) => {
                let ending = Ending::TimedOut(Bound::Deadline(self.asked));
                if let Some(sentence) = failure(&ending, &self.peer.name()) {
                    self.log.say(&Event::Failure(&sentence));
                }
                let how = words(&ending);
                (ending, how, Status::TimedOut)
            }
            (Verdict::InOrder, Ok(ended)) => {
                let ending = self.broken.take().map_or(Ending::Order, |error| Ending::of_peer(error, true));
                (ending, command_ended(*ended), status_of_command(*ended))
            }
            (Verdict::HungUp, Ok(ended)) => {
                let how = format!("the peer was gone, {}", command_ended(*ended));
                let ending = self.broken.take().map_or(Ending::Order, |error| Ending::of_peer(error, true));
                (ending, how, status_of_command(*ended))
            }
            (Verdict::InOrder | Verdict::HungUp, Err(e)) => {
                self.log.say(&Event::Failure(&e.to_string()));
                (Ending::Called, "its command could not be run".to_owned(), Failure::status(e))
            }
            _ => (Ending::Called, "called off".to_owned(), Status::Failure),
        };
        if self.log.wants(Level::Conversations) || self.witness.is_some() {
            let info = sys::states::info(self.peer.as_fd());
            let ended = matches!(&self.state, State::Finishing(teardown) if teardown.heard_the_end());
            let (sent, received) = (info.and_then(|info| info.sent), info.and_then(|info| info.received(ended)));
            if let Some(witness) = &mut self.witness {
                witness.conclude(self.peer.as_fd(), &ending, sent, received);
            }
            let (first, took, status) = (self.first.map(Side::word), self.started.elapsed(), status.code());
            let ending = ending.word();
            self.log.say(&Event::Closed { first, ending, how: &how, status, sent, received, took });
        }
        Report::of(status)
    }
}

/// Whose end came first on a socket that a command has held until now; None where nobody can tell.
fn who_ended(peer: &Connection) -> Option<Side> {
    use sys::states::State as S;
    match sys::states::info(peer.as_fd()).map(|info| info.state) {
        Some(S::CloseWait | S::LastAck) => Some(Side::Peer),
        Some(S::Closed) => None,
        None if sys::has_hung_up(peer.as_fd()) => Some(Side::Peer),
        // Nobody's yet, and ours comes now.
        _ => Some(Side::We),
    }
}
