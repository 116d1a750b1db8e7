//! Where a flow's bytes go, and how the reader is told that there are no more. It writes what is taken without waiting;
//! when to write is the flow's business.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use super::end::Handle;
use super::hub::seat::Inlet;
use crate::sys::{self, Manner, mail, passage};

/// Datagrams that the kernel cuts at once at most, and their bytes.
pub(super) const RUN: usize = 64;
const LONGEST_RUN: usize = 65_507;

/// How a datagram reaches somebody whom no socket is connected to.
#[derive(Clone)]
pub struct Post(Arc<Sending>);

type Sending = dyn Fn(&[u8]) -> io::Result<()> + Send + Sync;

impl Post {
    /// A way to send a datagram without waiting.
    pub fn new(send: impl Fn(&[u8]) -> io::Result<()> + Send + Sync + 'static) -> Self {
        Self(Arc::new(send))
    }
}

impl fmt::Debug for Post {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Post")
    }
}

/// How a sink is told that nothing more will come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finish {
    /// A socket: shutdown(2) with `SHUT_WR`, so that the peer reads a FIN and can still answer.
    ShutdownWrite,
    /// A command's pipe, or standard output: our descriptor of it is closed.
    Close,
    /// A datagram socket whose peer takes an empty datagram for the end.
    EmptyPacket,
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
    /// Another peer, whom we forward to: the same, and reading from it tells the rest.
    Upstream,
}

/// Where a flow's bytes go.
#[derive(Debug)]
pub struct Sink<'a> {
    to: To<'a>,
    finish: Finish,
    pub(crate) reader: Reader,
    /// Its reader is gone.
    pub(crate) lost: bool,
    /// Why something did not reach its reader.
    pub(crate) refused: Option<io::ErrorKind>,
    /// Its reader has been told that nothing more will come.
    pub(crate) finished: bool,
    /// The most that one write takes, in bytes, so that writers who share a pipe do not tear each other's apart.
    pub(crate) at_most: usize,
    /// What one write takes is a datagram; the most that a stream is cut into, in bytes.
    pub(crate) packet: Option<usize>,
    post: Option<Post>,
    /// The kernel cuts a run of bytes into datagrams for us.
    segments: bool,
}

#[derive(Debug)]
enum To<'a> {
    Descriptor(Handle<'a>, Manner),
    Inlet(Inlet),
    Nowhere,
}

impl<'a> Sink<'a> {
    fn descriptor(handle: Handle<'a>, manner: Manner, finish: Finish, reader: Reader) -> Self {
        Self::new(To::Descriptor(handle, manner), finish, reader)
    }

    fn new(to: To<'a>, finish: Finish, reader: Reader) -> Self {
        Self {
            to,
            finish,
            reader,
            lost: false,
            refused: None,
            finished: false,
            at_most: usize::MAX,
            packet: None,
            post: None,
            segments: false,
        }
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
        Self::new(To::Nowhere, Finish::Nothing, Reader::Command)
    }

    /// What one who takes part in a hub says; it reaches standard output, which others go on using.
    pub fn inlet(inlet: Inlet) -> Self {
        Self::new(To::Inlet(inlet), Finish::Nothing, Reader::Output)
    }

    /// The same sink, written at most `bytes` at a time.
    #[must_use]
    pub fn at_most(self, bytes: usize) -> Self {
        Self { at_most: bytes, ..self }
    }

    /// The same sink, a datagram socket; one that `has_ends` is finished as a stream is. Streams are cut into
    /// datagrams of `size` bytes at most.
    #[must_use]
    pub fn in_packets(self, has_ends: bool, size: usize) -> Self {
        let finish = if has_ends { self.finish } else { Finish::Nothing };
        Self { packet: Some(size), finish, ..self }
    }

    /// The same sink, a connected UDP socket: the kernel may cut a run of bytes into its datagrams.
    #[must_use]
    pub fn in_segments(self) -> Self {
        Self { segments: true, ..self }
    }

    /// The same sink, by post instead of by a connection.
    #[must_use]
    pub fn by(self, post: Post) -> Self {
        Self { post: Some(post), ..self }
    }

    /// The same sink; streams are cut into datagrams of another `size` at most, and with `empty_ends` an empty one is
    /// sent in the end.
    #[must_use]
    pub fn cut(mut self, size: Option<usize>, empty_ends: bool) -> Self {
        self.packet = self.packet.map(|usual| size.unwrap_or(usual));
        if self.packet.is_some() && self.finish == Finish::Nothing && empty_ends {
            self.finish = Finish::EmptyPacket;
        }
        self
    }

