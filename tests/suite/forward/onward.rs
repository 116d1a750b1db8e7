//! The way to the upstream: under `-w`, with `--retry` and `--retry-for`; who waits meanwhile is not read, and its loss
//! is noticed. What is forwarded once it stands is not looked at here.

use std::io::Read as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use socket2::Type;
use tempfile::TempDir;

use super::forward;
use super::side::Kind;
use crate::datagram::modes;
use crate::dead_ends::{Full, Refusing, who_comes};
use crate::launch::Stdin;
use crate::matrix::Mode;
use crate::peers::{Ending, PeerListener, PeerStream, silence};
use crate::tool::Tool;

modes!(
    the_way_has_its_time,
    it_is_tried_again,
    nothing_is_read_before_the_upstream_stands,
    a_client_that_is_gone_is_not_waited_for,
    others_and_signals_end_nothing,
);

/// `-w` bounds the way on, and nothing else: whoever comes first may take its time.
fn the_way_has_its_time(mode: Mode) {
    let full = Full::listener();
    let tool = forward(Kind::Tcp, &[mode.flags(), &["-w", "300ms"]].concat(), &full.addr().to_string());
    silence(Duration::from_millis(400));
    let began = Instant::now();
    let near = PeerStream::tcp(tool.addr());
    assert_eq!(near.hear_out(), (Vec::new(), Ending::Reset));
    assert!(began.elapsed() >= Duration::from_millis(300));
    tool.wait_line(|line| line.contains("cannot forward to") && line.ends_with("timed out after 300 ms (-w)"));
}

/// So often, or for so long; the last failure is said, the others only under -v.
fn it_is_tried_again(mode: Mode) {
    let dead = Refusing::port();
    for (flags, said) in [
        (&["--retry", "2", "--retry-delay", "10ms"][..], 2),
        (&["--retry-for", "300ms"], 1),
        (&["--retry-for", "300ms", "-w", "50ms"], 1),
    ] {
        let args = [mode.flags(), flags, &["-v"]].concat();
        let tool = forward(Kind::Tcp, &args, &dead.addr().to_string());
        let near = PeerStream::tcp(tool.addr());
        assert_eq!(near.hear_out(), (Vec::new(), Ending::Reset));
        tool.wait_lines(said, |line| line.contains("cannot forward to") && line.contains("; again in "));
        tool.wait_line(|line| line.contains("cannot forward to") && line.ends_with("connection refused"));
    }
}

/// The client's bytes stay where they are, and all of them arrive when the upstream does.
fn nothing_is_read_before_the_upstream_stands(mode: Mode) {
    let dead = Refusing::port();
    let args = [mode.flags(), &["-v", "--retry-for", "20s"]].concat();
    let tool = forward(Kind::Tcp, &args, &dead.addr().to_string());
    let near = PeerStream::tcp(tool.addr());
    near.narrow();
    let sending = near.send(vec![7; 32 << 20]);
    tool.wait_lines(2, |line| line.contains("; again in "));
    near.hears_nothing_for(Duration::from_millis(100));
    let back = dead.relents();
    let mut far = who_comes(&back);
    let mut heard = vec![0; 32 << 20];
    far.read_exact(&mut heard).expect("all of it");
    sending.done().expect("it is taken");
    near.shutdown();
    assert_eq!(far.read(&mut [0]).expect("an end"), 0);
    drop(far);
    assert!(near.read_to_end().is_empty());
}

/// RST while its upstream is waited for: the waiting is over. One that has only half-closed is still there.
fn a_client_that_is_gone_is_not_waited_for(mode: Mode) {
    let dead = Refusing::port();
    let args = [mode.flags(), &["-v", "--retry-for", "1h"]].concat();
    let tool = forward(Kind::Tcp, &args, &dead.addr().to_string());
    let near = PeerStream::tcp(tool.addr());
    near.write("x");
    tool.wait_line(|line| line.contains("; again in "));
    near.reset();
    tool.wait_line(|line| line.contains("cannot finish the conversation") && line.ends_with("reset by the peer"));
    tool.wait_line(|line| line.contains("it could not begin"));
    let near = PeerStream::tcp(tool.addr());
    near.write("question");
    near.shutdown();
    tool.wait_lines(3, |line| line.contains("; again in "));
    let back = dead.relents();
    let mut far = who_comes(&back);
    let mut heard = String::new();
    far.read_to_string(&mut heard).expect("a question");
    assert_eq!(heard, "question");
}

