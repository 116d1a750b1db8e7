//! What is held back so that it can be known (`--confirm`, `--trace`): the last close, until the peer's TCP has
//! acknowledged what we sent, our FIN included. It moves nothing.

use std::time::{Duration, Instant};

use super::outcome::Ending;
use super::witness::{GLANCE, Witness, is_acknowledged, unacknowledged};
use super::{Phase, Relay};
use crate::sys::{self, states};
use crate::trace::Confirmation;

/// How long the peer may acknowledge nothing until `--confirm` gives up.
const PATIENCE: Duration = Duration::from_secs(30);

/// What is still outstanding, and since when it is no less.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outstanding {
    bytes: u64,
    since: Instant,
}

impl Relay<'_> {
    /// Our FIN has gone out.
    pub(super) fn fin_sent(&mut self) {
        self.fin = true;
        self.show(Witness::our_fin);
    }

    /// When to look again, readable or not.
    pub(super) fn next_glance(&self) -> Option<Instant> {
        let awaits = self.outstanding.is_some() || self.awaits_an_acknowledgement();
        awaits.then(|| Instant::now() + GLANCE)
    }

    /// Whether nothing more is read from the peer while its socket is torn down.
    pub(super) fn has_heard_enough(&self) -> bool {
        matches!(&self.phase, Phase::Closing(_, teardown) if teardown.is_over())
    }

    /// Whether the last close waits for what has yet to be known.
    pub(super) fn is_held_back(&mut self) -> bool {
        let Phase::Closing(ending, teardown) = &mut self.phase else { return false };
        let (heard, is_called) = (teardown.heard_the_end(), matches!(ending, Ending::Called));
        let broken = teardown.take_failure();
        if heard && !self.closing.endless {
            self.show(Witness::peers_fin);
        }
        if let Some(error) = broken {
            self.was_cut = true;
            self.show(|witness, peer| witness.broken(peer, &error));
        }
        !is_called && (self.awaits_confirmation() || self.is_held_back_for_a_witness())
    }

    /// Whether something may still be acknowledged that decides what `--confirm` says.
    fn awaits_confirmation(&mut self) -> bool {
        let is_late = self.deadline.is_some_and(|deadline| Instant::now() >= deadline.at);
        if !self.closing.confirm || self.was_cut || is_late {
            self.outstanding = None;
            return false;
        }
        let bytes = sys::unacknowledged(self.peer);
        let since = match self.outstanding {
            Some(before) if before.bytes <= bytes => before.since,
            _ => Instant::now(),
        };
        let stands = states::info(self.peer).is_none_or(|info| info.state != states::State::Closed);
        let awaits = bytes > 0 && stands && since.elapsed() < PATIENCE;
        self.outstanding = awaits.then_some(Outstanding { bytes, since });
        awaits
    }

    /// What is known of the bytes that we sent, now that the conversation has ended like this.
    pub(super) fn confirmation(&self, ending: &Ending, sent: u64) -> Option<Confirmation> {
        if !self.closing.confirm {
            return None;
        }
        let info = states::info(self.peer);
        let closed = info.is_none_or(|info| is_acknowledged(self.peer, &info));
        // Whoever reads a unix socket counts in other units than bytes.
        let outstanding = unacknowledged(self.peer, info.is_some() && self.fin && !closed).min(sent);
        // An error that nobody has taken yet: a reset that came after everything else.
        let cut = self.was_cut || sys::take_error(self.peer).is_some();
        let in_order = self.fin && closed && !cut && ending.is_order();
        let ending = if cut && ending.is_order() { Ending::Reset.word() } else { ending.word() };
        Some(Confirmation { sent, outstanding, in_order, ending, local: info.is_none() })
    }
}
