//! What `--trace` sees of a conversation: its steps in the order in which they were noticed, with the kernel's state
//! beside each, and the verdict. It moves nothing and decides nothing; without it nothing is asked of the kernel.

use std::io;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use super::closing::Side;
use super::outcome::{Bound, Ending};
use crate::sys::states::{self, Info, State};
use crate::sys::{self, PollFlags};
use crate::trace::{Event, Leg, Log, Moment, Step, Tcp, TimeWait, Verdict};

/// A witness of one conversation, or of one leg of it.
#[derive(Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is a step that was seen")]
pub struct Witness {
    log: Log,
    leg: Leg,
    since: Instant,
    tcp: bool,
    /// It only sees the socket now and then, which somebody else uses.
    samples: bool,
    /// Now it is ours again.
    took_over: bool,
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

/// How a conversation began.
#[derive(Clone, Copy, Debug)]
pub struct Beginning {
    /// With whom.
    pub leg: Leg,
    /// Since when time is counted.
    pub since: Instant,
    /// The peer came to us.
    pub accepted: bool,
    /// How long the peer took to agree, where we asked.
    pub handshake: Option<Duration>,
}

/// Between two looks at what wakes no poll(2), and how long they hold up the last close.
pub(super) const GLANCE: Duration = Duration::from_millis(2);
const HOLD: Duration = Duration::from_secs(1);

impl Witness {
    /// A witness of a conversation that begins; None where nobody asked for one.
    pub fn of(log: &Log, peer: BorrowedFd<'_>, beginning: Beginning) -> Option<Self> {
        let info = log.traces().then(|| states::info(peer))?;
        let this = Self::new(log, &beginning, info.is_some());
        let Beginning { leg, accepted, handshake, .. } = beginning;
        if accepted && leg == Leg::Peer {
            log.say(&Event::Heading);
        }
        let step = if accepted { Step::Accepted } else { Step::Connected };
        let took = |took: Duration| format!("after {:.3} ms", took.as_secs_f64() * 1000.0);
        this.step(step, peer, info.as_ref(), handshake.map(took).as_deref());
        Some(this)
    }

    /// The same witness, of a socket that somebody else uses: it sees what samples show.
    #[must_use]
    pub fn sampling(self) -> Self {
        Self { samples: true, ..self }
    }

    fn new(log: &Log, beginning: &Beginning, tcp: bool) -> Self {
        Self {
            log: log.clone(),
            leg: beginning.leg,
            since: beginning.since,
            tcp,
            samples: false,
            took_over: false,
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
        let failed = has_failed(peer);
        let state = info.map(|info| self.state(step, info.state, failed));
        let (name, inferred) = state.map_or((None, false), |(name, inferred)| (Some(name), inferred));
        let note = note.or((self.samples && !self.took_over).then_some("sampled"));
        let (leg, at) = (self.leg, self.since.elapsed());
        self.log.say(&Event::Step(Moment { leg, step, at, tcp: self.tcp, state: name, inferred, note }));
    }

    /// TIME-WAIT shows as CLOSED, and what passes quickly is over before it can be looked at: what came before tells.
    fn state(&self, step: Step, state: State, failed: bool) -> (&'static str, bool) {
        let is_sound = !failed && !self.reset;
        let ours = self.first_fin == Some(Side::We) || self.crossed;
        match (step, state) {
            (Step::OurFin, State::FinWait2) => (State::FinWait1.name(), true),
            (Step::OurFin, State::Closed) if is_sound && !self.peers_fin => (State::FinWait1.name(), true),
            (Step::OurFin, State::Closed) if is_sound => (State::LastAck.name(), true),
            (_, State::Closed) if is_sound && self.our_fin && ours => (State::TimeWait.name(), true),
            _ => (state.name(), false),
        }
    }

    /// So many bytes were given to the peer and taken from it by now.
    pub(super) fn moved(&mut self, peer: BorrowedFd<'_>, given: u64, taken: u64) {
        if taken > 0 && !std::mem::replace(&mut self.received, true) {
            self.step(Step::Received, peer, states::info(peer).as_ref(), None);
        }
        if given > 0 && !std::mem::replace(&mut self.sent, true) {
            self.step(Step::Sent, peer, states::info(peer).as_ref(), None);
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
            self.step(Step::OurFin, peer, states::info(peer).as_ref(), None);
        }
    }

    /// A read has brought the peer's end.
    pub fn peers_fin(&mut self, peer: BorrowedFd<'_>) {
        if self.peers_fin || self.reset {
            return;
        }
        let info = states::info(peer);
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
            self.note_acknowledgement(peer, states::info(peer).as_ref());
        }
    }

    /// Looks at a socket that somebody else uses: nothing is read, no error is taken.
    pub fn sample(&mut self, peer: BorrowedFd<'_>) {
        let Some(info) = states::info(peer) else {
            if sys::has_hung_up(peer) {
                self.peers_fin(peer);
            }
            return;
        };
        if self.reset {
            return;
        }
        self.moved(peer, info.sent.unwrap_or(0), info.received(self.peers_fin).unwrap_or(0));
        match info.state {
            State::CloseWait => self.peers_fin(peer),
            State::LastAck => {
                self.peers_fin(peer);
                self.our_fin(peer);
            }
            State::FinWait1 | State::FinWait2 => self.our_fin(peer),
            State::Closing => {
                self.our_fin(peer);
                self.peers_fin(peer);
            }
            State::Closed if has_failed(peer) => self.fail(peer, Step::PeersReset),
            State::Closed if !(self.our_fin && self.peers_fin) => self.fail(peer, Step::Gone),
            _ => {}
        }
        self.look(peer);
    }

    /// What is done with the socket is seen as it is done from now on.
    pub fn take_over(&mut self) {
        self.took_over = true;
    }

