//! What `--trace` sees of a conversation: its steps in the order in which they were noticed, with the kernel's state
//! beside each, and the verdict. It moves nothing and decides nothing; without it nothing is asked of the kernel.

use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use super::closing::Side;
use super::end::Reader;
use super::flow::{Flow, State as FlowState};
use super::outcome::{Bound, Ending, Outcome};
use super::{Phase, Relay};
use crate::sys::tcp::{self, Info, State};
use crate::sys::{self, PollFlags};
use crate::trace::{Event, Log, Moment, Step, Tcp, TimeWait, Verdict};

/// A witness of one conversation.
#[derive(Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is a step that was seen")]
pub struct Witness {
    log: Log,
    since: Instant,
    tcp: bool,
    sent: bool,
    received: bool,
    first_fin: Option<Side>,
    our_fin: bool,
    acknowledged: bool,
    peers_fin: bool,
    crossed: bool,
    reset: bool,
    input: Duration,
    output: Duration,
    /// How long the last close may wait.
    until: Option<Instant>,
}

/// Between two looks at what wakes no poll(2), and how long they hold up the last close.
const GLANCE: Duration = Duration::from_millis(2);
const HOLD: Duration = Duration::from_secs(1);

impl Relay<'_> {
    /// Lets the witness see something, if there is one.
    pub(super) fn show(&mut self, see: impl FnOnce(&mut Witness, BorrowedFd<'_>)) {
        if let Some(witness) = &mut self.witness {
            see(witness, self.peer);
        }
    }

    /// What has been given to the peer and taken from it.
    pub(super) fn show_bytes(&mut self) {
        let Some(witness) = &mut self.witness else { return };
        let flows = [self.flows.outgoing.as_ref(), self.flows.incoming.as_ref()];
        let given = flows.into_iter().flatten().filter(|flow| flow.reader() == Reader::Peer).map(Flow::given).sum();
        witness.moved(self.peer, given, self.flows.incoming.as_ref().map_or(0, Flow::taken));
    }

    /// The sink of this side's flow has been finished: a FIN, if the peer reads it.
    pub(super) fn show_fin(&mut self, side: Side) {
        let flow = match side {
            Side::We => self.flows.outgoing.as_ref(),
            Side::Peer => self.flows.incoming.as_ref(),
        };
        let goes_out = flow.is_some_and(|flow| flow.reader() == Reader::Peer && flow.state() == FlowState::Done);
        if goes_out && !self.closing.endless {
            self.show(Witness::our_fin);
        }
    }

    /// How long nothing could move.
    pub(super) fn show_waiting(&mut self, time: Option<Duration>) {
        let (Some(time), Some(witness)) = (time, &mut self.witness) else { return };
        let state = |flow: Option<&Flow<'_>>| flow.map(Flow::state);
        let input = state(self.flows.outgoing.as_ref()) == Some(FlowState::Filling);
        let output = state(self.flows.incoming.as_ref()) == Some(FlowState::Draining);
        witness.waited(time, input, output);
        witness.look(self.peer);
    }

    /// When to look again, readable or not.
    pub(super) fn next_glance(&self) -> Option<Instant> {
        let awaits = self.witness.as_ref().is_some_and(|witness| witness.awaits_an_acknowledgement());
        awaits.then(|| Instant::now() + GLANCE)
    }

    /// Whether the peer's end has been read while the socket was torn down.
    pub(super) fn has_heard_the_end(&self) -> bool {
        matches!(&self.phase, Phase::Closing(_, teardown) if teardown.heard_the_end())
    }

    /// Whether the last close waits, for a moment, for what the witness has yet to see.
    pub(super) fn is_held_back(&mut self) -> bool {
        if self.has_heard_the_end() && !self.closing.endless {
            self.show(Witness::peers_fin);
        }
        self.witness.as_mut().is_some_and(|witness| witness.holds_back())
    }
}

impl Witness {
    /// A witness of a conversation that begins, with time counted from `since`; None where nobody asked for one.
    pub fn of(
        log: &Log,
        since: Instant,
        peer: BorrowedFd<'_>,
        accepted: bool,
        handshake: Option<Duration>,
    ) -> Option<Self> {
        let info = log.traces().then(|| tcp::info(peer))?;
        let this = Self::new(log, since, info.is_some());
        let step = if accepted { Step::Accepted } else { Step::Connected };
        let note = handshake.map(|took| format!("after {:.3} ms", took.as_secs_f64() * 1000.0));
        this.step(step, peer, info.as_ref(), note.as_deref());
        Some(this)
    }

    fn new(log: &Log, since: Instant, tcp: bool) -> Self {
        Self {
            log: log.clone(),
            since,
            tcp,
            sent: false,
            received: false,
            first_fin: None,
            our_fin: false,
            acknowledged: false,
            peers_fin: false,
            crossed: false,
            reset: false,
            input: Duration::ZERO,
            output: Duration::ZERO,
            until: None,
        }
    }

    /// Says a step of the conversation on this socket.
    fn step(&self, step: Step, peer: BorrowedFd<'_>, info: Option<&Info>, note: Option<&str>) {
        let failed = !sys::ready(peer, PollFlags::empty()).intersection(PollFlags::ERR).is_empty();
        let state = info.map(|info| self.state(info.state, failed));
        let (name, inferred) = state.map_or((None, false), |(name, inferred)| (Some(name), inferred));
        let at = self.since.elapsed();
        self.log.say(&Event::Step(Moment { step, at, tcp: self.tcp, state: name, inferred, note }));
    }

