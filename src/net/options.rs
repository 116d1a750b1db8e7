//! The socket options that can be asked for, and where they are applied. It opens no socket.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use socket2::{InterfaceIndexOrAddress, Socket};

use super::mailbox::Postal;
use super::path::Access;
use super::transport::Transport;
use crate::sys;

/// How long the queue of a listener is when nobody says: the kernel clips it to net.core.somaxconn.
pub const BACKLOG: i32 = 4096;

/// Options of a listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listening {
    /// listen(2)'s backlog.
    pub backlog: i32,
    /// `SO_REUSEPORT`: several listeners share one port.
    pub reuse_port: bool,
    /// Who may use a unix path.
    pub access: Access,
    /// How datagrams become conversations.
    pub postal: Postal,
    /// What concerns datagrams of the internet.
    pub casting: Casting,
}

/// Options of datagrams of the internet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Casting {
    /// `SO_BROADCAST`.
    pub broadcast: bool,
    /// Groups to join.
    pub groups: Vec<Group>,
    /// How far datagrams go: `IP_TTL`, `IP_MULTICAST_TTL` and their IPv6 fellows.
    pub ttl: Option<u32>,
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
    pub(super) fn apply(&self, socket: &Socket, v6: bool) -> io::Result<()> {
        if self.broadcast {
            socket.set_broadcast(true)?;
        }
        let Some(ttl) = self.ttl else { return Ok(()) };
        if v6 {
            socket.set_unicast_hops_v6(ttl)?;
            socket.set_multicast_hops_v6(ttl)
        } else {
            socket.set_ttl_v4(ttl)?;
            socket.set_multicast_ttl_v4(ttl)
        }
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

impl Default for Listening {
    fn default() -> Self {
        Self {
            backlog: BACKLOG,
            reuse_port: false,
            access: Access::default(),
            postal: Postal::default(),
            casting: Casting::default(),
        }
    }
}

impl Listening {
    /// Applies what must be set before bind(2). A port in TIME-WAIT can be bound again; one that is listened on cannot,
    /// and neither can one of datagrams.
    pub(super) fn before_bind(&self, socket: &Socket, transport: Transport) -> io::Result<()> {
        socket.set_reuse_address(transport == Transport::Tcp)?;
        if self.reuse_port {
            socket.set_reuse_port(true)?;
        }
        Ok(())
    }
}

/// Options of a connection that we open.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dialing {
    /// The address to come from (`-s`).
    pub source: Option<IpAddr>,
    /// The port to come from (`-p`).
    pub source_port: Option<u16>,
    /// What concerns datagrams of the internet.
    pub casting: Casting,
}

impl Dialing {
    /// Whether the socket must be bound before it is connected.
    pub(super) fn binds(&self) -> bool {
        self.source.is_some() || self.source_port.is_some()
    }
}
