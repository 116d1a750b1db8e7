//! The socket options that can be asked for: one table of what they are, when they are applied, and what is said where
//! the kernel refuses. It opens no socket.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd;
use std::time::Duration;

use socket2::{Socket, Type};

use super::casting::Casting;
use super::mailbox::Postal;
use super::path::Access;
use super::spelling::Keepalive;
use crate::sys;

/// How long the queue of a listener is when nobody says: the kernel clips it to net.core.somaxconn.
pub const BACKLOG: i32 = 4096;

/// Connections that may wait with data in their SYN.
const FAST_QUEUE: u32 = 256;

/// Where the kernel says whether data may travel in a SYN: bit 0 for those who connect, bit 1 for listeners.
const FAST_OPEN: &str = "/proc/sys/net/ipv4/tcp_fastopen";

// ---- the table ----------------------------------------------------------------------------------------------------------

/// An option of sockets, and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Setting {
    /// `SO_BINDTODEVICE`: only by way of this interface.
    Interface(String),
    /// `SO_REUSEPORT`: several listeners share one port.
    ReusePort,
    /// `SO_MARK`, for routing and firewall rules.
    Mark(u32),
    /// `SO_RCVBUF`, in bytes.
    ReceiveBuffer(u32),
    /// `SO_SNDBUF`, in bytes.
    SendBuffer(u32),
    /// `IP_TTL` and its fellows: how many routers a packet may pass.
    Ttl(u32),
    /// `IP_TOS`, `IPV6_TCLASS`: the whole byte.
    Tos(u32),
    /// The same byte without its two last bits.
    Dscp(u32),
    /// `TCP_MAXSEG`, in bytes.
    SegmentSize(u32),
    /// `TCP_CONGESTION`.
    Congestion(String),
    /// `TCP_FASTOPEN`, `TCP_FASTOPEN_CONNECT`: data in the SYN.
    FastOpen,
    /// `TCP_NODELAY`: small pieces go at once.
    NoDelay,
    /// `SO_KEEPALIVE` and its three times.
    KeepAlive(Keepalive),
    /// `TCP_USER_TIMEOUT`: how long data may stay unacknowledged.
    UserTimeout(Duration),
}

/// When an option is applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Before bind(2), in `connect` and in `listen`.
    BeforeBind,
    /// Before connect(2).
    BeforeConnect,
    /// On a listener, before listen(2). Its connections inherit it.
    OnListener,
    /// On each connection that is accepted, and on its listener, so that a refusal shows at once.
    OnAccepted,
}

/// setsockopt(2)'s level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// `SOL_SOCKET`: any transport.
    Socket,
    /// `IPPROTO_IP`, `IPPROTO_IPV6`: tcp and udp.
    Ip,
    /// `IPPROTO_TCP`: tcp alone.
    Tcp,
}

/// A row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// As it is typed.
    pub name: &'static str,
    /// Whose option it is.
    pub level: Level,
    /// When it is applied in `connect`,
    pub going: Moment,
    /// and in `listen`.
    pub waiting: Moment,
    /// What a refusal says beside the kernel's reason: what to change.
    pub advice: &'static str,
}

impl Setting {
    /// The table: name, level, the moment in `connect` and in `listen`, and what a refusal advises.
    #[rustfmt::skip]
    pub fn row(&self) -> Row {
        use Level::{Ip, Socket, Tcp};
        use Moment::{BeforeBind, BeforeConnect, OnAccepted, OnListener};
        let (name, level, going, waiting, advice) = match self {
            Setting::Interface(_) => ("--interface", Socket, BeforeBind, BeforeBind, "see: ip link"),
            Setting::ReusePort => ("--reuse-port", Socket, BeforeBind, BeforeBind, ""),
            Setting::Mark(_) => ("--mark", Socket, BeforeBind, BeforeBind, "it needs CAP_NET_ADMIN"),
            Setting::ReceiveBuffer(_) => ("--rcvbuf", Socket, BeforeConnect, OnListener, "see net.core.rmem_max"),
            Setting::SendBuffer(_) => ("--sndbuf", Socket, BeforeConnect, OnListener, "see net.core.wmem_max"),
            Setting::Ttl(_) => ("--ttl", Ip, BeforeConnect, OnListener, "1 to 255"),
            Setting::Tos(_) => ("--tos", Ip, BeforeConnect, OnListener, "0 to 255"),
            Setting::Dscp(_) => ("--dscp", Ip, BeforeConnect, OnListener, "0 to 63"),
            Setting::SegmentSize(_) => ("--mss", Tcp, BeforeConnect, OnListener, "88 to 32767"),
            Setting::Congestion(_) => ("--congestion", Tcp, BeforeConnect, OnListener, "see net.ipv4.tcp_allowed_congestion_control"),
            Setting::FastOpen => ("--fast-open", Tcp, BeforeConnect, OnListener, "see net.ipv4.tcp_fastopen"),
            Setting::NoDelay => ("--nodelay", Tcp, BeforeConnect, OnAccepted, ""),
            Setting::KeepAlive(_) => ("--keepalive", Tcp, BeforeConnect, OnListener, "1 to 32767 s, 1 to 127 probes"),
            Setting::UserTimeout(_) => ("--user-timeout", Tcp, BeforeConnect, OnAccepted, ""),
        };
        Row { name, level, going, waiting, advice }
    }

