//! What one who takes part in a hub holds: an outlet to hear by and an inlet to speak by. They keep what is half heard
//! and half said; who hears whom, and who must wait, is the hub's.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use super::Hub;
use super::company::Taken;
use super::ear::Chunk;
use crate::sys::bell::Bell;

/// The longest line that is kept together, in bytes; of a longer one the pieces are.
const LONGEST: usize = 1024 * 1024;

/// Where a listener's bytes come from. Dropped, it gives up its place.
#[derive(Debug)]
pub struct Outlet {
    hub: Hub,
    number: u64,
    bell: Arc<Bell>,
    /// Chunks taken, the first of them up to `at`.
    hand: VecDeque<Chunk>,
    at: usize,
    /// Nothing comes after what is in hand.
    resting: bool,
    /// A read never brings more than one chunk.
    apart: bool,
}

impl Outlet {
    pub(super) fn new(hub: Hub, number: u64, bell: Arc<Bell>) -> Self {
        let (hand, at, resting, apart) = (VecDeque::new(), 0, false, false);
        Self { hub, number, bell, hand, at, resting, apart }
    }

    /// The same outlet, whose chunks are read one by one.
    pub(super) fn apart(mut self) -> Self {
        self.apart = true;
        self
    }

    /// Appends what there is, up to the buffer's spare capacity. 0 is the end; `WouldBlock` where nothing is there yet.
    pub(in crate::relay) fn read(&mut self, buffer: &mut Vec<u8>) -> io::Result<usize> {
        let room = buffer.capacity() - buffer.len();
        if self.hand.is_empty() && !self.resting {
            match self.hub.take(self.number, room) {
                Taken::Chunks(chunks) => self.hand = chunks,
                Taken::Nothing => return Err(io::ErrorKind::WouldBlock.into()),
                Taken::End => return Ok(0),
            }
        }
        let mut left = room;
        while let Some(chunk) = self.hand.front().filter(|_| left > 0) {
            let piece = &chunk[self.at..];
            let piece = &piece[..piece.len().min(left)];
            buffer.extend_from_slice(piece);
            left -= piece.len();
            self.at += piece.len();
            if self.at == chunk.len() {
                self.hand.pop_front();
                self.at = 0;
                if self.apart {
                    break;
                }
            }
        }
        Ok(room - left)
    }

    /// From now on there is only what waits already; nobody waits for this listener any more.
    pub(in crate::relay) fn rest(&mut self) {
        if std::mem::replace(&mut self.resting, true) {
            return;
        }
        let Some(mut ear) = self.hub.leave(self.number) else { return };
        self.hand.append(&mut ear.queue);
    }

    /// What poll(2) must watch before the next read; None where none is needed.
    pub(in crate::relay) fn awaited(&self) -> Option<BorrowedFd<'_>> {
        (!self.resting && self.hand.is_empty()).then(|| self.bell.as_fd())
    }
}

impl Drop for Outlet {
    fn drop(&mut self) {
        self.rest();
    }
}

/// Where a speaker's bytes go. Dropped, it has finished.
#[derive(Debug)]
pub struct Inlet {
    hub: Hub,
    number: u64,
    /// The beginning of a line, where lines are kept whole.
    rest: Vec<u8>,
}

impl Inlet {
    pub(super) fn new(hub: Hub, number: u64) -> Self {
        Self { hub, number, rest: Vec::new() }
    }

    /// Hands on all of `bytes`, or what of them are whole lines, and keeps the rest. `WouldBlock` where the speaker has
    /// to wait; then nothing has been taken.
    pub(in crate::relay) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.hub.keeps_lines() {
            self.hub.hand_out(self.number, &bytes.into())?;
            return Ok(bytes.len());
        }
        let whole = match bytes.iter().rposition(|byte| *byte == b'\n') {
            Some(at) => at + 1,
            None if self.rest.len() + bytes.len() > LONGEST => bytes.len(),
            None => 0,
        };
        if whole > 0 {
            let chunk: Chunk = [&self.rest, &bytes[..whole]].concat().into();
            self.hub.hand_out(self.number, &chunk)?;
            self.rest.clear();
        }
        self.rest.extend_from_slice(&bytes[whole..]);
        Ok(bytes.len())
    }

    /// The speaker has finished. A line that it has not finished is one all the same.
    pub(in crate::relay) fn finish(&mut self) {
        let mut rest = std::mem::take(&mut self.rest);
        if !rest.is_empty() && self.hub.ends_lines(self.number) {
            rest.push(b'\n');
        }
        let words = (!rest.is_empty()).then(|| rest.into());
        self.hub.fall_silent(self.number, words.as_ref());
    }

    /// Readiness to write is room for what is said; an error says that nobody hears it.
    pub(in crate::relay) fn entry(&self) -> BorrowedFd<'_> {
        self.hub.entry(self.number)
    }
}

impl Drop for Inlet {
    fn drop(&mut self) {
        self.finish();
    }
}
