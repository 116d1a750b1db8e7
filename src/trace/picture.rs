//! The life of a conversation as a textbook draws it: two columns, an arrow for each step, the kernel's state beside it;
//! and the verdict below. It fits 80 columns and draws what it is given.

use std::fmt;
use std::time::Duration;

/// Above the columns.
pub(super) const HEADING: &str = "       ms |us                peer| our end, as the kernel shows it";

/// With whom.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Leg {
    /// The peer.
    #[default]
    Peer,
    /// Whom we forward to.
    Upstream,
}

impl Leg {
    pub(super) fn word(self) -> &'static str {
        match self {
            Leg::Peer => "peer",
            Leg::Upstream => "upstream",
        }
    }

    /// What follows a conversation's number in its picture.
    pub(super) fn mark(self) -> &'static str {
        match self {
            Leg::Peer => "",
            Leg::Upstream => "+",
        }
    }
}

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
    /// Nobody is there: an answer to a datagram.
    Refused,
    /// Nobody answers any more.
    Lost,
    /// The connection was found closed, and nobody has seen how.
    Gone,
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
            Step::Refused => "refused",
            Step::Lost => "lost",
            Step::Gone => "gone",
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
            (Step::PeersReset, true) => ("RST", Some(false)),
            (Step::PeersReset, false) => ("reset", Some(false)),
            (Step::Refused, _) => ("refused", Some(false)),
            (Step::Lost, _) => ("no answer", None),
            (Step::Gone, _) => ("closed", None),
        }
    }
}

/// A step, when it was taken, and what the kernel showed then.
#[derive(Clone, Copy, Debug)]
pub struct Moment<'a> {
    /// With whom.
    pub leg: Leg,
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
const ARROW: usize = 22;

