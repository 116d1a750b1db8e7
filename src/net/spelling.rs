//! How the values of socket options are written. It sets none.

use std::time::Duration;

use socket2::TcpKeepalive;

/// `--keepalive IDLE[,INTERVAL[,COUNT]]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keepalive {
    /// Silence before the first probe.
    pub idle: Duration,
    /// Between two probes.
    pub interval: Option<Duration>,
    /// How many may stay unanswered.
    pub count: Option<u32>,
}

impl Keepalive {
    /// One who does not answer for two minutes is gone.
    pub const USUAL: Self =
        Self { idle: Duration::from_secs(60), interval: Some(Duration::from_secs(10)), count: Some(6) };

    /// Reads `IDLE[,INTERVAL[,COUNT]]`, the times by `time`. The kernel counts whole seconds.
    pub fn parse(word: &str, time: impl Fn(&str) -> Result<Duration, String>) -> Result<Self, String> {
        let whole = |word: &str| match time(word)? {
            time if time.subsec_nanos() == 0 && (1..=32_767).contains(&time.as_secs()) => Ok(time),
            _ => Err("whole seconds, 1 to 32767".to_owned()),
        };
        let mut parts = word.split(',');
        let idle = whole(parts.next().unwrap_or_default())?;
        let interval = parts.next().map(whole).transpose()?;
        let count = parts.next().map(|word| word.parse().ok().filter(|count| (1..=127).contains(count)));
        match (count, parts.next()) {
            (Some(None), _) => Err("1 to 127 probes".into()),
            (_, Some(_)) => Err("write IDLE,INTERVAL,COUNT".into()),
            (count, None) => Ok(Self { idle, interval, count: count.flatten() }),
        }
    }

    /// The same for the socket calls.
    pub(super) fn times(self) -> TcpKeepalive {
        let times = TcpKeepalive::new().with_time(self.idle);
        let times = self.interval.map_or(times.clone(), |interval| times.with_interval(interval));
        self.count.map_or(times.clone(), |count| times.with_retries(count))
    }
}

/// Reads a number, in hexadecimal after `0x`.
pub fn parse_number(word: &str) -> Result<u32, String> {
    let number = word.strip_prefix("0x").map_or_else(|| word.parse(), |digits| u32::from_str_radix(digits, 16));
    number.ok().filter(|_| !word.contains('+')).ok_or_else(|| "not a number: write 16 or 0x10".into())
}

/// Reads a code point of differentiated services (RFC 4594): a number, `cs1`, `af41`, `ef`, `le` or `be`.
pub fn parse_dscp(word: &str) -> Result<u32, String> {
    let digits = |rest: &str| rest.bytes().map(|byte| u32::from(byte.wrapping_sub(b'0'))).collect::<Vec<_>>();
    let point = match word {
        "ef" => Some(46),
        "le" => Some(1),
        "be" => Some(0),
        _ => match (word.get(..2), digits(word.get(2..).unwrap_or_default()).as_slice()) {
            (Some("cs"), [class @ 0..=7]) => Some(8 * class),
            (Some("af"), [class @ 1..=4, drop @ 1..=3]) => Some(8 * class + 2 * drop),
            _ => parse_number(word).ok().filter(|point| *point < 64),
        },
    };
    point.ok_or_else(|| "0 to 63, cs0 to cs7, af11 to af43, ef, le or be".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_points_have_names() {
        for (word, point) in [("ef", 46), ("cs0", 0), ("cs6", 48), ("af11", 10), ("af43", 38), ("46", 46), ("0x2e", 46)]
        {
            assert_eq!(parse_dscp(word), Ok(point), "{word}");
        }
        for word in ["", "64", "-1", "+1", "af", "af44", "af51", "cs8", "csé", "é", "high"] {
            assert!(parse_dscp(word).is_err(), "{word}");
        }
    }

    #[test]
    fn keepalive_is_one_to_three_values() {
        let read =
            |word| Keepalive::parse(word, |word| word.parse().map(Duration::from_secs_f64).map_err(|_| "no".into()));
        let seconds = Duration::from_secs;
        assert_eq!(read("60"), Ok(Keepalive { idle: seconds(60), interval: None, count: None }));
        let all = Keepalive { idle: seconds(60), interval: Some(seconds(5)), count: Some(3) };
        assert_eq!(read("60,5,3"), Ok(all));
        for word in ["", "0", "0.5", "60,0", "60,5,0", "60,5,128", "60,5,3,1", "60,,3", "40000"] {
            assert!(read(word).is_err(), "{word}");
        }
    }
}
