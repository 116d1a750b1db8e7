//! How long a check waits: for somebody to come, for a port to stay open, for an answer; and who ends it before.

use std::time::{Duration, Instant};

use super::told;
use crate::dead_ends::{Full, Refusing};
use crate::launch::Launch;
use crate::peers::PeerListener;
use crate::process::Signal;
use crate::tool::Tool;

/// The wait-for-it of compose files: those that are open are not asked again, the line of the one that comes later
/// waits for it.
#[test]
fn a_service_that_comes_later_is_waited_for() {
    let (open, nobody) = (PeerListener::tcp(), Refusing::port());
    let (there, later) = (open.addr().to_string(), nobody.addr().to_string());
    let mut tool = Launch::new().fincat(["connect", "-zv", "--retry-for", "20s", &later, &there]);
    let met = open.accept();
    assert_eq!(met.read_to_end(), b"");
    drop(met);
    tool.wait_lines(2, |line| line.contains("refused"));
    let _listener = nobody.relents();
    let exit = tool.wait().expect(0);
    let ports = [later, there].map(|place| format!("{} open N ms", place.replace(':', " ")));
    assert_eq!(told(&exit), ports, "{exit}");
    assert!(!open.is_wanted(), "who is open is asked once");
}

#[test]
fn nobody_comes() {
    let nobody = Refusing::port();
    let begun = Instant::now();
    let exit = Tool::run(["connect", "-z", "--retry-for", "700ms", &nobody.addr().to_string()]).expect(4);
    assert!(begun.elapsed() >= Duration::from_millis(500), "{:?}", begun.elapsed());
    assert_eq!(told(&exit), [format!("127.0.0.1 {} refused", nobody.addr().port())], "{exit}");
    let line = ["connect", "-z", "--retry", "2", "--retry-delay", "10ms", "-v"];
    let exit = Tool::run(line.into_iter().chain([nobody.addr().to_string().as_str()])).expect(4);
    assert_eq!(exit.stderr.matches("refused").count(), 3, "{exit}");
}

/// A proxy in front of nothing accepts, and closes or resets at once.
#[test]
fn what_closes_at_once_is_not_stable() {
    for (reset, word, status) in [(false, "closed", 1), (true, "reset", 7)] {
        let peer = PeerListener::tcp();
        let mut tool = Launch::new().fincat(["connect", "-z", "--stable", "19s", &peer.addr().to_string()]);
        let met = peer.accept();
        met.write("HTTP/1.0 502 Bad Gateway\r\n\r\n");
        met.settle();
        if reset {
            met.reset();
        } else {
            drop(met);
        }
        let exit = tool.wait().expect(status);
        assert_eq!(told(&exit), [format!("127.0.0.1 {} {word}", peer.addr().port())], "{exit}");
    }
}

#[test]
fn what_stays_is_stable() {
    let peer = PeerListener::tcp();
    let mut tool = Launch::new().fincat(["connect", "-z", "--stable", "300ms", &peer.addr().to_string()]);
    let met = peer.accept();
    met.write("a banner is no end");
    met.hears_nothing_for(Duration::from_millis(150));
    assert_eq!(met.read_to_end(), b"");
    drop(met);
    tool.wait().expect(0);
}

/// What closes early is asked again under `--retry-for`.
#[test]
fn a_proxy_whose_service_comes_later() {
    let peer = PeerListener::tcp();
    let line = ["connect", "-z", "--stable", "300ms", "--retry-for", "19s", &peer.addr().to_string()];
    let mut tool = Launch::new().fincat(line);
    drop(peer.accept());
    drop(peer.accept());
    let met = peer.accept();
    assert_eq!(met.read_to_end(), b"");
    drop(met);
    tool.wait().expect(0);
}

#[test]
fn a_deadline_ends_everything() {
    let full = Full::listener();
    let begun = Instant::now();
    let exit = Tool::run(["connect", "-z", "--deadline", "300ms", &full.addr().to_string()]).expect(5);
    assert!(begun.elapsed() < Duration::from_secs(4), "the default of -w is 5 s: {:?}", begun.elapsed());
    assert_eq!(told(&exit), [format!("127.0.0.1 {} timed out", full.addr().port())], "{exit}");
}

/// Nobody says how long: 5 s.
#[test]
fn five_seconds_are_the_default() {
    let full = Full::listener();
    let begun = Instant::now();
    Tool::run(["connect", "-z", &full.addr().to_string()]).expect(5);
    assert!(begun.elapsed() >= Duration::from_secs(5), "{:?}", begun.elapsed());
}

#[test]
fn a_signal_ends_it_at_once() {
    let (full, open) = (Full::listener(), PeerListener::tcp());
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let line = ["connect", "-z", "-w", "19s", &open.addr().to_string(), &full.addr().to_string()];
        let mut tool = Launch::new().fincat(line);
        tool.wait_stdout_line(1);
        tool.signal(signal);
        tool.wait_within(Duration::from_secs(10)).expect_signal(signal);
    }
}
