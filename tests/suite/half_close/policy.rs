//! What becomes of a conversation at an end, as chosen: `--on-eof`, `--on-fin`, `--send-only`,
//! `--recv-only`; how long silence may last after it is the subject of `silence`.

use std::fs::File;
use std::io::{Seek, Write};
use std::thread;
use std::time::Duration;

use rustix::pipe::pipe;

use super::{MUCH, WAITING, file_of, narrow, speaking};
use crate::capture::{Capture, deadline};
use crate::launch::{Launch, Stdin, Stdout};
use crate::matrix::{Case, Mode, Role, Transport, matrix};
use crate::pattern::{assert_same, pattern};
use crate::peers::{Ending, PeerStream, silence};
use crate::terminal::Terminal;
use crate::tool::Tool;

/// What fincat says when `--on-fin auto` gives up a silent input.
const NEVER_SPOKE: &str = "fincat: the peer has finished and standard input never spoke: done (--on-fin drain \
     waits for it)\n";

matrix!(every over all: hold_says_nothing_until_the_peer_ends, close_does_not_wait_for_the_peer);

matrix!(every: reset_comes_after_the_last_byte);

/// `--on-eof hold`: there is no FIN before the peer's own.
fn hold_says_nothing_until_the_peer_ends(case: Case) {
    let (mut tool, peer) = speaking(case, "question", &["--on-eof", "hold"]);
    assert_eq!(peer.read(8), b"question");
    peer.hears_nothing_for(Duration::from_millis(300));
    peer.write("reply");
    peer.hears_nothing_for(Duration::from_millis(300));
    peer.shutdown();
    assert_eq!(peer.read_to_end(), b"");
    let exit = tool.wait().expect(0);
    if case.mode == Mode::OneShot {
        assert_eq!(exit.stdout, b"reply", "{exit}");
    }
}

/// `--on-eof close`: the peer gets all and an end in order, and is not waited for.
fn close_does_not_wait_for_the_peer(case: Case) {
    let (mut tool, peer) = speaking(case, "question", &["--on-eof", "close"]);
    assert_eq!(peer.read_to_end(), b"question");
    let exit = tool.wait().expect(0);
    assert_eq!(exit.stderr, "", "the peer never ended: {exit}");
}

/// `--on-eof reset`: the peer gets all, and then an RST.
fn reset_comes_after_the_last_byte(case: Case) {
    let (mut tool, peer) = speaking(case, "question", &["--on-eof", "reset"]);
    let (bytes, ending) = peer.hear_out();
    assert_eq!((bytes.as_slice(), ending), (b"question".as_slice(), Ending::Reset));
    tool.wait().expect(0);
}

matrix!(one_shot: close_is_no_reset, reset_waits_until_all_is_acknowledged, reset_follows_the_peers_fin_too);

matrix!(one_shot over all:
    close_delivers_what_has_arrived,
    on_fin_close_waits_for_no_more_input,
    on_fin_close_sends_what_a_pipe_holds_ready,
    on_fin_close_sends_a_file_to_its_end,
);

/// `--on-eof close` when our output, which nobody reads yet, holds up 48 KiB that have arrived.
fn close_delivers_what_has_arrived(case: Case) {
    let (stdout, theirs) = narrow();
    let (mut tool, peer) = case.pair_with(Tool::with(Stdin::Pipe).stdout(stdout), &["--on-eof", "close"]);
    let bytes = pattern(48 << 10, 11);
    peer.write(&bytes);
    peer.settle();
    tool.close_stdin();
    assert_eq!(peer.read_to_end(), b"");
    let heard = Capture::of(theirs);
    assert!(heard.ends(deadline()), "standard output does not end");
    assert_same(&heard.bytes(), &bytes);
    tool.wait().expect(0);
}

/// Rule 3: what arrives when we listen no more is read and dropped, because closing a socket with unread
/// input is an RST. It would leave the peer with nothing to shut down.
fn close_is_no_reset(case: Case) {
    let (stdout, theirs) = narrow();
    let (mut tool, peer) = case.pair_with(Tool::with(Stdin::Pipe).stdout(stdout), &["--on-eof", "close"]);
    peer.write(pattern(48 << 10, 28));
    peer.settle();
    tool.close_stdin();
    assert_eq!(peer.read_to_end(), b"");
    peer.write("too late");
    peer.settle();
    assert!(Capture::of(theirs).ends(deadline()), "standard output does not end");
    silence(Duration::from_millis(200));
    peer.shutdown();
    tool.wait().expect(0);
}

