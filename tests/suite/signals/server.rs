//! A server's two signals: the first stops accepting and gives the conversations `--grace`, the second
//! gives them nothing; not what becomes of their commands (`family`).

use std::collections::BTreeSet;
use std::fs;
use std::net::UdpSocket;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{CWD, FileType, mknodat};
use tempfile::TempDir;

use super::AT_ONCE;
use crate::capture::again;
use crate::kernel::{Stat, Stranger, children, wait_until};
use crate::launch::{Launch, Stdin};
use crate::matrix::{Case, Mode, matrix};
use crate::pattern::{assert_same, pattern};
use crate::peers::{Ending, PeerStream};
use crate::process::Signal;
use crate::tool::Tool;

const BOTH: [Signal; 2] = [Signal::INT, Signal::TERM];

matrix!(served over all:
    without_conversations_it_ends_at_once,
    the_first_lets_conversations_finish,
    the_last_word_is_heard_in_the_time_of_grace,
    after_the_grace_what_goes_on_is_closed,
    a_terminal_that_tells_everybody_tells_once,
    the_second_does_not_wait,
    a_hangup_changes_nothing,
    a_hangup_that_is_ignored_stays_ignored,
);

/// The processes of a forking server's conversations.
fn forked(case: Case, tool: &Tool) -> Vec<Stranger> {
    let pids: Vec<_> = children(tool.id()).into_iter().map(|child| child.pid).collect();
    assert_eq!(pids.is_empty(), case.mode != Mode::Fork, "{pids:?}");
    pids.into_iter().map(Stranger::of).collect()
}

#[track_caller]
fn echoes(peer: &PeerStream, text: &str) {
    peer.write(text);
    assert_eq!(String::from_utf8_lossy(&peer.read(text.len())), text);
}

/// The pipes that the process `pid` has open above its standard descriptors, by their number in the kernel.
fn pipes(pid: i32) -> BTreeSet<PathBuf> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).expect("the process is there");
    let own = entries.map(|entry| entry.expect("an entry").path()).filter(|path| {
        let number = path.file_name().and_then(|name| name.to_str()?.parse::<i32>().ok());
        number.is_some_and(|number| number > 2)
    });
    own.filter_map(|path| fs::read_link(path).ok()).filter(|to| to.to_string_lossy().starts_with("pipe:")).collect()
}

/// What the server hears of must not depend on those who were forked from it: they share no pipe with it, nor with each
/// other.
#[test]
fn a_forked_conversation_has_no_pipe_of_its_servers() {
    let tool = Tool::listen(["127.0.0.1", "0", "--fork", "--echo"]);
    // What our own caller left open for everybody is nobody's self-pipe.
    let inherited = pipes(std::process::id().try_into().expect("a process number"));
    let peers = [PeerStream::tcp(tool.addr()), PeerStream::tcp(tool.addr())];
    for peer in &peers {
        echoes(peer, "here");
    }
    let forked = children(tool.id()).into_iter().map(|child| child.pid);
    let server = i32::try_from(tool.id()).expect("a process number");
    let all: Vec<_> = forked.chain([server]).map(|pid| &pipes(pid) - &inherited).collect();
    assert_eq!(all.len(), 3);
    let distinct: BTreeSet<_> = all.iter().flatten().collect();
    assert_eq!(distinct.len(), all.iter().map(BTreeSet::len).sum::<usize>(), "shared: {all:?}");
}

/// One that is signalled alone is the only one to hear it.
#[test]
fn a_forked_conversation_hears_its_own_signals_only() {
    let tool = Tool::listen(["127.0.0.1", "0", "--fork", "--echo", "--grace", "1m"]);
    let peers = [PeerStream::tcp(tool.addr()), PeerStream::tcp(tool.addr())];
    echoes(&peers[0], "here");
    echoes(&peers[1], "here");
    let mut forked: Vec<i32> = children(tool.id()).into_iter().map(|child| child.pid).collect();
    forked.sort_unstable();
    let first = Stranger::of(forked[0]);
    first.signal(Signal::USR1);
    let told = tool.wait_line(|line| line.contains("under way"));
    let is_about = |peer: &PeerStream| told.contains(&peer.addrs().0.to_string());
    let (gone, stays) = if is_about(&peers[0]) { (&peers[0], &peers[1]) } else { (&peers[1], &peers[0]) };
    assert!(is_about(gone), "{told}");
    first.signal(Signal::TERM);
    echoes(gone, "as long as its grace");
    // Signals that are not heard yet are one.
    wait_until("another one ends it", || {
        first.signal(Signal::TERM);
        children(tool.id()).len() == 1
    });
    let _ = gone.hear_out();
    echoes(stays, "not disturbed");
    echoes(&PeerStream::tcp(tool.addr()), "nor is the server");
    assert_eq!(tool.stderr().lines().filter(|line| line.contains("under way")).count(), 1, "{}", tool.stderr());
}

