//! Standard input and output shared among peers: who hears whom, what waits for each, and who has to wait. It reads
//! and writes no descriptor: the bytes come and go by the flows of those who take part.
//!
//! In reading order: `ear` (what waits for one), `company` (who hears whom), this file (the same for many threads), `seat`
//! (the ends of flows), `house` (standard input and output).
//!
//! Those who take part are the *house*, which is standard input and output, and the peers. Each has an ear, a queue of
//! what is on its way to it, and a voice. How a byte moves:
//!
//! ```text
//! standard input ─► Flow ─► Inlet ─┐                ┌─► Outlet ─► Flow ─► a peer's socket
//! a peer's socket ─► Flow ─► Inlet ┴─► Hub: queues ─┴─► Outlet ─► Flow ─► standard output
//! ```
//!
//! Each conversation is a relay like any other, whose outgoing flow has an outlet for its source and whose incoming one
//! has an inlet for its sink; so every rule of its end holds unchanged. The house's two flows are run by `house`.
//!
//! * A chunk is what one write brought: a whole read, or whole lines. It is copied once and kept by reference in
//!   every queue, and what one write brought stays together. Chunks are handed out under one lock, so all who hear
//!   them hear them in the same order.
//! * A speaker that must wait finds its turnstile shut; a listener polls its bell, which has rung if anything waits.
//!   Bells are rung after the lock is let go. A ring may be one too many, never one too few: a listener silences its
//!   bell under the lock, when it has seen that nothing is left.
//! * Whoever will not hear what it is sent (its conversation is being closed) gives up its ear first: nobody waits for
//!   it, and nothing is kept for it.

mod company;
mod ear;
pub mod house;
pub mod seat;

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use self::company::Sharing;
use self::company::{Company, HOUSE, Heard, Taken};
use self::ear::{Chunk, Ear};
use self::seat::{Inlet, Outlet};
use crate::sys::bell::{Bell, Turnstile};
use crate::trace::Log;

/// Where the house and the peers meet.
#[derive(Clone, Debug)]
pub struct Hub(Arc<Hall>);

#[derive(Debug)]
struct Hall {
    sharing: Sharing,
    /// Chunks are whole lines.
    lines: bool,
    company: Mutex<Company>,
    house_bell: Arc<Bell>,
    /// Where the house waits to speak,
    to_peers: Turnstile,
    /// and where peers do; deserted when standard output is gone.
    to_house: Turnstile,
    output_gone: AtomicBool,
}

impl Hub {
    /// A hub to which nobody has come yet; `speaks` says whether standard input is read. With `lines`, what stays
    /// together is whole lines. With `patience`, who speaks waits for standard output even in a hub: it is a file, which
    /// takes everything in time. `log` is told what standard output loses.
    pub fn open(sharing: Sharing, lines: bool, speaks: bool, patience: bool, log: &Log) -> io::Result<Self> {
        let house = Ear::new("standard output", log, sharing.limit(patience))?;
        let house_bell = Arc::clone(&house.bell);
        let company = Mutex::new(Company::new(sharing, house, speaks));
        let (to_peers, to_house) = (Turnstile::new(false)?, Turnstile::new(true)?);
        let output_gone = AtomicBool::new(false);
        Ok(Self(Arc::new(Hall { sharing, lines, company, house_bell, to_peers, to_house, output_gone })))
    }

    /// The ends that standard output and standard input are wired to; to be asked for once.
    pub fn house(&self) -> (Outlet, Inlet) {
        let bell = Arc::clone(&self.0.house_bell);
        // What one peer said is not to be written together with what another one did.
        (Outlet::new(self.clone(), HOUSE, bell).apart(), Inlet::new(self.clone(), HOUSE))
    }

    /// Somebody has been admitted who will join, or give up.
    pub fn expect(&self) {
        self.lock().expect();
    }

    /// Somebody who was expected does not join.
    pub fn give_up(&self) {
        self.change(Company::give_up);
    }

