//! Datagrams with their addresses: from whom, and to which of our addresses, so that a reply can leave from there
//! (ip(7), `IP_PKTINFO`); and many of them at once. It keeps no mail.

use std::io;
use std::mem::{self, MaybeUninit};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsRawFd, BorrowedFd};

/// Room for one control message of either family, aligned as cmsg(3) wants it.
#[repr(C, align(8))]
struct Control([u8; 64]);

/// A datagram's addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Way {
    /// Who sent it.
    pub peer: SocketAddr,
    /// The address of ours that it came to, without a port; None where the kernel does not say.
    pub local: Option<IpAddr>,
}

/// Receives one datagram without waiting, up to the buffer's spare capacity; its way.
pub fn receive(socket: BorrowedFd<'_>, buffer: &mut Vec<u8>) -> io::Result<Way> {
    let mut name = MaybeUninit::<libc::sockaddr_storage>::zeroed();
    let mut control = Control([0; 64]);
    let spare = buffer.spare_capacity_mut();
    let mut vector = libc::iovec { iov_base: spare.as_mut_ptr().cast(), iov_len: spare.len() };
    // SAFETY: a msghdr of zeros is valid; every pointer set below outlives the call.
    let mut message: libc::msghdr = unsafe { mem::zeroed() };
    message.msg_name = name.as_mut_ptr().cast();
    message.msg_namelen = length(mem::size_of::<libc::sockaddr_storage>());
    message.msg_iov = &raw mut vector;
    message.msg_iovlen = 1;
    message.msg_control = control.0.as_mut_ptr().cast();
    message.msg_controllen = control.0.len() as _;
    // SAFETY: the kernel writes within the lengths given above.
    let n = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, libc::MSG_DONTWAIT) };
    let n = usize::try_from(n).map_err(|_| io::Error::last_os_error())?;
    // SAFETY: recvmsg has initialised that many bytes of the spare capacity.
    unsafe { buffer.set_len(buffer.len() + n) };
    // SAFETY: zeroed, then written by the kernel; every bit pattern is a sockaddr_storage.
    let peer = address(unsafe { name.assume_init_ref() }).ok_or_else(|| io::Error::other("unknown address family"))?;
    Ok(Way { peer, local: destination(&message) })
}

/// Sends one datagram without waiting, from `local` where that is given.
pub fn send(socket: BorrowedFd<'_>, bytes: &[u8], way: &Way) -> io::Result<()> {
    let (mut name, namelen) = storage(way.peer);
    let mut control = Control([0; 64]);
    let mut vector = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    // SAFETY: as in `receive`; the bytes are only read.
    let mut message: libc::msghdr = unsafe { mem::zeroed() };
    message.msg_name = (&raw mut name).cast();
    message.msg_namelen = namelen;
    message.msg_iov = &raw mut vector;
    message.msg_iovlen = 1;
    if let Some(local) = way.local {
        message.msg_control = control.0.as_mut_ptr().cast();
        message.msg_controllen = control.0.len() as _;
        message.msg_controllen = from(&message, local) as _;
    }
    // SAFETY: everything the message points to lives until the call returns.
    let n = unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const message, libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL) };
    if n == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Sends a run of bytes over a connected UDP socket without waiting, cut by the kernel into datagrams of `size` bytes,
/// the last one shorter perhaps (udp(7), `UDP_SEGMENT`). How many bytes went. `EINVAL` and `EIO` where the way to the
/// peer or the kernel cannot do that; a run has at most 64 datagrams and 65507 bytes.
pub fn send_segments(socket: BorrowedFd<'_>, bytes: &[u8], size: u16) -> io::Result<usize> {
    let mut control = Control([0; 64]);
    let mut vector = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    // SAFETY: as in `receive`; the bytes are only read.
    let mut message: libc::msghdr = unsafe { mem::zeroed() };
    message.msg_iov = &raw mut vector;
    message.msg_iovlen = 1;
    message.msg_control = control.0.as_mut_ptr().cast();
    message.msg_controllen = control.0.len() as _;
    // SAFETY: the control buffer is aligned and larger than the message; everything pointed to outlives the call.
    let n = unsafe {
        let header = libc::CMSG_FIRSTHDR(&raw const message);
        ((*header).cmsg_level, (*header).cmsg_type) = (libc::SOL_UDP, libc::UDP_SEGMENT);
        (*header).cmsg_len = libc::CMSG_LEN(length(mem::size_of::<u16>())) as _;
        libc::CMSG_DATA(header).cast::<u16>().write_unaligned(size);
        message.msg_controllen = libc::CMSG_SPACE(length(mem::size_of::<u16>())) as _;
        libc::sendmsg(socket.as_raw_fd(), &raw const message, libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL)
    };
    usize::try_from(n).map_err(|_| io::Error::last_os_error())
}

/// Asks the kernel to tell of each datagram which address it came to.
pub fn want_destinations(socket: BorrowedFd<'_>, v6: bool) -> io::Result<()> {
    let on: libc::c_int = 1;
    let (level, name) =
        if v6 { (libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO) } else { (libc::IPPROTO_IP, libc::IP_PKTINFO) };
    let (value, size) = ((&raw const on).cast(), length(mem::size_of_val(&on)));
    // SAFETY: the option is an int, and an int is given.
    match unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, value, size) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

