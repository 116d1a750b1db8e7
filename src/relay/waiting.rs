//! What a conversation waits for: which descriptors, until when, and what readiness of each means.
//! It moves nothing and decides nothing.

use std::io;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use super::clock::{Clock, Due, Hand};
use super::closing::Side;
use super::crossing::Crossing;
use super::flow::{Flow, State};
use super::outcome::Ending;
use super::teardown::Patience;
use super::{Phase, Relay};
use crate::sys::{self, PollFd, PollFlags};

/// Between two tries of a sink whose readiness nobody can tell.
const RETRY: Duration = Duration::from_millis(5);

/// Between two looks at a gate that is shut.
const GATE: Duration = Duration::from_secs(1);

/// What a descriptor is watched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slot {
    /// The outgoing flow's source or sink.
    Outgoing,
    /// The incoming flow's source or sink.
    Incoming,
    /// The incoming flow's sink, for its loss only.
    Output,
    /// The peer's socket, for its loss only.
    Peer,
    /// The same, while what it said is still on its way.
    Leaving,
    /// The peer's socket while it is torn down.
    Teardown,
}

/// What poll(2) said.
#[derive(Debug, Default)]
#[allow(clippy::struct_excessive_bools, reason = "each is the answer of one descriptor")]
struct Polled {
    called: bool,
    outgoing: bool,
    incoming: bool,
    output_lost: bool,
    peer_lost: bool,
    /// Whether by an error.
    peer_left: Option<bool>,
    failed: Option<io::Error>,
    waited: Option<Duration>,
}

impl Polled {
    fn note(&mut self, slot: Slot, events: PollFlags) {
        let lost = events.intersects(PollFlags::ERR | PollFlags::HUP | PollFlags::NVAL);
        match slot {
            Slot::Outgoing => self.outgoing |= !events.is_empty(),
            Slot::Incoming => self.incoming |= !events.is_empty(),
            Slot::Output => self.output_lost |= lost,
            Slot::Peer => self.peer_lost |= lost,
            Slot::Leaving => self.peer_left = lost.then(|| events.contains(PollFlags::ERR)),
            Slot::Teardown => {}
        }
    }
}

