//! Many ports at once, with a bound on the sockets that are open, in one loop. It judges no answer.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::os::fd::BorrowedFd;
use std::time::Instant;

use super::board::{Asked, Board};
use super::names::Names;
use super::probe::{News, Probe};
use super::{Answer, Checks, Peers, Verdict};
use crate::net::address::Address;
use crate::net::dial::Undialed;
use crate::net::dial::fate::Fate;
use crate::net::dial::race::{self, Spare};
use crate::net::dial::retry::Tries;
use crate::net::endpoint::{At, UnixName};
use crate::sys::{self, PollFd, PollFlags};
use crate::trace::{Event, Level, Log, reason};

/// The most sockets at once, where the limit of open files allows it.
const MOST: usize = 4096;

/// The most names that are looked up at once,
const NAMES: usize = 8;

/// and the descriptors that one of them takes, the resolver's own included.
const NAME_TAKES: usize = 6;

/// Ports that are begun before the answers are looked at.
const AT_A_TIME: usize = 64;

/// Where a goal is.
#[derive(Clone, Debug)]
enum Whereabouts {
    /// A host, by its index, and a port.
    Port(usize, u16),
    /// Of this machine.
    Path(UnixName),
}

/// A port that was asked for.
#[derive(Debug)]
struct Goal {
    at: Whereabouts,
    tries: Tries,
    /// When this try was due: a name that was looked up earlier does not count.
    since: Instant,
    /// What became of the last one.
    last: Option<Answer>,
}

/// A check under way.
#[derive(Debug)]
pub(super) struct Round<'a> {
    checks: &'a Checks,
    log: &'a Log,
    spare: &'a Spare,
    goals: Vec<Goal>,
    names: Names<'a>,
    board: Board<'a>,
    /// Goals whose host is known,
    due: VecDeque<usize>,
    /// those that are tried again later,
    later: BinaryHeap<Reverse<(Instant, usize)>>,
    /// and those under way, with the descriptors that each may need.
    probes: Vec<(usize, Probe<'a>)>,
    busy: usize,
    most: usize,
    /// When everything is over,
    deadline: Option<Instant>,
    /// or all answers are due.
    end: Option<Instant>,
}

impl<'a> Round<'a> {
    /// Nobody is asked yet. Fails where the process cannot even count its descriptors.
    pub(super) fn new(checks: &'a Checks, log: &'a Log, spare: &'a Spare, now: Instant) -> io::Result<Self> {
        let tries = checks.retry.begin(now);
        let goal = |at| Goal { at, tries, since: now, last: None };
        let (goals, hosts, asked): (Vec<_>, &[String], Vec<_>) = match &checks.peers {
            Peers::Several(places) => {
                let goals = places.ports.iter().map(|(host, port)| goal(Whereabouts::Port(*host, *port)));
                let asked = |(host, port): &(usize, u16)| Asked {
                    host: places.hosts[*host].as_str().into(),
                    port: Some(*port),
                };
                (goals.collect(), &places.hosts, places.ports.iter().map(asked).collect())
            }
            Peers::One(At::Unix(name)) => {
                let asked = Asked { host: name.to_string().into(), port: None };
                (vec![goal(Whereabouts::Path(name.clone()))], &[], vec![asked])
            }
            Peers::One(At::Place(_)) => (Vec::new(), &[], Vec::new()),
        };
        let wanted = goals.len().saturating_mul(2).min(MOST) + NAMES * NAME_TAKES;
        let left = sys::process::descriptors_left(Some(wanted as u64))?;
        let left = usize::try_from(left).unwrap_or(usize::MAX);
        let at_once = if left < wanted { 1 } else { NAMES };
        let most = left.saturating_sub(at_once * NAME_TAKES).clamp(1, MOST);
        let deadline = checks.deadline.and_then(|time| now.checked_add(time));
        let end = [deadline, tries.bound().map(|(until, _)| until)].into_iter().flatten().min();
        Ok(Self {
            checks,
            log,
            spare,
            due: VecDeque::with_capacity(goals.len()),
            names: Names::new(hosts, checks.resolving, checks.within, at_once),
            board: Board::new(asked, checks.style, !checks.transport.has_ends()),
            goals,
            later: BinaryHeap::new(),
            probes: Vec::new(),
            busy: 0,
            most,
            deadline,
            end,
        })
    }

