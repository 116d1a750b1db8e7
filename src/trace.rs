//! Every sentence that fincat says: what happened as a value, its words, and who wants to hear it. It decides nothing.
//!
//! In reading order: this file (the events and their words), `picture` (those of `--trace`), `confirmation` (those of
//! `--confirm`), `fields` (the same as JSON), `log` (where they go); `hexdump` and `progress` show the bytes.

mod confirmation;
mod fields;
mod hexdump;
mod log;
mod picture;
mod progress;

use std::fmt;
use std::io::{self, Write};
use std::time::Duration;

pub use self::confirmation::Confirmation;
pub use self::fields::object as json;
pub use self::hexdump::{Hexdump, Tap};
pub use self::log::{About, Log, Place, Saying, Style};
pub use self::picture::{Leg, Moment, Step, Tcp, TimeWait, Verdict};
pub use self::progress::Progress;

/// How much is said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// `--quiet`: nothing.
    Quiet,
    /// Failures, and what would otherwise be a riddle.
    #[default]
    Failures,
    /// `-v`: each conversation.
    Conversations,
    /// `-vv`: every end and option.
    Everything,
}

/// Something worth a sentence.
#[derive(Debug)]
pub enum Event<'a> {
    /// What could not be done, as a whole sentence.
    Failure(&'a str),
    /// The same, and that is the end of it all.
    GivenUp {
        /// The sentence.
        why: &'a str,
        /// The exit status.
        status: u8,
    },
    /// Under `--single`, a peer waits in the backlog for the first time.
    PeerWaiting,
    /// The peer has finished, our input never spoke: the conversation ends.
    NeverSpoke,
    /// The peer has finished, only our silent input is waited for.
    WaitingForInput,
    /// A peer was closed at once.
    Refused {
        /// Who.
        peer: &'a str,
        /// How it came.
        transport: &'static str,
        /// Why: "denied by --deny".
        why: &'a str,
    },
    /// Datagrams could not be sent.
    Oversized {
        /// How many.
        count: u64,
    },
    /// One who does not read begins to lose what the others send.
    Behind {
        /// Who.
        who: &'a str,
    },
    /// One who has lost something leaves.
    Lost {
        /// Who.
        who: &'a str,
        /// How much it was.
        bytes: u64,
    },
    /// Accepting pauses for want of something.
    Paused {
        /// What is lacking.
        why: &'a str,
    },
    /// A try has failed, and there will be another.
    Again {
        /// What could not be done, as a whole sentence.
        why: &'a str,
        /// How long from now.
        after: Duration,
    },
    /// A listener is bound.
    Listening {
        /// The real address.
        local: &'a str,
        /// For whom.
        transport: &'static str,
    },
    /// A conversation begins.
    Opened {
        /// Our end.
        local: &'a str,
        /// Whether the peer came to us.
        accepted: bool,
        /// Who stands between us and the peer, and has told who that is.
        via: Option<&'a str>,
    },
    /// A conversation is over.
    Closed {
        /// Whose end came first, if any came.
        first: Option<&'static str>,
        /// How, in one word of the manual's: "fin", "reset".
        ending: &'static str,
        /// How: "in order", "reset by the peer".
        how: &'a str,
        /// The exit status that it would have alone.
        status: u8,
        /// Bytes to the peer; None where nobody counted.
        sent: Option<u64>,
        /// Bytes from the peer; None where nobody counted.
        received: Option<u64>,
        /// From its beginning.
        took: Duration,
    },
    /// A side's end.
    End {
        /// Whose.
        side: &'static str,
    },
    /// A command runs.
    Started {
        /// Its process.
        pid: i32,
    },
    /// A command whose client is gone gets a signal.
    Urged {
        /// Its name, without SIG.
        signal: &'static str,
    },
    /// A command behind pipes has ended.
    CommandEnded {
        /// How: "command ended with status 1".
        how: &'a str,
        /// It says that all went well, which is no news.
        well: bool,
    },
    /// An option in force that nobody can see otherwise.
    Option(&'a str),
    /// Where a conversation stands, because somebody has asked (SIGUSR1).
    UnderWay {
        /// Since when.
        since: Duration,
        /// Bytes to the peer; None where nobody counts.
        sent: Option<u64>,
        /// Bytes from the peer; None where nobody counts.
        received: Option<u64>,
        /// The kernel's state of a TCP connection.
        state: Option<&'static str>,
    },
    /// What is known of the bytes of a conversation in the end (`--confirm`).
    Confirmed(Confirmation),
    /// A picture begins (`--trace`): what its columns are. JSON needs none.
    Heading,
    /// A step in the life of a conversation (`--trace`).
    Step(Moment<'a>),
    /// What became of it (`--trace`).
    Verdict(Verdict),
}

impl Event<'_> {
    fn level(&self) -> Level {
        match self {
            Event::Failure(_)
            | Event::GivenUp { .. }
            | Event::PeerWaiting
            | Event::NeverSpoke
            | Event::WaitingForInput
            | Event::Refused { .. }
            | Event::Oversized { .. }
            | Event::Behind { .. }
            | Event::Paused { .. }
            | Event::UnderWay { .. }
            | Event::Confirmed(_) => Level::Failures,
            Event::Again { .. }
            | Event::Listening { .. }
            | Event::Opened { .. }
            | Event::Closed { .. }
            | Event::CommandEnded { well: false, .. }
            | Event::Lost { .. } => Level::Conversations,
            Event::End { .. }
            | Event::Started { .. }
            | Event::Urged { .. }
            | Event::CommandEnded { well: true, .. }
            | Event::Option(_) => Level::Everything,
            // They are said only where `--trace` asks for them.
            Event::Heading | Event::Step(_) | Event::Verdict(_) => Level::Quiet,
        }
    }

    /// Whether it is part of a picture, which names a conversation by its number.
    fn is_drawn(&self) -> bool {
        matches!(self, Event::Heading | Event::Step(_) | Event::Verdict(_))
    }

    /// Whether the sentence needs to say whose conversation it is about.
    fn is_about_a_peer(&self) -> bool {
        matches!(
            self,
            Event::Opened { .. }
                | Event::Closed { .. }
                | Event::End { .. }
                | Event::Started { .. }
                | Event::UnderWay { .. }
                | Event::Urged { .. }
                | Event::CommandEnded { .. }
        )
    }
}

impl fmt::Display for Event<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Event::Failure(why) | Event::GivenUp { why, .. } => f.write_str(why),
            Event::PeerWaiting => f.write_str("another peer is waiting: one at a time (see --thread)"),
            Event::NeverSpoke => {
                f.write_str("the peer has finished and standard input never spoke: done (--on-fin drain waits for it)")
            }
            Event::WaitingForInput => {
                f.write_str("the peer has finished; waiting for the end of standard input (see --recv-only, --on-fin)")
            }
            Event::Refused { peer, why, .. } => write!(f, "refused {peer}: {why}"),
            Event::Oversized { count } => {
                write!(f, "cannot send {count} datagram(s): larger than a datagram can be here (see --size)")
            }
            Event::Behind { who } => write!(f, "{who} does not read: it loses what others send (see --hub-queue)"),
            Event::Lost { who, bytes } => write!(f, "{who} has lost {bytes} bytes of what others sent"),
            Event::Paused { why } => write!(f, "cannot accept more for now: {why}; the others wait in the backlog"),
            Event::Again { why, after } => write!(f, "{why}; again in {}", span(*after)),
            Event::Listening { local, .. } => write!(f, "listening on {local}"),
            Event::Opened { local, via: Some(via), .. } => write!(f, "accepted on {local} by way of {via}"),
            Event::Opened { local, accepted: true, .. } => write!(f, "accepted on {local}"),
            Event::Opened { local, accepted: false, .. } => write!(f, "connected from {local}"),
            Event::Closed { first, how, sent, received, took, .. } => {
                write!(f, "{how}")?;
                if let Some(side) = first {
                    write!(f, ", {side} closed first")?;
                }
                moved(f, *sent, *received)?;
                write!(f, ", {:.3} s", took.as_secs_f64())
            }
            Event::End { side } => write!(f, "{side} finished"),
            Event::Started { pid } => write!(f, "command runs as process {pid}"),
            Event::Urged { signal } => write!(f, "the peer is gone and the command runs on: {signal}"),
            Event::CommandEnded { how: what, .. } | Event::Option(what) => f.write_str(what),
            Event::UnderWay { since, sent, received, state } => {
                write!(f, "under way for {:.3} s", since.as_secs_f64())?;
                moved(f, *sent, *received)?;
                state.map_or(Ok(()), |state| write!(f, ", {state}"))
            }
            Event::Confirmed(confirmation) => confirmation.fmt(f),
            Event::Heading => f.write_str(picture::HEADING),
            Event::Step(moment) => moment.fmt(f),
            Event::Verdict(verdict) => verdict.fmt(f),
        }
    }
}

