//! A process for each conversation, made by fork(2) from a process with one thread. Where a command holds the socket,
//! the process of the conversation is the command, and the parent finishes the socket after it.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::signals::Signals;
use super::stopping::{Phase, Stopping};
use super::{Dispatch, Front, GivenBack, Over, deadline};
use crate::exit::{Failure, Status};
use crate::net::connection::Connection;
use crate::session::lent::Lent;
use crate::session::{self, Attention, Call, Report, Terms, Watch};
use crate::sys::board::Slot;
use crate::sys::process::{self, Child, Ended, Fork, Forked};
use crate::sys::vigil::Vigil;
use crate::sys::{self, Pid, PollFlags, Signal};

/// Serves in processes.
#[derive(Debug)]
pub struct Forks<'s> {
    terms: Terms,
    signals: &'s Signals,
    grace: Duration,
    /// By number, so that those of today lie together: what the server writes, a forked process copies.
    forked: BTreeMap<u32, Conversation>,
    lent: HashMap<u32, (Lent, Option<IpAddr>)>,
    finishing: Vec<(Lent, Option<IpAddr>)>,
    /// The clients of commands under way, where somebody must notice that they are gone.
    vigil: Option<Vigil>,
    over: Vec<Over>,
}

/// A conversation in a process of its own.
#[derive(Debug)]
struct Conversation {
    child: Arc<Child>,
    ip: Option<IpAddr>,
    slot: Option<usize>,
}

impl<'s> Forks<'s> {
    /// No process yet.
    pub fn new(terms: Terms, signals: &'s Signals, grace: Duration) -> Self {
        let (forked, lent) = (BTreeMap::new(), HashMap::new());
        // Without it commands are left to themselves, which is no reason not to serve.
        let vigil = terms.task.lends_the_socket().then(|| Vigil::new().ok()).flatten();
        Self { terms, signals, grace, forked, lent, finishing: Vec::new(), vigil, over: Vec::new() }
    }

    #[inline(never)] // The frame of those who do something else stays small.
    fn lend(&mut self, peer: Box<Connection>, number: usize) -> Result<(), GivenBack> {
        let ip = peer.door();
        match Lent::start(peer, &self.terms, number, deadline(&self.terms)) {
            Ok(lent) => match lent.pid() {
                Some(pid) => {
                    if let (Some(vigil), Some(socket)) = (&self.vigil, lent.watched()) {
                        // Refused where there are too many of all users together: then nobody looks.
                        let _ = vigil.add(socket, u64::from(process::number(pid)));
                    }
                    self.lent.insert(process::number(pid), (lent, ip));
                }
                None => self.finishing.push((lent, ip)),
            },
            Err(back) if Failure::is_passing(&back.1) => {
                return Err((back.0, io::Error::other(back.1.to_string())));
            }
            Err(back) => {
                let report = session::not_begun(back, &self.terms.log);
                self.over.push(Over { ip, slot: None, report });
            }
        }
        Ok(())
    }

    #[inline(never)] // A forked process has no frame of it.
    fn note(&mut self, forked: Arc<Child>, peer: Box<Connection>) {
        let (ip, slot) = (peer.door(), peer.slot.as_ref().map(|slot| slot.index));
        // The socket is the child's now: with a copy of ours open its FIN would never go out.
        drop(peer);
        self.forked.insert(process::number(forked.pid()), Conversation { child: forked, ip, slot });
    }

    /// In the new process: the conversation, then the end.
    fn converse(&mut self, forked: Forked, peer: Box<Connection>, number: usize, front: &mut Front<'_>) -> ! {
        front.listeners.clear();
        // Where processes are forked nothing is lent: no other conversation's socket stays open with us.
        debug_assert!(self.lent.is_empty() && self.finishing.is_empty());
        self.terms.begin_anew();
        self.signals.begin_anew();
        let report = hold(peer, number, &self.terms, self.signals, self.grace);
        if report.output_gone {
            process::raise_default(OUTPUT_GONE);
        }
        forked.leave(report.status.code())
    }

    fn bury(&mut self, pid: Pid) {
        if let Some(Conversation { child, ip, slot }) = self.forked.remove(&process::number(pid)) {
            let ended = self.terms.roster.reap(&child);
            let output_gone = matches!(ended, Ok(Ended::Killed(OUTPUT_GONE)));
            let status = match ended {
                Ok(Ended::Exited(0)) => Status::Order,
                Ok(Ended::Exited(code)) => Status::Command(u8::try_from(code).unwrap_or(u8::MAX)),
                _ => Status::Failure,
            };
            self.over.push(Over { ip, slot, report: Report { status, output_gone } });
        } else if let Some((mut lent, ip)) = self.lent.remove(&process::number(pid)) {
            if let (Some(vigil), Some(socket)) = (&self.vigil, lent.watched()) {
                vigil.remove(socket);
            }
            match lent.step(true) {
                Some(report) => self.over.push(Over { ip, report, slot: None }),
                None => self.finishing.push((lent, ip)),
            }
        } else {
            process::reap_stranger(pid);
        }
    }

