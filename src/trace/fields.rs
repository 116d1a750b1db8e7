//! The events as JSON: one object a line, whose fields are a table of the man page. It writes nothing.

use std::time::{Duration, SystemTime};

use serde_json::Value;

use super::{About, Event, Moment, Verdict};

/// A field and its value.
type Field = (&'static str, Value);

/// The event as a line of JSON: `time` and `event`, of a conversation `id`, `transport`, `local` and `peer`, and what the
/// event adds.
pub(super) fn object(time: SystemTime, event: &Event<'_>, about: Option<&About>) -> String {
    let (name, own) = fields(event);
    let time = humantime::format_rfc3339_millis(time).to_string();
    let mut all: Vec<Field> = vec![("time", time.into()), ("event", name.into())];
    if let Some(About { id, transport, local, peer }) = about {
        let (local, peer) = (local.as_str().into(), peer.as_str().into());
        all.extend([("id", (*id).into()), ("transport", (*transport).into()), ("local", local), ("peer", peer)]);
    }
    all.extend(own);
    let fields: Vec<String> = all.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
    format!("{{{}}}\n", fields.join(","))
}

/// The name of an event, and what it adds.
fn fields(event: &Event<'_>) -> (&'static str, Vec<Field>) {
    match event {
        Event::Failure(sentence) => ("failure", vec![("message", (*sentence).into())]),
        Event::PeerWaiting => ("peer-waiting", vec![]),
        Event::NeverSpoke => ("input-never-spoke", vec![]),
        Event::WaitingForInput => ("waiting-for-input", vec![]),
        Event::Refused { peer, why } => ("refused", vec![("peer", (*peer).into()), ("reason", (*why).into())]),
        Event::Oversized { count } => ("oversized", vec![("datagrams", (*count).into())]),
        Event::Paused { why } => ("paused", vec![("reason", (*why).into())]),
        Event::Again { why, after } => ("retry", vec![("message", (*why).into()), ("after_ms", milliseconds(*after))]),
        Event::Listening { local } => ("listening", vec![("local", (*local).into())]),
        Event::Opened { accepted, .. } => ("opened", vec![("accepted", (*accepted).into())]),
        Event::Closed { first, ending, how, status, sent, received, took } => {
            let ms = milliseconds(*took);
            let own = vec![
                ("closed_first", first.map(self::side).into()),
                ("ending", (*ending).into()),
                ("reason", (*how).into()),
                ("sent", (*sent).into()),
                ("received", (*received).into()),
                ("ms", ms),
                ("status", (*status).into()),
            ];
            ("closed", own)
        }
        Event::End { side } => ("end", vec![("side", self::side(side).into())]),
        Event::Started { pid } => ("started", vec![("pid", (*pid).into())]),
        Event::Option(what) => ("option", vec![("message", (*what).into())]),
        Event::Step(moment) => ("step", step(moment)),
        Event::Verdict(verdict) => ("verdict", conclusion(verdict)),
    }
}

fn step(moment: &Moment<'_>) -> Vec<Field> {
    vec![
        ("step", moment.step.word().into()),
        ("ms", milliseconds(moment.at)),
        ("state", moment.state.into()),
        ("inferred", moment.inferred.into()),
        ("note", moment.note.into()),
    ]
}

fn conclusion(verdict: &Verdict) -> Vec<Field> {
    let tcp = verdict.tcp;
    vec![
        ("closed_first", verdict.first.map(side).into()),
        ("in_order", verdict.in_order.into()),
        ("ending", verdict.ending.into()),
        ("sent", verdict.sent.into()),
        ("received", verdict.received.into()),
        ("unacknowledged", verdict.unacknowledged.into()),
        ("rtt_ms", tcp.map(|tcp| milliseconds(tcp.round_trip)).into()),
        ("retransmissions", tcp.map(|tcp| tcp.retransmissions).into()),
        ("time_wait", tcp.map(|tcp| tcp.time_wait.word()).into()),
        ("waited_input_ms", milliseconds(verdict.input)),
        ("waited_output_ms", milliseconds(verdict.output)),
        ("waited_window_ms", tcp.map(|tcp| milliseconds(tcp.window)).into()),
    ]
}

/// A side in one word.
fn side(words: &'static str) -> &'static str {
    words.strip_prefix("the ").unwrap_or(words)
}

/// Milliseconds with three digits after the point.
fn milliseconds(time: Duration) -> Value {
    ((time.as_secs_f64() * 1_000_000.0).round() / 1000.0).into()
}
