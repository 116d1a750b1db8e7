//! The hosts of a check and their addresses: each name is looked up once for all of its ports, several at a time, and
//! again when somebody tries again. It connects to none.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::net::resolve::{Lookup, Resolving};
use crate::sys::{PollFd, PollFlags};

/// A host.
#[derive(Debug)]
struct Name<'a> {
    host: &'a str,
    /// When it was last asked for,
    began: Option<Instant>,
    /// how long that took,
    took: Duration,
    /// and what came of it.
    known: Option<io::Result<Vec<SocketAddr>>>,
    /// Goals that wait for it.
    waiting: Vec<usize>,
}

/// All hosts.
#[derive(Debug)]
pub(super) struct Names<'a> {
    hosts: Vec<Name<'a>>,
    how: Resolving,
    within: Duration,
    at_once: usize,
    /// Those to be looked up,
    queue: VecDeque<usize>,
    /// and those that are.
    under_way: Vec<(usize, Lookup)>,
}

impl<'a> Names<'a> {
    /// None is looked up yet; `at_once` of them at a time, each for so long.
    pub(super) fn new(hosts: &'a [String], how: Resolving, within: Duration, at_once: usize) -> Self {
        let name = |host: &'a String| {
            let (began, took, known, waiting) = (None, Duration::ZERO, None, Vec::new());
            Name { host, began, took, known, waiting }
        };
        let (queue, under_way) = (VecDeque::new(), Vec::new());
        Self { hosts: hosts.iter().map(name).collect(), how, within, at_once, queue, under_way }
    }

    /// Asks for a host on behalf of `goal`; one that was asked for at `since` or later will do. True where it is known.
    pub(super) fn want(&mut self, host: usize, goal: usize, since: Instant) -> bool {
        let name = &mut self.hosts[host];
        let is_fresh = name.began.is_some_and(|began| began >= since);
        if name.known.is_some() && is_fresh {
            return true;
        }
        if name.waiting.is_empty() {
            name.known = None;
            self.queue.push_back(host);
        }
        name.waiting.push(goal);
        false
    }

    /// Begins and ends what can be; those whose host is known now.
    pub(super) fn advance(&mut self, now: Instant) -> Vec<usize> {
        let mut served = Vec::new();
        for (host, mut lookup) in std::mem::take(&mut self.under_way) {
            let late = || self.hosts[host].until(self.within).is_some_and(|until| now >= until);
            match lookup.answer() {
                Some(found) => served.extend(self.hosts[host].learn(found, now)),
                None if late() => served.extend(self.hosts[host].learn(Err(io::ErrorKind::TimedOut.into()), now)),
                None => self.under_way.push((host, lookup)),
            }
        }
        while self.under_way.len() < self.at_once {
            let Some(host) = self.queue.pop_front() else { break };
            self.hosts[host].began = Some(now);
            // The port comes later: each goal has its own.
            let found = match Lookup::begin(self.hosts[host].host, 0, self.how) {
                Err(e) => Some(Err(e)),
                Ok(mut lookup) => match lookup.answer() {
                    None => {
                        self.under_way.push((host, lookup));
                        None
                    }
                    found => found,
                },
            };
            served.extend(found.map(|found| self.hosts[host].learn(found, now)).unwrap_or_default());
        }
        served
    }

    /// The addresses, and how long it took to know them.
    pub(super) fn addresses(&self, host: usize) -> (io::Result<&[SocketAddr]>, Duration) {
        let name = &self.hosts[host];
        let known = match &name.known {
            Some(Ok(addresses)) => Ok(&addresses[..]),
            Some(Err(e)) => Err(io::Error::new(e.kind(), e.to_string())),
            None => Err(io::ErrorKind::TimedOut.into()),
        };
        (known, name.took)
    }

    /// Nobody waits any more.
    pub(super) fn forget(&mut self) {
        self.queue.clear();
        self.under_way.clear();
        self.hosts.iter_mut().for_each(|name| name.waiting.clear());
    }

    /// What is to be polled.
    pub(super) fn bells(&self) -> impl Iterator<Item = PollFd<'_>> {
        let bells = self.under_way.iter().filter_map(|(_, lookup)| lookup.bell());
        bells.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN))
    }

    /// When to go on at the latest.
    pub(super) fn until(&self) -> Option<Instant> {
        self.under_way.iter().filter_map(|(host, _)| self.hosts[*host].until(self.within)).min()
    }
}

impl Name<'_> {
    fn until(&self, within: Duration) -> Option<Instant> {
        self.began.and_then(|began| began.checked_add(within))
    }

    fn learn(&mut self, found: io::Result<Vec<SocketAddr>>, now: Instant) -> Vec<usize> {
        self.known = Some(found);
        self.took = self.began.map_or(Duration::ZERO, |began| now.saturating_duration_since(began));
        std::mem::take(&mut self.waiting)
    }
}
