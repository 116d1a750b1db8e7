//! WHAT FOR: what a conversation is used for, and the wiring of its flows. A handler wires, the relay runs; nobody
//! here loops over bytes, accepts, or knows how many are served.

pub mod builtin;
pub mod command;
pub mod forward;
pub mod reach;
pub mod share;
pub mod stages;
pub mod stdio;

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Instant;

use crate::net::connection::Connection;
use crate::relay::closing::{Closing, Input};
use crate::relay::end::{Sink, Source};
use crate::relay::flow::Flow;
use crate::relay::framing::Framing;
use crate::relay::{Deadline, Flows};
use crate::sys;
use crate::trace::Log;

use self::builtin::Payload;
use self::command::{Command, Roster, Running};
use self::forward::{Forward, Onward};
use self::share::Share;
use self::stdio::{Output, Stdio};

/// What a conversation is for.
#[derive(Debug)]
pub enum Task {
    /// Standard input to the peer, the peer to standard output.
    Stdio(Stdio),
    /// The same for all peers together.
    Share(Share),
    /// A command for each conversation.
    Command(Command),
    /// RFC 862: what the peer sends goes back.
    Echo,
    /// RFC 863: what the peer sends is dropped.
    Discard,
    /// A text or a file to the peer, then hear it out.
    Send(Payload, Output),
    /// Another peer.
    Forward(Forward),
}

impl Task {
    /// Whether standard output belongs to this task.
    pub fn uses_stdout(&self) -> bool {
        match self {
            Task::Stdio(stdio) => stdio.output != Output::Dropped,
            Task::Share(share) => share.output() != Output::Dropped,
            Task::Send(_, output) => *output != Output::Dropped,
            Task::Command(command) => command.uses_stdout(),
            Task::Echo | Task::Discard | Task::Forward(_) => false,
        }
    }

    /// How many bytes go to the peer, where that is known: a file's.
    pub fn size(&self) -> Option<u64> {
        match self {
            Task::Stdio(stdio) if stdio.speaking != stdio::Speaking::No => sys::size(sys::stdin()),
            Task::Send(payload, _) => payload.size(),
            _ => None,
        }
    }

    /// Whether a command holds the socket itself, so that nothing is left to move.
    pub fn lends_the_socket(&self) -> bool {
        matches!(self, Task::Command(command) if command.holds_the_socket())
    }

    /// Whether conversations start commands, which inherit limits.
    pub fn runs_a_command(&self) -> bool {
        matches!(self, Task::Command(_))
    }

    /// Descriptors that a conversation holds, its socket included.
    pub fn descriptors(&self) -> u64 {
        match self {
            Task::Command(command) => command.descriptors(),
            Task::Stdio(_) | Task::Send(Payload::File(_), _) | Task::Forward(_) => 3,
            // A peer's bell.
            Task::Share(_) => 2,
            Task::Echo | Task::Discard | Task::Send(Payload::Text(_), _) => 1,
        }
    }

    /// The same where each conversation is a process of its own: what its parent keeps.
    pub fn descriptors_of_the_parent(&self) -> u64 {
        if self.lends_the_socket() { self.descriptors() } else { 0 }
    }

    /// Looks at what the task will need, so that a mistake shows before anybody is kept waiting: the command is found,
    /// the file can be read.
    /// Commands find `changed` variables in the place of ours; `log` is told what standard output loses.
    pub fn prepare(&mut self, changed: &[Variable], log: &Log) -> anyhow::Result<()> {
        match self {
            Task::Command(command) => command.prepare(changed),
            Task::Send(payload, _) => payload.check(),
            Task::Share(share) => share.prepare(log),
            Task::Stdio(_) | Task::Echo | Task::Discard | Task::Forward(_) => Ok(()),
        }
    }

    /// From now on no path of the task depends on the directory that we are in.
    pub fn anchor(&mut self) -> io::Result<()> {
        match self {
            Task::Command(command) => command.anchor(),
            Task::Send(payload, _) => payload.anchor(),
            Task::Stdio(_) | Task::Share(_) | Task::Echo | Task::Discard | Task::Forward(_) => Ok(()),
        }
    }

    /// Looks again whether it can be done, after we have become somebody else.
    pub fn check(&self) -> anyhow::Result<()> {
        match self {
            Task::Command(command) => command.check(),
            Task::Send(payload, _) => payload.check(),
            Task::Stdio(_) | Task::Share(_) | Task::Echo | Task::Discard | Task::Forward(_) => Ok(()),
        }
    }
}

