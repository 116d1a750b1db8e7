//! How a conversation ends, as policy: what to do when one side has ended, and after how much silence.
//! A pure function of what was asked; carrying it out is the relay's.

use std::str::FromStr;
use std::time::Duration;

/// One of the two who talk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Our input, whose end we pass on.
    We,
    /// The peer, whose end is its FIN.
    Peer,
}

impl Side {
    /// The word for it in messages.
    pub fn word(self) -> &'static str {
        match self {
            Side::We => "we",
            Side::Peer => "the peer",
        }
    }
}

/// What to do when our input ends (`--on-eof`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnEof {
    /// Half-close: shutdown(2) with `SHUT_WR`, keep receiving.
    #[default]
    HalfClose,
    /// Half-close, deliver what has already arrived, end.
    Close,
    /// Say nothing, keep receiving.
    Hold,
    /// Wait until all is acknowledged, then abort with RST.
    Reset,
}

impl OnEof {
    /// The words of the command line, in the order of the help.
    pub const WORDS: [&'static str; 4] = ["half-close", "close", "hold", "reset"];
}

impl FromStr for OnEof {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        match word {
            "half-close" => Ok(OnEof::HalfClose),
            "close" => Ok(OnEof::Close),
            "hold" => Ok(OnEof::Hold),
            "reset" => Ok(OnEof::Reset),
            _ => Err(format!("one of {}", Self::WORDS.join(", "))),
        }
    }
}

/// What to do when the peer's FIN arrives (`--on-fin`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFin {
    /// `Close` where a person types, else `Drain`, with an exception for an input that never spoke.
    #[default]
    Auto,
    /// Go on sending until our input ends.
    Drain,
    /// Send what our input holds ready, then end.
    Close,
}

impl OnFin {
    /// The words of the command line, in the order of the help.
    pub const WORDS: [&'static str; 3] = ["auto", "drain", "close"];
}

impl FromStr for OnFin {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        match word {
            "auto" => Ok(OnFin::Auto),
            "drain" => Ok(OnFin::Drain),
            "close" => Ok(OnFin::Close),
            _ => Err(format!("one of {}", Self::WORDS.join(", "))),
        }
    }
}

/// The whole policy of a conversation's end. Times are None where they bound nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "each is a rule of its own")]
pub struct Closing {
    /// At our input's end.
    pub on_eof: OnEof,
    /// At the peer's FIN. The handler has made `Auto` into what fits its input: see [`Closing::settled`].
    pub on_fin: OnFin,
    /// After our input's end and its acknowledgement the conversation is over (`--send-only`).
    pub send_only: bool,
    /// Silence of the peer after our input's end that ends the conversation in order.
    pub quit_after: Option<Duration>,
    /// Silence of the one who still talks, after the other's end, that is a failure.
    pub half_close_timeout: Option<Duration>,
    /// Silence of both that is a failure.
    pub idle_timeout: Option<Duration>,
    /// Silence of our input after the peer's end that ends the conversation in order: our input has no end.
    pub input_quit_after: Option<Duration>,
    /// The transport has no ends: datagrams. Silence ends a conversation in order, nobody is heard out.
    pub endless: bool,
    /// Our input is one that may stay silent for ever: mention it when only that is waited for.
    pub mentions_silence: bool,
    /// The last close waits until the peer has acknowledged everything, and what is known is told (`--confirm`).
    pub confirm: bool,
}

/// What the relay does at an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Half-close and go on receiving.
    HalfClose,
    /// Go on receiving, saying nothing.
    Hold,
    /// Half-close, deliver what has arrived, end.
    LastWords,
    /// When all is acknowledged, deliver what has arrived, then abort.
    AbortWhenAcknowledged,
    /// Half-close; when all is acknowledged, end.
    EndWhenAcknowledged,
    /// Tell our output that nothing more comes, and go on sending.
    FinishOutput,
    /// The same, but send only what our input holds ready.
    FinishOutputAndInput,
    /// Both have ended: tear down.
    End,
}

impl Closing {
    /// Whether any silence is measured.
    pub fn is_timed(&self) -> bool {
        let bounds = [self.quit_after, self.half_close_timeout, self.idle_timeout, self.input_quit_after];
        bounds.iter().any(Option::is_some) || self.mentions_silence || self.on_fin == OnFin::Auto
    }

