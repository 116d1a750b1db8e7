//! Sockets that whoever started us has bound for us (`sd_listen_fds(3)`): which they are, and whether each is what it
//! is taken for. It binds none, and removes no path of theirs.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io;
use std::os::fd::{OwnedFd, RawFd};

use socket2::{Domain, Protocol, Socket, Type};

use super::address::Address;
use super::listen::{Listener, Unbound};
use super::options::{Listening, Moment, Unset};
use super::transport::{Transport, UnixType};
use crate::sys::inheritance;

/// The number of the first one.
const FIRST: RawFd = 3;

/// The variables by which they are announced, and one more for whoever is told that we are ready. They are meant for
/// this process only.
pub const VARIABLES: [&str; 5] = ["LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "LISTEN_PIDFDID", "NOTIFY_SOCKET"];

/// The sockets, as they were handed over.
#[derive(Debug)]
pub struct Activated(Vec<(Label, OwnedFd)>);

/// Why they cannot be listened on.
#[derive(Debug)]
pub enum Unusable {
    /// What is wrong with them, or with what is said of them.
    Sockets(String),
    /// An option is refused.
    Unset(Unset),
}

impl From<String> for Unusable {
    fn from(why: String) -> Self {
        Unusable::Sockets(why)
    }
}

/// What a socket is called in messages: its number, and its name where it has one.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Label(RawFd, Option<String>);

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Label(number, Some(name)) => write!(f, "descriptor {number} ({name})"),
            Label(number, None) => write!(f, "descriptor {number}"),
        }
    }
}

impl Activated {
    /// Takes the sockets over, before anything else owns one of their numbers; from then on no command inherits them.
    /// Fails with what is wrong with the variables.
    pub fn take() -> Result<Self, Unusable> {
        let labels = labels()?;
        let count = RawFd::try_from(labels.len()).unwrap_or(RawFd::MAX);
        let taken = inheritance::take(FIRST, count);
        let sockets = taken.map_err(|_| format!("LISTEN_FDS announces {count} of them, and not all are open"))?;
        Ok(Self(labels.into_iter().zip(sockets).collect()))
    }

    /// Whether this number is one of theirs.
    pub fn contains(&self, number: RawFd) -> bool {
        self.0.iter().any(|(label, _)| label.0 == number)
    }

    /// Makes listeners of them. Fails with what is wrong with one that is nothing for `transport`.
    pub fn listen(self, transport: Transport, options: &Listening) -> Result<Vec<Listener>, Unusable> {
        let listen = |(label, descriptor): (Label, OwnedFd)| {
            let socket = Socket::from(descriptor);
            check(&socket, transport).map_err(|why| format!("{label} {why}"))?;
            let v6 = socket.domain().is_ok_and(|domain| domain == Domain::IPV6);
            options.settings.wait_bound(&socket, v6).map_err(Unusable::Unset)?;
            let listener = Listener::activated(socket, transport, options);
            listener.map_err(|e| format!("{label} cannot be used: {e}").into())
        };
        self.0.into_iter().map(listen).collect()
    }
}

/// Whether this number is announced as one of theirs.
pub fn is_announced(number: RawFd) -> bool {
    labels().is_ok_and(|labels| labels.iter().any(|label| label.0 == number))
}

/// What the variables announce to us.
fn labels() -> Result<Vec<Label>, String> {
    let variable = |name: &str| std::env::var_os(name);
    announced(variable("LISTEN_FDS"), variable("LISTEN_PID"), variable("LISTEN_FDNAMES"), std::process::id())
}

/// What the variables announce to the process `own`.
fn announced(
    fds: Option<OsString>,
    pid: Option<OsString>,
    names: Option<OsString>,
    own: u32,
) -> Result<Vec<Label>, String> {
    let number = |value: &OsStr| value.to_str().and_then(|word| word.parse::<u32>().ok());
    let (Some(fds), Some(pid)) = (fds, pid) else {
        return Err(
            "LISTEN_FDS and LISTEN_PID are not set: whoever starts us has to bind them (systemd.socket(5))".into()
        );
    };
    match number(&pid) {
        Some(pid) if pid == own => {}
        Some(pid) => {
            return Err(format!("they are for process {pid} (LISTEN_PID), and we are {own}: start us by exec"));
        }
        None => return Err("LISTEN_PID is no process".into()),
    }
    // A process has no more than a few thousand descriptors; a number beyond that is a mistake.
    let count = number(&fds).filter(|count| (1..=4096).contains(count)).ok_or("LISTEN_FDS is no number of sockets")?;
    let names = names.unwrap_or_default().to_string_lossy().into_owned();
    let mut names = names.split(':').map(|name| Some(name.to_owned()).filter(|name| !name.is_empty()));
    let labels = (FIRST..).take(count as usize).map(|number| Label(number, names.next().flatten()));
    Ok(labels.collect())
}

