//! What a conversation does that cannot begin for want of something: it waits, says so once, and tries again. It does not
//! know what is lacking, nor who may give it back.

use super::Attention;
use crate::exit::Failure;
use crate::trace::{Event, Log};

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
