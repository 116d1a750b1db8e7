//! Errors that a system call gives without a reason that a test could make: ENFILE of a whole machine, ENOMEM, EINTR of
//! every call; given by strace(1), which has to be there and to be permitted. What lacks for real is `home`.

use super::account::tell;
use crate::kernel::{children, wait_until};
use crate::launch::{Launch, Stdin};
use crate::matrix::{Case, Mode, Role, Transport, matrix};
use crate::pattern::{assert_same, pattern};
use crate::peers::{PeerListener, external};
use crate::process::{Process, Signal};
use crate::tool::{Tool, fincat};

/// Errors from now on, in `tool` and all that it starts: `rules` as strace's `-e inject=`. None where that cannot be had.
fn inject(tool: &Tool, rules: &[&str]) -> Option<Process> {
    let strace = external("strace")?;
    let rules = rules.iter().flat_map(|rule| ["-e".to_owned(), format!("inject={rule}")]);
    let calls = ["-f", "-o", "/dev/null", "-p"].map(str::to_owned).into_iter().chain([tool.id().to_string()]);
    let mut strace = Launch::new().start(strace, calls.chain(rules));
    wait_until("strace is there, or is not permitted", || strace.stderr().contains("attached") || !strace.is_running());
    if !strace.is_running() {
        tell(&format!("skipped: {}", strace.wait().stderr.trim()));
        return None;
    }
    Some(strace)
}

/// Calls that can fail for want of something while peers come, and how.
const SHORTAGES: [&str; 5] = [
    "accept4:error=ENFILE:when=1..4",
    "accept4:error=ENOMEM:when=1..4",
    "accept4:error=ENOBUFS:when=1..4",
    "clone,clone3,fork,vfork:error=EAGAIN:when=1..2",
    "clone,clone3,fork,vfork:error=ENOMEM:when=1..2",
];

matrix!(served over streams: nobody_is_lost_for_a_shortage);

/// Each of three peers is served, later perhaps.
fn nobody_is_lost_for_a_shortage(case: Case) {
    for handler in [&["--echo"][..], &["--", "cat"], &["--pipes", "--", "cat"]] {
        for rule in SHORTAGES.iter().chain(&["pipe2:error=ENFILE:when=1..2"]) {
            let mut tool = case.serve(Tool::with(Stdin::Null), handler);
            let Some(strace) = inject(&tool, &[rule]) else { return };
            let peers: Vec<_> = (0..3).map(|_| case.meet(&tool)).collect();
            for peer in &peers {
                peer.write("heard");
                peer.shutdown();
            }
            for peer in &peers {
                assert_eq!(peer.read_to_end(), b"heard", "{handler:?} {rule}");
            }
            wait_until("no process is left", || children(tool.id()).is_empty());
            tool.signal(Signal::TERM);
            let exit = tool.wait().expect_signal(Signal::TERM);
            drop(strace);
            let is_known = |line: &str| line.contains("another peer is waiting") || line.contains("cannot accept more");
            assert!(exit.stderr.lines().all(is_known), "{handler:?} {rule}: {exit}");
        }
    }
}

/// Calls that may be interrupted at any time, each the second time and then every third.
const INTERRUPTED: &str = "poll,ppoll,read,write,readv,writev,preadv2,pwritev2,recvfrom,sendto,recvmsg,sendmsg,splice,\
                           sendfile,accept4,waitid,wait4:error=EINTR:when=2+3";

/// Calls that may find nothing to do, whatever poll(2) has said.
const IN_VAIN: &str = "preadv2,pwritev2,recvfrom,sendto,splice,sendfile:error=EAGAIN:when=2+3";

/// Where one may be interrupted.
const MODES: [Mode; 4] = [Mode::OneShot, Mode::Single, Mode::Thread, Mode::Fork];

/// Every call is interrupted, or finds nothing, again and again: all arrives.
#[test]
fn interrupted_calls_lose_nothing() {
    let (ours, theirs) = (pattern(1 << 20, 84), pattern(1 << 20, 85));
    for rule in [INTERRUPTED, IN_VAIN] {
        for (mode, way) in MODES.iter().flat_map(|mode| [(*mode, &[][..]), (*mode, &["--no-splice"])]) {
            let case = Case { role: Role::Listen, transport: Transport::Tcp, mode };
            let handler: &[&str] = if mode == Mode::OneShot { &[] } else { &["--count", "1", "--echo"] };
            let mut tool = case.serve(Tool::with(Stdin::Bytes(ours.clone())), &[handler, way].concat());
            let Some(strace) = inject(&tool, &[rule]) else { return };
            let peer = case.meet(&tool);
            let sending = peer.send(theirs.clone());
            assert_same(&peer.read(1 << 20), if mode == Mode::OneShot { &ours } else { &theirs });
            sending.done().expect("fincat takes everything");
            peer.shutdown();
            assert_eq!(peer.read_to_end(), b"", "{mode:?} {way:?} {rule}");
            let exit = tool.wait().expect(0);
            drop(strace);
            if mode == Mode::OneShot {
                assert_same(&exit.stdout, &theirs);
            }
            assert_eq!(exit.stderr, "", "{mode:?} {way:?} {rule}");
        }
    }
}

/// fincat's `connect` to somebody who listens, with `rule` for its calls; None where that cannot be had.
fn connecting(host: &str, rule: &str) -> Option<(Process, PeerListener)> {
    let strace = external("strace")?;
    let listener = PeerListener::tcp();
    let port = listener.addr().port().to_string();
    let rule = format!("inject={rule}");
    let traced = ["-f", "-o", "/dev/null", "-e", &rule, fincat(), "connect", host, &port];
    let mut tool = Launch::new().stdin(Stdin::Silent).start(strace, traced);
    wait_until("it has come, or cannot be traced", || listener.is_wanted() || !tool.is_running());
    if !listener.is_wanted() && !tool.stderr().starts_with("fincat: ") {
        tell(&format!("skipped: {}", tool.wait().stderr.trim()));
        return None;
    }
    Some((tool, listener))
}

/// An RST may come between connect(2)'s success and the question who the peer is, which has no answer then: what had
/// arrived is delivered, and it was a reset.
#[test]
fn a_reset_peer_without_a_name_was_heard() {
    let Some((mut tool, listener)) = connecting("0.0.0.0", "getpeername:error=ENOTCONN") else { return };
    let peer = listener.accept();
    peer.write("last words");
    peer.settle();
    peer.reset();
    let exit = tool.wait().expect(7);
    assert_eq!(exit.stdout, b"last words");
    assert!(exit.stderr.contains(&format!("0.0.0.0:{}: reset by the peer", listener.addr().port())), "{exit}");
}

/// Or before connect(2) has told of its success; after a FIN that is EPIPE, and where the error was taken ECONNABORTED.
#[test]
fn a_reset_is_one_whatever_connect_calls_it() {
    for error in ["ECONNRESET", "EPIPE", "ECONNABORTED"] {
        let Some((mut tool, listener)) = connecting("127.0.0.1", &format!("connect:error={error}:when=2")) else {
            return;
        };
        let exit = tool.wait().expect(7);
        let sentence = format!("fincat: cannot connect to {}: connection reset by peer\n", listener.addr());
        assert_eq!(exit.stderr, sentence, "{error}");
    }
}