/// `--on-eof reset` with 4 MiB and a peer that takes its time: an RST would destroy what is on its way.
fn reset_waits_until_all_is_acknowledged(case: Case) {
    let bytes = pattern(MUCH, 12);
    let (mut tool, peer) = case.pair(Stdin::Bytes(bytes.clone()), &["--on-eof", "reset"]);
    silence(Duration::from_millis(500));
    assert!(tool.is_running(), "the peer has not read anything yet");
    let (heard, ending) = peer.hear_out();
    assert_same(&heard, &bytes);
    assert_eq!(ending, Ending::Reset);
    tool.wait().expect(0);
}

/// `--on-eof reset` when the peer has finished before.
fn reset_follows_the_peers_fin_too(case: Case) {
    let (mut tool, peer) = case.pair(Stdin::Pipe, &["--on-eof", "reset", "--on-fin", "drain"]);
    peer.write("greeting");
    peer.shutdown();
    assert_eq!(tool.wait_stdout_end(), b"greeting");
    tool.write("last words");
    tool.close_stdin();
    assert_eq!(peer.hear_out(), (b"last words".to_vec(), Ending::Reset));
    tool.wait().expect(0);
}

/// `--on-fin close` with an input that stays open and silent.
fn on_fin_close_waits_for_no_more_input(case: Case) {
    let (mut tool, peer) = case.pair(Stdin::Silent, &["--on-fin", "close"]);
    peer.write("greeting");
    peer.shutdown();
    assert_eq!(peer.read_to_end(), b"");
    let exit = tool.wait().expect(0);
    assert_eq!(exit.stdout, b"greeting");
    assert_eq!(exit.stderr, "", "nothing was waited for, so nothing is said");
}

/// `--on-fin close` with 48 KiB in a pipe that does not end.
fn on_fin_close_sends_what_a_pipe_holds_ready(case: Case) {
    let (reader, writer) = pipe().expect("a pipe");
    let (mut writer, bytes) = (File::from(writer), pattern(48 << 10, 13));
    writer.write_all(&bytes).expect("less than a pipe holds");
    let (mut tool, peer) = case.pair(Stdin::File(File::from(reader)), &["--on-fin", "close"]);
    peer.shutdown();
    assert_same(&peer.read_to_end(), &bytes);
    tool.wait().expect(0);
    drop(writer);
}

/// `--on-fin close` with 4 MiB in a regular file: all of it is ready.
fn on_fin_close_sends_a_file_to_its_end(case: Case) {
    let bytes = pattern(MUCH, 14);
    let (mut tool, peer) = case.pair(Stdin::File(file_of(&bytes)), &["--on-fin", "close"]);
    peer.shutdown();
    peer.settle();
    assert_same(&peer.read_to_end(), &bytes);
    tool.wait().expect(0);
}

matrix!(one_shot over all:
    auto_gives_up_an_input_that_never_spoke,
    auto_waits_for_an_input_that_speaks_in_time,
    auto_waits_if_the_peer_said_nothing_either,
    drain_waits_for_an_input_that_never_spoke,
);

/// `ssh host 'fincat listen 9000 > f'`: standard input is open and silent, and the sender waits for us.
fn auto_gives_up_an_input_that_never_spoke(case: Case) {
    let (mut tool, peer) = case.pair(Stdin::Silent, &[]);
    let bytes = pattern(MUCH, 15);
    peer.send(bytes.clone()).done().expect("fincat takes it");
    peer.shutdown();
    assert_same(&tool.wait_stdout_end(), &bytes);
    peer.hears_nothing_for(Duration::from_secs(1));
    assert_eq!(peer.read_to_end(), b"");
    let exit = tool.wait().expect(0);
    assert_same(&exit.stdout, &bytes);
    assert_eq!(exit.stderr, NEVER_SPOKE);
}

