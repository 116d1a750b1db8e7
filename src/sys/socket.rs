//! What only sockets can: half-close, keepalive, abort, and what the kernel knows of a connection. It opens none.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::io::Errno;
use rustix::net::{RecvFlags, Shutdown, sockopt};

use super::{PollFlags, again, ready};

/// Half-closes a socket: shutdown(2) with `SHUT_WR`. A peer that is gone already is no error.
pub fn shutdown_write(socket: BorrowedFd<'_>) -> io::Result<()> {
    match rustix::net::shutdown(socket, Shutdown::Write) {
        Ok(()) | Err(Errno::NOTCONN) => Ok(()),
        Err(e) => Err(e.into()),
    }
}

/// Starts keepalive probes (tcp(7)): the first after `every` of silence, then one `every`, `count` unanswered ones fail.
pub fn probe(socket: BorrowedFd<'_>, every: Duration, count: u32) -> io::Result<()> {
    sockopt::set_tcp_keepidle(socket, every)?;
    sockopt::set_tcp_keepintvl(socket, every)?;
    sockopt::set_tcp_keepcnt(socket, count)?;
    sockopt::set_socket_keepalive(socket, true)?;
    Ok(())
}

/// From now on who reads or writes the socket waits, unless it says otherwise.
pub fn set_blocking(socket: BorrowedFd<'_>) -> io::Result<()> {
    Ok(rustix::io::ioctl_fionbio(socket, false)?)
}

/// Takes the peer of a datagram socket away from it (connect(2) with `AF_UNSPEC`): it hears everybody again.
pub fn disconnect(socket: BorrowedFd<'_>) -> io::Result<()> {
    let nobody = libc::sockaddr { sa_family: 0, sa_data: [0; 14] };
    let len = libc::socklen_t::try_from(size_of::<libc::sockaddr>()).unwrap_or(0);
    // SAFETY: the address is `len` bytes, which the call only reads.
    match unsafe { libc::connect(socket.as_raw_fd(), &raw const nobody, len) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// The index of a network interface (if_nametoindex(3)).
pub fn interface_index(name: &str) -> io::Result<u32> {
    let name = std::ffi::CString::new(name)?;
    // SAFETY: the name is a string that outlives the call.
    match unsafe { libc::if_nametoindex(name.as_ptr()) } {
        0 => Err(io::Error::last_os_error()),
        index => Ok(index),
    }
}

/// Makes the last close of a socket an abort: RST instead of FIN (socket(7), `SO_LINGER` of 0).
pub fn abort_on_close(socket: BorrowedFd<'_>) -> io::Result<()> {
    Ok(sockopt::set_socket_linger(socket, Some(Duration::ZERO))?)
}

/// Takes the error that waits on a socket (`SO_ERROR`), if there is one.
pub fn take_error(socket: BorrowedFd<'_>) -> Option<io::Error> {
    match sockopt::socket_error(socket) {
        Ok(Ok(())) => None,
        Ok(Err(e)) | Err(e) => Some(e.into()),
    }
}

/// Bytes sent but not acknowledged by the peer's kernel (`SIOCOUTQ`); our FIN counts as one. 0 where nobody counts.
pub fn unacknowledged(socket: BorrowedFd<'_>) -> u64 {
    let mut bytes: libc::c_int = 0;
    // SAFETY: SIOCOUTQ (the same number as TIOCOUTQ) writes one int, for which there is room.
    let r = unsafe { libc::ioctl(socket.as_raw_fd(), libc::TIOCOUTQ, &raw mut bytes) };
    if r == -1 { 0 } else { u64::try_from(bytes).unwrap_or(0) }
}

/// Appends what waits on a socket, up to the buffer's spare capacity, and leaves it there. 0 is the end; `WouldBlock`
/// where nothing is there.
pub fn peek(socket: BorrowedFd<'_>, buffer: &mut Vec<u8>) -> io::Result<usize> {
    let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
    Ok(again(|| rustix::net::recv(socket, spare_capacity(buffer), flags).map(|(n, _)| n))?)
}

/// Takes `count` bytes from a socket that has been seen to have them, and drops them.
pub fn drop_waiting(socket: BorrowedFd<'_>, count: usize) -> io::Result<()> {
    let (mut room, mut taken) = (vec![0; count], 0);
    while taken < count {
        // To the byte: what follows is somebody else's.
        match again(|| rustix::net::recv(socket, &mut room[taken..], RecvFlags::DONTWAIT).map(|(n, _)| n))? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            n => taken += n,
        }
    }
    Ok(())
}

/// The size of the next datagram in a socket's queue, 0 at the end of one that has ends. `WouldBlock` where none is there:
/// to read then is to risk that one comes in between, and is cut to what there happens to be room for.
pub fn next_packet(socket: BorrowedFd<'_>) -> io::Result<usize> {
    let look = RecvFlags::PEEK | RecvFlags::TRUNC | RecvFlags::DONTWAIT;
    let (_, size) = rustix::net::recv(socket, &mut [0; 0], look)?;
    Ok(size)
}

/// Whether the other end of a connected socket has ended or is gone (`POLLRDHUP`, `POLLHUP`).
pub fn has_hung_up(socket: BorrowedFd<'_>) -> bool {
    ready(socket, PollFlags::RDHUP).intersects(PollFlags::RDHUP | PollFlags::HUP)
}

/// Who is at the other end of a unix socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// The process; 0 where it is in another namespace than ours.
    pub pid: i32,
    /// Its user.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
}