    /// Sets it, whatever the moment. `waits` says that the socket is a listener, or a listener's.
    fn set(&self, socket: &Socket, v6: bool, waits: bool) -> io::Result<()> {
        match self {
            Setting::Interface(name) => socket.bind_device(Some(name.as_bytes())),
            Setting::ReusePort => socket.set_reuse_port(true),
            Setting::Mark(mark) => socket.set_mark(*mark),
            Setting::ReceiveBuffer(bytes) => {
                socket.set_recv_buffer_size(*bytes as usize)?;
                granted(socket.recv_buffer_size()?, *bytes)
            }
            Setting::SendBuffer(bytes) => {
                socket.set_send_buffer_size(*bytes as usize)?;
                granted(socket.send_buffer_size()?, *bytes)
            }
            Setting::Ttl(hops) => set_ttl(socket, v6, *hops),
            Setting::Tos(byte) => set_tos(socket, v6, *byte),
            Setting::Dscp(point) => set_tos(socket, v6, point << 2),
            Setting::SegmentSize(bytes) => socket.set_tcp_mss(*bytes),
            Setting::Congestion(name) => socket.set_tcp_congestion(name.as_bytes()).map_err(unknown),
            Setting::FastOpen if waits => {
                allowed_by_system(1)?;
                sys::fast_open_listener(socket.as_fd(), FAST_QUEUE)
            }
            Setting::FastOpen => {
                allowed_by_system(0)?;
                sys::fast_open_connect(socket.as_fd())
            }
            Setting::NoDelay => socket.set_tcp_nodelay(true),
            Setting::KeepAlive(keepalive) => socket.set_tcp_keepalive(&keepalive.times()),
            Setting::UserTimeout(time) => socket.set_tcp_user_timeout(Some(*time)),
        }
    }
}

/// A kernel that grants less than was asked for is not silently believed. (It doubles what it grants.)
fn granted(doubled: usize, asked: u32) -> io::Result<()> {
    let granted = doubled / 2;
    if granted >= asked as usize {
        return Ok(());
    }
    Err(io::Error::other(format!("no more than {granted} bytes are granted")))
}

fn unknown(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::NotFound => io::Error::other("not known to this kernel"),
        _ => error,
    }
}

fn allowed_by_system(bit: u32) -> io::Result<()> {
    let text = std::fs::read_to_string(FAST_OPEN).unwrap_or_default();
    match text.trim().parse::<u32>() {
        Ok(bits) if bits >> bit & 1 == 0 => Err(io::Error::other("switched off here")),
        _ => Ok(()),
    }
}

fn set_ttl(socket: &Socket, v6: bool, hops: u32) -> io::Result<()> {
    let to_many = socket.r#type()? == Type::DGRAM;
    if v6 {
        socket.set_unicast_hops_v6(hops)?;
        if to_many {
            socket.set_multicast_hops_v6(hops)?;
        }
    }
    // One of IPv6 may speak to peers of IPv4, too.
    socket.set_ttl_v4(hops)?;
    if to_many { socket.set_multicast_ttl_v4(hops) } else { Ok(()) }
}

fn set_tos(socket: &Socket, v6: bool, byte: u32) -> io::Result<()> {
    if v6 {
        socket.set_tclass_v6(byte)?;
    }
    socket.set_tos_v4(byte)
}

/// All that was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings(Vec<Setting>);

