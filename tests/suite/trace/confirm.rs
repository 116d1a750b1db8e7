//! `--confirm`: status 0 only where every byte was acknowledged and the end was in order, and a sentence that says what
//! is known.

use super::{lines, only, wait_shut, wait_step};
use crate::launch::Stdin;
use crate::matrix::{Case, Transport, matrix};
use crate::pattern::pattern;
use crate::peers::{PeerListener, PeerStream};
use crate::process::Exit;
use crate::tool::Tool;

#[track_caller]
fn expect_said(exit: &Exit, sentence: &str) {
    assert_eq!(exit.stderr, format!("fincat: {sentence}\n"), "{exit}");
}

matrix!(one_shot over all: what_arrives_is_confirmed);

fn what_arrives_is_confirmed(case: Case) {
    let (mut tool, peer) = case.pair(Stdin::Bytes(pattern(1 << 20, 1)), &["--confirm", "--on-eof", "half-close"]);
    assert_eq!(peer.read_to_end().len(), 1 << 20);
    peer.write("thanks");
    drop(peer);
    let exit = tool.wait().expect(0);
    let known = match case.transport {
        Transport::Tcp => "the peer's kernel has all 1048576 bytes; whether its program reads them, nobody knows",
        _ => "the peer has read all 1048576 bytes",
    };
    expect_said(&exit, &format!("confirmed: {known}"));
}

/// The peer's FIN comes before it has taken anything: the last close waits.
#[test]
fn the_last_close_waits_for_the_acknowledgement() {
    let listener = PeerListener::tcp();
    let mut tool = Tool::with(Stdin::Bytes(pattern(3 << 20, 2))).connect(listener.addr(), ["--confirm"]);
    let peer = listener.accept();
    peer.shutdown();
    tool.wait_stdout_end();
    crate::peers::silence(std::time::Duration::from_millis(1500));
    assert!(tool.is_running(), "what the peer has not taken is not confirmed");
    assert_eq!(peer.read_to_end().len(), 3 << 20);
    drop(peer);
    tool.wait().expect(0);
}

#[test]
fn what_is_reset_is_not_confirmed() {
    let listener = PeerListener::tcp();
    let mut tool =
        Tool::with(Stdin::Endless(b"much ".to_vec())).connect(listener.addr(), ["--confirm", "--json", "--trace"]);
    let peer = listener.accept();
    peer.read(1000);
    wait_shut(&wait_step(&tool, "connected"));
    peer.reset();
    let exit = tool.wait().expect(7);
    let told = lines(&exit.stderr);
    let known = only(&told, "confirmation");
    assert_eq!((&known["confirmed"], &known["ending"]), (&false.into(), &"reset".into()), "{exit}");
    assert!(known["unacknowledged"].as_u64().is_some_and(|bytes| bytes > 0), "{exit}");
    assert_eq!(only(&told, "closed")["status"], 7, "{exit}");
}

/// Everything is acknowledged, but the peer closes with something of ours unread: a reset, though a late one.
#[test]
fn an_end_out_of_order_is_not_confirmed() {
    let listener = PeerListener::tcp();
    let args = ["--confirm", "--on-eof", "close"];
    let mut tool = Tool::with(Stdin::Bytes(b"unread".to_vec())).connect(listener.addr(), args);
    let peer = listener.accept();
    peer.hears_nothing_until_it_has(6);
    drop(peer);
    let exit = tool.wait();
    // The reset is the conversation's own end, or came when that was decided.
    assert!(matches!(exit.code, Some(1 | 7)), "{exit}");
    let how = "acknowledged, but the conversation did not end in order (reset)";
    assert!(exit.stderr.contains(&format!("fincat: cannot confirm what was sent: {how}\n")), "{exit}");
}

#[test]
fn a_unix_peer_that_goes_without_reading_is_not_confirmed() {
    let listener = PeerListener::unix(socket2::Type::STREAM);
    let stdin = Stdin::Bytes(b"unread".to_vec());
    let mut tool = Tool::with(stdin).connect_unix(&listener.path(), ["--confirm"]);
    let peer: PeerStream = listener.accept();
    peer.hears_nothing_until_it_has(6);
    drop(peer);
    let exit = tool.wait();
    assert!(matches!(exit.code, Some(1 | 7)), "{exit}");
    assert!(exit.stderr.contains("fincat: cannot confirm what was sent: "), "{exit}");
}
