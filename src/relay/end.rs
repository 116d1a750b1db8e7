//! The ends of a flow: where bytes come from, where they go, and how the latter is told that there are no more.
//! It moves one buffer at a time and never waits; when to move is the flow's business.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use crate::sys::{self, Manner};

/// A descriptor that a flow uses: somebody else's, or its own to close.
#[derive(Debug)]
pub enum Handle<'a> {
    /// Open longer than the flow; closed by its owner.
    Lent(BorrowedFd<'a>),
    /// Closed with the flow, or when it ends.
    Own(OwnedFd),
}

impl AsFd for Handle<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Handle::Lent(fd) => *fd,
            Handle::Own(fd) => fd.as_fd(),
        }
    }
}

/// Where a flow's bytes come from.
#[derive(Debug)]
pub struct Source<'a> {
    from: From<'a>,
    name: &'static str,
    left: Option<u64>,
    /// Asked before each read; while it says no, the descriptor is let alone and asked again a second later.
    gate: Option<fn(BorrowedFd<'_>) -> bool>,
}

#[derive(Debug)]
enum From<'a> {
    Descriptor(Handle<'a>, Manner),
    Text { text: &'a [u8], at: usize },
}

impl<'a> Source<'a> {
    /// Bytes read from a descriptor, in the manner that never blocks on it; `name` is for messages.
    pub fn descriptor(name: &'static str, handle: Handle<'a>, manner: Manner) -> Self {
        Self { from: From::Descriptor(handle, manner), name, left: None, gate: None }
    }

    /// What the peer sends. The socket is read without waiting, whatever its flags say.
    pub fn peer(socket: BorrowedFd<'a>) -> Self {
        Self::descriptor("the peer", Handle::Lent(socket), Manner::DontWait)
    }

    /// Bytes at hand.
    pub fn text(text: &'a [u8]) -> Self {
        Self { from: From::Text { text, at: 0 }, name: "the text", left: None, gate: None }
    }

    /// The same source, read only while `gate` allows it.
    #[must_use]
    pub fn gated(self, gate: fn(BorrowedFd<'_>) -> bool) -> Self {
        Self { gate: Some(gate), ..self }
    }

    /// Its name, for messages.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// From now on the source ends after what can be read without waiting: all of it, if it is a regular file.
    pub fn end_after_what_waits(&mut self) {
        if let From::Descriptor(handle, _) = &self.from {
            self.left = if self.is_shut() { Some(0) } else { sys::waiting(handle.as_fd()) };
        }
    }

    /// Appends up to the buffer's spare capacity; 0 is the end of the source, `WouldBlock` that nothing is there yet.
    pub(crate) fn read(&mut self, buffer: &mut Vec<u8>) -> io::Result<usize> {
        match &mut self.from {
            From::Text { text, at } => {
                let n = (text.len() - *at).min(buffer.capacity() - buffer.len());
                buffer.extend_from_slice(&text[*at..*at + n]);
                *at += n;
                Ok(n)
            }
            From::Descriptor(handle, manner) => {
                let before = buffer.len();
                if self.left == Some(0) {
                    return Ok(0);
                }
                let n = match sys::read(handle.as_fd(), *manner, buffer) {
                    // Another reader of the same source has taken what waited for us.
                    Err(e) if e.kind() == io::ErrorKind::WouldBlock && self.left.is_some() => 0,
                    other => other?,
                };
                let Some(left) = self.left else { return Ok(n) };
                // A byte more than waited at first may be handed on: what was read is written.
                self.left = Some(left.saturating_sub((buffer.len() - before) as u64));
                Ok(n)
            }
        }
    }

    /// What poll(2) must watch before the next read; None where none is needed.
    pub(crate) fn awaited(&self) -> Option<BorrowedFd<'_>> {
        match &self.from {
            From::Descriptor(handle, _) if self.left.is_none() => Some(handle.as_fd()),
            _ => None,
        }
    }

    /// Whether the gate is shut.
    pub(crate) fn is_shut(&self) -> bool {
        match (&self.from, self.gate) {
            (From::Descriptor(handle, _), Some(open)) => self.left != Some(0) && !open(handle.as_fd()),
            _ => false,
        }
    }

    /// Whether a read right after another can block: a descriptor that only poll(2) makes safe.
    pub(crate) fn needs_readiness(&self) -> bool {
        matches!(self.from, From::Descriptor(_, Manner::Plain))
    }
}

/// How a sink is told that nothing more will come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finish {
    /// A socket: shutdown(2) with `SHUT_WR`, so that the peer reads a FIN and can still answer.
    ShutdownWrite,
    /// A command's pipe, or standard output: our descriptor of it is closed.
    Close,
    /// A datagram socket, or an output that others go on using.
    Nothing,
}