fn moved(f: &mut fmt::Formatter<'_>, sent: Option<u64>, received: Option<u64>) -> fmt::Result {
    match (sent, received) {
        (Some(sent), Some(received)) => write!(f, ", sent {sent}, received {received} bytes"),
        _ => Ok(()),
    }
}

/// Says a text as it is: usage, which is asked for by saying nothing.
pub fn tell(text: &str) {
    let _ = io::stderr().write_all(text.as_bytes());
}

/// The reason of an error in a message's words: lower case, without the number.
pub fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut letters = text.chars();
    let first = letters.next().map(|c| c.to_lowercase().collect::<String>()).unwrap_or_default();
    first + letters.as_str()
}

/// A duration in a message's words: "1.5 s", "250 ms".
pub fn span(time: Duration) -> String {
    let whole = Duration::from_millis(u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
    if time < Duration::from_secs(1) {
        format!("{} ms", time.as_millis())
    } else {
        format!("{} s", whole.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_lower_case_and_unnumbered() {
        assert_eq!(reason(&io::Error::from_raw_os_error(libc_enospc())), "no space left on device");
        assert_eq!(reason(&io::ErrorKind::BrokenPipe.into()), "broken pipe");
    }

    fn libc_enospc() -> i32 {
        28
    }

    #[test]
    fn spans_are_short() {
        assert_eq!(span(Duration::from_millis(1500)), "1.5 s");
        assert_eq!(span(Duration::from_secs(2)), "2 s");
        assert_eq!(span(Duration::from_millis(250)), "250 ms");
    }
}
