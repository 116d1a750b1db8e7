//! Plays a schedule to a relay, step by step, and holds what is seen against the rules; it makes none up.

use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use fincat::handler::stdio;
use fincat::relay::closing::{self, Closing, OnEof, OnFin};
use fincat::relay::end::{Handle, Sink, Source};
use fincat::relay::flow::Flow;
use fincat::relay::outcome::Outcome;
use fincat::relay::{Deadline, Flows, Relay, Turn};
use fincat::sys::{self, Manner};
use fincat::trace::Log;

use super::judge::check_the_close;
use super::rules::{Event, State, Verdict, outcomes, settled};
use super::schedule::{Act, Input, Output, Peer, Setup, Timer};
use super::stage::{Stage, clear, join, outstanding, waiting};

/// What the timer of a schedule is set to.
pub(super) const TIMER: Duration = Duration::from_millis(10);

/// What everything may take that must come by itself: a machine may be busy.
const PATIENCE: Duration = Duration::from_secs(4);

/// How long one look at a conversation of which the rules allow more than one state may take.
const GLANCE: Duration = Duration::from_millis(40);

/// A conversation under way.
pub(super) struct Play<'a> {
    pub(super) stage: Stage,
    pub(super) ours: &'a OwnedFd,
    relay: Relay<'a>,
    pub(super) outcome: Option<Outcome>,
    pub(super) states: Vec<State>,
    /// What has happened since everything was settled.
    pub(super) pending: Vec<Event>,
    pub(super) started: Instant,
    /// When a byte was moved last by anybody but the relay.
    touched: Instant,
    pub(super) called: bool,
    /// Whether the peer acknowledged everything before it was gone is not known.
    pub(super) vague: bool,
    /// The peer is gone: where the kernel keeps no TIME-WAIT for it, our FIN is answered by RST.
    pub(super) forgotten: bool,
    /// So much must have arrived at the peer, and at standard output, whatever follows.
    due_out: usize,
    pub(super) due_back: usize,
}

/// Plays a schedule; what went wrong, in a sentence.
pub(super) fn play(setup: Setup, acts: &[Act], text: &[u8]) -> Result<(), String> {
    let (peer, ours) = join(&setup);
    let log = Log::default();
    let stage = Stage::new(setup, peer);
    let done = {
        let mut play = Play::new(stage, &ours, text, &log);
        let done = acts.iter().try_for_each(|act| match play.outcome {
            None => play.act(*act).map_err(|why| format!("at {act:?}: {why}")),
            Some(_) => Ok(()),
        });
        let done = done.and_then(|()| play.conclude());
        let Play { stage, outcome, states, called, vague, .. } = play;
        done.map(|()| (stage, outcome, states, called || vague))
    };
    drop(ours);
    let verdict = done.and_then(|(mut stage, outcome, states, vague)| {
        let outcome = outcome.ok_or("it never ended")?;
        check_the_close(&mut stage, &outcome, &states, vague)
    });
    clear();
    verdict
}

fn flows<'a>(setup: &Setup, ours: &'a OwnedFd, text: &'a [u8]) -> Box<Flows<'a>> {
    let stdin = |manner| Source::descriptor("standard input", Handle::Lent(sys::stdin()), manner);
    let source = match setup.input {
        Input::Unread => None,
        Input::Pipe => Some(stdin(Manner::NoWait)),
        Input::Socket => Some(stdin(Manner::DontWait)),
        Input::File(_) => Some(stdin(Manner::Plain)),
        Input::Text(_) => Some(Source::text(text)),
    };
    let output = match setup.output {
        Output::Dropped => stdio::Output::Dropped,
        _ if setup.stays => stdio::Output::Staying,
        _ => stdio::Output::Closing,
    };
    let sink = if setup.output == Output::Back { Sink::peer(ours.as_fd()) } else { output.sink() };
    let outgoing = source.map(|source| Flow::new(source, Sink::peer(ours.as_fd())));
    let incoming = Some(Flow::new(Source::peer(ours.as_fd()), sink));
    let mut flows = Box::new(Flows { outgoing, incoming });
    if setup.copies {
        flows.copy();
    }
    flows
}

