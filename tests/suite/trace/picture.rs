//! `--trace` of one TCP conversation, held against what its peer has done and, where it stands still, against ss(8).

use std::time::Duration;

use super::{expect_ss, expect_steps, expect_to_fit, lines, only, wait_shut, wait_step};
use crate::dead_ends::{Full, Refusing};
use crate::launch::{Launch, Stdin, Stdout};
use crate::peers::{PeerListener, PeerStream, Python};
use crate::process::{Exit, Process, Signal};
use crate::tool::Tool;

const TRACE: [&str; 2] = ["--trace", "--json"];

/// A conversation, traced, from `connect` on.
#[track_caller]
fn begin(stdin: Stdin, args: &[&str]) -> (Tool, PeerStream) {
    let listener = PeerListener::tcp();
    let tool = Tool::with(stdin).connect(listener.addr(), [&TRACE, args].concat());
    (tool, listener.accept())
}

#[track_caller]
fn verdict(exit: &Exit) -> serde_json::Value {
    only(&lines(&exit.stderr), "verdict").clone()
}

#[test]
fn we_close_first_and_a_late_reply_comes() {
    let (mut tool, peer) = begin(Stdin::Pipe, &[]);
    expect_ss(&wait_step(&tool, "connected"));
    tool.write("question\n");
    assert_eq!(peer.read(9), b"question\n");
    tool.close_stdin();
    peer.read_to_end();
    // Nothing is awaited any more but the peer: the state stands still.
    expect_ss(&wait_step(&tool, "acknowledged"));
    peer.write("answer\n");
    tool.wait_stdout(7);
    expect_ss(&wait_step(&tool, "received"));
    drop(peer);
    let exit = tool.wait().expect(0);
    let told = lines(&exit.stderr);
    let way = [
        "attempt SYN-SENT|SYN-SENT?",
        "connected ESTABLISHED",
        "sent ESTABLISHED",
        "our-fin FIN-WAIT-1|FIN-WAIT-1?",
        "acknowledged FIN-WAIT-2",
        "received FIN-WAIT-2",
        "peers-fin TIME-WAIT?",
    ];
    expect_steps(&told, "peer", &way);
    let verdict = verdict(&exit);
    for (field, wanted) in [("closed_first", "we"), ("ending", "fin"), ("time_wait", "we")] {
        assert_eq!(verdict[field], wanted, "{field}: {exit}");
    }
    assert_eq!((&verdict["in_order"], &verdict["unacknowledged"]), (&true.into(), &0.into()), "{exit}");
    assert_eq!((&verdict["sent"], &verdict["received"]), (&9.into(), &7.into()), "{exit}");
}

#[test]
fn the_peer_closes_first() {
    let (mut tool, peer) = begin(Stdin::Pipe, &[]);
    peer.write("greeting\n");
    peer.shutdown();
    expect_ss(&wait_step(&tool, "peers-fin"));
    tool.write("so long\n");
    assert_eq!(peer.read(8), b"so long\n");
    tool.close_stdin();
    peer.read_to_end();
    let exit = tool.wait().expect(0);
    let told = lines(&exit.stderr);
    let way = [
        "received ESTABLISHED|CLOSE-WAIT",
        "peers-fin CLOSE-WAIT",
        "sent CLOSE-WAIT",
        "our-fin LAST-ACK|LAST-ACK?",
        "acknowledged CLOSED",
    ];
    expect_steps(&told, "peer", &way);
    let verdict = verdict(&exit);
    assert_eq!((&verdict["closed_first"], &verdict["time_wait"]), (&"peer".into(), &"peer".into()), "{exit}");
    assert_eq!((&verdict["in_order"], &verdict["unacknowledged"]), (&true.into(), &0.into()), "{exit}");
    assert!(verdict["rtt_ms"].as_f64().is_some_and(|ms| ms > 0.0), "{exit}");
}

/// The acknowledgement was late or the RST early: either way it is a reset, and no end in order.
#[test]
fn a_reset_in_the_middle() {
    let (mut tool, peer) = begin(Stdin::Endless(b"more and more ".to_vec()), &[]);
    peer.read(100_000);
    wait_shut(&wait_step(&tool, "connected"));
    peer.reset();
    let exit = tool.wait().expect(7);
    let told = lines(&exit.stderr);
    expect_steps(&told, "peer", &["connected ESTABLISHED", "sent", "peers-reset CLOSED"]);
    let verdict = verdict(&exit);
    assert_eq!((&verdict["in_order"], &verdict["ending"]), (&false.into(), &"reset".into()), "{exit}");
    assert_eq!((&verdict["time_wait"], &verdict["closed_first"]), (&"nobody".into(), &serde_json::Value::Null));
    let number = |field: &str| verdict[field].as_u64().expect("a number");
    assert!(number("unacknowledged") > 0 && number("sent") - number("unacknowledged") >= 100_000, "{exit}");
}

#[test]
fn a_reset_that_we_were_asked_for() {
    let (mut tool, peer) = begin(Stdin::Bytes(b"enough".to_vec()), &["--on-eof", "reset"]);
    assert_eq!(peer.hear_out().0, b"enough");
    let exit = tool.wait().expect(0);
    expect_steps(&lines(&exit.stderr), "peer", &["sent ESTABLISHED", "our-reset"]);
    let verdict = verdict(&exit);
    assert_eq!((&verdict["in_order"], &verdict["ending"]), (&false.into(), &"abort".into()), "{exit}");
}

