//! Datagrams to and from many: broadcast, and the multicast groups that a listener joins. It sends none.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use socket2::{InterfaceIndexOrAddress, Socket};

use crate::sys;

/// Options of datagrams of the internet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Casting {
    /// `SO_BROADCAST`.
    pub broadcast: bool,
    /// Groups to join.
    pub groups: Vec<Group>,
}

/// A multicast group, and the interface it is joined on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    address: IpAddr,
    interface: Option<String>,
}

impl Group {
    /// Reads `GROUP` or `GROUP%IF`.
    pub fn parse(word: &str) -> Result<Self, String> {
        let (address, interface) = word.split_once('%').map_or((word, None), |(a, i)| (a, Some(i.to_owned())));
        match address.parse::<IpAddr>() {
            Ok(address) if address.is_multicast() => Ok(Self { address, interface }),
            _ => Err("not a multicast address: write 239.0.0.1, ff02::1 or GROUP%IF".into()),
        }
    }
}

impl Casting {
    /// Applies what a socket needs before it sends or is bound.
    pub(super) fn apply(&self, socket: &Socket) -> io::Result<()> {
        if self.broadcast { socket.set_broadcast(true) } else { Ok(()) }
    }

    /// Joins the groups of the socket's family.
    pub(super) fn join(&self, socket: &Socket, v6: bool) -> io::Result<()> {
        for group in self.groups.iter().filter(|group| group.address.is_ipv6() == v6) {
            let interface = group.interface.as_deref().map_or(Ok(0), sys::interface_index)?;
            let joined = match (group.address, interface) {
                (IpAddr::V6(address), _) => socket.join_multicast_v6(&address, interface),
                (IpAddr::V4(address), 0) => {
                    socket.join_multicast_v4_n(&address, &InterfaceIndexOrAddress::Address(Ipv4Addr::UNSPECIFIED))
                }
                (IpAddr::V4(address), index) => {
                    socket.join_multicast_v4_n(&address, &InterfaceIndexOrAddress::Index(index))
                }
            };
            match joined {
                // An activated socket may have joined it when it was served last.
                Err(e) if e.kind() == io::ErrorKind::AddrInUse => {}
                joined => joined?,
            }
        }
        Ok(())
    }
}

/// Whether an address stands for many: everybody's answers come back from it.
pub fn is_many(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_broadcast() || v4.is_multicast(),
        IpAddr::V6(v6) => v6.is_multicast() && v6 != Ipv6Addr::UNSPECIFIED,
    }
}
