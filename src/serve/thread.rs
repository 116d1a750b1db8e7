//! A thread for each conversation, which goes back for the next one. Threads are made when none is waiting, and leave
//! when they have waited long.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{Dispatch, Front, GivenBack, Over, deadline};
use crate::exit::Status;
use crate::net::connection::Connection;
use crate::session::{self, Attention, Call, Report, Terms, Watch};
use crate::sys::{self, Manner, PipeEnds, PollFd, PollFlags};

/// The stack of a thread, of which an idle conversation touches two or three pages.
const STACK: usize = 128 * 1024;

/// How long a thread waits for work before it leaves.
const PATIENCE: Duration = Duration::from_secs(10);

/// Serves in threads.
#[derive(Debug)]
pub struct Threads {
    shared: Arc<Shared>,
    under_way: usize,
    bell: OwnedFd,
}

#[derive(Debug)]
struct Shared {
    terms: Arc<Terms>,
    desk: Mutex<Desk>,
    work: Condvar,
    /// The server waits for an end: the next one rings.
    expected: AtomicBool,
    ring: OwnedFd,
    kill: OwnedFd,
}

#[derive(Debug, Default)]
struct Desk {
    waiting: usize,
    jobs: VecDeque<(Box<Connection>, usize)>,
    over: Vec<Over>,
}

impl Threads {
    /// No thread yet. All conversations end when `kill` is readable.
    pub fn new(terms: Arc<Terms>, kill: BorrowedFd<'_>) -> io::Result<Self> {
        let (bell, ring) = sys::pipe(PipeEnds::Reader)?;
        let kill = sys::duplicate(kill)?;
        let (desk, work, expected) = (Mutex::default(), Condvar::new(), AtomicBool::new(false));
        Ok(Self { shared: Arc::new(Shared { terms, desk, work, expected, ring, kill }), under_way: 0, bell })
    }
}

impl Dispatch for Threads {
    fn dispatch(&mut self, peer: Box<Connection>, number: usize, _: &mut Front<'_>) -> Result<(), GivenBack> {
        let mut desk = self.shared.desk();
        if desk.waiting <= desk.jobs.len() {
            let shared = Arc::clone(&self.shared);
            let thread = std::thread::Builder::new().stack_size(STACK).spawn(move || shared.work());
            if let Err(e) = thread {
                return Err((peer, e));
            }
        }
        desk.jobs.push_back((peer, number));
        drop(desk);
        self.shared.work.notify_one();
        self.under_way += 1;
        Ok(())
    }

    fn ended(&mut self) -> Vec<Over> {
        if self.shared.expected.swap(false, Ordering::SeqCst) {
            let mut bytes = Vec::with_capacity(64);
            while matches!(sys::read(self.bell.as_fd(), Manner::Plain, &mut bytes), Ok(1..)) {
                bytes.clear();
            }
        }
        let over = std::mem::take(&mut self.shared.desk().over);
        self.under_way -= over.len();
        over
    }

    fn under_way(&self) -> usize {
        self.under_way
    }

    fn expect_an_end(&mut self) {
        self.shared.expected.store(true, Ordering::SeqCst);
        if !self.shared.desk().over.is_empty() {
            // It came before we expected it.
            self.shared.ring();
        }
    }

    fn bells(&self) -> Vec<BorrowedFd<'_>> {
        vec![self.bell.as_fd()]
    }

    fn tell(&self) {
        self.shared.terms.register.tell(&self.shared.terms.log);
    }
}

impl Shared {
    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ring(&self) {
        // A pipe that is full rings already.
        let _ = sys::write(self.ring.as_fd(), Manner::NoWait, b"!");
    }

    /// The life of a thread.
    fn work(&self) {
        while let Some((peer, number)) = self.next() {
            let (ip, slot) = (peer.door(), peer.slot.as_ref().map(|slot| slot.index));
            // A bug costs one conversation; the hook has said it.
            let report = catch_unwind(AssertUnwindSafe(|| self.serve(peer, number)))
                .unwrap_or(Report { status: Status::Failure, output_gone: false });
            self.desk().over.push(Over { ip, report, slot });
            if self.expected.load(Ordering::SeqCst) || report.output_gone {
                self.ring();
            }
        }
    }

    fn next(&self) -> Option<(Box<Connection>, usize)> {
        let mut desk = self.desk();
        loop {
            if let Some(job) = desk.jobs.pop_front() {
                return Some(job);
            }
            desk.waiting += 1;
            let (back, waited) = self.work.wait_timeout(desk, PATIENCE).unwrap_or_else(PoisonError::into_inner);
            desk = back;
            desk.waiting -= 1;
            if waited.timed_out() && desk.jobs.is_empty() {
                return None;
            }
        }
    }

    fn serve(&self, peer: Box<Connection>, number: usize) -> Report {
        let mut answer = |watch: &mut Watch<'_>| {
            watch.bells.clear();
            Call::End
        };
        let watch = Watch { bells: vec![self.kill.as_fd()], until: None };
        let mut attention = Attention { watch, answer: &mut answer };
        session::converse(peer, &self.terms, number, deadline(&self.terms), &mut attention)
    }
}

/// Hears what anybody sends, in a thread for each listener, until one of them ends or a signal comes.
pub fn everybody(connections: Vec<Connection>, mut threads: Threads, front: &mut Front<'_>) -> io::Result<Status> {
    for connection in connections {
        threads.dispatch(Box::new(connection), 1, front).map_err(|back| back.1)?;
    }
    let mut status = Status::Order;
    while threads.under_way() > 0 {
        threads.expect_an_end();
        let (bells, others) = (front.stopping.bells(), threads.bells());
        let all = bells.into_iter().chain(others);
        let mut fds: Vec<_> = all.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)).collect();
        sys::poll(&mut fds, front.stopping.until())?;
        drop(fds);
        front.stopping.hear();
        for over in threads.ended() {
            status = if status == Status::Order { over.report.status } else { status };
            front.stopping.ask();
        }
        if front.stopping.take_question() {
            threads.tell();
        }
        front.stopping.heed();
    }
    Ok(status)
}
