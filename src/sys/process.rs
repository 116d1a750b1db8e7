//! Processes and signals: fork, start, wait, kill, dispositions. It decides neither whom to start nor whom to end.

use std::ffi::{CStr, CString};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use rustix::process::{PidfdFlags, WaitIdOptions, WaitOptions};

use super::{Pid, Signal};

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It left with this status.
    Exited(i32),
    /// This signal ended it.
    Killed(i32),
}

/// What a command is started with.
#[derive(Debug)]
pub struct Start<'a> {
    /// The file to execute; no search of PATH is made.
    pub file: &'a CStr,
    /// argv, from argv\[0\] on.
    pub arguments: &'a [CString],
    /// The whole environment, `NAME=value` each.
    pub environment: &'a [CString],
    /// Becomes descriptor 0.
    pub input: BorrowedFd<'a>,
    /// Becomes descriptor 1.
    pub output: BorrowedFd<'a>,
    /// Whether it leads a process group of its own.
    pub own_group: bool,
}

/// A process we started and have not reaped; its number cannot be another's as long as this value lives unreaped.
#[derive(Debug)]
pub struct Child {
    pid: Pid,
    own_group: bool,
}

/// Starts a command (posix_spawn(3), which does not copy our memory), with default dispositions for every signal,
/// an empty signal mask, and of our descriptors only 0, 1 and 2. Fails as execve(2) does.
pub fn start(start: &Start<'_>) -> io::Result<Child> {
    let actions = FileActions::new(&[(start.input, 0), (start.output, 1)])?;
    let attributes = Attributes::new(start.own_group)?;
    let pointers = |strings: &[CString]| -> Vec<*mut libc::c_char> {
        strings.iter().map(|s| s.as_ptr().cast_mut()).chain([std::ptr::null_mut()]).collect()
    };
    let (argv, envp) = (pointers(start.arguments), pointers(start.environment));
    let mut pid: libc::pid_t = 0;
    // SAFETY: both vectors end in a null pointer and, like the strings, outlive the call, which only reads them.
    let error = unsafe {
        libc::posix_spawn(
            &raw mut pid,
            start.file.as_ptr(),
            &raw const actions.0,
            &raw const attributes.0,
            argv.as_ptr(),
            envp.as_ptr(),
        )
    };
    match (error, Pid::from_raw(pid)) {
        (0, Some(pid)) => Ok(Child { pid, own_group: start.own_group }),
        (0, None) => Err(io::Error::other("the new process has no number")),
        (error, _) => Err(io::Error::from_raw_os_error(error)),
    }
}

/// What posix_spawn does to descriptors.
struct FileActions(libc::posix_spawn_file_actions_t);

impl FileActions {
    fn new(moves: &[(BorrowedFd<'_>, i32)]) -> io::Result<Self> {
        let mut actions = MaybeUninit::uninit();
        // SAFETY: init writes the whole value; it is read only after it has succeeded.
        let mut this = unsafe {
            check(libc::posix_spawn_file_actions_init(actions.as_mut_ptr()))?;
            Self(actions.assume_init())
        };
        for (from, to) in moves {
            // SAFETY: the value is initialised; the numbers are stored, not used, here.
            check(unsafe { libc::posix_spawn_file_actions_adddup2(&raw mut this.0, from.as_raw_fd(), *to) })?;
        }
        Ok(this)
    }
}

impl Drop for FileActions {
    fn drop(&mut self) {
        // SAFETY: initialised by `new`, destroyed once.
        unsafe { libc::posix_spawn_file_actions_destroy(&raw mut self.0) };
    }
}

/// What posix_spawn does to signals and groups.
struct Attributes(libc::posix_spawnattr_t);

impl Attributes {
    fn new(own_group: bool) -> io::Result<Self> {
        let mut attributes = MaybeUninit::uninit();
        // SAFETY: init writes the whole value; it is read only after it has succeeded.
        let mut this = unsafe {
            check(libc::posix_spawnattr_init(attributes.as_mut_ptr()))?;
            Self(attributes.assume_init())
        };
        let group = if own_group { libc::POSIX_SPAWN_SETPGROUP } else { 0 };
        let flags = libc::POSIX_SPAWN_SETSIGDEF | libc::POSIX_SPAWN_SETSIGMASK | group;
        // SAFETY: initialised above; the sets are read by the calls only.
        unsafe {
            check(libc::posix_spawnattr_setsigdefault(&raw mut this.0, &every_signal()))?;
            check(libc::posix_spawnattr_setsigmask(&raw mut this.0, &signals(false)))?;
            check(libc::posix_spawnattr_setflags(&raw mut this.0, libc::c_short::try_from(flags).unwrap_or(0)))?;
        }
        Ok(this)
    }
}

impl Drop for Attributes {
    fn drop(&mut self) {
        // SAFETY: initialised by `new`, destroyed once.
        unsafe { libc::posix_spawnattr_destroy(&raw mut self.0) };
    }
}

fn check(error: libc::c_int) -> io::Result<()> {
    if error == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(error)) }
}