    /// What to do when `side` has ended, the other one having ended before or not.
    pub fn on_end(&self, side: Side, other_ended: bool) -> Action {
        match (side, other_ended) {
            (Side::We, _) if self.on_eof == OnEof::Reset => Action::AbortWhenAcknowledged,
            (Side::We, _) if self.send_only => Action::EndWhenAcknowledged,
            (_, true) => Action::End,
            (Side::We, false) => match self.on_eof {
                OnEof::HalfClose | OnEof::Reset => Action::HalfClose,
                OnEof::Close => Action::LastWords,
                OnEof::Hold => Action::Hold,
            },
            (Side::Peer, false) if self.on_fin == OnFin::Close => Action::FinishOutputAndInput,
            (Side::Peer, false) => Action::FinishOutput,
        }
    }

    /// The policy for an input that is a terminal, or that can be silent for ever (it is no regular file), or neither.
    #[must_use]
    pub fn settled(self, input: Input) -> Self {
        let on_fin = match (self.on_fin, input) {
            (OnFin::Auto, Input::Terminal) => OnFin::Close,
            (OnFin::Auto, Input::Open) if self.endless => OnFin::Close,
            (OnFin::Auto, Input::Finite) => OnFin::Drain,
            (asked, _) => asked,
        };
        Self { on_fin, mentions_silence: input != Input::Finite, ..self }
    }
}

/// What kind of input we have, as far as the end of a conversation depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// Somebody types.
    Terminal,
    /// A pipe, a socket, a device: it may never speak and never end.
    Open,
    /// A regular file, a text, a command's output: its end is worth waiting for.
    Finite,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_end_has_its_action() {
        use Action as A;
        let ends = [(Side::We, false), (Side::We, true), (Side::Peer, false), (Side::Peer, true)];
        let table = [
            (OnEof::HalfClose, OnFin::Drain, [A::HalfClose, A::End, A::FinishOutput, A::End]),
            (OnEof::HalfClose, OnFin::Auto, [A::HalfClose, A::End, A::FinishOutput, A::End]),
            (OnEof::HalfClose, OnFin::Close, [A::HalfClose, A::End, A::FinishOutputAndInput, A::End]),
            (OnEof::Close, OnFin::Drain, [A::LastWords, A::End, A::FinishOutput, A::End]),
            (OnEof::Hold, OnFin::Drain, [A::Hold, A::End, A::FinishOutput, A::End]),
            (OnEof::Reset, OnFin::Drain, [A::AbortWhenAcknowledged, A::AbortWhenAcknowledged, A::FinishOutput, A::End]),
        ];
        for (on_eof, on_fin, actions) in table {
            let closing = Closing { on_eof, on_fin, ..Closing::default() };
            for ((side, other), action) in ends.into_iter().zip(actions) {
                assert_eq!(closing.on_end(side, other), action, "{on_eof:?} {on_fin:?} {side:?} other ended: {other}");
            }
        }
        let sends = Closing { send_only: true, ..Closing::default() };
        assert_eq!(sends.on_end(Side::We, false), A::EndWhenAcknowledged);
        assert_eq!(sends.on_end(Side::We, true), A::EndWhenAcknowledged);
        assert_eq!(sends.on_end(Side::Peer, false), A::FinishOutput);
    }

    #[test]
    fn auto_depends_on_the_input() {
        let auto = Closing::default();
        assert_eq!(auto.settled(Input::Terminal).on_fin, OnFin::Close);
        assert_eq!(auto.settled(Input::Finite).on_fin, OnFin::Drain);
        assert_eq!(auto.settled(Input::Open).on_fin, OnFin::Auto);
        let drain = Closing { on_fin: OnFin::Drain, ..auto };
        assert_eq!(drain.settled(Input::Terminal).on_fin, OnFin::Drain);
    }

    #[test]
    fn words_are_what_they_say() {
        assert!(OnEof::WORDS.iter().all(|w| w.parse::<OnEof>().is_ok()));
        assert!(OnFin::WORDS.iter().all(|w| w.parse::<OnFin>().is_ok()));
        assert!("later".parse::<OnEof>().is_err());
    }
}