    /// Looks whose clients are gone.
    fn keep_vigil(&mut self) {
        let Some(vigil) = self.vigil.as_ref().filter(|_| !self.lent.is_empty()) else { return };
        for lost in vigil.lost() {
            if let Some((lent, _)) = u32::try_from(lost).ok().and_then(|key| self.lent.get_mut(&key)) {
                lent.watched().into_iter().for_each(|socket| vigil.remove(socket));
                lent.note_loss();
            }
        }
    }

    fn step(&mut self) {
        let now = Instant::now();
        for (lent, _) in self.lent.values_mut().filter(|(lent, _)| lent.until().is_some_and(|at| now >= at)) {
            lent.step(false);
        }
        let over = &mut self.over;
        self.finishing.retain_mut(|(lent, ip)| {
            let due = lent.until().is_some_and(|at| now >= at);
            if !due && sys::ready(lent.awaited(), PollFlags::IN).is_empty() {
                return true;
            }
            let report = lent.step(true);
            over.extend(report.map(|report| Over { ip: *ip, report, slot: None }));
            report.is_none()
        });
    }
}

/// SIGPIPE, by which a forked conversation dies when standard output is gone: the server must learn of it.
const OUTPUT_GONE: i32 = 13;

/// A forked conversation, with signals of its own.
fn hold(peer: Box<Connection>, number: usize, terms: &Terms, signals: &Signals, grace: Duration) -> Report {
    let mut stopping = Stopping::new(signals, terms.roster.clone(), grace);
    let watch = Watch { bells: stopping.bells(), until: None };
    let slot = peer.slot.clone();
    let is_evicted = || slot.as_ref().is_some_and(Slot::is_dismissed);
    let mut attention = Attention {
        watch,
        answer: &mut |watch| {
            signals.hear();
            if stopping.take_question() {
                terms.register.tell(&terms.log);
            }
            let phase = stopping.heed();
            (watch.bells, watch.until) = (stopping.bells(), stopping.until());
            if phase == Phase::AtOnce || is_evicted() { Call::End } else { Call::GoOn }
        },
    };
    session::converse(peer, terms, number, deadline(terms), &mut attention)
}

impl Dispatch for Forks<'_> {
    fn dispatch(&mut self, peer: Box<Connection>, number: usize, front: &mut Front<'_>) -> Result<(), GivenBack> {
        if self.terms.task.lends_the_socket() {
            return self.lend(peer, number);
        }
        let mut child = None;
        let forked = self.terms.roster.enrol(|| match process::fork()? {
            Fork::Parent(parent) => Ok((parent, ())),
            Fork::Child(forked) => {
                child = Some(forked);
                Err(io::ErrorKind::Interrupted.into())
            }
        });
        match (child, forked) {
            (Some(child), _) => self.converse(child, peer, number, front),
            (None, Err(e)) => Err((peer, e)),
            (None, Ok((forked, ()))) => {
                self.note(forked, peer);
                Ok(())
            }
        }
    }

    fn ended(&mut self) -> Vec<Over> {
        if self.signals.take_child() {
            while let Some(pid) = process::next_ended() {
                self.bury(pid);
            }
        } else {
            // Who has ended needs no vigil; the others can wait for the next round.
            self.keep_vigil();
        }
        self.step();
        std::mem::take(&mut self.over)
    }

    fn under_way(&self) -> usize {
        self.forked.len() + self.lent.len() + self.finishing.len() + self.over.len()
    }

    fn bells(&self) -> Vec<BorrowedFd<'_>> {
        // A child's end rings the server's own bell.
        let finishing = self.finishing.iter().map(|(lent, _)| lent.awaited());
        let vigil = self.vigil.as_ref().filter(|_| !self.lent.is_empty()).map(AsFd::as_fd);
        finishing.chain(vigil).collect()
    }

    fn until(&self) -> Option<Instant> {
        let lents = self.lent.values().chain(&self.finishing);
        lents.filter_map(|(lent, _)| lent.until()).min()
    }

    fn evict(&mut self, slot: usize) {
        // It finds its place marked, and knows that it is meant alone.
        if let Some(meant) = self.forked.values().find(|conversation| conversation.slot == Some(slot)) {
            meant.child.signal(Signal::TERM);
        }
    }

    fn tell(&self) {
        self.terms.register.tell(&self.terms.log);
        // Each of these knows the question; a command would die of it.
        self.forked.values().for_each(|conversation| conversation.child.signal(Signal::USR1));
    }

    fn end(&mut self) {
        for (lent, _) in self.lent.values_mut().chain(&mut self.finishing) {
            lent.call_off();
        }
    }
}
