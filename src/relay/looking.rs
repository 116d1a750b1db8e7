//! What is looked at though nothing rings: what the peer has acknowledged, and the clock. It waits for neither.

use std::time::Instant;

use super::clock::Due;
use super::closing::OnEof;
use super::flow::State;
use super::outcome::{Bound, Ending};
use super::teardown::Patience;
use super::{LOOK_LONGEST, Phase, Relay};
use crate::sys;
use crate::trace::Event;

impl Relay<'_> {
    pub(super) fn look_at_acknowledgements(&mut self) {
        let Phase::Acknowledging = self.phase else { return };
        if !self.closing.endless && sys::unacknowledged(self.peer) > 0 {
            self.look = (self.look * 2).min(LOOK_LONGEST);
            let heard = self.flows.incoming.as_ref().is_none_or(|flow| flow.state() == State::Done);
            // After the peer's FIN no read tells of an RST any more.
            if let Some(error) = sys::take_error(self.peer).filter(|_| heard) {
                self.end(Ending::of_peer(error, true), Patience::Brief);
            }
        } else if self.closing.on_eof == OnEof::Reset {
            self.hear_last_words();
        } else {
            self.end(Ending::Order, Patience::Full);
        }
    }

    pub(super) fn look_at_the_clock(&mut self) {
        let Some((at, due)) = self.clock().next().filter(|_| self.is_deciding()) else { return };
        if Instant::now() < at || self.peer_takes_more(due) {
            return;
        }
        let (ending, patience) = match due {
            Due::Mention => {
                self.mentioned = true;
                return self.log.say(&Event::WaitingForInput);
            }
            Due::NeverSpoke => {
                self.log.say(&Event::NeverSpoke);
                (Ending::Order, Patience::Full)
            }
            Due::Quit => (Ending::Order, Patience::Brief),
            Due::Deadline => {
                let asked = self.deadline.map(|deadline| deadline.asked);
                (Ending::TimedOut(Bound::Deadline(asked.unwrap_or_default())), Patience::Brief)
            }
            // Datagrams have no other end.
            Due::Idle if self.closing.endless => (Ending::Order, Patience::Full),
            Due::Idle => (Ending::TimedOut(Bound::Idle(self.closing.idle_timeout.unwrap_or_default())), Patience::Full),
            Due::HalfClosed(side) => {
                let asked = self.closing.half_close_timeout.unwrap_or_default();
                (Ending::TimedOut(Bound::HalfClose(side, asked)), Patience::Brief)
            }
        };
        self.end(ending, patience);
    }
}
