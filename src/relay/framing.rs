//! Where a stream is cut into pieces that must arrive as they are: as they were read, in lines, or all at once; and
//! what is changed in them on the way. It reads and writes nothing itself.

use super::source::Got;

/// How what was read becomes what is written.
#[derive(Debug, Default)]
pub enum Framing {
    /// One read, one write.
    #[default]
    AsRead,
    /// LF that no CR precedes becomes CRLF.
    Crlf {
        /// The last byte was CR.
        after_cr: bool,
    },
    /// One line, one write, its newline included. A line longer than the limit is dropped, and counted.
    Lines {
        /// What came after the last newline.
        rest: Vec<u8>,
        /// The longest line, in bytes.
        limit: usize,
        /// The line under way is too long: it is dropped up to its newline.
        skipping: bool,
        /// The source has ended.
        ended: bool,
        /// Lines dropped so far.
        dropped: u64,
    },
    /// Each write ends with a newline.
    Terminated,
    /// Everything up to the end is one write.
    Whole {
        /// What came so far.
        rest: Vec<u8>,
        /// The source has ended.
        ended: bool,
    },
}

/// What is to be done after a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// The buffer is to be written.
    Write,
    /// More must be read first.
    Read,
    /// The flow is done.
    Done,
}

impl Framing {
    /// One line, one datagram of at most `limit` bytes.
    pub fn lines(limit: usize) -> Self {
        Framing::Lines { rest: Vec::new(), limit, skipping: false, ended: false, dropped: 0 }
    }

    /// Everything in one datagram.
    pub fn whole() -> Self {
        Framing::Whole { rest: Vec::new(), ended: false }
    }

    /// LF to CRLF.
    pub fn crlf() -> Self {
        Framing::Crlf { after_cr: false }
    }

    /// How many bytes one that was read may become.
    pub(super) fn growth(&self) -> usize {
        if matches!(self, Framing::Crlf { .. }) { 2 } else { 1 }
    }

    /// Lines that were too long, since the last question.
    pub(super) fn take_dropped(&mut self) -> u64 {
        match self {
            Framing::Lines { dropped, .. } => std::mem::take(dropped),
            _ => 0,
        }
    }

    /// Fills the buffer with what is left from earlier reads; `Read` where that is nothing whole.
    pub(super) fn left_over(&mut self, buffer: &mut Vec<u8>) -> Next {
        match self {
            Framing::Lines { ended, .. } => {
                let ended = *ended;
                let line = self.next_line();
                match (line, ended) {
                    (Some(line), _) => *buffer = line,
                    (None, true) => return Next::Done,
                    (None, false) => return Next::Read,
                }
                Next::Write
            }
            Framing::Whole { ended: true, .. } => Next::Done,
            _ => Next::Read,
        }
    }

    /// Takes what was read.
    pub(super) fn take(&mut self, got: Got, buffer: &mut Vec<u8>) -> Next {
        match (self, got) {
            (Framing::AsRead | Framing::Crlf { .. } | Framing::Terminated, Got::End) => Next::Done,
            (Framing::AsRead, _) => Next::Write,
            (Framing::Crlf { after_cr }, _) => {
                to_crlf(buffer, after_cr);
                Next::Write
            }
            (Framing::Terminated, _) => {
                if buffer.last() != Some(&b'\n') {
                    buffer.push(b'\n');
                }
                Next::Write
            }
            (Framing::Whole { rest, ended: true }, Got::End) if rest.is_empty() => Next::Done,
            (Framing::Whole { rest, ended }, Got::End) => {
                *ended = true;
                *buffer = std::mem::take(rest);
                if buffer.is_empty() { Next::Done } else { Next::Write }
            }
            (Framing::Whole { rest, .. }, _) => {
                rest.append(buffer);
                Next::Read
            }
            (lines @ Framing::Lines { .. }, got) => {
                lines.add(got, buffer);
                lines.left_over(buffer)
            }
        }
    }