#[test]
fn nobody_there_and_nobody_answering() {
    let (nobody, full) = (Refusing::port(), Full::listener());
    let exit = Tool::connect(nobody.addr(), TRACE).wait().expect(4);
    let told = lines(&exit.stderr);
    expect_steps(&told, "peer", &["attempt", "failed"]);
    assert!(told.iter().any(|line| line["note"].as_str().is_some_and(|note| note.contains("refused"))), "{exit}");
    let exit = Tool::connect(full.addr(), [&TRACE[..], &["-w", "300ms"]].concat()).wait().expect(5);
    // A SYN that is never answered stays one.
    expect_steps(&lines(&exit.stderr), "peer", &["attempt SYN-SENT", "failed"]);
}

/// A peer that takes nothing more, and then is gone: what was never acknowledged is counted, and who waited for whom.
#[test]
fn a_window_that_is_shut_and_a_peer_that_dies() {
    let deaf = "import socket\ns = socket.create_server(('127.0.0.1', 0))\nprint(s.getsockname()[1])\n\
                c, _ = s.accept()\nprint('here')\nimport time\ntime.sleep(60)";
    let Some(mut peer) = Python::run(deaf, &[]) else { return };
    let mut tool = Tool::with(Stdin::Endless(b"to nobody ".to_vec())).connect(Python::addr(&peer), TRACE);
    peer.wait_stdout_line(2);
    wait_shut(&wait_step(&tool, "connected"));
    crate::peers::silence(Duration::from_millis(300));
    kill(&mut peer);
    let exit = tool.wait().expect(7);
    let verdict = verdict(&exit);
    assert_eq!((&verdict["in_order"], &verdict["ending"]), (&false.into(), &"reset".into()), "{exit}");
    assert!(verdict["unacknowledged"].as_u64().is_some_and(|bytes| bytes > 0), "{exit}");
    assert!(verdict["waited_window_ms"].as_f64().is_some_and(|ms| ms > 200.0), "{exit}");
}

/// For our input, and for whoever reads our output: each is its own wait.
#[test]
fn who_kept_whom_waiting() {
    let (mut tool, peer) = begin(Stdin::Pipe, &[]);
    wait_step(&tool, "connected");
    crate::peers::silence(Duration::from_millis(300));
    tool.write("late");
    tool.close_stdin();
    assert_eq!(peer.read_to_end(), b"late");
    drop(peer);
    let verdict_of = |exit: &Exit| {
        let verdict = verdict(exit);
        ["waited_input_ms", "waited_output_ms"].map(|field| verdict[field].as_f64().expect("a number"))
    };
    let exit = tool.wait().expect(0);
    let [input, output] = verdict_of(&exit);
    assert!(input > 250.0 && output < input / 2.0, "{exit}");

    let listener = PeerListener::tcp();
    let mut tool = Launch::new().stdout(Stdout::Held).connect(listener.addr(), TRACE);
    let peer = listener.accept();
    let sending = peer.send(vec![b'x'; 8 << 20]);
    wait_step(&tool, "received");
    crate::peers::silence(Duration::from_millis(400));
    let mut outlet = tool.take_stdout();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            sending.done().expect("sent");
            peer.shutdown();
        });
        assert_eq!(outlet.read_to_end().len(), 8 << 20);
    });
    let exit = tool.wait().expect(0);
    let [input, output] = verdict_of(&exit);
    assert!(output > 250.0 && input < output / 2.0, "{exit}");
}

/// A name has addresses, and an agreement takes a time.
#[test]
fn a_name_and_a_handshake() {
    let listener = PeerListener::tcp();
    let port = listener.addr().port().to_string();
    let mut tool = Launch::new().fincat([&["connect", "-4", "localhost", &port], &TRACE[..]].concat());
    drop(listener.accept());
    let exit = tool.wait().expect(0);
    let told = lines(&exit.stderr);
    expect_steps(&told, "peer", &["resolved -", "attempt", "connected"]);
    let note = |step: &str| told.iter().find(|line| line["step"] == step).and_then(|line| line["note"].as_str());
    assert!(note("resolved").is_some_and(|note| note.contains("127.0.0.1")), "{exit}");
    let span = note("connected").and_then(|note| note.strip_prefix("after ")?.strip_suffix(" ms"));
    assert!(span.and_then(|span| span.parse::<f64>().ok()).is_some_and(|ms| ms > 0.0), "{exit}");
}

fn kill(peer: &mut Process) {
    peer.signal(Signal::KILL);
    let _ = peer.wait();
}

/// The same as text: a picture with its heading, no wider than a screen.
#[test]
fn the_picture_is_one_of_two_columns() {
    let listener = PeerListener::tcp();
    let mut tool = Launch::new().stdin(Stdin::Bytes(b"hello\n".to_vec())).connect(listener.addr(), ["--trace", "-n"]);
    let peer = listener.accept();
    assert_eq!(peer.read_to_end(), b"hello\n");
    peer.write("late\n");
    drop(peer);
    let exit = tool.wait().expect(0);
    expect_to_fit(&exit);
    let drawn: Vec<&str> = exit.stderr.lines().collect();
    assert_eq!(drawn[0], "#1        ms |us                peer| our end, as the kernel shows it", "{exit}");
    for part in
        ["|-------- SYN -------->|", "|<----- SYN, ACK ------|", "|-------- FIN -------->|", "|<-------- FIN --------|"]
    {
        assert!(drawn.iter().any(|line| line.contains(part)), "{part}: {exit}");
    }
    assert!(exit.stderr.contains("#1 verdict: we closed first; in order\n"), "{exit}");
    assert!(exit.stderr.contains("; we hold TIME-WAIT (inferred)\n"), "{exit}");
}