impl Settings {
    /// The same, and this.
    pub fn add(&mut self, setting: Option<Setting>) {
        self.0.extend(setting);
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &Setting> {
        self.0.iter()
    }

    /// The same without data in the SYN: there is none.
    pub fn forget_fast_open(&mut self) {
        self.0.retain(|setting| *setting != Setting::FastOpen);
    }

    /// Keepalive, if it was asked for.
    pub fn keepalive(&self) -> Option<Setting> {
        self.iter().find(|setting| matches!(setting, Setting::KeepAlive(_))).cloned()
    }

    /// Whether the size of the receive buffer was asked for.
    pub(super) fn size_received(&self) -> bool {
        self.iter().any(|setting| matches!(setting, Setting::ReceiveBuffer(_)))
    }

    /// Whether data may travel in the SYN.
    pub fn fast_open(&self) -> bool {
        self.0.contains(&Setting::FastOpen)
    }

    /// Applies what is due in `connect` at this moment.
    pub(super) fn go(&self, socket: &Socket, v6: bool, moment: Moment) -> Result<(), Unset> {
        self.each(|row| row.going == moment, |setting| setting.set(socket, v6, false))
    }

    /// Applies what is due in `listen` at this moment.
    pub(super) fn wait(&self, socket: &Socket, v6: bool, moment: Moment) -> Result<(), Unset> {
        self.each(|row| row.waiting == moment, |setting| setting.set(socket, v6, true))
    }

    /// The same, as far as the kernel allows it.
    pub(super) fn wait_where_allowed(&self, socket: &Socket, v6: bool, moment: Moment) {
        for setting in self.iter().filter(|setting| setting.row().waiting == moment) {
            let _ = setting.set(socket, v6, true);
        }
    }

    /// Applies what is due in `listen` on a socket that is bound.
    pub(super) fn wait_bound(&self, socket: &Socket, v6: bool) -> Result<(), Unset> {
        self.wait(socket, v6, Moment::OnListener)?;
        self.wait(socket, v6, Moment::OnAccepted)
    }

    fn each(&self, due: impl Fn(Row) -> bool, set: impl Fn(&Setting) -> io::Result<()>) -> Result<(), Unset> {
        for setting in self.0.iter().filter(|setting| due(setting.row())) {
            set(setting).map_err(|error| Unset { row: setting.row(), error })?;
        }
        Ok(())
    }
}

/// An option that the kernel refuses.
#[derive(Debug)]
pub struct Unset {
    row: Row,
    /// The kernel's reason.
    pub error: io::Error,
}

/// The option and the advice; who says it puts the reason between the two.
impl Unset {
    /// As it was typed.
    pub fn name(&self) -> &'static str {
        self.row.name
    }

    /// What to change, if there is something, in parentheses and with a space before.
    pub fn advice(&self) -> String {
        if self.row.advice.is_empty() { String::new() } else { format!(" ({})", self.row.advice) }
    }
}

impl fmt::Display for Unset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}{}", self.name(), self.error, self.advice())
    }
}

impl std::error::Error for Unset {}

// ---- by role ------------------------------------------------------------------------------------------------------------

/// Options of a listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listening {
    /// listen(2)'s backlog.
    pub backlog: i32,
    /// What its sockets and those of its connections are set to.
    pub settings: Settings,
    /// Who may use a unix path.
    pub access: Access,
    /// How datagrams become conversations.
    pub postal: Postal,
    /// What concerns datagrams of the internet.
    pub casting: Casting,
}

impl Default for Listening {
    fn default() -> Self {
        Self {
            backlog: BACKLOG,
            settings: Settings::default(),
            access: Access::default(),
            postal: Postal::default(),
            casting: Casting::default(),
        }
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
    /// What the socket is set to.
    pub settings: Settings,
}

impl Dialing {
    /// Whether the socket must be bound before it is connected.
    pub(super) fn binds(&self) -> bool {
        self.source.is_some() || self.source_port.is_some()
    }

    /// The addresses that can be reached from where we come: those of the source's family. Fails where there is none.
    pub fn reachable(&self, mut addresses: Vec<SocketAddr>) -> io::Result<Vec<SocketAddr>> {
        addresses.retain(|address| self.source.is_none_or(|source| source.is_ipv4() == address.is_ipv4()));
        if addresses.is_empty() {
            return Err(io::Error::other("it has no address of the family of -s"));
        }
        Ok(addresses)
    }
}
