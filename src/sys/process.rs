//! Processes and signals: fork, wait, kill, dispositions; commands are started by `start`. It decides neither whom
//! to fork for nor whom to end.

use std::ffi::{CStr, CString};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd;

use rustix::process::{WaitIdOptions, WaitOptions};

use super::start::Launch;
use super::{Pid, Signal};

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It left with this status.
    Exited(i32),
    /// This signal ended it.
    Killed(i32),
}

/// A process we started and have not reaped; its number cannot be another's as long as this value lives unreaped.
#[derive(Debug)]
pub struct Child {
    pid: Pid,
    own_group: bool,
    /// What it was started with; None where it was forked.
    launch: Option<Box<Launch>>,
}

/// The set of all signals, or the empty one.
pub(super) fn signals(all: bool) -> libc::sigset_t {
    let mut set = MaybeUninit::zeroed();
    // SAFETY: a set is a set of bits; the call writes all of them.
    unsafe {
        if all {
            libc::sigfillset(set.as_mut_ptr());
        }
        set.assume_init()
    }
}

/// The set of these signals.
pub(super) fn set_of(wanted: &[i32]) -> libc::sigset_t {
    let mut set = signals(false);
    for signal in wanted {
        // SAFETY: the call only changes the set; what is no signal is left out.
        unsafe { libc::sigaddset(&raw mut set, *signal) };
    }
    set
}

impl Child {
    pub(super) fn launched(pid: Pid, own_group: bool, launch: Box<Launch>) -> Self {
        Self { pid, own_group, launch: Some(launch) }
    }

    pub(super) fn has_failed(&self) -> bool {
        self.launch.as_ref().is_some_and(|launch| launch.failure().is_some())
    }

    /// Its number.
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// Whether it leads a process group of its own.
    pub fn leads_a_group(&self) -> bool {
        self.own_group
    }

    /// Sends a signal to it, and to its group where it leads one.
    pub fn signal(&self, signal: Signal) {
        // It is unreaped, so the number is its own; ESRCH (it has ended) is no news.
        let _ = if self.own_group {
            rustix::process::kill_process_group(self.pid, signal)
        } else {
            rustix::process::kill_process(self.pid, signal)
        };
    }

    /// Waits for its end and reaps it. Afterwards the number may be another's: no signal any more. Fails as execve(2)
    /// did where it never became its command.
    pub fn reap(&self) -> io::Result<Ended> {
        let status = loop {
            match rustix::process::waitpid(Some(self.pid), WaitOptions::empty()) {
                Ok(Some((_, status))) => break status,
                Ok(None) | Err(rustix::io::Errno::INTR) => {}
                Err(e) => return Err(e.into()),
            }
        };
        self.launch.as_ref().and_then(|launch| launch.failure()).map_or(Ok(ended(status)), Err)
    }
}

/// A process's number as one that can be counted and ordered.
pub fn number(pid: Pid) -> u32 {
    pid.as_raw_nonzero().get().unsigned_abs()
}

fn ended(status: rustix::process::WaitStatus) -> Ended {
    match status.terminating_signal() {
        Some(signal) => Ended::Killed(signal),
        None => Ended::Exited(status.exit_status().unwrap_or(0)),
    }
}

/// Which of the two processes returns from [`fork`].
#[derive(Debug)]
pub enum Fork {
    /// The old one, with the new one to reap.
    Parent(Child),
    /// The new one.
    Child(Forked),
}

/// The new process. It cannot fall back into its parent's work: dropping this ends it, at once and without clean-up.
#[derive(Debug)]
pub struct Forked(());

/// How many more descriptors can be opened (`RLIMIT_NOFILE`'s soft limit, less what is open). With `wanted`, the soft
/// limit is raised first as far as that needs and the hard limit allows.
pub fn descriptors_left(wanted: Option<u64>) -> io::Result<u64> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    // The lowest number that is free, give or take a gap that a caller left.
    let open = u64::try_from(super::duplicate(super::stdin())?.as_raw_fd()).unwrap_or_default();
    let limit = getrlimit(Resource::Nofile);
    let soft = limit.current.unwrap_or(u64::MAX);
    let needed = open.saturating_add(wanted.unwrap_or(0)).min(limit.maximum.unwrap_or(u64::MAX));
    if needed > soft && setrlimit(Resource::Nofile, Rlimit { current: Some(needed), ..limit }).is_ok() {
        return Ok(needed - open);
    }
    Ok(soft.saturating_sub(open))
}

// SAFETY: POSIX.1-2024's own declaration; glibc has it since 2.34, musl since 1.2.2.
unsafe extern "C" {
    /// fork(2) without the C library's house-keeping for threads, which writes pages that both processes would have to
    /// copy.
    fn _Fork() -> libc::pid_t;
}

