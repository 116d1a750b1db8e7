//! One conversation, from its wiring to the teardown, and what is said of it. It knows neither listeners nor how many
//! others there are; who may call it off rings a bell.

mod absence;
mod attention;
mod ending;
pub(crate) mod errand;
pub mod host;
pub mod lent;
pub mod register;
mod shortage;

use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use self::absence::MOMENT;
use self::attention::Waited;
pub use self::attention::{Attention, Call, Watch};
use self::ending::{command_ended, failure, status_of, status_of_command, words};
use self::errand::{Errand, Verdict};
use self::lent::Lent;
use self::register::Register;
use self::shortage::Shortage;

use crate::exit::{Failure, Status};
use crate::handler::command::Roster;
use crate::handler::forward::Onward;
use crate::handler::{self, Called, Circumstances, Letters, Task, Wiring};
use crate::net::connection::Connection;
pub use crate::relay::Deadline;
use crate::relay::closing::{Closing, Side};
use crate::relay::outcome::{Ending, Outcome};
use crate::relay::tally::Tally;
use crate::relay::witness::{Beginning, Witness};
use crate::relay::{Flows, Relay, Turn};
use crate::sys::process::Ended;
use crate::trace::{About, Event, Hexdump, Leg, Level, Log, Progress};

/// What all conversations of a process have in common.
#[derive(Debug)]
pub struct Terms {
    /// What they are for.
    pub task: Task,
    /// How they end.
    pub closing: Closing,
    /// How datagrams are cut, counted and ended.
    pub letters: Letters,
    /// How long each may last.
    pub deadline: Option<Duration>,
    /// Their bytes are copied, whatever the kernel could do with them.
    pub copies: bool,
    /// What a command has between TERM and KILL when its conversation is called off.
    pub command_grace: Duration,
    /// What a command has between HUP and TERM when its client is gone; None where it is left to itself.
    pub hangup_grace: Option<Duration>,
    /// The commands under way.
    pub roster: Roster,
    /// The conversations under way.
    pub register: Register,
    /// Who is told every byte.
    pub dump: Option<Hexdump>,
    /// How far the conversation is, is shown.
    pub progress: bool,
    /// Where it is said.
    pub log: Log,
}

impl Terms {
    /// Knows of no command and no conversation: in a new process; and where a server begins, so that what it writes lies
    /// together.
    pub fn begin_anew(&mut self) {
        (self.roster, self.register) = (Roster::default(), Register::default());
    }

    fn circumstances<'c>(
        &'c self,
        number: usize,
        deadline: Option<Deadline>,
        watch: &'c Watch<'c>,
        log: &'c Log,
    ) -> Circumstances<'c> {
        let (closing, letters, roster) = (self.closing, self.letters.clone(), &self.roster);
        let Watch { bells, until } = watch;
        Circumstances { closing, letters, number, roster, log, deadline, bells, until: *until }
    }
}

/// What the owner of a conversation learns of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// The exit status, if this was the only conversation.
    pub status: Status,
    /// Standard output's reader is gone.
    pub output_gone: bool,
}

impl Report {
    fn of(status: Status) -> Self {
        Self { status, output_gone: false }
    }
}

/// Holds one conversation and closes its socket. `number` is what a command is told of it.
pub fn converse(
    peer: Box<Connection>,
    terms: &Terms,
    number: usize,
    deadline: Option<Deadline>,
    attention: &mut Attention<'_, '_>,
) -> Report {
    if terms.task.lends_the_socket() {
        return lend(peer, terms, number, deadline, attention);
    }
    let name = peer.name();
    let log = terms.log.about(|| about(&peer));
    say_opened(&peer, &log);
    let witness = witness(&log, &peer, Leg::Peer);
    let (started, onward) = (begun(&log), Onward::default());
    let meeting = Meeting { peer: &peer, onward: &onward, terms, number, deadline, log: &log };
    match meeting.wire(attention) {
        Ok(Wiring::Flows { flows, closing, command }) => {
            let mut errand = command.map(|command| Errand::new(command, deadline, terms));
            let outcome = meeting.talk((flows, closing), errand.as_mut(), witness, attention);
            // The socket first: whoever reads that it is over may begin anew at once.
            drop(peer);
            if let Some(sentence) = failure(&outcome.ending, &name) {
                log.say(&Event::Failure(&sentence));
            }
            let report = settle(&outcome, errand, &log, attention);
            say_closed(&outcome, report.status, &log, started);
            report
        }
        Ok(Wiring::Lent(_)) => Report::of(Status::Failure),
        Err(e) => {
            host::give_up(terms);
            give_up(&e, &log, started)
        }
    }
}

/// A conversation with a peer that has come. What is done with it has frames of its own, one after the other: what a
/// stack has not touched, a forked process does not copy.
struct Meeting<'m> {
    peer: &'m Connection,
    onward: &'m Onward,
    terms: &'m Terms,
    number: usize,
    deadline: Option<Deadline>,
    log: &'m Log,
}

