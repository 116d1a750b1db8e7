//! What it means for a conversation that a descriptor fails: whose fault, what is still delivered, how it ends.
//! It knows no message and no exit status.

use std::io;

use super::closing::Side;
use super::end::{Fault, Reader};
use super::flow::{Flow, State};
use super::outcome::{Bound, Ending};
use super::teardown::{Patience, Teardown};
use super::{Phase, Relay};
use crate::sys;

impl Relay<'_> {
    pub(super) fn fault(&mut self, side: Side, fault: Fault) {
        let flow = match side {
            Side::We => self.flows.outgoing.as_ref(),
            Side::Peer => self.flows.incoming.as_ref(),
        };
        let reader = flow.map_or(Reader::Peer, Flow::reader);
        let object = flow.map_or("", Flow::source_name);
        match (side, fault, reader) {
            (Side::Peer, Fault::Source(error), _) => {
                // What could not be written is lost, whatever became of what was.
                let lost = self.broken.is_some() || self.owes();
                let error = self.broken.take().unwrap_or(error);
                self.end(Ending::of_peer(error, lost), Patience::Brief);
            }
            (Side::We, Fault::Source(error), _) if self.beyond.is_some() => self.upstream_broken(error),
            (Side::We, Fault::Source(error), _) => {
                self.end(Ending::Local { verb: "read", object, error }, Patience::Full);
            }
            (_, Fault::Sink(error), Reader::Peer) => self.peer_refuses(side, error),
            (_, Fault::Sink(error), _) if error.kind() == io::ErrorKind::BrokenPipe => self.output_lost(),
            (_, Fault::Sink(error), _) => {
                self.end(Ending::Local { verb: "write", object: "standard output", error }, Patience::Full);
            }
        }
    }

    /// The peer's socket takes nothing more. What it sent before is delivered first, if somebody else reads that.
    fn peer_refuses(&mut self, side: Side, error: io::Error) {
        let hears = self.flows.incoming.as_ref().is_some_and(|flow| flow.state() != State::Done);
        if self.closing.endless {
            // Nothing will tell of an end: what has come already is all there is.
            self.advance(Side::Peer, true);
            self.end(Ending::of_peer(error, true), Patience::Brief);
        } else if side == Side::We && hears {
            self.broken = Some(error);
            if let Some(flow) = &mut self.flows.outgoing {
                // Nobody is to wait for what it would have taken.
                flow.give_up_source();
                flow.abandon();
            }
        } else {
            self.end(Ending::of_peer(error, true), Patience::Brief);
        }
    }

    /// Whoever reads what the peer sends is gone.
    pub(super) fn output_lost(&mut self) {
        // One who leaves when everything has been delivered, the end too, has missed nothing.
        let Some(flow) = self.flows.incoming.as_mut().filter(|flow| flow.state() != State::Done) else { return };
        if matches!(flow.reader(), Reader::Command | Reader::Upstream) {
            flow.lose_sink(None);
            self.look_beyond();
            return self.end_if_nobody_listens();
        }
        let undelivered = flow.state() == State::Draining || sys::waiting(self.peer) != Some(0);
        let clean = self.ours_ended.has_come && !undelivered && sys::unacknowledged(self.peer) == 0;
        self.end(Ending::OutputGone { clean }, Patience::Full);
    }

    /// The peer has ended and is now gone altogether: its socket shows an error or a hang-up.
    pub(super) fn peer_lost(&mut self) {
        let lost = self.owes();
        let error = sys::take_error(self.peer).inspect(|_| self.peer_cut());
        let error = error.unwrap_or_else(|| io::ErrorKind::BrokenPipe.into());
        self.end(Ending::of_peer(error, lost), Patience::Brief);
    }

    /// Whether something that we read from our input may not have reached the peer.
    fn owes(&self) -> bool {
        let held = self.flows.outgoing.as_ref().is_some_and(|flow| flow.state() == State::Draining);
        !self.closing.endless && (held || sys::unacknowledged(self.peer) > 0)
    }

    /// How the conversation ended, now that the last close is due. An end is in order only where what we sent has gone
    /// somewhere: a peer that has taken none of it all the while is lost, or was.
    pub(super) fn judged(&mut self) -> Ending {
        let in_vain = match &self.phase {
            Phase::Closing(Ending::Order, teardown) => !self.closing.endless && teardown.was_in_vain(self.peer),
            _ => false,
        };
        match self.take_ending() {
            Ending::Order if in_vain && self.was_cut => Ending::Reset,
            Ending::Order if in_vain => Ending::TimedOut(Bound::Acknowledgement),
            ending => ending,
        }
    }

    /// Whether both ends have been exchanged: there is nothing left to hear, and nothing of ours that a close could
    /// destroy.
    pub(super) fn is_finished(&self) -> bool {
        let said = self.flows.each().any(|flow| flow.reader() == Reader::Peer && flow.is_finished());
        said && self.peers_ended.has_come
    }

    /// The conversation is over; the peer is heard out as far as its connection still stands. The first verdict stays.
    pub(super) fn end(&mut self, ending: Ending, patience: Patience) {
        if !self.is_deciding() {
            return;
        }
        self.show(|witness, peer| witness.ending(peer, &ending));
        if let Some(flow) = &mut self.flows.outgoing {
            // It moves nothing any more: whoever shares its source need not wait for it.
            flow.give_up_source();
        }
        // Who wants to know what the peer has acknowledged waits for it before the last close.
        let is_awaited = self.witness.is_some() || self.closing.confirm;
        let is_finished = self.is_finished() && !is_awaited;
        self.phase = if let Some(crossing) = self.crosses(&ending) {
            Phase::Crossing(ending, crossing)
        } else if !ending.tears_down() || self.closing.endless || is_finished {
            Phase::Over(ending)
        } else {
            Phase::Closing(ending, Teardown::begin(self.peer, patience))
        };
        if let Phase::Closing(..) = self.phase {
            self.fin_sent();
        }
    }
}