fn length(size: usize) -> libc::socklen_t {
    libc::socklen_t::try_from(size).unwrap_or(0)
}

/// The address of ours in a received message: what a reply can come from.
fn destination(message: &libc::msghdr) -> Option<IpAddr> {
    // SAFETY: the message was filled by recvmsg, so the macros walk what the kernel has written; payloads may be
    // unaligned, so they are copied out.
    unsafe {
        let mut header = libc::CMSG_FIRSTHDR(message);
        while let Some(this) = header.as_ref() {
            let data = libc::CMSG_DATA(this);
            match (this.cmsg_level, this.cmsg_type) {
                (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                    let info: libc::in_pktinfo = data.cast::<libc::in_pktinfo>().read_unaligned();
                    return Some(Ipv4Addr::from(u32::from_be(info.ipi_spec_dst.s_addr)).into());
                }
                (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                    let info: libc::in6_pktinfo = data.cast::<libc::in6_pktinfo>().read_unaligned();
                    let ip = Ipv6Addr::from(info.ipi6_addr.s6_addr);
                    return Some(IpAddr::from(ip)).filter(|ip| !ip.is_multicast());
                }
                _ => header = libc::CMSG_NXTHDR(message, this),
            }
        }
    }
    None
}

/// Writes the control message that makes a datagram come from `local`; its length.
fn from(message: &libc::msghdr, local: IpAddr) -> usize {
    // SAFETY: the control buffer is aligned and larger than either message; structures of zeros are valid.
    unsafe {
        let header = libc::CMSG_FIRSTHDR(message);
        let data = libc::CMSG_DATA(header);
        let size = match local {
            IpAddr::V4(ip) => {
                let mut info: libc::in_pktinfo = mem::zeroed();
                info.ipi_spec_dst.s_addr = u32::from(ip).to_be();
                ((*header).cmsg_level, (*header).cmsg_type) = (libc::IPPROTO_IP, libc::IP_PKTINFO);
                data.cast::<libc::in_pktinfo>().write_unaligned(info);
                mem::size_of::<libc::in_pktinfo>()
            }
            IpAddr::V6(ip) => {
                let mut info: libc::in6_pktinfo = mem::zeroed();
                info.ipi6_addr.s6_addr = ip.octets();
                ((*header).cmsg_level, (*header).cmsg_type) = (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO);
                data.cast::<libc::in6_pktinfo>().write_unaligned(info);
                mem::size_of::<libc::in6_pktinfo>()
            }
        };
        (*header).cmsg_len = libc::CMSG_LEN(length(size)) as _;
        libc::CMSG_SPACE(length(size)) as usize
    }
}

fn address(storage: &libc::sockaddr_storage) -> Option<SocketAddr> {
    let at = (&raw const *storage).cast::<u8>();
    // SAFETY: the family says which structure the storage, large enough for each, holds.
    unsafe {
        match i32::from(storage.ss_family) {
            libc::AF_INET => {
                let v4 = at.cast::<libc::sockaddr_in>().read_unaligned();
                let ip = Ipv4Addr::from(u32::from_be(v4.sin_addr.s_addr));
                Some(SocketAddrV4::new(ip, u16::from_be(v4.sin_port)).into())
            }
            libc::AF_INET6 => {
                let v6 = at.cast::<libc::sockaddr_in6>().read_unaligned();
                let ip = Ipv6Addr::from(v6.sin6_addr.s6_addr);
                Some(SocketAddrV6::new(ip, u16::from_be(v6.sin6_port), v6.sin6_flowinfo, v6.sin6_scope_id).into())
            }
            _ => None,
        }
    }
}

fn storage(address: SocketAddr) -> (libc::sockaddr_storage, libc::socklen_t) {
    let mut storage = MaybeUninit::<libc::sockaddr_storage>::zeroed();
    let at = storage.as_mut_ptr();
    // SAFETY: the storage is large enough and aligned for either structure, and zeros are valid for the rest of it.
    unsafe {
        let size = match address {
            SocketAddr::V4(v4) => {
                let own = at.cast::<libc::sockaddr_in>();
                (*own).sin_family = libc::sa_family_t::try_from(libc::AF_INET).unwrap_or(0);
                (*own).sin_port = v4.port().to_be();
                (*own).sin_addr.s_addr = u32::from(*v4.ip()).to_be();
                mem::size_of::<libc::sockaddr_in>()
            }
            SocketAddr::V6(v6) => {
                let own = at.cast::<libc::sockaddr_in6>();
                (*own).sin6_family = libc::sa_family_t::try_from(libc::AF_INET6).unwrap_or(0);
                (*own).sin6_port = v6.port().to_be();
                (*own).sin6_addr.s6_addr = v6.ip().octets();
                (*own).sin6_scope_id = v6.scope_id();
                mem::size_of::<libc::sockaddr_in6>()
            }
        };
        (storage.assume_init(), length(size))
    }
}