    /// Whose end came first, as far as that was seen.
    pub fn first(&self) -> Option<Side> {
        self.first_fin
    }

    /// Whether looking again is worth it.
    pub(super) fn awaits_an_acknowledgement(&self) -> bool {
        self.tcp && self.our_fin && !self.acknowledged && !self.reset
    }

    /// Whether the last close waits for what is yet to be seen.
    pub fn holds_back(&mut self) -> bool {
        let until = *self.until.get_or_insert_with(|| Instant::now() + HOLD);
        self.awaits_an_acknowledgement() && Instant::now() < until
    }

    fn note_acknowledgement(&mut self, peer: BorrowedFd<'_>, info: Option<&Info>) {
        let Some(info) = info.filter(|_| self.awaits_an_acknowledgement()) else { return };
        if is_acknowledged(peer, info) {
            self.acknowledged = true;
            self.step(Step::Acknowledged, peer, Some(info), None);
        }
    }

    /// It is decided how the conversation ends.
    pub(super) fn ending(&mut self, peer: BorrowedFd<'_>, ending: &Ending) {
        match ending {
            Ending::Reset => self.fail(peer, Step::PeersReset),
            Ending::Refused => self.fail(peer, Step::Refused),
            Ending::Abort => self.fail(peer, Step::OurReset),
            Ending::TimedOut(Bound::Network) | Ending::Unreachable(_) => self.fail(peer, Step::Lost),
            _ => {}
        }
    }

    /// A read of the socket has failed, when the rest was decided already.
    pub fn broken(&mut self, peer: BorrowedFd<'_>, error: &io::Error) {
        let is_silence = error.kind() == io::ErrorKind::TimedOut;
        self.fail(peer, if is_silence { Step::Lost } else { Step::PeersReset });
    }

    pub(super) fn fail(&mut self, peer: BorrowedFd<'_>, step: Step) {
        if !std::mem::replace(&mut self.reset, true) {
            self.step(step, peer, states::info(peer).as_ref(), None);
        }
    }

    /// Says what has become of it; the socket is still open.
    pub fn conclude(&mut self, peer: BorrowedFd<'_>, ending: &Ending, sent: Option<u64>, received: Option<u64>) {
        let info = states::info(peer);
        self.note_acknowledgement(peer, info.as_ref());
        let unacknowledged = info.map(|_| unacknowledged(peer, self.our_fin && !self.acknowledged));
        let ended = ending.is_order() && !self.reset;
        let tcp = info.map(|info| Tcp {
            round_trip: info.round_trip,
            retransmissions: info.retransmissions,
            time_wait: self.time_wait(),
            window: info.window_shut,
        });
        let in_order = ended && unacknowledged.unwrap_or(0) == 0 && (!self.tcp || self.acknowledged);
        let ending = if self.reset && ending.is_order() { "reset" } else { ending.word() };
        self.log.say(&Event::Verdict(Verdict {
            leg: self.leg,
            first: self.first_fin.map(Side::word),
            in_order,
            ended: self.peers_fin,
            ending,
            sent,
            received,
            unacknowledged,
            tcp,
            waited: (!self.samples).then_some((self.input, self.output)),
        }));
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

/// Whether an error waits on the socket; it stays there.
fn has_failed(socket: BorrowedFd<'_>) -> bool {
    !sys::ready(socket, PollFlags::empty()).intersection(PollFlags::ERR).is_empty()
}

/// Whether the peer's TCP has acknowledged our FIN, which has gone out.
pub(super) fn is_acknowledged(peer: BorrowedFd<'_>, info: &Info) -> bool {
    match info.state {
        // In TIME-WAIT nothing is outstanding; what a reset has cut off stays so.
        State::Closed => sys::unacknowledged(peer) == 0,
        State::Established | State::CloseWait => false,
        state => !state.awaits_the_ack_of_our_fin(),
    }
}

/// Bytes that the peer's TCP has not acknowledged; our FIN, if it is on its way, is none of them.
pub(super) fn unacknowledged(peer: BorrowedFd<'_>, fin: bool) -> u64 {
    sys::unacknowledged(peer).saturating_sub(fin.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the kernel shows when a step is looked at may be older or newer than the step.
    #[test]
    fn states_that_follow_from_what_came_before() {
        let beginning = Beginning { leg: Leg::Peer, since: Instant::now(), accepted: false, handshake: None };
        let witness = |first_fin, our_fin, peers_fin| {
            let new = Witness::new(&Log::default(), &beginning, true);
            Witness { first_fin, our_fin, peers_fin, ..new }
        };
        let (ours, theirs) = (witness(Some(Side::We), true, false), witness(Some(Side::Peer), true, true));
        for (witness, step, shown, told) in [
            (&ours, Step::OurFin, State::FinWait1, ("FIN-WAIT-1", false)),
            (&ours, Step::OurFin, State::FinWait2, ("FIN-WAIT-1", true)),
            (&ours, Step::OurFin, State::Closed, ("FIN-WAIT-1", true)),
            (&ours, Step::PeersFin, State::Closed, ("TIME-WAIT", true)),
            (&ours, Step::Acknowledged, State::FinWait2, ("FIN-WAIT-2", false)),
            (&theirs, Step::OurFin, State::Closed, ("LAST-ACK", true)),
            (&theirs, Step::OurFin, State::LastAck, ("LAST-ACK", false)),
            (&theirs, Step::Acknowledged, State::Closed, ("CLOSED", false)),
        ] {
            assert_eq!(witness.state(step, shown, false), told, "{step:?} {shown:?}");
        }
        assert_eq!(ours.state(Step::PeersFin, State::Closed, true), ("CLOSED", false), "it has failed");
    }
}