/// A variable of the environment: its name and its value.
pub type Variable = (&'static str, OsString);

/// A conversation's wiring.
#[derive(Debug)]
pub enum Wiring<'a> {
    /// The relay moves the bytes.
    Flows {
        /// The directions.
        flows: Box<Flows<'a>>,
        /// The policy, settled for this input.
        closing: Closing,
        /// The command at the other end of the pipes.
        command: Option<Running>,
    },
    /// A command holds the socket itself; nothing is left to move.
    Lent(Running),
}

impl<'a> Wiring<'a> {
    fn flows(flows: Flows<'a>, closing: Closing, input: Input) -> Self {
        Wiring::Flows { flows: Box::new(flows), closing: closing.settled(input), command: None }
    }
}

/// How datagrams are cut, counted and ended.
#[derive(Clone, Debug, Default)]
pub struct Letters {
    /// A line is a datagram, and a datagram a line (`--lines`).
    pub lines: bool,
    /// The most bytes of one that is sent (`--size`).
    pub size: Option<usize>,
    /// How many are received (`--datagrams`), in each conversation.
    pub datagrams: Option<u64>,
    /// The same for all conversations together: how many are left.
    pub in_all: Option<Arc<AtomicU64>>,
    /// An empty one is the end (`--eof-datagram`).
    pub empty_ends: bool,
}

/// The peer as a handler sees it: somebody to speak to and to hear.
#[derive(Clone, Debug)]
pub struct Partner<'a> {
    peer: &'a Connection,
    letters: Letters,
}

impl<'a> Partner<'a> {
    /// The flow from `source` to the peer.
    fn speak(&self, source: Source<'a>) -> Flow<'a> {
        let sink = self.peer.sink().cut(self.letters.size, self.letters.empty_ends);
        let framing = match sink.packet_size() {
            Some(_) if source.is_packets() => Framing::AsRead,
            Some(_) if self.peer.is_one_datagram() => Framing::whole(),
            // A line is not cut unless that was asked for.
            Some(_) if self.letters.lines => Framing::lines(self.letters.size.unwrap_or(LONGEST_LINE)),
            _ => Framing::AsRead,
        };
        Flow::new(source, sink).framed(framing)
    }

    /// The flow from the peer to `sink`.
    fn hear(&self, sink: Sink<'a>) -> Flow<'a> {
        let own = || self.letters.datagrams.map(|count| Arc::new(AtomicU64::new(count)));
        let left = self.letters.in_all.clone().or_else(own);
        let source = self.peer.source().ending(left, self.letters.empty_ends);
        let framing = if self.letters.lines && source.is_packets() && sink.packet_size().is_none() {
            Framing::Terminated
        } else {
            Framing::AsRead
        };
        Flow::new(source, sink).framed(framing)
    }
}

/// The longest line that can be a datagram: UDP's largest.
const LONGEST_LINE: usize = 65_507;

/// What a conversation is wired with, besides its peer.
#[derive(Clone, Debug)]
pub struct Circumstances<'c> {
    /// The policy of its end.
    pub closing: Closing,
    /// How datagrams are cut, counted and ended.
    pub letters: Letters,
    /// What a command is told: how many conversations its peer's address has.
    pub number: usize,
    /// Where its processes are entered.
    pub roster: &'c Roster,
    /// Where it is said.
    pub log: &'c Log,
    /// When it must be over.
    pub deadline: Option<Deadline>,
    /// What calls while it is being wired,
    pub bells: &'c [BorrowedFd<'c>],
    /// and when to ask at the latest.
    pub until: Option<Instant>,
}

/// Somebody calls while a conversation is being wired. If it is to go on all the same, it can be wired on.
#[derive(Debug)]
pub struct Called;

impl fmt::Display for Called {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cannot go on: stopped")
    }
}

impl std::error::Error for Called {}

/// Wires a conversation for its task. A second peer, if the task has one, is gone to by way of `onward`. Fails with
/// [`Called`] where somebody calls meanwhile.
pub fn wire<'a>(
    task: &'a Task,
    peer: &'a Connection,
    onward: &'a Onward,
    with: &Circumstances<'_>,
) -> anyhow::Result<Wiring<'a>> {
    let partner = Partner { peer, letters: with.letters.clone() };
    match task {
        Task::Stdio(stdio) => Ok(stdio.wire(&partner, with.closing, with.log)),
        Task::Share(share) => share.wire(&partner, with.closing, with.log),
        Task::Command(command) => command.wire(&partner, with),
        Task::Echo => Ok(builtin::echo(&partner, with.closing)),
        Task::Discard => Ok(builtin::discard(&partner, with.closing)),
        Task::Send(payload, output) => payload.wire(&partner, *output, with.closing),
        Task::Forward(forward) => forward.wire(&partner, onward, with),
    }
}
