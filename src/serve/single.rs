//! One conversation at a time; the others wait in the backlog, and the first that waits is mentioned.

use std::os::fd::{AsFd, BorrowedFd};

use super::stopping::Phase;
use super::{Dispatch, Front, GivenBack, Over, deadline};
use crate::net::connection::Connection;
use crate::net::listen::Listener;
use crate::session::{self, Attention, Call, Terms, Watch};
use crate::sys::{self, PollFlags};
use crate::trace::Event;

/// Serves in the one thread there is.
#[derive(Debug)]
pub struct Single<'t> {
    terms: &'t Terms,
    over: Option<Over>,
    mentioned: bool,
}

impl<'t> Single<'t> {
    /// Nobody is served yet.
    pub fn new(terms: &'t Terms) -> Self {
        Self { terms, over: None, mentioned: false }
    }
}

impl Dispatch for Single<'_> {
    fn dispatch(&mut self, peer: Box<Connection>, number: usize, front: &mut Front<'_>) -> Result<(), GivenBack> {
        let Front { listeners, stopping } = front;
        let (terms, mentioned) = (self.terms, &mut self.mentioned);
        let mut bells = stopping.bells();
        let wanted = listeners.iter().filter(|listener| !*mentioned || listener.carries());
        bells.extend(wanted.map(AsFd::as_fd));
        let ip = peer.door();
        let mut attention = Attention {
            watch: Watch { bells, until: None },
            answer: &mut |watch| {
                stopping.hear();
                if stopping.take_question() {
                    terms.register.tell(&terms.log);
                }
                let phase = stopping.heed();
                listeners.iter().for_each(Listener::carry);
                let waits = |listener: &Listener| {
                    let reads = !listener.carries() && !sys::ready(listener.as_fd(), PollFlags::IN).is_empty();
                    reads || listener.holds_somebody()
                };
                if phase != Phase::Serving {
                    listeners.iter().for_each(Listener::refuse);
                } else if !*mentioned && listeners.iter().any(waits) {
                    *mentioned = true;
                    terms.log.say(&Event::PeerWaiting);
                }
                let carried = listeners.iter().filter_map(Listener::until).min();
                let until = [stopping.until(), carried].into_iter().flatten().min();
                (watch.bells, watch.until) = (stopping.bells(), until);
                let mentions = !*mentioned && phase == Phase::Serving;
                let wanted = listeners.iter().filter(|listener| mentions || listener.carries());
                watch.bells.extend(wanted.map(AsFd::as_fd));
                if phase == Phase::AtOnce { Call::End } else { Call::GoOn }
            },
        };
        let report = session::converse(peer, terms, number, deadline(terms), &mut attention);
        self.over = Some(Over { ip, report, slot: None });
        Ok(())
    }

    fn ended(&mut self) -> Vec<Over> {
        self.over.take().into_iter().collect()
    }

    fn under_way(&self) -> usize {
        0
    }

    fn bells(&self) -> Vec<BorrowedFd<'_>> {
        Vec::new()
    }
}
