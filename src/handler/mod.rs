//! WHAT FOR: what a conversation is used for, and the wiring of its flows. A handler wires, the relay runs; nobody
//! here loops over bytes, accepts, or knows how many are served.

pub mod builtin;
pub mod command;
pub mod stdio;

use crate::net::connection::Connection;
use crate::relay::Flows;
use crate::relay::closing::{Closing, Input};
use crate::trace::Log;

use self::builtin::Payload;
use self::command::{Command, Roster, Running};
use self::stdio::{Output, Stdio};

/// What a conversation is for.
#[derive(Debug)]
pub enum Task {
    /// Standard input to the peer, the peer to standard output.
    Stdio(Stdio),
    /// A command for each conversation.
    Command(Command),
    /// RFC 862: what the peer sends goes back.
    Echo,
    /// RFC 863: what the peer sends is dropped.
    Discard,
    /// A text or a file to the peer, then hear it out.
    Send(Payload, Output),
}

impl Task {
    /// Whether standard output belongs to this task.
    pub fn uses_stdout(&self) -> bool {
        match self {
            Task::Stdio(stdio) => stdio.output != Output::Dropped,
            Task::Send(_, output) => *output != Output::Dropped,
            Task::Command(command) => command.uses_stdout(),
            Task::Echo | Task::Discard => false,
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
            Task::Stdio(_) | Task::Send(Payload::File(_), _) => 3,
            Task::Echo | Task::Discard | Task::Send(Payload::Text(_), _) => 1,
        }
    }

    /// The same where each conversation is a process of its own: what its parent keeps.
    pub fn descriptors_of_the_parent(&self) -> u64 {
        if self.lends_the_socket() { self.descriptors() } else { 0 }
    }

    /// Looks at what the task will need, so that a mistake shows before anybody is kept waiting: the command is found,
    /// the file can be read.
    pub fn prepare(&mut self) -> anyhow::Result<()> {
        match self {
            Task::Command(command) => command.prepare(),
            Task::Send(payload, _) => payload.prepare(),
            Task::Stdio(_) | Task::Echo | Task::Discard => Ok(()),
        }
    }
}

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

/// Wires a conversation for its task. `number` is what a command is told of it.
pub fn wire<'a>(
    task: &'a Task,
    peer: &'a Connection,
    closing: Closing,
    number: usize,
    roster: &Roster,
    log: &Log,
) -> anyhow::Result<Wiring<'a>> {
    match task {
        Task::Stdio(stdio) => Ok(stdio.wire(peer, closing, log)),
        Task::Command(command) => command.wire(peer, closing, number, roster, log),
        Task::Echo => Ok(builtin::echo(peer, closing)),
        Task::Discard => Ok(builtin::discard(peer, closing)),
        Task::Send(payload, output) => payload.wire(peer, *output, closing),
    }
}
