//! What is seen of a relay, held against the rules: at any time, when everything is settled, and in the end. It moves
//! nothing.

use fincat::relay::outcome::Outcome;

use super::play::{Play, TIMER};
use super::rules::{State, Verdict, is_read, outcomes};
use super::schedule::{Output, Timer};
use super::stage::Stage;

/// After our socket is closed: rule 3.
pub(super) fn check_the_close(
    stage: &mut Stage,
    outcome: &Outcome,
    states: &[State],
    vague: bool,
) -> Result<(), String> {
    stage.hear(usize::MAX)?;
    if stage.peer.is_none() || vague {
        return Ok(());
    }
    match Verdict::of(&outcome.ending) {
        Verdict::Abort if !stage.peer_cut => Err("the abort was none".into()),
        // Who speaks on after `--quit-after` speaks to nobody.
        Verdict::Order if stage.peer_cut && stage.setup.timer == Some(Timer::Quit) => Ok(()),
        Verdict::Order if stage.peer_cut => Err("an end in order cut the peer off".into()),
        Verdict::Order if !stage.peer_eof => Err("an end in order was none for the peer".into()),
        Verdict::Order | Verdict::Abort if states.iter().all(|state| state.input_ended) && !stage.out.is_heard() => {
            let (ending, heard, said) = (&outcome.ending, stage.out.heard, stage.out.said.len());
            Err(format!("{ending:?}, and the peer got {heard} of {said} bytes"))
        }
        _ => Ok(()),
    }
}

impl Play<'_> {
    /// What may be seen at any time.
    pub(super) fn look(&mut self) -> Result<(), String> {
        let possible = outcomes(&self.states, &self.pending, &self.stage.setup);
        let alive = possible.iter().any(|state| state.over.is_none());
        if let Some(outcome) = &self.outcome {
            return self.judge(outcome, &possible, false);
        }
        let may_be_over = possible.iter().any(|state| state.over.is_some()) || self.stage.setup.timer.is_some();
        if may_be_over || !alive {
            return Ok(());
        }
        let Stage { peer_eof, peer_cut, output_eof, out, back, .. } = &self.stage;
        if *peer_cut {
            return Err("the peer was cut off".into());
        }
        if *peer_eof && !(possible.iter().any(|state| state.fin) && out.is_heard()) {
            return Err(format!("our FIN came after {} of {} bytes", out.heard, out.said.len()));
        }
        if *output_eof && !(possible.iter().any(|state| state.shown) && back.is_heard()) {
            return Err(format!("standard output ended after {} of {} bytes", back.heard, back.said.len()));
        }
        Ok(())
    }

    /// Whether this outcome is one that the rules allow.
    pub(super) fn judge(&self, outcome: &Outcome, possible: &[State], sure: bool) -> Result<(), String> {
        let seen = Verdict::of(&outcome.ending);
        let setup = &self.stage.setup;
        let is_due = |state: &State| {
            // The clock is looked at before what has just come.
            let verdict = setup.timer.filter(|_| self.started.elapsed() >= TIMER).and_then(|timer| state.due(timer));
            (state.over.is_none() || state.soft) && verdict == Some(seen) && state.first == outcome.closed_first
        };
        let called = self.called && seen == Verdict::Called;
        let vague =
            self.vague && matches!(seen, Verdict::Order | Verdict::Reset) || self.forgotten && seen == Verdict::Reset;
        if !called && !vague && !possible.iter().any(|state| state.agrees(outcome, sure) || is_due(state)) {
            return Err(format!("it ended as {outcome:?}; the rules say one of {possible:?}"));
        }
        self.count(outcome, seen)
    }

    /// Whether as many bytes were delivered as it says, and as it must.
    fn count(&self, outcome: &Outcome, seen: Verdict) -> Result<(), String> {
        let Stage { out, back, setup, .. } = &self.stage;
        let echoes = setup.output == Output::Back;
        let [sent, received] = [outcome.sent, outcome.received].map(|n| usize::try_from(n).unwrap_or(usize::MAX));
        if sent < if echoes { back.heard } else { out.heard } || received > back.said.len() {
            return Err(format!("{outcome:?} counts wrong"));
        }
        let whole = match seen {
            Verdict::Order | Verdict::Abort => !self.vague,
            Verdict::Reset => setup.output != Output::Full && !self.vague,
            _ => false,
        };
        if whole && received < self.due_back.min(back.said.len()) {
            return Err(format!("{outcome:?}: {} bytes had arrived", self.due_back));
        }
        if seen == (Verdict::Gone { clean: true }) && sent != out.said.len() {
            return Err(format!("{outcome:?} loses nothing, it says, of {} bytes", out.said.len()));
        }
        Ok(())
    }

    /// Whether this is, to the byte, where it stands.
    pub(super) fn is_exactly(&self, state: State) -> bool {
        let Stage { out, back, peer, output, setup, peer_eof, output_eof, .. } = &self.stage;
        let hears = peer.is_some();
        let echoes = setup.output == Output::Back;
        state.over.is_none()
            && (!hears || out.is_heard() || echoes)
            && (!hears || *peer_eof == state.fin)
            && (!self.stage.shows() || back.is_heard())
            && (setup.stays || output.is_none() || !is_read(setup.output) || *output_eof == state.shown)
    }
}
