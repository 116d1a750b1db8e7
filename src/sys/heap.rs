//! The heap. What the start allocates, the command line above all, is cut from one area, whose pages come in one go; from
//! [settle] on dlmalloc has the rest of it, so that what a server allocates lies together, and a forked conversation
//! copies few pages. It decides nothing but where memory lies.
//!
//! A debug build has the C library's heap, each piece of which valgrind knows.
#![cfg_attr(all(debug_assertions, not(target_env = "musl")), allow(dead_code))]

use std::alloc::{GlobalAlloc, Layout};
use std::cell::UnsafeCell;
use std::ptr;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicPtr, AtomicU64, AtomicUsize};
use std::sync::{Mutex, MutexGuard, PoisonError};

use dlmalloc::{Allocator, Dlmalloc};

/// What the start may use, in bytes. Where that is too little it goes on as if it were settled.
const AREA: usize = 1 << 20;

/// How much of it every start uses, in bytes.
const EAGER: usize = 128 << 10;

/// The alignment of the area, in bytes: what is aligned in it is aligned.
const ALIGNED: usize = 4096;

#[repr(align(4096))]
struct Area(UnsafeCell<[u8; AREA]>);

// SAFETY: it is never looked at as a whole; who is handed a piece of it has it alone, as `Early` sees to.
unsafe impl Sync for Area {}

static HOME: Area = Area(UnsafeCell::new([0; AREA]));

/// The heap after the start.
type Late = Mutex<Dlmalloc<Pages>>;

/// The heap of the process: where the later one is, which stands among what it hands out.
struct Heap(AtomicPtr<Late>);

#[cfg_attr(any(target_env = "musl", not(debug_assertions)), global_allocator)]
static HEAP: Heap = Heap(AtomicPtr::new(ptr::null_mut()));

/// The later one where the start needs more than there is.
static SPARE: Late = Mutex::new(Dlmalloc::new_with_allocator(Pages));

static EARLY: Early = Early::new();

/// The start is over: what is allocated from now on is worth being used again.
pub fn settle() {
    let place = EARLY.close(size_of::<Late>()).filter(|_| HEAP.0.load(Acquire).is_null());
    if let Some(place) = place.map(<*mut u8>::cast::<Late>) {
        // SAFETY: it is nobody's, as large as that, and at the beginning of a page.
        unsafe { place.write(Mutex::new(Dlmalloc::new_with_allocator(Pages))) };
        // Where another thread was first, its heap is the one.
        let _ = HEAP.0.compare_exchange(ptr::null_mut(), place, Release, Relaxed);
    }
}

/// Has the pages from this address on come in one go, `length` bytes of them; where the kernel (before 5.14) does not know
/// that call, or not all of them are mapped, the rest come one by one.
pub(super) fn have_ready(from: usize, length: usize) {
    // SAFETY: the call makes pages present and changes nothing that is in them, whosever they are.
    unsafe { libc::madvise(ptr::without_provenance_mut(from), length, libc::MADV_POPULATE_WRITE) };
}

impl Heap {
    fn late(&self) -> MutexGuard<'_, Dlmalloc<Pages>> {
        let spare = (&raw const SPARE).cast_mut();
        let late = match self.0.load(Acquire) {
            none if none.is_null() => {
                self.0.compare_exchange(none, spare, AcqRel, Acquire).map_or_else(|it| it, |_| spare)
            }
            late => late,
        };
        // SAFETY: it is either of the two, each of which stays where it is for ever.
        unsafe { &*late }.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// SAFETY: each piece of memory is handed out by one of two, once until it comes back to that one.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's layout is one that GlobalAlloc allows.
        EARLY.cut(layout).unwrap_or_else(|| unsafe { self.late().malloc(layout.size(), layout.align()) })
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        let Some(memory) = EARLY.cut(layout) else {
            // SAFETY: as in `alloc`.
            return unsafe { self.late().calloc(layout.size(), layout.align()) };
        };
        // SAFETY: it is as large as that; it may have been somebody's before.
        unsafe { memory.write_bytes(0, layout.size()) };
        memory
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        if EARLY.holds(memory) {
            EARLY.take_back(memory, layout.size());
        } else {
            // SAFETY: the caller has it from `alloc` with this layout, and it is not early.
            unsafe { self.late().free(memory, layout.size(), layout.align()) }
        }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if !EARLY.holds(memory) {
            // SAFETY: as in `dealloc`.
            return unsafe { self.late().realloc(memory, layout.size(), layout.align(), size) };
        }
        if EARLY.resize(memory, layout.size(), size) || size <= layout.size() {
            return memory;
        }
        // SAFETY: the caller's size and alignment are those of a layout; the new memory is larger than the old, which
        // the caller no longer uses once there is new memory.
        unsafe {
            let moved = self.alloc(Layout::from_size_align_unchecked(size, layout.align()));
            if !moved.is_null() {
                ptr::copy_nonoverlapping(memory, moved, layout.size());
                EARLY.take_back(memory, layout.size());
            }
            moved
        }
    }
}

