//! What was asked, made unambiguous: the command line becomes the value types of the rooms, and every combination
//! without sense is refused, one sentence each. It opens nothing.

mod asked;
mod nonsense;
mod typed;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use anyhow::Result;

use self::asked::Asked;
use self::typed::{Going, Waiting};
use crate::check::{Checks, Peers};
use crate::cli::groups::{EndArgs, LetterArgs, SayArgs, WhatArgs};
use crate::cli::roles::TalkArgs;
use crate::cli::{self, Udp, Unix};
use crate::exit::{Failure, Status};
use crate::handler::builtin::{self, Payload};
use crate::handler::command::{Command, Joined};
use crate::handler::forward::Forward;
use crate::handler::share::Share;
use crate::handler::stdio::{Output, Speaking, Stdio};
use crate::handler::{Letters, Task};
use crate::net::dial::retry::Retry;
use crate::net::endpoint::{Endpoint, Site};
use crate::net::options::{Dialing, Listening};
use crate::net::proxy::{Version, Word};
use crate::net::resolve::Resolving;
use crate::net::transport::Transport;
use crate::relay::closing::Closing;
use crate::relay::hub::Sharing;
use crate::serve::admission::Rules;
use crate::serve::{Keep, Mode};
use crate::trace::{Level, Saying};

/// Conversations at once, where nobody says.
const MOST: usize = 512;

/// How long a stopping server lets conversations finish, where nobody says.
const GRACE: Duration = Duration::from_secs(10);

/// Bytes that a hub keeps for a peer that does not read, where nobody says.
const QUEUE: usize = 1024 * 1024;

/// Silence after which a conversation without ends is over, where nobody says: in a server,
const IDLE: Duration = Duration::from_secs(60);

/// and after the end of our input, where we went to the peer.
const QUIT: Duration = Duration::from_secs(1);

/// How long each try of a check may take, where nobody says.
const WITHIN: Duration = Duration::from_secs(5);

/// What to do.
#[derive(Debug)]
pub enum Plan {
    /// Look who is there, and talk to nobody.
    Check(Box<Checks>),
    /// Wait for peers.
    Listen(Box<ListenPlan>),
    /// Go to a peer.
    Connect(Box<ConnectPlan>),
}

/// What every conversation of the plan is about.
#[derive(Debug)]
pub struct Conversation {
    /// What for.
    pub task: Task,
    /// How it ends.
    pub closing: Closing,
    /// How datagrams are cut, counted and ended.
    pub letters: Letters,
    /// How long everything may last; in a server, each conversation.
    pub deadline: Option<Duration>,
    /// Bytes are copied, whatever the kernel could do with them.
    pub copies: bool,
    /// What is said of it.
    pub saying: Saying,
    /// How far it is, is shown.
    pub progress: bool,
    /// The file that is told every byte.
    pub hexdump: Option<PathBuf>,
}

impl Plan {
    /// What is said of it.
    pub fn saying(&self) -> &Saying {
        match self {
            Plan::Check(checks) => &checks.saying,
            Plan::Listen(plan) => &plan.conversation.saying,
            Plan::Connect(plan) => &plan.conversation.saying,
        }
    }
}

/// A plan to wait for peers.
#[derive(Debug)]
pub struct ListenPlan {
    /// Where.
    pub site: Site,
    /// How its name is resolved.
    pub resolving: Resolving,
    /// The listener's options.
    pub options: Listening,
    /// The owner of the path, by name.
    pub owner: Option<String>,
    /// How long to wait for the first peer.
    pub first_within: Option<Duration>,
    /// How many at once: the way,
    pub mode: Mode,
    /// the number in all,
    pub keep: Keep,
    /// the number at a time.
    pub most: usize,
    /// All senders are heard in one conversation, and none is answered.
    pub hears_everybody: bool,
    /// Peers begin by telling who called.
    pub greets: bool,
    /// Whom to admit,
    pub rules: Rules,
    /// whose processes, by name,
    pub users: Vec<String>,
    /// and of which groups.
    pub groups: Vec<String>,
    /// How long to let conversations finish.
    pub grace: Duration,
    /// Whom to become before anybody is served, by name,
    pub user: Option<String>,
    /// and where to go.
    pub chdir: Option<PathBuf>,
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
    pub endpoint: Endpoint,
    /// How its name is resolved.
    pub resolving: Resolving,
    /// The connection's options.
    pub options: Dialing,
    /// How long a try to get there may take.
    pub within: Option<Duration>,
    /// Whether to try again.
    pub retry: Retry,
    /// What about.
    pub conversation: Conversation,
}

