//! HOW DOES IT END: the relay moves the bytes of one conversation and ends it by the rules of `closing`.
//! It knows descriptors, bytes, ends and times; neither what stands behind them nor who else is being served.
//!
//! In reading order: `end`, `source`, `sink`, `framing`, `way` (splice or copy), `flow` (one direction), `closing` (the
//! policy), `clock` (its times), this file (two flows under one policy), `waiting` (for what), `looking` (unasked),
//! `failing` (whom), `crossing` (to the other of two who are joined), `teardown` (the last close), `outcome` (what became
//! of it); `witness`, `showing` and `confirming` (what is seen of it, when, and what is known in the end). And where many
//! conversations share one input and output: `hub`.

pub mod clock;
pub mod closing;
mod confirming;
mod crossing;
pub mod end;
mod failing;
pub mod flow;
pub mod framing;
pub mod hub;
mod looking;
pub mod outcome;
mod showing;
pub mod sink;
pub mod source;
pub mod tally;
pub mod teardown;
mod waiting;
mod way;
pub mod witness;

use std::io;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub use self::clock::Deadline;
use self::closing::{Action, Closing, OnEof, Side};
use self::confirming::Outstanding;
use self::crossing::{Beyond, Crossing};
use self::flow::{Flow, State};
use self::outcome::{Ending, Outcome};
use self::tally::Tally;
use self::teardown::{Patience, Teardown};
use self::witness::Witness;
use crate::sys;
use crate::sys::board::Slot;
use crate::trace::{Event, Log, Progress};

/// Keepalive after the peer's FIN: a peer that only half-closed answers for ever, one that is gone resets.
const PROBE_EVERY: Duration = Duration::from_secs(5);
const PROBES: u32 = 127;

/// Between two looks at what is acknowledged, which wakes no poll(2): the first, and the longest.
const LOOK_FIRST: Duration = Duration::from_millis(1);
const LOOK_LONGEST: Duration = Duration::from_millis(50);

/// The two directions of a conversation. A missing one counts as ended and says nothing.
#[derive(Debug)]
pub struct Flows<'a> {
    /// From our input to the peer.
    pub outgoing: Option<Flow<'a>>,
    /// From the peer to our output.
    pub incoming: Option<Flow<'a>>,
}

impl<'a> Flows<'a> {
    /// The directions that there are.
    pub(crate) fn each(&self) -> impl Iterator<Item = &Flow<'a>> {
        self.outgoing.iter().chain(&self.incoming)
    }

    fn each_mut(&mut self) -> impl Iterator<Item = &mut Flow<'a>> {
        self.outgoing.iter_mut().chain(&mut self.incoming)
    }

    /// From now on no bytes are passed on by reference.
    pub fn copy(&mut self) {
        self.each_mut().for_each(Flow::copy);
    }
}

/// One conversation under way.
#[derive(Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is something that has happened, or has not")]
pub struct Relay<'a> {
    peer: BorrowedFd<'a>,
    flows: Box<Flows<'a>>,
    closing: Closing,
    deadline: Option<Deadline>,
    log: &'a Log,
    slot: Option<Slot>,
    witness: Option<Box<Witness>>,
    /// Whom we forward to.
    beyond: Option<Box<Beyond<'a>>>,
    /// Where its bytes are counted for others.
    tally: Option<Arc<Tally>>,
    progress: Option<Box<Progress>>,
    /// What `--confirm` waits for.
    outstanding: Option<Outstanding>,
    /// The peer broke it off when it was decided already how it ends.
    was_cut: bool,
    /// Our FIN has gone out.
    fin: bool,
    phase: Phase,
    ours_ended: End,
    peers_ended: End,
    closed_first: Option<Side>,
    /// The peer's socket failed when we wrote; what it sent before is still being delivered.
    broken: Option<io::Error>,
    /// Only what had arrived at our end is still delivered.
    last_words: bool,
    mentioned: bool,
    taken: Option<Instant>,
    look: Duration,
    unacknowledged: u64,
    oversized: u64,
}

/// Whether a direction has ended by itself, and when, where the time counts.
#[derive(Clone, Copy, Debug, Default)]
struct End {
    has_come: bool,
    at: Option<Instant>,
}

