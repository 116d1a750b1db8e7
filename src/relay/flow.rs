//! One direction of a conversation: a source, a sink, and what is on its way between them. It does not know which
//! direction it is, nor why it ends, nor by which way its bytes go.

mod pulse;

use std::io;
use std::os::fd::BorrowedFd;
use std::time::Instant;

use super::end::{Fault, Reader, Sink, Source};
use super::framing::{Framing, Next};
use super::sink::RUN;
use super::source::{Got, LARGEST, room};
use super::tally::Taps;
use super::way::{Passed, TINY, Way};
use crate::sys::{self, PollFd, PollFlags};

/// Pieces moved before the other direction has its turn.
const TURN: usize = 16;

/// Where a flow stands. It fills only when it is empty, so what was read is written before anything else happens,
/// an end included, and a datagram stays a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Waiting for the source.
    Filling,
    /// Waiting for the sink to take what was read.
    Draining,
    /// The source has ended, everything is delivered.
    Done,
}

/// One direction.
#[derive(Debug)]
pub struct Flow<'a> {
    source: Source<'a>,
    sink: Sink<'a>,
    framing: Framing,
    way: Way,
    /// Bytes are never passed on by reference.
    copies: bool,
    state: State,
    buffer: Vec<u8>,
    written: usize,
    taken: u64,
    given: u64,
    oversized: u64,
    /// Who is told of its bytes; it copies them then.
    pub(super) taps: Option<Box<Taps>>,
    /// Somebody asks when a byte moved last.
    is_timed: bool,
    last_moved: Option<Instant>,
}

impl<'a> Flow<'a> {
    /// A flow that has moved nothing yet.
    pub fn new(source: Source<'a>, sink: Sink<'a>) -> Self {
        Self {
            source,
            sink,
            framing: Framing::AsRead,
            way: Way::default(),
            copies: false,
            state: State::Filling,
            buffer: Vec::new(),
            written: 0,
            taken: 0,
            given: 0,
            oversized: 0,
            taps: None,
            is_timed: false,
            last_moved: None,
        }
    }

    /// The same flow, cut into writes in another way than as it is read.
    #[must_use]
    pub fn framed(self, framing: Framing) -> Self {
        Self { framing, ..self }
    }

