//! Starting commands: a new process that shares our memory until it executes its file, so that nothing is copied, and
//! that nobody has to wait for meanwhile. It decides neither what to start nor when.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering};

use rustix::thread::futex;

use super::Pid;
use super::process::{Blocked, Child, signals};

/// The stack on which a new process comes to its execve(2), in words of 16 bytes.
const STACK: usize = 1024;

/// How many signals there are, the C library's own too, which sigfillset(3) leaves out.
const SIGNALS: u8 = 64;

/// The bytes of a signal set as the kernel has it.
const SET: usize = SIGNALS as usize / 8;

const NOTHING: *const Disposition = std::ptr::null();

/// What a command is started with.
#[derive(Debug)]
pub struct Start<'a> {
    /// The file to execute; no search of PATH is made.
    pub file: &'a CStr,
    /// argv, from argv\[0\] on.
    pub arguments: &'a [CString],
    /// argv for `/bin/sh`, whose a file is that may be executed but is no program (`ENOEXEC`).
    pub script: &'a [CString],
    /// The whole environment, `NAME=value` each.
    pub environment: Vec<CString>,
    /// The signals to give back their default, as [`altered`] tells.
    pub altered: &'a [i32],
    /// Becomes descriptor 0.
    pub input: BorrowedFd<'a>,
    /// Becomes descriptor 1.
    pub output: BorrowedFd<'a>,
    /// Whether it leads a process group of its own.
    pub own_group: bool,
    /// Whether to return before it is known that the file can be executed; if it cannot, reaping tells.
    pub ahead: bool,
}

/// What a new process uses of our memory until it executes its file. It is let go when that is done.
#[derive(Debug)]
pub struct Launch {
    /// Not 0 as long as the memory is used: the kernel clears it (set_tid_address(2)), or who has waited for that.
    used: AtomicU32,
    /// Why execve(2) failed; 0 where it did not.
    errno: AtomicI32,
    file: CString,
    /// The strings behind the pointers.
    _strings: [Vec<CString>; 3],
    arguments: Vec<*const c_char>,
    script: Vec<*const c_char>,
    environment: Vec<*const c_char>,
    altered: Vec<i32>,
    descriptors: [c_int; 2],
    own_group: bool,
    stack: Vec<u128>,
}

// SAFETY: the pointers lead to the strings beside them, which nobody changes; the rest is plain or atomic.
unsafe impl Send for Launch {}
// SAFETY: as above.
unsafe impl Sync for Launch {}

/// Whether clone(2) as the C library has it can tell when our memory is no longer used: musl's refuses the flag.
const TELLS: bool = cfg!(not(target_env = "musl"));

/// Starts a command, with default dispositions for every signal, an empty signal mask, and of our descriptors only 0, 1
/// and 2; the descriptor that is readable once it has ended (a pidfd). Fails as execve(2) does, where that is waited for.
pub fn start(start: Start<'_>) -> io::Result<(Child, OwnedFd)> {
    // Elsewhere the way to execve(2) leads through the C library's errno, which would be ours as well.
    let is_apart = cfg!(any(target_arch = "x86_64", target_arch = "aarch64"));
    let waits = !(start.ahead && is_apart && TELLS);
    let launch = Launch::new(start);
    let wait = if waits { libc::CLONE_VFORK } else { libc::CLONE_CHILD_CLEARTID };
    let flags = libc::CLONE_VM | libc::CLONE_PIDFD | libc::SIGCHLD | wait;
    let mut pidfd: c_int = -1;
    let blocked = Blocked::all();
    // SAFETY: the stack and all that `become_command` touches belong to the launch, which outlives its use (see its
    // drop); the new process takes no signal and calls nothing that would change what else is in our memory.
    let pid = unsafe {
        libc::clone(
            become_command,
            launch.stack.as_ptr().add(STACK).cast_mut().cast(),
            flags,
            (&raw const *launch).cast_mut().cast(),
            &raw mut pidfd,
            std::ptr::null_mut::<c_void>(),
            launch.used.as_ptr(),
        )
    };
    let error = io::Error::last_os_error();
    drop(blocked);
    if waits {
        // It has executed the command, or is gone.
        launch.used.store(0, Ordering::Relaxed);
    }
    let Some(pid) = Pid::from_raw(pid.max(0)) else {
        launch.used.store(0, Ordering::Relaxed);
        return Err(error);
    };
    // SAFETY: clone(2) has just opened it for us.
    let end = unsafe { OwnedFd::from_raw_fd(pidfd) };
    let own_group = launch.own_group;
    if own_group {
        // Whoever comes first: its group is there when it is first signalled. EACCES: it has executed already.
        let _ = rustix::process::setpgid(Some(pid), Some(pid));
    }
    let child = Child::launched(pid, own_group, launch);
    if waits && child.has_failed() {
        return Err(child.reap().err().unwrap_or_else(|| io::ErrorKind::Other.into()));
    }
    Ok((child, end))
}

