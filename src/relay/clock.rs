//! The times of a conversation: which silence is due when, and what it means. It measures; the relay acts.

use std::time::{Duration, Instant};

use super::closing::{Closing, OnFin, Side};

/// A time by which the conversation must be over, and the duration that was asked for.
#[derive(Clone, Copy, Debug)]
pub struct Deadline {
    /// When.
    pub at: Instant,
    /// What the message says.
    pub asked: Duration,
}

/// Silence of an input that never spoke, after the peer's end, until `--on-fin auto` takes it for finished; and the
/// silence after which it is mentioned that only our input is waited for.
const INPUT_SILENCE: Duration = Duration::from_secs(2);

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// The conversation has lasted as long as it may (`--deadline`).
    Deadline,
    /// Both were silent too long (`--idle-timeout`).
    Idle,
    /// The peer was silent for as long as we wait after our input's end (`--quit-after`).
    Quit,
    /// This side was silent too long after the other's end (`--half-close-timeout`).
    HalfClosed(Side),
    /// Our input never spoke and the peer has ended (`--on-fin auto`).
    NeverSpoke,
    /// Only our silent input is waited for: time to mention it.
    Mention,
}

/// One direction, as the clock sees it.
#[derive(Clone, Copy, Debug)]
pub struct Hand {
    /// The direction has ended.
    pub ended: Option<Instant>,
    /// Nothing read waits to be written.
    pub empty: bool,
    /// When a byte moved last; None where there is no such direction.
    pub moved: Option<Instant>,
    /// Bytes so far.
    pub bytes: u64,
}

/// What the times depend on.
#[derive(Clone, Copy, Debug)]
pub struct Clock<'a> {
    /// The policy.
    pub closing: &'a Closing,
    /// When all must be over.
    pub deadline: Option<Instant>,
    /// From our input to the peer.
    pub ours: Hand,
    /// From the peer to our output.
    pub peers: Hand,
    /// The silent input has been mentioned.
    pub mentioned: bool,
    /// When the peer's TCP was last seen to take what our end had long been rid of.
    pub taken: Option<Instant>,
}