fn policy(setup: &Setup) -> Closing {
    let when = |timer| (setup.timer == Some(timer)).then_some(TIMER);
    let closing = Closing {
        on_eof: setup.on_eof,
        on_fin: setup.on_fin,
        send_only: setup.send_only,
        quit_after: when(Timer::Quit),
        half_close_timeout: when(Timer::HalfClose),
        idle_timeout: when(Timer::Idle),
        ..Closing::default()
    };
    let is_finite = matches!(setup.input, Input::File(_) | Input::Text(_)) || setup.output == Output::Back;
    closing.settled(if is_finite { closing::Input::Finite } else { closing::Input::Open })
}

impl<'a> Play<'a> {
    fn new(stage: Stage, ours: &'a OwnedFd, text: &'a [u8], log: &'a Log) -> Self {
        let setup = stage.setup;
        let started = Instant::now();
        let deadline = Deadline { at: started + TIMER, asked: TIMER };
        let deadline = (setup.timer == Some(Timer::Deadline)).then_some(deadline);
        let text = &text[..if let Input::Text(size) = setup.input { size } else { 0 }];
        let relay = Relay::new(ours.as_fd(), flows(&setup, ours, text), policy(&setup), deadline, log);
        let ends = matches!(setup.input, Input::File(_) | Input::Text(_));
        Self {
            stage,
            ours,
            relay,
            outcome: None,
            states: vec![State::default()],
            pending: if ends { vec![Event::InputEnded] } else { vec![] },
            started,
            touched: started,
            called: false,
            vague: false,
            forgotten: false,
            due_out: 0,
            due_back: 0,
        }
    }

    fn act(&mut self, act: Act) -> Result<(), String> {
        match act {
            Act::Step(times) => (0..times).for_each(|_| self.step(None)),
            Act::Settle => return self.settle(),
            Act::Wait => return self.wait(),
            Act::Hear(most) => drop(self.stage.hear(most)?),
            Act::Take(most) => drop(self.stage.take(most)?),
            Act::CallOff if self.outcome.is_none() => {
                self.called = true;
                self.pending.push(Event::CalledOff);
                self.relay.call_off();
            }
            act => self.others(act)?,
        }
        self.look()
    }

    /// What others do.
    fn others(&mut self, act: Act) -> Result<(), String> {
        self.touched = Instant::now();
        match act {
            Act::Feed(most) if self.stage.feed(most) > 0 && self.stage.peer.is_none() => {
                self.pending.push(Event::SentInVain);
                // What is ready is still sent, or is not ready yet.
                self.vague |= self.stage.setup.on_fin == OnFin::Close;
            }
            Act::Send(most) if self.stage.send(most) > 0 && self.stage.setup.output == Output::Full => {
                self.pending.push(Event::OutputFailed);
            }
            Act::Steal(most) if self.stage.peer.is_some() => self.stage.steal(most),
            Act::EndInput if self.stage.input.take().is_some() => self.input_ends(),
            Act::BreakInput if self.stage.input.is_some() && self.stage.setup.input == Input::Socket => {
                self.stage.break_input();
                self.pending.push(Event::InputBroke);
            }
            Act::Fin if self.stage.peer.is_some() && !self.stage.has_finished => {
                self.stage.finish();
                self.peer_ends();
            }
            Act::Close if self.stage.peer.is_some() => self.close()?,
            Act::Reset if self.stage.peer.is_some() => self.reset()?,
            Act::LeaveOutput if self.stage.output.take().is_some() => self.pending.push(Event::OutputLeft),
            _ => {}
        }
        Ok(())
    }

    fn input_ends(&mut self) {
        if self.goes_on() {
            self.due_out = self.stage.out.said.len();
            self.due_back = self.due_back.max(self.stage.back.said.len().saturating_sub(self.stage.on_its_way()));
        }
        self.pending.push(Event::InputEnded);
    }

