//! Why a peer could not be reached, as a sentence and a status. It reaches nobody.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use crate::exit::{Failure, Status};
use crate::net::dial::Undialed;
use crate::net::endpoint::Endpoint;
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
        io::ErrorKind::TimedOut => timed_out(""),
        io::ErrorKind::PermissionDenied if endpoint.transport == Transport::Udp => {
            "permission denied (a broadcast address needs --broadcast)".into()
        }
        _ => reason(e),
    };
    let (status, why) = match why {
        Undialed::Unresolved(e) if e.kind() == io::ErrorKind::TimedOut => {
            (Status::TimedOut, timed_out(" resolving the name"))
        }
        Undialed::Unresolved(e) => return unresolved(endpoint, e),
        Undialed::Source(source, e) => {
            return Failure::error(Status::CannotBind, format!("cannot come from {source}: {}", reason(e)));
        }
        Undialed::Stopped => (Status::Failure, "stopped".to_owned()),
        Undialed::Tried(tried) => {
            let status = tried.iter().map(|(_, e)| status_of(e)).min_by_key(|status| rank(*status));
            let reasons = match &tried[..] {
                [(_, e)] if endpoint.host().is_none_or(|host| host.parse::<IpAddr>().is_ok()) => told(e),
                tried => tried.iter().map(|(to, e)| format!("{to} {}", told(e))).collect::<Vec<_>>().join(", "),
            };
            (status.unwrap_or(Status::Failure), reasons)
        }
    };
    Failure::error(status, format!("cannot {doing} {endpoint}: {why}"))
}

/// The failure to resolve an endpoint's name.
pub fn unresolved(endpoint: &Endpoint, error: &io::Error) -> anyhow::Error {
    let host = endpoint.host().unwrap_or_default();
    Failure::error(Status::Unresolved, format!("cannot resolve {host}: {}", reason(error)))
}

fn status_of(error: &io::Error) -> Status {
    use io::ErrorKind as K;
    match error.kind() {
        K::ConnectionRefused => Status::Refused,
        K::TimedOut => Status::TimedOut,
        K::HostUnreachable | K::NetworkUnreachable | K::NetworkDown => Status::Unreachable,
        K::ConnectionReset => Status::Reset,
        K::AddrInUse | K::AddrNotAvailable => Status::CannotBind,
        _ => Status::Failure,
    }
}

/// Where several addresses fail differently, the one that got farthest counts.
fn rank(status: Status) -> u8 {
    match status {
        Status::Reset => 0,
        Status::Refused => 1,
        Status::TimedOut => 2,
        Status::Unreachable => 3,
        _ => 4,
    }
}