/// The first byte within the two seconds makes it an input that is waited for.
fn auto_waits_for_an_input_that_speaks_in_time(case: Case) {
    let (mut tool, peer) = case.pair(Stdin::Pipe, &[]);
    peer.write("greeting");
    peer.shutdown();
    assert_eq!(tool.wait_stdout_end(), b"greeting");
    tool.write("in time");
    assert_eq!(peer.read(7), b"in time");
    tool.wait_line(|line| WAITING.contains(line));
    tool.write(", and more");
    tool.close_stdin();
    assert_eq!(peer.read_to_end(), b", and more");
    assert_eq!(tool.wait().expect(0).stderr, WAITING);
}

/// A peer that only says that it will say nothing may be waiting for a file.
fn auto_waits_if_the_peer_said_nothing_either(case: Case) {
    let (mut tool, peer) = case.pair(Stdin::Pipe, &[]);
    peer.shutdown();
    tool.wait_line(|line| WAITING.contains(line));
    tool.write("at last");
    tool.close_stdin();
    assert_eq!(peer.read_to_end(), b"at last");
    assert_eq!(tool.wait().expect(0).stderr, WAITING);
}

/// `--on-fin drain`: no exception; the sentence comes after two seconds, and only once.
fn drain_waits_for_an_input_that_never_spoke(case: Case) {
    let (mut tool, peer) = case.pair(Stdin::Pipe, &["--on-fin", "drain"]);
    peer.write("greeting");
    peer.shutdown();
    tool.wait_line(|line| WAITING.contains(line));
    peer.hears_nothing_for(Duration::from_millis(2500));
    tool.close_stdin();
    assert_eq!(peer.read_to_end(), b"");
    let exit = tool.wait().expect(0);
    assert_eq!(exit.stdout, b"greeting");
    assert_eq!(exit.stderr, WAITING);
}

matrix!(one_shot over streams:
    auto_ends_where_somebody_types,
    a_terminals_end_of_input_is_a_half_close,
    drain_waits_for_whoever_types,
);

/// `--on-fin auto` at a terminal is `close`: nobody has to press Control-D.
fn auto_ends_where_somebody_types(case: Case) {
    let terminal = Terminal::open();
    let (mut tool, peer) = case.pair(Stdin::File(terminal.line()), &[]);
    terminal.press("question\n");
    assert_eq!(peer.read(9), b"question\n");
    peer.write("answer");
    peer.shutdown();
    assert_eq!(peer.read_to_end(), b"");
    let exit = tool.wait().expect(0);
    assert_eq!(exit.stdout, b"answer");
    assert_eq!(exit.stderr, "");
}

/// Control-D half-closes, and the answer is heard.
fn a_terminals_end_of_input_is_a_half_close(case: Case) {
    let terminal = Terminal::open();
    let (mut tool, peer) = case.pair(Stdin::File(terminal.line()), &[]);
    terminal.press("question\n\x04");
    assert_eq!(peer.read_to_end(), b"question\n");
    peer.write("answer");
    peer.shutdown();
    assert_eq!(tool.wait().expect(0).stdout, b"answer");
}

/// `--on-fin drain` at a terminal: it is waited for, and that is mentioned.
fn drain_waits_for_whoever_types(case: Case) {
    let terminal = Terminal::open();
    let (mut tool, peer) = case.pair(Stdin::File(terminal.line()), &["--on-fin", "drain"]);
    peer.shutdown();
    tool.wait_line(|line| WAITING.contains(line));
    terminal.press("at last\n\x04");
    assert_eq!(peer.read_to_end(), b"at last\n");
    tool.wait().expect(0);
}

matrix!(one_shot over all: send_only_drops_what_it_hears, send_only_waits_for_the_acknowledgement);

/// `--send-only`: our input's end is the conversation's, whatever the peer still has to say.
fn send_only_drops_what_it_hears(case: Case) {
    let (mut tool, peer) = case.pair(Stdin::Pipe, &["--send-only"]);
    peer.send(pattern(MUCH, 16)).done().expect("fincat takes it, to drop it");
    tool.write("all we say");
    tool.close_stdin();
    assert_eq!(peer.read_to_end(), b"all we say");
    let exit = tool.wait().expect(0);
    assert_eq!(exit.stdout, b"", "{exit}");
}