    /// Nobody else is admitted: whoever has nobody left to hear is told so.
    pub fn close(&self) {
        self.change(Company::close);
    }

    /// A peer that was expected comes, to hear and to be heard. It leaves as its ends are dropped. Fails for want of a
    /// descriptor.
    pub fn join(&self, name: &str, log: &Log) -> io::Result<(Outlet, Inlet)> {
        let ear = Ear::new(name, log, self.0.sharing.limit(false))?;
        let bell = Arc::clone(&ear.bell);
        let number = {
            let mut company = self.lock();
            let number = company.join(ear);
            if company.has_news(number) {
                bell.ring();
            }
            self.let_pass(&company);
            number
        };
        Ok((Outlet::new(self.clone(), number, bell), Inlet::new(self.clone(), number)))
    }

    /// Standard output is gone: every peer that speaks to it learns of it.
    pub fn lose_output(&self) {
        self.0.output_gone.store(true, Ordering::SeqCst);
        self.0.to_house.desert();
    }

    /// Whether all speak to all, so that standard input is one voice of many.
    fn is_mutual(&self) -> bool {
        self.0.sharing != Sharing::FanOut
    }

    /// Whether chunks are whole lines.
    fn keeps_lines(&self) -> bool {
        self.0.lines
    }

    /// Whether a line that this speaker did not finish needs a newline, because others speak after it.
    fn ends_lines(&self, speaker: u64) -> bool {
        speaker != HOUSE || self.is_mutual()
    }

    /// Whether what standard input says would be heard now.
    fn hears_the_house(&self) -> bool {
        self.lock().has_room(HOUSE)
    }

    /// Readiness to write is room for what standard input says.
    fn house_entry(&self) -> BorrowedFd<'_> {
        self.0.to_peers.as_fd()
    }

    /// The same for whoever speaks; an error says that standard output is gone.
    fn entry(&self, speaker: u64) -> BorrowedFd<'_> {
        if speaker == HOUSE { self.house_entry() } else { self.0.to_house.as_fd() }
    }

    /// Hands a chunk to all who hear the speaker. `WouldBlock` where it has to wait, `BrokenPipe` where standard
    /// output is gone.
    fn hand_out(&self, speaker: u64, chunk: &Chunk) -> io::Result<()> {
        if speaker != HOUSE && self.0.output_gone.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let heard = {
            let mut company = self.lock();
            if !company.has_room(speaker) {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            let heard = company.hand_out(speaker, chunk);
            self.let_pass(&company);
            heard
        };
        awaken(&heard);
        Ok(())
    }

    /// What waits for a listener, about as many bytes as it has room for.
    fn take(&self, listener: u64, room: usize) -> Taken {
        let mut company = self.lock();
        let taken = company.take(listener, room);
        self.let_pass(&company);
        taken
    }

    /// A listener leaves, with what waits for it.
    fn leave(&self, listener: u64) -> Option<Ear> {
        self.change(|company| company.leave(listener))
    }

    /// A speaker has finished, with these last words perhaps, which do not wait.
    fn fall_silent(&self, speaker: u64, words: Option<&Chunk>) {
        let heard = self.change(|company| company.fall_silent(speaker, words));
        awaken(&heard);
    }

    /// Makes a change after which somebody may have nobody left to hear, or room again.
    fn change<T>(&self, change: impl FnOnce(&mut Company) -> T) -> T {
        let mut company = self.lock();
        let changed = change(&mut company);
        self.let_pass(&company);
        let done = company.done();
        drop(company);
        for bell in done {
            bell.ring();
        }
        changed
    }

    /// Opens and shuts the turnstiles.
    fn let_pass(&self, company: &Company) {
        self.0.to_peers.set(company.has_room(HOUSE));
        self.0.to_house.set(company.has_room(HOUSE + 1));
    }

    fn lock(&self) -> MutexGuard<'_, Company> {
        self.0.company.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn awaken(heard: &Heard) {
    heard.awakened.iter().for_each(|bell| bell.ring());
    heard.behind.iter().for_each(|owner| owner.fall_behind());
}
