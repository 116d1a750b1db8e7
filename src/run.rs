//! From a command line to an exit status: reads it, plans it, carries it out. It knows every room and does the work of
//! none.

mod going;

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::panic::PanicHookInfo;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::cli::{self, Typed};
use crate::exit::{Failure, Status};
use crate::handler::command::Roster;
use crate::handler::reach;
use crate::net::endpoint::Endpoint;
use crate::net::listen::{self, Listener, Unbound};
use crate::plan::{self, Conversation, ListenPlan, Plan};
use crate::relay::Deadline;
use crate::serve::admission::Admission;
use crate::serve::fork::Forks;
use crate::serve::ready::Readiness;
use crate::serve::signals::{Hearing, Signals};
use crate::serve::single::Single;
use crate::serve::stopping::Stopping;
use crate::serve::thread::Threads;
use crate::serve::{self, Duty, Front, Keep, Mode, Server};
use crate::session::Terms;
use crate::session::register::Register;
use crate::sys::{self, Manner, process};
use crate::trace::{self, Event, Hexdump, Level, Log, Place, Progress, Saying, reason, span};

/// What a command of a one-shot conversation has between TERM and KILL.
const COMMAND_GRACE: Duration = Duration::from_secs(1);

/// Descriptors that are left free for what a moment needs: a listener's, a name's, a message's.
const SPARE: u64 = 2;

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
    let planned = plan::plan(command).and_then(|plan| Ok((open_log(plan.saying())?, plan)));
    let (log, done) = match planned {
        Err(e) => (log, Err(e)),
        Ok((log, plan)) => {
            let done = match plan {
                Plan::Listen(plan) => listen(*plan, &log),
                Plan::Connect(plan) => going::connect(*plan, &log),
                Plan::Check(checks) => going::check(&checks, &log),
            };
            (log, done)
        }
    };
    done.unwrap_or_else(|e| {
        log.say(&Event::Failure(&e.to_string()));
        Failure::status(&e)
    })
}

