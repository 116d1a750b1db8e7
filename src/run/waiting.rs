//! Waiting for peers: what is bound or taken over, whom we become before anybody is served, and who serves. Whom to admit
//! and how conversations are held is decided elsewhere.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;

use super::{Bound, bound, from_now, signals, stopped, taken_over};
use crate::exit::{Failure, Status};
use crate::handler::reach;
use crate::net::activation::{self, Activated, Unusable};
use crate::net::endpoint::{Endpoint, Site};
use crate::net::listen::{self, Listener, Unbound};
use crate::net::options::Listening;
use crate::net::resolve::Resolving;
use crate::plan::ListenPlan;
use crate::relay::Deadline;
use crate::serve::admission::Admission;
use crate::serve::fork::Forks;
use crate::serve::hosted::Hosted;
use crate::serve::notice::Notice;
use crate::serve::privileges::Privileges;
use crate::serve::ready::Readiness;
use crate::serve::signals::{Hearing, Signals};
use crate::serve::single::Single;
use crate::serve::stopping::Stopping;
use crate::serve::thread::{self, Threads};
use crate::serve::{self, Admitted, Duty, Front, Keep, Mode, Server};
use crate::session::{Terms, host};
use crate::sys::{self, process};
use crate::trace::{Event, Level, Log, reason, span};

/// Descriptors that are left free for what a moment needs: a listener's, a name's, a message's.
const SPARE: u64 = 2;

/// Those of a host: its bells, and standard input and output opened anew.
const HOST: u64 = 4;

/// Binds, or takes what is bound, and serves whoever comes.
pub(super) fn listen(mut plan: ListenPlan, log: &Log) -> Result<Status> {
    let one = plan.keep == Keep::One;
    let activated = activated(&plan)?;
    look_up_names(&mut plan)?;
    let privileges = Privileges::look_up(plan.user.take(), plan.chdir.take())?;
    let ready = Readiness::new(plan.ready_fd, plan.port_file.take())?;
    let deadline = from_now(plan.conversation.deadline).filter(|_| one);
    let first_by = bound(plan.first_within, deadline);
    let until = first_by.map(|first_by| first_by.at);
    let command_grace = if one { super::COMMAND_GRACE } else { Duration::ZERO };
    let mut terms = plan.conversation.terms(command_grace, &privileges.variables(), log)?;
    // One that is alone may have a terminal, and somebody to decide.
    terms.hangup_grace = (!one).then_some(plan.grace);
    let log = terms.log.clone();
    let notice = Notice::new(&log);
    sys::seal_inherited();
    let signals = signals(match (one, plan.mode) {
        (true, _) => Hearing::One,
        (false, Mode::Fork) => Hearing::Processes,
        (false, _) => Hearing::Many,
    })?;
    terms.begin_anew();
    let Some(listeners) = open(&plan.site, activated, (plan.resolving, &plan.options), first_by, &signals)? else {
        return Ok(stopped(&signals));
    };
    ready.publish(&listeners)?;
    let ours = privileges.are_kept() && matches!(plan.site, Site::At(_));
    settle(privileges, &listeners, &mut terms)?;
    if !ours && !plan.hears_everybody {
        may_converse(&listeners)?;
    }
    for listener in &listeners {
        let (local, transport) = (listener.local.to_string(), plan.site.transport().word());
        log.say(&Event::Listening { local: &local, transport });
        if let Some((granted, wanted)) = listener.clipped().filter(|_| log.wants(Level::Everything)) {
            let sizes = format!("receive buffer of {} KiB, wanted {}", granted / 1024, wanted / 1024);
            log.say(&Event::Option(&format!("{sizes}: the kernel's limit (net.core.rmem_max)")));
        }
    }
    ready.announce(&listeners)?;
    notice.ready();
    let admission = Admission::new(plan.rules, terms.task.runs_a_command());
    let served = if one {
        let met = serve::meet(&listeners, admission, (until, plan.greets), &signals, &log);
        met.map(|met| serve_one(met, listeners, &terms, deadline, &signals, &notice))
    } else {
        let grace = if plan.hears_everybody { Duration::ZERO } else { plan.grace };
        let stopping = Stopping::new(&signals, terms.roster.clone(), grace).telling(notice);
        if plan.hears_everybody {
            return hear_everybody(listeners, stopping, terms, &signals);
        }
        let duty = Duty { keep: plan.keep, most: plan.most, first_by: until, greets: plan.greets };
        let server = Box::new(Server::new(Front { listeners, stopping }, admission, duty, log));
        serve_many(server, plan.mode, terms, &signals, plan.grace)
    };
    match served {
        Ok(status) => Ok(signals.received().map_or(status, Status::Signal)),
        Err(e) => Err(unserved(&plan.site, &e, first_by)),
    }
}

/// Serves whoever was met, and nobody else; or ends by the signal that came first.
fn serve_one(
    met: Option<Admitted>,
    listeners: Vec<Listener>,
    terms: &Terms,
    deadline: Option<Deadline>,
    signals: &Signals,
    notice: &Notice,
) -> Status {
    let Some(mut met) = met else {
        notice.stopping();
        return stopped(signals);
    };
    // Whoever comes now is refused.
    for listener in listeners {
        listener.bequeath(&mut met.0);
    }
    serve::alone(met, terms, deadline, signals, notice).status
}

