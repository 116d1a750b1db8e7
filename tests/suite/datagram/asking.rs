//! `udp connect`: a question, its answer, and how long one waits for it; not what a datagram may hold
//! (`sizes`).

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use super::connect;
use super::peer::{Closed, Peer};
use crate::dead_ends::NAMELESS;
use crate::launch::Stdin;
use crate::peers::silence;
use crate::process::Signal;
use crate::tool::Tool;

fn text(words: &str) -> Stdin {
    Stdin::Bytes(words.into())
}

/// `echo x | fincat udp connect h 7`; ncat exits before the answer.
#[test]
fn the_answer_is_shown() {
    let peer = Peer::new();
    let mut tool = connect(Tool::with(text("x\n")), peer.addr(), &[]);
    let (question, from) = peer.receive_from();
    assert_eq!(question, b"x\n");
    silence(Duration::from_millis(600));
    peer.send_to("first\n", from);
    tool.wait_stdout_line(1);
    // Every byte begins the second of silence anew.
    silence(Duration::from_millis(600));
    peer.send_to("second\n", from);
    tool.wait_stdout_line(2);
    let since = Instant::now();
    let exit = tool.wait_within(Duration::from_secs(5)).expect(0);
    assert!(since.elapsed() > Duration::from_millis(800), "1 s of silence, not {:?}", since.elapsed());
    assert_eq!((&exit.stdout[..], &exit.stderr[..]), (&b"first\nsecond\n"[..], ""), "{exit}");
}

#[test]
fn quit_after_is_another_patience() {
    let peer = Peer::new();
    let mut patient = connect(Tool::with(text("x")), peer.addr(), &["-q", "4"]);
    let (_, from) = peer.receive_from();
    silence(Duration::from_secs(2));
    peer.send_to("late", from);
    assert_eq!(patient.wait_stdout(4), b"late");
    let mut hasty = connect(Tool::with(text("x")), peer.addr(), &["-q", "100ms"]);
    let since = Instant::now();
    hasty.wait().expect(0);
    assert!(since.elapsed() < Duration::from_millis(900), "{:?}", since.elapsed());
    assert_eq!(patient.wait().expect(0).stdout, b"late");
}

/// ICMP's answer is named, whether input goes on or not.
#[test]
fn a_closed_port_refuses() {
    let closed = Closed::port();
    let launches = [text("x"), Stdin::Endless(b"y\n".to_vec())];
    for stdin in launches {
        let exit = connect(Tool::with(stdin), closed.addr(), &[]).wait().expect(4);
        assert!(exit.stderr.contains("connection refused"), "{exit}");
        assert_eq!(exit.stderr.lines().count(), 1, "{exit}");
    }
    let mut waiting = connect(Tool::with(Stdin::Pipe), closed.addr(), &[]);
    waiting.write("x");
    let exit = waiting.wait().expect(4);
    assert!(exit.stderr.contains("connection refused"), "{exit}");
}

/// What a peer said before it was gone is delivered.
#[test]
fn a_peer_that_vanishes_is_said() {
    let peer = Peer::new();
    let mut tool = connect(Tool::with(Stdin::Pipe), peer.addr(), &[]);
    tool.write("one");
    let (_, from) = peer.receive_from();
    peer.send_to("answer", from);
    assert_eq!(tool.wait_stdout(6), b"answer");
    // Its port is nobody else's either.
    let _closed = peer.turns_away();
    tool.write("two");
    let exit = tool.wait().expect(4);
    assert!(exit.stderr.contains("connection refused"), "{exit}");
}

/// Only the one who was asked is heard.
#[test]
fn a_strangers_answer_is_none() {
    let (peer, stranger) = (Peer::new(), Peer::new());
    let mut tool = connect(Tool::with(text("x")), peer.addr(), &["-q", "500ms"]);
    let (_, from) = peer.receive_from();
    stranger.send_to("false", from);
    peer.send_to("true", from);
    assert_eq!(tool.wait().expect(0).stdout, b"true");
}

#[test]
fn enough_is_enough() {
    let peer = Peer::new();
    let mut tool = connect(Tool::with(Stdin::Pipe), peer.addr(), &["--datagrams", "2"]);
    tool.write("x");
    let (_, from) = peer.receive_from();
    for answer in ["one", "two", "three"] {
        peer.send_to(answer, from);
    }
    tool.wait_stdout(6);
    tool.close_stdin();
    assert_eq!(tool.wait().expect(0).stdout, b"onetwo");
}