/// Every signal, the C library's own too, which sigfillset(3) leaves out and posix_spawn(3) would leave ignored.
fn every_signal() -> libc::sigset_t {
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: a signal set is bits, all of which may be set.
    unsafe {
        std::ptr::write_bytes(set.as_mut_ptr(), 0xff, 1);
        set.assume_init()
    }
}

/// The set of all signals, or the empty one.
fn signals(all: bool) -> libc::sigset_t {
    let mut set = MaybeUninit::uninit();
    // SAFETY: both calls write the whole set.
    unsafe {
        if all {
            libc::sigfillset(set.as_mut_ptr())
        } else {
            libc::sigemptyset(set.as_mut_ptr())
        };
        set.assume_init()
    }
}

impl Child {
    /// Its number.
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// Whether it leads a process group of its own.
    pub fn leads_a_group(&self) -> bool {
        self.own_group
    }

    /// A descriptor that is readable once the process has ended (pidfd_open(2)).
    pub fn descriptor(&self) -> io::Result<OwnedFd> {
        Ok(rustix::process::pidfd_open(self.pid, PidfdFlags::empty())?)
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

    /// Waits for its end and reaps it. Afterwards the number may be another's: no signal any more.
    pub fn reap(&self) -> io::Result<Ended> {
        loop {
            match rustix::process::waitpid(Some(self.pid), WaitOptions::empty()) {
                Ok(Some((_, status))) => return Ok(ended(status)),
                Ok(None) | Err(rustix::io::Errno::INTR) => {}
                Err(e) => return Err(e.into()),
            }
        }
    }
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
    /// The new one. Every signal is blocked in it until [`Forked::unblock`].
    Child(Forked),
}

/// The new process. It cannot fall back into its parent's work: dropping this ends it, at once and without clean-up.
#[derive(Debug)]
pub struct Forked(());

/// Makes a process by fork(2). The caller has one thread only.
pub fn fork() -> io::Result<Fork> {
    let blocked = Blocked::all();
    // SAFETY: the process is single-threaded, so the child may do all that the parent could.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            std::mem::forget(blocked);
            Ok(Fork::Child(Forked(())))
        }
        pid => match Pid::from_raw(pid) {
            Some(pid) => Ok(Fork::Parent(Child { pid, own_group: false })),
            None => Err(io::Error::other("the new process has no number")),
        },
    }
}

impl Forked {
    /// Lets signals in, once the process has handlers of its own.
    pub fn unblock(&self) {
        // SAFETY: only this thread's mask is changed.
        unsafe { libc::sigprocmask(libc::SIG_SETMASK, &signals(false), std::ptr::null_mut()) };
    }

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
struct Blocked(libc::sigset_t);

impl Blocked {
    fn all() -> Self {
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

/// Writing to a pipe or a socket that nobody reads is an error from now on (`EPIPE`), no signal.
pub fn ignore_broken_pipes() {
    // SAFETY: SIG_IGN is a valid disposition for SIGPIPE.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_IGN) };
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

/// Restores the default of a signal and raises it. Returns only where it did not end us (PID 1 of a container).
pub fn raise_default(signal: i32) {
    set_default(signal);
    // SAFETY: raise and the mask concern this process only.
    unsafe {
        libc::sigprocmask(libc::SIG_SETMASK, &signals(false), std::ptr::null_mut());
        libc::raise(signal);
    }
}

/// Whether execve(2) says that a file is executable but no program (`ENOEXEC`): a script without an interpreter line.
pub fn is_not_a_program(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::ENOEXEC)
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
