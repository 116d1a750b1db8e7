//! Forwarding: each conversation is joined to another peer, of any transport, end to end. It connects and wires; what
//! an end on one side means for the other is the relay's, as everywhere.

use std::cell::OnceCell;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::{Circumstances, Partner, Wiring, reach, stages};
use crate::net::connection::Connection;
use crate::net::dial;
use crate::net::endpoint::Endpoint;
use crate::net::options::Dialing;
use crate::net::resolve::Resolving;
use crate::relay::Flows;
use crate::relay::closing::{Closing, Input};
use crate::sys;
use crate::trace::{About, Leg};

/// Silence after which one who has an end takes one who has none for finished.
const SILENCE: Duration = Duration::from_secs(1);

/// Where to forward to.
#[derive(Clone, Debug)]
pub struct Forward {
    /// The other peer.
    pub to: Endpoint,
    /// How its name is resolved.
    pub resolving: Resolving,
    /// How long it may take to get there.
    pub within: Option<Duration>,
}

impl Forward {
    /// Connects to the other peer, kept in `upstream`, and joins the two.
    #[inline(never)] // Its frame is no other task's: what a stack has not touched, it does not have.
    pub(super) fn wire<'a>(
        &'a self,
        partner: &Partner<'a>,
        upstream: &'a OnceCell<Connection>,
        with: &Circumstances<'_>,
    ) -> Result<Wiring<'a>> {
        let (closing, peer) = (with.closing, partner.peer);
        let within = self.within.and_then(|within| Instant::now().checked_add(within));
        let until = [with.until, within].into_iter().flatten().min();
        let log = with.log.about(|| About {
            id: peer.id,
            transport: self.to.transport.word(),
            local: None,
            peer: self.to.to_string(),
        });
        let dialed = stages::draw(&log, Leg::Upstream, peer.since, |watcher| {
            dial::dial(&self.to, self.resolving, &Dialing::default(), until, with.bells, watcher)
        });
        let dialed = dialed.map_err(|why| {
            let bound = self.within.map(|within| (within, "-w"));
            reach::failure("forward to", &self.to, &why, bound)
        })?;
        let other = upstream.get_or_init(|| dialed);
        for socket in [partner.peer.as_fd(), other.as_fd()] {
            // Refused where the socket knows no keepalive; there a peer that is gone shows by itself.
            let _ = sys::keep_alive(socket);
        }
        let (here, there) = (partner.peer.transport.has_ends(), other.transport.has_ends());
        let closing = Closing {
            input_quit_after: (!there).then_some(SILENCE),
            quit_after: closing.quit_after.or((!here).then_some(SILENCE)),
            ..closing
        };
        let outgoing = Some(partner.speak(other.source().named("the upstream")));
        let incoming = Some(partner.hear(other.sink().upstream()));
        Ok(Wiring::flows(Flows { outgoing, incoming }, closing, Input::Finite))
    }
}
