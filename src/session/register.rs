//! The conversations under way in this process, for who asks (SIGUSR1). It holds none of them: it tells what it is told,
//! and what the kernel shows.

use std::fmt;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::net::address::Address;
use crate::net::connection::{Connection, Leash, Name};
use crate::relay::tally::Tally;
use crate::sys::states;
use crate::trace::{About, Event, Log};

/// The conversations under way.
#[derive(Clone, Default)]
pub struct Register(Arc<Entries>);

#[derive(Default)]
struct Entries {
    all: Mutex<Vec<Entry>>,
    next: AtomicU64,
}

struct Entry {
    key: u64,
    id: u64,
    transport: &'static str,
    local: Address,
    peer: Name,
    since: Instant,
    /// None where a command holds the socket.
    tally: Option<Arc<Tally>>,
    socket: Leash,
}

impl Register {
    /// Enters a conversation, which is in it for as long as the answer lives.
    #[must_use]
    pub(super) fn enter(&self, peer: &Connection, tally: Option<Arc<Tally>>) -> Entered {
        let key = self.0.next.fetch_add(1, Ordering::Relaxed);
        let (id, transport, since, socket) = (peer.id, peer.transport.word(), peer.since, peer.leash());
        let (local, name) = (peer.local.clone(), peer.name());
        let mut all = self.lock();
        if all.is_empty() {
            // A process of one conversation has room for one.
            all.reserve_exact(1);
        }
        all.push(Entry { key, id, transport, local, peer: name, since, tally, socket });
        Entered { register: self.clone(), key }
    }

    /// Says where each of them stands.
    pub fn tell(&self, log: &Log) {
        for entry in &*self.lock() {
            let Some(socket) = entry.socket.hold() else { continue };
            let info = states::info(socket.as_fd());
            let (sent, received) = match &entry.tally {
                Some(tally) => {
                    let (sent, received) = tally.read();
                    (Some(sent), Some(received))
                }
                None => (info.and_then(|info| info.sent), info.and_then(|info| info.received(false))),
            };
            let (local, peer) = (entry.local.to_string(), entry.peer.to_string());
            let log = log.naming(About { id: entry.id, transport: entry.transport, local: Some(local), peer });
            let state = info.map(|info| info.state.name());
            log.say(&Event::UnderWay { since: entry.since.elapsed(), sent, received, state });
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.0.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Register {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Register")
    }
}

/// A conversation's place in the register.
#[derive(Debug)]
pub(super) struct Entered {
    register: Register,
    key: u64,
}

impl Drop for Entered {
    fn drop(&mut self) {
        let mut all = self.register.lock();
        if let Some(at) = all.iter().position(|entry| entry.key == self.key) {
            all.swap_remove(at);
        }
    }
}
