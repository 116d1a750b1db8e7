//! Signals that are read and interrupt nobody (signalfd(2)). What each of them means is for whoever reads to say.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};

use super::again;
use super::process::set_of;

/// What the kernel tells of a signal: so many bytes, of which the first four are its number.
const LETTER: usize = size_of::<libc::signalfd_siginfo>();

/// Readable while one of its signals waits to be read. In a process that was forked it holds that process's own, with
/// nothing to be done for it; a command gets none of it, and starts with an empty mask.
#[derive(Debug)]
pub struct Inbox(OwnedFd);

impl Inbox {
    /// From now on each of `signals` waits until it is read, whatever its disposition. They are blocked in the calling
    /// thread and those that it starts, and should be in every other.
    pub fn of(signals: &[i32]) -> io::Result<Self> {
        let set = set_of(signals);
        // SAFETY: both calls only read the set; the mask is this thread's.
        let fd = unsafe {
            libc::sigprocmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut());
            libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK)
        };
        if fd == -1 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: signalfd(2) has just opened it for us.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Reads what has come, and hands each signal to `note`: one of a kind, however many have come since the last
    /// reading (signal(7)).
    pub fn empty(&self, mut note: impl FnMut(i32)) {
        let mut letters = [0; 4 * LETTER];
        // What fails is that there is none.
        while let Ok(bytes) = again(|| rustix::io::read(&self.0, &mut letters)) {
            let numbers = letters[..bytes].chunks_exact(LETTER).filter_map(|letter| letter.first_chunk());
            numbers.for_each(|number| note(i32::from_ne_bytes(*number)));
            if bytes < letters.len() {
                break;
            }
        }
    }
}

impl AsFd for Inbox {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
