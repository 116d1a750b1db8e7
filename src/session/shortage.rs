//! What a conversation does that cannot begin for want of something: it waits, says so once, and tries again. It does not
//! know what is lacking, nor who may give it back.

use std::time::{Duration, Instant};

use super::{Attention, Call};
use crate::exit::Failure;
use crate::sys::{self, PollFd, PollFlags};
use crate::trace::{Event, Log};

/// Between two tries.
const MOMENT: Duration = Duration::from_millis(100);

/// A conversation's want of something.
#[derive(Debug, Default)]
pub(super) struct Shortage {
    said: bool,
}

impl Shortage {
    /// Lets a moment pass, if a failure is one that another try may mend. False where it is not, or the conversation is
    /// called off.
    pub(super) fn may_end(&mut self, why: &anyhow::Error, attention: &mut Attention<'_, '_>, log: &Log) -> bool {
        if !Failure::is_passing(why) {
            return false;
        }
        if !std::mem::replace(&mut self.said, true) {
            log.say(&Event::Paused { why: &why.to_string() });
        }
        attention.rest()
    }
}

impl Attention<'_, '_> {
    /// Lets a moment pass. False where the conversation is called off.
    fn rest(&mut self) -> bool {
        let until = Instant::now() + MOMENT;
        loop {
            let bells = self.watch.bells.iter().map(|bell| PollFd::from_borrowed_fd(*bell, PollFlags::IN));
            let bound = self.watch.until.map_or(until, |at| at.min(until));
            let rung = sys::poll(&mut bells.collect::<Vec<_>>(), Some(bound)).is_ok_and(|n| n > 0);
            let due = self.watch.until.is_some_and(|at| Instant::now() >= at);
            if (rung || due) && self.ask() == Call::End {
                return false;
            }
            if Instant::now() >= until {
                return true;
            }
        }
    }
}
