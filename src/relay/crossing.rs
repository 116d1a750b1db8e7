//! Two peers joined: what it means for the one that the other breaks off. RST on one side becomes RST on the other, after
//! what had arrived before it was delivered. A unix socket knows no RST: its other end reads ECONNRESET where something of
//! its own was left unread, and else an end. It connects nobody.

use std::io;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use super::closing::Side;
use super::end::Reader;
use super::flow::{Flow, State};
use super::outcome::Ending;
use super::teardown::Patience;
use super::witness::Witness;
use super::{PROBE_EVERY, PROBES, Phase, Relay};
use crate::sys::{self, PollFlags, passage};
use crate::trace::Step;

/// How long somebody may take nothing of what one who is gone has left for it.
const STALLED: Duration = Duration::from_secs(10);

/// How long it may acknowledge nothing of what has been sent to it, before it is reset all the same.
const SILENCE: Duration = Duration::from_secs(3);

/// How long acknowledging may take in all.
const LONGEST: Duration = Duration::from_secs(30);

/// Between two looks at what is acknowledged, which wakes no poll(2).
const LOOK: Duration = Duration::from_millis(5);

/// The one whom we forward to.
#[derive(Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is something that has been seen, or has not")]
pub(super) struct Beyond<'a> {
    pub(super) socket: BorrowedFd<'a>,
    pub(super) witness: Option<Witness>,
    /// It is gone altogether, and something that the peer said did not reach it.
    gone: bool,
    /// The peer is gone altogether, not only at its end.
    cut: bool,
    /// The same, seen while what it has left is being delivered: it need not be watched any more;
    left: bool,
    /// and that was no end in order, which may be slow.
    broken: bool,
}

/// Somebody is to be reset, once it has got what was sent to it.
#[derive(Debug)]
pub(super) struct Crossing {
    whom: Side,
    outstanding: u64,
    since: Instant,
    longest: Instant,
}

impl Crossing {
    fn begin(whom: Side) -> Self {
        let now = Instant::now();
        Self { whom, outstanding: u64::MAX, since: now, longest: now + LONGEST }
    }

    /// It is to be over now.
    pub(super) fn hasten(&mut self) {
        self.longest = Instant::now();
    }

    /// When to look again.
    pub(super) fn until() -> Instant {
        Instant::now() + LOOK
    }

    /// Whether the socket has got everything, or will not.
    fn is_over(&mut self, socket: BorrowedFd<'_>) -> bool {
        let now = Instant::now();
        let before = std::mem::replace(&mut self.outstanding, sys::unacknowledged(socket));
        if self.outstanding < before {
            self.since = now;
        }
        let gone = sys::ready(socket, PollFlags::empty()).intersects(PollFlags::ERR | PollFlags::HUP);
        self.outstanding == 0 || gone || now >= self.longest.min(self.since + SILENCE)
    }
}

impl<'a> Relay<'a> {
    /// It is joined to one whom we forward to; perhaps somebody sees the steps of that one.
    pub fn join(&mut self, socket: BorrowedFd<'a>, witness: Option<Witness>) {
        self.flows.each_mut().for_each(Flow::time);
        let (gone, cut, left, broken) = (false, false, false, false);
        self.beyond = Some(Box::new(Beyond { socket, witness, gone, cut, left, broken }));
    }

    /// Whose break it is, if this ending breaks a conversation that is joined: whom it crosses to.
    pub(super) fn crosses(&self, ending: &Ending) -> Option<Crossing> {
        let beyond = self.beyond.as_deref()?;
        let whom = match ending {
            Ending::Upstream(_) => Side::Peer,
            ending if ending.is_a_loss() || beyond.cut => Side::We,
            _ => return None,
        };
        Some(Crossing::begin(whom))
    }

    /// Resets whoever is to be reset, if it has got what was sent to it.
    pub(super) fn look_at_the_crossing(&mut self) {
        let (peer, beyond) = (self.peer, self.beyond.as_deref().map(|beyond| beyond.socket));
        let Phase::Crossing(_, crossing) = &mut self.phase else { return };
        let whom = crossing.whom;
        let socket = if whom == Side::Peer { peer } else { beyond.unwrap_or(peer) };
        if !crossing.is_over(socket) {
            return;
        }
        // The owner's close does the rest.
        let _ = sys::abort_on_close(socket);
        let see = |witness: &mut Witness, socket: BorrowedFd<'_>| witness.fail(socket, Step::OurReset);
        match whom {
            _ if !passage::is_tcp(socket) => {}
            Side::Peer => self.show(see),
            Side::We => self.show_beyond(see),
        }
        let ending = self.take_ending();
        self.phase = Phase::Over(ending);
    }

