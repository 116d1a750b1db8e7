//! What the kernel knows of a TCP connection (tcp(7), `TCP_INFO`). Everything is a sample: it may be old when it is read.

use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

/// Where a connection stands (RFC 9293, 3.3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are RFC 9293's")]
pub enum State {
    Established,
    SynSent,
    SynReceived,
    FinWait1,
    FinWait2,
    TimeWait,
    /// Also what a connection in TIME-WAIT shows: the kernel keeps that apart from the socket.
    Closed,
    CloseWait,
    LastAck,
    Listen,
    Closing,
}

impl State {
    /// From the kernel's number.
    fn of(number: u8) -> Option<Self> {
        use State as S;
        #[rustfmt::skip]
        const ALL: [S; 11] = [
            S::Established, S::SynSent, S::SynReceived, S::FinWait1, S::FinWait2, S::TimeWait, S::Closed, S::CloseWait,
            S::LastAck, S::Listen, S::Closing,
        ];
        ALL.get(usize::from(number).checked_sub(1)?).copied()
    }

    /// The name that textbooks give it.
    pub fn name(self) -> &'static str {
        match self {
            State::Established => "ESTABLISHED",
            State::SynSent => "SYN-SENT",
            State::SynReceived => "SYN-RECEIVED",
            State::FinWait1 => "FIN-WAIT-1",
            State::FinWait2 => "FIN-WAIT-2",
            State::TimeWait => "TIME-WAIT",
            State::Closed => "CLOSED",
            State::CloseWait => "CLOSE-WAIT",
            State::LastAck => "LAST-ACK",
            State::Listen => "LISTEN",
            State::Closing => "CLOSING",
        }
    }

    /// Whether our FIN is on its way, and the peer's TCP has not acknowledged it.
    pub fn awaits_the_ack_of_our_fin(self) -> bool {
        matches!(self, State::FinWait1 | State::LastAck | State::Closing)
    }

    /// Whether the peer's FIN has come.
    fn has_the_peers_fin(self) -> bool {
        matches!(self, State::TimeWait | State::CloseWait | State::LastAck | State::Closing)
    }
}

/// A sample.
#[derive(Clone, Copy, Debug)]
pub struct Info {
    /// Where it stands.
    pub state: State,
    /// The smoothed round-trip time.
    pub round_trip: Duration,
    /// Segments that were sent again.
    pub retransmissions: u32,
    /// How long we had to wait because the peer's window was shut.
    pub window_shut: Duration,
    /// Payload bytes sent, once each; None before Linux 4.19.
    pub sent: Option<u64>,
    /// Payload bytes received, and one for the peer's FIN.
    taken: Option<u64>,
}

impl Info {
    /// Payload bytes received; None before Linux 4.19. What is closed does not tell whether the peer's FIN was among
    /// them: `ended` does.
    pub fn received(&self, ended: bool) -> Option<u64> {
        let fin = match self.state {
            State::Closed => ended,
            state => state.has_the_peers_fin(),
        };
        self.taken.map(|taken| taken.saturating_sub(fin.into()))
    }
}

/// Takes a sample; None where the socket is no TCP socket.
pub fn info(socket: BorrowedFd<'_>) -> Option<Info> {
    let mut bytes = [0u8; 256];
    let mut len = libc::socklen_t::try_from(bytes.len()).ok()?;
    let (fd, value) = (socket.as_raw_fd(), bytes.as_mut_ptr().cast());
    // SAFETY: the kernel writes at most `len` bytes into the array and says how many.
    let r = unsafe { libc::getsockopt(fd, libc::IPPROTO_TCP, libc::TCP_INFO, value, &raw mut len) };
    if r == -1 {
        return None;
    }
    let known = bytes.get(..len as usize)?;
    let word = |at: usize| Some(u32::from_ne_bytes(known.get(at..at + 4)?.try_into().ok()?));
    let long = |at: usize| Some(u64::from_ne_bytes(known.get(at..at + 8)?.try_into().ok()?));
    let state = State::of(*known.first()?)?;
    Some(Info {
        state,
        round_trip: Duration::from_micros(word(68)?.into()),
        retransmissions: word(100)?,
        window_shut: Duration::from_micros(long(176).unwrap_or(0)),
        sent: long(200).zip(long(208)).map(|(sent, again)| sent.saturating_sub(again)),
        taken: long(200).and(long(128)),
    })
}
