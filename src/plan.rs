//! What was asked, made unambiguous: the command line becomes the value types of the rooms, and every combination
//! without sense is refused, one sentence each. It opens nothing.

mod nonsense;

use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;

use self::nonsense::Asked;
use crate::cli::{self, Connect, EndArgs, FamilyArgs, Listen, ManyArgs, SayArgs, WhatArgs};
use crate::exit::{Failure, Status};
use crate::handler::Task;
use crate::handler::builtin::{self, Payload};
use crate::handler::command::{Command, Joined};
use crate::handler::stdio::{Output, Speaking, Stdio};
use crate::net::address::Place;
use crate::net::options::{Dialing, Listening};
use crate::net::resolve::{Family, Resolving};
use crate::relay::closing::Closing;
use crate::serve::admission::Rules;
use crate::serve::{Keep, Mode};
use crate::trace::Level;

/// Conversations at once, where nobody says.
const MOST: usize = 512;

/// How long a stopping server lets conversations finish, where nobody says.
const GRACE: Duration = Duration::from_secs(10);

/// What to do.
#[derive(Debug)]
pub enum Plan {
    /// Wait for peers.
    Listen(ListenPlan),
    /// Go to a peer.
    Connect(ConnectPlan),
}

/// What every conversation of the plan is about.
#[derive(Debug)]
pub struct Conversation {
    /// What for.
    pub task: Task,
    /// How it ends.
    pub closing: Closing,
    /// How long everything may last; in a server, each conversation.
    pub deadline: Option<Duration>,
    /// How much is said.
    pub level: Level,
}

/// A plan to wait for peers.
#[derive(Debug)]
pub struct ListenPlan {
    /// Where.
    pub place: Place,
    /// How its name is resolved.
    pub resolving: Resolving,
    /// The listener's options.
    pub options: Listening,
    /// How long to wait for the first peer.
    pub first_within: Option<Duration>,
    /// How many at once: the way,
    pub mode: Mode,
    /// the number in all,
    pub keep: Keep,
    /// the number at a time.
    pub most: usize,
    /// Whom to admit.
    pub rules: Rules,
    /// How long to let conversations finish.
    pub grace: Duration,
    /// The descriptor that is told the bound addresses.
    pub ready_fd: Option<i32>,
    /// The file that is told the bound port.
    pub port_file: Option<PathBuf>,
    /// What about.
    pub conversation: Conversation,
}

/// A plan to go to a peer.
#[derive(Debug)]
pub struct ConnectPlan {
    /// Where.
    pub place: Place,
    /// How its name is resolved.
    pub resolving: Resolving,
    /// The connection's options.
    pub options: Dialing,
    /// How long it may take to get there.
    pub within: Option<Duration>,
    /// What about.
    pub conversation: Conversation,
}

/// Makes a plan of what was typed. Fails with the status of usage, and a sentence.
pub fn plan(command: cli::Command) -> Result<Plan> {
    match command {
        cli::Command::Listen(listen) => plan_listen(listen).map(Plan::Listen),
        cli::Command::Connect(connect) => plan_connect(connect).map(Plan::Connect),
        cli::Command::Udp(_) => Err(Failure::error(Status::Failure, "cannot speak UDP: not yet in this version")),
        cli::Command::Unix(_) => {
            Err(Failure::error(Status::Failure, "cannot speak over unix sockets: not yet in this version"))
        }
    }
}

fn usage(sentence: impl Into<String>) -> anyhow::Error {
    Failure::error(Status::Usage, sentence)
}

fn plan_listen(listen: Listen) -> Result<ListenPlan> {
    let place = Place::parse(&listen.place).map_err(|why| usage(format!("{why}; see fincat listen --help")))?;
    nonsense::refuse(&Asked {
        many: Some(&listen.many),
        family: &listen.family,
        what: &listen.what,
        ends: &listen.ends,
        says: &listen.says,
        within: listen.connect_timeout,
    })?;
    let many = listen.many;
    let mode = many.mode();
    let keep = many.keep();
    let hearing = match (keep, mode) {
        (Keep::One, _) => Output::Closing,
        (_, Mode::Single) => Output::Staying,
        (_, Mode::Thread | Mode::Fork) => Output::Shared,
    };
    let conversation = converse(listen.what, &listen.ends, &listen.says, Role { listens: true, keep, hearing })?;
    let free = |fd| fd != 0 && (fd != 1 || !conversation.task.uses_stdout());
    if let Some(fd) = listen.ready_fd.filter(|&fd| !free(fd)) {
        return Err(usage(format!("--ready-fd {fd} carries data here: give it another descriptor, such as 3")));
    }
    Ok(ListenPlan {
        place,
        resolving: listen.family.resolving(),
        options: Listening {
            backlog: listen.backlog.unwrap_or(Listening::default().backlog),
            reuse_port: listen.reuse_port,
        },
        first_within: listen.connect_timeout,
        mode,
        keep,
        most: many.max_connections.map_or(MOST, |n| n as usize),
        rules: Rules { allow: many.allow, deny: many.deny, max_per_ip: many.max_per_ip.map(|n| n as usize) },
        grace: many.grace.unwrap_or(GRACE),
        ready_fd: listen.ready_fd,
        port_file: listen.port_file,
        conversation,
    })
}