impl<'m> Meeting<'m> {
    /// The handler wires the conversation, as often as it takes until nothing is lacking.
    #[inline(never)]
    fn wire(&self, attention: &mut Attention<'_, '_>) -> anyhow::Result<Wiring<'m>> {
        let mut shortage = Shortage::default();
        loop {
            let with = self.terms.circumstances(self.number, self.deadline, &attention.watch, self.log);
            match handler::wire(&self.terms.task, self.peer, self.onward, &with) {
                Err(e) if e.is::<Called>() && attention.ask() == Call::GoOn => {}
                Err(e) if shortage.may_end(&e, attention, self.log) => {}
                other => return other,
            }
        }
    }

    /// The relay moves its bytes until the end.
    #[inline(never)]
    fn talk(
        &self,
        (mut flows, closing): (Box<Flows<'m>>, Closing),
        errand: Option<&mut Errand>,
        witness: Option<Witness>,
        attention: &mut Attention<'_, '_>,
    ) -> Outcome {
        let Self { peer, terms, log, .. } = *self;
        if terms.copies {
            flows.copy();
        }
        if let Some(dump) = &terms.dump {
            flows.dump(dump, peer.id);
        }
        let tally = Arc::<Tally>::default();
        let _entered = terms.register.enter(peer, Some(Arc::clone(&tally)));
        let mut relay = Relay::new(peer.as_fd(), flows, closing, self.deadline, log);
        relay.count_in(tally);
        relay.note(peer.slot.clone());
        relay.attest(witness);
        if let Some(other) = self.onward.reached() {
            relay.join(other.as_fd(), witness_beyond(log, peer, other));
        }
        relay.show_progress(terms.progress.then(|| Progress::begin(terms.task.size())).flatten());
        if peer.accepted && !peer.transport.keeps_boundaries() {
            relay.hear_first();
        }
        carry(&mut relay, errand, attention)
    }
}

/// A peer whose command cannot be started: its conversation is over before it began.
pub fn not_begun((peer, why): (Box<Connection>, anyhow::Error), log: &Log) -> Report {
    let log = log.about(|| about(&peer));
    say_opened(&peer, &log);
    give_up(&why, &log, begun(&log))
}

/// The same where it was told that it has begun.
#[inline(never)] // As the above.
fn give_up(why: &anyhow::Error, log: &Log, begun: Option<Instant>) -> Report {
    let (sentence, status) = (why.to_string(), Failure::status(why));
    log.say(&Event::Failure(&sentence));
    if let Some(begun) = begun {
        let (sent, received, took) = (Some(0), Some(0), begun.elapsed());
        let (first, how) = (Some(Side::We.word()), "it could not begin");
        log.say(&Event::Closed { first, ending: "failure", how, status: status.code(), sent, received, took });
    }
    Report::of(status)
}

/// Somebody who sees the steps of a conversation with `other`, if that was asked for.
fn witness(log: &Log, other: &Connection, leg: Leg) -> Option<Witness> {
    let Connection { since, accepted, handshake, .. } = *other;
    Witness::of(log, other.as_fd(), Beginning { leg, since, accepted, handshake })
}

/// The same for the one whom we forward to; time is counted from the peer's beginning.
#[inline(never)] // As the above.
fn witness_beyond(log: &Log, peer: &Connection, other: &Connection) -> Option<Witness> {
    let log = log.about(|| About { id: peer.id, ..about(other) });
    let Connection { accepted, handshake, .. } = *other;
    let beginning = Beginning { leg: Leg::Upstream, since: peer.since, accepted, handshake };
    Witness::of(&log, other.as_fd(), beginning)
}

/// A command holds the socket.
#[inline(never)] // The frame of those who do something else stays small.
fn lend(
    mut peer: Box<Connection>,
    terms: &Terms,
    number: usize,
    deadline: Option<Deadline>,
    attention: &mut Attention<'_, '_>,
) -> Report {
    let mut shortage = Shortage::default();
    loop {
        match Lent::start(peer, terms, number, deadline) {
            Ok(lent) => return see_through(lent, attention),
            Err(back) if shortage.may_end(&back.1, attention, &terms.log) => peer = back.0,
            Err(back) => return not_begun(back, &terms.log),
        }
    }
}

fn see_through(mut lent: Lent, attention: &mut Attention<'_, '_>) -> Report {
    let mut ready = false;
    loop {
        if let Some(report) = lent.step(ready) {
            return report;
        }
        ready = false;
        match attention.wait(lent.awaited(), lent.watched(), lent.until()) {
            Waited::Ready => ready = true,
            Waited::Lost => lent.note_loss(),
            Waited::Call(Call::End) => lent.call_off(),
            Waited::Call(Call::GoOn) | Waited::Time => {}
        }
    }
}

