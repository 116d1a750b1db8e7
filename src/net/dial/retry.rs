//! Whether and when to try again (`--retry`, `--retry-delay`, `--retry-for`). It tries nothing and waits for nobody.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::{Duration, Instant};

use super::fate::Fate;

/// The first delay under `--retry`, where nobody says,
const DELAY: Duration = Duration::from_secs(1);

/// and the longest there is.
pub const LONGEST_DELAY: Duration = Duration::from_secs(10);

/// The same under `--retry-for`.
const SHORT_DELAY: Duration = Duration::from_millis(100);
const LONGEST_SHORT_DELAY: Duration = Duration::from_secs(1);

/// What was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Retry {
    /// One try.
    #[default]
    Never,
    /// So many more, after what may pass: a refusal, a time-out, a reset, an unreachable network.
    Times {
        /// How many.
        times: u32,
        /// Before the first of them; None for a second.
        delay: Option<Duration>,
    },
    /// For so long, after anything at all that another try may mend: an unknown name too.
    For(Duration),
}

/// The tries at one peer.
#[derive(Clone, Copy, Debug)]
pub struct Tries {
    retry: Retry,
    /// How many have failed.
    failed: u32,
    /// When the last may be under way; None for no bound.
    until: Option<Instant>,
}

impl Retry {
    /// None has failed yet.
    pub fn begin(self, now: Instant) -> Tries {
        let until = match self {
            Retry::For(time) => now.checked_add(time),
            Retry::Never | Retry::Times { .. } => None,
        };
        Tries { retry: self, failed: 0, until }
    }
}

impl Tries {
    /// When everything must be over, and what was asked for.
    pub fn bound(&self) -> Option<(Instant, Duration)> {
        match self.retry {
            Retry::For(time) => self.until.map(|until| (until, time)),
            Retry::Never | Retry::Times { .. } => None,
        }
    }

    /// When to try again after this failure; None where it is the last.
    pub fn after(&mut self, fate: Fate, now: Instant) -> Option<Instant> {
        let failed = self.failed;
        self.failed = failed.saturating_add(1);
        let delay = match self.retry {
            Retry::Never => return None,
            Retry::Times { times, .. } if failed >= times => return None,
            Retry::Times { .. } if matches!(fate, Fate::Unresolved | Fate::Unbindable | Fate::Failed) => return None,
            Retry::Times { delay, .. } => jittered(doubled(delay.unwrap_or(DELAY), failed, LONGEST_DELAY)),
            Retry::For(_) => doubled(SHORT_DELAY, failed, LONGEST_SHORT_DELAY),
        };
        let at = now.checked_add(delay)?;
        let Some(until) = self.until else { return Some(at) };
        // The last try is just before the end.
        let last = until.checked_sub(SHORT_DELAY)?;
        Some(at.min(last)).filter(|at| *at > now)
    }
}

fn doubled(first: Duration, failed: u32, longest: Duration) -> Duration {
    let factor = 1u32.checked_shl(failed).unwrap_or(u32::MAX);
    first.checked_mul(factor).unwrap_or(longest).min(longest)
}

/// Up to a quarter less, so that many who failed together do not come back together.
fn jittered(delay: Duration) -> Duration {
    let random = RandomState::new().build_hasher().finish() % 256;
    let parts = 1024 - u32::try_from(random).unwrap_or(0);
    delay.mul_f64(f64::from(parts) / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delays(retry: Retry, fates: &[Fate]) -> Vec<Option<Duration>> {
        let now = Instant::now();
        let mut tries = retry.begin(now);
        fates.iter().map(|fate| tries.after(*fate, now).map(|at| at - now)).collect()
    }

    #[test]
    fn delays_double_up_to_ten_seconds_and_jitter_by_a_quarter() {
        let delays = delays(Retry::Times { times: 6, delay: None }, &[Fate::Refused; 7]);
        for (delay, seconds) in delays.iter().zip([1, 2, 4, 8, 10, 10]) {
            let (delay, full) = (delay.unwrap(), Duration::from_secs(seconds));
            assert!(delay <= full && delay >= full.mul_f64(0.74), "{delay:?} is not nearly {full:?}");
        }
        assert_eq!(delays[6], None);
    }

    #[test]
    fn for_a_time_everything_is_tried_again_every_second_at_last() {
        let fates = [Fate::Unresolved, Fate::Refused, Fate::Failed, Fate::TimedOut, Fate::Reset, Fate::Unbindable];
        let found = delays(Retry::For(Duration::from_secs(30)), &fates);
        let wanted = [100, 200, 400, 800, 1000, 1000].map(|millis| Some(Duration::from_millis(millis)));
        assert_eq!(found, wanted);
        assert_eq!(delays(Retry::For(Duration::from_millis(50)), &[Fate::Refused]), [None]);
        let found = delays(Retry::For(Duration::from_millis(500)), &[Fate::Refused; 4]);
        assert_eq!(found[3], Some(Duration::from_millis(400)), "the last try is just before the end");
    }

    #[test]
    fn a_number_of_times_only_what_may_pass_is_tried_again() {
        let retry = Retry::Times { times: 9, delay: Some(Duration::from_secs(8)) };
        for fate in [Fate::Unresolved, Fate::Unbindable, Fate::Failed] {
            assert_eq!(delays(retry, &[fate]), [None]);
        }
        assert!(delays(retry, &[Fate::TimedOut])[0].unwrap() >= Duration::from_millis(5900));
        assert_eq!(delays(Retry::Never, &[Fate::Refused]), [None]);
    }
}
