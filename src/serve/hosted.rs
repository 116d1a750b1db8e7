//! A thread for each conversation, and one for the host of them all, where standard input and output are shared. It
//! touches neither: the host is the session's.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use super::signals::Signals;
use super::thread::Threads;
use super::{Dispatch, Front, GivenBack, Over, Server};
use crate::exit::Status;
use crate::net::connection::Connection;
use crate::session::{Report, Terms, host};
use crate::sys;
use crate::sys::bell::Bell;

/// Threads, and their host.
#[derive(Debug)]
pub struct Hosted {
    threads: Threads,
    terms: Arc<Terms>,
    left: Arc<Left>,
    /// Nobody else comes.
    closed: bool,
    /// What has become of the host has been told.
    told: bool,
}

/// How the host has left, when it has.
#[derive(Debug)]
struct Left {
    report: OnceLock<Report>,
    bell: Bell,
}

impl Hosted {
    /// Starts the host. It leaves when the last peer has, or at the signals' `kill`.
    pub fn start(threads: Threads, terms: Arc<Terms>, signals: &Signals) -> io::Result<Self> {
        let left = Arc::new(Left { report: OnceLock::new(), bell: Bell::new()? });
        let bells = (sys::duplicate(signals.stopping()?)?, sys::duplicate(signals.kill()?)?);
        let (hosting, leaving) = (Arc::clone(&terms), Arc::clone(&left));
        std::thread::Builder::new().spawn(move || keep_house(&hosting, &bells, &leaving))?;
        Ok(Self { threads, terms, left, closed: false, told: false })
    }

    /// Serves. The status is the server's own, unless the host failed.
    pub fn serve(mut self, server: Box<Server<'_>>) -> io::Result<Status> {
        let status = server.run(&mut self)?;
        let failed = self.left.report.get().is_some_and(|report| report.status == Status::Failure);
        Ok(if failed { Status::Failure } else { status })
    }
}

fn keep_house(terms: &Terms, (stop, kill): &(OwnedFd, OwnedFd), left: &Left) {
    // A bug has been said by the hook. Without a host there is nothing to serve for.
    let report = catch_unwind(AssertUnwindSafe(|| host::keep_house(terms, stop.as_fd(), kill.as_fd())))
        .unwrap_or(Report { status: Status::Failure, output_gone: true });
    let _ = left.report.set(report);
    left.bell.ring();
}

impl Dispatch for Hosted {
    fn dispatch(&mut self, peer: Box<Connection>, number: usize, front: &mut Front<'_>) -> Result<(), GivenBack> {
        host::expect(&self.terms);
        let dispatched = self.threads.dispatch(peer, number, front);
        if dispatched.is_err() {
            host::give_up(&self.terms);
        }
        dispatched
    }

    fn ended(&mut self) -> Vec<Over> {
        let mut over = self.threads.ended();
        if let Some(report) = self.left.report.get().filter(|_| !self.told) {
            self.told = true;
            self.left.bell.silence();
            over.push(Over { ip: None, report: *report, slot: None });
        }
        over
    }

    /// The host counts once nobody else comes: what it has not written yet is waited for.
    fn under_way(&self) -> usize {
        self.threads.under_way() + usize::from(self.closed && !self.told)
    }

    fn expect_an_end(&mut self) {
        self.threads.expect_an_end();
    }

    fn expect_nobody(&mut self) {
        if !std::mem::replace(&mut self.closed, true) {
            host::close(&self.terms);
        }
    }

    fn bells(&self) -> Vec<BorrowedFd<'_>> {
        let mut bells = self.threads.bells();
        bells.push(self.left.bell.as_fd());
        bells
    }

    fn until(&self) -> Option<Instant> {
        self.threads.until()
    }

    fn evict(&mut self, slot: usize) {
        self.threads.evict(slot);
    }

    fn end(&mut self) {
        self.threads.end();
    }

    fn tell(&self) {
        self.threads.tell();
    }
}
