//! What `--confirm` says: what is known of the bytes that we sent, and what nobody knows. It finds nothing out.

use std::fmt;

/// What is known of the bytes of a conversation when it is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Confirmation {
    /// Bytes given to the peer's socket.
    pub sent: u64,
    /// Those of them that the peer has not acknowledged, as far as anybody counts.
    pub outstanding: u64,
    /// The conversation ended in order, our end included.
    pub in_order: bool,
    /// How it ended, in one word.
    pub ending: &'static str,
    /// The peer is on this machine (a unix socket): what it has taken, its program has read.
    pub local: bool,
}

impl Confirmation {
    /// Whether every byte is known to have arrived, and the conversation ended in order.
    pub fn holds(&self) -> bool {
        self.in_order && self.outstanding == 0
    }

    /// What the peer's side has done with the bytes.
    fn verb(&self) -> &'static str {
        if self.local { "read" } else { "acknowledged" }
    }
}

impl fmt::Display for Confirmation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sent, outstanding, local, .. } = self;
        match (self.holds(), local) {
            (true, true) => write!(f, "confirmed: the peer has read all {sent} bytes"),
            (true, false) => {
                write!(
                    f,
                    "confirmed: the peer's kernel has all {sent} bytes; whether its program reads them, nobody knows"
                )
            }
            (false, _) if *outstanding > 0 => {
                let verb = self.verb();
                write!(f, "cannot confirm what was sent: {outstanding} of {sent} bytes were never {verb}")
            }
            (false, _) => {
                let (verb, ending) = (self.verb(), self.ending);
                let how = if ending == "fin" { "the last close was never acknowledged" } else { ending };
                write!(f, "cannot confirm what was sent: {verb}, but the conversation did not end in order ({how})")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_what_is_known_and_what_is_not() {
        let all = Confirmation { sent: 6, outstanding: 0, in_order: true, ending: "fin", local: false };
        let said = "confirmed: the peer's kernel has all 6 bytes; whether its program reads them, nobody knows";
        assert!(all.holds());
        assert_eq!(all.to_string(), said);
        let read = Confirmation { local: true, ..all };
        assert_eq!(read.to_string(), "confirmed: the peer has read all 6 bytes");
        let some = Confirmation { outstanding: 2, in_order: false, ending: "reset", ..all };
        assert!(!some.holds());
        assert_eq!(some.to_string(), "cannot confirm what was sent: 2 of 6 bytes were never acknowledged");
        let late = Confirmation { outstanding: 0, ..some };
        let said = "cannot confirm what was sent: acknowledged, but the conversation did not end in order (reset)";
        assert_eq!(late.to_string(), said);
    }
}