/// Where the conversation stands.
#[derive(Debug)]
enum Phase {
    /// Bytes move, or may.
    Talking,
    /// Our input has ended; the conversation ends when the peer's TCP has acknowledged all of it.
    Acknowledging,
    /// It is decided how it ended; the peer is being heard out.
    Closing(Ending, Teardown),
    /// One of two who are joined broke it off, and the other is to be reset.
    Crossing(Ending, Crossing),
    /// Nothing is left to do.
    Over(Ending),
}

/// Why [`Relay::run`] returned.
#[derive(Debug)]
pub enum Turn {
    /// The conversation is over; the socket can be dropped.
    Ended(Outcome),
    /// One of the watched descriptors is readable, or the time is up: call again after seeing to it.
    Called,
}

impl<'a> Relay<'a> {
    /// A conversation on the socket `peer` that has not moved anything yet.
    pub fn new(
        peer: BorrowedFd<'a>,
        mut flows: Box<Flows<'a>>,
        closing: Closing,
        deadline: Option<Deadline>,
        log: &'a Log,
    ) -> Self {
        if closing.is_timed() {
            flows.each_mut().for_each(Flow::time);
        }
        Self {
            peer,
            flows,
            closing,
            deadline,
            log,
            slot: None,
            witness: None,
            beyond: None,
            tally: None,
            progress: None,
            outstanding: None,
            was_cut: false,
            fin: false,
            phase: Phase::Talking,
            ours_ended: End::default(),
            peers_ended: End::default(),
            closed_first: None,
            broken: None,
            last_words: false,
            mentioned: false,
            taken: None,
            look: LOOK_FIRST,
            unacknowledged: 0,
            oversized: 0,
        }
    }

    /// Notes on a board from now on that it is not idle.
    pub fn note(&mut self, slot: Option<Slot>) {
        self.slot = slot;
    }

    /// Takes what the peer has sent already, without asking whether there is any: who came to us has mostly begun.
    pub fn hear_first(&mut self) {
        self.advance(Side::Peer, true);
    }

