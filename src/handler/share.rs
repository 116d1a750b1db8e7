//! Standard input and output shared among peers: each conversation is wired to a hub, and so is the house, which is the
//! two descriptors themselves. Who hears whom is the hub's.

use anyhow::Result;

use super::stdio::{self, Stdio};
use super::{Partner, Wiring};
use crate::exit::{Failure, Status};
use crate::relay::Flows;
use crate::relay::closing::{Closing, Input};
use crate::relay::end::{Sink, Source};
use crate::relay::flow::Flow;
use crate::relay::framing::Framing;
use crate::relay::hub::house::House;
use crate::relay::hub::{Hub, Sharing};
use crate::sys::{self, Kind};
use crate::trace::{Event, Log, reason};

/// Standard input and output, and how many share them.
#[derive(Debug)]
pub struct Share {
    stdio: Stdio,
    sharing: Sharing,
    lines: bool,
    hub: Option<Hub>,
}

impl Share {
    /// What is to be shared, and how; with `lines`, lines are kept whole.
    pub fn new(stdio: Stdio, sharing: Sharing, lines: bool) -> Self {
        Self { stdio, sharing, lines, hub: None }
    }

    /// How standard output is used.
    pub(super) fn output(&self) -> stdio::Output {
        self.stdio.output
    }

    /// Opens the hub.
    pub(super) fn prepare(&mut self, log: &Log) -> Result<()> {
        let failed = |e| Failure::error(Status::Failure, format!("cannot share standard input: {}", reason(&e)));
        let file = sys::kind(sys::stdout()).is_ok_and(|kind| kind == Kind::File);
        let hub = Hub::open(self.sharing, self.lines, self.speaks(), file, log).map_err(failed)?;
        self.hub = Some(hub);
        Ok(())
    }

    fn hub(&self) -> Result<&Hub> {
        self.hub.as_ref().ok_or_else(|| Failure::error(Status::Failure, "cannot share standard input: it is not open"))
    }

    fn speaks(&self) -> bool {
        self.stdio.speaks(sys::kind(sys::stdin()).unwrap_or(Kind::Null))
    }

    /// Wires a peer to the hub. Its FIN ends nothing but what it says.
    #[inline(never)] // Its frame is no other task's: what a stack has not touched, it does not have.
    pub(super) fn wire<'a>(&self, partner: &Partner<'a>, closing: Closing, log: &Log) -> Result<Wiring<'a>> {
        let name = partner.peer.name();
        let (outlet, inlet) = self.hub()?.join(&name.to_string(), log).map_err(|e| {
            let sentence = format!("cannot share standard input with {name}: {}", reason(&e));
            if sys::is_shortage(&e) {
                Failure::passing(Status::Failure, sentence)
            } else {
                Failure::error(Status::Failure, sentence)
            }
        })?;
        let silent = self.sharing == Sharing::FanOut && !self.speaks();
        let outgoing = (!silent).then(|| partner.speak(Source::outlet(outlet)));
        let sink = if self.output() == stdio::Output::Dropped { Sink::nowhere() } else { Sink::inlet(inlet) };
        let incoming = Some(partner.hear(sink));
        Ok(Wiring::flows(Flows { outgoing, incoming }, closing, Input::Finite))
    }

    /// Wires standard input and output to the hub.
    pub fn house<'a>(&self, log: &Log) -> Result<House<'a>> {
        let hub = self.hub()?;
        let (outlet, inlet) = hub.house();
        let kind = sys::kind(sys::stdin()).unwrap_or(Kind::Null);
        let speaking = self.stdio.speaks(kind).then(|| {
            let flow = Flow::new(stdio::input(kind), Sink::inlet(inlet));
            if self.stdio.crlf { flow.framed(Framing::crlf()) } else { flow }
        });
        if speaking.is_none() && self.stdio.speaking == stdio::Speaking::UnlessNull {
            log.say(&Event::Option("standard input is /dev/null: only receiving (-N half-closes instead)"));
        }
        let hearing = Flow::new(Source::outlet(outlet), self.output().sink());
        Ok(House::new(hub.clone(), speaking, hearing))
    }

    /// The hub, once it is open.
    pub fn opened(&self) -> Option<&Hub> {
        self.hub.as_ref()
    }
}
