//! A command for each conversation: on the socket itself, as inetd and UCSPI do, or behind pipes. It starts commands
//! and knows which are running; when they must end is decided elsewhere.

use std::collections::BTreeMap;
use std::ffi::{CString, OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use anyhow::Result;

use super::{Circumstances, Partner, Variable, Wiring};
use crate::exit::{Failure, Status};
use crate::net::activation::VARIABLES;
use crate::net::address::Address;
use crate::net::connection::Connection;
use crate::net::transport::Transport;
use crate::relay::Flows;
use crate::relay::closing::Input;
use crate::relay::end::{Handle, Sink, Source};
use crate::sys::process::{self, Child, Ended};
use crate::sys::start::{self, Start};
use crate::sys::{self, Manner, Pid, PipeEnds, Signal};
use crate::trace::{Event, reason};

/// A command to run, and how it is joined to the peer.
#[derive(Debug)]
pub struct Command {
    words: Vec<OsString>,
    joined: Joined,
    own_group: bool,
    found: Option<Found>,
}

/// How a command is joined to the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Joined {
    /// Its standard input and output are the socket.
    Socket,
    /// They are pipes, and fincat sees the bytes.
    Pipes {
        /// Its output goes to the peer; else to our standard output (`--recv-only`).
        speaks: bool,
        /// What the peer sends goes to its input; else that is empty (`--send-only`).
        hears: bool,
    },
}

/// What is the same for each conversation.
#[derive(Debug)]
struct Found {
    file: CString,
    arguments: Vec<CString>,
    /// The same for the shell, should the file turn out to be a script that names no interpreter.
    script: Vec<CString>,
    environment: Vec<CString>,
    /// The signals that a command gets back as they were; nobody changes their dispositions once conversations begin.
    altered: OnceLock<Vec<i32>>,
}

impl Command {
    /// A command by its words, the first of which is searched in PATH. `own_group`: it leads a process group.
    pub fn new(words: Vec<OsString>, joined: Joined, own_group: bool) -> Self {
        Self { words, joined, own_group, found: None }
    }

    /// A line for `/bin/sh -c`.
    pub fn shell(line: OsString, joined: Joined, own_group: bool) -> Self {
        Self::new(vec!["/bin/sh".into(), "-c".into(), line], joined, own_group)
    }

    pub(super) fn holds_the_socket(&self) -> bool {
        self.joined == Joined::Socket
    }

    /// The socket, the process's descriptor, and four ends of pipes while it starts.
    pub(super) fn descriptors(&self) -> u64 {
        if self.holds_the_socket() { 2 } else { 6 }
    }

    pub(super) fn uses_stdout(&self) -> bool {
        matches!(self.joined, Joined::Pipes { speaks: false, .. })
    }

    /// Finds the file to execute. Fails with the statuses of a shell: 127 not found, 126 found but not executable.
    pub(super) fn prepare(&mut self, changed: &[Variable]) -> Result<()> {
        let name = self.words.first().map_or(OsStr::new(""), OsString::as_os_str);
        let path = find(name).map_err(|e| cannot_run(name, &e))?;
        let string = |s: &OsStr| CString::new(s.as_bytes()).map_err(|e| cannot_run(name, &e.into()));
        let is_changed = |name: &OsStr| changed.iter().any(|(other, _)| name == *other);
        let inherited = std::env::vars_os().filter(|(name, _)| !is_told(name) && !is_changed(name));
        let changed = changed.iter().map(|(name, value)| ((*name).into(), value.clone()));
        let inherited = inherited.chain(changed);
        let file = string(path.as_os_str())?;
        let arguments: Vec<CString> = self.words.iter().map(|word| string(word)).collect::<Result<_>>()?;
        let script = [c"sh".to_owned(), file.clone()].into_iter().chain(arguments.iter().skip(1).cloned());
        self.found = Some(Found {
            script: script.collect(),
            file,
            arguments,
            altered: OnceLock::new(),
            environment: inherited.filter_map(|(name, value)| variable(&name, &value)).collect(),
        });
        Ok(())
    }

    /// The same file from wherever we go.
    pub(super) fn anchor(&mut self) -> io::Result<()> {
        if let Some(found) = &mut self.found {
            let path = std::path::absolute(OsStr::from_bytes(found.file.as_bytes()))?;
            found.file = CString::new(path.into_os_string().as_bytes())?;
            // What the shell would be told to read.
            found.script[1].clone_from(&found.file);
        }
        Ok(())
    }

    /// Fails where the file that was found cannot be executed by us.
    pub(super) fn check(&self) -> Result<()> {
        let Some(found) = &self.found else { return Ok(()) };
        process::is_executable(&found.file).map_err(|e| cannot_run(&self.words[0], &e))
    }