/// Those who have been received already are nobody that poll(2) would tell of: a signal is heard all the same.
#[test]
fn newcomers_without_end_do_not_keep_it() {
    for (mode, size) in [("--thread", 1), ("--thread", 1400), ("--fork", 1), ("--fork", 1400)] {
        let args = ["127.0.0.1", "0", mode, "--datagrams", "1", "--echo", "--grace", "0"];
        let mut tool = Launch::new().announce(&["udp", "listen"], &args);
        let senders: Vec<UdpSocket> = (0..100).map(|_| UdpSocket::bind("127.0.0.1:0").expect("bind")).collect();
        let (addr, over, limit) = (tool.addr(), AtomicBool::new(false), Instant::now() + 4 * AT_ONCE);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !over.load(Ordering::SeqCst) && Instant::now() < limit {
                    // Refused once it is gone.
                    for sender in &senders {
                        let _ = sender.send_to(&[b'x'; 1400][..size], addr);
                    }
                }
            });
            senders[0].set_read_timeout(Some(AT_ONCE)).expect("a bound");
            again(|| senders[0].recv(&mut [0; 2000])).expect("an answer");
            tool.signal(Signal::TERM);
            tool.wait_within(AT_ONCE).expect_signal(Signal::TERM);
            over.store(true, Ordering::SeqCst);
        });
    }
}

fn without_conversations_it_ends_at_once(case: Case) {
    for signal in BOTH {
        let mut tool = case.serve(Tool::with(Stdin::Null), &["--echo"]);
        tool.signal(signal);
        let exit = tool.wait_within(AT_ONCE).expect_signal(signal);
        assert_eq!(exit.stderr, "");
        case.wait_refused(&tool);
    }
}

/// Newcomers are refused, those who are here are served to their end, and we die of the signal.
fn the_first_lets_conversations_finish(case: Case) {
    for signal in BOTH {
        let mut tool = case.serve(Tool::with(Stdin::Null), &["--echo", "--grace", "1m"]);
        let peer = case.meet(&tool);
        echoes(&peer, "before");
        let forked = forked(case, &tool);
        tool.signal(signal);
        case.wait_refused(&tool);
        peer.hears_nothing_for(Duration::from_millis(200));
        echoes(&peer, "after");
        assert!(tool.is_running());
        peer.shutdown();
        assert_eq!(peer.read_to_end(), b"");
        tool.wait_within(AT_ONCE).expect_signal(signal);
        forked.iter().for_each(Stranger::wait_gone);
    }
}

/// Ctrl-C goes to all of the terminal's foreground group, forked conversations included. They hear it from
/// their parent too, and it is still the first.
fn a_terminal_that_tells_everybody_tells_once(case: Case) {
    let mut tool = case.serve(Tool::with(Stdin::Null), &["--echo", "--grace", "1m"]);
    let peer = case.meet(&tool);
    echoes(&peer, "before");
    let forked = forked(case, &tool);
    for child in &forked {
        child.signal(Signal::INT);
    }
    tool.signal(Signal::INT);
    case.wait_refused(&tool);
    peer.hears_nothing_for(Duration::from_millis(200));
    echoes(&peer, "after");
    peer.shutdown();
    assert_eq!(peer.read_to_end(), b"");
    tool.wait_within(AT_ONCE).expect_signal(Signal::INT);
    forked.iter().for_each(Stranger::wait_gone);
}