/// Makes a process by fork(2). The caller has one thread only, and no handler for any signal: what the new process is
/// sent waits in its [`Inbox`](super::inbox::Inbox), or does what it does by default.
pub fn fork() -> io::Result<Fork> {
    // SAFETY: the process is single-threaded: nobody holds a lock that the child would miss, and it may do all that the
    // parent could.
    match unsafe { _Fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(Fork::Child(Forked(()))),
        pid => match Pid::from_raw(pid) {
            Some(pid) => Ok(Fork::Parent(Child { pid, own_group: false, launch: None })),
            None => Err(io::Error::other("the new process has no number")),
        },
    }
}

impl Forked {
    /// Ends the process with `status`; nothing of the parent's is flushed or run.
    pub fn leave(self, status: u8) -> ! {
        // SAFETY: _exit only ends the process.
        unsafe { libc::_exit(i32::from(status)) }
    }
}

impl Drop for Forked {
    fn drop(&mut self) {
        // SAFETY: as in `leave`. Reached by a panic only.
        unsafe { libc::_exit(1) }
    }
}

/// While it lives, this thread takes no signal.
pub(super) struct Blocked(libc::sigset_t);

impl Blocked {
    pub(super) fn all() -> Self {
        let mut old = MaybeUninit::uninit();
        // SAFETY: the call writes the old mask whole, and changes only this thread's.
        unsafe {
            libc::sigprocmask(libc::SIG_SETMASK, &signals(true), old.as_mut_ptr());
            Self(old.assume_init())
        }
    }
}

impl Drop for Blocked {
    fn drop(&mut self) {
        // SAFETY: restores the mask that `all` has saved.
        unsafe { libc::sigprocmask(libc::SIG_SETMASK, &raw const self.0, std::ptr::null_mut()) };
    }
}

/// A child of this process that has ended and is not reaped yet, if there is one.
pub fn next_ended() -> Option<Pid> {
    let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
    let flags = libc::c_int::try_from(look.bits()).unwrap_or(0);
    // SAFETY: waitid fills the structure or leaves it zero; si_pid is valid for a SIGCHLD's.
    let pid = unsafe {
        match libc::waitid(libc::P_ALL, 0, info.as_mut_ptr(), flags) {
            0 => info.assume_init().si_pid(),
            _ => 0,
        }
    };
    Pid::from_raw(pid)
}

/// Reaps a child that nobody here has started (whoever executed us left it).
pub fn reap_stranger(pid: Pid) {
    let _ = rustix::process::waitpid(Some(pid), WaitOptions::NOHANG);
}

/// Gives a signal its default disposition.
pub fn set_default(signal: i32) {
    // SAFETY: SIG_DFL is a valid disposition for every signal; one that cannot be changed answers EINVAL.
    unsafe { libc::signal(signal, libc::SIG_DFL) };
}

/// Writing to a pipe or a socket that nobody reads is an error from now on (`EPIPE`), no signal; and so is writing a file
/// beyond the size that is allowed (`EFBIG`).
pub fn take_signals_as_errors() {
    // SAFETY: SIG_IGN is a valid disposition for both.
    unsafe {
        libc::signal(libc::SIGPIPE, libc::SIG_IGN);
        libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
    }
}

/// Whether a signal is ignored, as our caller may have wished (nohup(1), a shell's background job).
pub fn is_ignored(signal: i32) -> bool {
    let mut old = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: with a null new action the call only writes the old one, which is plain data.
    unsafe {
        libc::sigaction(signal, std::ptr::null(), old.as_mut_ptr()) == 0
            && old.assume_init().sa_sigaction == libc::SIG_IGN
    }
}

/// Restores the default of a signal and raises it, with no other let in. Returns only where it did not end us (PID 1 of
/// a container).
pub fn raise_default(signal: i32) {
    set_default(signal);
    let own = set_of(&[signal]);
    // SAFETY: raise and the mask concern this process only.
    unsafe {
        libc::sigprocmask(libc::SIG_UNBLOCK, &raw const own, std::ptr::null_mut());
        libc::raise(signal);
    }
}

/// Sends the calling thread a signal.
#[cfg(test)]
pub fn raise(signal: i32) {
    // SAFETY: raise has no other effect than the signal's.
    unsafe { libc::raise(signal) };
}

/// Whether a file may be executed by us (access(2), `X_OK`).
pub fn is_executable(file: &CStr) -> io::Result<()> {
    Ok(rustix::fs::access(file, rustix::fs::Access::EXEC_OK)?)
}

/// The number of a user, given by name or as a number (getpwnam(3)); None where there is no such user. The caller has
/// one thread only.
pub fn user(name: &str) -> Option<u32> {
    let text = CString::new(name).ok()?;
    // SAFETY: the entry is read before any other call could change it; nobody else calls in a process of one thread.
    let entry = unsafe { libc::getpwnam(text.as_ptr()).as_ref().map(|entry| entry.pw_uid) };
    entry.or_else(|| name.parse().ok())
}

/// The number of a group, given by name or as a number (getgrnam(3)); as [`user`].
pub fn group(name: &str) -> Option<u32> {
    let text = CString::new(name).ok()?;
    // SAFETY: as in `user`.
    let entry = unsafe { libc::getgrnam(text.as_ptr()).as_ref().map(|entry| entry.gr_gid) };
    entry.or_else(|| name.parse().ok())
}
