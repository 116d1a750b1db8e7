//! Standard input to the peer, the peer to standard output. It finds the manner in which each can be used without
//! blocking and without touching flags that belong to the shell too.

use std::os::fd::BorrowedFd;

use super::{Partner, Wiring};
use crate::relay::Flows;
use crate::relay::closing::{Closing, Input};
use crate::relay::end::{Finish, Handle, Sink, Source};
use crate::relay::framing::Framing;
use crate::sys::{self, Kind, Manner, PIPE_BUF};
use crate::trace::{Event, Log};

/// How standard input and output are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stdio {
    /// Whether standard input is read.
    pub speaking: Speaking,
    /// Where what the peer sends goes.
    pub output: Output,
    /// LF that no CR precedes is sent as CRLF.
    pub crlf: bool,
}

/// Whether standard input is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaking {
    /// It is, to its end.
    Yes,
    /// It is, unless it is `/dev/null`: its immediate end would make several peers stop sending.
    UnlessNull,
    /// It is not (`--recv-only`).
    No,
}

/// Where what the peer sends goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// To standard output, which is closed at the peer's end: the pipeline sees EOF.
    Closing,
    /// To standard output, which stays open for the next peer.
    Staying,
    /// To standard output, which several peers share: whole writes of `PIPE_BUF` bytes at most.
    Shared,
    /// Nowhere.
    Dropped,
}

impl Stdio {
    /// Wires both directions, or only the incoming one where standard input is not read.
    #[inline(never)] // Its frame is no other task's: what a stack has not touched, it does not have.
    pub(super) fn wire<'a>(self, partner: &Partner<'a>, closing: Closing, log: &Log) -> Wiring<'a> {
        let kind = sys::kind(sys::stdin()).unwrap_or(Kind::Null);
        let speaks = self.speaks(kind);
        if self.speaking == Speaking::UnlessNull && !speaks {
            log.say(&Event::Option("standard input is /dev/null: only receiving (-N half-closes instead)"));
        }
        let outgoing = speaks.then(|| {
            let flow = partner.speak(input(kind));
            if self.crlf { flow.framed(Framing::crlf()) } else { flow }
        });
        let incoming = Some(partner.hear(self.output.sink()));
        let input = match kind {
            Kind::Terminal => Input::Terminal,
            Kind::File => Input::Finite,
            _ => Input::Open,
        };
        Wiring::flows(Flows { outgoing, incoming }, closing, input)
    }

    /// Whether standard input of this kind is read.
    pub(super) fn speaks(self, kind: Kind) -> bool {
        match self.speaking {
            Speaking::Yes => true,
            Speaking::UnlessNull => kind != Kind::Null,
            Speaking::No => false,
        }
    }
}

impl Output {
    /// The sink for it.
    pub fn sink<'a>(self) -> Sink<'a> {
        if self == Output::Dropped {
            return Sink::nowhere();
        }
        let kind = sys::kind(sys::stdout()).ok();
        let finish = match self {
            Output::Closing if kind == Some(Kind::Socket) => Finish::ShutdownWrite,
            Output::Closing => Finish::Close,
            Output::Staying | Output::Shared | Output::Dropped => Finish::Nothing,
        };
        let (handle, manner) = access(sys::stdout(), kind, true);
        let sink = Sink::output(handle, manner, finish);
        if self == Output::Shared { sink.at_most(PIPE_BUF) } else { sink }
    }
}

/// Standard input, which is of this kind.
pub(super) fn input<'a>(kind: Kind) -> Source<'a> {
    let (handle, manner) = access(sys::stdin(), Some(kind), false);
    let source = Source::descriptor("standard input", handle, manner);
    // Reading a terminal from the background would stop us.
    if kind == Kind::Terminal { source.gated(sys::in_foreground) } else { source }
}

/// How a standard descriptor of this kind is used without waiting and without setting flags that others share.
fn access<'a>(fd: BorrowedFd<'static>, kind: Option<Kind>, write: bool) -> (Handle<'a>, Manner) {
    let manner = match kind {
        Some(Kind::Pipe) => Manner::NoWait,
        Some(Kind::Socket) => Manner::DontWait,
        Some(Kind::Fifo | Kind::Terminal) => match sys::reopen(fd, write) {
            Ok(own) => return (Handle::Own(own), Manner::Plain),
            // No /proc, or a terminal of somebody else's: readiness has to do.
            Err(_) => Manner::Plain,
        },
        _ => Manner::Plain,
    };
    (Handle::Lent(fd), manner)
}
