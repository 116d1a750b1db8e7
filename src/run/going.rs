//! Going to a peer, as often as was asked for, and looking who is there. Whom and how is the plan's; the sockets are
//! the network's.

use std::io;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::{Bound, bound, from_now, signals, stopped};
use crate::check::{self, Checks, Verdict};
use crate::exit::{Failure, Status};
use crate::handler::builtin::Payload;
use crate::handler::stdio::Speaking;
use crate::handler::{Task, reach, stages};
use crate::net::calls::Calls;
use crate::net::dial::{self, Undialed};
use crate::net::endpoint::Endpoint;
use crate::plan::ConnectPlan;
use crate::relay::Deadline;
use crate::serve;
use crate::serve::notice::Notice;
use crate::serve::signals::Hearing;
use crate::sys::{self, PollFd, PollFlags};
use crate::trace::{About, Event, Leg, Log, reason, span};

/// How long `--fast-open` waits for something to put into the SYN.
const AT_HAND: Duration = Duration::from_millis(50);

/// The only conversation that there will be, which `log` is about.
pub(super) fn named(plan: &ConnectPlan, log: &Log) -> Log {
    let Endpoint { transport, .. } = plan.endpoint;
    log.about(|| About { id: 1, transport: transport.word(), local: None, peer: plan.endpoint.to_string() })
}

/// Goes to the peer and holds the one conversation.
pub(super) fn connect(mut plan: ConnectPlan, log: &Log) -> Result<Status> {
    let deadline = from_now(plan.conversation.deadline);
    if plan.options.settings.fast_open() && !has_data_at_hand(&plan.conversation.task) {
        plan.options.settings.forget_fast_open();
    }
    let ConnectPlan { endpoint, resolving, options, within, retry, conversation } = plan;
    let terms = conversation.terms(super::COMMAND_GRACE, &[], log)?;
    sys::seal_inherited();
    let signals = signals(Hearing::One)?;
    let mut tries = retry.begin(Instant::now());
    let (since, mut before) = (Instant::now(), None);
    if log.traces() {
        log.say(&Event::Heading);
    }
    let peer = loop {
        let whole = tries.bound().map(|(at, asked)| Bound { at, asked, option: "--retry-for" });
        let within = [bound(within, deadline), whole].into_iter().flatten().min_by_key(|bound| bound.at);
        let until = within.map(|within| within.at);
        let dialed = stages::draw(log, Leg::Peer, since, |watcher| {
            dial::dial(&endpoint, resolving, &options, until, Calls::of(&[signals.stop()]), watcher)
        });
        let why = match dialed {
            Ok(mut peer) => {
                peer.since = since;
                break peer;
            }
            Err(Undialed::Stopped) => return Ok(stopped(&signals)),
            Err(why) => why,
        };
        let bound = within.map(|within| (within.asked, within.option));
        let failure = reach::failure("connect to", &endpoint, &why, bound);
        let hopeless = matches!(why, Undialed::Unset(_));
        let Some(at) = tries.after(why.fate(), Instant::now()).filter(|_| !hopeless) else {
            return Err(reach::last_word(before, failure, bound));
        };
        let at = deadline.map_or(at, |deadline| deadline.at.min(at));
        let after = at.saturating_duration_since(Instant::now());
        terms.log.say(&Event::Again { why: &failure.to_string(), after });
        if rest(signals.stop(), at) {
            return Ok(stopped(&signals));
        }
        if let Some(Deadline { asked, .. }) = deadline.filter(|deadline| Instant::now() >= deadline.at) {
            let sentence = format!("{failure}; timed out after {} (--deadline)", span(asked));
            return Err(Failure::error(Status::TimedOut, sentence));
        }
        before = Some(failure);
    };
    let report = serve::alone((Box::new(peer), 1), &terms, deadline, &signals, &Notice::default());
    Ok(signals.received().map_or(report.status, Status::Signal))
}

/// Whether `stop` became readable before `at`.
fn rest(stop: BorrowedFd<'_>, at: Instant) -> bool {
    while Instant::now() < at {
        let mut fds = [PollFd::from_borrowed_fd(stop, PollFlags::IN)];
        if sys::poll(&mut fds, Some(at)).is_ok_and(|ready| ready > 0) {
            return true;
        }
    }
    false
}

/// Whether what we say first is there already, so that it can travel in the SYN: a SYN that waits for data which never
/// comes would never go.
fn has_data_at_hand(task: &Task) -> bool {
    match task {
        Task::Send(Payload::Text(text), _) => !text.is_empty(),
        Task::Send(Payload::File(path), _) => std::fs::metadata(path).is_ok_and(|file| file.len() > 0),
        Task::Stdio(stdio) if stdio.speaking != Speaking::No => {
            let mut fds = [PollFd::from_borrowed_fd(sys::stdin(), PollFlags::IN)];
            let spoken = sys::poll(&mut fds, Instant::now().checked_add(AT_HAND));
            spoken.is_ok() && sys::holds_data(sys::stdin())
        }
        _ => false,
    }
}

/// Looks who is there.
pub(super) fn check(checks: &Checks, log: &Log) -> Result<Status> {
    let signals = signals(Hearing::One)?;
    match check::check(checks, log, signals.stop()) {
        Verdict::Open => Ok(Status::Order),
        Verdict::Alike(fate) => Ok(reach::status(fate)),
        Verdict::Mixed => Ok(Status::Failure),
        Verdict::Stopped => Ok(stopped(&signals)),
        Verdict::Unread => Ok(Status::Signal(sys::Signal::PIPE.as_raw())),
        Verdict::Unwritten(e) => Err(unwritten(&e)),
        Verdict::Hopeless(why) => Err(reach::hopeless(&why)),
        Verdict::Uncounted(e) => Err(Failure::error(Status::Failure, format!("cannot begin: {}", reason(&e)))),
    }
}

fn unwritten(error: &io::Error) -> anyhow::Error {
    Failure::error(Status::Failure, format!("cannot write standard output: {}", reason(error)))
}