/// The next peer, a question (USR1), a hang-up of the terminal: none of them is a reason to give up.
fn others_and_signals_end_nothing(mode: Mode) {
    let dead = Refusing::port();
    let args = [mode.flags(), &["-v", "--retry-for", "20s"]].concat();
    let tool = forward(Kind::Tcp, &args, &dead.addr().to_string());
    let near = PeerStream::tcp(tool.addr());
    near.write("question");
    tool.wait_line(|line| line.contains("; again in "));
    let other = PeerStream::tcp(tool.addr());
    tool.signal(Signal::USR1);
    tool.signal(Signal::HUP);
    tool.wait_lines(4, |line| line.contains("; again in "));
    let back = dead.relents();
    let mut far = who_comes(&back);
    if mode == Mode::Single {
        let mut heard = [0; 8];
        far.read_exact(&mut heard).expect("a question");
        assert_eq!(&heard, b"question");
    }
    drop((far, other));
}

/// A stop does not wait for it either: a second signal ends it at once.
#[test]
fn a_stop_is_heard_on_the_way() {
    for flags in [&["--thread"][..], &["--fork"], &["--single", "-k"], &["--count", "1"]] {
        let dead = Refusing::port();
        let args = [flags, &["-v", "--retry-for", "1h", "--grace", "100ms"]].concat();
        let mut tool = forward(Kind::Tcp, &args, &dead.addr().to_string());
        let near = PeerStream::tcp(tool.addr());
        near.write("question");
        tool.wait_line(|line| line.contains("; again in "));
        tool.signal(Signal::TERM);
        tool.wait().expect_signal(Signal::TERM);
    }
}

/// The options need something to be gone to.
#[test]
fn without_a_way_there_is_nothing_to_try_again() {
    for args in [&["--retry", "1"][..], &["--retry-for", "1s"], &["--retry-delay", "1s"]] {
        let exit = Tool::run([&["listen", "0", "--echo"], args].concat()).expect(2);
        assert!(exit.stderr.contains("in listen they need --to"), "{exit}");
    }
    let exit = Tool::run(["listen", "0", "--to", "[::1]:1", "--retry", "1", "--retry-for", "1s"]).expect(2);
    assert!(exit.stderr.contains("exclude each other"), "{exit}");
}

/// `connect --to`: each of the two ways has its time and its tries.
#[test]
fn both_ways_of_connect_are_tried_again() {
    let (listener, dead) = (PeerListener::tcp(), Refusing::port());
    let far = dead.addr().to_string();
    let args = ["-v", "--retry-for", "20s", "--to", &far];
    let mut tool = Tool::with(Stdin::Null).connect(listener.addr(), args);
    let near = listener.accept();
    near.write("question");
    near.shutdown();
    tool.wait_line(|line| line.contains("cannot forward to") && line.contains("; again in "));
    let back = dead.relents();
    let mut far = who_comes(&back);
    let mut heard = String::new();
    far.read_to_string(&mut heard).expect("a question");
    assert_eq!(heard, "question");
    drop(far);
    assert!(near.read_to_end().is_empty());
    tool.wait().expect(0);
}

/// A unix client that asks, closes and is gone before the upstream stands is answered for all the same; one that said
/// nothing is not.
#[test]
fn what_a_unix_client_has_left_is_forwarded() {
    let folder = TempDir::new().expect("a folder");
    let path: PathBuf = folder.path().join("later");
    let far = path.to_str().expect("a path in UTF-8");
    let tool = forward(Kind::Unix, &["-v", "--retry-for", "1h"], far);
    PeerStream::unix(tool.path(), Type::STREAM);
    tool.wait_line(|line| line.contains("cannot finish the conversation"));
    PeerStream::unix(tool.path(), Type::STREAM).write("left");
    tool.wait_lines(3, |line| line.contains("; again in "));
    let back = std::os::unix::net::UnixListener::bind(&path).expect("bind");
    assert!(crate::capture::readable_by(&back, crate::capture::deadline()), "nobody has connected");
    let mut heard = String::new();
    back.accept().expect("accept").0.read_to_string(&mut heard).expect("what was left");
    assert_eq!(heard, "left");
}
