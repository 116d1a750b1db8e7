//! The rules of a conversation's end as the design states them (part 2.3), in a few lines and without a descriptor: what
//! must have become of a conversation to which certain things have happened. Not taken from the code it judges.

use fincat::relay::closing::{OnEof, OnFin, Side};
use fincat::relay::outcome::{Bound, Ending, Outcome};

use super::schedule::{Input, Output, Peer, Setup, Timer};

/// Something that decides, as opposed to bytes that come and go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    InputEnded,
    InputBroke,
    PeerEnded,
    /// After its end it is gone altogether.
    PeerLeft,
    /// Bytes of ours that a peer that is gone will not take.
    SentInVain,
    PeerReset,
    OutputLeft,
    /// Something came for an output that is full.
    OutputFailed,
    CalledOff,
    /// The timer ran out.
    Due,
}

/// How it must have ended, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Order,
    Abort,
    Gone {
        clean: bool,
    },
    Reset,
    Read,
    Write,
    Called,
    Deadline,
    Idle,
    Silent(Side),
    /// None that is known here.
    Other,
}

impl Verdict {
    /// The verdict that was given.
    pub(super) fn of(ending: &Ending) -> Self {
        match ending {
            Ending::Order => Verdict::Order,
            Ending::Abort => Verdict::Abort,
            Ending::OutputGone { clean } => Verdict::Gone { clean: *clean },
            Ending::Reset => Verdict::Reset,
            Ending::Local { verb: "read", .. } => Verdict::Read,
            Ending::Local { verb: "write", .. } => Verdict::Write,
            Ending::Called => Verdict::Called,
            Ending::TimedOut(Bound::Deadline(_)) => Verdict::Deadline,
            Ending::TimedOut(Bound::Idle(_)) => Verdict::Idle,
            Ending::TimedOut(Bound::HalfClose(side, _)) => Verdict::Silent(*side),
            _ => Verdict::Other,
        }
    }
}

/// What has become of a conversation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "each is something by itself")]
pub(super) struct State {
    pub(super) input_ended: bool,
    pub(super) peer_ended: bool,
    pub(super) first: Option<Side>,
    /// Our FIN is out.
    pub(super) fin: bool,
    /// Whoever reads our output has been shown its end.
    pub(super) shown: bool,
    pub(super) over: Option<Verdict>,
    /// It is decided how it ends; what is ready is still being delivered, or its acknowledgement is waited for.
    pub(super) soft: bool,
}

impl State {
    fn ended(self, verdict: Verdict) -> Self {
        Self { over: Some(verdict), soft: false, ..self }
    }

    /// The same as soon as something else is done.
    fn ends(self, verdict: Verdict) -> Self {
        Self { over: Some(verdict), soft: true, ..self }
    }

    /// What `event` may make of it: of one that is ending, something else, or nothing.
    fn follow(self, event: Event, setup: &Setup) -> Vec<Self> {
        let is_fault = match event {
            Event::InputEnded | Event::PeerEnded => false,
            Event::PeerLeft => setup.peer == Peer::Unix,
            _ => true,
        };
        if self.soft && is_fault {
            return vec![self, Self { over: None, ..self }.after(event, setup)];
        }
        vec![self.after(event, setup)]
    }

    /// What `event` makes of it. Nothing makes anything of a conversation that is over.
    pub(super) fn after(self, event: Event, setup: &Setup) -> Self {
        if self.over.is_some() {
            return self;
        }
        match event {
            Event::InputEnded => self.input_ends(setup),
            Event::PeerEnded => self.peer_ends(setup),
            Event::InputBroke if self.input_ended => self,
            Event::InputBroke => self.ended(Verdict::Read),
            // Unix sockets show it at once; TCP when something is sent.
            Event::PeerLeft if setup.peer == Peer::Unix => self.ended(Verdict::Order),
            Event::PeerLeft => self,
            Event::SentInVain | Event::PeerReset => self.ended(Verdict::Reset),
            Event::OutputLeft if self.peer_ended => self,
            Event::OutputLeft => self.ended(Verdict::Gone { clean: self.input_ended }),
            Event::OutputFailed => self.ended(Verdict::Write),
            Event::CalledOff => self.ended(Verdict::Called),
            Event::Due => setup.timer.and_then(|timer| self.due(timer)).map_or(self, |verdict| self.ended(verdict)),
        }
    }