/// The signals whose disposition is not the default now.
pub fn altered() -> Vec<i32> {
    let is_altered = |signal: &c_int| {
        let mut old = Disposition::default();
        // SAFETY: with a null new disposition the call only writes the old one, for which there is room.
        let r = unsafe { libc::syscall(libc::SYS_rt_sigaction, *signal, NOTHING, &raw mut old, SET) };
        r == 0 && old != Disposition::default()
    };
    (1..=c_int::from(SIGNALS)).filter(is_altered).collect()
}

/// A signal's disposition as the kernel has it, with room to spare; the default is all zeros.
#[derive(Default, PartialEq)]
#[repr(C)]
struct Disposition([usize; 8]);

impl Launch {
    fn new(start: Start<'_>) -> Box<Self> {
        let strings = [start.arguments.to_vec(), start.script.to_vec(), start.environment];
        let pointers = |strings: &[CString]| -> Vec<*const c_char> {
            strings.iter().map(|string| string.as_ptr()).chain([std::ptr::null()]).collect()
        };
        Box::new(Self {
            used: AtomicU32::new(1),
            errno: AtomicI32::new(0),
            file: start.file.to_owned(),
            arguments: pointers(&strings[0]),
            script: pointers(&strings[1]),
            environment: pointers(&strings[2]),
            _strings: strings,
            altered: start.altered.to_vec(),
            descriptors: [start.input.as_raw_fd(), start.output.as_raw_fd()],
            own_group: start.own_group,
            stack: Vec::with_capacity(STACK),
        })
    }

    /// Why the process never became its command.
    pub(super) fn failure(&self) -> Option<io::Error> {
        Some(self.errno.load(Ordering::Acquire)).filter(|errno| *errno != 0).map(io::Error::from_raw_os_error)
    }
}

impl Drop for Launch {
    fn drop(&mut self) {
        loop {
            let used = self.used.load(Ordering::Acquire);
            if used == 0 {
                return;
            }
            // The kernel wakes us when it clears the word.
            let _ = futex::wait(&self.used, futex::Flags::empty(), used, None);
        }
    }
}

/// The new process, from its first step to its execve(2). It shares our memory, our errno among it: it may call nothing
/// that fails, allocates or locks.
extern "C" fn become_command(launch: *mut c_void) -> c_int {
    // SAFETY: it is the launch that `start` has passed, and it is there as long as `used` is set.
    let launch = unsafe { &*launch.cast::<Launch>() };
    let default = Disposition::default();
    for signal in &launch.altered {
        // SAFETY: the default is valid for every signal that is not the default now; the call only reads it.
        unsafe { libc::syscall(libc::SYS_rt_sigaction, *signal, &raw const default, NOTHING, SET) };
    }
    // SAFETY: only this process's group, descriptors and mask are changed, each call with valid arguments.
    unsafe {
        if launch.own_group {
            libc::setpgid(0, 0);
        }
        libc::dup2(launch.descriptors[0], 0);
        libc::dup2(launch.descriptors[1], 1);
        libc::sigprocmask(libc::SIG_SETMASK, &signals(false), std::ptr::null_mut());
    }
    let environment = launch.environment.as_ptr();
    let mut errno = execute(launch.file.as_ptr(), launch.arguments.as_ptr(), environment);
    if errno == libc::ENOEXEC {
        // A script without an interpreter line is the shell's, as execvp(3) and every shell have it.
        errno = execute(c"/bin/sh".as_ptr(), launch.script.as_ptr(), environment);
    }
    launch.errno.store(errno, Ordering::Release);
    127
}

/// execve(2), which returns only where it fails: its errno, without leaving it in the C library's.
#[cfg(target_arch = "x86_64")]
fn execute(file: *const c_char, arguments: *const *const c_char, environment: *const *const c_char) -> c_int {
    let mut result = libc::SYS_execve;
    // SAFETY: strings and vectors end in null and outlive the call, which changes no memory where it returns.
    unsafe {
        std::arch::asm!("syscall", inlateout("rax") result, in("rdi") file, in("rsi") arguments, in("rdx") environment,
            lateout("rcx") _, lateout("r11") _, options(nostack));
    }
    c_int::try_from(-result).unwrap_or(libc::EINVAL)
}

/// The same.
#[cfg(target_arch = "aarch64")]
fn execute(file: *const c_char, arguments: *const *const c_char, environment: *const *const c_char) -> c_int {
    let result: i64;
    // SAFETY: as above.
    unsafe {
        std::arch::asm!("svc 0", in("x8") libc::SYS_execve, inlateout("x0") file => result, in("x1") arguments,
            in("x2") environment, options(nostack));
    }
    c_int::try_from(-result).unwrap_or(libc::EINVAL)
}

/// The same by the C library: who started us waits meanwhile.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn execute(file: *const c_char, arguments: *const *const c_char, environment: *const *const c_char) -> c_int {
    // SAFETY: as above.
    unsafe { libc::execve(file, arguments, environment) };
    io::Error::last_os_error().raw_os_error().unwrap_or(libc::EINVAL)
}
