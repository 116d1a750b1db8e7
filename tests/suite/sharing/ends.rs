//! How it ends where peers share standard input and output: the ends of the peers, of standard input, of standard
//! output, of the server; the rules of one conversation are `half_close`.

use std::thread;
use std::time::Duration;

use super::joined;
use crate::launch::{Launch, Stdin, Stdout};
use crate::matrix::{Case, Transport, matrix};
use crate::pattern::{assert_same, pattern};
use crate::peers::{Ending, PeerStream};
use crate::process::Signal;
use crate::tool::Tool;

matrix!(threads over streams:
    the_end_of_input_half_closes_everybody,
    the_end_of_input_can_mean_other_things,
    an_empty_input_says_nothing,
    in_a_hub_the_end_of_input_ends_nothing,
    a_fin_ends_what_its_peer_says,
    a_fin_can_end_the_conversation,
    two_callers_are_joined_as_one_connection,
    without_its_output_the_server_stops,
    a_signal_lets_conversations_finish,
    a_second_signal_does_not_wait,
    a_hub_that_nobody_uses_stops_at_once,
    input_that_cannot_be_read_is_said,
    output_that_cannot_be_written_is_said,
);

const SOON: Duration = Duration::from_secs(4);

fn the_end_of_input_half_closes_everybody(case: Case) {
    let mut tool = case.serve(Tool::with(Stdin::Pipe), &["--fan-out", "--count", "3"]);
    let peers = joined(case, &tool, 2, &mut 0, false);
    let bytes = pattern(3 << 20, 91);
    tool.write(&bytes);
    tool.close_stdin();
    thread::scope(|scope| {
        for peer in &peers {
            scope.spawn(|| assert_same(&peer.read_to_end(), &bytes));
        }
    });
    let late = case.meet(&tool);
    assert_eq!(late.read_to_end(), b"");
    for (number, peer) in peers.iter().chain([&late]).enumerate() {
        peer.write("still here");
        tool.wait_stdout(2 + 10 * (number + 1));
        peer.shutdown();
    }
    assert_eq!(tool.wait().expect(0).stdout.len(), 32);
}

fn the_end_of_input_can_mean_other_things(case: Case) {
    let serve = |more: &[&str]| {
        let mut tool = case.serve(Tool::with(Stdin::Pipe), &[&["--fan-out", "--count", "1"], more].concat());
        let peer = case.meet(&tool);
        tool.write("all");
        assert_eq!(peer.read(3), b"all");
        tool.close_stdin();
        (tool, peer)
    };
    let (mut tool, peer) = serve(&["--on-eof", "close"]);
    assert_eq!(peer.hear_out(), (Vec::new(), Ending::Fin));
    tool.wait_within(SOON).expect(0);
    let (mut tool, peer) = serve(&["--on-eof", "hold"]);
    peer.hears_nothing_for(Duration::from_millis(200));
    peer.shutdown();
    assert_eq!(peer.read_to_end(), b"");
    tool.wait().expect(0);
    let (mut tool, peer) = serve(&["-q", "300ms"]);
    assert_eq!(peer.read_to_end(), b"");
    tool.wait_within(SOON).expect(0);
    if case.transport == Transport::Tcp {
        let (mut tool, peer) = serve(&["--on-eof", "reset"]);
        assert_eq!(peer.hear_out(), (Vec::new(), Ending::Reset));
        tool.wait().expect(0);
    }
}

/// As for any `listen`: /dev/null means only receiving, unless its end is spoken of.
fn an_empty_input_says_nothing(case: Case) {
    for sharing in ["--fan-out", "--hub"] {
        let tool = case.serve(Tool::with(Stdin::Null), &[sharing]);
        let peer = case.meet(&tool);
        peer.write("heard");
        assert_eq!(tool.wait_stdout(5), b"heard");
        peer.hears_nothing_for(Duration::from_millis(100));
    }
    let tool = case.serve(Tool::with(Stdin::Null), &["--fan-out", "-N"]);
    assert_eq!(case.meet(&tool).read_to_end(), b"");
}

