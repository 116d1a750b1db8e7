//! Bytes that pass from descriptor to descriptor inside the kernel: splice(2), sendfile(2), pipes and their sizes. It
//! decides nothing: which call suits which pair is the relay's.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::net::sockopt;
use rustix::pipe::{PipeFlags, SpliceFlags};

use super::again;

/// Moves at most `most` bytes from one descriptor to the other, of which one is a pipe, without copying them where the
/// kernel can (splice(2)). Pipes are not waited for; a socket must be non-blocking. 0 is the end of the source;
/// `WouldBlock` does not tell which of the two cannot go on.
pub fn splice(from: BorrowedFd<'_>, to: BorrowedFd<'_>, most: usize) -> io::Result<usize> {
    let flags = SpliceFlags::MOVE | SpliceFlags::NONBLOCK;
    Ok(again(|| rustix::pipe::splice(from, None, to, None, most, flags))?)
}

/// Sends at most `most` bytes of a file, from its own position on, to a non-blocking socket (sendfile(2)). The bytes
/// are sent by reference: what is written to the file while they are in flight may be sent instead.
pub fn send_file(from: BorrowedFd<'_>, to: BorrowedFd<'_>, most: usize) -> io::Result<usize> {
    Ok(again(|| rustix::fs::sendfile(to, from, None, most))?)
}

/// Drops at most `most` bytes that wait on a TCP socket without copying them (tcp(7), `MSG_TRUNC`); 0 is the end.
pub fn discard(socket: BorrowedFd<'_>, most: usize) -> io::Result<usize> {
    let n = again(|| {
        let flags = libc::MSG_TRUNC | libc::MSG_DONTWAIT;
        // SAFETY: with this flag TCP writes nothing to the buffer, so there need not be one.
        let n = unsafe { libc::recv(socket.as_raw_fd(), std::ptr::null_mut(), most, flags) };
        usize::try_from(n).map_err(|_| Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(Errno::IO))
    })?;
    Ok(n)
}

/// A pipe to pass bytes through, non-blocking and close-on-exec at both ends: its end to read, its end to write. It
/// holds `wanted` bytes, or as many as the kernel grants.
pub fn channel(wanted: usize) -> io::Result<(OwnedFd, OwnedFd)> {
    let (reader, writer) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
    enlarge(writer.as_fd(), wanted);
    Ok((reader, writer))
}

/// Makes a pipe hold at least `wanted` bytes, if the kernel grants that.
pub fn enlarge(pipe: BorrowedFd<'_>, wanted: usize) {
    if rustix::pipe::fcntl_getpipe_size(pipe).is_ok_and(|size| size < wanted) {
        // EPERM beyond /proc/sys/fs/pipe-user-pages-soft: it works as it is, only slower.
        let _ = rustix::pipe::fcntl_setpipe_size(pipe, wanted);
    }
}

/// Whether every write goes to the end of the file (`O_APPEND`), which splice(2) refuses.
pub fn is_appending(fd: BorrowedFd<'_>) -> bool {
    rustix::fs::fcntl_getfl(fd).is_ok_and(|flags| flags.contains(OFlags::APPEND))
}

/// Makes a descriptor of ours non-blocking; splice(2) and sendfile(2) have no flag for sockets.
pub fn set_nonblocking(fd: BorrowedFd<'_>) -> io::Result<()> {
    let flags = rustix::fs::fcntl_getfl(fd)?;
    if !flags.contains(OFlags::NONBLOCK) {
        rustix::fs::fcntl_setfl(fd, flags | OFlags::NONBLOCK)?;
    }
    Ok(())
}

/// Whether a socket speaks TCP.
pub fn is_tcp(socket: BorrowedFd<'_>) -> bool {
    sockopt::socket_protocol(socket).is_ok_and(|protocol| protocol == Some(rustix::net::ipproto::TCP))
}

/// Whether a TCP socket's congestion control paces what it sends (bbr).
pub fn is_paced(socket: BorrowedFd<'_>) -> bool {
    sockopt::tcp_congestion(socket).is_ok_and(|name| name.starts_with("bbr"))
}

/// Whether an error says that the kernel cannot pass these bytes this way, rather than that an end has failed.
pub fn is_unfit(error: &io::Error) -> bool {
    const UNFIT: [i32; 7] =
        [libc::EINVAL, libc::ENOSYS, libc::EOPNOTSUPP, libc::EPERM, libc::ENOMEM, libc::EIO, libc::ESPIPE];
    error.raw_os_error().is_some_and(|errno| UNFIT.contains(&errno))
}