    pub(super) fn answers(&self) -> impl Iterator<Item = Answer> {
        self.board.answers()
    }

    /// Asks everybody until everybody has answered and every socket is closed in order.
    pub(super) fn run(&mut self, stop: BorrowedFd<'_>) -> Result<(), Verdict> {
        (0..self.goals.len()).for_each(|goal| self.want(goal));
        loop {
            let now = Instant::now();
            while self.later.peek().is_some_and(|Reverse((at, _))| now >= *at) {
                if let Some(Reverse((_, goal))) = self.later.pop() {
                    self.goals[goal].since = now;
                    self.want(goal);
                }
            }
            let known = self.names.advance(now);
            self.due.extend(known);
            let more = self.begin()?;
            if self.end.is_some_and(|end| now >= end) {
                self.finish();
            }
            self.board.show(stop)?;
            let over = self.deadline.is_some_and(|deadline| now >= deadline) || self.probes.is_empty();
            if self.board.is_complete() && over {
                return Ok(());
            }
            self.wait(stop, more)?;
        }
    }

    fn want(&mut self, goal: usize) {
        let known = match self.goals[goal].at {
            Whereabouts::Port(host, _) => self.names.want(host, goal, self.goals[goal].since),
            Whereabouts::Path(_) => true,
        };
        self.due.extend(known.then_some(goal));
    }

    /// Begins some of those that are due; whether there may be room for more of them right now.
    fn begin(&mut self) -> Result<bool, Verdict> {
        for _ in 0..AT_A_TIME {
            let Some(goal) = self.due.pop_front() else { return Ok(false) };
            let (addresses, until) = match self.addresses(goal) {
                Ok(found) => found,
                Err(why) => {
                    self.failed(goal, why)?;
                    continue;
                }
            };
            let weight = addresses.len();
            if !self.probes.is_empty() && self.busy + weight > self.most {
                self.due.push_front(goal);
                return Ok(false);
            }
            let mut probe = Probe::new(goal, self.checks, self.spare, addresses, until);
            let news = probe.advance(&[], Instant::now());
            if let News::Undialed(why) = &news
                && is_shortage(why)
                && !self.probes.is_empty()
            {
                // What is lacking comes back with one of those under way.
                self.most = self.busy;
                self.due.push_front(goal);
                return Ok(false);
            }
            self.take(goal, news)?;
            if !probe.is_over() {
                self.busy += weight;
                self.probes.push((weight, probe));
            }
        }
        Ok(!self.due.is_empty())
    }

    /// Where to try a goal, and until when.
    fn addresses(&self, goal: usize) -> Result<(Vec<Address>, Instant), Undialed> {
        let now = Instant::now();
        let until = |time| now.checked_add(time).or(self.end).unwrap_or(now);
        match &self.goals[goal].at {
            Whereabouts::Path(name) => Ok((vec![Address::Unix(name.clone())], until(self.checks.within))),
            Whereabouts::Port(host, port) => {
                let (found, took) = self.names.addresses(*host);
                let addresses = found.map_err(Undialed::Unresolved)?.to_vec();
                let addresses = self.checks.options.reachable(addresses).map_err(Undialed::Unresolved)?;
                let at_port = |mut address: SocketAddr| {
                    address.set_port(*port);
                    Address::Inet(address)
                };
                let addresses = race::interleave(addresses).into_iter().map(at_port).collect();
                Ok((addresses, until(self.checks.within.saturating_sub(took))))
            }
        }
    }