/// Who connected, or listened, at the other end of a unix socket (`SO_PEERCRED`); None where nobody is known.
pub fn peer_credentials(socket: BorrowedFd<'_>) -> Option<Credentials> {
    // By libc: a process that our namespace does not know has the number 0, which rustix holds for impossible.
    let mut who = libc::ucred { pid: 0, uid: libc::uid_t::MAX, gid: libc::gid_t::MAX };
    let mut size = libc::socklen_t::try_from(size_of::<libc::ucred>()).unwrap_or(0);
    let (level, option) = (libc::SOL_SOCKET, libc::SO_PEERCRED);
    // SAFETY: the option is a `ucred`, for which there is room, as `size` says.
    let r = unsafe { libc::getsockopt(socket.as_raw_fd(), level, option, (&raw mut who).cast(), &raw mut size) };
    let known = r == 0 && who.uid != libc::uid_t::MAX;
    known.then_some(Credentials { pid: who.pid, uid: who.uid, gid: who.gid })
}

/// Lets data travel in the SYN of a connection that is to be opened, where the peer has given us a cookie
/// (`TCP_FASTOPEN_CONNECT`): connect(2) then returns at once, and the SYN waits for the first data.
pub fn fast_open_connect(socket: BorrowedFd<'_>) -> io::Result<()> {
    set_tcp(socket, libc::TCP_FASTOPEN_CONNECT, 1)
}

/// Lets a listener take data from SYNs (`TCP_FASTOPEN`), from as many connections at a time as `queue` says.
pub fn fast_open_listener(socket: BorrowedFd<'_>, queue: u32) -> io::Result<()> {
    set_tcp(socket, libc::TCP_FASTOPEN, libc::c_int::try_from(queue).unwrap_or(libc::c_int::MAX))
}

fn set_tcp(socket: BorrowedFd<'_>, option: libc::c_int, value: libc::c_int) -> io::Result<()> {
    let size = libc::socklen_t::try_from(std::mem::size_of_val(&value)).unwrap_or(0);
    // SAFETY: the option is an int, and an int that outlives the call is given.
    let r = unsafe { libc::setsockopt(socket.as_raw_fd(), libc::IPPROTO_TCP, option, (&raw const value).cast(), size) };
    if r == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
