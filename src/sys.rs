//! The system calls of the house, on descriptors here and on processes in `process`: the only `unsafe`.
//! It holds no policy: what a call means for a conversation is decided by those who make it.
#![allow(unsafe_code)]

pub mod account;
pub mod bell;
pub mod board;
pub mod entry;
pub mod heap;
pub mod inbox;
pub mod inheritance;
pub mod mail;
pub mod passage;
pub mod power;
pub mod process;
pub mod socket;
pub mod start;
pub mod states;
pub mod vigil;

use std::fs::OpenOptions;
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Instant;

use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::fs::{FileType, OFlags};
use rustix::io::{Errno, FdFlags, ReadWriteFlags};
use rustix::net::{RecvFlags, SendFlags};

pub use self::socket::{
    Credentials, abort_on_close, disconnect, fast_open_connect, fast_open_listener, has_hung_up, interface_index,
    next_packet, peer_credentials, probe, set_blocking, shutdown_write, take_error, unacknowledged,
};
pub use rustix::event::{PollFd, PollFlags};
pub use rustix::process::{Pid, Signal};

/// POSIX's bound under which a write to a pipe is whole or nothing (pipe(7)), in bytes.
pub const PIPE_BUF: usize = 4096;

/// The offset that makes preadv2(2) and pwritev2(2) use the file's own position.
const AT_POSITION: u64 = u64::MAX;

/// How a descriptor is read and written without ever blocking and without touching its flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// read(2) and write(2): it is non-blocking already, or poll(2) said that it is ready.
    Plain,
    /// preadv2(2) and pwritev2(2) with `RWF_NOWAIT`: an anonymous pipe that others share with us.
    NoWait,
    /// recv(2) and send(2) with `MSG_DONTWAIT`: a socket, blocking or not.
    DontWait,
}

/// What stands behind a descriptor, as far as reading and writing it differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file (or a directory, which says so when it is read).
    File,
    /// An anonymous pipe.
    Pipe,
    /// A named pipe.
    Fifo,
    /// Any socket.
    Socket,
    /// A terminal.
    Terminal,
    /// `/dev/null`.
    Null,
    /// Any other device.
    Device,
}

/// Tells what stands behind `fd`.
pub fn kind(fd: BorrowedFd<'_>) -> io::Result<Kind> {
    let stat = rustix::fs::fstat(fd)?;
    Ok(match FileType::from_raw_mode(stat.st_mode) {
        FileType::Fifo if is_anonymous(fd) => Kind::Pipe,
        FileType::Fifo => Kind::Fifo,
        FileType::Socket => Kind::Socket,
        FileType::CharacterDevice if stat.st_rdev == rustix::fs::makedev(1, 3) => Kind::Null,
        FileType::CharacterDevice if rustix::termios::isatty(fd) => Kind::Terminal,
        FileType::CharacterDevice | FileType::BlockDevice => Kind::Device,
        _ => Kind::File,
    })
}

/// Whether a pipe is in no file system but the kernel's own (`PIPEFS_MAGIC`, statfs(2)).
fn is_anonymous(fd: BorrowedFd<'_>) -> bool {
    rustix::fs::fstatfs(fd).is_ok_and(|system| system.f_type == 0x5049_5045)
}

fn itself(fd: BorrowedFd<'_>) -> String {
    format!("/proc/self/fd/{}", fd.as_raw_fd())
}

/// A private, non-blocking open file description of what stands behind `fd` (a FIFO or a terminal), so that the
/// flags of the shared one stay as they are. The caller closes it. Fails where `/proc` or the permission is missing.
pub fn reopen(fd: BorrowedFd<'_>, write: bool) -> io::Result<OwnedFd> {
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = OpenOptions::new()
        .read(!write)
        .write(write)
        .custom_flags(i32::try_from(flags.bits()).unwrap_or(0))
        .open(itself(fd))?;
    Ok(file.into())
}

/// Standard input, which is open for the life of the process.
pub fn stdin() -> BorrowedFd<'static> {
    standard(0)
}

/// Standard output, which is open for the life of the process.
pub fn stdout() -> BorrowedFd<'static> {
    standard(1)
}