/// What is under way arrives whole.
fn the_last_word_is_heard_in_the_time_of_grace(case: Case) {
    let mut tool = case.serve(Tool::with(Stdin::Null), &["--echo", "--grace", "1m"]);
    let peer = case.meet(&tool);
    let bytes = pattern(8 << 20, 51);
    let sending = peer.send(bytes.clone());
    let (first, rest) = bytes.split_at(1000);
    assert_same(&peer.read(1000), first);
    tool.signal(Signal::TERM);
    case.wait_refused(&tool);
    assert_same(&peer.read(rest.len()), rest);
    sending.done().expect("the echo takes everything");
    peer.shutdown();
    assert_eq!(peer.read_to_end(), b"");
    tool.wait_within(AT_ONCE).expect_signal(Signal::TERM);
}

/// The peer sees an end, no reset.
fn after_the_grace_what_goes_on_is_closed(case: Case) {
    for handler in [&["--echo"][..], &["--recv-only"]] {
        let mut tool = case.serve(Tool::with(Stdin::Null), &[&["--grace", "300ms"], handler].concat());
        let peer = case.meet(&tool);
        peer.write("x");
        match handler[0] {
            "--echo" => assert_eq!(peer.read(1), b"x"),
            _ => assert_eq!(tool.wait_stdout(1), b"x"),
        }
        tool.signal(Signal::TERM);
        assert_eq!(peer.hear_out(), (Vec::new(), Ending::Fin), "{handler:?}");
        drop(peer);
        tool.wait_within(AT_ONCE).expect_signal(Signal::TERM);
    }
}

/// However long the grace, and whether or not anybody listens.
fn the_second_does_not_wait(case: Case) {
    for signal in BOTH {
        let mut tool = case.serve(Tool::with(Stdin::Null), &["--echo", "--grace", "1h"]);
        let peer = case.meet(&tool);
        echoes(&peer, "before");
        let _stuck = peer.send(vec![0; 32 << 20]);
        let forked = forked(case, &tool);
        tool.signal(signal);
        case.wait_refused(&tool);
        assert!(tool.is_running());
        tool.signal(signal);
        tool.wait_within(AT_ONCE).expect_signal(signal);
        forked.iter().for_each(Stranger::wait_gone);
    }
}

/// HUP is for the commands: whoever is served without one goes on, and the others may come.
fn a_hangup_changes_nothing(case: Case) {
    let tool = case.serve(Tool::with(Stdin::Null), &["--echo"]);
    let peer = case.meet(&tool);
    echoes(&peer, "before");
    let forked = forked(case, &tool);
    for _ in 0..3 {
        tool.signal(Signal::HUP);
        peer.hears_nothing_for(Duration::from_millis(50));
        echoes(&peer, "after");
    }
    for child in &forked {
        child.outlives(Duration::ZERO);
    }
    peer.shutdown();
    assert_eq!(peer.read_to_end(), b"");
    echoes(&case.meet(&tool), "another one");
    assert!(tool.is_running());
}

/// As nohup(1) leaves it.
fn a_hangup_that_is_ignored_stays_ignored(case: Case) {
    let line = "trap 'echo heard HUP' HUP; echo ready; read -r line; echo \"$line\"";
    let tool = case.serve(Tool::with(Stdin::Null).setup("trap '' HUP"), &["--sh", line]);
    let peer = case.meet(&tool);
    assert_eq!(peer.read(6), b"ready\n");
    tool.signal(Signal::HUP);
    peer.hears_nothing_for(Duration::from_millis(200));
    peer.write("a line\n");
    assert_eq!(peer.read_to_end(), b"a line\n");
    assert!(tool.is_running());
}

/// Nobody has opened the other end of what it is to write or to read, so it cannot begin; it can be stopped.
#[test]
fn a_start_that_waits_can_be_stopped() {
    let folder = TempDir::new().expect("a folder");
    let fifo = folder.path().join("fifo");
    mknodat(CWD, &fifo, FileType::Fifo, rustix::fs::Mode::RWXU, 0).expect("mkfifo");
    let path = fifo.to_str().expect("UTF-8");
    for args in [&["--echo", "-k", "--hexdump", path][..], &["-k", "--send-file", path]] {
        let mut tool = Launch::new().fincat([&["listen", "127.0.0.1", "0"], args].concat());
        let number = tool.id().try_into().expect("a process number");
        wait_until("it waits for the other end", || Stat::of(number).is_some_and(|stat| stat.state == 'S'));
        tool.signal(Signal::TERM);
        tool.wait().expect_signal(Signal::TERM);
    }
}