    /// Starts the command and wires what is left for us to do.
    #[inline(never)] // Its frame is no other task's: what a stack has not touched, it does not have.
    pub(super) fn wire<'a>(&'a self, partner: &Partner<'a>, with: &Circumstances<'_>) -> Result<Wiring<'a>> {
        let peer = partner.peer;
        let started = match self.joined {
            Joined::Socket => self.start(peer, with, peer.as_fd(), peer.as_fd()).map(Wiring::Lent),
            Joined::Pipes { speaks, hears } => self.start_piped(partner, with, (speaks, hears)),
        };
        let wiring = started.map_err(|e| match cannot_run(&self.words[0], &e) {
            // In a server the end of another conversation may give back what is lacking.
            why if self.own_group && sys::is_shortage(&e) => Failure::passing(Failure::status(&why), why.to_string()),
            why => why,
        })?;
        if let Wiring::Lent(running) | Wiring::Flows { command: Some(running), .. } = &wiring {
            with.log.say(&Event::Started { pid: running.pid().as_raw_nonzero().get() });
        }
        Ok(wiring)
    }

    fn start_piped<'a>(
        &'a self,
        partner: &Partner<'a>,
        with: &Circumstances<'_>,
        (speaks, hears): (bool, bool),
    ) -> io::Result<Wiring<'a>> {
        let (its_input, to_it) = sys::pipe(PipeEnds::Writer)?;
        let (from_it, its_output) = sys::pipe(PipeEnds::Reader)?;
        let output = if speaks { its_output.as_fd() } else { sys::stdout() };
        let running = self.start(partner.peer, with, its_input.as_fd(), output)?;
        drop((its_input, its_output));
        let outgoing = speaks.then(|| {
            let source = Source::descriptor("the command's output", Handle::Own(from_it), Manner::Plain);
            partner.speak(source)
        });
        let sink = if hears { Sink::command(to_it) } else { Sink::nowhere() };
        let flows = Flows { outgoing, incoming: Some(partner.hear(sink)) };
        // A slow command is no silent input: its end is waited for.
        let closing = with.closing.settled(Input::Finite);
        Ok(Wiring::Flows { flows: Box::new(flows), closing, command: Some(running) })
    }

    fn start(
        &self,
        peer: &Connection,
        with: &Circumstances<'_>,
        input: BorrowedFd<'_>,
        output: BorrowedFd<'_>,
    ) -> io::Result<Running> {
        let found = self.found.as_ref().ok_or(io::ErrorKind::NotFound)?;
        let environment: Vec<CString> = found.environment.iter().cloned().chain(told(peer, with.number)).collect();
        let start = Start {
            file: &found.file,
            arguments: &found.arguments,
            script: &found.script,
            environment,
            altered: found.altered.get_or_init(start::altered),
            input,
            output,
            own_group: self.own_group,
            // In a server the others go on meanwhile.
            ahead: self.own_group,
        };
        Running::enrol(with.roster, self.words[0].as_os_str().into(), || start::start(start))
    }
}

fn variable(name: &OsStr, value: &OsStr) -> Option<CString> {
    CString::new([name.as_bytes(), b"=", value.as_bytes()].concat()).ok()
}

/// The UCSPI environment of a conversation.
fn told(peer: &Connection, number: usize) -> Vec<CString> {
    // What whoever stands between has told may be of another family than its own connection.
    let protocol = match (peer.transport, &peer.peer) {
        (Transport::Udp, _) => "UDP",
        (_, Address::Inet(_)) => "TCP",
        (_, Address::Unix(_)) => "UNIX",
    };
    let mut told = vec![variable("PROTO".as_ref(), protocol.as_ref())];
    let mut tell = |name: &str, value: &OsStr| told.push(variable(format!("{protocol}{name}").as_ref(), value));
    for (end, address) in [("REMOTE", &peer.peer), ("LOCAL", &peer.local)] {
        match address {
            Address::Inet(inet) => {
                tell(&format!("{end}IP"), inet.ip().to_string().as_ref());
                tell(&format!("{end}PORT"), inet.port().to_string().as_ref());
            }
            Address::Unix(name) => tell(&format!("{end}PATH"), &OsString::from(name)),
        }
    }
    match peer.credentials {
        _ if protocol != "UNIX" => tell("CONNNUM", number.to_string().as_ref()),
        Some(who) => {
            tell("REMOTEPID", who.pid.to_string().as_ref());
            tell("REMOTEUID", who.uid.to_string().as_ref());
            tell("REMOTEGID", who.gid.to_string().as_ref());
        }
        None => {}
    }
    told.into_iter().flatten().collect()
}

/// Whether an outer server may have set a variable to describe its own conversation, or it is meant for us alone.
fn is_told(name: &OsStr) -> bool {
    const WHAT: [&str; 14] = [
        "REMOTEIP",
        "REMOTEPORT",
        "REMOTEHOST",
        "REMOTEINFO",
        "LOCALIP",
        "LOCALPORT",
        "LOCALHOST",
        "CONNNUM",
        "LOCALPATH",
        "REMOTEPATH",
        "REMOTEPID",
        "REMOTEUID",
        "REMOTEGID",
        "REMOTEEUID",
    ];
    let Some(name) = name.to_str() else { return false };
    let rest = ["TCP", "UDP", "UNIX"].iter().find_map(|protocol| name.strip_prefix(protocol));
    name == "PROTO" || VARIABLES.contains(&name) || rest.is_some_and(|rest| WHAT.contains(&rest))
}