impl Clock<'_> {
    /// The next thing that will be due, and when; the order decides where two are due at once.
    pub fn next(&self) -> Option<(Instant, Due)> {
        let due = [
            self.deadline.map(|at| (at, Due::Deadline)),
            self.idle(),
            self.quit(),
            self.input_quit(),
            self.half_closed(),
            self.never_spoke(),
            self.mention(),
        ];
        due.into_iter().flatten().min_by_key(|(at, _)| *at)
    }

    fn idle(&self) -> Option<(Instant, Due)> {
        let silent = self.ours.empty && self.peers.empty;
        let since = self.ours.moved.max(self.peers.moved).max(self.taken);
        Some((since?.checked_add(self.closing.idle_timeout.filter(|_| silent)?)?, Due::Idle))
    }

    fn quit(&self) -> Option<(Instant, Due)> {
        let since = self.peer_silent_since()?;
        Some((since.checked_add(self.closing.quit_after?)?, Due::Quit))
    }

    fn input_quit(&self) -> Option<(Instant, Due)> {
        let since = self.input_silent_since()?;
        Some((since.checked_add(self.closing.input_quit_after?)?, Due::Quit))
    }

    fn half_closed(&self) -> Option<(Instant, Due)> {
        let (since, side) = match (self.peer_silent_since(), self.peers.ended, self.ours.ended) {
            (Some(since), ..) => (since, Side::Peer),
            (None, Some(ended), None) => (ended.max(self.ours.moved.unwrap_or(ended)), Side::We),
            _ => return None,
        };
        Some((since.checked_add(self.closing.half_close_timeout?)?, Due::HalfClosed(side)))
    }

    fn never_spoke(&self) -> Option<(Instant, Due)> {
        let waits = self.closing.on_fin == OnFin::Auto && self.ours.bytes == 0 && self.peers.bytes > 0;
        let since = self.input_silent_since().filter(|_| waits)?;
        Some((since + INPUT_SILENCE, Due::NeverSpoke))
    }

    fn mention(&self) -> Option<(Instant, Due)> {
        let wanted = self.closing.mentions_silence && !self.mentioned;
        let since = self.input_silent_since().filter(|_| wanted)?;
        Some((since + INPUT_SILENCE, Due::Mention))
    }

    /// Since when the peer is silent, our input having ended. What we hold back from our output is no silence of the
    /// peer's.
    fn peer_silent_since(&self) -> Option<Instant> {
        let ended = self.ours.ended.filter(|_| self.peers.ended.is_none() && self.peers.empty)?;
        Some(ended.max(self.peers.moved.unwrap_or(ended)))
    }

    /// Since when our input is silent, the peer having ended.
    fn input_silent_since(&self) -> Option<Instant> {
        let ended = self.peers.ended.filter(|_| self.ours.ended.is_none() && self.ours.empty)?;
        Some(ended.max(self.ours.moved.unwrap_or(ended)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const S: Duration = Duration::from_secs(1);

    fn hand(start: Instant) -> Hand {
        Hand { ended: None, empty: true, moved: Some(start), bytes: 0 }
    }

    /// Both hands moved at `start` and not since.
    fn begun(closing: &Closing, start: Instant) -> Clock<'_> {
        let (ours, peers) = (hand(start), hand(start));
        Clock { closing, deadline: None, ours, peers, mentioned: false, taken: None }
    }

    #[test]
    fn every_byte_resets_the_silence() {
        let start = Instant::now();
        let closing = Closing {
            quit_after: Some(S),
            half_close_timeout: Some(3 * S),
            idle_timeout: Some(9 * S),
            ..Closing::default()
        };
        let mut clock = begun(&closing, start);
        assert_eq!(clock.next(), Some((start + 9 * S, Due::Idle)));
        clock.ours.ended = Some(start + S);
        assert_eq!(clock.next(), Some((start + 2 * S, Due::Quit)));
        clock.peers.moved = Some(start + 5 * S);
        assert_eq!(clock.next(), Some((start + 6 * S, Due::Quit)));
        clock.peers.empty = false;
        assert_eq!(clock.next(), None, "what our output holds up is no silence of the peer's");
    }

    #[test]
    fn an_input_that_never_spoke_is_given_two_seconds() {
        let start = Instant::now();
        let closing = Closing { mentions_silence: true, ..Closing::default() };
        let mut clock = begun(&closing, start);
        clock.peers.ended = Some(start);
        assert_eq!(clock.next(), Some((start + 2 * S, Due::Mention)), "a peer that said nothing is waited for");
        clock.peers.bytes = 1;
        assert_eq!(clock.next(), Some((start + 2 * S, Due::NeverSpoke)));
        clock.ours.bytes = 1;
        assert_eq!(clock.next(), Some((start + 2 * S, Due::Mention)), "an input that spoke is waited for");
        clock.mentioned = true;
        assert_eq!(clock.next(), None);
    }

    /// A hand whose times are so many seconds after `start`.
    fn hands() -> impl Strategy<Value = (Option<u64>, bool, Option<u64>, u64)> {
        (prop::option::of(0..100u64), any::<bool>(), prop::option::of(0..100u64), 0..2u64)
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(4000) })]

        #[test]
        fn silence_is_that_of_whoever_still_talks(
            (ours, peers) in (hands(), hands()),
            times in prop::collection::vec(prop::option::of(1..100u32), 5),
            auto in any::<bool>(),
            taken in prop::option::of(0..100u64),
        ) {
            let start = Instant::now();
            let at = |seconds: u64| start + S * u32::try_from(seconds).unwrap();
            let hand = |(ended, empty, moved, bytes): (Option<u64>, bool, Option<u64>, u64)| {
                Hand { ended: ended.map(at), empty, moved: moved.map(at), bytes }
            };
            let time = |i: usize| times[i].map(|seconds| S * seconds);
            let closing = Closing {
                on_fin: if auto { OnFin::Auto } else { OnFin::Drain },
                quit_after: time(0), half_close_timeout: time(1), idle_timeout: time(2), input_quit_after: time(3),
                ..Closing::default()
            };
            let (ours, peers) = (hand(ours), hand(peers));
            let deadline = time(4).map(|after| start + after);
            let taken = taken.map(at);
            let clock = Clock { closing: &closing, deadline, ours, peers, mentioned: false, taken };
            let Some((when, due)) = clock.next() else {
                prop_assert!(deadline.is_none());
                return Ok(());
            };
            prop_assert!(deadline.is_none_or(|deadline| when <= deadline));
            let (we_wait, they_wait) = (ours.ended.is_some() && peers.ended.is_none(), peers.ended.is_some() && ours.ended.is_none());
            let silent = |ended: Option<Instant>, moved: Option<Instant>, time: Option<Duration>| {
                Some(ended.unwrap().max(moved.unwrap_or(ended.unwrap())) + time.unwrap())
            };
            let expected = match due {
                Due::Deadline => deadline,
                Due::Idle if ours.empty && peers.empty => Some(ours.moved.max(peers.moved).max(taken).unwrap() + closing.idle_timeout.unwrap()),
                Due::Quit if we_wait && peers.empty => silent(ours.ended, peers.moved, closing.quit_after),
                Due::Quit if they_wait && ours.empty => silent(peers.ended, ours.moved, closing.input_quit_after),
                Due::HalfClosed(Side::Peer) if we_wait && peers.empty => silent(ours.ended, peers.moved, closing.half_close_timeout),
                Due::HalfClosed(Side::We) if they_wait => silent(peers.ended, ours.moved, closing.half_close_timeout),
                Due::NeverSpoke if auto && they_wait && ours.empty && ours.bytes == 0 && peers.bytes > 0 => {
                    silent(peers.ended, ours.moved, Some(2 * S))
                }
                _ => None,
            };
            prop_assert_eq!(expected, Some(when), "{:?}", due);
        }
    }
}