/// The part of the area that is handed out piece after piece. What comes back is used again where it is the last piece, or
/// the largest that has come back.
struct Early {
    /// How much is handed out, in bytes from the beginning.
    used: AtomicUsize,
    /// The largest piece that has come back: where it begins and, in the lower half, where it ends.
    hole: AtomicU64,
    /// Where it ends, in bytes from the beginning.
    end: AtomicUsize,
    /// What is left for dlmalloc begins here.
    rest: AtomicUsize,
}

impl Early {
    const fn new() -> Self {
        let (end, rest) = (AtomicUsize::new(AREA), AtomicUsize::new(AREA));
        Self { used: AtomicUsize::new(0), hole: AtomicU64::new(0), end, rest }
    }

    /// A new piece, if there is room.
    fn cut(&self, layout: Layout) -> Option<*mut u8> {
        if !self.is_open() || layout.align() > ALIGNED {
            return None;
        }
        let from = self.cut_hole(layout).or_else(|| self.cut_rest(layout))?;
        // SAFETY: within the area.
        Some(unsafe { HOME.0.get().cast::<u8>().add(from) })
    }

    fn cut_hole(&self, layout: Layout) -> Option<usize> {
        let hole = self.hole.load(Relaxed);
        let (begin, end) = (hole >> 32, hole & u64::from(u32::MAX));
        let from = begin.checked_next_multiple_of(layout.align() as u64)?;
        let to = from.checked_add(layout.size() as u64).filter(|&to| to <= end)?;
        self.hole.compare_exchange(hole, (to << 32) | end, Relaxed, Relaxed).ok()?;
        usize::try_from(from).ok()
    }

    fn cut_rest(&self, layout: Layout) -> Option<usize> {
        let mut used = self.used.load(Relaxed);
        loop {
            if used == 0 {
                have_ready(HOME.0.get().addr(), EAGER);
            }
            let from = used.checked_next_multiple_of(layout.align())?;
            let to = from.checked_add(layout.size()).filter(|&to| to <= AREA)?;
            match self.used.compare_exchange_weak(used, to, Relaxed, Relaxed) {
                Ok(_) => return Some(from),
                Err(now) => used = now,
            }
        }
    }

    fn holds(&self, memory: *mut u8) -> bool {
        offset(memory) < self.end.load(Relaxed)
    }

    fn take_back(&self, memory: *mut u8, length: usize) {
        let hole = self.hole.load(Relaxed);
        let is_larger = length as u64 > (hole & u64::from(u32::MAX)) - (hole >> 32);
        if self.is_open() && !self.resize(memory, length, 0) && is_larger {
            let begin = offset(memory);
            // Another thread's hole is as good.
            let _ = self.hole.compare_exchange(hole, packed(begin, begin + length), Relaxed, Relaxed);
        }
    }

    /// Gives the last piece another size; false where it is not the last, or there is no room.
    fn resize(&self, memory: *mut u8, old: usize, new: usize) -> bool {
        let from = offset(memory);
        let to = from.saturating_add(new);
        to <= AREA && self.used.compare_exchange(from + old, to, Relaxed, Relaxed).is_ok()
    }

    fn is_open(&self) -> bool {
        self.end.load(Relaxed) == AREA
    }

    /// No more is handed out, but for one last piece of this size, at the beginning of a page, if there is room.
    fn close(&self, size: usize) -> Option<*mut u8> {
        let used = self.used.swap(AREA, Relaxed).next_multiple_of(ALIGNED);
        let rest = used + size.next_multiple_of(16);
        self.hole.store(0, Relaxed);
        self.end.store(used.min(AREA), Relaxed);
        self.rest.store(rest.min(AREA), Relaxed);
        // SAFETY: within the area.
        (rest <= AREA).then(|| unsafe { HOME.0.get().cast::<u8>().add(used) })
    }

    /// What is left, once, if it is as much as `size` bytes: from where on.
    fn rest(&self, size: usize) -> Option<usize> {
        Some(self.rest.swap(AREA, Relaxed)).filter(|from| AREA - from >= size)
    }
}

/// Where dlmalloc has its memory from: what the start has left of the area, then the kernel.
struct Pages;

/// A segment that is not to be given back.
const EXTERN: u32 = 1;

