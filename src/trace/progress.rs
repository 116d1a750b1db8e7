//! `--progress`: how far a conversation is, on a terminal. It moves no bytes, and where standard error is no terminal it
//! shows nothing.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// What is shown where the size is known, and where it is not.
const KNOWN: &str = "{bytes} of {total_bytes} {percent}% [{bar:20}] {binary_bytes_per_sec}, {eta} left";
const UNKNOWN: &str = "{bytes} in {elapsed}, {binary_bytes_per_sec}";

/// Redrawn so often in a second.
const RATE: u8 = 10;

/// A conversation's progress.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
    known: bool,
}

impl Progress {
    /// Whether standard error is a terminal.
    pub fn can_be_shown() -> bool {
        std::io::stderr().is_terminal()
    }

    /// Of a conversation that sends `size` bytes, if that is known; None where standard error is no terminal.
    pub fn begin(size: Option<u64>) -> Option<Self> {
        if !Self::can_be_shown() {
            return None;
        }
        let bar = ProgressBar::with_draw_target(size, ProgressDrawTarget::stderr_with_hz(RATE));
        let style = ProgressStyle::with_template(if size.is_some() { KNOWN } else { UNKNOWN }).ok()?;
        bar.set_style(style.progress_chars("=> "));
        Some(Self { bar, known: size.is_some() })
    }

    /// So many bytes have gone to the peer and come from it.
    pub fn moved(&self, sent: u64, received: u64) {
        // What comes back is no part of what was to be sent.
        self.bar.set_position(if self.known { sent } else { sent + received });
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        // The last line stays, and what is said next begins a new one.
        self.bar.abandon();
    }
}