fn plan_connect(connect: Connect) -> Result<ConnectPlan> {
    let place = Place::parse(&connect.place).map_err(|why| usage(format!("{why}; see fincat connect --help")))?;
    if place.host.is_none() {
        return Err(usage("a host is missing: fincat connect HOST PORT"));
    }
    if place.port == 0 {
        return Err(usage("port 0 is nobody's: connect to a port from 1 to 65535"));
    }
    nonsense::refuse(&Asked {
        many: None,
        family: &connect.family,
        what: &connect.what,
        ends: &connect.ends,
        says: &connect.says,
        within: connect.connect_timeout,
    })?;
    let role = Role { listens: false, keep: Keep::One, hearing: Output::Closing };
    Ok(ConnectPlan {
        place,
        resolving: connect.family.resolving(),
        options: Dialing { source: connect.source, source_port: connect.source_port },
        within: connect.connect_timeout,
        conversation: converse(connect.what, &connect.ends, &connect.says, role)?,
    })
}

/// What of the role a conversation depends on.
#[derive(Clone, Copy)]
struct Role {
    listens: bool,
    keep: Keep,
    hearing: Output,
}

fn converse(what: WhatArgs, ends: &EndArgs, says: &SayArgs, role: Role) -> Result<Conversation> {
    let server = role.keep != Keep::One;
    let answers = if server || ends.send_only { Output::Dropped } else { role.hearing };
    let joined = what.joined(ends);
    let task = if let Some(line) = what.sh {
        Task::Command(Command::shell(line, joined, server))
    } else if !what.command.is_empty() {
        Task::Command(Command::new(what.command, joined, server))
    } else if what.echo {
        Task::Echo
    } else if what.discard {
        Task::Discard
    } else if let Some(text) = what.send {
        let text = builtin::unescape(text.as_bytes()).map_err(|why| usage(format!("cannot send TEXT: {why}")))?;
        Task::Send(Payload::Text(text), answers)
    } else if let Some(file) = what.send_file {
        Task::Send(Payload::File(file), answers)
    } else {
        let output = if ends.send_only { Output::Dropped } else { role.hearing };
        Task::Stdio(Stdio { speaking: ends.speaking(role.listens), output, crlf: what.crlf })
    };
    Ok(Conversation { task, closing: ends.closing(), deadline: ends.deadline, level: says.level() })
}

impl ManyArgs {
    fn mode(&self) -> Mode {
        match (self.thread, self.fork) {
            (true, _) => Mode::Thread,
            (_, true) => Mode::Fork,
            _ => Mode::Single,
        }
    }

    fn keep(&self) -> Keep {
        match self.count {
            Some(count) => Keep::Count(count),
            None if self.keep_open || self.mode() != Mode::Single => Keep::Open,
            None => Keep::One,
        }
    }
}

impl FamilyArgs {
    fn resolving(&self) -> Resolving {
        let family = match (self.v4, self.v6) {
            (true, _) => Family::V4,
            (_, true) => Family::V6,
            _ => Family::Any,
        };
        Resolving { family, numeric: self.numeric }
    }
}

impl SayArgs {
    fn level(&self) -> Level {
        match (self.quiet, self.verbose) {
            (true, _) => Level::Quiet,
            (_, 0) => Level::Failures,
            (_, 1) => Level::Conversations,
            _ => Level::Everything,
        }
    }
}

impl WhatArgs {
    fn runs_a_command(&self) -> bool {
        self.sh.is_some() || !self.command.is_empty()
    }

    /// How many handlers were asked for.
    fn handlers(&self) -> usize {
        let asked = [
            !self.command.is_empty(),
            self.sh.is_some(),
            self.echo,
            self.discard,
            self.send.is_some(),
            self.send_file.is_some(),
        ];
        asked.into_iter().filter(|asked| *asked).count()
    }

    /// Every rule about the end needs fincat to see the bytes.
    fn joined(&self, ends: &EndArgs) -> Joined {
        if self.pipes || ends.acts_on_bytes() {
            Joined::Pipes { speaks: !ends.recv_only, hears: !ends.send_only }
        } else {
            Joined::Socket
        }
    }
}

impl EndArgs {
    fn closing(&self) -> Closing {
        Closing {
            on_eof: self.on_eof.unwrap_or_default(),
            on_fin: self.on_fin.unwrap_or_default(),
            send_only: self.send_only,
            quit_after: self.quit_after,
            half_close_timeout: self.half_close_timeout.filter(|time| !time.is_zero()),
            idle_timeout: self.idle_timeout,
            mentions_silence: false,
        }
    }

    /// In `listen`, a standard input that ends at once says nothing, unless its end was spoken of.
    fn speaking(&self, listens: bool) -> Speaking {
        let spoken_of = self.on_eof.is_some() || self.half_close || self.send_only;
        match (self.recv_only, listens && !spoken_of) {
            (true, _) => Speaking::No,
            (false, true) => Speaking::UnlessNull,
            (false, false) => Speaking::Yes,
        }
    }

    fn acts_on_our_end(&self) -> bool {
        self.on_eof.is_some()
            || self.half_close
            || self.on_fin.is_some()
            || self.quit_after.is_some()
            || self.half_close_timeout.is_some()
    }

    fn acts_on_bytes(&self) -> bool {
        self.acts_on_our_end() || self.idle_timeout.is_some() || self.send_only || self.recv_only
    }
}