    /// From now on its bytes are never passed on by reference.
    pub fn copy(&mut self) {
        self.copies = true;
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

    /// Datagrams that were too large to be sent, since the last question.
    pub fn take_oversized(&mut self) -> u64 {
        std::mem::take(&mut self.oversized) + self.framing.take_dropped()
    }

    /// Moves what can be moved without waiting; `readable` says that poll(2) found the source ready. Afterwards the
    /// flow is `Done`, or waits for what [`Flow::poll`] names.
    pub fn advance(&mut self, readable: bool) -> Result<(), Fault> {
        // What is ready while it drains is the sink.
        let safe = self.state == State::Filling || self.never_blocks();
        let mut may_read = readable && safe || self.source.awaited().is_none();
        for _ in 0..TURN {
            let moved = match self.state {
                State::Done => false,
                State::Draining => self.drain()?,
                State::Filling => {
                    let (moved, more) = self.fill(may_read)?;
                    may_read = more || self.source.awaited().is_none();
                    moved
                }
            };
            if !moved {
                break;
            }
        }
        if self.state != State::Draining {
            // Nothing to speak of is held at idle.
            self.buffer.clear();
            if self.buffer.capacity() > TINY {
                self.buffer = Vec::new();
            }
        }
        Ok(())
    }

    /// Whether the source can be asked for more though poll(2) has not named it.
    fn never_blocks(&self) -> bool {
        !self.source.needs_readiness() || self.way.is_direct()
    }

    fn piece(&self) -> usize {
        if self.source.is_packets() {
            return LARGEST;
        }
        let room = self.way.room().min(self.sink.at_most);
        match (self.cut(), self.sink.packet) {
            (Some(size), _) => (room / size).clamp(1, RUN) * size,
            (None, Some(size)) => room.min(size / self.framing.growth()).max(1),
            (None, None) => room,
        }
    }

    /// The size of the datagrams that a read is cut into; None where it is written as it is.
    fn cut(&self) -> Option<usize> {
        let is_cut = matches!(self.framing, Framing::AsRead) && !self.source.is_packets();
        self.sink.packet.filter(|_| is_cut)
    }

    /// Moves what has come, unless something whole is left from before. Whether anything came of it, and whether
    /// moving on without another poll(2) is worth it and cannot block.
    fn fill(&mut self, may_read: bool) -> Result<(bool, bool), Fault> {
        let mut next = self.framing.left_over(&mut self.buffer);
        let mut more = false;
        if next == Next::Read {
            if !may_read || self.source.is_shut() {
                return Ok((false, false));
            }
            match self.pass()? {
                Passed::Unfit => {}
                Passed::Moved { more, .. } => return Ok((true, more)),
                Passed::Held(_) => return Ok((true, false)),
                Passed::Empty | Passed::Full => return Ok((false, false)),
            }
            let Some(got) = self.read()? else { return Ok((false, false)) };
            let filled = self.buffer.len() >= self.piece();
            if filled && matches!(self.framing, Framing::AsRead) {
                self.way.settle(&self.source, &self.sink, self.copies);
                self.note();
            }
            more = (filled || self.source.is_packets()) && self.never_blocks();
            next = self.framing.take(got, &mut self.buffer);
        }
        match next {
            Next::Read => {}
            Next::Done => self.state = State::Done,
            Next::Write => (self.written, self.state) = (0, State::Draining),
        }
        Ok((next != Next::Done, more))
    }

    /// Moves bytes past the buffer, where there is a way.
    fn pass(&mut self) -> Result<Passed, Fault> {
        let passed = match self.way.pass(&self.source, &self.sink) {
            Err(Fault::Sink(e)) if self.sink.loses_quietly(&e) => {
                self.lose_sink(Some(&e));
                return Ok(Passed::Unfit);
            }
            other => other?,
        };
        let (taken, given) = match passed {
            Passed::Moved { bytes, .. } => (bytes, bytes),
            Passed::Held(bytes) => (bytes, 0),
            Passed::Full | Passed::Empty | Passed::Unfit => (0, 0),
        };
        if matches!(passed, Passed::Held(_) | Passed::Full) {
            self.buffer.clear();
            (self.written, self.state) = (0, State::Draining);
        }
        if taken > 0 {
            self.note();
        }
        self.taken += taken as u64;
        self.given += given as u64;
        Ok(passed)
    }

    /// Reads once into the buffer; None where nothing is there yet.
    fn read(&mut self) -> Result<Option<Got>, Fault> {
        // What is read is what there is room for, so the room is the piece, to the byte.
        let piece = self.piece();
        if self.buffer.capacity() == piece {
            self.buffer.clear();
        } else {
            self.buffer = room(piece).map_err(Fault::Source)?;
        }
        let got = match self.source.read(&mut self.buffer) {
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            other => other.map_err(Fault::Source)?,
        };
        self.taken += self.buffer.len() as u64;
        self.taps.iter_mut().for_each(|taps| taps.took(&self.buffer));
        self.note();
        Ok(Some(got))
    }

    /// Writes what the sink takes; false where it takes no more now.
    fn drain(&mut self) -> Result<bool, Fault> {
        if self.way.holds() {
            return self.unload();
        }
        let rest = &self.buffer[self.written..];
        let (cut, is_packets) = (self.cut(), self.sink.is_packets());
        let most = if is_packets { rest.len() } else { rest.len().min(self.sink.at_most) };
        if most > 0 || is_packets {
            let written = match cut {
                Some(size) => self.sink.write_cut(rest, size),
                None => self.sink.write(&rest[..most]),
            };
            match written {
                Ok(n) => {
                    self.taps.iter_mut().for_each(|taps| taps.gave(&rest[..n]));
                    self.written += n;
                    self.given += n as u64;
                    self.note();
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(e) if is_packets && sys::is_oversized(&e) => {
                    self.oversized += 1;
                    self.written += rest.len().min(cut.unwrap_or(usize::MAX));
                }
                Err(e) if self.sink.loses_quietly(&e) => {
                    self.lose_sink(Some(&e));
                    return Ok(true);
                }
                Err(e) => return Err(Fault::Sink(e)),
            }
        }
        if self.written == self.buffer.len() {
            self.state = State::Filling;
        }
        Ok(true)
    }

    /// The same where the bytes are in a pipe of ours.
    fn unload(&mut self) -> Result<bool, Fault> {
        (self.written, self.buffer) = (0, Vec::new());
        match self.way.unload(&self.sink, &mut self.buffer) {
            Ok(n) => {
                self.given += n as u64;
                self.note();
            }
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(e) if self.sink.loses_quietly(&e) => self.lose_sink(Some(&e)),
            Err(e) => return Err(Fault::Sink(e)),
        }
        if self.buffer.is_empty() && !self.way.holds() {
            self.state = State::Filling;
        }
        Ok(true)
    }

    /// Tells the sink that the flow is over.
    pub fn finish_sink(&mut self) -> io::Result<()> {
        self.sink.finish()
    }

    /// Whether the sink has been told.
    pub fn is_finished(&self) -> bool {
        self.sink.finished
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

    /// The source is not read any more, whatever becomes of the flow.
    pub fn give_up_source(&mut self) {
        self.source.give_up();
    }

    /// What poll(2) must watch for this flow: its source while it fills, its sink while it drains.
    pub fn poll(&self) -> Option<PollFd<'_>> {
        match self.state {
            State::Filling if self.source.is_shut() => None,
            State::Filling => self.source.awaited().map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)),
            State::Draining if self.sink.needs_retries() => None,
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

    /// Whether it waits for a sink whose readiness nobody can tell.
    pub fn needs_a_retry(&self) -> bool {
        self.state == State::Draining && self.sink.needs_retries()
    }

    /// The source's name, for messages.
    pub fn source_name(&self) -> &'static str {
        self.source.name()
    }

    /// Who reads what it delivers.
    pub fn reader(&self) -> Reader {
        self.sink.reader
    }

    /// Why something of what it was to deliver is lost, its reader being gone; None where nothing is.
    pub fn refused(&self) -> Option<io::ErrorKind> {
        self.sink.refused
    }

    /// Whether nobody reads what it delivers any more.
    pub fn is_lost(&self) -> bool {
        self.sink.lost
    }

    /// The sink's descriptor, whose loss is to be noticed even while there is nothing to write. The peer's is not
    /// among them: reading from it tells.
    pub fn watched(&self) -> Option<BorrowedFd<'_>> {
        self.sink.watched().filter(|_| self.sink.reader != Reader::Peer)
    }

    /// Nobody reads what it delivers any more: the rest is dropped.
    pub fn lose_sink(&mut self, error: Option<&io::Error>) {
        let held = (self.state == State::Draining).then_some(io::ErrorKind::BrokenPipe);
        self.sink.lose(error.map(io::Error::kind).or(held));
        self.way.forget();
    }
}
