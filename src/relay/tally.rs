//! What of a conversation others may look at while it goes on: how many bytes went each way, and who wants to see
//! each of them. It moves none.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::end::Reader;
use super::flow::Flow;
use super::{Flows, Relay};
use crate::trace::{Hexdump, Progress, Tap};

/// How many bytes went each way so far. Whoever reads it may find one direction newer than the other.
#[derive(Debug, Default)]
pub struct Tally {
    sent: AtomicU64,
    received: AtomicU64,
}

impl Tally {
    /// Bytes to the peer, and from it.
    pub fn read(&self) -> (u64, u64) {
        (self.sent.load(Ordering::Relaxed), self.received.load(Ordering::Relaxed))
    }
}

/// Who sees the bytes of a flow as they are exchanged with the peer.
#[derive(Debug, Default)]
pub(super) struct Taps {
    source: Option<Tap>,
    sink: Option<Tap>,
}

impl Taps {
    /// Those of a flow that comes from the peer, or does not, and goes to `reader`.
    pub(super) fn of(dump: &Hexdump, id: u64, from_peer: bool, reader: Reader) -> Self {
        let source = from_peer.then(|| dump.tap(id, false));
        Self { source, sink: (reader == Reader::Peer).then(|| dump.tap(id, true)) }
    }

    /// These were read.
    pub(super) fn took(&mut self, bytes: &[u8]) {
        if let Some(tap) = &mut self.source {
            tap.tell(bytes);
        }
    }

    /// These were written.
    pub(super) fn gave(&mut self, bytes: &[u8]) {
        if let Some(tap) = &mut self.sink {
            tap.tell(bytes);
        }
    }
}

impl Flows<'_> {
    /// From now on a hexdump is told all of their bytes, which are copied; `id` is the conversation's.
    pub fn dump(&mut self, dump: &Hexdump, id: u64) {
        self.copy();
        for (flow, from_peer) in [(&mut self.outgoing, false), (&mut self.incoming, true)] {
            if let Some(flow) = flow {
                flow.taps = Some(Box::new(Taps::of(dump, id, from_peer, flow.reader())));
            }
        }
    }
}

impl Relay<'_> {
    /// Counts its bytes where others can read it.
    pub fn count_in(&mut self, tally: Arc<Tally>) {
        self.tally = Some(tally);
    }

    /// Shows somebody how far it is.
    pub fn show_progress(&mut self, progress: Option<Progress>) {
        self.progress = progress.map(Box::new);
    }

    /// Bytes given to the peer, and taken from it.
    pub(super) fn bytes(&self) -> (u64, u64) {
        let sent = self.flows.each().filter(|flow| flow.reader() == Reader::Peer).map(Flow::given).sum();
        (sent, self.flows.incoming.as_ref().map_or(0, Flow::taken))
    }

    /// Counts what has been moved by now.
    pub(super) fn count(&mut self) {
        if self.tally.is_none() && self.progress.is_none() {
            return;
        }
        let (sent, received) = self.bytes();
        if let Some(tally) = &self.tally {
            tally.sent.store(sent, Ordering::Relaxed);
            tally.received.store(received, Ordering::Relaxed);
        }
        if let Some(progress) = &self.progress {
            progress.moved(sent, received);
        }
    }
}