/// The relay moves the bytes, to and from the descriptors that the handler has wired, until the end.
fn carry(relay: &mut Relay<'_>, mut errand: Option<&mut Errand>, attention: &mut Attention<'_, '_>) -> Outcome {
    // A command that is called off has its grace, and what it says in that time is heard.
    let mut last_word: Option<Instant> = None;
    loop {
        let until = [attention.watch.until, last_word].into_iter().flatten().min();
        let turn = match errand.as_deref().and_then(Errand::awaited) {
            Some(end) => relay.run(&[&attention.watch.bells[..], &[end]].concat(), until),
            None => relay.run(&attention.watch.bells, until),
        };
        match turn {
            Turn::Ended(outcome) => return outcome,
            // Its data first, which may be all. A command that ends long before its data does is no zombie meanwhile.
            Turn::Called if errand.as_deref().is_some_and(Errand::has_ended) => {
                if let Turn::Ended(outcome) = relay.run(&[], Some(Instant::now())) {
                    return outcome;
                }
                if let Some(errand) = &mut errand {
                    errand.reap();
                }
            }
            Turn::Called if last_word.is_some_and(|at| Instant::now() >= at) => relay.call_off(),
            Turn::Called if attention.ask() == Call::End => match &mut errand {
                Some(errand) if last_word.is_none() => last_word = Some(errand.hasten(Verdict::CalledOff)),
                _ => relay.call_off(),
            },
            Turn::Called => {}
        }
    }
}

/// What became of a conversation whose bytes have been moved, and of its command, if it had one.
#[inline(never)] // As the above.
fn settle(outcome: &Outcome, errand: Option<Errand>, log: &Log, attention: &mut Attention<'_, '_>) -> Report {
    let status = match status_of(&outcome.ending) {
        // Everything else went well, but not everything was sent.
        Status::Order if outcome.oversized > 0 => Status::Failure,
        Status::Order if outcome.confirmed.is_some_and(|known| !known.holds()) => Status::Failure,
        status => status,
    };
    if let Some(known) = outcome.confirmed {
        log.say(&Event::Confirmed(known));
    }
    let output_gone = matches!(outcome.ending, Ending::OutputGone { .. });
    let Some(mut errand) = errand else { return Report { status, output_gone } };
    // The pipes are closed; a command that runs on is waited for, unless its client is gone or its conversation went
    // wrong.
    match &outcome.ending {
        _ if status == Status::Order => errand.hang_up(Instant::now() + MOMENT),
        // What had arrived is in its pipe, or in its hands.
        ending if ending.is_a_loss() => errand.give_up(Instant::now() + MOMENT),
        _ => drop(errand.hasten(Verdict::CalledOff)),
    }
    let own = await_end(errand, log, attention).unwrap_or_else(|e| {
        log.say(&Event::Failure(&e.to_string()));
        Failure::status(&e)
    });
    Report { status: if status == Status::Order { own } else { status }, output_gone }
}

fn await_end(mut errand: Errand, log: &Log, attention: &mut Attention<'_, '_>) -> anyhow::Result<Status> {
    while let Some(end) = errand.awaited() {
        match attention.wait(end, None, errand.until()) {
            Waited::Ready | Waited::Lost => break,
            Waited::Call(Call::End) => {
                errand.hasten(Verdict::CalledOff);
            }
            Waited::Call(Call::GoOn) | Waited::Time => {}
        }
        say_urged(errand.tick(), log);
    }
    let verdict = errand.verdict;
    let ended = errand.end();
    if let Some(&ended) = ended.as_ref().ok().filter(|_| log.wants(Level::Conversations)) {
        log.say(&Event::CommandEnded { how: &command_ended(ended), well: ended == Ended::Exited(0) });
    }
    if verdict == Verdict::TimedOut { Ok(Status::TimedOut) } else { ended.map(status_of_command) }
}

#[inline(never)] // As the above.
fn say_opened(peer: &Connection, log: &Log) {
    if log.wants(Level::Conversations) {
        let via = peer.via.as_ref().map(ToString::to_string);
        log.say(&Event::Opened { local: &peer.local_name(), accepted: peer.accepted, via: via.as_deref() });
    }
}

/// What a log says of a conversation on every line.
fn about(peer: &Connection) -> About {
    let (local, name) = (peer.local.to_string(), peer.name().to_string());
    About { id: peer.id, transport: peer.transport.word(), local: Some(local), peer: name }
}

/// When a conversation begins, if it will be said how long it took.
fn begun(log: &Log) -> Option<Instant> {
    log.wants(Level::Conversations).then(Instant::now)
}

fn say_urged(signal: Option<&'static str>, log: &Log) {
    if let Some(signal) = signal {
        log.say(&Event::Urged { signal });
    }
}

#[inline(never)] // As the above.
fn say_closed(outcome: &Outcome, status: Status, log: &Log, begun: Option<Instant>) {
    if let Some(begun) = begun {
        log.say(&Event::Closed {
            first: outcome.closed_first.map(Side::word),
            ending: outcome.ending.word(),
            how: &words(&outcome.ending),
            status: status.code(),
            sent: Some(outcome.sent),
            received: Some(outcome.received),
            took: begun.elapsed(),
        });
    }
}