/// Says what is wrong with a socket that is to be listened on.
fn check(socket: &Socket, transport: Transport) -> Result<(), String> {
    let kind = socket.r#type().map_err(|_| "is no socket")?;
    let unknown = |e: io::Error| format!("tells nothing of itself: {e}");
    let (domain, protocol) = (socket.domain().map_err(unknown)?, socket.protocol().map_err(unknown)?);
    let found = describe(domain, kind, protocol);
    let inet = domain == Domain::IPV4 || domain == Domain::IPV6;
    let (wanted, _) = transport.kind();
    let fits = match transport {
        Transport::Tcp => inet && protocol == Some(Protocol::TCP),
        Transport::Udp => inet && protocol == Some(Protocol::UDP),
        Transport::Unix(_) => domain == Domain::UNIX,
    };
    if !fits || kind != wanted {
        return Err(format!("is a {found} socket, and {transport} is asked for"));
    }
    let is_listening = socket.is_listener().map_err(unknown)?;
    match (transport.has_ends(), is_listening, socket.peer_addr().is_ok()) {
        (_, _, true) => Err("is connected already (Accept=yes is for `fincat connect`)".into()),
        (true, false, _) => Err(format!("is a {found} socket that does not listen")),
        (false, ..) if !is_bound(socket) => Err(format!("is a {found} socket that is not bound")),
        _ => Ok(()),
    }
}

/// Whether a socket of datagrams has a name at which it can be reached.
fn is_bound(socket: &Socket) -> bool {
    let local = socket.local_addr().and_then(|local| Address::of(&local));
    local.is_ok_and(|local| match local {
        Address::Inet(inet) => inet.port() != 0,
        unix @ Address::Unix(_) => unix.to_socket().is_ok(),
    })
}

fn describe(domain: Domain, kind: Type, protocol: Option<Protocol>) -> String {
    let known = [
        Transport::Tcp,
        Transport::Udp,
        Transport::Unix(UnixType::Stream),
        Transport::Unix(UnixType::Dgram),
        Transport::Unix(UnixType::Seqpacket),
    ];
    let fits = |transport: &&Transport| {
        let (its_kind, its_protocol) = transport.kind();
        let same_family = transport.is_unix() == (domain == Domain::UNIX);
        let ours = domain == Domain::UNIX || domain == Domain::IPV4 || domain == Domain::IPV6;
        ours && same_family && its_kind == kind && (its_protocol.is_none() || its_protocol == protocol)
    };
    known.iter().find(fits).map_or_else(|| format!("{domain:?} {kind:?}"), ToString::to_string)
}

/// Whether a conversation may bind the port of `listener` anew, as those of UDP do. A port of the system's may be bound
/// by whoever started us, and not by us; and so with what is set before.
pub fn may_bind_again(listener: &Listener) -> Result<(), Unbound> {
    let Address::Inet(local) = listener.local else { return Ok(()) };
    let unbound = |e| Unbound::Bind(listener.local.clone(), e);
    // The permission is one of the number. Of another transport than the listener, the probe takes no datagram away.
    let probe = Transport::Tcp.socket(Domain::for_address(local)).map_err(unbound)?;
    listener.settings.wait(&probe, local.is_ipv6(), Moment::BeforeBind)?;
    match probe.bind(&local.into()) {
        Err(e) if e.kind() == io::ErrorKind::PermissionDenied => Err(unbound(e)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(fds: &str, pid: &str, names: &str) -> Result<Vec<String>, String> {
        let labels = announced(Some(fds.into()), Some(pid.into()), Some(names.into()), 42)?;
        Ok(labels.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn sockets_are_announced_with_their_names() {
        assert_eq!(told("2", "42", "web:").unwrap(), ["descriptor 3 (web)", "descriptor 4"]);
        assert_eq!(told("1", "42", "").unwrap(), ["descriptor 3"]);
        assert_eq!(told("1", "42", "a:b:c").unwrap(), ["descriptor 3 (a)"]);
    }

    #[test]
    fn silly_announcements_are_refused() {
        for (fds, pid) in
            [("0", "42"), ("-1", "42"), ("", "42"), ("many", "42"), ("99999999", "42"), ("1", "43"), ("1", "")]
        {
            assert!(told(fds, pid, "").is_err(), "{fds} {pid}");
        }
        assert!(announced(None, Some("42".into()), None, 42).is_err());
        assert!(announced(Some("1".into()), None, None, 42).is_err());
    }
}