/// Makes a plan of what was typed. Fails with the status of usage, and a sentence.
pub fn plan(command: cli::Command) -> Result<Plan> {
    let listen = |waiting: Result<Waiting>| Ok(Plan::Listen(Box::new(plan_listen(waiting?)?)));
    let connect = |going: Result<Going>| plan_going(going?);
    match command {
        cli::Command::Listen(typed) => listen(Waiting::tcp(*typed)),
        cli::Command::Connect(typed) => connect(Going::tcp(*typed)),
        cli::Command::Udp(Udp::Listen(typed)) => listen(Waiting::udp(*typed)),
        cli::Command::Udp(Udp::Connect(typed)) => connect(Going::udp(*typed)),
        cli::Command::Unix(Unix::Listen(typed)) => listen(Waiting::unix(*typed)),
        cli::Command::Unix(Unix::Connect(typed)) => connect(Going::unix(*typed)),
    }
}

fn usage(sentence: impl Into<String>) -> anyhow::Error {
    Failure::error(Status::Usage, sentence)
}

fn plan_listen(waiting: Waiting) -> Result<ListenPlan> {
    let asked = Asked::of_waiting(&waiting);
    nonsense::refuse(&asked)?;
    let (idle_timeout, logged) = (waiting.talk.ends.idle_timeout, waiting.talk.says.log_fd);
    let (mode, keep, hears_everybody) = (asked.mode(), asked.keep(), asked.hears_everybody());
    let (tells, greets, retry) = (asked.tells(), asked.proxy.contains(&Word::Accept), asked.retry.retry());
    let transport = waiting.site.transport();
    // To a forwarder it is the way on that must not take too long.
    let first_within = waiting.within.filter(|_| waiting.talk.what.to.is_none());
    let Waiting { site, resolving, mut options, owner, within, many, talk, letters, privileges, share, .. } = waiting;
    let sharing = share.sharing();
    let hearing = match (keep, mode) {
        // One writes for all.
        _ if sharing.is_some() => Output::Staying,
        (Keep::One, _) => Output::Closing,
        (_, Mode::Single) => Output::Staying,
        (_, Mode::Thread | Mode::Fork) => Output::Shared,
    };
    let role = Role { transport, listens: true, keep, hearing, sharing, resolving, within, retry, tells };
    let mut conversation = converse(talk, letters, role)?;
    conversation.keep_alive(transport, &mut options.settings, matches!(site, Site::At(_)));
    if hears_everybody {
        conversation.task = Task::Stdio(Stdio { speaking: Speaking::No, output: Output::Staying, crlf: false });
        conversation.closing.idle_timeout = idle_timeout;
        // Every address of the machine has a socket of its own; they count together.
        let count = conversation.letters.datagrams;
        conversation.letters.in_all = count.map(|count| Arc::new(AtomicU64::new(count)));
    }
    free(&conversation, "--ready-fd", waiting.ready_fd)?;
    if waiting.ready_fd.is_some_and(|fd| fd > 2 && logged == Some(fd)) {
        return Err(usage("--ready-fd and --log-fd cannot be the same: --ready-fd is closed"));
    }
    options.postal.only = keep == Keep::One;
    let max_per_ip = many.max_per_ip.map(|n| n as usize);
    Ok(ListenPlan {
        site,
        resolving,
        options,
        owner,
        first_within,
        mode,
        keep,
        most: many.max_connections.map_or(MOST, |n| n as usize),
        hears_everybody,
        greets,
        rules: Rules { allow: many.allow, deny: many.deny, max_per_ip, ..Rules::default() },
        users: waiting.users,
        groups: waiting.groups,
        grace: many.grace.unwrap_or(GRACE),
        user: privileges.user,
        chdir: privileges.chdir,
        ready_fd: waiting.ready_fd,
        port_file: waiting.port_file,
        conversation,
    })
}

