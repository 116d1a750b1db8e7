//! `--progress`: how far a conversation is, on a terminal. It moves no bytes, and where standard error is no terminal it
//! shows nothing.

use std::cell::Cell;
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use super::span;

/// Between two looks of the line.
const PACE: Duration = Duration::from_millis(100);

/// A conversation's progress.
#[derive(Debug)]
pub struct Progress {
    size: Option<u64>,
    since: Instant,
    bytes: Cell<u64>,
    drawn: Cell<Option<Instant>>,
}

impl Progress {
    /// Whether standard error is a terminal.
    pub fn can_be_shown() -> bool {
        io::stderr().is_terminal()
    }

    /// Of a conversation that sends `size` bytes, if that is known; None where standard error is no terminal.
    pub fn begin(size: Option<u64>) -> Option<Self> {
        let (bytes, drawn) = (Cell::new(0), Cell::new(None));
        Self::can_be_shown().then(|| Self { size, since: Instant::now(), bytes, drawn })
    }

    /// So many bytes have gone to the peer and come from it.
    pub fn moved(&self, sent: u64, received: u64) {
        // What comes back is no part of what was to be sent.
        self.bytes.set(if self.size.is_some() { sent } else { sent + received });
        if self.drawn.get().is_none_or(|at| at.elapsed() >= PACE) {
            self.drawn.set(Some(Instant::now()));
            self.draw("");
        }
    }

    fn draw(&self, end: &str) {
        // Back to the first column: what is said in between begins there.
        let line = format!("{}\x1b[K\r{end}", line(self.bytes.get(), self.size, self.since.elapsed()));
        // One write(2), like everything that is said; a terminal that is gone changes nothing.
        let _ = io::stderr().write(line.as_bytes());
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        // The last line stays, and what is said next begins a new one.
        self.draw("\n");
    }
}

/// How far it is after so long.
fn line(bytes: u64, size: Option<u64>, took: Duration) -> String {
    let rate = bytes.saturating_mul(1000) / u64::try_from(took.as_millis()).unwrap_or(u64::MAX).max(1);
    let Some(size) = size else {
        return format!("{} in {}, {}/s", amount(bytes), span(took), amount(rate));
    };
    let percent = bytes.saturating_mul(100).checked_div(size).unwrap_or(100);
    let left = match size.saturating_sub(bytes) {
        missing @ 1.. if rate > 0 => format!(", {} left", span(Duration::from_secs(missing.div_ceil(rate)))),
        _ => String::new(),
    };
    format!("{} of {} {percent}% {}/s{left}", amount(bytes), amount(size), amount(rate))
}

/// Bytes in units that leave at most four digits before the point.
fn amount(bytes: u64) -> String {
    let units = [(1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match units.into_iter().find(|(unit, _)| bytes >= *unit) {
        Some((unit, name)) => format!("{}.{:02} {name}", bytes / unit, bytes % unit * 100 / unit),
        None => format!("{bytes} B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_far_it_is() {
        let took = Duration::from_secs(2);
        assert_eq!(line(3 << 20, Some(8 << 20), took), "3.00 MiB of 8.00 MiB 37% 1.50 MiB/s, 4 s left");
        assert_eq!(line(8 << 20, Some(8 << 20), took), "8.00 MiB of 8.00 MiB 100% 4.00 MiB/s");
        assert_eq!(line(7 << 20, Some(8 << 20), took), "7.00 MiB of 8.00 MiB 87% 3.50 MiB/s, 1 s left");
        assert_eq!(line(1536, None, took), "1.50 KiB in 2 s, 768 B/s");
        assert_eq!(line(0, Some(0), Duration::ZERO), "0 B of 0 B 100% 0 B/s");
        assert_eq!(line(u64::MAX, Some(1), Duration::ZERO).split(' ').next(), Some("16777215.99"));
    }
}