fn standard(fd: RawFd) -> BorrowedFd<'static> {
    // SAFETY: descriptors 0, 1 and 2 are open from `open_standard` on; nobody closes them, `vacate` replaces them.
    unsafe { BorrowedFd::borrow_raw(fd) }
}

/// Opens `/dev/null` in the place of descriptors 0, 1 and 2 that are closed, before anything else can take their number.
pub fn open_standard() -> io::Result<()> {
    // SAFETY: only asked for its flags, which fails with EBADF if it is not open.
    while (0..3).any(|fd| unsafe { libc::fcntl(fd, libc::F_GETFD) } == -1) {
        let null = rustix::fs::open("/dev/null", OFlags::RDWR, rustix::fs::Mode::empty())?;
        // It has taken the lowest number that was free.
        std::mem::forget(null);
    }
    Ok(())
}

/// Closes our copy of descriptor 0, 1 or 2 by putting `/dev/null` in its place.
pub fn vacate(fd: BorrowedFd<'static>) -> io::Result<()> {
    let null = OpenOptions::new().read(true).write(true).open("/dev/null");
    // Where no descriptor is left for it, standard error's stands in, which stays open as long as we do anyway.
    let other = null.as_ref().map_or(2, AsRawFd::as_raw_fd);
    // SAFETY: both are open descriptors; dup2 replaces the target in one step, so its number never dangles.
    let done = unsafe { libc::dup2(other, fd.as_raw_fd()) };
    if done == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Takes over a descriptor that our caller opened for us, and keeps it from the commands we start. Standard ones
/// are duplicated instead. Fails with `EBADF` where it is not open for writing.
pub fn adopt(fd: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: only asked for its flags, which fails with EBADF if it is not open.
    let flags = unsafe { libc::fcntl(fd, libc::F_GETFL) };
    if flags == -1 || flags & libc::O_ACCMODE == libc::O_RDONLY || flags & libc::O_PATH != 0 {
        return Err(Errno::BADF.into());
    }
    // SAFETY: it is open, as F_GETFL has just shown.
    let copy = rustix::io::fcntl_dupfd_cloexec(unsafe { BorrowedFd::borrow_raw(fd) }, 3)?;
    if fd > 2 {
        // SAFETY: the number was handed to us to be used up; nothing in this process owns it yet.
        unsafe { libc::close(fd) };
    }
    Ok(copy)
}

/// Waits until one of `fds` is ready or `until` has come. A signal counts as a wake-up with nothing ready.
pub fn poll(fds: &mut [PollFd<'_>], until: Option<Instant>) -> io::Result<usize> {
    let left = until.map(|at| at.saturating_duration_since(Instant::now()));
    let timeout = left.map(|left| Timespec {
        tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: left.subsec_nanos().into(),
    });
    match rustix::event::poll(fds, timeout.as_ref()) {
        Err(Errno::INTR) => {
            fds.iter_mut().for_each(PollFd::clear_revents);
            Ok(0)
        }
        other => Ok(other?),
    }
}

/// Whether poll(2) answers any of `events`, an error or a hang-up for `fd` right now.
pub fn ready(fd: BorrowedFd<'_>, events: PollFlags) -> PollFlags {
    let mut fds = [PollFd::from_borrowed_fd(fd, events)];
    match poll(&mut fds, Some(Instant::now())) {
        Ok(1..) => fds[0].revents(),
        _ => PollFlags::empty(),
    }
}

/// Appends what there is to `buffer`, up to its spare capacity. 0 is the end; `WouldBlock` where nothing is there.
pub fn read(fd: BorrowedFd<'_>, manner: Manner, buffer: &mut Vec<u8>) -> io::Result<usize> {
    let n = again(|| match manner {
        Manner::Plain => rustix::io::read(fd, spare_capacity(buffer)),
        Manner::DontWait => rustix::net::recv(fd, spare_capacity(buffer), RecvFlags::DONTWAIT).map(|(n, _)| n),
        Manner::NoWait => read_nowait(fd, buffer),
    })?;
    Ok(n)
}

fn read_nowait(fd: BorrowedFd<'_>, buffer: &mut Vec<u8>) -> Result<usize, Errno> {
    let room = buffer.spare_capacity_mut();
    let piece = libc::iovec { iov_base: room.as_mut_ptr().cast(), iov_len: room.len() };
    // SAFETY: the kernel writes at most `iov_len` bytes into the spare capacity; an offset of -1 is the position.
    let n = unsafe { libc::preadv2(fd.as_raw_fd(), &raw const piece, 1, -1, libc::RWF_NOWAIT) };
    match usize::try_from(n) {
        Ok(n) => {
            received(buffer, n);
            Ok(n)
        }
        Err(_) => match Errno::from_io_error(&io::Error::last_os_error()) {
            // A kernel whose pipes do not know the flag: after readiness a read does not block.
            Some(Errno::OPNOTSUPP) if ready(fd, PollFlags::IN).is_empty() => Err(Errno::AGAIN),
            Some(Errno::OPNOTSUPP) => rustix::io::read(fd, spare_capacity(buffer)),
            errno => Err(errno.unwrap_or(Errno::IO)),
        },
    }
}

/// Writes what `fd` takes of `bytes` without waiting, at least one byte. `WouldBlock` where it takes none.
pub fn write(fd: BorrowedFd<'_>, manner: Manner, bytes: &[u8]) -> io::Result<usize> {
    let n = again(|| match manner {
        Manner::Plain => rustix::io::write(fd, bytes),
        Manner::DontWait => rustix::net::send(fd, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL),
        Manner::NoWait => match rustix::io::pwritev2(fd, &[IoSlice::new(bytes)], AT_POSITION, ReadWriteFlags::NOWAIT) {
            // Such a kernel again: a ready pipe takes PIPE_BUF bytes without blocking.
            Err(Errno::OPNOTSUPP) if ready(fd, PollFlags::OUT).is_empty() => Err(Errno::AGAIN),
            Err(Errno::OPNOTSUPP) => rustix::io::write(fd, &bytes[..bytes.len().min(PIPE_BUF)]),
            other => other,
        },
    })?;
    Ok(n)
}

/// Makes the call again as long as a signal interrupts it.
fn again<T>(mut call: impl FnMut() -> Result<T, Errno>) -> Result<T, Errno> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            other => return other,
        }
    }
}