fn in_a_hub_the_end_of_input_ends_nothing(case: Case) {
    let mut tool = case.serve(Tool::with(Stdin::Pipe), &["--hub"]);
    let mut heard = 0;
    let peers = joined(case, &tool, 2, &mut heard, true);
    tool.write("last words");
    tool.close_stdin();
    for peer in &peers {
        assert_eq!(peer.read(10), b"last words");
    }
    for peer in &peers {
        peer.hears_nothing_for(Duration::from_millis(100));
    }
    peers[0].write("go on");
    assert_eq!(peers[1].read(5), b"go on");
    assert!(tool.wait_stdout(heard + 5).ends_with(b"go on"));
}

/// It goes on hearing the others, for longer than `--on-fin auto` gives a silent input elsewhere.
fn a_fin_ends_what_its_peer_says(case: Case) {
    let hub = case.serve(Tool::with(Stdin::Pipe), &["--hub"]);
    let fan = case.serve(Tool::with(Stdin::Pipe), &["--fan-out"]);
    let peers = joined(case, &hub, 2, &mut 0, true);
    let listeners = joined(case, &fan, 2, &mut 0, false);
    peers[0].shutdown();
    listeners[0].shutdown();
    peers[0].hears_nothing_for(Duration::from_millis(2500));
    peers[1].write("said");
    assert_eq!(peers[0].read(4), b"said");
    hub.write("typed");
    for peer in &peers {
        assert_eq!(peer.read(5), b"typed");
    }
    fan.write("sent");
    for peer in &listeners {
        assert_eq!(peer.read(4), b"sent");
    }
    assert_eq!((hub.stderr(), fan.stderr()), (String::new(), String::new()));
}

fn a_fin_can_end_the_conversation(case: Case) {
    for sharing in ["--fan-out", "--hub"] {
        let tool = case.serve(Tool::with(Stdin::Pipe), &[sharing, "--on-fin", "close"]);
        let mut heard = 0;
        let peers = joined(case, &tool, 2, &mut heard, sharing == "--hub");
        tool.write("before");
        assert_eq!(peers[0].read(6), b"before");
        peers[0].write("bye");
        tool.wait_stdout(heard + 3);
        peers[0].shutdown();
        assert_eq!(peers[0].read_to_end(), b"");
        tool.write("after");
        let wanted: &[u8] = if sharing == "--hub" { b"beforebyeafter" } else { b"beforeafter" };
        assert_eq!(peers[1].read(wanted.len()), wanted);
    }
}

/// When nobody is left who could speak, that is an end.
fn two_callers_are_joined_as_one_connection(case: Case) {
    let mut tool = case.serve(Tool::with(Stdin::Null), &["--hub", "--count", "2"]);
    let (one, other) = (case.meet(&tool), case.meet(&tool));
    let (question, answer) = (pattern(128 << 10, 92), pattern(256 << 10, 93));
    // Each has heard the other before it counts.
    one.write("?");
    tool.wait_stdout(1);
    other.write("!");
    tool.wait_stdout(2);
    let early = one.read(1);
    assert_eq!(early, b"!");
    one.write(&question);
    one.shutdown();
    let heard = other.read_to_end();
    assert!(heard.ends_with(&question), "{} bytes of the question", heard.len());
    one.hears_nothing_for(Duration::from_millis(100));
    other.write(&answer);
    other.shutdown();
    assert_same(&one.read_to_end(), &answer);
    assert_eq!(tool.wait().expect(0).stdout.len(), 2 + question.len() + answer.len());
}

fn without_its_output_the_server_stops(case: Case) {
    for sharing in ["--fan-out", "--hub"] {
        let mut tool = case.serve(Tool::with(Stdin::Silent).stdout(Stdout::Held), &[sharing]);
        let mut output = tool.take_stdout();
        let peer = case.meet(&tool);
        peer.write("heard");
        assert_eq!(output.read(5), b"heard");
        drop(output);
        assert_eq!(peer.hear_out(), (Vec::new(), Ending::Fin));
        drop(peer);
        assert_eq!(tool.wait_within(SOON).expect_signal(Signal::PIPE).stderr, "");
        let mut tool = case.serve(Tool::with(Stdin::Silent).stdout(Stdout::Held), &[sharing]);
        drop(tool.take_stdout());
        assert_eq!(tool.wait_within(SOON).expect_signal(Signal::PIPE).stderr, "");
    }
}