    /// TIME-WAIT shows as CLOSED; what came before tells them apart.
    fn state(&self, state: State, failed: bool) -> (&'static str, bool) {
        let ours = self.first_fin == Some(Side::We) || self.crossed;
        if state == State::Closed && self.our_fin && ours && !failed && !self.reset {
            (State::TimeWait.name(), true)
        } else {
            (state.name(), false)
        }
    }

    /// So many bytes were given to the peer and taken from it by now.
    pub(super) fn moved(&mut self, peer: BorrowedFd<'_>, given: u64, taken: u64) {
        if taken > 0 && !std::mem::replace(&mut self.received, true) {
            self.step(Step::Received, peer, tcp::info(peer).as_ref(), None);
        }
        if given > 0 && !std::mem::replace(&mut self.sent, true) {
            self.step(Step::Sent, peer, tcp::info(peer).as_ref(), None);
        }
    }

    /// So long nothing could move, for want of our input, or because our output took nothing.
    pub(super) fn waited(&mut self, time: Duration, input: bool, output: bool) {
        self.input += if input { time } else { Duration::ZERO };
        self.output += if output { time } else { Duration::ZERO };
    }

    /// We have half-closed the socket.
    pub fn our_fin(&mut self, peer: BorrowedFd<'_>) {
        if !std::mem::replace(&mut self.our_fin, true) && !self.reset {
            self.first_fin.get_or_insert(Side::We);
            self.step(Step::OurFin, peer, tcp::info(peer).as_ref(), None);
        }
    }

    /// A read has brought the peer's end.
    pub fn peers_fin(&mut self, peer: BorrowedFd<'_>) {
        if self.peers_fin || self.reset {
            return;
        }
        let info = tcp::info(peer);
        self.crossed = self.our_fin && info.is_some_and(|info| info.state == State::Closing);
        // An acknowledgement that came with it is older.
        self.note_acknowledgement(peer, info.as_ref());
        self.peers_fin = true;
        self.first_fin.get_or_insert(Side::Peer);
        self.step(Step::PeersFin, peer, info.as_ref(), None);
    }

    /// Looks for the acknowledgement of our FIN, which wakes no poll(2).
    pub fn look(&mut self, peer: BorrowedFd<'_>) {
        if self.awaits_an_acknowledgement() {
            self.note_acknowledgement(peer, tcp::info(peer).as_ref());
        }
    }

    /// Whether looking again is worth it.
    pub(super) fn awaits_an_acknowledgement(&self) -> bool {
        self.tcp && self.our_fin && !self.acknowledged && !self.reset
    }

    fn holds_back(&mut self) -> bool {
        let until = *self.until.get_or_insert_with(|| Instant::now() + HOLD);
        self.awaits_an_acknowledgement() && Instant::now() < until
    }

    fn note_acknowledgement(&mut self, peer: BorrowedFd<'_>, info: Option<&Info>) {
        let Some(info) = info.filter(|info| !info.state.awaits_the_ack_of_our_fin()) else { return };
        if self.awaits_an_acknowledgement() && info.state != State::Established {
            self.acknowledged = true;
            self.step(Step::Acknowledged, peer, Some(info), None);
        }
    }

    /// It is decided how the conversation ends.
    pub(super) fn ending(&mut self, peer: BorrowedFd<'_>, ending: &Ending) {
        let step = match ending {
            Ending::Reset | Ending::Refused => Step::PeersReset,
            Ending::Abort => Step::OurReset,
            Ending::TimedOut(Bound::Network) | Ending::Unreachable(_) => Step::Lost,
            _ => return,
        };
        self.reset = true;
        self.step(step, peer, tcp::info(peer).as_ref(), None);
    }

    /// Says what has become of it; the socket is still open.
    pub fn conclude(&mut self, peer: BorrowedFd<'_>, outcome: &Outcome) {
        let info = tcp::info(peer);
        self.note_acknowledgement(peer, info.as_ref());
        let unacknowledged = self.unacknowledged(peer, info.as_ref());
        let ended = matches!(outcome.ending, Ending::Order) && !self.reset;
        let tcp = info.map(|info| Tcp {
            round_trip: info.round_trip,
            retransmissions: info.retransmissions,
            time_wait: self.time_wait(),
            window: info.window_shut,
        });
        self.log.say(&Event::Verdict(Verdict {
            first: self.first_fin.map(Side::word),
            in_order: ended && unacknowledged.unwrap_or(0) == 0,
            ending: outcome.ending.word(),
            sent: outcome.sent,
            received: outcome.received,
            unacknowledged,
            tcp,
            input: self.input,
            output: self.output,
        }));
    }

    fn unacknowledged(&self, peer: BorrowedFd<'_>, info: Option<&Info>) -> Option<u64> {
        let info = info?;
        // A connection that was reset shows as CLOSED; its FIN was not acknowledged either.
        let pending = info.state.awaits_the_ack_of_our_fin() || self.reset && !self.acknowledged;
        let fin = u64::from(self.our_fin && pending);
        Some(sys::unacknowledged(peer).saturating_sub(fin))
    }

    fn time_wait(&self) -> TimeWait {
        match self.first_fin {
            _ if self.reset || !(self.our_fin && self.peers_fin) => TimeWait::Nobodys,
            _ if self.crossed => TimeWait::Both,
            Some(Side::We) => TimeWait::Ours,
            _ => TimeWait::Peers,
        }
    }
}
