//! What is drawn of the way to a peer (`--trace`): its names, each attempt. It goes nowhere itself.

use std::time::Instant;

use crate::net::dial::stage::{Stage, Watcher};
use crate::sys::states::State;
use crate::trace::{Event, Leg, Log, Moment, Step, reason};

/// Goes to a peer by way of `dial`, which shows its stages to a watcher; they are drawn if that was asked for.
pub fn draw<T>(log: &Log, leg: Leg, since: Instant, dial: impl FnOnce(Watcher<'_>) -> T) -> T {
    let look = |stage: &Stage<'_>| say(log, leg, since, stage);
    dial(if log.traces() { Watcher::new(&look) } else { Watcher::default() })
}

fn say(log: &Log, leg: Leg, since: Instant, stage: &Stage<'_>) {
    let (step, note) = match stage {
        Stage::Resolved(addresses) => {
            let addresses: Vec<String> = addresses.iter().map(|address| address.ip().to_string()).collect();
            (Step::Resolved, addresses.join(" "))
        }
        Stage::Began(address, _) => (Step::Attempt, address.to_string()),
        Stage::Failed(address, error) => (Step::Failed, format!("{address}: {}", reason(error))),
    };
    // The sample may be later than the answer of a peer that is near.
    let sample = if let Stage::Began(_, sample) = stage { *sample } else { None };
    let inferred = sample.is_some_and(|sample| sample != State::SynSent);
    let (tcp, shown) = (sample.is_some(), sample.map(|_| State::SynSent.name()));
    log.say(&Event::Step(Moment { leg, step, at: since.elapsed(), tcp, state: shown, inferred, note: Some(&note) }));
}
