//! What fincat lets others see of its conversations: events as text and JSON, `--trace`, `--confirm`, `--hexdump`,
//! `--progress` and SIGUSR1; what is moved, and how it ends, is the business of the other rooms.
//!
//! * here:      the instruments: lines of JSON, steps, `ss`
//! * `every`:   every event, with the fields that the manual gives it
//! * `events`:  whole lines, where they go, the last one of a conversation
//! * `picture`: `--trace` against what was done, and against `ss`
//! * `others`:  `--trace` of accepted peers, commands, `--to`, unix and udp
//! * `islands`: the same between network namespaces: crossing FINs, a network that is lost
//! * `confirm`: `--confirm`
//! * `bytes`:   `--hexdump`, `--progress`
//! * `asked`:   SIGUSR1

mod asked;
mod bytes;
mod confirm;
mod events;
mod every;
mod islands;
mod others;
mod picture;

use std::net::SocketAddr;
use std::process::Command;

use serde_json::Value;

use crate::kernel::wait_until;
use crate::peers::external;
use crate::process::{Exit, Process};

/// The lines of JSON in `text`, each of which must be an object; others are fincat's failures to be JSON.
#[track_caller]
fn lines(text: &str) -> Vec<Value> {
    let line = |line: &str| serde_json::from_str(line).unwrap_or_else(|why| panic!("not JSON ({why}): {line}"));
    text.lines().map(line).collect()
}

/// The events called `name` among `lines`.
fn named<'v>(lines: &'v [Value], name: &str) -> Vec<&'v Value> {
    lines.iter().filter(|line| line["event"] == name).collect()
}

/// The one event called `name`.
#[track_caller]
fn only<'v>(lines: &'v [Value], name: &str) -> &'v Value {
    let found = named(lines, name);
    assert_eq!(found.len(), 1, "one {name}: {lines:#?}");
    found[0]
}

/// The steps of one leg, each with its state: `our-fin FIN-WAIT-1`, and `?` where that is inferred.
fn steps(lines: &[Value], leg: &str) -> Vec<String> {
    let steps = named(lines, "step").into_iter().filter(|step| step["leg"] == leg);
    let told = steps.map(|step| {
        let mark = if step["inferred"] == true { "?" } else { "" };
        format!("{} {}{mark}", step["step"].as_str().unwrap_or("-"), step["state"].as_str().unwrap_or("-"))
    });
    told.collect()
}

/// Demands that these steps were taken in this order; others may come between. A step is named with its state, or with
/// several that are right: `our-fin FIN-WAIT-1|FIN-WAIT-1?`.
#[track_caller]
fn expect_steps(lines: &[Value], leg: &str, wanted: &[&str]) {
    let told = steps(lines, leg);
    let mut rest = told.iter();
    for step in wanted {
        let (name, states) = step.split_once(' ').unwrap_or((step, ""));
        let fits = |told: &&String| {
            let (other, state) = told.split_once(' ').expect("a step and a state");
            other == name && (states.is_empty() || states.split('|').any(|one| one == state))
        };
        assert!(rest.any(|told| fits(&told)), "`{step}` is missing, or out of order: {told:#?}");
    }
}

/// Waits for the line that tells this step.
#[track_caller]
fn wait_step(tool: &Process, step: &str) -> Value {
    let line = tool.wait_line(|line| line.contains(&format!("\"step\":\"{step}\"")));
    lines(&line).remove(0)
}

/// The state that ss(8) shows of the socket between these two, in its own words; None where it shows none, or where
/// there is no ss.
fn ss(local: SocketAddr, peer: SocketAddr) -> Option<String> {
    let shown = Command::new(external("ss")?).args(["-tanH"]).output().expect("run ss");
    let text = String::from_utf8_lossy(&shown.stdout).into_owned();
    let found = text.lines().map(|line| line.split_ascii_whitespace().collect::<Vec<_>>());
    let mut found = found.filter(|words| words.len() > 4);
    let state = found.find(|words| words[3] == local.to_string() && words[4] == peer.to_string())?[0].to_owned();
    Some(state)
}

/// Demands that ss shows the state that an event names.
#[track_caller]
fn expect_ss(event: &Value) {
    if external("ss").is_none() {
        return;
    }
    let addr = |field: &str| event[field].as_str().and_then(|text| text.parse().ok()).expect("an address");
    let wanted = match event["state"].as_str().expect("a state") {
        "ESTABLISHED" => "ESTAB",
        state => state,
    };
    let shown = ss(addr("local"), addr("peer"));
    assert_eq!(shown.as_deref(), Some(wanted), "{event}");
}

/// Demands that nothing that was drawn is wider than a screen.
#[track_caller]
fn expect_to_fit(exit: &Exit) {
    let drawn: Vec<&str> = exit.stderr.lines().filter(|line| line.starts_with('#')).collect();
    assert!(!drawn.is_empty(), "nothing was drawn: {exit}");
    for line in drawn {
        assert!(line.chars().count() <= 80, "wider than 80 columns: {line}");
    }
}

/// Waits until what was sent between the addresses of an event is not acknowledged any more: the window is shut.
#[track_caller]
fn wait_shut(event: &Value) {
    let port = |field: &str| {
        event[field].as_str().and_then(|text| text.parse::<SocketAddr>().ok()).expect("an address").port()
    };
    let (local, peer) = (format!(":{:04X}", port("local")), format!(":{:04X}", port("peer")));
    let mut before = 0;
    wait_until("the window is shut", || {
        let now = queued(&local, &peer);
        std::mem::replace(&mut before, now) == now && now > 0
    });
}

/// What waits to be acknowledged between these two, as /proc/net/tcp tells.
fn queued(local: &str, peer: &str) -> u64 {
    let table = std::fs::read_to_string("/proc/net/tcp").expect("read /proc/net");
    let rows = table.lines().map(|line| line.split_ascii_whitespace().collect::<Vec<_>>());
    let mut rows = rows.filter(|row| row.len() > 4 && row[1].ends_with(local) && row[2].ends_with(peer));
    let queue = rows.find_map(|row| u64::from_str_radix(row[4].split(':').next()?, 16).ok());
    queue.unwrap_or(0)
}