/// Opens what fincat is to say its sentences to, before anything else takes the number of a descriptor that was named.
fn open_log(saying: &Saying) -> Result<Log> {
    let to = match &saying.to {
        None => None,
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
    Ok(Log::new(saying, to))
}

/// Says a bug of ours in one line. In a server it costs one conversation.
pub fn confess(bug: &PanicHookInfo<'_>) {
    let at = bug.location().map(ToString::to_string).unwrap_or_default();
    Log::default().say(&Event::Failure(&format!("cannot go on: a bug at {at}: please report it")));
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
    fn terms(mut self, command_grace: Duration, log: &Log) -> Result<Terms> {
        self.task.prepare()?;
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
        Ok(Terms { task, closing, letters, deadline, copies, command_grace, roster, register, dump, progress, log })
    }
}

fn signals(hearing: Hearing) -> Result<Signals> {
    Signals::new(hearing)
        .map_err(|e| Failure::error(Status::Failure, format!("cannot listen for signals: {}", reason(&e))))
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

// ---- listen -----------------------------------------------------------------------------------------------------------

fn listen(mut plan: ListenPlan, log: &Log) -> Result<Status> {
    let one = plan.keep == Keep::One;
    look_up_names(&mut plan)?;
    let ready = Readiness::new(plan.ready_fd, plan.port_file)?;
    let deadline = from_now(plan.conversation.deadline).filter(|_| one);
    let first_by = bound(plan.first_within, deadline);
    let until = first_by.map(|first_by| first_by.at);
    let terms = plan.conversation.terms(if one { COMMAND_GRACE } else { Duration::ZERO }, log)?;
    let log = terms.log.clone();
    sys::seal_inherited();
    let signals = signals(match (one, plan.mode) {
        (true, _) => Hearing::One,
        (false, Mode::Fork) => Hearing::Processes,
        (false, _) => Hearing::Many,
    })?;
    let listeners = match listen::listen(&plan.endpoint, plan.resolving, &plan.options, until, &[signals.stop()]) {
        Ok(listeners) => listeners,
        Err(Unbound::Unresolved(e)) if e.kind() == io::ErrorKind::Interrupted => return Ok(stopped(&signals)),
        Err(why) => return Err(unbound(&plan.endpoint, &why, first_by)),
    };
    for listener in &listeners {
        let (local, transport) = (listener.local.to_string(), plan.endpoint.transport.word());
        log.say(&Event::Listening { local: &local, transport });
        if let Some((granted, wanted)) = listener.clipped().filter(|_| log.wants(Level::Everything)) {
            let sizes = format!("receive buffer of {} KiB, wanted {}", granted / 1024, wanted / 1024);
            log.say(&Event::Option(&format!("{sizes}: the kernel's limit (net.core.rmem_max)")));
        }
    }
    ready.announce(&listeners)?;
    let admission = Admission::new(plan.rules);
    let served = if one {
        let met = serve::meet(&listeners, admission, until, &signals, &log);
        met.map(|met| match met {
            Some((mut peer, number)) => {
                // Whoever comes now is refused: only one is served.
                for listener in listeners {
                    listener.bequeath(&mut peer);
                }
                serve::alone(peer, &terms, number, deadline, &signals).status
            }
            None => stopped(&signals),
        })
    } else {
        let grace = if plan.hears_everybody { Duration::ZERO } else { plan.grace };
        let stopping = Stopping::new(&signals, terms.roster.clone(), grace);
        if plan.hears_everybody {
            return hear_everybody(listeners, stopping, terms, &signals);
        }
        let duty = Duty { keep: plan.keep, most: plan.most, first_by: until };
        let server = Server::new(Front { listeners, stopping }, admission, duty, log);
        serve_many(server, plan.mode, terms, &signals, plan.grace)
    };
    match served {
        Ok(status) => Ok(signals.received().map_or(status, Status::Signal)),
        Err(e) => Err(unserved(&plan.endpoint, &e, first_by)),
    }
}

/// Names of users and groups become numbers while there is nobody yet who could be let in wrongly.
fn look_up_names(plan: &mut ListenPlan) -> Result<()> {
    let unknown = |what: &str, name: &str| Failure::error(Status::Usage, format!("'{name}' is no {what} here"));
    let user = |name: &str| process::user(name).ok_or_else(|| unknown("user", name));
    let group = |name: &str| process::group(name).ok_or_else(|| unknown("group", name));
    if let Some(owner) = &plan.owner {
        let (name, its_group) = owner.split_once(':').map_or((owner.as_str(), None), |(u, g)| (u, Some(g)));
        plan.options.access.owner = Some((user(name)?, its_group.map(group).transpose()?));
    }
    plan.rules.allow_uid = plan.users.iter().map(|name| user(name)).collect::<Result<_>>()?;
    plan.rules.allow_gid = plan.groups.iter().map(|name| group(name)).collect::<Result<_>>()?;
    Ok(())
}

/// Every listener is one conversation with everybody.
fn hear_everybody(listeners: Vec<Listener>, stopping: Stopping<'_>, terms: Terms, signals: &Signals) -> Result<Status> {
    let failed = |e: io::Error| Failure::error(Status::Failure, format!("cannot hear everybody: {}", reason(&e)));
    let mut front = Front { listeners: Vec::new(), stopping };
    let connections = listeners.into_iter().map(Listener::everybody).collect::<io::Result<Vec<_>>>().map_err(failed)?;
    let kill = signals.kill().map_err(failed)?;
    let threads = Threads::new(Arc::new(terms), kill).map_err(failed)?;
    let status = serve::everybody(connections.into_iter().flatten().collect(), threads, &mut front).map_err(failed)?;
    Ok(signals.received().map_or(status, Status::Signal))
}

fn stopped(signals: &Signals) -> Status {
    signals.received().map_or(Status::Failure, Status::Signal)
}

/// Serves in the mode that was asked for, with as many at once as there are descriptors for.
fn serve_many(
    mut server: Server<'_>,
    mode: Mode,
    terms: Terms,
    signals: &Signals,
    grace: Duration,
) -> io::Result<Status> {
    match mode {
        Mode::Single => server.run(&mut Single::new(&terms)),
        Mode::Fork => {
            server.fit(terms.task.descriptors_of_the_parent(), SPARE, false)?;
            server.make_room()?;
            server.run(&mut Forks::new(terms, signals, grace))
        }
        Mode::Thread => {
            let (needed, raise) = (terms.task.descriptors(), !terms.task.runs_a_command());
            let mut threads = Threads::new(Arc::new(terms), signals.kill()?)?;
            // Commands would inherit a raised limit, so it is raised for the others only.
            server.fit(needed, SPARE, raise)?;
            server.make_room()?;
            server.run(&mut threads)
        }
    }
}

fn unbound(endpoint: &Endpoint, why: &Unbound, first_by: Option<Bound>) -> anyhow::Error {
    match why {
        Unbound::Unresolved(e) if e.kind() == io::ErrorKind::TimedOut => {
            let bound = first_by.map(|first_by| format!(" after {} ({})", span(first_by.asked), first_by.option));
            let sentence = format!("timed out{} resolving the name", bound.unwrap_or_default());
            Failure::error(Status::TimedOut, format!("cannot listen on {endpoint}: {sentence}"))
        }
        Unbound::Unresolved(e) => reach::unresolved(endpoint, e),
        Unbound::Unset(why) => reach::unset(why),
        Unbound::Bind(address, e) => {
            Failure::error(Status::CannotBind, format!("cannot listen on {address}: {}", reason(e)))
        }
    }
}

fn unserved(endpoint: &Endpoint, error: &io::Error, first_by: Option<Bound>) -> anyhow::Error {
    match (error.kind(), first_by) {
        (io::ErrorKind::TimedOut, Some(first_by)) => {
            let Bound { asked, option, .. } = first_by;
            let why = format!("nobody came for {} ({option})", span(asked));
            Failure::error(Status::TimedOut, format!("cannot serve {endpoint}: timed out: {why}"))
        }
        _ => Failure::error(Status::Failure, format!("cannot serve {endpoint}: {}", reason(error))),
    }
}
