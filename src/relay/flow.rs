//! One direction of a conversation: a source, a buffer, a sink. It does not know which direction it is, nor why it ends.

use std::io;
use std::os::fd::BorrowedFd;
use std::time::Instant;

use super::end::{Reader, Sink, Source};
use crate::sys::{PollFd, PollFlags};

/// Bytes read at a time from a stream.
const PIECE: usize = 64 * 1024;

/// Pieces moved before the other direction has its turn.
const TURN: usize = 16;

/// Where a flow stands. It fills only when it is empty, so what was read is written before anything else happens,
/// an end included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Waiting for the source.
    Filling,
    /// Waiting for the sink to take what was read.
    Draining,
    /// The source has ended, everything is delivered.
    Done,
}

/// What went wrong, and at which end.
#[derive(Debug)]
pub enum Fault {
    /// The source could not be read.
    Source(io::Error),
    /// The sink could not be written.
    Sink(io::Error),
}

/// One direction.
#[derive(Debug)]
pub struct Flow<'a> {
    source: Source<'a>,
    sink: Sink<'a>,
    state: State,
    buffer: Vec<u8>,
    written: usize,
    crlf: Option<Crlf>,
    taken: u64,
    given: u64,
    last_moved: Instant,
}

impl<'a> Flow<'a> {
    /// A flow that has moved nothing yet.
    pub fn new(source: Source<'a>, sink: Sink<'a>) -> Self {
        Self {
            source,
            sink,
            state: State::Filling,
            buffer: Vec::new(),
            written: 0,
            crlf: None,
            taken: 0,
            given: 0,
            last_moved: Instant::now(),
        }
    }

    /// The same flow, sending each LF that no CR precedes as CRLF.
    #[must_use]
    pub fn with_crlf(self) -> Self {
        Self { crlf: Some(Crlf::default()), ..self }
    }

    /// Where it stands.
    pub fn state(&self) -> State {
        self.state
    }

    /// Bytes read from the source.
    pub fn taken(&self) -> u64 {
        self.taken
    }

    /// Bytes written to the sink.
    pub fn given(&self) -> u64 {
        self.given
    }

    /// When a byte moved last, at either end.
    pub fn last_moved(&self) -> Option<Instant> {
        Some(self.last_moved)
    }

    /// Moves what can be moved without waiting; `readable` says that poll(2) found the source ready. Afterwards the
    /// flow is `Done`, or waits for what [`Flow::poll`] names.
    pub fn advance(&mut self, readable: bool) -> Result<(), Fault> {
        let mut may_read = readable || self.source.awaited().is_none();
        for _ in 0..TURN {
            match self.state {
                State::Done => break,
                State::Draining => {
                    if !self.drain()? {
                        break;
                    }
                }
                State::Filling if !may_read => break,
                State::Filling => {
                    if !self.fill()? {
                        break;
                    }
                    may_read = self.buffer.len() >= self.piece() && !self.source.needs_readiness();
                    may_read |= self.source.awaited().is_none();
                }
            }
        }
        if self.state != State::Draining {
            // Nothing is held at idle.
            self.buffer = Vec::new();
        }
        Ok(())
    }

    fn piece(&self) -> usize {
        PIECE.min(self.sink.at_most)
    }

    /// Reads once; false where nothing is there or the source has ended.
    fn fill(&mut self) -> Result<bool, Fault> {
        if self.source.is_shut() {
            return Ok(false);
        }
        self.buffer.clear();
        self.buffer.reserve_exact(self.piece());
        match self.source.read(&mut self.buffer) {
            Ok(0) => self.state = State::Done,
            Ok(n) => {
                self.taken += n as u64;
                self.written = 0;
                self.moved(State::Draining);
                if let Some(crlf) = &mut self.crlf {
                    crlf.translate(&mut self.buffer);
                }
                return Ok(true);
            }
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
            Err(e) => return Err(Fault::Source(e)),
        }
        Ok(false)
    }

