//! Names to addresses, within a bound and without deafness: getaddrinfo(3) knows neither, so it runs in a thread of
//! its own that is joined or left behind. It tries no address.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::mpsc;
use std::time::Instant;

use crate::sys::{self, PollFd, PollFlags};

/// Which addresses are wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Family {
    /// Both.
    #[default]
    Any,
    /// `-4`.
    V4,
    /// `-6`.
    V6,
}

impl Family {
    fn takes(self, address: &SocketAddr) -> bool {
        match self {
            Family::Any => true,
            Family::V4 => address.is_ipv4(),
            Family::V6 => address.is_ipv6(),
        }
    }
}

/// How names are resolved.
#[derive(Clone, Copy, Debug, Default)]
pub struct Resolving {
    /// Which addresses count.
    pub family: Family,
    /// `-n`: names are not resolved at all.
    pub numeric: bool,
}

/// Resolves `host`, in the resolver's order. Fails with `TimedOut` at `until`, with `Interrupted` when one of
/// `stop` is readable, else with what the resolver says.
pub fn resolve(
    host: &str,
    port: u16,
    how: Resolving,
    until: Option<Instant>,
    stop: &[BorrowedFd<'_>],
) -> io::Result<Vec<SocketAddr>> {
    let all = match host.parse::<IpAddr>() {
        Ok(ip) => vec![SocketAddr::new(ip, port)],
        // An address with a zone (fe80::1%eth0) is no name, but only the resolver reads it.
        Err(_) if how.numeric && !is_zoned(host) => return Err(io::Error::other("it is a name, and -n resolves none")),
        Err(_) => ask(host, port, until, stop)?,
    };
    let mut wanted = Vec::with_capacity(all.len());
    for address in all.into_iter().filter(|address| how.family.takes(address)) {
        if !wanted.contains(&address) {
            wanted.push(address);
        }
    }
    match (wanted.is_empty(), how.family) {
        (false, _) => Ok(wanted),
        (true, Family::V4) => Err(io::Error::other("it has no IPv4 address")),
        (true, Family::V6) => Err(io::Error::other("it has no IPv6 address")),
        (true, Family::Any) => Err(io::Error::other("it has no address")),
    }
}

fn is_zoned(host: &str) -> bool {
    host.split_once('%').is_some_and(|(address, _)| address.parse::<IpAddr>().is_ok())
}

fn ask(host: &str, port: u16, until: Option<Instant>, stop: &[BorrowedFd<'_>]) -> io::Result<Vec<SocketAddr>> {
    let (sender, answer) = mpsc::channel();
    let (woken, bell) = sys::pipe(sys::PipeEnds::Reader)?;
    let name = host.to_owned();
    std::thread::Builder::new().name("resolver".into()).spawn(move || {
        let found = (name.as_str(), port).to_socket_addrs().map(Iterator::collect);
        // Nobody listens any more where the time ran out.
        let _ = sender.send(found);
        drop(bell);
    })?;
    let all = std::iter::once(woken.as_fd()).chain(stop.iter().copied());
    let mut fds: Vec<_> = all.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)).collect();
    loop {
        sys::poll(&mut fds, until)?;
        if let Ok(found) = answer.try_recv() {
            return found.map_err(|e| explained(&e));
        }
        check(&fds[1..], until)?;
    }
}

/// Fails with `Interrupted` where one of the polled bells rings, with `TimedOut` at `until`.
pub(super) fn check(bells: &[PollFd<'_>], until: Option<Instant>) -> io::Result<()> {
    if bells.iter().any(|fd| !fd.revents().is_empty()) {
        return Err(io::ErrorKind::Interrupted.into());
    }
    if until.is_some_and(|at| Instant::now() >= at) {
        return Err(io::ErrorKind::TimedOut.into());
    }
    Ok(())
}

/// The resolver's own words, without the standard library's preface.
fn explained(error: &io::Error) -> io::Error {
    let text = error.to_string();
    io::Error::other(text.strip_prefix("failed to lookup address information: ").unwrap_or(&text).to_owned())
}