/// Bytes that can be read from `fd` without waiting (`FIONREAD`; 0 where nobody counts); None is all there is, as in
/// a regular file.
pub fn waiting(fd: BorrowedFd<'_>) -> Option<u64> {
    match kind(fd) {
        Ok(Kind::File) => None,
        _ => Some(rustix::io::ioctl_fionread(fd).unwrap_or(0)),
    }
}

/// How many bytes of a regular file are left from its position on; None for anything else.
pub fn size(fd: BorrowedFd<'_>) -> Option<u64> {
    let is_file = matches!(kind(fd), Ok(Kind::File));
    let size =
        || Some(u64::try_from(rustix::fs::fstat(fd).ok()?.st_size).ok()?.saturating_sub(rustix::fs::tell(fd).ok()?));
    is_file.then(size).flatten()
}

/// Whether `fd` has bytes to read right now: in its queue, or in the rest of a regular file.
pub fn holds_data(fd: BorrowedFd<'_>) -> bool {
    waiting(fd).or_else(|| size(fd)).unwrap_or(0) > 0
}

/// Sets the umask of the process; the old one.
pub fn set_umask(mask: u32) -> u32 {
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(mask)).as_raw_mode()
}

/// Whether we may make and remove names in a directory, as far as its permissions say (access(2), `W_OK` and `X_OK`).
pub fn is_writable(folder: &Path) -> bool {
    use rustix::fs::{Access, AtFlags, CWD, accessat};
    accessat(CWD, folder, Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS).is_ok()
}

/// Whether our process group may read the terminal `fd` without being stopped by SIGTTIN (termios(3)).
pub fn in_foreground(fd: BorrowedFd<'_>) -> bool {
    // A terminal that is not our controlling one does no job control for us.
    rustix::termios::tcgetpgrp(fd).map_or(true, |group| group == rustix::process::getpgrp())
}

