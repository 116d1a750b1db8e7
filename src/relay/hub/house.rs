//! The house of a hub: standard input to all the peers, the peers to standard output, for as long as there are any. It
//! runs two flows and holds no conversation; what each of those is ended by is theirs.

use std::io;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use super::Hub;
use crate::relay::end::Fault;
use crate::relay::flow::{Flow, State};
use crate::sys::{self, PollFd, PollFlags};

/// Between two looks at a terminal that is not ours to read just now.
const GATE: Duration = Duration::from_secs(1);

/// Standard input and output, which all peers share.
#[derive(Debug)]
pub struct House<'a> {
    hub: Hub,
    speaking: Option<Flow<'a>>,
    hearing: Flow<'a>,
}

/// Why [`House::run`] returned.
#[derive(Debug)]
pub enum Parting {
    /// The last peer has left and nobody else comes; all that they said is delivered.
    Deserted,
    /// It was called off.
    Called,
    /// Whoever read standard output is gone.
    OutputGone,
    /// Standard input cannot be read; the house goes on without it. Run it again.
    Mute(io::Error),
    /// Standard output cannot be written.
    Failed(io::Error),
}

/// What poll(2) said.
#[derive(Debug, Default)]
#[allow(clippy::struct_excessive_bools, reason = "each is the answer of one descriptor")]
struct Polled {
    called: bool,
    speaking: bool,
    hearing: bool,
    output_lost: bool,
}

impl<'a> House<'a> {
    /// A house whose flows begin and end at the hub's outlet and inlet for it; without `speaking`, standard input is
    /// not read.
    pub fn new(hub: Hub, speaking: Option<Flow<'a>>, hearing: Flow<'a>) -> Self {
        Self { hub, speaking, hearing }
    }

    /// Goes on until nobody is left, or one of `watch` is readable.
    pub fn run(&mut self, watch: &[BorrowedFd<'_>]) -> Parting {
        loop {
            if self.hearing.state() == State::Done {
                return Parting::Deserted;
            }
            let polled = match self.wait(watch) {
                Ok(polled) => polled,
                Err(e) => return Parting::Failed(e),
            };
            match self.hearing.advance(polled.hearing) {
                Err(Fault::Sink(e)) if e.kind() == io::ErrorKind::BrokenPipe => return Parting::OutputGone,
                Err(Fault::Sink(e) | Fault::Source(e)) => return Parting::Failed(e),
                Ok(()) if polled.output_lost => return Parting::OutputGone,
                Ok(()) => {}
            }
            if polled.called {
                return Parting::Called;
            }
            if let Err(e) = self.speak(polled.speaking) {
                return Parting::Mute(e);
            }
        }
    }

    /// The server stops: in a hub, standard input has no more to say. A fan-out goes on, for that is what its
    /// conversations are about.
    pub fn stop(&mut self) {
        if self.hub.is_mutual() {
            self.speaking = None;
        }
    }

    /// Hands on what standard input brings. It is not read while nobody would hear it.
    fn speak(&mut self, ready: bool) -> io::Result<()> {
        let Some(flow) = self.speaking.as_mut().filter(|_| ready) else { return Ok(()) };
        let read = match flow.advance(true) {
            Err(Fault::Source(e) | Fault::Sink(e)) => Err(e),
            Ok(()) if flow.state() != State::Done => return Ok(()),
            Ok(()) => Ok(()),
        };
        // Its inlet goes with it, which ends what the peers hear.
        self.speaking = None;
        read
    }

    fn wait(&self, watch: &[BorrowedFd<'_>]) -> io::Result<Polled> {
        let mut fds: Vec<_> = watch.iter().map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN)).collect();
        let mut slots: Vec<fn(&mut Polled, PollFlags)> = Vec::with_capacity(3);
        if let Some(fd) = self.hearing.poll() {
            slots.push(|polled, events| polled.hearing |= !events.is_empty());
            fds.push(fd);
        }
        if let Some(fd) = self.hearing.watched() {
            // Only errors and hang-ups are left to be told.
            slots.push(|polled, events| polled.output_lost |= !events.is_empty());
            fds.push(PollFd::from_borrowed_fd(fd, PollFlags::empty()));
        }
        let speaking = self.speaking.as_ref();
        if speaking.is_some_and(|flow| flow.state() == State::Filling) && !self.hub.hears_the_house() {
            slots.push(|_, _| ());
            fds.push(PollFd::from_borrowed_fd(self.hub.house_entry(), PollFlags::OUT));
        } else if let Some(fd) = speaking.and_then(Flow::poll) {
            slots.push(|polled, events| polled.speaking |= !events.is_empty());
            fds.push(fd);
        }
        let shut = speaking.is_some_and(Flow::is_shut).then(|| Instant::now() + GATE);
        let ready = (self.hearing.is_ready() || speaking.is_some_and(Flow::is_ready)).then(Instant::now);
        sys::poll(&mut fds, ready.or(shut))?;
        let called = fds[..watch.len()].iter().any(|fd| !fd.revents().is_empty());
        let mut polled = Polled { called, ..Polled::default() };
        for (note, fd) in slots.iter().zip(&fds[watch.len()..]) {
            note(&mut polled, fd.revents());
        }
        Ok(polled)
    }
}
