//! A board of times in memory that threads and forked processes share: who moved a byte when. It judges nobody.

use std::io;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::mm::{MapFlags, ProtFlags};
use rustix::time::{ClockId, clock_gettime};

/// The mark of a slot whose holder is to leave.
const LEAVE: u64 = u64::MAX;

/// The board: as many slots as there can be conversations.
#[derive(Clone, Debug)]
pub struct Board(Arc<Memory>);

#[derive(Debug)]
struct Memory {
    start: NonNull<AtomicU64>,
    slots: usize,
}

// SAFETY: the memory is only ever used as atomics, which any thread may use.
unsafe impl Send for Memory {}
// SAFETY: as above.
unsafe impl Sync for Memory {}

/// One place on the board.
#[derive(Clone, Debug)]
pub struct Slot {
    board: Board,
    /// Its number.
    pub index: usize,
}

impl Board {
    /// A board whose memory stays shared across fork(2).
    pub fn new(slots: usize) -> io::Result<Self> {
        let bytes = slots.max(1) * size_of::<AtomicU64>();
        // SAFETY: a new anonymous mapping overlaps nothing; it starts as zeros, which are valid atomics.
        let start = unsafe {
            rustix::mm::mmap_anonymous(
                std::ptr::null_mut(),
                bytes,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::SHARED,
            )
        }?;
        let start = NonNull::new(start.cast()).ok_or_else(|| io::Error::other("no memory for the board"))?;
        Ok(Self(Arc::new(Memory { start, slots: slots.max(1) })))
    }

    /// A slot, just beaten. `index` is below the number of slots.
    pub fn slot(&self, index: usize) -> Slot {
        let slot = Slot { board: self.clone(), index: index % self.0.slots };
        slot.cell().store(now(), Ordering::Relaxed);
        slot
    }

    /// Which of `held` was beaten longest ago.
    pub fn oldest(&self, held: impl Iterator<Item = usize>) -> Option<usize> {
        held.min_by_key(|index| self.cell(*index).load(Ordering::Relaxed))
    }

    /// Marks a slot: whoever holds it is to leave.
    pub fn dismiss(&self, index: usize) {
        self.cell(index).store(LEAVE, Ordering::Relaxed);
    }

    fn cell(&self, index: usize) -> &AtomicU64 {
        // SAFETY: the index is within the mapping, which lives as long as `self` does.
        unsafe { &*self.0.start.as_ptr().add(index % self.0.slots) }
    }
}

impl Slot {
    /// Notes that something moved just now.
    pub fn beat(&self) {
        // One that is marked stays marked.
        let _ = self.cell().fetch_update(Ordering::Relaxed, Ordering::Relaxed, |old| (old != LEAVE).then(now));
    }

    /// Whether its holder is to leave.
    pub fn is_dismissed(&self) -> bool {
        self.cell().load(Ordering::Relaxed) == LEAVE
    }

    fn cell(&self) -> &AtomicU64 {
        self.board.cell(self.index)
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        let bytes = self.slots * size_of::<AtomicU64>();
        // SAFETY: this is the mapping that `Board::new` made, and nobody refers to it any more.
        let _ = unsafe { rustix::mm::munmap(self.start.as_ptr().cast(), bytes) };
    }
}

/// Milliseconds of the system's monotonic clock, which all its processes share.
fn now() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    u64::try_from(time.tv_sec).unwrap_or(0) * 1000 + u64::try_from(time.tv_nsec).unwrap_or(0) / 1_000_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_is_the_one_that_did_not_beat() {
        let board = Board::new(3).unwrap();
        let slots: Vec<_> = (0..3).map(|index| board.slot(index)).collect();
        board.cell(1).store(1, Ordering::Relaxed);
        assert_eq!(board.oldest(0..3), Some(1));
        slots[1].beat();
        board.cell(2).store(1, Ordering::Relaxed);
        assert_eq!(board.oldest(0..3), Some(2));
        board.dismiss(2);
        slots[2].beat();
        assert!(slots[2].is_dismissed());
        assert_ne!(board.oldest(0..3), Some(2), "one that leaves already is not asked again");
    }
}
