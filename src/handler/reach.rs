//! Why a peer could not be reached, as a sentence and a status. It reaches nobody.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use crate::exit::{Failure, Status};
use crate::net::dial::Undialed;
use crate::net::dial::fate::Fate;
use crate::net::endpoint::Endpoint;
use crate::net::options::Unset;
use crate::net::transport::Transport;
use crate::trace::{reason, span};

/// The failure to do something ("connect to") with an endpoint. `bound` is the time that was given, and the option
/// that gave it.
pub fn failure(
    doing: &str,
    endpoint: &Endpoint,
    why: &Undialed,
    bound: Option<(Duration, &'static str)>,
) -> anyhow::Error {
    let timed_out = |phase: &str| match bound {
        Some((time, option)) => format!("timed out after {}{phase} ({option})", span(time)),
        None => format!("timed out{phase}"),
    };
    let told = |e: &io::Error| match e.kind() {
        // The kernel's own patience has a number, and is not what was asked for.
        io::ErrorKind::TimedOut if e.raw_os_error().is_none() => timed_out(""),
        io::ErrorKind::TimedOut => "timed out".into(),
        io::ErrorKind::PermissionDenied if endpoint.transport == Transport::Udp => {
            "permission denied (a broadcast address needs --broadcast)".into()
        }
        // RST has other names while connect(2) waits.
        _ if Fate::of(e) == Fate::Reset => "connection reset by peer".into(),
        _ => reason(e),
    };
    let sentence = match why {
        Undialed::Unresolved(e) if e.kind() == io::ErrorKind::TimedOut => timed_out(" resolving the name"),
        Undialed::Unresolved(e) => return unresolved(endpoint, e),
        Undialed::Source(..) | Undialed::Unset(_) | Undialed::Stopped => return hopeless(why),
        Undialed::Tried(tried) => match &tried[..] {
            [(_, e)] if endpoint.host().is_none_or(|host| host.parse::<IpAddr>().is_ok()) => told(e),
            tried => tried.iter().map(|(to, e)| format!("{to} {}", told(e))).collect::<Vec<_>>().join(", "),
        },
    };
    Failure::error(status(why.fate()), format!("cannot {doing} {endpoint}: {sentence}"))
}

/// What is known when the tries are over: the end of `--retry-for`, where it was the try's bound and cut it off, says
/// nothing of the peer, so there the failure `before` it stands.
pub fn last_word(
    before: Option<anyhow::Error>,
    last: anyhow::Error,
    bound: Option<(Duration, &'static str)>,
) -> anyhow::Error {
    let is_cut_off = Failure::status(&last) == Status::TimedOut;
    match (before, bound) {
        (Some(before), Some((asked, "--retry-for"))) if is_cut_off => {
            let sentence = format!("{before}; the last try was cut off after {} (--retry-for)", span(asked));
            Failure::error(Failure::status(&before), sentence)
        }
        _ => last,
    }
}

/// The failure to go anywhere at all, in the way that was asked for.
pub fn hopeless(why: &Undialed) -> anyhow::Error {
    match why {
        Undialed::Source(source, e) => {
            Failure::error(Status::CannotBind, format!("cannot come from {source}: {}", reason(e)))
        }
        Undialed::Unset(why) => unset(why),
        Undialed::Unresolved(_) | Undialed::Tried(_) | Undialed::Stopped => {
            Failure::error(status(why.fate()), "cannot go on: stopped")
        }
    }
}

/// The failure to set an option.
pub fn unset(why: &Unset) -> anyhow::Error {
    let sentence = format!("cannot set {}: {}{}", why.name(), reason(&why.error), why.advice());
    Failure::error(Status::Failure, sentence)
}

/// The failure to resolve an endpoint's name.
pub fn unresolved(endpoint: &Endpoint, error: &io::Error) -> anyhow::Error {
    let host = endpoint.host().unwrap_or_default();
    Failure::error(Status::Unresolved, format!("cannot resolve {host}: {}", reason(error)))
}

/// The exit status of a kind of failure.
pub fn status(fate: Fate) -> Status {
    match fate {
        Fate::Reset => Status::Reset,
        Fate::Refused => Status::Refused,
        Fate::TimedOut => Status::TimedOut,
        Fate::Unreachable => Status::Unreachable,
        Fate::Unresolved => Status::Unresolved,
        Fate::Unbindable => Status::CannotBind,
        Fate::Failed => Status::Failure,
    }
}
