//! What a conversation lets its witnesses see, and when (`--trace`). It says nothing itself.

use std::os::fd::BorrowedFd;
use std::time::Duration;

use super::Relay;
use super::closing::Side;
use super::crossing::Beyond;
use super::end::Reader;
use super::flow::{Flow, State};
use super::witness::Witness;

impl Relay<'_> {
    /// Lets somebody see its steps.
    pub fn attest(&mut self, witness: Option<Witness>) {
        self.witness = witness.map(Box::new);
    }

    /// Lets the witness see something of the peer, if there is one.
    pub(super) fn show(&mut self, see: impl FnOnce(&mut Witness, BorrowedFd<'_>)) {
        if let Some(witness) = &mut self.witness {
            see(witness, self.peer);
        }
    }

    /// The same of the one whom we forward to.
    pub(super) fn show_beyond(&mut self, see: impl FnOnce(&mut Witness, BorrowedFd<'_>)) {
        if let Some(Beyond { socket, witness: Some(witness), .. }) = self.beyond.as_deref_mut() {
            see(witness, *socket);
        }
    }

    /// What has been given to each and taken from it.
    pub(super) fn show_bytes(&mut self) {
        if self.witness.is_none() {
            return;
        }
        let given = |flow: Option<&Flow<'_>>, to| flow.filter(|flow| flow.reader() == to).map_or(0, Flow::given);
        let (outgoing, incoming) = (self.flows.outgoing.as_ref(), self.flows.incoming.as_ref());
        let sent = given(outgoing, Reader::Peer) + given(incoming, Reader::Peer);
        let beyond = (given(incoming, Reader::Upstream), outgoing.map_or(0, Flow::taken));
        let received = incoming.map_or(0, Flow::taken);
        self.show(|witness, peer| witness.moved(peer, sent, received));
        self.show_beyond(|witness, upstream| witness.moved(upstream, beyond.0, beyond.1));
    }

    /// The sink of this side's flow has been finished: a FIN, if a socket reads it.
    pub(super) fn show_fin(&mut self, side: Side) {
        let flow = match side {
            Side::We => self.flows.outgoing.as_ref(),
            Side::Peer => self.flows.incoming.as_ref(),
        };
        match flow.filter(|flow| flow.state() == State::Done).map(Flow::reader) {
            Some(Reader::Peer) if !self.closing.endless => self.fin_sent(),
            Some(Reader::Upstream) => self.show_beyond(Witness::our_fin),
            _ => {}
        }
    }

    /// The source of this side's flow has ended: the peer's FIN, or that of the one whom we forward to.
    pub(super) fn show_end(&mut self, side: Side) {
        match side {
            Side::Peer if !self.closing.endless => self.show(Witness::peers_fin),
            Side::Peer => {}
            Side::We => self.show_beyond(Witness::peers_fin),
        }
    }

    /// How long nothing could move.
    pub(super) fn show_waiting(&mut self, time: Option<Duration>) {
        let Some(time) = time else { return };
        let state = |flow: Option<&Flow<'_>>| flow.map(Flow::state);
        let input = state(self.flows.outgoing.as_ref()) == Some(State::Filling);
        let output = state(self.flows.incoming.as_ref()) == Some(State::Draining);
        let look = |witness: &mut Witness, socket: BorrowedFd<'_>| {
            witness.waited(time, input, output);
            witness.look(socket);
        };
        self.show(look);
        self.show_beyond(look);
    }

    /// Whether looking at what is acknowledged is worth it.
    pub(super) fn awaits_an_acknowledgement(&self) -> bool {
        let beyond = self.beyond.as_deref().and_then(|beyond| beyond.witness.as_ref());
        self.witness.as_deref().into_iter().chain(beyond).any(Witness::awaits_an_acknowledgement)
    }

    /// Whether the last close waits, for a moment, for what a witness has yet to see.
    pub(super) fn is_held_back_for_a_witness(&mut self) -> bool {
        let mut waits = false;
        self.show(|witness, _| waits |= witness.holds_back());
        self.show_beyond(|witness, _| waits |= witness.holds_back());
        waits
    }
}
