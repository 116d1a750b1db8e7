//! An ear: what waits for one who takes part in a hub, and what happens to more than that. It knows nobody else.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use crate::sys::bell::Bell;
use crate::trace::{Event, Log};

/// What the smallest chunk counts for: its place in a queue costs something too.
const LEAST: usize = 64;

/// Bytes that stay together, shared by all queues they are in.
pub(super) type Chunk = Arc<[u8]>;

/// What happens when so many bytes wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Limit {
    /// Who speaks has to wait.
    Wait(usize),
    /// What comes is lost.
    Lose(usize),
}

/// Whose an ear is, and where it is told what becomes of it.
#[derive(Debug)]
pub(super) struct Owner {
    name: String,
    log: Log,
}

impl Owner {
    /// Says that it begins to lose.
    pub(super) fn fall_behind(&self) {
        self.log.say(&Event::Behind { who: &self.name });
    }
}

/// What waits for one who listens. Dropped, it says how much was lost.
#[derive(Debug)]
pub(super) struct Ear {
    /// Whose it is.
    pub(super) owner: Arc<Owner>,
    /// Rings when something comes.
    pub(super) bell: Arc<Bell>,
    /// What has come.
    pub(super) queue: VecDeque<Chunk>,
    /// Bytes that came when there was no room for them.
    pub(super) lost: u64,
    limit: Limit,
    bytes: usize,
}

fn weight(chunk: &Chunk) -> usize {
    chunk.len().max(LEAST)
}

impl Ear {
    /// Nothing waits yet. Fails for want of a descriptor.
    pub(super) fn new(name: &str, log: &Log, limit: Limit) -> io::Result<Self> {
        let bell = Arc::new(Bell::new()?);
        let owner = Arc::new(Owner { name: name.into(), log: log.clone() });
        Ok(Self::empty(owner, bell, limit))
    }

    fn empty(owner: Arc<Owner>, bell: Arc<Bell>, limit: Limit) -> Self {
        Self { owner, bell, queue: VecDeque::new(), lost: 0, limit, bytes: 0 }
    }

    /// What has come and what was lost, from where it stays.
    pub(super) fn part(&mut self) -> Self {
        let rest = Self::empty(Arc::clone(&self.owner), Arc::clone(&self.bell), self.limit);
        std::mem::replace(self, rest)
    }

    /// Whether who speaks has to wait.
    pub(super) fn is_full(&self) -> bool {
        matches!(self.limit, Limit::Wait(bytes) if self.bytes >= bytes)
    }

    /// Takes a chunk; false where it is lost.
    pub(super) fn take(&mut self, chunk: &Chunk) -> bool {
        let fits = match self.limit {
            Limit::Wait(_) => true,
            Limit::Lose(bytes) => self.queue.is_empty() || self.bytes + weight(chunk) <= bytes,
        };
        if fits {
            self.bytes += weight(chunk);
            self.queue.push_back(Arc::clone(chunk));
        } else {
            self.lost += chunk.len() as u64;
        }
        fits
    }

    /// Gives what has come, about as many bytes as there is room for; at least one chunk.
    pub(super) fn give(&mut self, room: usize) -> VecDeque<Chunk> {
        let (mut chunks, mut bytes) = (VecDeque::new(), 0);
        while bytes < room {
            let Some(chunk) = self.queue.pop_front() else { break };
            bytes += chunk.len();
            self.bytes -= weight(&chunk);
            chunks.push_back(chunk);
        }
        chunks
    }
}

impl Drop for Ear {
    fn drop(&mut self) {
        if self.lost > 0 {
            self.owner.log.say(&Event::Lost { who: &self.owner.name, bytes: self.lost });
        }
    }
}
