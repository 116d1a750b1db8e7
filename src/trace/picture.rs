//! The life of a conversation as a textbook draws it: two columns, an arrow for each step, the kernel's state beside it;
//! and the verdict below. It fits 80 columns and draws what it is given.

use std::fmt;
use std::time::Duration;

/// A step in the life of a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The peer's name has become addresses.
    Resolved,
    /// A connection is asked for.
    Attempt,
    /// An attempt has failed.
    Failed,
    /// The peer's TCP has agreed.
    Connected,
    /// A peer was accepted; the handshake was over before.
    Accepted,
    /// Our first byte.
    Sent,
    /// The peer's first byte.
    Received,
    /// Our FIN.
    OurFin,
    /// The peer's TCP has acknowledged our FIN, and so everything before it.
    Acknowledged,
    /// The peer's FIN.
    PeersFin,
    /// We abort.
    OurReset,
    /// The peer's RST.
    PeersReset,
    /// Nobody answers any more.
    Lost,
}

impl Step {
    /// Its name in JSON.
    pub(super) fn word(self) -> &'static str {
        match self {
            Step::Resolved => "resolved",
            Step::Attempt => "attempt",
            Step::Failed => "failed",
            Step::Connected => "connected",
            Step::Accepted => "accepted",
            Step::Sent => "sent",
            Step::Received => "received",
            Step::OurFin => "our-fin",
            Step::Acknowledged => "acknowledged",
            Step::PeersFin => "peers-fin",
            Step::OurReset => "our-reset",
            Step::PeersReset => "peers-reset",
            Step::Lost => "lost",
        }
    }

    /// What the arrow says, and which way it points: to the peer or from it.
    fn arrow(self, streams: bool) -> (&'static str, Option<bool>) {
        match (self, streams) {
            (Step::Resolved, _) => ("name resolved", None),
            (Step::Attempt, true) => ("SYN", Some(true)),
            (Step::Attempt, false) => ("connect", Some(true)),
            (Step::Failed, _) => ("failed", None),
            (Step::Connected, true) => ("SYN, ACK", Some(false)),
            (Step::Connected, false) => ("connected", None),
            (Step::Accepted, _) => ("accepted", None),
            (Step::Sent, _) => ("first byte", Some(true)),
            (Step::Received, _) => ("first byte", Some(false)),
            (Step::OurFin, true) => ("FIN", Some(true)),
            (Step::Acknowledged, _) => ("ACK", Some(false)),
            (Step::PeersFin, true) => ("FIN", Some(false)),
            (Step::OurFin, false) => ("our end", Some(true)),
            (Step::PeersFin, false) => ("its end", Some(false)),
            (Step::OurReset, _) => ("RST", Some(true)),
            (Step::PeersReset, _) => ("RST", Some(false)),
            (Step::Lost, _) => ("no answer", None),
        }
    }
}

/// A step, when it was taken, and what the kernel showed then.
#[derive(Clone, Copy, Debug)]
pub struct Moment<'a> {
    /// What happened.
    pub step: Step,
    /// Since the start.
    pub at: Duration,
    /// Whether it is TCP's.
    pub tcp: bool,
    /// The state of the connection (RFC 9293); None where there is none to see.
    pub state: Option<&'static str>,
    /// The kernel does not show that state: it follows from what was seen before.
    pub inferred: bool,
    /// What else there is to say.
    pub note: Option<&'a str>,
}

/// The width of an arrow.
const ARROW: usize = 30;

impl fmt::Display for Moment<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, outwards) = self.step.arrow(self.tcp);
        let word = format!(" {word} ");
        let drawn = match outwards {
            Some(true) => format!("{word:-^0$}>", ARROW - 1),
            Some(false) => format!("<{word:-^0$}", ARROW - 1),
            None => format!("{word:^ARROW$}"),
        };
        write!(f, "{:10.3} |{drawn}|", milliseconds(self.at))?;
        if let Some(state) = self.state {
            write!(f, " {state}{}", if self.inferred { " (inferred)" } else { "" })?;
        }
        if let Some(note) = self.note {
            write!(f, " {note}")?;
        }
        Ok(())
    }
}

