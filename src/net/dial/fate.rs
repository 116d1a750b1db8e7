//! What becomes of an attempt that fails, in the few kinds that scripts tell apart. It says no sentence.

use std::io;

use super::Undialed;

/// The kinds of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    /// The peer reset the connection.
    Reset,
    /// Nobody listens there.
    Refused,
    /// Nobody answered in time.
    TimedOut,
    /// The network cannot reach it.
    Unreachable,
    /// The name has no address.
    Unresolved,
    /// Our own address cannot be had.
    Unbindable,
    /// Anything else.
    Failed,
}

impl Fate {
    /// What an error of connect(2) and its like means. A path without anything at it is nobody's either.
    pub fn of(error: &io::Error) -> Self {
        use io::ErrorKind as K;
        match error.kind() {
            K::ConnectionRefused | K::NotFound => Fate::Refused,
            K::TimedOut => Fate::TimedOut,
            K::HostUnreachable | K::NetworkUnreachable | K::NetworkDown => Fate::Unreachable,
            // What an RST is called that comes before connect(2) has told of its success: EPIPE after a FIN.
            K::ConnectionReset | K::ConnectionAborted | K::BrokenPipe => Fate::Reset,
            K::AddrInUse | K::AddrNotAvailable => Fate::Unbindable,
            _ => Fate::Failed,
        }
    }
}

impl Undialed {
    /// Where several addresses fail differently, the one that got farthest counts.
    pub fn fate(&self) -> Fate {
        match self {
            Undialed::Unresolved(e) if e.kind() == io::ErrorKind::TimedOut => Fate::TimedOut,
            Undialed::Unresolved(_) => Fate::Unresolved,
            Undialed::Source(..) => Fate::Unbindable,
            Undialed::Unset(_) | Undialed::Stopped => Fate::Failed,
            Undialed::Tried(tried) => tried.iter().map(|(_, e)| Fate::of(e)).min().unwrap_or(Fate::Failed),
        }
    }
}
