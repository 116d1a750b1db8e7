//! Descriptors that whoever started us has left open for us, by number. What they are is found out elsewhere.

use std::io;
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd, RawFd};

use rustix::io::FdFlags;

/// Takes over `count` descriptors from `first` on (above 2), and keeps them from the commands we start. Fails with
/// `EBADF` where one of them is not open; then none is taken. To be called once, before anything else owns one of them.
pub fn take(first: RawFd, count: RawFd) -> io::Result<Vec<OwnedFd>> {
    let numbers = first..first.saturating_add(count);
    for number in numbers.clone() {
        // SAFETY: only its flags are set, which fails with EBADF if it is not open.
        rustix::io::fcntl_setfd(unsafe { BorrowedFd::borrow_raw(number) }, FdFlags::CLOEXEC)?;
    }
    // SAFETY: they are open, as just seen, and were left to us; nothing in this process owns them yet.
    Ok(numbers.map(|number| unsafe { OwnedFd::from_raw_fd(number) }).collect())
}
