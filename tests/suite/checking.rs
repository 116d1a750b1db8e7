//! `--check`: who is there, told in the order asked, and an exit status that says why not; and that those who are looked
//! at see nothing but an end in order.
//!
//! * here:        lines, JSON, statuses
//! * `many`:      a thousand ports, few descriptors; packets that vanish
//! * `courtesy`:  what the other end sees
//! * `patience`:  `--retry-for`, `--stable`, `-w`, signals
//! * `datagrams`: `udp connect --check`
//! * `paths`:     `unix connect --check`
//! * `statuses`:  every exit status there is, once

mod courtesy;
mod datagrams;
mod many;
mod paths;
mod patience;
mod statuses;

use crate::dead_ends::{Full, NAMELESS, Refusing};
use crate::dialing::island;
use crate::peers::PeerListener;
use crate::process::Exit;
use crate::tool::Tool;

/// What was answered, a line each, with `N` for each time that was measured.
fn told(exit: &Exit) -> Vec<String> {
    String::from_utf8_lossy(&exit.stdout).lines().map(untimed).collect()
}

fn untimed(line: &str) -> String {
    match line.split_once(" open ") {
        Some((who, time)) => {
            let number = time.strip_suffix(" ms").expect("a time");
            assert!(number.parse::<f64>().is_ok_and(|ms| (0.0..20_000.0).contains(&ms)), "{line}");
            format!("{who} open N ms")
        }
        None => line.to_owned(),
    }
}

/// Each answer stands where it was asked for, however soon it was known.
#[test]
fn answers_come_in_the_order_asked() {
    let (full, open, nobody) = (Full::listener(), PeerListener::tcp(), Refusing::port());
    let [late, there, none] = [full.addr(), open.addr(), nobody.addr()].map(|addr| addr.port().to_string());
    let ports = format!("{late},{there}");
    let line = ["connect", "-z", "-w", "700ms", "127.0.0.1", &ports, &none, &format!("{NAMELESS}:80")];
    let exit = Tool::run(line).expect(1);
    let wanted = [
        format!("127.0.0.1 {late} timed out"),
        format!("127.0.0.1 {there} open N ms"),
        format!("127.0.0.1 {none} refused"),
        format!("{NAMELESS} 80 unresolved"),
    ];
    assert_eq!(told(&exit), wanted, "{exit}");
    assert_eq!(exit.stderr, "", "{exit}");
}

/// A line is there as soon as those before it are known: the silent port that stands last holds up nobody.
#[test]
fn a_line_does_not_wait_for_those_after_it() {
    let (full, open) = (Full::listener(), PeerListener::tcp());
    let (late, there) = (full.addr().to_string(), open.addr().to_string());
    let mut tool = crate::launch::Launch::new().fincat(["connect", "-z", "-w", "19s", &there, &late]);
    assert!(tool.wait_stdout_line(1).contains(" open "));
    assert!(tool.is_running());
    tool.signal(crate::process::Signal::TERM);
    let exit = tool.wait().expect_signal(crate::process::Signal::TERM);
    assert_eq!(told(&exit).len(), 1, "{exit}");
}

#[test]
fn failures_alike_have_their_status() {
    let (full, open, nobody) = (Full::listener(), PeerListener::tcp(), Refusing::port());
    let [late, there, none] = [full.addr(), open.addr(), nobody.addr()].map(|addr| addr.to_string());
    let (nameless, many) = (format!("{NAMELESS}:1"), format!("{NAMELESS}:1-3"));
    for (places, status) in [
        (&[&there[..]][..], 0),
        (&[&there, &there], 0),
        (&[&none], 4),
        (&[&none, &there, &none], 4),
        (&[&late], 5),
        (&[&there, &late], 5),
        (&[&late, &none], 1),
        (&[&nameless], 3),
        (&[&many, &there], 3),
    ] {
        let line = ["connect", "--check", "-w", "300ms"].into_iter().chain(places.iter().copied());
        Tool::run(line).expect(status);
    }
}

#[test]
fn unreachable_is_said() {
    let Some(exit) = island::visit("$fincat connect -z 198.51.100.1:80 198.51.100.2:80") else { return };
    let exit = exit.expect(6);
    assert_eq!(told(&exit), ["198.51.100.1 80 unreachable", "198.51.100.2 80 unreachable"], "{exit}");
}

#[test]
fn json_is_an_object_a_line() {
    let (open, nobody) = (PeerListener::tcp(), Refusing::port());
    let (there, none) = (open.addr().port(), nobody.addr().port());
    let places = format!("{there},{none}");
    let exit = Tool::run(["connect", "-z", "--json", "127.0.0.1", &places]).expect(4);
    let lines: Vec<String> = String::from_utf8_lossy(&exit.stdout).lines().map(str::to_owned).collect();
    let start = format!(r#"{{"host":"127.0.0.1","port":{there},"status":"open","ms":"#);
    let ms = lines[0].strip_prefix(&start).and_then(|rest| rest.strip_suffix('}')).expect("an open port");
    assert!(ms.parse::<f64>().is_ok(), "{exit}");
    assert_eq!(lines[1], format!(r#"{{"host":"127.0.0.1","port":{none},"status":"refused","ms":null}}"#), "{exit}");
}

#[test]
fn quiet_leaves_the_status_to_speak() {
    let (open, nobody) = (PeerListener::tcp(), Refusing::port());
    for (place, status) in [(open.addr().to_string(), 0), (nobody.addr().to_string(), 4), (format!("{NAMELESS}:1"), 3)]
    {
        let exit = Tool::run(["connect", "-z", "--quiet", &place]).expect(status);
        assert_eq!((exit.stdout.as_slice(), exit.stderr.as_str()), (&b""[..], ""), "{exit}");
    }
}

/// `-v` tells who was asked and why not; the answers stay what they are.
#[test]
fn verbose_says_why() {
    let nobody = Refusing::port();
    let exit = Tool::run(["connect", "-zv", &nobody.addr().to_string(), &format!("{NAMELESS}:1")]).expect(1);
    let addr = nobody.addr();
    assert!(exit.stderr.contains(&format!("{addr} connection refused")), "{exit}");
    assert!(exit.stderr.contains(&format!("cannot connect to {NAMELESS} 1: ")), "{exit}");
    assert_eq!(told(&exit).len(), 2, "{exit}");
}

/// nc's line is answered with ours.
#[test]
fn the_line_of_nc_is_translated() {
    for (line, wanted) in [
        ("-zv host 20-25", "fincat connect -z -v host 20-25"),
        ("-z -w 3 host 80", "fincat connect -z -w 3 host 80"),
        ("-uz host 53", "fincat udp connect -z host 53"),
    ] {
        let exit = Tool::run(line.split(' ')).expect(2);
        assert!(exit.stderr.contains(&format!("type: {wanted}\n")), "{exit}");
    }
}