    /// Nothing that has happened so far can have ended it.
    fn goes_on(&self) -> bool {
        let possible = outcomes(&self.states, &self.pending, &self.stage.setup);
        self.outcome.is_none() && possible.iter().all(|state| state.over.is_none())
    }

    fn peer_ends(&mut self) {
        if self.goes_on() {
            self.due_out = self.stage.out.said.len();
            self.due_back = self.stage.back.said.len();
        }
        self.pending.push(Event::PeerEnded);
    }

    /// The peer reads what there is and is gone.
    fn close(&mut self) -> Result<(), String> {
        for _ in 0..100 {
            self.stage.hear(usize::MAX)?;
            if outstanding(self.ours.as_fd()) == 0 {
                break;
            }
        }
        self.leave(false)
    }

    fn reset(&mut self) -> Result<(), String> {
        self.leave(true)
    }

    /// The peer is gone, by RST where it says so, or where it leaves something unread.
    fn leave(&mut self, aborts: bool) -> Result<(), String> {
        let stage = &mut self.stage;
        let Some(peer) = &stage.peer else { return Ok(()) };
        let leaves = waiting(peer.as_fd()) > 0 && !stage.peer_eof;
        let echoes = stage.setup.output == Output::Back;
        let line = if echoes { &stage.back } else { &stage.out };
        let (all_heard, acknowledged) = (line.is_heard(), outstanding(self.ours.as_fd()) == 0);
        let arrived = stage.back.said.len().saturating_sub(stage.on_its_way());
        let on_its_way = stage.on_its_way() > 0;
        let is_reset = if stage.setup.peer == Peer::Tcp { aborts || leaves } else { leaves };
        let had_finished = stage.has_finished;
        stage.leave(aborts).map_err(|e| e.to_string())?;
        stage.has_finished = true;
        let said = self.stage.back.said.len();
        if self.goes_on() {
            self.due_back = self.due_back.max(if is_reset { arrived } else { said });
        }
        // Nobody can read the rest any more.
        self.due_out = 0;
        if is_reset && !(had_finished && self.stage.setup.peer == Peer::Tcp) {
            self.pending.push(Event::PeerReset);
            // Where our output or our side went first, an error may show at another place.
            self.vague |= echoes;
            return Ok(());
        }
        if !had_finished {
            self.pending.push(Event::PeerEnded);
        }
        // Its FIN is still to come, or what it meets is not known.
        self.vague |= on_its_way || is_reset || !acknowledged || !all_heard || echoes && !self.stage.back.is_heard();
        self.forgotten |= self.stage.setup.peer == Peer::Tcp && !self.stage.peer_eof;
        self.pending.push(Event::PeerLeft);
        Ok(())
    }

    fn step(&mut self, until: Option<Instant>) {
        if self.outcome.is_none()
            && let Turn::Ended(outcome) = self.relay.run(&[], Some(until.unwrap_or(self.started)))
        {
            self.outcome = Some(outcome);
        }
    }

    /// Everybody reads what comes; whether anything did.
    fn drain(&mut self) -> Result<bool, String> {
        let heard = self.stage.hear(usize::MAX)?;
        let taken = self.stage.take(usize::MAX)?;
        if heard + taken > 0 {
            self.touched = Instant::now();
        }
        Ok(heard + taken > 0)
    }