// SAFETY: what is left of the area is handed out once; new mappings overlap nothing, and only they are unmapped.
unsafe impl Allocator for Pages {
    fn alloc(&self, size: usize) -> (*mut u8, usize, u32) {
        if let Some(from) = EARLY.rest(size) {
            // SAFETY: within the area.
            return (unsafe { HOME.0.get().cast::<u8>().add(from) }, AREA - from, EXTERN);
        }
        let (access, kind) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        // SAFETY: a new mapping overlaps nothing.
        let pages = unsafe { libc::mmap(ptr::null_mut(), size, access, kind, -1, 0) };
        if pages == libc::MAP_FAILED { (ptr::null_mut(), 0, 0) } else { (pages.cast(), size, 0) }
    }

    fn remap(&self, _: *mut u8, _: usize, _: usize, _: bool) -> *mut u8 {
        ptr::null_mut()
    }

    fn free_part(&self, pages: *mut u8, old: usize, new: usize) -> bool {
        self.free(pages.wrapping_add(new), old - new)
    }

    fn free(&self, pages: *mut u8, size: usize) -> bool {
        // SAFETY: it is a part of a mapping of `alloc`'s, which dlmalloc no longer uses.
        unsafe { libc::munmap(pages.cast(), size) == 0 }
    }

    fn can_release_part(&self, flags: u32) -> bool {
        flags & EXTERN == 0
    }

    fn allocates_zeros(&self) -> bool {
        false
    }

    fn page_size(&self) -> usize {
        ALIGNED
    }
}

fn packed(begin: usize, end: usize) -> u64 {
    ((begin as u64) << 32) | end as u64
}

/// Where in the area this lies, or beyond it.
fn offset(memory: *mut u8) -> usize {
    memory.addr().wrapping_sub(HOME.0.get().addr())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A piece of memory that knows what is in it.
    struct Piece(*mut u8, Layout, u8);

    impl Piece {
        fn new(size: usize, align: usize, mark: u8) -> Self {
            let layout = Layout::from_size_align(size, align).expect("a layout");
            // SAFETY: the size is not 0.
            let memory = unsafe { if mark.is_multiple_of(2) { HEAP.alloc(layout) } else { HEAP.alloc_zeroed(layout) } };
            assert_eq!(memory.addr() % align, 0, "{layout:?}");
            let piece = Self(memory, layout, mark);
            assert!(mark.is_multiple_of(2) || piece.bytes().iter().all(|&byte| byte == 0), "{layout:?}");
            // SAFETY: it is as large as that.
            unsafe { memory.write_bytes(mark, size) };
            piece
        }

        fn bytes(&self) -> &[u8] {
            // SAFETY: it is as large as that, and written.
            unsafe { std::slice::from_raw_parts(self.0, self.1.size()) }
        }

        fn holds(&self, length: usize) {
            assert!(self.bytes()[..length].iter().all(|&byte| byte == self.2), "{:?}", self.1);
        }

        fn resize(&mut self, size: usize) {
            let kept = size.min(self.1.size());
            // SAFETY: it is of this heap, and the size is not 0.
            self.0 = unsafe { HEAP.realloc(self.0, self.1, size) };
            self.1 = Layout::from_size_align(size, self.1.align()).expect("a layout");
            self.holds(kept);
            // SAFETY: it is as large as that.
            unsafe { self.0.write_bytes(self.2, size) };
        }

        fn free(self) {
            self.holds(self.1.size());
            // SAFETY: it is of this heap.
            unsafe { HEAP.dealloc(self.0, self.1) };
        }
    }

    /// Pieces come, change their sizes and go, before and after the heap is settled, and none touches another.
    #[test]
    fn pieces_are_apart() {
        let mut random: u64 = 20;
        let mut next = |below: usize| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(random >> 33).expect("31 bits") % below
        };
        let mut pieces: Vec<Piece> = Vec::new();
        for round in 0..20_000 {
            if round == 10_000 {
                settle();
            }
            let size = 1 + if next(50) == 0 { next(100_000) } else { next(700) };
            match next(5) {
                0 | 1 => pieces.push(Piece::new(size, 1 << next(6), u8::try_from(round % 251).expect("a byte"))),
                2 if !pieces.is_empty() => {
                    let at = next(pieces.len());
                    pieces[at].resize(size);
                }
                _ if !pieces.is_empty() => {
                    let at = if next(2) == 0 { pieces.len() - 1 } else { next(pieces.len()) };
                    pieces.swap_remove(at).free();
                }
                _ => {}
            }
        }
        pieces.into_iter().for_each(Piece::free);
        let end = EARLY.end.load(Relaxed);
        let fresh = Piece::new(64, 8, 2);
        assert!(offset(fresh.0) >= end, "what the start has left is not used again");
        fresh.free();
    }
}