/// Who reads what a sink is given, and so what it means that the reader is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    /// The peer: its socket tells, by RST.
    Peer,
    /// Whoever reads our output: the conversation ends.
    Output,
    /// A command: it has heard enough, the rest is dropped.
    Command,
}

/// Where a flow's bytes go.
#[derive(Debug)]
pub struct Sink<'a> {
    to: To<'a>,
    finish: Finish,
    pub(crate) reader: Reader,
    /// Its reader is gone.
    pub(crate) lost: bool,
    /// The most that one write takes, in bytes, so that writers who share a pipe do not tear each other's apart.
    pub(crate) at_most: usize,
}

#[derive(Debug)]
enum To<'a> {
    Descriptor(Handle<'a>, Manner),
    Nowhere,
}

impl<'a> Sink<'a> {
    fn descriptor(handle: Handle<'a>, manner: Manner, finish: Finish, reader: Reader) -> Self {
        Self { to: To::Descriptor(handle, manner), finish, reader, lost: false, at_most: usize::MAX }
    }

    /// The peer. The socket is written without waiting, whatever its flags say, and finished by a half-close.
    pub fn peer(socket: BorrowedFd<'a>) -> Self {
        Self::descriptor(Handle::Lent(socket), Manner::DontWait, Finish::ShutdownWrite, Reader::Peer)
    }

    /// Our output, written in the manner that never blocks on it.
    pub fn output(handle: Handle<'a>, manner: Manner, finish: Finish) -> Self {
        Self::descriptor(handle, manner, finish, Reader::Output)
    }

    /// A command's input, a non-blocking pipe; closed at the end.
    pub fn command(pipe: OwnedFd) -> Self {
        Self::descriptor(Handle::Own(pipe), Manner::Plain, Finish::Close, Reader::Command)
    }

    /// Bytes dropped.
    pub fn nowhere() -> Self {
        Self { to: To::Nowhere, finish: Finish::Nothing, reader: Reader::Command, lost: false, at_most: usize::MAX }
    }

    /// The same sink, written at most `bytes` at a time.
    #[must_use]
    pub fn at_most(self, bytes: usize) -> Self {
        Self { at_most: bytes, ..self }
    }

    /// Writes what the sink takes without waiting.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &self.to {
            To::Nowhere => Ok(bytes.len()),
            To::Descriptor(handle, manner) => match sys::write(handle.as_fd(), *manner, bytes)? {
                0 => Err(io::ErrorKind::WriteZero.into()),
                n => Ok(n),
            },
        }
    }

    /// Tells the sink that nothing more will come.
    pub(crate) fn finish(&mut self) -> io::Result<()> {
        let To::Descriptor(handle, _) = &self.to else { return Ok(()) };
        match self.finish {
            Finish::Nothing => Ok(()),
            Finish::ShutdownWrite => {
                sys::shutdown_write(handle.as_fd())?;
                if self.reader == Reader::Output { self.close() } else { Ok(()) }
            }
            Finish::Close => self.close(),
        }
    }

    fn close(&mut self) -> io::Result<()> {
        self.to = To::Nowhere;
        // Standard output's place is kept, its reader sees the end.
        if self.reader == Reader::Output { sys::vacate(sys::stdout()) } else { Ok(()) }
    }

    /// Nobody reads it any more: from now on what comes is dropped. The descriptor is closed if it was ours.
    pub(crate) fn lose(&mut self) {
        self.to = To::Nowhere;
        self.lost = true;
    }

    /// The descriptor to watch, if there is one still.
    pub(crate) fn watched(&self) -> Option<BorrowedFd<'_>> {
        match &self.to {
            To::Descriptor(handle, _) => Some(handle.as_fd()),
            To::Nowhere => None,
        }
    }
}