fn plan_going(going: Going) -> Result<Plan> {
    nonsense::refuse(&Asked::of_going(&going))?;
    let Going { transport, peers, resolving, mut options, within, retry, check, talk, letters, .. } = going;
    let retry = retry.retry();
    let at = match peers {
        Peers::One(at) if !check.asked.check => at,
        peers => {
            // Its JSON are the answers: of what failed only -v wants to hear more.
            let level = if talk.says.verbose == 0 { Level::Failures } else { Level::Everything };
            let (style, saying) = (talk.says.style(), talk.says.saying());
            let saying = Saying { level: saying.level.min(level), ..saying };
            if let Some(fd @ (0 | 1)) = talk.says.log_fd {
                return Err(usage(format!("--log-fd {fd} carries data here: give it another descriptor, such as 3")));
            }
            let payload = check.payload.map_or(Ok(Vec::new()), |text| text_of("--payload", &text))?;
            let (within, deadline) = (within.unwrap_or(WITHIN), talk.ends.deadline);
            let stable = check.stable;
            let checks = Checks {
                transport,
                peers,
                resolving,
                options,
                within,
                retry,
                stable,
                payload,
                deadline,
                style,
                saying,
            };
            return Ok(Plan::Check(Box::new(checks)));
        }
    };
    let role = Role {
        transport,
        listens: false,
        keep: Keep::One,
        hearing: Output::Closing,
        sharing: None,
        resolving,
        within,
        retry,
        tells: None,
    };
    let mut conversation = converse(talk, letters, role)?;
    conversation.keep_alive(transport, &mut options.settings, true);
    let endpoint = Endpoint { transport, at };
    Ok(Plan::Connect(Box::new(ConnectPlan { endpoint, resolving, options, within, retry, conversation })))
}

/// The bytes of a TEXT.
fn text_of(option: &str, text: &OsStr) -> Result<Vec<u8>> {
    builtin::unescape(text.as_bytes()).map_err(|why| usage(format!("cannot send TEXT of {option}: {why}")))
}

/// What of the role a conversation depends on.
#[derive(Clone, Copy)]
struct Role {
    transport: Transport,
    listens: bool,
    keep: Keep,
    hearing: Output,
    sharing: Option<Sharing>,
    resolving: Resolving,
    /// Onwards: how long, how often, and what is told there.
    within: Option<Duration>,
    retry: Retry,
    tells: Option<Version>,
}

fn converse(asked: TalkArgs, letters: LetterArgs, role: Role) -> Result<Conversation> {
    let TalkArgs { what, ends, says } = asked;
    let server = role.keep != Keep::One;
    let answers = if server || ends.send_only { Output::Dropped } else { role.hearing };
    let (joined, copies) = (what.joined(&ends, &says, role.transport), what.no_splice);
    let task = if let Some(to) = what.to {
        let Role { resolving, within, retry, tells, .. } = role;
        Task::Forward(Forward { to, resolving, options: Dialing::default(), keeps_peer: false, within, retry, tells })
    } else if let Some(line) = what.sh {
        Task::Command(Command::shell(line, joined, server))
    } else if !what.command.is_empty() {
        Task::Command(Command::new(what.command, joined, server))
    } else if what.echo {
        Task::Echo
    } else if what.discard {
        Task::Discard
    } else if let Some(text) = what.send {
        Task::Send(Payload::Text(text_of("--send", &text)?), answers)
    } else if let Some(file) = what.send_file {
        Task::Send(Payload::File(file), answers)
    } else {
        let output = if ends.send_only { Output::Dropped } else { role.hearing };
        let stdio = Stdio { speaking: ends.speaking(role.listens), output, crlf: what.crlf };
        match role.sharing {
            Some(sharing) => Task::Share(Share::new(stdio, sharing, letters.lines)),
            None => Task::Stdio(stdio),
        }
    };
    let closing = ends.closing(role);
    let letters = Letters {
        lines: letters.lines,
        size: letters.size.map(|size| size as usize),
        datagrams: letters.datagrams,
        in_all: None,
        empty_ends: letters.eof_datagram,
    };
    let (saying, deadline, progress, hexdump) = (says.saying(), ends.deadline, says.progress, says.hexdump);
    let conversation = Conversation { task, closing, letters, deadline, copies, saying, progress, hexdump };
    free(&conversation, "--log-fd", says.log_fd)?;
    Ok(conversation)
}

/// Fails where a descriptor that was named for something else carries data.
fn free(conversation: &Conversation, option: &str, fd: Option<i32>) -> Result<()> {
    match fd {
        Some(fd) if fd == 0 || fd == 1 && conversation.task.uses_stdout() => {
            Err(usage(format!("{option} {fd} carries data here: give it another descriptor, such as 3")))
        }
        _ => Ok(()),
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
            self.to.is_some(),
        ];
        asked.into_iter().filter(|asked| *asked).count()
    }

    /// Every rule about the end needs fincat to see the bytes, and a boundary is fincat's to keep.
    fn joined(&self, ends: &EndArgs, says: &SayArgs, transport: Transport) -> Joined {
        if self.pipes || ends.acts_on_bytes() || says.hexdump.is_some() || transport.keeps_boundaries() {
            Joined::Pipes { speaks: !ends.recv_only, hears: !ends.send_only }
        } else {
            Joined::Socket
        }
    }
}
