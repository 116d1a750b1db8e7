//! A client that is gone while a command holds its socket: from when on the command is to be told. It signals nobody.

use std::time::{Duration, Instant};

/// What a command has to leave by itself, once its client is gone.
pub(super) const MOMENT: Duration = Duration::from_secs(1);

/// How long it may go without reading what the client left in good order.
const READING: Duration = Duration::from_secs(10);

/// Between two looks at what is left to be read, which wakes no poll(2).
const LOOK: Duration = Duration::from_millis(100);

/// A client that is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Absence {
    /// It reset the connection; else both have ended in order.
    abrupt: bool,
    /// Bytes of its that the command has not read yet.
    unread: u64,
    /// Since when nothing has changed.
    since: Instant,
}

impl Absence {
    pub(super) fn new(abrupt: bool, unread: u64, now: Instant) -> Self {
        Self { abrupt, unread, since: now }
    }

    /// Whether the command is to be told: it reads no more of what the client has left.
    pub(super) fn is_over(&mut self, unread: u64, now: Instant) -> bool {
        if unread != self.unread {
            (self.unread, self.since) = (unread, now);
        }
        now >= self.since + self.patience()
    }

    /// When to look again.
    pub(super) fn until(&self, now: Instant) -> Instant {
        let end = self.since + self.patience();
        if self.unread == 0 { end } else { end.min(now + LOOK) }
    }

    fn patience(&self) -> Duration {
        // Even what it has read, after a reset too, it may still have to write down.
        if self.abrupt || self.unread == 0 { MOMENT } else { READING }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_may_read_what_was_left() {
        let start = Instant::now();
        let after = |millis| start + Duration::from_millis(millis);
        let mut told = Absence::new(true, 0, start);
        assert!(!told.is_over(0, after(900)), "it may be busy with what it has read");
        assert!(told.is_over(0, after(1000)), "nothing is left of a reset connection");
        let mut reset = Absence::new(true, 100, start);
        assert!(!reset.is_over(100, after(900)));
        assert!(!reset.is_over(50, after(1100)), "it reads");
        assert!(!reset.is_over(50, after(2000)));
        assert!(reset.is_over(50, after(2100)), "it reads no more");
        let mut ended = Absence::new(false, 100, start);
        assert!(!ended.is_over(100, after(9900)));
        assert!(!ended.is_over(0, after(9950)), "it has read everything");
        assert!(!ended.is_over(0, after(10_900)));
        assert!(ended.is_over(0, after(10_950)));
    }
}
