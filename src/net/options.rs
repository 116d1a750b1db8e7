//! The socket options that can be asked for, and where they are applied. It opens no socket.

use std::io;
use std::net::IpAddr;

use socket2::Socket;

/// How long the queue of a listener is when nobody says: the kernel clips it to net.core.somaxconn.
pub const BACKLOG: i32 = 4096;

/// Options of a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listening {
    /// listen(2)'s backlog.
    pub backlog: i32,
    /// `SO_REUSEPORT`: several listeners share one port.
    pub reuse_port: bool,
}

impl Default for Listening {
    fn default() -> Self {
        Self { backlog: BACKLOG, reuse_port: false }
    }
}

impl Listening {
    /// Applies what must be set before bind(2). A port in TIME-WAIT can be bound again; one that is listened on cannot.
    pub(super) fn before_bind(self, socket: &Socket) -> io::Result<()> {
        socket.set_reuse_address(true)?;
        if self.reuse_port {
            socket.set_reuse_port(true)?;
        }
        Ok(())
    }
}

/// Options of a connection that we open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dialing {
    /// The address to come from (`-s`).
    pub source: Option<IpAddr>,
    /// The port to come from (`-p`).
    pub source_port: Option<u16>,
}