    /// Goes on until the conversation is over, one of `watch` is readable, or `until` has come.
    pub fn run(&mut self, watch: &[BorrowedFd<'_>], until: Option<Instant>) -> Turn {
        loop {
            self.look_at_acknowledgements();
            self.look_at_the_clock();
            self.look_at_the_stall();
            self.look_at_the_crossing();
            for flow in self.flows.each_mut() {
                flow.give_back();
            }
            if let Phase::Closing(_, teardown) = &mut self.phase
                && teardown.advance(self.peer)
                && !self.is_held_back()
            {
                self.phase = Phase::Over(self.judged());
            }
            self.look_at_the_unheard();
            if let Phase::Over(_) = self.phase {
                return Turn::Ended(self.outcome());
            }
            if self.wait(watch, until) {
                return Turn::Called;
            }
        }
    }

    /// Ends the conversation at once: a signal, or a stopping server.
    pub fn call_off(&mut self) {
        if let Phase::Closing(ending, teardown) = &mut self.phase {
            *ending = Ending::Called;
            teardown.hasten();
        } else if let Phase::Crossing(_, crossing) = &mut self.phase {
            crossing.hasten();
        }
        self.end(Ending::Called, Patience::Brief);
    }

    fn is_deciding(&self) -> bool {
        matches!(self.phase, Phase::Talking | Phase::Acknowledging)
    }

    /// Moves bytes in one direction, the end of its source included.
    fn advance(&mut self, side: Side, readable: bool) {
        if !self.is_deciding() {
            return;
        }
        let flow = match side {
            Side::We => &mut self.flows.outgoing,
            Side::Peer => &mut self.flows.incoming,
        };
        let Some(flow) = flow.as_mut().filter(|flow| flow.state() != State::Done) else { return };
        if let Some(slot) = self.slot.as_ref().filter(|_| readable) {
            // Before anybody can know that it is not idle.
            slot.beat();
        }
        let advanced = flow.advance(readable);
        let (oversized, done) = (flow.take_oversized(), flow.state() == State::Done);
        if oversized > 0 {
            self.oversized += oversized;
            self.log.say(&Event::Oversized { count: oversized });
        }
        self.show_bytes();
        self.count();
        match advanced {
            Ok(()) if done => self.ended(side),
            Ok(()) => {}
            Err(fault) => self.fault(side, fault),
        }
        self.look_beyond();
        self.end_if_nobody_listens();
    }

    /// Our input has ended, and so has whoever read what the peer sends: neither direction leads anywhere.
    fn end_if_nobody_listens(&mut self) {
        let lost = self.flows.incoming.as_ref().is_some_and(Flow::is_lost);
        // What our input's end has decided (an acknowledgement to wait for, a reset) is carried out first.
        let undecided = matches!(self.phase, Phase::Talking) && !self.last_words;
        if lost && undecided && self.ours_ended.has_come {
            self.end_beyond();
        }
    }

    /// A direction has ended by itself, everything of it being delivered.
    fn ended(&mut self, side: Side) {
        if let (Side::Peer, Some(error)) = (side, self.broken.take()) {
            return self.end(Ending::of_peer(error, true), Patience::Brief);
        }
        if side == Side::Peer && self.last_words {
            return self.say_farewell();
        }
        if side == Side::We && self.has_lost_upstream() {
            return self.upstream_broken(io::ErrorKind::ConnectionReset.into());
        }
        let (own, other) = match side {
            Side::We => (&mut self.ours_ended, self.flows.incoming.as_ref()),
            Side::Peer => (&mut self.peers_ended, self.flows.outgoing.as_ref()),
        };
        *own = End { has_come: true, at: self.closing.is_timed().then(Instant::now) };
        let other_ended = other.is_none_or(|flow| flow.state() == State::Done);
        self.closed_first.get_or_insert(side);
        self.log.say(&Event::End { side: side.word() });
        self.show_end(side);
        if side == Side::We && !self.peers_ended.has_come {
            self.probe_beyond();
        }
        match self.phase {
            // Our input's end has decided already; the peer's only finishes our output.
            Phase::Acknowledging => self.finish_output(),
            _ => self.take(self.closing.on_end(side, other_ended)),
        }
    }

    fn take(&mut self, action: Action) {
        match action {
            Action::Hold => {}
            Action::HalfClose => self.half_close(),
            Action::LastWords => {
                self.half_close();
                self.hear_last_words();
            }
            Action::EndWhenAcknowledged => {
                self.half_close();
                self.phase = Phase::Acknowledging;
            }
            Action::AbortWhenAcknowledged => self.phase = Phase::Acknowledging,
            Action::FinishOutput => {
                self.finish_output();
                if !self.closing.endless {
                    // Refused where the socket knows no keepalive; there a peer that is gone shows at once.
                    let _ = sys::probe(self.peer, PROBE_EVERY, PROBES);
                }
            }
            Action::FinishOutputAndInput => {
                self.finish_output();
                if let Some(flow) = &mut self.flows.outgoing {
                    flow.end_after_what_waits();
                }
            }
            Action::End => {
                if self.closing.endless {
                    self.half_close();
                }
                self.finish_output();
                if self.peers_ended.has_come && self.is_deciding() && !self.is_finished() {
                    // Of a peer that has been heard to its end nothing is left to be heard out.
                    self.half_close();
                }
                self.end(Ending::Order, Patience::Full);
            }
        }
    }

    fn half_close(&mut self) {
        if let Some(Err(e)) = self.flows.outgoing.as_mut().map(Flow::finish_sink) {
            return self.end(Ending::of_peer(e, true), Patience::Brief);
        }
        self.show_fin(Side::We);
    }

    fn finish_output(&mut self) {
        let flow = self.flows.incoming.as_mut().filter(|flow| flow.state() == State::Done);
        let finished = flow.map(Flow::finish_sink);
        self.show_fin(Side::Peer);
        if let Some(Err(error)) = finished {
            self.end(Ending::Local { verb: "close", object: "standard output", error }, Patience::Brief);
        }
    }

    /// What the peer has sent so far is delivered; then the conversation ends, the rest is dropped.
    fn hear_last_words(&mut self) {
        self.phase = Phase::Talking;
        self.last_words = true;
        match self.flows.incoming.as_mut().filter(|flow| flow.state() != State::Done) {
            Some(flow) => flow.end_after_what_waits(),
            None => self.say_farewell(),
        }
    }

    fn say_farewell(&mut self) {
        self.finish_output();
        if self.closing.on_eof == OnEof::Reset {
            // The owner's close does the rest.
            let _ = sys::abort_on_close(self.peer);
            self.end(Ending::Abort, Patience::Brief);
        } else {
            self.end(Ending::Order, Patience::Full);
        }
    }
}