    /// Nothing more can be said to the one beyond, perhaps: whether it is gone, and something was lost by that.
    pub(super) fn look_beyond(&mut self) {
        let Some(flow) = self.flows.incoming.as_ref().filter(|flow| flow.is_lost()) else { return };
        let Some(beyond) = self.beyond.as_deref_mut().filter(|beyond| !beyond.gone) else { return };
        let under_way = passage::is_tcp(beyond.socket) && sys::unacknowledged(beyond.socket) > 0;
        let Some(why) = flow.refused().or(under_way.then_some(io::ErrorKind::BrokenPipe)) else { return };
        // One who only listens no more may still have something to say.
        let hung_up = sys::ready(beyond.socket, PollFlags::empty()).contains(PollFlags::HUP);
        beyond.gone = hung_up || why == io::ErrorKind::ConnectionRefused;
        if why == io::ErrorKind::ConnectionRefused {
            // Nothing will tell of an end: what has come already is all there is.
            self.advance(Side::We, true);
            self.upstream_broken(why.into());
        }
    }

    /// How it ends now that neither direction leads anywhere: in order, unless the one beyond has broken it off.
    pub(super) fn end_beyond(&mut self) {
        if self.has_lost_upstream() {
            return self.upstream_broken(io::ErrorKind::ConnectionReset.into());
        }
        self.end(Ending::Order, Patience::Full);
    }

    /// The peer, which is heard out, has said something to one beyond who is gone: it is to know.
    pub(super) fn look_at_the_unheard(&mut self) {
        let lost = self.beyond.is_some() && self.flows.incoming.as_ref().is_some_and(Flow::is_lost);
        if let Phase::Closing(Ending::Order, teardown) = &self.phase
            && lost
            && teardown.has_dropped()
        {
            let broken = Ending::Upstream(Box::new(Ending::Reset));
            self.phase = Phase::Crossing(broken, Crossing::begin(Side::Peer));
        }
    }

    /// Whether the one beyond is gone, and had not heard the peer out.
    pub(super) fn has_lost_upstream(&self) -> bool {
        self.beyond.as_deref().is_some_and(|beyond| beyond.gone)
    }

    /// The one beyond has broken it off; all that it had said before is on its way to the peer.
    pub(super) fn upstream_broken(&mut self, error: io::Error) {
        self.show_beyond(|witness, upstream| witness.broken(upstream, &error));
        self.end(Ending::Upstream(Box::new(Ending::of_peer(error, true))), Patience::Brief);
    }

    /// The peer is gone altogether, which is no end in order.
    pub(super) fn peer_cut(&mut self) {
        if let Some(beyond) = &mut self.beyond {
            beyond.cut = true;
        }
    }

    /// The one beyond has finished: if it is gone altogether, that will show.
    pub(super) fn probe_beyond(&self) {
        if let Some(beyond) = &self.beyond {
            // Refused where the socket knows no keepalive; there one who is gone shows at once.
            let _ = sys::probe(beyond.socket, PROBE_EVERY, PROBES);
        }
    }

    /// Whether the peer's loss is to be noticed while what it said is still being delivered.
    pub(super) fn watches_the_peer(&self) -> bool {
        self.delivers() && self.beyond.as_deref().is_some_and(|beyond| !beyond.left)
    }

    fn delivers(&self) -> bool {
        let to_upstream = |flow: &Flow<'_>| flow.state() == State::Draining && flow.reader() == Reader::Upstream;
        self.flows.incoming.as_ref().is_some_and(to_upstream)
    }

    /// The peer's socket shows an error or a hang-up while what it said is still being delivered.
    pub(super) fn peer_left(&mut self, broken: bool) {
        if let Some(beyond) = &mut self.beyond {
            (beyond.left, beyond.broken) = (true, broken);
        }
    }

    /// When nobody waits any longer for the one beyond to take what a peer who broke off has left for it.
    pub(super) fn stalls_at(&self) -> Option<Instant> {
        let left = self.broken.is_some() || self.beyond.as_deref()?.broken;
        let moved = self.flows.incoming.as_ref().and_then(Flow::last_moved).filter(|_| left && self.delivers())?;
        moved.checked_add(STALLED)
    }

    /// Gives it up, if it is time.
    pub(super) fn look_at_the_stall(&mut self) {
        if self.is_deciding() && self.stalls_at().is_some_and(|at| Instant::now() >= at) {
            let error = self.broken.take().unwrap_or_else(|| io::ErrorKind::ConnectionReset.into());
            self.end(Ending::of_peer(error, true), Patience::Brief);
        }
    }
}
