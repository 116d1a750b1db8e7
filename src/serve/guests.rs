//! Who is being served over a transport without ends, and who must give way when there is no room for a newcomer: the
//! one that is idle longest. It ends nobody itself; it marks, and pulls the leash.

use std::collections::HashMap;
use std::io;

use crate::net::connection::{Connection, Leash};
use crate::sys::board::Board;

/// Those who are being served.
#[derive(Debug)]
pub(super) struct Guests {
    board: Board,
    free: Vec<usize>,
    seated: HashMap<usize, Leash>,
    leaving: Option<usize>,
}

impl Guests {
    /// Room for this many.
    pub(super) fn new(most: usize) -> io::Result<Self> {
        Ok(Self { board: Board::new(most)?, free: (0..most).collect(), seated: HashMap::new(), leaving: None })
    }

    /// Gives a connection its place.
    pub(super) fn seat(&mut self, peer: &mut Connection) {
        if let Some(slot) = self.free.pop() {
            peer.slot = Some(self.board.slot(slot));
            self.seated.insert(slot, peer.leash());
        }
    }

    /// A place is free again.
    pub(super) fn leave(&mut self, slot: usize) {
        if self.seated.remove(&slot).is_some() {
            self.free.push(slot);
        }
        self.leaving = self.leaving.filter(|leaving| *leaving != slot);
    }

    /// Whether somebody can be asked to leave: one at a time.
    pub(super) fn can_evict(&self) -> bool {
        self.leaving.is_none() && !self.seated.is_empty()
    }

    /// Asks the one that is idle longest to leave; which place that is.
    pub(super) fn evict(&mut self) -> Option<usize> {
        let slot = self.board.oldest(self.seated.keys().copied()).filter(|_| self.leaving.is_none())?;
        self.board.dismiss(slot);
        self.seated.get(&slot)?.pull();
        self.leaving = Some(slot);
        Some(slot)
    }
}