/// Who has to remember a connection that is over, so that its late segments disturb nobody (RFC 9293, TIME-WAIT).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeWait {
    /// We do.
    Ours,
    /// The peer does.
    Peers,
    /// Both do: the FINs crossed.
    Both,
    /// Nobody: it was reset, or has not ended.
    Nobodys,
}

impl TimeWait {
    pub(super) fn word(self) -> &'static str {
        match self {
            TimeWait::Ours => "we",
            TimeWait::Peers => "peer",
            TimeWait::Both => "both",
            TimeWait::Nobodys => "nobody",
        }
    }
}

/// What can be said of a conversation when it is over.
#[derive(Clone, Copy, Debug)]
pub struct Verdict {
    /// Whose FIN came first: "we", "peer".
    pub first: Option<&'static str>,
    /// Both FINs were exchanged and all that we sent is acknowledged.
    pub in_order: bool,
    /// How, in a word: "fin", "reset".
    pub ending: &'static str,
    /// Bytes given to the peer's socket.
    pub sent: u64,
    /// Bytes that came from it.
    pub received: u64,
    /// Bytes that the peer's TCP has not acknowledged; None where nobody counts.
    pub unacknowledged: Option<u64>,
    /// What only TCP knows.
    pub tcp: Option<Tcp>,
    /// How long we waited for our input, and for our output.
    pub input: Duration,
    /// How long the peer waited for our output.
    pub output: Duration,
}

/// What only TCP knows.
#[derive(Clone, Copy, Debug)]
pub struct Tcp {
    /// The smoothed round-trip time.
    pub round_trip: Duration,
    /// Segments sent again.
    pub retransmissions: u32,
    /// Who holds TIME-WAIT. It is inferred: the kernel shows it as CLOSED.
    pub time_wait: TimeWait,
    /// How long the peer's window was shut.
    pub window: Duration,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = match self.first {
            Some("we") => "we closed first",
            Some(_) => "the peer closed first",
            None => "nobody closed",
        };
        let how = if self.in_order { "in order" } else { self.ending };
        writeln!(f, "verdict: {first}; {how}")?;
        write!(f, "   sent {}, received {} bytes", self.sent, self.received)?;
        match self.unacknowledged {
            Some(0) => write!(f, "; all acknowledged")?,
            Some(left) => write!(f, "; {left} never acknowledged")?,
            None => {}
        }
        if let Some(tcp) = &self.tcp {
            let holder = match tcp.time_wait {
                TimeWait::Ours => "we hold TIME-WAIT (inferred)",
                TimeWait::Peers => "the peer holds TIME-WAIT (inferred)",
                TimeWait::Both => "both hold TIME-WAIT (inferred)",
                TimeWait::Nobodys => "nobody holds TIME-WAIT",
            };
            let trip = milliseconds(tcp.round_trip);
            write!(f, "\n   round trip {trip:.3} ms, {} retransmissions; {holder}", tcp.retransmissions)?;
        }
        let (input, output) = (milliseconds(self.input), milliseconds(self.output));
        write!(f, "\n   waited {input:.0} ms for our input, {output:.0} ms for our output")?;
        if let Some(tcp) = &self.tcp {
            write!(f, ", {:.0} ms for the peer's window", milliseconds(tcp.window))?;
        }
        Ok(())
    }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_fits_the_screen() {
        let at = Duration::from_micros(12_345_678);
        let moment =
            Moment { step: Step::PeersFin, at, tcp: true, state: Some("TIME-WAIT"), inferred: true, note: None };
        let line = format!("#1 {moment}");
        assert_eq!(line, "#1  12345.678 |<------------- FIN ------------| TIME-WAIT (inferred)");
        assert!(line.len() <= 80);
    }
}