    fn add(&mut self, got: Got, buffer: &mut Vec<u8>) {
        if let Framing::Lines { rest, ended, .. } = self {
            rest.append(buffer);
            *ended |= got == Got::End;
        }
    }

    /// The next whole line that fits; at the end, what is left of one.
    fn next_line(&mut self) -> Option<Vec<u8>> {
        let Framing::Lines { rest, limit, skipping, ended, dropped } = self else { return None };
        loop {
            let newline = rest.iter().position(|byte| *byte == b'\n');
            let whole = match newline {
                Some(at) => at + 1,
                None if *ended => rest.len(),
                None => {
                    // Not even its end will make it short enough: what has come of it need not be kept.
                    if rest.len() > *limit && !std::mem::replace(skipping, true) {
                        *dropped += 1;
                    }
                    if *skipping {
                        rest.clear();
                    }
                    return None;
                }
            };
            if whole == 0 {
                return None;
            }
            let later = rest.split_off(whole);
            let line = std::mem::replace(rest, later);
            if std::mem::take(skipping) {
                continue;
            }
            if line.len() <= *limit {
                return Some(line);
            }
            *dropped += 1;
        }
    }
}

fn to_crlf(bytes: &mut Vec<u8>, after_cr: &mut bool) {
    let mut out = Vec::with_capacity(bytes.len() + bytes.len() / 16);
    for &byte in bytes.iter() {
        if byte == b'\n' && !*after_cr {
            out.push(b'\r');
        }
        out.push(byte);
        *after_cr = byte == b'\r';
    }
    *bytes = out;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is written for these reads.
    fn written(mut framing: Framing, reads: &[&str]) -> Vec<String> {
        let mut out = Vec::new();
        let gots = reads.iter().map(|read| (Got::Bytes, *read)).chain([(Got::End, "")]);
        for (got, read) in gots {
            let mut buffer = read.as_bytes().to_vec();
            let mut next = framing.take(got, &mut buffer);
            while next == Next::Write {
                out.push(String::from_utf8(std::mem::take(&mut buffer)).unwrap());
                next = framing.left_over(&mut buffer);
            }
        }
        out
    }

    #[test]
    fn crlf_holds_across_reads() {
        let out = written(Framing::crlf(), &["a\nb\r", "\nc\r\n", "\n\r"]).concat();
        assert_eq!(out, "a\r\nb\r\nc\r\n\r\n\r");
    }

    #[test]
    fn lines_are_whole_whatever_the_reads() {
        assert_eq!(written(Framing::lines(9), &["a\nb", "b\n\nc", "c"]), ["a\n", "bb\n", "\n", "cc"]);
        assert_eq!(written(Framing::lines(9), &["a\n"]), ["a\n"]);
        assert_eq!(written(Framing::lines(9), &[]), [""; 0]);
    }

    #[test]
    fn a_line_too_long_is_dropped_and_the_next_one_arrives() {
        assert_eq!(written(Framing::lines(4), &["toolong\nok\n"]), ["ok\n"]);
        assert_eq!(written(Framing::lines(4), &["much", "too", "lon\nok\n"]), ["ok\n"]);
        assert_eq!(written(Framing::lines(4), &["muchtoo", "x", "\n", "\nok"]), ["\n", "ok"]);
        assert_eq!(written(Framing::lines(4), &["ok\n", "toolong"]), ["ok\n"]);
        let mut framing = Framing::lines(2);
        framing.take(Got::Bytes, &mut b"abc\nabcdef\n".to_vec());
        assert_eq!(framing.take_dropped(), 2);
        for read in ["abcdef", "ghi", "jkl\n"] {
            framing.take(Got::Bytes, &mut read.as_bytes().to_vec());
        }
        assert_eq!(framing.take_dropped(), 1, "however many reads it took");
    }

    #[test]
    fn whole_is_one_write() {
        assert_eq!(written(Framing::whole(), &["a", "b\n", "c"]), ["ab\nc"]);
        assert_eq!(written(Framing::whole(), &[]), [""; 0]);
    }
}