/// `--send-only` is not over before the peer's system has all.
fn send_only_waits_for_the_acknowledgement(case: Case) {
    let bytes = pattern(MUCH, 17);
    let (mut tool, peer) = case.pair(Stdin::Bytes(bytes.clone()), &["--send-only"]);
    silence(Duration::from_millis(1500));
    assert!(tool.is_running(), "the peer has not read anything yet");
    assert_same(&peer.read_to_end(), &bytes);
    tool.wait().expect(0);
}

matrix!(every over all: recv_only_never_reads_its_input);

/// `--recv-only`: standard input stays untouched, and our half stays open until the peer's FIN.
fn recv_only_never_reads_its_input(case: Case) {
    let mut input = file_of(b"for somebody else");
    let shared = input.try_clone().expect("a second descriptor");
    let (mut tool, peer) = case.pair(Stdin::File(shared), &["--recv-only"]);
    peer.hears_nothing_for(Duration::from_millis(300));
    let bytes = pattern(MUCH, 18);
    peer.send(bytes.clone()).done().expect("fincat takes it");
    peer.shutdown();
    assert_eq!(peer.read_to_end(), b"");
    assert_same(&tool.wait().expect(0).stdout, &bytes);
    assert_eq!(input.stream_position().expect("a position"), 0, "standard input was read");
}

/// `--recv-only`: our FIN, for which the sender waits, says that all has been written: it does not come
/// while our output, a pipe of 256 slots at most, whatever lies in each, is not read.
#[test]
fn recv_only_ends_after_the_last_byte_is_written() {
    let launch = Tool::with(Stdin::Null).stdout(Stdout::Held);
    let mut tool = launch.listen(["127.0.0.1", "0", "--recv-only"]);
    let peer = PeerStream::tcp(tool.addr());
    let bytes = pattern(32 << 20, 19);
    let sending = peer.send(bytes.clone());
    thread::scope(|scope| {
        scope.spawn(|| {
            sending.done().expect("fincat takes it");
            peer.shutdown();
        });
        peer.hears_nothing_for(Duration::from_millis(500));
        assert_same(&tool.take_stdout().read_to_end(), &bytes);
    });
    assert_eq!(peer.read_to_end(), b"");
    tool.wait().expect(0);
}

/// Rule 8: a listener with an empty standard input, or none, only receives.
#[test]
fn a_listener_without_input_only_receives() {
    let servers: [&[&str]; 2] = [&[], &["--single", "--count", "1"]];
    for (args, stdin) in servers.into_iter().flat_map(|args| [(args, Stdin::Null), (args, Stdin::Closed)]) {
        let mut tool = Tool::with(stdin).listen([&["127.0.0.1", "0"], args].concat());
        let peer = PeerStream::tcp(tool.addr());
        peer.hears_nothing_for(Duration::from_millis(300));
        let bytes = pattern(MUCH, 20);
        peer.send(bytes.clone()).done().expect("fincat takes it");
        peer.shutdown();
        assert_eq!(peer.read_to_end(), b"");
        assert_same(&tool.wait().expect(0).stdout, &bytes);
    }
}

/// Rule 8, unless the end is asked for.
#[test]
fn a_listener_without_input_half_closes_if_told_to() {
    let ways: [&[&str]; 3] = [&["-N"], &["--half-close"], &["--on-eof", "half-close"]];
    for (way, stdin) in ways.into_iter().flat_map(|way| [(way, Stdin::Null), (way, Stdin::Closed)]) {
        let mut tool = Tool::with(stdin).listen([&["127.0.0.1", "0"], way].concat());
        let peer = PeerStream::tcp(tool.addr());
        assert_eq!(peer.read_to_end(), b"");
        peer.write("reply");
        peer.shutdown();
        assert_eq!(tool.wait().expect(0).stdout, b"reply");
    }
}

/// Rule 8 is `listen`'s: in `connect` an empty input has ended.
#[test]
fn connect_without_input_half_closes_at_once() {
    let case = Case { role: Role::Connect, transport: Transport::Tcp, mode: Mode::OneShot };
    for stdin in [Stdin::Null, Stdin::Closed] {
        let (mut tool, peer) = case.pair_with(Launch::new().stdin(stdin), &[]);
        assert_eq!(peer.read_to_end(), b"");
        peer.write("reply");
        peer.shutdown();
        assert_eq!(tool.wait().expect(0).stdout, b"reply");
    }
}
