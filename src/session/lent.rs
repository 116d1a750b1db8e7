//! A conversation whose socket a command holds: fincat only keeps a copy, learns of the command's end, and finishes
//! the socket then, so that unread input never destroys the answer. One step at a time, so that a process can see to
//! one or to many.

use std::cell::OnceCell;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use super::errand::{Errand, Verdict};
use super::{Report, Terms, command_ended, status_of_command};
use crate::exit::{Failure, Status};
use crate::handler::{self, Wiring};
use crate::net::connection::Connection;
use crate::relay::Deadline;
use crate::relay::outcome::{Bound, Ending};
use crate::relay::teardown::{Patience, Teardown};
use crate::relay::witness::Witness;
use crate::sys::process::Ended;
use crate::sys::{self, Pid};
use crate::trace::{Event, Level, Log};

/// Such a conversation.
#[derive(Debug)]
pub struct Lent {
    peer: Connection,
    log: Log,
    started: Instant,
    asked: Duration,
    state: State,
    witness: Option<Witness>,
    ended: anyhow::Result<Ended>,
    verdict: Verdict,
}

#[derive(Debug)]
enum State {
    Running(Errand),
    Finishing(Teardown),
}

impl Lent {
    /// Starts the command on the socket. Where that fails the peer is given back, with the reason.
    pub fn start(
        peer: Connection,
        terms: &Terms,
        number: usize,
        deadline: Option<Deadline>,
    ) -> Result<Self, Box<(Connection, anyhow::Error)>> {
        let log = terms.log.about(|| super::about(&peer));
        let state = match handler::wire(
            &terms.task,
            &peer,
            &OnceCell::new(),
            &terms.circumstances(number, deadline, &[], &log),
        ) {
            Ok(Wiring::Lent(command)) => State::Running(Errand::new(command, deadline, terms.command_grace)),
            Ok(Wiring::Flows { .. }) => {
                let e = Failure::error(Status::Failure, "cannot lend the socket: the handler does not take it");
                return Err(Box::new((peer, e)));
            }
            Err(e) => return Err(Box::new((peer, e))),
        };
        super::say_opened(&peer, &log);
        let asked = deadline.map_or(Duration::ZERO, |deadline| deadline.asked);
        let started = Instant::now();
        let witness = Witness::of(&log, peer.since, peer.as_fd(), peer.accepted, peer.handshake);
        let ended = Err(Failure::error(Status::Failure, "the command has not ended"));
        Ok(Self { peer, log, started, asked, state, witness, ended, verdict: Verdict::InOrder })
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

    /// When to step at the latest.
    pub fn until(&self) -> Option<Instant> {
        match &self.state {
            State::Running(errand) => errand.until(),
            State::Finishing(teardown) => Some(teardown.until()),
        }
    }

    /// Does what is due. `ready` says that what is awaited has come. The report ends the conversation.
    pub fn step(&mut self, ready: bool) -> Option<Report> {
        match &mut self.state {
            State::Running(errand) if ready => {
                (self.ended, self.verdict) = (errand.reap(), errand.verdict);
                let patience = if self.verdict == Verdict::InOrder { Patience::Full } else { Patience::Brief };
                self.state = State::Finishing(Teardown::begin(self.peer.as_fd(), patience));
                if let Some(witness) = &mut self.witness {
                    witness.our_fin(self.peer.as_fd());
                }
                self.step(true)
            }
            State::Running(errand) => {
                errand.tick();
                None
            }
            State::Finishing(teardown) => {
                let over = teardown.advance(self.peer.as_fd());
                if let Some(witness) = self.witness.as_mut().filter(|_| teardown.heard_the_end()) {
                    witness.peers_fin(self.peer.as_fd());
                }
                over.then(|| self.report())
            }
        }
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
                if let Some(sentence) = super::failure(&ending, &self.peer.name()) {
                    self.log.say(&Event::Failure(&sentence));
                }
                (ending.word(), super::words(&ending), Status::TimedOut)
            }
            (Verdict::InOrder, Ok(ended)) => ("command", command_ended(*ended), status_of_command(*ended)),
            (Verdict::InOrder, Err(e)) => {
                self.log.say(&Event::Failure(&e.to_string()));
                ("failure", "its command could not be run".to_owned(), Failure::status(e))
            }
            _ => (Ending::Called.word(), "called off".to_owned(), Status::Failure),
        };
        if self.log.wants(Level::Conversations) {
            let info = sys::tcp::info(self.peer.as_fd());
            let (sent, received) = (info.and_then(|info| info.sent), info.and_then(|info| info.received));
            let (first, took, status) = (None, self.started.elapsed(), status.code());
            self.log.say(&Event::Closed { first, ending, how: &how, status, sent, received, took });
        }
        Report::of(status)
    }
}
