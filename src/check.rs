//! Many connects, no conversation (`--check`): who is there, and if not, why. Not a byte of standard input is read, and
//! no stream is sent anything but its end.
//!
//! `names` resolves, `probe` is one port from its first SYN to its last FIN, `round` runs many of them at once, `board`
//! holds the answers and shows them in the order in which they were asked for.

mod board;
mod names;
mod probe;
mod round;

use std::io;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use self::round::Round;
use crate::net::dial::Undialed;
use crate::net::dial::fate::Fate;
use crate::net::dial::race::Spare;
use crate::net::dial::retry::Retry;
use crate::net::endpoint::At;
use crate::net::options::Dialing;
use crate::net::places::Places;
use crate::net::resolve::Resolving;
use crate::net::transport::Transport;
use crate::trace::{Log, Saying};

/// Whom to go to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Peers {
    /// One, to talk to or to look at.
    One(At),
    /// Several, to look at.
    Several(Places),
}

/// How answers are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// `HOST PORT open 0.4 ms`.
    Lines,
    /// An object a line.
    Json,
    /// Not at all.
    Silent,
}

/// What is to be checked, and how.
#[derive(Debug)]
pub struct Checks {
    /// How.
    pub transport: Transport,
    /// Who.
    pub peers: Peers,
    /// How names are resolved.
    pub resolving: Resolving,
    /// The sockets' options.
    pub options: Dialing,
    /// How long each try may take, from the name to the answer.
    pub within: Duration,
    /// Whether to try those again that are not open.
    pub retry: Retry,
    /// How long an open port must stay open.
    pub stable: Option<Duration>,
    /// What a datagram holds.
    pub payload: Vec<u8>,
    /// How long everything may take.
    pub deadline: Option<Duration>,
    /// How answers are shown,
    pub style: Style,
    /// and how much is said besides.
    pub saying: Saying,
}

/// How a port answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It does, after so long.
    Open(Duration),
    /// It did, and closed before `--stable` was over.
    Closed,
    /// It does not.
    Not(Fate),
}

impl Answer {
    fn fate(self) -> Option<Fate> {
        match self {
            Answer::Open(_) => None,
            Answer::Closed => Some(Fate::Failed),
            Answer::Not(fate) => Some(fate),
        }
    }
}

/// How a check ends.
#[derive(Debug)]
pub enum Verdict {
    /// Everybody is open.
    Open,
    /// Those who are not all fail like this.
    Alike(Fate),
    /// They do not fail alike.
    Mixed,
    /// `stop` was readable.
    Stopped,
    /// Nobody reads the answers any more.
    Unread,
    /// They cannot be written.
    Unwritten(io::Error),
    /// The descriptors that are left cannot be counted.
    Uncounted(io::Error),
    /// No port can be asked in the way that was asked for.
    Hopeless(Undialed),
}

/// Checks all of them, and shows the answers. A readable `stop` ends it at once.
pub fn check(checks: &Checks, log: &Log, stop: BorrowedFd<'_>) -> Verdict {
    let spare = Spare::default();
    let mut round = match Round::new(checks, log, &spare, Instant::now()) {
        Ok(round) => round,
        Err(e) => return Verdict::Uncounted(e),
    };
    match round.run(stop) {
        Ok(()) => judge(round.answers()),
        Err(verdict) => verdict,
    }
}

fn judge(answers: impl Iterator<Item = Answer>) -> Verdict {
    let mut verdict = Verdict::Open;
    for fate in answers.filter_map(Answer::fate) {
        verdict = match verdict {
            Verdict::Open => Verdict::Alike(fate),
            Verdict::Alike(other) if other == fate => Verdict::Alike(fate),
            _ => return Verdict::Mixed,
        };
    }
    verdict
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_alike_have_a_verdict_of_their_own() {
        let open = Answer::Open(Duration::ZERO);
        let (refused, late) = (Answer::Not(Fate::Refused), Answer::Not(Fate::TimedOut));
        let of = |answers: &[Answer]| format!("{:?}", judge(answers.iter().copied()));
        assert_eq!(of(&[open, open]), "Open");
        assert_eq!(of(&[open, refused, open, refused]), "Alike(Refused)");
        assert_eq!(of(&[refused, late]), "Mixed");
        assert_eq!(of(&[late, Answer::Closed]), "Mixed");
    }
}
