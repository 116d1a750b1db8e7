//! The exit statuses, as a type, and the failure that carries one to `main`. It decides nothing: whoever knows what
//! went wrong names the status.

use std::fmt;

/// How the process ends. Scripts rely on the numbers: they are a table of the man page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// The conversation ended in order.
    Order,
    /// Any failure without a number of its own.
    Failure,
    /// The command line makes no sense.
    Usage,
    /// A name could not be resolved.
    Unresolved,
    /// The peer refused the connection.
    Refused,
    /// A time ran out; the message says which.
    TimedOut,
    /// The network cannot reach the peer.
    Unreachable,
    /// The peer reset the connection.
    Reset,
    /// The address cannot be bound.
    CannotBind,
    /// The command cannot be run.
    CannotRun,
    /// The command is not found.
    NotFound,
    /// The command's own status; 128+n where signal n ended it.
    Command(u8),
    /// This signal ends us, after an orderly stop.
    Signal(i32),
}

impl Status {
    /// The number that the parent sees. For a signal, what a shell shows of it: 128+n.
    pub fn code(self) -> u8 {
        match self {
            Status::Order => 0,
            Status::Failure => 1,
            Status::Usage => 2,
            Status::Unresolved => 3,
            Status::Refused => 4,
            Status::TimedOut => 5,
            Status::Unreachable => 6,
            Status::Reset => 7,
            Status::CannotBind => 8,
            Status::CannotRun => 126,
            Status::NotFound => 127,
            Status::Command(code) => code,
            Status::Signal(signal) => u8::try_from(signal).map_or(255, |n| 128u8.saturating_add(n)),
        }
    }
}

/// A failure that ends the process: one sentence, one status.
#[derive(Debug)]
pub struct Failure {
    /// What the parent is told.
    pub status: Status,
    /// What the user is told: "cannot VERB OBJECT: REASON".
    pub sentence: String,
    /// Something was lacking that may come back: it is worth another try.
    passing: bool,
}

impl Failure {
    /// The failure as an error to hand up.
    pub fn error(status: Status, sentence: impl Into<String>) -> anyhow::Error {
        Self { status, sentence: sentence.into(), passing: false }.into()
    }

    /// A failure that another try may mend: a shortage.
    pub fn passing(status: Status, sentence: impl Into<String>) -> anyhow::Error {
        Self { status, sentence: sentence.into(), passing: true }.into()
    }

    /// Whether another try may mend it.
    pub fn is_passing(error: &anyhow::Error) -> bool {
        error.downcast_ref::<Self>().is_some_and(|failure| failure.passing)
    }

    /// The status that an error carries; `Failure` where it names none.
    pub fn status(error: &anyhow::Error) -> Status {
        error.downcast_ref::<Self>().map_or(Status::Failure, |failure| failure.status)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)
    }
}

impl std::error::Error for Failure {}
