//! Names to addresses, within a bound and without deafness: getaddrinfo(3) knows neither, so it runs in a thread of
//! its own that is joined or left behind. It tries no address.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::mpsc::{self, Receiver, TryRecvError};
use std::thread::JoinHandle;
use std::time::Instant;

use super::calls::Calls;
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

/// A name that is being looked up. Dropping it leaves the resolver's thread to itself.
#[derive(Debug)]
pub struct Lookup {
    how: Resolving,
    state: State,
}

#[derive(Debug)]
enum State {
    Known(io::Result<Vec<SocketAddr>>),
    Asked { woken: OwnedFd, answer: Receiver<io::Result<Vec<SocketAddr>>>, thread: JoinHandle<()> },
    Told,
}

impl Lookup {
    /// Begins. An address is its own answer and asks nobody. Never in a process that forks: a name takes a thread.
    pub fn begin(host: &str, port: u16, how: Resolving) -> io::Result<Self> {
        let state = match host.parse::<IpAddr>() {
            Ok(ip) => State::Known(Ok(vec![SocketAddr::new(ip, port)])),
            // An address with a zone (fe80::1%eth0) is no name, but only the resolver reads it.
            Err(_) if how.numeric && !is_zoned(host) => {
                State::Known(Err(io::Error::other("it is a name, and -n resolves none")))
            }
            Err(_) => ask(host, port)?,
        };
        Ok(Self { how, state })
    }

    /// Readable when there may be an answer; None where there is one already.
    pub fn bell(&self) -> Option<BorrowedFd<'_>> {
        match &self.state {
            State::Asked { woken, .. } => Some(woken.as_fd()),
            State::Known(_) | State::Told => None,
        }
    }

    /// The addresses in the resolver's order, or what the resolver says; None where it has not said anything yet, and
    /// after it has been told.
    pub fn answer(&mut self) -> Option<io::Result<Vec<SocketAddr>>> {
        let found = match std::mem::replace(&mut self.state, State::Told) {
            State::Known(found) => found,
            State::Told => return None,
            State::Asked { woken, answer, thread } => match answer.try_recv() {
                Ok(found) => {
                    // It has nothing left to do: a process that forks later has one thread again.
                    let _ = thread.join();
                    found
                }
                Err(TryRecvError::Empty) => {
                    self.state = State::Asked { woken, answer, thread };
                    return None;
                }
                Err(TryRecvError::Disconnected) => Err(io::Error::other("the resolver failed")),
            },
        };
        Some(found.and_then(|all| self.how.sift(all)))
    }
}

impl Resolving {
    /// The addresses that count, each once.
    fn sift(self, all: Vec<SocketAddr>) -> io::Result<Vec<SocketAddr>> {
        let mut wanted = Vec::with_capacity(all.len());
        for address in all.into_iter().filter(|address| self.family.takes(address)) {
            if !wanted.contains(&address) {
                wanted.push(address);
            }
        }
        match (wanted.is_empty(), self.family) {
            (false, _) => Ok(wanted),
            (true, Family::V4) => Err(io::Error::other("it has no IPv4 address")),
            (true, Family::V6) => Err(io::Error::other("it has no IPv6 address")),
            (true, Family::Any) => Err(io::Error::other("it has no address")),
        }
    }
}

/// Resolves `host`, in the resolver's order. Fails with `TimedOut` at `until`, with `Interrupted` when somebody `calls`,
/// else with what the resolver says.
pub fn resolve(
    host: &str,
    port: u16,
    how: Resolving,
    until: Option<Instant>,
    calls: Calls<'_>,
) -> io::Result<Vec<SocketAddr>> {
    let mut lookup = Lookup::begin(host, port, how)?;
    loop {
        if let Some(found) = lookup.answer() {
            return found;
        }
        let answer = lookup.bell().map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN));
        let mut fds: Vec<_> = answer.into_iter().chain(calls.polled()).collect();
        sys::poll(&mut fds, until)?;
        if fds[0].revents().is_empty() {
            check(&fds[1..], until)?;
        }
    }
}

fn is_zoned(host: &str) -> bool {
    host.split_once('%').is_some_and(|(address, _)| address.parse::<IpAddr>().is_ok())
}

fn ask(host: &str, port: u16) -> io::Result<State> {
    let (sender, answer) = mpsc::channel();
    let (woken, bell) = sys::pipe(sys::PipeEnds::Reader)?;
    let name = host.to_owned();
    let thread = std::thread::Builder::new().name("resolver".into()).spawn(move || {
        let found = (name.as_str(), port).to_socket_addrs().map(Iterator::collect);
        // Nobody listens any more where the time ran out.
        let _ = sender.send(found.map_err(|e| explained(&e)));
        drop(bell);
    })?;
    Ok(State::Asked { woken, answer, thread })
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
