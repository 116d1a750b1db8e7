//! Where a flow's bytes come from. It reads one buffer at a time and never waits; when to read is the flow's business.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::end::Handle;
use super::hub::seat::Outlet;
use crate::sys::{self, Manner};

/// Where a flow's bytes come from.
#[derive(Debug)]
pub struct Source<'a> {
    from: From<'a>,
    name: &'static str,
    left: Option<u64>,
    packets: Option<Packets>,
    /// Asked before each read; while it says no, the descriptor is let alone and asked again a second later.
    gate: Option<fn(BorrowedFd<'_>) -> bool>,
}

#[derive(Debug)]
enum From<'a> {
    Descriptor(Handle<'a>, Manner),
    Text { text: &'a [u8], at: usize },
    Outlet(Outlet),
}

impl<'a> Source<'a> {
    /// Bytes read from a descriptor, in the manner that never blocks on it; `name` is for messages.
    pub fn descriptor(name: &'static str, handle: Handle<'a>, manner: Manner) -> Self {
        Self { from: From::Descriptor(handle, manner), name, left: None, packets: None, gate: None }
    }

    /// What the peer sends. The socket is read without waiting, whatever its flags say.
    pub fn peer(socket: BorrowedFd<'a>) -> Self {
        Self::descriptor("the peer", Handle::Lent(socket), Manner::DontWait)
    }

    /// Bytes at hand.
    pub fn text(text: &'a [u8]) -> Self {
        Self { from: From::Text { text, at: 0 }, name: "the text", left: None, packets: None, gate: None }
    }

    /// What others say to one who takes part in a hub.
    pub fn outlet(outlet: Outlet) -> Self {
        Self { from: From::Outlet(outlet), name: "the hub", left: None, packets: None, gate: None }
    }

    /// The same source under another name.
    #[must_use]
    pub fn named(self, name: &'static str) -> Self {
        Self { name, ..self }
    }

    /// The same source, of datagrams.
    #[must_use]
    pub fn in_packets(self, packets: Packets) -> Self {
        Self { packets: Some(packets), ..self }
    }

    /// The same source, limited to a number of datagrams; with `empty_ends`, an empty one is the end.
    #[must_use]
    pub fn ending(mut self, after: Option<Arc<AtomicU64>>, empty_ends: bool) -> Self {
        if let Some(packets) = &mut self.packets {
            packets.left = packets.left.take().or(after);
            packets.empty_ends = empty_ends;
        }
        self
    }

    /// Whether it comes in datagrams.
    pub fn is_packets(&self) -> bool {
        self.packets.is_some()
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
        if let Some(packets) = &mut self.packets {
            packets.rest = true;
        } else if let From::Outlet(outlet) = &mut self.from {
            outlet.rest();
        } else if let From::Descriptor(handle, _) = &self.from {
            self.left = if self.is_shut() { Some(0) } else { sys::waiting(handle.as_fd()) };
        }
    }

    /// It will not be read any more: nobody who shares it need wait for us.
    pub(crate) fn give_up(&mut self) {
        if let From::Outlet(outlet) = &mut self.from {
            outlet.rest();
        }
    }

    /// Appends up to the buffer's spare capacity; `WouldBlock` where nothing is there yet.
    pub(crate) fn read(&mut self, buffer: &mut Vec<u8>) -> io::Result<Got> {
        if let (Some(packets), From::Descriptor(handle, manner)) = (&mut self.packets, &self.from) {
            return packets.read(handle.as_fd(), *manner, buffer);
        }
        match self.read_stream(buffer)? {
            0 => Ok(Got::End),
            _ => Ok(Got::Bytes),
        }
    }

    fn read_stream(&mut self, buffer: &mut Vec<u8>) -> io::Result<usize> {
        match &mut self.from {
            From::Text { text, at } => {
                let n = (text.len() - *at).min(buffer.capacity() - buffer.len());
                buffer.extend_from_slice(&text[*at..*at + n]);
                *at += n;
                Ok(n)
            }
            From::Outlet(outlet) => outlet.read(buffer),
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

    /// Its descriptor, where all that comes from it is a stream's and nothing is to be counted or asked before a read.
    pub(crate) fn stream(&self) -> Option<BorrowedFd<'_>> {
        match &self.from {
            From::Descriptor(handle, _) if self.packets.is_none() && self.left.is_none() && self.gate.is_none() => {
                Some(handle.as_fd())
            }
            _ => None,
        }
    }

    /// What poll(2) must watch before the next read; None where none is needed.
    pub(crate) fn awaited(&self) -> Option<BorrowedFd<'_>> {
        match &self.from {
            From::Descriptor(handle, _) if self.left.is_none() && !self.has_mail() => Some(handle.as_fd()),
            From::Outlet(outlet) => outlet.awaited(),
            _ => None,
        }
    }

    /// Whether the next read needs no descriptor: mail is at hand, or no more of it may come.
    fn has_mail(&self) -> bool {
        let at_hand = |packets: &Packets| packets.rest || !packets.mail.is_empty() || packets.has_had_all();
        self.packets.as_ref().is_some_and(at_hand)
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

/// What a read brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Got {
    /// Bytes of a stream.
    Bytes,
    /// A whole datagram, empty perhaps.
    Packet,
    /// The source has ended.
    End,
}

/// The largest datagram of UDP, and a byte more, so that none is ever cut.
pub(super) const LARGEST: usize = 65_536;

/// An empty buffer of so many bytes; an error where memory has run out, which ends one conversation and not all.
pub(super) fn room(bytes: usize) -> io::Result<Vec<u8>> {
    let mut buffer = Vec::new();
    buffer.try_reserve_exact(bytes).map_err(|_| io::ErrorKind::OutOfMemory)?;
    Ok(buffer)
}

/// How a source of datagrams ends, and what of it was received before.
#[derive(Debug, Default)]
#[allow(clippy::struct_excessive_bools, reason = "each is a way to end")]
pub struct Packets {
    /// The socket has an end of its own, which looks like an empty datagram.
    pub ends: bool,
    /// An empty datagram is the end.
    pub empty_ends: bool,
    /// Datagrams until the end; several sources may count together.
    pub left: Option<Arc<AtomicU64>>,
    /// Datagrams can be larger than UDP's: the kernel is asked before each.
    pub sized: bool,
    /// It ends with what has come already.
    pub rest: bool,
    /// Somebody else may shut the socket down for reading: datagrams have no other end.
    pub leashed: bool,
    /// Datagrams received already.
    pub mail: VecDeque<Vec<u8>>,
}

impl Packets {
    fn has_had_all(&self) -> bool {
        self.left.as_ref().is_some_and(|left| left.load(Ordering::Relaxed) == 0)
    }

    /// Whether an empty queue is the end.
    fn is_over(&self, socket: BorrowedFd<'_>) -> bool {
        self.rest || self.leashed && sys::has_hung_up(socket)
    }

    /// Makes room for the next datagram, so that it is not cut.
    fn make_room(&self, socket: BorrowedFd<'_>, buffer: &mut Vec<u8>) -> io::Result<()> {
        if self.sized {
            buffer.reserve_exact(sys::next_packet(socket)?);
        }
        Ok(())
    }

    fn read(&mut self, socket: BorrowedFd<'_>, manner: Manner, buffer: &mut Vec<u8>) -> io::Result<Got> {
        if self.has_had_all() {
            return Ok(Got::End);
        }
        let n = match self.mail.pop_front() {
            Some(letter) => {
                *buffer = letter;
                buffer.len()
            }
            None => match self.make_room(socket, buffer).and_then(|()| sys::read(socket, manner, buffer)) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock && self.is_over(socket) => return Ok(Got::End),
                other => other?,
            },
        };
        if n == 0 && (self.empty_ends || self.ends && sys::has_hung_up(socket)) {
            return Ok(Got::End);
        }
        if let Some(left) = &self.left {
            // Another source may have counted to the end in this moment: what was received is delivered all the same.
            let _ = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        }
        Ok(Got::Packet)
    }
}