/// The file that a shell would execute for `name`.
fn find(name: &OsStr) -> io::Result<PathBuf> {
    if name.is_empty() {
        return Err(io::ErrorKind::NotFound.into());
    }
    if name.as_bytes().contains(&b'/') {
        return executable(Path::new(name)).map(|()| name.into());
    }
    let path = std::env::var_os("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into());
    let mut reason = io::ErrorKind::NotFound.into();
    for directory in std::env::split_paths(&path) {
        let file = directory.join(name);
        match executable(&file) {
            Ok(()) => return Ok(file),
            Err(e) if e.kind() == io::ErrorKind::PermissionDenied => reason = e,
            Err(_) => {}
        }
    }
    Err(reason)
}

fn executable(file: &Path) -> io::Result<()> {
    let denied = || io::Error::from(io::ErrorKind::PermissionDenied);
    let regular = std::fs::metadata(file)?.is_file();
    let path = CString::new(file.as_os_str().as_bytes())?;
    if regular && process::is_executable(&path).is_ok() { Ok(()) } else { Err(denied()) }
}

fn cannot_run(name: &OsStr, error: &io::Error) -> anyhow::Error {
    let (status, why) = match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => (Status::NotFound, "command not found".to_owned()),
        _ => (Status::CannotRun, reason(error)),
    };
    Failure::error(status, format!("cannot run {}: {why}", name.to_string_lossy()))
}

/// The processes that conversations have started, so that what a server is told can be passed on to them.
#[derive(Clone, Debug, Default)]
pub struct Roster(Arc<Mutex<Entries>>);

#[derive(Debug, Default)]
struct Entries {
    children: BTreeMap<u32, Arc<Child>>,
    leaving: bool,
}

impl Entries {
    #[inline(never)] // A forked process has no frame of it.
    fn take_in(&mut self, child: Child) -> Arc<Child> {
        let child = Arc::new(child);
        if self.leaving {
            child.signal(Signal::TERM);
        }
        self.children.insert(process::number(child.pid()), Arc::clone(&child));
        child
    }
}

impl Roster {
    /// Sends a signal to every process under way: to its group, where it leads one.
    pub fn signal(&self, signal: Signal) {
        // Under the lock nobody is reaped, so no number can have become another process's.
        self.lock().children.values().for_each(|child| child.signal(signal));
    }

    /// The server stops: TERM to all, and from now on a command that ends takes its whole group with it.
    pub fn dismiss(&self) {
        self.lock().leaving = true;
        self.signal(Signal::TERM);
    }

    /// The grace is over: KILL to commands; TERM again to forked conversations, which end at once then.
    pub fn end(&self) {
        for child in self.lock().children.values() {
            child.signal(if child.leads_a_group() { Signal::KILL } else { Signal::TERM });
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts a process and takes it in, in one step: no signal that is passed on can miss it. What else `start` makes
    /// is handed on.
    pub fn enrol<T>(&self, start: impl FnOnce() -> io::Result<(Child, T)>) -> io::Result<(Arc<Child>, T)> {
        let mut entries = self.lock();
        let (child, other) = start()?;
        Ok((entries.take_in(child), other))
    }

    /// Reaps a process and takes it off; waits where it has not ended.
    pub fn reap(&self, child: &Child) -> io::Result<Ended> {
        let mut entries = self.lock();
        if entries.leaving && child.leads_a_group() {
            // Unreaped it still holds the group's number: what is left of the group goes with it.
            child.signal(Signal::KILL);
        }
        entries.children.remove(&process::number(child.pid()));
        child.reap()
    }
}

/// A command under way.
#[derive(Debug)]
pub struct Running {
    name: Box<OsStr>,
    child: Arc<Child>,
    end: OwnedFd,
    roster: Roster,
}

impl Running {
    fn enrol(
        roster: &Roster,
        name: Box<OsStr>,
        start: impl FnOnce() -> io::Result<(Child, OwnedFd)>,
    ) -> io::Result<Self> {
        let (child, end) = roster.enrol(start)?;
        Ok(Self { name, child, end, roster: roster.clone() })
    }

    /// Its process.
    pub fn pid(&self) -> Pid {
        self.child.pid()
    }

    /// Sends a signal to it, and to its group where it leads one.
    pub fn signal(&self, signal: Signal) {
        self.child.signal(signal);
    }

    /// Reaps it; waits where it has not ended. Fails, with the status of a shell, where it could not be executed.
    pub fn reap(&self) -> Result<Ended> {
        self.roster.reap(&self.child).map_err(|e| cannot_run(&self.name, &e))
    }
}

impl AsFd for Running {
    /// Readable once the command has ended.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.end.as_fd()
    }
}