    /// Waits until something happens, not at all where there is more to begin, and goes on with those to whom it did.
    fn wait(&mut self, stop: BorrowedFd<'_>, more: bool) -> Result<(), Verdict> {
        let hurry = more.then(Instant::now);
        let later = self.later.peek().map(|Reverse((at, _))| *at);
        let probes = self.probes.iter().map(|(_, probe)| probe.wake_at());
        let end = self.end.filter(|_| !self.board.is_complete()).or(self.deadline);
        let until = probes.chain(hurry).chain(later).chain(self.names.until()).chain(end).min();
        let mut fds = vec![PollFd::from_borrowed_fd(stop, PollFlags::IN)];
        fds.extend(self.names.bells());
        let before = fds.len();
        let mut counts = Vec::with_capacity(self.probes.len());
        for (_, probe) in &self.probes {
            let bells = probe.bells();
            counts.push(bells.len());
            fds.extend(bells);
        }
        // ENOMEM is the only failure left: the next round tries again.
        let polled = sys::poll(&mut fds, until);
        let rang: Vec<bool> = fds.iter().map(|fd| polled.is_ok() && !fd.revents().is_empty()).collect();
        drop(fds);
        if rang[0] {
            return Err(Verdict::Stopped);
        }
        let (mut at, now) = (before, Instant::now());
        for ((weight, mut probe), count) in std::mem::take(&mut self.probes).into_iter().zip(counts) {
            let own = &rang[at..at + count];
            at += count;
            if own.contains(&true) || now >= probe.wake_at() {
                let news = probe.advance(own, now);
                self.take(probe.goal, news)?;
            }
            if probe.is_over() {
                self.busy -= weight;
            } else {
                self.probes.push((weight, probe));
            }
        }
        Ok(())
    }

    fn take(&mut self, goal: usize, news: News) -> Result<(), Verdict> {
        match news {
            News::None => {}
            News::Answer(answer @ Answer::Open(_)) => self.board.note(goal, answer),
            News::Answer(answer) => self.not_open(goal, answer),
            News::Undialed(why) => self.failed(goal, why)?,
        }
        Ok(())
    }

    fn failed(&mut self, goal: usize, why: Undialed) -> Result<(), Verdict> {
        if matches!(why, Undialed::Source(..) | Undialed::Unset(_)) {
            return Err(Verdict::Hopeless(why));
        }
        let fate = why.fate();
        let level = if fate == Fate::Failed { Level::Failures } else { Level::Conversations };
        if self.log.wants(level) {
            self.say(goal, &why, fate);
        }
        self.not_open(goal, Answer::Not(fate));
        Ok(())
    }

    fn say(&self, goal: usize, why: &Undialed, fate: Fate) {
        let Asked { host, port } = &self.board.asked(goal);
        let port = port.map(|port| format!(" {port}")).unwrap_or_default();
        let why = match why {
            Undialed::Unresolved(e) if fate == Fate::TimedOut => format!("{} resolving the name", reason(e)),
            Undialed::Unresolved(e) => reason(e),
            Undialed::Tried(tried) => {
                tried.iter().map(|(to, e)| format!("{to} {}", reason(e))).collect::<Vec<_>>().join(", ")
            }
            Undialed::Source(..) | Undialed::Unset(_) | Undialed::Stopped => return,
        };
        self.log.say(&Event::Failure(&format!("cannot connect to {host}{port}: {why}")));
    }

    /// It is asked again, or that was the last word.
    fn not_open(&mut self, goal: usize, answer: Answer) {
        let fate = match answer {
            Answer::Not(fate) => fate,
            // Somebody closed: that may pass.
            Answer::Open(_) | Answer::Closed => Fate::Reset,
        };
        self.goals[goal].last = Some(answer);
        match self.goals[goal].tries.after(fate, Instant::now()) {
            Some(at) => self.later.push(Reverse((at, goal))),
            None => self.board.note(goal, answer),
        }
    }

    /// The time is over: what is known by now is the answer.
    fn finish(&mut self) {
        for goal in self.board.open_questions() {
            let late = Answer::Not(Fate::TimedOut);
            self.board.note(goal, self.goals[goal].last.unwrap_or(late));
        }
        self.due.clear();
        self.later.clear();
        self.names.forget();
        self.probes.retain(|(_, probe)| probe.is_answered());
        self.busy = self.probes.iter().map(|(weight, _)| weight).sum();
    }
}

fn is_shortage(why: &Undialed) -> bool {
    matches!(why, Undialed::Tried(tried) if tried.iter().all(|(_, e)| sys::is_shortage(e)))
}
