//! Faults on the wire: packets that are lost, late, repeated or throttled, and a link that is cut, for a while or for
//! good, between two network namespaces of the test's own; not what TCP does about it, but that fincat neither loses
//! a byte nor the order of the ends, and that a wire which is cut for good is never called an end in order.
//!
//! The faults are made in user space, packet by packet (`wire/wire.py`): sch_netem is a module that many kernels lack.
//! Where namespaces or TUN devices cannot be made, the tests say so and do nothing.

use std::io::{self, Write as _};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::amount;
use crate::launch::Launch;
use crate::peers::external;
use crate::tool::fincat;

/// The namespaces and the wire; then what is said over it.
const SCRIPT: &str = concat!(include_str!("wire/wire.py"), include_str!("wire/talk.py"));

/// What can be wrong with a wire: shares of the packets, seconds, bytes a second; and what is counted then.
const FAULTS: [(&str, &str, &[&str]); 7] = [
    ("loss", r#"{"loss": 0.05}"#, &["lost"]),
    ("late", r#"{"late": 0.25}"#, &["late"]),
    ("repeat", r#"{"repeat": 0.2}"#, &["repeated"]),
    ("delay", r#"{"delay": 0.05}"#, &[]),
    ("rate", r#"{"rate": 12500000}"#, &[]),
    ("all", r#"{"loss": 0.02, "late": 0.1, "repeat": 0.1, "delay": 0.01, "mtu": 9000}"#, &["lost", "late", "repeated"]),
    ("none", "{}", &[]),
];

/// The faults that go by this name, and what the wire counts of them.
fn faults(name: &str) -> (Value, &'static [&'static str]) {
    let (_, faults, counted) = FAULTS.into_iter().find(|(it, ..)| *it == name).expect("a fault of the table");
    let mut faults: Value = serde_json::from_str(faults).expect("JSON");
    faults["seed"] = amount(1).into();
    (faults, counted)
}

/// What became of one conversation; None, and one line that says so, where there can be no such wire.
#[track_caller]
fn talk(case: &Value) -> Option<Value> {
    let unshare = external("unshare")?;
    external("python3").and(external("ip"))?;
    // A process namespace of its own: whatever happens, nobody outlives the script.
    let words = ["-rnpf", "--kill-child", "python3", "-c", SCRIPT, fincat(), &case.to_string()];
    let limit = Duration::from_secs(20 + case["patience"].as_u64().unwrap_or(60));
    let exit = Launch::new().start(unshare, words).wait_within(limit);
    let result = serde_json::from_slice::<Value>(&exit.stdout).unwrap_or_default();
    let refused = exit.stderr.lines().find(|line| line.starts_with("unshare: "));
    if let Some(why) = result["skipped"].as_str().or(refused) {
        let name = thread::current();
        let _ = writeln!(io::stderr(), "{}: skipped: {why}", name.name().unwrap_or("a test"));
        return None;
    }
    assert!(result.is_object(), "{case}: {exit}");
    Some(result)
}

/// Everything arrives, both ways, in the order that was asked for, and the faults have really been there.
#[track_caller]
fn expect_everything(case: &Value, counted: &[&str]) {
    let Some(result) = talk(case) else { return };
    let (ours, theirs) = (&result["ours"], &result["theirs"]);
    assert_eq!((&result["status"], &result["stderr"]), (&json!(0), &json!("")), "{case}: {result}");
    for (account, wanted) in [(&result["there"], ours), (&result["here"], theirs)] {
        if account.is_object() {
            let told = (&account["digest"], &account["ended"], &account["why"]);
            assert_eq!(told, (wanted, &json!(true), &Value::Null), "{case}: {result}");
        }
    }
    let other = &result["there"]["status"];
    assert!(other.is_null() || *other == 0, "{case}: {result}");
    for count in counted {
        assert!(result["wire"][count].as_u64() > Some(0), "{count}: {case}: {result}");
    }
}

/// Bytes both ways at once over a wire of this name; `more` is what the case has besides.
#[track_caller]
fn both_ways(fault: &str, role: &str, first: &str, bytes: u64, more: &Value) {
    let (faults, counted) = faults(fault);
    let mut case = json!({"what": "both", "role": role, "first": first, "bytes": bytes, "args": [], "faults": faults});
    for (key, value) in more.as_object().into_iter().flatten() {
        case[key] = value.clone();
    }
    expect_everything(&case, counted);
}

const MIB: u64 = 1 << 20;

/// A test of every fault with little, for every run of the suite, and one with 64 MiB each way.
macro_rules! over {
    ($($name:ident: $role:literal $first:literal $more:tt,)+) => {
        $(#[test]
        fn $name() {
            super::both_ways(stringify!($name), $role, $first, 2 * super::MIB, &serde_json::json!($more));
        })+
        mod much {
            use super::super::{MIB, amount, both_ways};
            $(#[test]
            #[ignore = "load: run by .ci/run"]
            fn $name() {
                let more = serde_json::json!($more);
                both_ways(stringify!($name), $role, $first, amount(64) * MIB, &more);
            })+
        }
    };
}

/// Standard input and output against a socket of Python's. Who ends last holds its last 64 KiB back until it has heard
/// the other's end.
mod stdio {
    over! {
        loss: "connect" "we" {},
        late: "listen" "they" {},
        repeat: "connect" "they" {},
        delay: "listen" "we" {},
        rate: "connect" "they" {"args": ["--no-splice"]},
        all: "listen" "we" {"args": ["--no-splice"]},
    }
}

/// The same between two of fincat.
mod two {
    over! {
        loss: "listen" "we" {"far": "fincat"},
        all: "connect" "they" {"far": "fincat"},
    }
}

/// The link is cut in the middle of everything, or before our FIN has got across, and restored.
mod mended {
    use serde_json::json;

    use super::{MIB, amount, both_ways};

    #[test]
    fn in_mid_stream() {
        both_ways("none", "connect", "they", 8 * MIB, &json!({"cut": 0.7}));
    }

    #[test]
    fn before_our_end() {
        both_ways("none", "listen", "we", MIB, &json!({"cut_end": 0.7}));
        both_ways("none", "connect", "they", MIB, &json!({"cut_end": 0.7}));
    }

    #[test]
    #[ignore = "load: run by .ci/run"]
    fn after_a_while() {
        for (role, first) in [("connect", "we"), ("listen", "they")] {
            both_ways("loss", role, first, amount(64) * MIB, &json!({"cut": 4, "cut_end": 2}));
        }
    }
}

/// What a server is for, over a wire that loses 5 %: all that was said comes back, and its end.
const ECHOES: [&[&str]; 6] = [
    &["--thread", "--echo"],
    &["--fork", "--echo"],
    &["--single", "--", "cat"],
    &["--fork", "--", "cat"],
    &["--thread", "--pipes", "--", "cat"],
    &["--thread", "--to", "127.0.0.1:2001"],
];

#[track_caller]
fn echoes(bytes: u64) {
    for handler in ECHOES {
        let what = if handler.contains(&"--to") { "to" } else { "echo" };
        let args = [&["--count", "1"], handler].concat();
        let (faults, counted) = faults("loss");
        let case = json!({"what": what, "role": "listen", "bytes": bytes, "args": args, "faults": faults});
        expect_everything(&case, counted);
    }
}

#[test]
fn handlers() {
    echoes(MIB);
}

#[test]
#[ignore = "load: run by .ci/run"]
fn handlers_of_much() {
    echoes(amount(16) * MIB);
}

/// A throttled peer that is silent because it is still receiving is not idle, and not silent after our end either.
#[test]
fn a_slow_wire_is_no_silence() {
    thread::scope(|scope| {
        for bound in ["--idle-timeout", "-q", "--half-close-timeout"] {
            scope.spawn(move || {
                let args = ["--sndbuf", "2000000", bound, "700ms"];
                let case = json!({"what": "both", "role": "connect", "first": "we", "bytes": 600_000, "back": 1000,
                    "args": args, "faults": {"seed": 1, "rate": 200_000}});
                expect_everything(&case, &[]);
            });
        }
    });
}

type Lost = (&'static str, &'static [&'static str], &'static str, i32, &'static str);

/// A wire that is cut for good: role, arguments, what the case has besides, and how it must end, in time.
#[rustfmt::skip]
const LOST: [Lost; 14] = [
    ("connect", &["--user-timeout", "1s"], r#"{"feed": 100000000, "takes": 1000000}"#, 5, "network does not answer"),
    ("listen", &["--user-timeout", "1s"], r#"{"feed": 100000000, "takes": 1000000}"#, 5, "network does not answer"),
    ("connect", &["--send-only", "--user-timeout", "1s"], r#"{"feed": 100000000, "takes": 1000000, "out": false}"#,
        5, "network does not answer"),
    ("connect", &["--keepalive", "1,1,2"], "{}", 5, "network does not answer"),
    ("listen", &["--recv-only", "--keepalive", "1,1,2"], "{}", 5, "network does not answer"),
    ("connect", &["--idle-timeout", "1s"], r#"{"feed": 1000, "takes": 1000}"#, 5, "--idle-timeout"),
    ("listen", &["--pipes", "--idle-timeout", "1s", "--", "cat"], r#"{"takes": 1000, "out": false}"#,
        5, "--idle-timeout"),
    ("connect", &["--half-close-timeout", "1s"], r#"{"feed": 1000, "takes": 1000, "ends_when_cut": true}"#,
        5, "--half-close-timeout"),
    ("connect", &["-q", "1s"], r#"{"feed": 1000, "takes": 1000, "says_when_cut": 1000, "ends_when_cut": true}"#,
        5, "what was sent last was never acknowledged"),
    ("connect", &["--deadline", "2s"], r#"{"feed": 100000000, "takes": 1000000}"#, 5, "--deadline"),
    ("listen", &["--deadline", "2s", "--", "cat"], r#"{"takes": 1000, "out": false}"#, 5, "--deadline"),
    // The peer goes away while nobody can hear of it.
    ("connect", &[], r#"{"feed": 100000000, "takes": 1000000, "reset": true}"#, 7, "reset by the peer"),
    ("listen", &["--recv-only", "--keepalive", "1,1,9"], r#"{"reset": true}"#, 7, "reset by the peer"),
    // A server's failure is the conversation's.
    ("listen", &["--thread", "--count", "1", "--echo", "--idle-timeout", "1s"], r#"{"takes": 1000, "out": false}"#,
        0, "--idle-timeout"),
];

#[test]
fn cut_for_good() {
    thread::scope(|scope| {
        for row in LOST {
            scope.spawn(move || cut(row, 15));
        }
    });
}

/// The last close waits 30 s for an acknowledgement.
#[test]
#[ignore = "load: run by .ci/run"]
fn cut_for_good_and_closed() {
    let more = r#"{"feed": 1000, "takes": 1000, "says_when_cut": 1000, "ends_when_cut": true}"#;
    cut(("connect", &["--on-eof", "close"], more, 5, "what was sent last was never acknowledged"), 45);
}

#[track_caller]
fn cut((role, args, more, status, sentence): Lost, patience: u64) {
    let mut case: Value = serde_json::from_str(more).expect("JSON");
    let usual = json!({"what": "lost", "role": role, "args": args, "bytes": 1000, "patience": patience,
        "faults": {"seed": 1}});
    for (key, value) in usual.as_object().into_iter().flatten() {
        case[key] = value.clone();
    }
    let Some(result) = talk(&case) else { return };
    assert_eq!(result["status"], status, "{case}: {result}");
    assert!(result["stderr"].as_str().is_some_and(|said| said.contains(sentence)), "{case}: {result}");
    // What had arrived before is delivered.
    assert!(case["out"] == false || result["out"] == result["theirs"], "{case}: {result}");
}
