//! How a conversation and its command ended, in words and as an exit status. It ends nothing, and says nothing itself.

use crate::exit::Status;
use crate::net::connection::Name;
use crate::relay::closing::Side;
use crate::relay::outcome::{Bound, Ending};
use crate::sys::Signal;
use crate::sys::process::Ended;
use crate::trace::{reason, span};

/// The exit status of a conversation that ended so.
pub(super) fn status_of(ending: &Ending) -> Status {
    match ending {
        Ending::Order | Ending::Abort | Ending::OutputGone { clean: true } => Status::Order,
        Ending::OutputGone { clean: false } => Status::Signal(Signal::PIPE.as_raw()),
        Ending::Refused => Status::Refused,
        Ending::Reset => Status::Reset,
        Ending::TimedOut(_) => Status::TimedOut,
        Ending::Unreachable(_) => Status::Unreachable,
        Ending::Local { .. } | Ending::Peer(_) | Ending::Called => Status::Failure,
        Ending::Upstream(how) => status_of(how),
    }
}

/// The exit status of a command that ended so, as a shell has it.
pub(super) fn status_of_command(ended: Ended) -> Status {
    match ended {
        Ended::Exited(status) => Status::Command(u8::try_from(status).unwrap_or(u8::MAX)),
        Ended::Killed(signal) => Status::Command(u8::try_from(signal).map_or(u8::MAX, |n| n.saturating_add(128))),
    }
}

/// How a command ended, in a few words.
pub(super) fn command_ended(ended: Ended) -> String {
    match ended {
        Ended::Exited(status) => format!("command ended with status {status}"),
        Ended::Killed(signal) => format!("command ended by signal {signal}"),
    }
}

/// The sentence about a conversation that failed; None where it did not, or its end speaks for itself.
pub(super) fn failure(ending: &Ending, peer: &Name) -> Option<String> {
    match ending {
        Ending::Order | Ending::Abort | Ending::OutputGone { .. } | Ending::Called => None,
        Ending::Local { verb, object, error } => Some(format!("cannot {verb} {object}: {}", reason(error))),
        ending => Some(format!("cannot finish the conversation with {peer}: {}", words(ending))),
    }
}

/// How it ended, in a few words.
pub(super) fn words(ending: &Ending) -> String {
    match ending {
        Ending::Order => "ended in order".into(),
        Ending::Abort => "reset by us, as asked".into(),
        Ending::OutputGone { .. } => "standard output is gone".into(),
        Ending::Called => "called off".into(),
        Ending::Refused => "connection refused".into(),
        Ending::Reset => "reset by the peer".into(),
        Ending::Upstream(how) => match &**how {
            Ending::Refused => "refused by the upstream".into(),
            Ending::Reset => "reset by the upstream".into(),
            Ending::TimedOut(_) => "timed out: the upstream's network does not answer".into(),
            how => format!("the upstream: {}", words(how)),
        },
        Ending::TimedOut(bound) => format!("timed out: {}", bound_words(*bound)),
        Ending::Unreachable(error) | Ending::Peer(error) => reason(error),
        Ending::Local { verb, object, error } => format!("cannot {verb} {object}: {}", reason(error)),
    }
}

fn bound_words(bound: Bound) -> String {
    match bound {
        Bound::Deadline(asked) => format!("not over after {} (--deadline)", span(asked)),
        Bound::Idle(asked) => format!("both sides were silent for {} (--idle-timeout)", span(asked)),
        Bound::HalfClose(Side::Peer, asked) => {
            format!("the peer was silent for {} after our end (--half-close-timeout)", span(asked))
        }
        Bound::HalfClose(Side::We, asked) => {
            format!("our input was silent for {} after the peer's FIN (--half-close-timeout)", span(asked))
        }
        Bound::Network => "the peer's network does not answer".into(),
    }
}