impl Relay<'_> {
    /// Waits for the next thing to do and moves bytes; true when the caller is wanted.
    pub(super) fn wait(&mut self, watch: &[BorrowedFd<'_>], until: Option<Instant>) -> bool {
        let bound = [until, self.next_look()].into_iter().flatten().min();
        let mut polled = Polled::default();
        {
            let mut fds = Vec::with_capacity(watch.len() + 4);
            fds.extend(watch.iter().map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN)));
            let slots = self.interests(&mut fds);
            let before = self.witness.as_ref().map(|_| Instant::now());
            // ENOMEM or EINVAL: nothing that waiting longer would mend.
            polled.failed = sys::poll(&mut fds, bound).err();
            polled.waited = before.map(|before| before.elapsed());
            polled.called = fds[..watch.len()].iter().any(|fd| !fd.revents().is_empty());
            for (slot, fd) in slots.iter().zip(&fds[watch.len()..]) {
                polled.note(*slot, fd.revents());
            }
        }
        self.show_waiting(polled.waited);
        let wanted = polled.called || until.is_some_and(|at| Instant::now() >= at);
        self.act(polled);
        wanted
    }

    fn act(&mut self, polled: Polled) {
        if let Some(error) = polled.failed.filter(|_| self.is_deciding()) {
            return self.end(Ending::Local { verb: "wait for", object: "the conversation", error }, Patience::Brief);
        }
        // The peer first: what it has sent before an error is delivered before the error counts.
        self.advance(Side::Peer, polled.incoming);
        self.advance(Side::We, polled.outgoing);
        if polled.output_lost && self.is_deciding() {
            self.output_lost();
        }
        if polled.peer_lost && self.is_deciding() {
            self.peer_lost();
        }
        if let Some(broken) = polled.peer_left {
            self.peer_left(broken);
        }
    }

    /// Adds what poll(2) must watch besides the caller's descriptors; what each is watched for.
    fn interests<'s>(&'s self, fds: &mut Vec<PollFd<'s>>) -> Vec<Slot> {
        let mut slots = Vec::with_capacity(4);
        let mut add = |slot, fd| {
            slots.push(slot);
            fds.push(fd);
        };
        if !self.is_deciding() {
            if matches!(self.phase, Phase::Closing(..)) && !self.has_heard_enough() {
                add(Slot::Teardown, PollFd::from_borrowed_fd(self.peer, PollFlags::IN));
            }
            return slots;
        }
        let (outgoing, incoming) = (self.flows.outgoing.as_ref(), self.flows.incoming.as_ref());
        if let Some(fd) = outgoing.and_then(Flow::poll) {
            add(Slot::Outgoing, fd);
        }
        if let Some(fd) = incoming.and_then(Flow::poll) {
            add(Slot::Incoming, fd);
        }
        let hears = incoming.is_some_and(|flow| flow.state() != State::Done);
        if let Some(fd) = incoming.filter(|_| hears).and_then(Flow::watched) {
            add(Slot::Output, PollFd::from_borrowed_fd(fd, PollFlags::empty()));
        }
        // Until the peer's FIN, reading tells of its errors; after ours too, a hang-up is nothing but the two ends.
        if !hears && matches!(self.phase, Phase::Talking) {
            add(Slot::Peer, PollFd::from_borrowed_fd(self.peer, PollFlags::empty()));
        }
        if self.watches_the_peer() {
            add(Slot::Leaving, PollFd::from_borrowed_fd(self.peer, PollFlags::empty()));
        }
        slots
    }

    fn next_look(&self) -> Option<Instant> {
        match &self.phase {
            Phase::Closing(_, teardown) => return self.next_glance().or_else(|| Some(teardown.until())),
            Phase::Crossing(..) => return Some(Crossing::until()),
            Phase::Over(_) => return Some(Instant::now()),
            _ if self.flows.each().any(Flow::is_ready) => return Some(Instant::now()),
            _ => {}
        }
        let acknowledged = matches!(self.phase, Phase::Acknowledging).then(|| Instant::now() + self.look);
        let gate = self.flows.each().any(Flow::is_shut).then(|| Instant::now() + GATE);
        let retry = self.flows.each().any(Flow::needs_a_retry).then(|| Instant::now() + RETRY);
        let kept = self.flows.each().filter_map(Flow::keeps_until).min();
        let due = self.clock().next().map(|(at, _)| at);
        [acknowledged, gate, retry, kept, due, self.next_glance(), self.stalls_at()].into_iter().flatten().min()
    }

    /// The conversation, as the clock sees it.
    pub(super) fn clock(&self) -> Clock<'_> {
        let hand = |flow: Option<&Flow<'_>>, ended| {
            let flow = flow.map(|flow| (flow.state() != State::Draining, flow.last_moved(), flow.taken()));
            let (empty, moved, bytes) = flow.unwrap_or((true, None, 0));
            Hand { ended, empty, moved, bytes }
        };
        Clock {
            closing: &self.closing,
            deadline: self.deadline.map(|deadline| deadline.at),
            ours: hand(self.flows.outgoing.as_ref(), self.ours_ended.at),
            peers: hand(self.flows.incoming.as_ref(), self.peers_ended.at),
            mentioned: self.mentioned,
            taken: self.taken,
        }
    }

    /// A peer that says nothing but still takes what we sent is not silent: its clock starts anew.
    pub(super) fn peer_takes_more(&mut self, due: Due) -> bool {
        if !matches!(due, Due::Quit | Due::Idle | Due::HalfClosed(Side::Peer)) {
            return false;
        }
        let before = std::mem::replace(&mut self.unacknowledged, sys::unacknowledged(self.peer));
        let takes = !self.closing.endless && self.unacknowledged > 0 && before != self.unacknowledged;
        match due {
            _ if !takes => {}
            Due::Idle => self.taken = Some(Instant::now()),
            _ => self.ours_ended.at = Some(Instant::now()),
        }
        takes
    }
}