    /// Writes what the sink takes; false where it takes no more now.
    fn drain(&mut self) -> Result<bool, Fault> {
        let rest = &self.buffer[self.written..];
        match self.sink.write(&rest[..rest.len().min(self.sink.at_most)]) {
            Ok(n) => {
                self.written += n;
                self.given += n as u64;
                let all = self.written == self.buffer.len();
                self.moved(if all { State::Filling } else { State::Draining });
                Ok(true)
            }
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(e) if e.kind() == io::ErrorKind::BrokenPipe && self.sink.reader == Reader::Command => {
                self.sink.lose();
                Ok(true)
            }
            Err(e) => Err(Fault::Sink(e)),
        }
    }

    fn moved(&mut self, state: State) {
        self.state = state;
        self.last_moved = Instant::now();
    }

    /// Tells the sink that the flow is over.
    pub fn finish_sink(&mut self) -> io::Result<()> {
        self.sink.finish()
    }

    /// Ends the flow where it stands; what it holds is not delivered.
    pub fn abandon(&mut self) {
        self.state = State::Done;
    }

    /// The flow ends after what its source holds ready.
    pub fn end_after_what_waits(&mut self) {
        if self.state != State::Done {
            self.source.end_after_what_waits();
        }
    }

    /// What poll(2) must watch for this flow: its source while it fills, its sink while it drains.
    pub fn poll(&self) -> Option<PollFd<'_>> {
        match self.state {
            State::Filling if self.source.is_shut() => None,
            State::Filling => self.source.awaited().map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)),
            State::Draining => self.sink.watched().map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::OUT)),
            State::Done => None,
        }
    }

    /// Whether it can move on without any readiness.
    pub fn is_ready(&self) -> bool {
        match self.state {
            State::Filling => self.source.awaited().is_none(),
            State::Draining => self.sink.watched().is_none(),
            State::Done => false,
        }
    }

    /// Whether it would read, were it not for the source's gate.
    pub fn is_shut(&self) -> bool {
        self.state == State::Filling && self.source.is_shut()
    }

    /// The source's name, for messages.
    pub fn source_name(&self) -> &'static str {
        self.source.name()
    }

    /// Who reads what it delivers.
    pub fn reader(&self) -> Reader {
        self.sink.reader
    }

    /// The sink's descriptor, whose loss is to be noticed even while there is nothing to write. The peer's is not
    /// among them: reading from it tells.
    pub fn watched(&self) -> Option<BorrowedFd<'_>> {
        self.sink.watched().filter(|_| self.sink.reader != Reader::Peer)
    }

    /// Whether nobody reads what it delivers any more.
    pub fn is_lost(&self) -> bool {
        self.sink.lost
    }

    /// Nobody reads what it delivers any more: the rest is dropped.
    pub fn lose_sink(&mut self) {
        self.sink.lose();
    }
}

/// LF to CRLF, across the pieces of a stream.
#[derive(Debug, Default)]
struct Crlf {
    after_cr: bool,
}

impl Crlf {
    fn translate(&mut self, bytes: &mut Vec<u8>) {
        let mut out = Vec::with_capacity(bytes.len() + bytes.len() / 16);
        for &byte in bytes.iter() {
            if byte == b'\n' && !self.after_cr {
                out.push(b'\r');
            }
            out.push(byte);
            self.after_cr = byte == b'\r';
        }
        *bytes = out;
    }
}

#[cfg(test)]
mod tests {
    use super::Crlf;

    #[test]
    fn crlf_holds_across_pieces() {
        let mut crlf = Crlf::default();
        let mut out = Vec::new();
        for piece in ["a\nb\r", "\nc\r\n", "\n\r"] {
            let mut bytes = piece.as_bytes().to_vec();
            crlf.translate(&mut bytes);
            out.extend(bytes);
        }
        assert_eq!(out, b"a\r\nb\r\nc\r\n\r\n\r");
    }
}