fn serve_two(case: Case, args: &[&str]) -> (Tool, Vec<PeerStream>) {
    let tool = case.serve(Tool::with(Stdin::Pipe), args);
    let peers = joined(case, &tool, 2, &mut 0, args[0] == "--hub");
    (tool, peers)
}

fn a_signal_lets_conversations_finish(case: Case) {
    let (mut tool, peers) = serve_two(case, &["--fan-out", "--grace", "1m"]);
    tool.signal(Signal::TERM);
    case.wait_refused(&tool);
    tool.write("more");
    tool.close_stdin();
    for peer in &peers {
        assert_eq!(peer.read_to_end(), b"more");
        peer.write("thanks");
        peer.shutdown();
    }
    let exit = tool.wait_within(SOON).expect_signal(Signal::TERM);
    assert_eq!(exit.stdout.len(), 2 + 12);
    let (mut tool, peers) = serve_two(case, &["--hub", "--grace", "1m"]);
    tool.signal(Signal::TERM);
    case.wait_refused(&tool);
    peers[0].write("more");
    peers[0].shutdown();
    assert_eq!(peers[1].read_to_end(), b"more");
    peers[1].write("thanks");
    peers[1].shutdown();
    assert_eq!(peers[0].read_to_end(), b"thanks");
    let exit = tool.wait_within(SOON).expect_signal(Signal::TERM);
    assert!(exit.stdout.ends_with(b"morethanks"), "{exit}");
}

fn a_second_signal_does_not_wait(case: Case) {
    for args in [&["--fan-out", "--grace", "1h"][..], &["--hub", "--grace", "1h"]] {
        let (mut tool, peers) = serve_two(case, args);
        let _stuck = peers[0].send(vec![0; 32 << 20]);
        tool.signal(Signal::INT);
        case.wait_refused(&tool);
        assert!(tool.is_running());
        tool.signal(Signal::INT);
        tool.wait_within(SOON).expect_signal(Signal::INT);
    }
}

/// Nobody types any more, and those who have left count no longer.
fn a_hub_that_nobody_uses_stops_at_once(case: Case) {
    let (mut tool, peers) = serve_two(case, &["--hub", "--grace", "1h"]);
    peers[0].shutdown();
    peers[1].shutdown();
    peers.iter().for_each(PeerStream::settle);
    tool.signal(Signal::TERM);
    for peer in &peers {
        assert_eq!(peer.read_to_end(), b"");
    }
    tool.wait_within(SOON).expect_signal(Signal::TERM);
}

fn input_that_cannot_be_read_is_said(case: Case) {
    let folder = std::fs::File::open("/").expect("a directory");
    let mut tool = case.serve(Tool::with(Stdin::File(folder)), &["--fan-out", "--count", "1"]);
    let peer = case.meet(&tool);
    assert_eq!(peer.read_to_end(), b"");
    peer.shutdown();
    let exit = tool.wait().expect(0);
    assert!(exit.stderr.starts_with("fincat: cannot read standard input: "), "{exit}");
}

fn output_that_cannot_be_written_is_said(case: Case) {
    let full = std::fs::File::options().write(true).open("/dev/full").expect("/dev/full");
    let launch = Launch::new().stdin(Stdin::Silent).stdout(Stdout::File(full));
    let mut tool = case.serve(launch, &["--fan-out"]);
    let peer = case.meet(&tool);
    peer.write("unheard");
    assert_eq!(peer.hear_out().1, Ending::Fin);
    drop(peer);
    let exit = tool.wait_within(SOON).expect(1);
    assert!(exit.stderr.starts_with("fincat: cannot write standard output: no space left"), "{exit}");
}
