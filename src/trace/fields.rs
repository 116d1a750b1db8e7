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
        Event::Behind { who } | Event::Lost { who, .. } => (None, None, Some(*who)),
        _ => (None, None, None),
    };
    let mut all: Vec<Field> = vec![
        ("time", time.into()),
        ("event", name.into()),
        ("id", about.map(|about| about.id).into()),
        ("transport", about.map(|about| about.transport).or(transport).into()),
        ("local", about.and_then(|about| about.local.as_deref()).or(local).into()),
        ("peer", about.map(|about| about.peer.as_str()).or(peer).into()),
    ];
    all.extend(own);
    object(&all)
}

/// The name of an event, and what it adds.
fn fields(event: &Event<'_>) -> (&'static str, Vec<Field>) {
    match event {
        Event::Failure(why) => failure(why, None),
        Event::GivenUp { why, status } => failure(why, Some(*status)),
        Event::PeerWaiting => ("peer-waiting", vec![]),
        Event::NeverSpoke => ("input-never-spoke", vec![]),
        Event::WaitingForInput => ("waiting-for-input", vec![]),
        Event::Refused { why, .. } => ("refused", vec![("reason", (*why).into())]),
        Event::Oversized { count } => ("oversized", vec![("datagrams", (*count).into())]),
        Event::Paused { why } => ("paused", vec![("reason", (*why).into())]),
        Event::Again { why, after } => ("retry", vec![("message", (*why).into()), ("after_ms", milliseconds(*after))]),
        Event::Listening { .. } => ("listening", vec![]),
        Event::Opened { accepted, via, .. } => {
            ("opened", vec![("accepted", (*accepted).into()), ("via", (*via).into())])
        }
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
        Event::Behind { .. } => ("behind", vec![]),
        Event::Lost { bytes, .. } => ("lost", vec![("bytes", (*bytes).into())]),
        Event::Urged { signal } => ("urged", vec![("signal", (*signal).into())]),
        Event::CommandEnded { how, .. } => ("command-ended", vec![("reason", (*how).into())]),
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

fn failure(why: &str, status: Option<u8>) -> (&'static str, Vec<Field>) {
    ("failure", vec![("message", why.into()), ("status", status.into())])
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

#[cfg(test)]
mod tests {
    use super::super::{Confirmation, Leg, Step};
    use super::*;

    /// What is said as text, and what an event adds as JSON.
    #[track_caller]
    fn said(event: &Event<'_>, text: &str, json: &str) {
        assert_eq!(event.to_string(), text);
        let about = About { id: 7, transport: "tcp", local: Some("a:1".into()), peer: "b \"2\"".into() };
        let head = r#""id":7,"transport":"tcp","local":"a:1","peer":"b \"2\"""#;
        let wanted = format!("{{\"time\":\"1970-01-01T00:00:00.000Z\",{}\n", json.replacen("ID", head, 1));
        assert_eq!(line(SystemTime::UNIX_EPOCH, event, Some(&about)), wanted);
    }

    #[test]
    fn a_conversation_in_words_and_in_fields() {
        let took = Duration::from_micros(1_234_567);
        said(
            &Event::Opened { local: "a:1", accepted: true, via: None },
            "accepted on a:1",
            r#""event":"opened",ID,"accepted":true,"via":null}"#,
        );
        said(
            &Event::Opened { local: "a:1", accepted: true, via: Some("c:2") },
            "accepted on a:1 by way of c:2",
            r#""event":"opened",ID,"accepted":true,"via":"c:2"}"#,
        );
        said(&Event::End { side: "the peer" }, "the peer finished", r#""event":"end",ID,"side":"peer"}"#);
        said(&Event::Started { pid: 4 }, "command runs as process 4", r#""event":"started",ID,"pid":4}"#);
        let text = "the peer is gone and the command runs on: HUP";
        said(&Event::Urged { signal: "HUP" }, text, r#""event":"urged",ID,"signal":"HUP"}"#);
        let (how, well) = ("command ended with status 1", false);
        let json = r#""event":"command-ended",ID,"reason":"command ended with status 1"}"#;
        said(&Event::CommandEnded { how, well }, how, json);
        let (first, how) = (Some("the peer"), "ended in order");
        let (sent, received) = (Some(3), Some(4));
        said(
            &Event::Closed { first, ending: "fin", how, status: 0, sent, received, took },
            "ended in order, the peer closed first, sent 3, received 4 bytes, 1.235 s",
            r#""event":"closed",ID,"closed_first":"peer","ending":"fin","reason":"ended in order","sent":3,"received":4,"ms":1234.567,"status":0}"#,
        );
        said(
            &Event::UnderWay { since: took, sent: None, received, state: Some("CLOSE-WAIT") },
            "under way for 1.235 s, CLOSE-WAIT",
            r#""event":"under-way",ID,"sent":null,"received":4,"ms":1234.567,"state":"CLOSE-WAIT"}"#,
        );
        let known = Confirmation { sent: 3, outstanding: 1, in_order: false, ending: "reset", local: false };
        said(
            &Event::Confirmed(known),
            "cannot confirm what was sent: 1 of 3 bytes were never acknowledged",
            r#""event":"confirmation",ID,"confirmed":false,"sent":3,"unacknowledged":1,"ending":"reset"}"#,
        );
        let (leg, at) = (Leg::Upstream, took);
        let moment =
            Moment { leg, step: Step::OurFin, at, tcp: true, state: Some("FIN-WAIT-1"), inferred: true, note: None };
        said(
            &Event::Step(moment),
            " 1234.567 |-------- FIN -------->| FIN-WAIT-1 (inferred)",
            r#""event":"step",ID,"leg":"upstream","step":"our-fin","ms":1234.567,"state":"FIN-WAIT-1","inferred":true,"note":null}"#,
        );
    }

    #[test]
    fn what_is_about_nobody_in_words_and_in_fields() {
        let alone = |event: &Event<'_>| line(SystemTime::UNIX_EPOCH, event, None);
        let fields = |name: &str, who: &str, adds: &str| {
            format!("{{\"time\":\"1970-01-01T00:00:00.000Z\",\"event\":\"{name}\",\"id\":null,{who}{adds}}}\n")
        };
        let nobody = r#""transport":null,"local":null,"peer":null"#;
        for (event, words, name, adds) in [
            (Event::Failure("cannot \"x\""), "cannot \"x\"", "failure", r#","message":"cannot \"x\"","status":null"#),
            (Event::GivenUp { why: "no", status: 4 }, "no", "failure", r#","message":"no","status":4"#),
            (Event::Option("on"), "on", "option", r#","message":"on""#),
            (
                Event::Oversized { count: 2 },
                "cannot send 2 datagram(s): larger than a datagram can be here (see --size)",
                "oversized",
                r#","datagrams":2"#,
            ),
            (
                Event::Paused { why: "too many" },
                "cannot accept more for now: too many; the others wait in the backlog",
                "paused",
                r#","reason":"too many""#,
            ),
            (
                Event::Again { why: "no", after: Duration::from_millis(250) },
                "no; again in 250 ms",
                "retry",
                r#","message":"no","after_ms":250.0"#,
            ),
            (Event::PeerWaiting, "another peer is waiting: one at a time (see --thread)", "peer-waiting", ""),
            (
                Event::NeverSpoke,
                "the peer has finished and standard input never spoke: done (--on-fin drain waits for it)",
                "input-never-spoke",
                "",
            ),
            (
                Event::WaitingForInput,
                "the peer has finished; waiting for the end of standard input (see --recv-only, --on-fin)",
                "waiting-for-input",
                "",
            ),
        ] {
            assert_eq!(event.to_string(), words);
            assert_eq!(alone(&event), fields(name, nobody, adds));
        }
        let listening = Event::Listening { local: "a:1", transport: "udp" };
        assert_eq!(listening.to_string(), "listening on a:1");
        assert_eq!(alone(&listening), fields("listening", r#""transport":"udp","local":"a:1","peer":null"#, ""));
        let who = r#""transport":null,"local":null,"peer":"b:2""#;
        let behind = Event::Behind { who: "b:2" };
        assert_eq!(behind.to_string(), "b:2 does not read: it loses what others send (see --hub-queue)");
        assert_eq!(alone(&behind), fields("behind", who, ""));
        let lost = Event::Lost { who: "b:2", bytes: 9 };
        assert_eq!(lost.to_string(), "b:2 has lost 9 bytes of what others sent");
        assert_eq!(alone(&lost), fields("lost", who, r#","bytes":9"#));
        let refused = Event::Refused { peer: "b:2", transport: "tcp", why: "denied by --deny" };
        assert_eq!(refused.to_string(), "refused b:2: denied by --deny");
        let who = r#""transport":"tcp","local":null,"peer":"b:2""#;
        assert_eq!(alone(&refused), fields("refused", who, r#","reason":"denied by --deny""#));
    }
}