    /// The size of the datagrams that a stream is cut into; None where it takes a stream.
    pub fn packet_size(&self) -> Option<usize> {
        self.packet
    }

    /// Its descriptor, where it takes a stream in writes of any size.
    pub(crate) fn stream(&self) -> Option<BorrowedFd<'_>> {
        let To::Descriptor(handle, _) = &self.to else { return None };
        Some(handle.as_fd()).filter(|_| self.packet.is_none() && self.at_most == usize::MAX)
    }

    /// Whether what it takes is dropped.
    pub(crate) fn is_nowhere(&self) -> bool {
        matches!(self.to, To::Nowhere)
    }

    /// Whether it takes datagrams.
    pub(crate) fn is_packets(&self) -> bool {
        self.packet.is_some()
    }

    /// Whether readiness says nothing about it: who has no connection is asked again after a moment.
    pub(crate) fn needs_retries(&self) -> bool {
        self.post.is_some()
    }

    /// Writes what the sink takes without waiting.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.to {
            To::Nowhere => Ok(bytes.len()),
            To::Inlet(inlet) => inlet.write(bytes),
            To::Descriptor(handle, manner) => {
                if let Some(Post(send)) = &self.post {
                    return send(bytes).map(|()| bytes.len());
                }
                match sys::write(handle.as_fd(), *manner, bytes)? {
                    0 if !self.is_packets() => Err(io::ErrorKind::WriteZero.into()),
                    n => Ok(n),
                }
            }
        }
    }

    /// Sends the first of a run of bytes, in datagrams of `size` bytes, as many at once as the kernel takes.
    pub(crate) fn write_cut(&mut self, bytes: &[u8], size: usize) -> io::Result<usize> {
        let run = (bytes.len() / size).min(LONGEST_RUN / size).min(RUN) * size;
        if let (true, To::Descriptor(handle, _), Ok(each)) = (self.segments && run > size, &self.to, size.try_into()) {
            match mail::send_segments(handle.as_fd(), &bytes[..run], each) {
                Err(e) if passage::is_unfit(&e) || sys::is_oversized(&e) => self.segments = false,
                other => return other,
            }
        }
        self.write(&bytes[..bytes.len().min(size)])
    }

    /// Tells the sink that nothing more will come.
    pub(crate) fn finish(&mut self) -> io::Result<()> {
        let handle = match &mut self.to {
            To::Descriptor(handle, _) => handle,
            To::Inlet(inlet) => {
                inlet.finish();
                return Ok(());
            }
            To::Nowhere => return Ok(()),
        };
        match self.finish {
            Finish::Nothing => Ok(()),
            // It may be lost, as any datagram.
            Finish::EmptyPacket => {
                self.finish = Finish::Nothing;
                self.write(b"").or(Ok(0)).map(drop)
            }
            Finish::ShutdownWrite if self.finished => Ok(()),
            Finish::ShutdownWrite => {
                sys::shutdown_write(handle.as_fd())?;
                self.finished = true;
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

    /// The same sink, the one that is forwarded to.
    #[must_use]
    pub fn upstream(self) -> Self {
        Self { reader: Reader::Upstream, ..self }
    }

    /// Whether an error means only that nobody reads what we write, and something else tells what follows.
    pub(crate) fn loses_quietly(&self, error: &io::Error) -> bool {
        match self.reader {
            Reader::Command => error.kind() == io::ErrorKind::BrokenPipe,
            Reader::Upstream => true,
            Reader::Peer | Reader::Output => false,
        }
    }

    /// Nobody reads it any more: from now on what comes is dropped. The descriptor is closed if it was ours.
    /// With `why`, something of what it was given is lost already.
    pub(crate) fn lose(&mut self, why: Option<io::ErrorKind>) {
        self.refused = self.refused.or(why);
        self.to = To::Nowhere;
        self.lost = true;
    }

    /// The descriptor to watch, if there is one still.
    pub(crate) fn watched(&self) -> Option<BorrowedFd<'_>> {
        match &self.to {
            To::Descriptor(handle, _) => Some(handle.as_fd()),
            To::Inlet(inlet) => Some(inlet.entry()),
            To::Nowhere => None,
        }
    }
}