/// A pipe, close-on-exec: its end to read, its end to write. `nonblock` names the ends that are ours to poll.
pub fn pipe(nonblock: PipeEnds) -> io::Result<(OwnedFd, OwnedFd)> {
    use rustix::pipe::{PipeFlags, pipe_with};
    let both = if nonblock == PipeEnds::Both { PipeFlags::NONBLOCK } else { PipeFlags::empty() };
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC | both)?;
    let end = match nonblock {
        PipeEnds::Reader => reader.as_fd(),
        PipeEnds::Writer => writer.as_fd(),
        PipeEnds::Both => return Ok((reader, writer)),
    };
    rustix::fs::fcntl_setfl(end, OFlags::NONBLOCK)?;
    Ok((reader, writer))
}

/// The end of a pipe that stays with us; the other one is a command's, which expects it to block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PipeEnds {
    /// We do both.
    Both,
    /// We read.
    Reader,
    /// We write.
    Writer,
}

/// A second descriptor for the same open file description, close-on-exec.
pub fn duplicate(fd: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    Ok(rustix::io::fcntl_dupfd_cloexec(fd, 3)?)
}

/// Keeps every descriptor above 2 that our caller left open from the commands we start.
pub fn seal_inherited() {
    // SAFETY: close_range(2) with this flag only sets close-on-exec.
    let done = unsafe { libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    if done == 0 {
        return;
    }
    // A kernel before 5.11.
    let Ok(entries) = std::fs::read_dir("/proc/self/fd") else { return };
    let numbers = entries.filter_map(|e| e.ok()?.file_name().to_str()?.parse::<RawFd>().ok());
    for fd in numbers.filter(|&fd| fd > 2) {
        // SAFETY: the number was listed as open; a stale one (the listing's own) fails with EBADF, without effect.
        let _ = rustix::io::fcntl_setfd(unsafe { BorrowedFd::borrow_raw(fd) }, FdFlags::CLOEXEC);
    }
}

/// send(2) and recv(2) without waiting, and without SIGPIPE, for those who call them by another crate.
pub const NO_WAIT: libc::c_int = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;

/// Counts `n` bytes that a call has written into a buffer's spare capacity as its own.
///
/// # Panics
/// Where that is more than the capacity.
pub fn received(buffer: &mut Vec<u8>, n: usize) {
    assert!(buffer.len() + n <= buffer.capacity());
    // SAFETY: within the capacity, as just asserted; the callers pass what recv(2) said it has written there.
    unsafe { buffer.set_len(buffer.len() + n) };
}

/// Whether an error says that this machine lacks the address family.
pub fn is_family_missing(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::EAFNOSUPPORT)
}

/// Whether connect(2) goes on by itself.
pub fn is_in_progress(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EINPROGRESS | libc::EALREADY))
}

/// Whether connect(2) says that it is done already.
pub fn is_connected(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::EISCONN)
}

/// Whether an error of accept(2) is about the connection that was to be taken, or that there is none; the listener is
/// sound.
pub fn is_about_one_connection(error: &io::Error) -> bool {
    #[rustfmt::skip]
    const PASSING: [i32; 13] = [
        libc::EAGAIN, libc::EINTR, libc::ECONNABORTED, libc::ECONNRESET, libc::ENETDOWN, libc::EPROTO,
        libc::ENOPROTOOPT, libc::EHOSTDOWN, libc::ENONET, libc::EHOSTUNREACH, libc::EOPNOTSUPP, libc::ENETUNREACH,
        libc::EPERM,
    ];
    error.raw_os_error().is_some_and(|errno| PASSING.contains(&errno))
}

/// Whether an error says that a datagram is too large for its transport (`EMSGSIZE`).
pub fn is_oversized(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::EMSGSIZE)
}

/// Whether an error says that the process or the system has run out of something that may come back.
pub fn is_shortage(error: &io::Error) -> bool {
    const SHORT: [i32; 5] = [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM, libc::EAGAIN];
    error.raw_os_error().is_some_and(|errno| SHORT.contains(&errno))
}
