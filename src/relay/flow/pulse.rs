//! When a flow moved a byte last, as far as anybody asks, and how long it keeps what a stream in full flow needs. What a
//! silence means is the clock's.

use std::time::{Duration, Instant};

use super::{Flow, State};

/// How long a silent flow keeps what it needed for a stream in full flow.
const KEPT: Duration = Duration::from_secs(1);

impl Flow<'_> {
    /// From now on it is noted when a byte moves.
    pub fn time(&mut self) {
        (self.is_timed, self.last_moved) = (true, Some(Instant::now()));
    }

    /// When a byte moved last, at either end; None where nobody has asked for it.
    pub fn last_moved(&self) -> Option<Instant> {
        self.last_moved
    }

    /// A byte has moved. The time costs a forked process two pages, so it is not taken for nothing.
    pub(super) fn note(&mut self) {
        if self.is_timed || self.way.keeps() {
            self.last_moved = Some(Instant::now());
        }
    }

    /// Until when it keeps what it needed for a stream in full flow, though it is silent; None where it keeps nothing.
    pub fn keeps_until(&self) -> Option<Instant> {
        let since = self.last_moved.filter(|_| self.state == State::Filling && self.way.keeps())?;
        since.checked_add(KEPT)
    }

    /// Gives it back, if it is time.
    pub fn give_back(&mut self) {
        if self.keeps_until().is_some_and(|until| Instant::now() >= until) {
            self.way.forget();
        }
    }
}