    /// Rule 1, `--on-eof`, `--send-only`.
    fn input_ends(self, setup: &Setup) -> Self {
        let now = Self { input_ended: true, first: self.first.or(Some(Side::We)), ..self };
        match setup.on_eof {
            OnEof::Reset => now.ends(Verdict::Abort),
            _ if setup.send_only => Self { fin: true, ..now }.ends(Verdict::Order),
            _ if now.peer_ended => Self { fin: true, ..now }.ended(Verdict::Order),
            OnEof::HalfClose => Self { fin: true, ..now },
            OnEof::Close => Self { fin: true, ..now }.ends(Verdict::Order),
            OnEof::Hold => now,
        }
    }

    /// Rule 1, `--on-fin`.
    fn peer_ends(self, setup: &Setup) -> Self {
        let now = Self { peer_ended: true, shown: true, first: self.first.or(Some(Side::Peer)), ..self };
        let speaks = setup.input != Input::Unread && !now.input_ended;
        match setup.on_fin {
            _ if !speaks => Self { fin: true, ..now }.ended(Verdict::Order),
            OnFin::Close if setup.on_eof == OnEof::Reset => now.ends(Verdict::Abort),
            OnFin::Close => Self { fin: true, ..now }.ends(Verdict::Order),
            OnFin::Auto | OnFin::Drain => now,
        }
    }

    /// What silence comes to.
    pub(super) fn due(self, timer: Timer) -> Option<Verdict> {
        match timer {
            Timer::Deadline => Some(Verdict::Deadline),
            Timer::Idle => Some(Verdict::Idle),
            Timer::Quit => (self.input_ended && !self.peer_ended).then_some(Verdict::Order),
            Timer::HalfClose if self.input_ended && !self.peer_ended => Some(Verdict::Silent(Side::Peer)),
            Timer::HalfClose if self.peer_ended && !self.input_ended => Some(Verdict::Silent(Side::We)),
            Timer::HalfClose => None,
        }
    }

    /// Whether an outcome is what must have become of it. `sure` says that nothing else was going on when it was
    /// decided.
    pub(super) fn agrees(self, outcome: &Outcome, sure: bool) -> bool {
        let seen = Verdict::of(&outcome.ending);
        let Some(verdict) = self.over else { return false };
        let fits = match (verdict, seen) {
            (Verdict::Gone { clean: true }, Verdict::Gone { .. }) if !sure => true,
            (verdict, seen) => verdict == seen,
        };
        fits && outcome.closed_first == self.first
    }
}

/// All that may have become of a conversation, where it is the kernel's business in which order some things are seen.
pub(super) fn outcomes(states: &[State], pending: &[Event], setup: &Setup) -> Vec<State> {
    let mut all = Vec::new();
    for state in states {
        follow(*state, pending, setup, &mut all);
    }
    all
}

/// What one and the same does is seen in the order in which it was done; but an error overtakes an end.
fn is_next(pending: &[Event], at: usize) -> bool {
    let is_end = |event: &Event| matches!(event, Event::PeerEnded | Event::PeerLeft);
    !is_end(&pending[at]) || !pending[..at].iter().any(is_end)
}

/// Every prefix of every order of what is pending.
fn follow(state: State, pending: &[Event], setup: &Setup, all: &mut Vec<State>) {
    if !all.contains(&state) {
        all.push(state);
    }
    for at in 0..pending.len() {
        if !is_next(pending, at) {
            continue;
        }
        let rest: Vec<Event> = pending.iter().enumerate().filter(|(i, _)| *i != at).map(|(_, event)| *event).collect();
        for next in state.follow(pending[at], setup) {
            follow(next, &rest, setup, all);
        }
    }
}

/// The same after all of what is pending has been seen.
pub(super) fn settled(states: &[State], pending: &[Event], setup: &Setup) -> Vec<State> {
    if pending.is_empty() {
        return states.to_vec();
    }
    let mut all = Vec::new();
    for at in 0..pending.len() {
        if !is_next(pending, at) {
            continue;
        }
        let rest: Vec<Event> = pending.iter().enumerate().filter(|(i, _)| *i != at).map(|(_, event)| *event).collect();
        let next: Vec<State> = states.iter().flat_map(|state| state.follow(pending[at], setup)).collect();
        for state in settled(&next, &rest, setup) {
            if !all.contains(&state) {
                all.push(state);
            }
        }
    }
    all
}

/// Whether what stands behind standard output has a reader that can leave, and that sees an end.
pub(super) fn is_read(output: Output) -> bool {
    matches!(output, Output::Pipe | Output::Socket)
}