    /// Goes on until the rules hold to the byte.
    fn settle(&mut self) -> Result<(), String> {
        let mut states = settled(&self.states, &self.pending, &self.stage.setup);
        states.dedup();
        let all_over = states.iter().all(|state| state.over.is_some());
        let unclear = states.iter().any(|state| state.over.is_some());
        let (mut until, mut still) = (Instant::now() + if unclear { GLANCE } else { PATIENCE }, 0);
        let (mut spins, mut quiet) = (0, 0);
        while self.outcome.is_none() && !all_over {
            spins += 1;
            // A busy loop at first, then one that really waits.
            let wait = (spins > 20).then(|| Instant::now() + Duration::from_millis(1));
            self.step(wait);
            let moved = self.drain()?;
            let exact = states.iter().any(|state| self.is_exactly(*state));
            quiet = if exact && !moved { quiet + 1 } else { 0 };
            if quiet > 3 {
                (self.states, self.pending) = (states, vec![]);
                return Ok(());
            }
            still = if moved { 0 } else { still + 1 };
            if moved && unclear {
                until = Instant::now() + GLANCE;
            }
            if Instant::now() >= until && still > 30 {
                break;
            }
        }
        if self.outcome.is_none() && !all_over && !states.iter().any(|s| s.over.is_some()) {
            let Stage { out, back, peer_eof, output_eof, .. } = &self.stage;
            return Err(format!(
                "it stands still: the peer has {} of {} bytes, end {peer_eof}, output {} of {}, end {output_eof}; expected {states:?}",
                out.heard,
                out.said.len(),
                back.heard,
                back.said.len()
            ));
        }
        // A timer may have been due before all of it was seen.
        let before = outcomes(&self.states, &self.pending, &self.stage.setup);
        self.states = if self.stage.setup.timer.is_some() { before } else { states };
        self.end()
    }

    /// It must be over: as soon as the peer, which has heard everything, is gone.
    fn end(&mut self) -> Result<(), String> {
        let until = Instant::now() + PATIENCE;
        // What is due comes before the peer does anything about it.
        let silent = match self.stage.setup.timer.filter(|_| self.pending.contains(&Event::Due)) {
            None => Duration::ZERO,
            // It hears the peer out.
            Some(Timer::Idle) => 2 * TIMER,
            Some(_) => PATIENCE,
        };
        self.pending.clear();
        while self.outcome.is_none() && Instant::now() < until {
            self.step(Some(Instant::now() + Duration::from_millis(1)));
            self.drain()?;
            if self.touched.elapsed() < silent {
                continue;
            }
            if self.stage.peer_eof || self.stage.peer_cut {
                self.stage.finish();
            }
        }
        let outcome = self.outcome.as_ref().ok_or_else(|| format!("it does not end; expected {:?}", self.states))?;
        let sure = self.states.len() == 1 && self.stage.back.is_heard() && self.stage.out.is_heard();
        self.judge(outcome, &self.states, sure)?;
        self.drain()?;
        let outcome = self.outcome.as_ref().ok_or("it never ended")?;
        let Stage { back, .. } = &self.stage;
        let whole = Verdict::of(&outcome.ending) == Verdict::Order && !self.vague;
        if whole && self.stage.shows() && self.stage.setup.timer.is_none() && back.heard < self.due_back {
            return Err(format!("{outcome:?}, and standard output has {} of {} bytes", back.heard, self.due_back));
        }
        Ok(())
    }

    /// Nothing happens until the timer is due.
    fn wait(&mut self) -> Result<(), String> {
        let Some(timer) = self.stage.setup.timer.filter(|_| self.outcome.is_none()) else { return Ok(()) };
        self.settle()?;
        if self.outcome.is_some() || !self.states.iter().all(|state| state.due(timer).is_some()) {
            return Ok(());
        }
        self.pending.push(Event::Due);
        let began = Instant::now();
        self.settle()?;
        if began.elapsed() > TIMER + PATIENCE / 2 {
            return Err(format!("{timer:?} was due long ago"));
        }
        Ok(())
    }

    /// Both end, and so does the conversation.
    fn conclude(&mut self) -> Result<(), String> {
        if self.outcome.is_none() {
            self.settle()?;
        }
        let ours_first = [Act::EndInput, Act::Settle, Act::Wait, Act::Fin, Act::Settle];
        let theirs_first = [Act::Fin, Act::Settle, Act::Wait, Act::EndInput, Act::Settle];
        for act in if self.stage.setup.copies { theirs_first } else { ours_first } {
            if self.outcome.is_none() {
                self.act(act).map_err(|why| format!("in the end: {why}"))?;
            }
        }
        let hold = self.stage.setup.on_eof == OnEof::Hold;
        if self.outcome.is_none() && !(hold && self.vague) {
            // The last thing may be an acknowledgement, with which the peer's TCP takes its time.
            self.end().map_err(|why| format!("both have ended: {why}"))?;
        }
        Ok(())
    }
}