impl fmt::Display for Moment<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, outwards) = self.step.arrow(self.tcp);
        let word = format!(" {word} ");
        let drawn = match outwards {
            Some(true) => format!("{word:-^0$}>", ARROW - 1),
            Some(false) => format!("<{word:-^0$}", ARROW - 1),
            None => format!("{word:^ARROW$}"),
        };
        write!(f, "{:9.3} |{drawn}|", milliseconds(self.at))?;
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
    /// With whom.
    pub leg: Leg,
    /// Whose FIN came first: "we", "peer".
    pub first: Option<&'static str>,
    /// Nothing failed, and all that we sent is acknowledged, our end included.
    pub in_order: bool,
    /// The peer's end has come.
    pub ended: bool,
    /// How, in a word: "fin", "reset".
    pub ending: &'static str,
    /// Bytes given to the peer's socket; None where nobody counts.
    pub sent: Option<u64>,
    /// Bytes that came from it; None where nobody counts.
    pub received: Option<u64>,
    /// Bytes that the peer's TCP has not acknowledged; None where nobody counts.
    pub unacknowledged: Option<u64>,
    /// What only TCP knows.
    pub tcp: Option<Tcp>,
    /// How long nothing moved for want of our input, and because our output took nothing; None where somebody else
    /// moved the bytes.
    pub waited: Option<(Duration, Duration)>,
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
        let how = match (self.in_order, self.ending) {
            (true, _) => "in order",
            (false, "fin") => "not in order",
            (false, ending) => ending,
        };
        let open = if self.ended || self.first.is_none() { "" } else { "; the peer had not finished" };
        writeln!(f, "verdict: {first}; {how}{open}")?;
        match (self.sent, self.received) {
            (Some(sent), Some(received)) => write!(f, "   sent {sent}, received {received} bytes")?,
            _ => f.write_str("   nobody counted the bytes")?,
        }
        match self.unacknowledged {
            Some(0) => write!(f, "; all acknowledged")?,
            Some(left) => write!(f, "; {left} never acknowledged")?,
            None => {}
        }
        if let Some(tcp) = &self.tcp {
            let holder = match tcp.time_wait {
                TimeWait::Ours => "we hold TIME-WAIT (inferred)",
                TimeWait::Peers => "peer holds TIME-WAIT (inferred)",
                TimeWait::Both => "both hold TIME-WAIT (inferred)",
                TimeWait::Nobodys => "nobody holds TIME-WAIT",
            };
            let trip = milliseconds(tcp.round_trip);
            write!(f, "\n   round trip {trip:.3} ms, {} retransmissions; {holder}", tcp.retransmissions)?;
        }
        let own = self.waited.map(|(input, output)| (milliseconds(input), milliseconds(output)));
        let own = own.map(|(input, output)| format!("{input:.0} ms for our input, {output:.0} ms for our output"));
        let window = self.tcp.map(|tcp| format!("{:.0} ms for its window", milliseconds(tcp.window)));
        let waited: Vec<String> = own.into_iter().chain(window).collect();
        if waited.is_empty() { Ok(()) } else { write!(f, "\n   waited {}", waited.join(", ")) }
    }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_an_arrow_between_two_columns() {
        let at = Duration::from_micros(12_345_678);
        let moment = Moment {
            leg: Leg::Peer,
            step: Step::PeersFin,
            at,
            tcp: true,
            state: Some("TIME-WAIT"),
            inferred: true,
            note: None,
        };
        assert_eq!(moment.to_string(), "12345.678 |<-------- FIN --------| TIME-WAIT (inferred)");
        let ours = Moment { step: Step::OurFin, state: Some("FIN-WAIT-1"), inferred: false, ..moment };
        assert_eq!(ours.to_string(), "12345.678 |-------- FIN -------->| FIN-WAIT-1");
        let unix = Moment { tcp: false, state: None, ..ours };
        assert_eq!(unix.to_string(), "12345.678 |------ our end ------>|");
        let reset = Moment { step: Step::PeersReset, ..unix };
        assert_eq!(reset.to_string(), "12345.678 |<------- reset -------|");
        let refused = Moment { step: Step::Refused, ..unix };
        assert_eq!(refused.to_string(), "12345.678 |<------ refused ------|");
        let named = Moment { step: Step::Resolved, note: Some("192.0.2.1"), ..unix };
        assert_eq!(named.to_string(), "12345.678 |    name resolved     | 192.0.2.1");
    }

    #[test]
    fn a_verdict_is_four_lines() {
        let tcp = Tcp {
            round_trip: Duration::from_micros(12_345),
            retransmissions: 12,
            time_wait: TimeWait::Peers,
            window: Duration::from_millis(15),
        };
        let verdict = Verdict {
            leg: Leg::Peer,
            first: Some("peer"),
            in_order: true,
            ended: true,
            ending: "fin",
            sent: Some(6),
            received: Some(11),
            unacknowledged: Some(0),
            tcp: Some(tcp),
            waited: Some((Duration::from_millis(300), Duration::ZERO)),
        };
        let said = "verdict: the peer closed first; in order
   sent 6, received 11 bytes; all acknowledged
   round trip 12.345 ms, 12 retransmissions; peer holds TIME-WAIT (inferred)
   waited 300 ms for our input, 0 ms for our output, 15 ms for its window";
        assert_eq!(verdict.to_string(), said);
        assert!(said.lines().all(|line| line.len() <= 76), "there is room for a number");
        let uncounted =
            Verdict { sent: None, received: None, unacknowledged: None, tcp: None, waited: None, ..verdict };
        assert_eq!(uncounted.to_string(), "verdict: the peer closed first; in order\n   nobody counted the bytes");
        let lost = Verdict { in_order: false, ended: false, ending: "reset", unacknowledged: Some(4), ..verdict };
        let said = lost.to_string();
        assert!(said.starts_with("verdict: the peer closed first; reset; the peer had not finished\n"), "{said}");
        assert!(said.contains("; 4 never acknowledged\n"), "{said}");
    }
}