/// The sockets that are bound already, where those are asked for: first of all, while nobody else has their numbers.
fn activated(plan: &ListenPlan) -> Result<Option<Activated>> {
    let Site::Activated(_) = plan.site else { return Ok(None) };
    let activated = Activated::take().map_err(|why| unusable(&plan.site, &why))?;
    match plan.ready_fd.filter(|&fd| activated.contains(fd)) {
        Some(fd) => Err(taken_over("--ready-fd", fd)),
        None => Ok(Some(activated)),
    }
}

/// The listeners. None after a signal.
fn open(
    site: &Site,
    activated: Option<Activated>,
    (resolving, options): (Resolving, &Listening),
    first_by: Option<Bound>,
    signals: &Signals,
) -> Result<Option<Vec<Listener>>> {
    if let Some(activated) = activated {
        let listeners = activated.listen(site.transport(), options);
        return listeners.map(Some).map_err(|why| unusable(site, &why));
    }
    let Site::At(endpoint) = site else { return Ok(None) };
    let until = first_by.map(|first_by| first_by.at);
    match listen::listen(endpoint, resolving, options, until, &[signals.stop()]) {
        Ok(listeners) => Ok(Some(listeners)),
        Err(Unbound::Unresolved(e)) if e.kind() == io::ErrorKind::Interrupted => Ok(None),
        Err(why) => Err(unbound(endpoint, &why, first_by)),
    }
}

/// What needed our privileges is done: gives them up, and looks whether the task can still be carried out.
fn settle(privileges: Privileges, listeners: &[Listener], terms: &mut Terms) -> Result<()> {
    let (kept, moves) = (privileges.are_kept(), privileges.moves());
    if moves {
        let failed =
            |e: io::Error| Failure::error(Status::Failure, format!("cannot tell where we are: {}", reason(&e)));
        terms.task.anchor().map_err(failed)?;
    }
    privileges.drop()?;
    if !kept {
        terms.task.check()?;
        if listeners.iter().any(Listener::will_stay) {
            terms.log.say(&Event::Option("the path will stay behind: --user may not remove it"));
        }
    }
    Ok(())
}

/// Each conversation of UDP binds the port anew, as whoever we are now.
fn may_converse(listeners: &[Listener]) -> Result<()> {
    for listener in listeners.iter().filter(|listener| listener.is_bound_again()) {
        match activation::may_bind_again(listener) {
            Err(Unbound::Unset(why)) => return Err(reach::unset(&why)),
            Err(Unbound::Bind(local, e)) => {
                let why = format!("each conversation needs this port: {} (see --per-datagram)", reason(&e));
                return Err(Failure::error(Status::CannotBind, format!("cannot serve {local}: {why}")));
            }
            Err(Unbound::Unresolved(_)) | Ok(()) => {}
        }
    }
    Ok(())
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
    let status = thread::everybody(connections.into_iter().flatten().collect(), threads, &mut front).map_err(failed)?;
    Ok(signals.received().map_or(status, Status::Signal))
}

/// Serves in the mode that was asked for, with as many at once as there are descriptors for.
fn serve_many(
    mut server: Box<Server<'_>>,
    mode: Mode,
    terms: Terms,
    signals: &Signals,
    grace: Duration,
) -> io::Result<Status> {
    match mode {
        Mode::Single => server.run(&mut Single::new(&terms)),
        Mode::Fork => {
            let needed = terms.task.descriptors_of_the_parent();
            let mut forks = Box::new(Forks::new(terms, signals, grace));
            server.fit(needed, SPARE, false)?;
            server.make_room()?;
            server.run(&mut *forks)
        }
        Mode::Thread => {
            let (needed, raise) = (terms.task.descriptors(), !terms.task.runs_a_command());
            let terms = Arc::new(terms);
            let mut threads = Threads::new(Arc::clone(&terms), signals.kill()?)?;
            // Commands would inherit a raised limit, so it is raised for the others only.
            if host::is_needed(&terms) {
                server.fit(needed, SPARE + HOST, raise)?;
                return Hosted::start(threads, terms, signals)?.serve(server);
            }
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

fn unusable(site: &Site, why: &Unusable) -> anyhow::Error {
    match why {
        Unusable::Sockets(why) => Failure::error(Status::CannotBind, format!("cannot listen on {site}: {why}")),
        Unusable::Unset(why) => reach::unset(why),
    }
}

fn unserved(site: &Site, error: &io::Error, first_by: Option<Bound>) -> anyhow::Error {
    match (error.kind(), first_by) {
        (io::ErrorKind::TimedOut, Some(first_by)) => {
            let Bound { asked, option, .. } = first_by;
            let why = format!("nobody came for {} ({option})", span(asked));
            Failure::error(Status::TimedOut, format!("cannot serve {site}: timed out: {why}"))
        }
        _ => Failure::error(Status::Failure, format!("cannot serve {site}: {}", reason(error))),
    }
}
