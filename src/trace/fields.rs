//! The events as JSON: one object a line, whose fields are a table of the man page. It writes nothing.

use std::time::{Duration, SystemTime};

use serde_json::Value;

use super::{About, Event, Moment, Verdict};

/// A field and its value.
type Field = (&'static str, Value);

/// An object of JSON on a line of its own: what anybody here who writes JSON writes.
pub fn object(fields: &[(&str, Value)]) -> String {
    let fields: Vec<String> = fields.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
    format!("{{{}}}\n", fields.join(","))
}

/// The event as a line of JSON: always `time`, `event`, `id`, `transport`, `local` and `peer`, null where there is
/// nothing to say, and then what the event adds.
pub(super) fn line(time: SystemTime, event: &Event<'_>, about: Option<&About>) -> String {
    let (name, own) = fields(event);
    let time = humantime::format_rfc3339_millis(time).to_string();
    let (transport, local, peer) = match event {
        Event::Listening { local, transport } => (Some(*transport), Some(*local), None),
        Event::Refused { peer, transport, .. } => (Some(*transport), None, Some(*peer)),
        _ => (None, None, None),
    };
    let mut all: Vec<Field> = vec![
        ("time", time.into()),
        ("event", name.into()),
        ("id", about.map(|about| about.id).into()),
        ("transport", about.map(|about| about.transport).or(transport).into()),
        ("local", about.map(|about| about.local.as_str()).or(local).into()),
        ("peer", about.map(|about| about.peer.as_str()).or(peer).into()),
    ];
    all.extend(own);
    object(&all)
}

/// The name of an event, and what it adds.
fn fields(event: &Event<'_>) -> (&'static str, Vec<Field>) {
    match event {
        Event::Failure(sentence) => ("failure", vec![("message", (*sentence).into())]),
        Event::PeerWaiting => ("peer-waiting", vec![]),
        Event::NeverSpoke => ("input-never-spoke", vec![]),
        Event::WaitingForInput => ("waiting-for-input", vec![]),
        Event::Refused { why, .. } => ("refused", vec![("reason", (*why).into())]),
        Event::Oversized { count } => ("oversized", vec![("datagrams", (*count).into())]),
        Event::Paused { why } => ("paused", vec![("reason", (*why).into())]),
        Event::Again { why, after } => ("retry", vec![("message", (*why).into()), ("after_ms", milliseconds(*after))]),
        Event::Listening { .. } => ("listening", vec![]),
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
        Event::UnderWay { since, sent, received, state } => {
            let own = vec![
                ("sent", (*sent).into()),
                ("received", (*received).into()),
                ("ms", milliseconds(*since)),
                ("state", (*state).into()),
            ];
            ("under-way", own)
        }
        Event::Confirmed(known) => {
            let own = vec![
                ("confirmed", known.holds().into()),
                ("sent", known.sent.into()),
                ("unacknowledged", known.outstanding.into()),
                ("ending", known.ending.into()),
            ];
            ("confirmation", own)
        }
        Event::Heading => ("heading", vec![]),
        Event::Step(moment) => ("step", step(moment)),
        Event::Verdict(verdict) => ("verdict", conclusion(verdict)),
    }
}

fn step(moment: &Moment<'_>) -> Vec<Field> {
    vec![
        ("leg", moment.leg.word().into()),
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
        ("leg", verdict.leg.word().into()),
        ("closed_first", verdict.first.map(side).into()),
        ("in_order", verdict.in_order.into()),
        ("ending", verdict.ending.into()),
        ("sent", verdict.sent.into()),
        ("received", verdict.received.into()),
        ("unacknowledged", verdict.unacknowledged.into()),
        ("rtt_ms", tcp.map(|tcp| milliseconds(tcp.round_trip)).into()),
        ("retransmissions", tcp.map(|tcp| tcp.retransmissions).into()),
        ("time_wait", tcp.map(|tcp| tcp.time_wait.word()).into()),
        ("waited_input_ms", verdict.waited.map(|(input, _)| milliseconds(input)).into()),
        ("waited_output_ms", verdict.waited.map(|(_, output)| milliseconds(output)).into()),
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
