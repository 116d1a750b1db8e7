//! From a command line to an exit status: reads it, plans it, carries it out. It knows every room and does the work of
//! none.

mod going;
mod waiting;

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::panic::PanicHookInfo;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::cli::{self, Typed};
use crate::exit::{Failure, Status};
use crate::handler::Variable;
use crate::handler::command::Roster;
use crate::net::activation;
use crate::net::endpoint::Site;
use crate::plan::{self, Conversation, Plan};
use crate::relay::Deadline;
use crate::serve::signals::{Hearing, Signals};
use crate::session::Terms;
use crate::session::register::Register;
use crate::sys::{self, Manner};
use crate::trace::{self, Event, Hexdump, Log, Place, Progress, reason};

/// What a command of a one-shot conversation has between TERM and KILL.
const COMMAND_GRACE: Duration = Duration::from_secs(1);

/// Carries out a command line, the program's name first, and tells how the process is to end.
pub fn run(line: &[OsString]) -> Status {
    // Descriptors 0, 1 and 2 must be somebody's before anything is opened.
    if sys::open_standard().is_err() {
        return Status::Failure;
    }
    let log = Log::default();
    let command = match cli::read(line) {
        Typed::Command(command) => *command,
        Typed::Print(text) => return print(&text, &log),
        Typed::Brief => {
            trace::tell(cli::BRIEF);
            return Status::Usage;
        }
        Typed::Refuse(sentence) => {
            log.say(&Event::Failure(&sentence));
            return Status::Usage;
        }
    };
    let planned = plan::plan(command).and_then(|plan| Ok((open_log(&plan)?, plan)));
    let (log, done) = match planned {
        Err(e) => (log, Err(e)),
        Ok((log, plan)) => {
            let said = log.clone();
            std::panic::set_hook(Box::new(move |bug| say_bug(bug, &said)));
            let done = match plan {
                Plan::Listen(plan) => waiting::listen(*plan, &log),
                Plan::Connect(plan) => going::connect(*plan, &log),
                Plan::Check(checks) => going::check(&checks, &log),
            };
            (log, done)
        }
    };
    done.unwrap_or_else(|e| {
        let status = Failure::status(&e);
        log.say(&Event::GivenUp { why: &e.to_string(), status: status.code() });
        status
    })
}

/// Opens what fincat is to say its sentences to, before anything else takes the number of a descriptor that was named.
fn open_log(plan: &Plan) -> Result<Log> {
    let saying = plan.saying();
    let to = match &saying.to {
        None => None,
        Some(Place::Descriptor(fd)) if plan.takes_over(*fd) => return Err(taken_over("--log-fd", *fd)),
        Some(Place::Descriptor(fd)) => {
            let unfit = |_| Failure::error(Status::Usage, format!("--log-fd {fd} is not open for writing"));
            Some(sys::adopt(*fd).map_err(unfit)?.into())
        }
        Some(Place::File(path)) => {
            let cannot = |e| format!("cannot write {}: {}", path.display(), reason(&e));
            let file = File::options().append(true).create(true).open(path);
            Some(file.map_err(|e| Failure::error(Status::Failure, cannot(e)))?)
        }
    };
    let log = Log::new(saying, to);
    Ok(if let Plan::Connect(plan) = plan { going::named(plan, &log) } else { log })
}

/// A descriptor that was named for something else is one of the activated sockets.
fn taken_over(option: &str, fd: i32) -> anyhow::Error {
    Failure::error(Status::Usage, format!("{option} {fd} is one of the activated sockets"))
}

/// Says a bug of ours in one line, while nobody has said where else to say it.
pub fn confess(bug: &PanicHookInfo<'_>) {
    say_bug(bug, &Log::default());
}

/// Says a bug of ours in one line. In a server it costs one conversation.
fn say_bug(bug: &PanicHookInfo<'_>, log: &Log) {
    let at = bug.location().map(ToString::to_string).unwrap_or_default();
    log.say(&Event::Failure(&format!("cannot go on: a bug at {at}: please report it")));
}

impl Plan {
    /// Whether this descriptor is one of the sockets that were bound for us.
    fn takes_over(&self, fd: i32) -> bool {
        matches!(self, Plan::Listen(plan) if matches!(plan.site, Site::Activated(_))) && activation::is_announced(fd)
    }
}

fn print(text: &str, log: &Log) -> Status {
    let mut rest = text.as_bytes();
    while !rest.is_empty() {
        match sys::write(sys::stdout(), Manner::Plain, rest) {
            Ok(n) => rest = &rest[n..],
            Err(e) if e.kind() == io::ErrorKind::BrokenPipe => return Status::Signal(sys::Signal::PIPE.as_raw()),
            Err(e) => {
                log.say(&Event::Failure(&format!("cannot write standard output: {}", reason(&e))));
                return Status::Failure;
            }
        }
    }
    Status::Order
}

impl Conversation {
    /// What its conversations have in common. Their needs are looked at first.
    fn terms(mut self, command_grace: Duration, changed: &[Variable], log: &Log) -> Result<Terms> {
        self.task.prepare(changed, log)?;
        let log = log.clone();
        let Self { task, closing, letters, deadline, copies, progress, .. } = self;
        let dump = self.hexdump.as_deref().map(|file| {
            let cannot =
                |e| Failure::error(Status::Failure, format!("cannot write {}: {}", file.display(), reason(&e)));
            Hexdump::create(file, &log).map_err(cannot)
        });
        let (roster, register, dump) = (Roster::default(), Register::default(), dump.transpose()?);
        if progress && !Progress::can_be_shown() {
            log.say(&Event::Option("standard error is no terminal: --progress shows nothing"));
        }
        let hangup_grace = None;
        Ok(Terms {
            task,
            closing,
            letters,
            deadline,
            copies,
            command_grace,
            hangup_grace,
            roster,
            register,
            dump,
            progress,
            log,
        })
    }
}

/// The signals, which are heard from now on: what may block without looking for them has been opened before. With that
/// the start is over: what a server and its conversations write is allocated from here on, and lies together.
fn signals(hearing: Hearing) -> Result<Box<Signals>> {
    let signals = Signals::new(hearing)
        .map_err(|e| Failure::error(Status::Failure, format!("cannot listen for signals: {}", reason(&e))))?;
    sys::heap::settle();
    Ok(Box::new(signals))
}

fn stopped(signals: &Signals) -> Status {
    signals.received().map_or(Status::Failure, Status::Signal)
}

fn from_now(asked: Option<Duration>) -> Option<Deadline> {
    let asked = asked?;
    Some(Deadline { at: Instant::now().checked_add(asked)?, asked })
}

/// A time to get to a peer, or for one to come, and the option that gave it.
#[derive(Clone, Copy)]
struct Bound {
    at: Instant,
    asked: Duration,
    option: &'static str,
}

/// The sooner of `-w` and `--deadline`.
fn bound(within: Option<Duration>, deadline: Option<Deadline>) -> Option<Bound> {
    let named = |option| move |Deadline { at, asked }| Bound { at, asked, option };
    let bounds = [from_now(within).map(named("-w")), deadline.map(named("--deadline"))];
    bounds.into_iter().flatten().min_by_key(|bound| bound.at)
}
