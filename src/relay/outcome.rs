//! What became of a conversation: facts for the messages and the exit status, no words and no numbers of theirs.

use std::io;
use std::time::Duration;

use super::closing::Side;
use super::end::Reader;
use super::flow::Flow;
use super::{Phase, Relay};
use crate::trace::Confirmation;

/// How a conversation ended, and what it moved.
#[derive(Debug)]
pub struct Outcome {
    /// Why it is over.
    pub ending: Ending,
    /// Whose end came first, if any came.
    pub closed_first: Option<Side>,
    /// Bytes given to the peer's socket.
    pub sent: u64,
    /// Bytes received from it.
    pub received: u64,
    /// Datagrams that were too large to be sent.
    pub oversized: u64,
    /// What is known of what was sent, where somebody has asked (`--confirm`).
    pub confirmed: Option<Confirmation>,
}

impl Relay<'_> {
    /// What became of it, now that it is over.
    pub(super) fn outcome(&mut self) -> Outcome {
        let (sent, received) = self.bytes();
        let (ending, closed_first, oversized) = (self.take_ending(), self.closed_first, self.oversized);
        let confirmed = self.confirmation(&ending, sent);
        self.conclude(&ending, sent, received);
        Outcome { ending, closed_first, sent, received, oversized, confirmed }
    }

    /// The witnesses' last words.
    fn conclude(&mut self, ending: &Ending, sent: u64, received: u64) {
        self.show(|witness, peer| witness.conclude(peer, ending, Some(sent), Some(received)));
        let given = |flow: &&Flow<'_>| flow.reader() == Reader::Upstream;
        let onwards = self.flows.incoming.as_ref().filter(given).map_or(0, Flow::given);
        let back = self.flows.outgoing.as_ref().map_or(0, Flow::taken);
        // What went wrong with the peer says nothing about the other one but that it was given up.
        let ending = match ending {
            Ending::Upstream(how) => how,
            ending if ending.is_order() => ending,
            _ => &Ending::Called,
        };
        self.show_beyond(|witness, upstream| witness.conclude(upstream, ending, Some(onwards), Some(back)));
    }

    pub(super) fn take_ending(&mut self) -> Ending {
        match std::mem::replace(&mut self.phase, Phase::Talking) {
            Phase::Closing(ending, _) | Phase::Crossing(ending, _) | Phase::Over(ending) => ending,
            Phase::Talking | Phase::Acknowledging => Ending::Called,
        }
    }
}

/// Why a conversation is over.
#[derive(Debug)]
pub enum Ending {
    /// Both ended, or a rule of the policy ended it in order.
    Order,
    /// We aborted it, as asked (`--on-eof reset`).
    Abort,
    /// Whoever read our output is gone; `clean` if that lost nothing: our input had ended, all that was sent is
    /// acknowledged, all that was received is delivered.
    OutputGone {
        /// Whether nothing was lost.
        clean: bool,
    },
    /// Nobody is there: an ICMP answer to a datagram, or a unix socket without its owner.
    Refused,
    /// The peer's RST: `ECONNRESET`, or `EPIPE` with something of ours not acknowledged.
    Reset,
    /// A bound of ours, or the network's patience, ran out.
    TimedOut(Bound),
    /// The network says that the peer cannot be reached any more.
    Unreachable(io::Error),
    /// Our input or our output failed.
    Local {
        /// What could not be done: "read", "write".
        verb: &'static str,
        /// To what: "standard input".
        object: &'static str,
        /// Why.
        error: io::Error,
    },
    /// The socket failed in another way.
    Peer(io::Error),
    /// The one whom we forward to broke it off, in one of the ways in which a peer can.
    Upstream(Box<Ending>),
    /// It was called off from outside.
    Called,
}

/// Which time ran out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// `--deadline`.
    Deadline(Duration),
    /// `--idle-timeout`.
    Idle(Duration),
    /// `--half-close-timeout`: this side was silent after the other's end.
    HalfClose(Side, Duration),
    /// `ETIMEDOUT`: the peer's TCP does not answer.
    Network,
}

impl Ending {
    /// What an error of the peer's socket means. `lost` says that something we sent may never have arrived.
    pub fn of_peer(error: io::Error, lost: bool) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Ending::Refused,
            io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted => Ending::Reset,
            io::ErrorKind::BrokenPipe | io::ErrorKind::NotConnected if lost => Ending::Reset,
            io::ErrorKind::BrokenPipe | io::ErrorKind::NotConnected => Ending::Order,
            io::ErrorKind::TimedOut => Ending::TimedOut(Bound::Network),
            io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable | io::ErrorKind::NetworkDown => {
                Ending::Unreachable(error)
            }
            _ => Ending::Peer(error),
        }
    }

    /// Whether nothing went wrong and nobody broke it off.
    pub fn is_order(&self) -> bool {
        matches!(self, Ending::Order | Ending::OutputGone { clean: true })
    }

    /// In one word.
    pub fn word(&self) -> &'static str {
        match self {
            Ending::Order => "fin",
            Ending::Abort => "abort",
            Ending::OutputGone { .. } => "output-gone",
            Ending::Refused => "refused",
            Ending::Reset => "reset",
            Ending::TimedOut(_) => "timeout",
            Ending::Unreachable(_) => "unreachable",
            Ending::Local { .. } | Ending::Peer(_) => "failure",
            Ending::Called => "called-off",
            Ending::Upstream(how) => how.word(),
        }
    }

    /// Whether it says that the peer is gone, and that this was no end in order.
    pub fn is_a_loss(&self) -> bool {
        matches!(
            self,
            Ending::Refused
                | Ending::Reset
                | Ending::Unreachable(_)
                | Ending::Peer(_)
                | Ending::TimedOut(Bound::Network)
        )
    }

    /// Whether the peer is worth hearing out before the close: the connection stands, and nobody is in a hurry.
    pub(crate) fn tears_down(&self) -> bool {
        !matches!(
            self,
            Ending::Abort
                | Ending::Refused
                | Ending::Reset
                | Ending::Unreachable(_)
                | Ending::TimedOut(Bound::Network)
                | Ending::Upstream(_)
        )
    }
}