#[test]
fn silence_ends_it_in_order() {
    let peer = Peer::new();
    let mut tool = connect(Tool::with(Stdin::Pipe), peer.addr(), &["--idle-timeout", "300ms"]);
    tool.write("x");
    assert_eq!(peer.receive(), b"x");
    tool.wait_within(Duration::from_secs(5)).expect(0);
}

#[test]
fn interrupting_ends_it() {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let peer = Peer::new();
        let mut tool = connect(Tool::with(Stdin::Pipe), peer.addr(), &[]);
        tool.write("x");
        assert_eq!(peer.receive(), b"x");
        tool.signal(signal);
        tool.wait().expect_signal(signal);
    }
}

#[test]
fn it_comes_from_where_it_was_told_to() {
    let (peer, free) = (Peer::at(Ipv4Addr::UNSPECIFIED), Closed::port());
    let to = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), peer.addr().port());
    let port = free.addr().port().to_string();
    drop(free);
    let mut tool = connect(Tool::with(text("x")), to, &["-s", "127.0.0.3", "-p", &port, "-q", "0.1"]);
    let (_, from) = peer.receive_from();
    assert_eq!(from.to_string(), format!("127.0.0.3:{port}"));
    tool.wait().expect(0);
}

/// What is asked and what is answered, for a handler instead of standard input and output.
#[test]
fn a_handler_asks_as_well() {
    let peer = Peer::new();
    let line = "echo question; read -r answer; test \"$answer\" = answer && exit 9";
    let mut tool = connect(Tool::with(Stdin::Null), peer.addr(), &["--sh", line]);
    let (question, from) = peer.receive_from();
    assert_eq!(question, b"question\n");
    peer.send_to("answer\n", from);
    tool.wait().expect(9);
    let mut tool = connect(Tool::with(Stdin::Null), peer.addr(), &["--send", "\\x00ping"]);
    let (question, from) = peer.receive_from();
    assert_eq!(question, b"\0ping");
    peer.send_to("pong", from);
    assert_eq!(tool.wait().expect(0).stdout, b"pong");
}

/// -v says whom it is about, and how it ended.
#[test]
fn it_is_told_about() {
    let peer = Peer::new();
    let mut tool = connect(Tool::with(text("four")), peer.addr(), &["-v", "-q", "0.2"]);
    let exit = tool.wait().expect(0);
    let lines: Vec<_> = exit.stderr.lines().collect();
    assert!(lines.len() >= 2, "{exit}");
    assert!(lines.iter().all(|line| line.starts_with(&format!("fincat: {}: ", peer.addr()))), "{exit}");
    assert!(lines[lines.len() - 1].contains("ended in order, we closed first, sent 4, received 0 bytes"), "{exit}");
}

/// What cannot act is refused, with one sentence.
#[test]
fn what_streams_have_is_refused() {
    let closed = Closed::port();
    let port = closed.addr().port().to_string();
    let senseless: [&[&str]; 6] = [
        &["-N"],
        &["--half-close-timeout", "1s"],
        &["--on-eof", "reset"],
        &["--on-eof", "half-close", "-N"],
        &["--size", "0"],
        &["--size", "65508"],
    ];
    for args in senseless {
        for role in ["listen", "connect"] {
            let exit = Tool::run([&["udp", role, "127.0.0.1", &port], args].concat()).expect(2);
            assert_eq!(exit.stderr.lines().count(), 1, "{exit}");
        }
    }
    for port in ["0", "70000"] {
        Tool::run(["udp", "connect", "127.0.0.1", port]).expect(2);
    }
    let exit = Tool::run(["udp", "listen", "127.0.0.1", &port, "--thread"]).expect(2);
    assert!(exit.stderr.contains("--thread and --fork cannot share standard input"), "{exit}");
    Tool::run(["udp", "listen", "127.0.0.1", &port, "--per-datagram"]).expect(2);
    let unresolved = Tool::run(["udp", "connect", NAMELESS, "9"]).expect(3);
    assert!(unresolved.stderr.contains(NAMELESS), "{unresolved}");
}

/// IPv4 where only a name of both families is given: `localhost`, and `-4`.
#[test]
fn a_name_is_resolved() {
    let peer = Peer::new();
    let port = peer.addr().port().to_string();
    let args = ["udp", "connect", "-4", "localhost", &port, "-q", "0.1"];
    let mut tool = Tool::with(text("x")).fincat(args);
    let (question, from) = peer.receive_from();
    assert_eq!((question, from.ip()), (b"x".to_vec(), IpAddr::from(Ipv4Addr::LOCALHOST)));
    tool.wait().expect(0);
}
