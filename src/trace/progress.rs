//! `--progress`: how far a conversation is, on a terminal. It moves no bytes, and where standard error is no terminal it
//! shows nothing.

use std::fmt;
use std::io::{self, IsTerminal};
use std::time::Duration;

use console::Term;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use super::span;

/// What is shown where the size is known, and where it is not.
const KNOWN: &str = "{binary_bytes} of {binary_total_bytes} {percent}% {binary_bytes_per_sec}{left}";
const UNKNOWN: &str = "{binary_bytes} in {elapsed}, {binary_bytes_per_sec}";

/// Redrawn so often in a second.
const PACE: u8 = 10;

/// A conversation's progress.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
    terminal: Term,
    is_sized: bool,
}

impl Progress {
    /// Whether standard error is a terminal.
    pub fn can_be_shown() -> bool {
        io::stderr().is_terminal()
    }

    /// Of a conversation that sends `size` bytes, if that is known; None where standard error is no terminal.
    pub fn begin(size: Option<u64>) -> Option<Self> {
        Self::can_be_shown().then(|| Self::on(Term::buffered_stderr(), size)).flatten()
    }

    fn on(terminal: Term, size: Option<u64>) -> Option<Self> {
        let style = ProgressStyle::with_template(if size.is_some() { KNOWN } else { UNKNOWN }).ok()?;
        let style = style.with_key("percent", percent).with_key("left", left).with_key("elapsed", elapsed);
        // Whatever TERM says: the line fills the screen's width, so that what is said in between begins its own.
        let target = ProgressDrawTarget::term_like_with_hz(Box::new(terminal.clone()), PACE);
        let bar = ProgressBar::with_draw_target(size, target).with_style(style);
        Some(Self { bar, terminal, is_sized: size.is_some() })
    }

    /// So many bytes have gone to the peer and come from it.
    pub fn moved(&self, sent: u64, received: u64) {
        // What comes back is no part of what was to be sent.
        self.bar.set_position(if self.is_sized { sent } else { sent + received });
        // What a terminal that is gone did not take is kept, and would be more each time.
        if !self.bar.is_hidden() && self.terminal.flush().is_err() {
            self.bar.set_draw_target(ProgressDrawTarget::hidden());
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        // The last line stays, and what is said next begins a new one; a terminal that is gone changes nothing.
        self.bar.abandon();
        let _ = self.terminal.write_line("").and_then(|()| self.terminal.flush());
    }
}

/// Of the whole, in full percents: there are no hundred before the end.
fn percent(state: &ProgressState, line: &mut dyn fmt::Write) {
    let percent = state.pos().saturating_mul(100).checked_div(state.len().unwrap_or(0)).unwrap_or(100);
    let _ = write!(line, "{percent}");
}

/// The time that is left, where there is any and the peer takes something.
fn left(state: &ProgressState, line: &mut dyn fmt::Write) {
    let time = state.eta();
    if time > Duration::ZERO && state.per_sec() >= 1.0 {
        let seconds = time.as_secs().saturating_add(u64::from(time.subsec_nanos() > 0));
        let _ = write!(line, ", {} left", span(Duration::from_secs(seconds)));
    }
}

fn elapsed(state: &ProgressState, line: &mut dyn fmt::Write) {
    let _ = line.write_str(&span(state.elapsed()));
}

#[cfg(test)]
mod tests {
    use std::io::{Read, pipe};

    use super::*;

    /// What is shown of a conversation that began `took` ago, before its end and then.
    fn shown(bytes: u64, size: Option<u64>, took: Duration) -> (String, String) {
        let (mut screen, end) = pipe().expect("a pipe");
        let terminal = Term::read_write_pair(screen.try_clone().expect("a descriptor"), end);
        let mut progress = Progress::on(terminal, size).expect("a style");
        progress.bar = progress.bar.clone().with_elapsed(took);
        progress.moved(bytes, 0);
        drop(progress);
        let mut text = String::new();
        screen.read_to_string(&mut text).expect("text");
        let (before, end) = text.split_once("\r\x1b[2K").expect("two lines");
        assert_eq!((before.len(), end.len()), (80, 81), "what is said next begins a line: {text:?}");
        (before.trim_end().to_owned(), end.trim_end().to_owned())
    }

    #[test]
    fn a_line_says_how_far_it_is() {
        // Long ago, so that the test may take its time.
        let (took, whole) = (Duration::from_secs(2048), 8 << 30);
        let (before, end) = shown(3 << 30, Some(whole), took);
        assert!(before.starts_with("3.00 GiB of 8.00 GiB 37% ") && before.ends_with(" s left"), "{before}");
        assert_eq!(end, "3.00 GiB of 8.00 GiB 37% 1.50 MiB/s");
        let (before, end) = shown(whole, Some(whole), took);
        assert!(!before.contains("left"), "{before}");
        assert_eq!(end, "8.00 GiB of 8.00 GiB 100% 4.00 MiB/s");
        assert!(shown(whole - 1, Some(whole), took).0.contains(" 99% "));
        assert_eq!(shown(0, Some(0), took).1, "0 B of 0 B 100% 0 B/s");
        assert!(shown(u64::MAX, Some(1), Duration::ZERO).0.starts_with("16.00 EiB of 1 B "));
        let end = shown(1_576_755, None, took).1;
        assert!(end.starts_with("1.50 MiB in 2048") && end.ends_with(" s, 769 B/s"), "{end}");
    }
}
