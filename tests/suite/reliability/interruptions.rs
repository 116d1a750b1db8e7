//! Conversations that are interrupted in full flow, by being stopped and by signals without end, and deaths: a command's,
//! and a server's under its own processes. Not how fincat is asked to stop, which `signals` holds.

use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, kill_process};

use super::amount;
use crate::capture::deadline;
use crate::kernel::{Stranger, children, wait_until};
use crate::launch::Stdin;
use crate::matrix::{Case, Mode, Transport, matrix};
use crate::pattern::{assert_same, pattern};
use crate::peers::{PeerListener, Python, silence};
use crate::process::{Process, Signal};
use crate::tool::Tool;

/// What goes each way meanwhile, in bytes.
const MUCH: usize = 4 << 20;

/// Hears everybody out and answers with the same.
const ECHO: &str = "
import socket, sys, threading
listener = socket.create_server(('127.0.0.1', 0))
print(listener.getsockname()[1])
peer, _ = listener.accept()
while True:
    data = peer.recv(65536)
    if not data: break
    peer.sendall(data)
";

/// Sends something to a process some thousand times a second, until `over`, or as often as `most` says.
fn pester(process: &Process, over: &AtomicBool, most: u64, mut send: impl FnMut(Pid, u64)) {
    let pid = Pid::from_raw(process.id().try_into().expect("a process number")).expect("a process number");
    for number in 0..most {
        if over.load(Ordering::Relaxed) {
            return;
        }
        send(pid, number);
        thread::sleep(Duration::from_micros(200));
    }
}

/// SIGSTOP and SIGCONT, of fincat and of its peer, in turns and both at once.
#[test]
fn who_is_stopped_goes_on_where_it_was() {
    for way in [&[][..], &["--no-splice"]] {
        let Some(peer) = Python::run(ECHO, &[]) else { return };
        let bytes = pattern(MUCH, 81);
        let mut tool = Tool::with(Stdin::Pipe).connect(Python::addr(&peer), way);
        tool.write(&bytes);
        tool.close_stdin();
        for round in 0..amount(15) {
            tool.wait_stdout(usize::try_from(round).unwrap() * 256 * 1024 % MUCH);
            let stopped: &[&Process] = match round % 3 {
                0 => &[&tool],
                1 => &[&peer],
                _ => &[&tool, &peer],
            };
            if !tool.is_running() {
                break;
            }
            for process in stopped {
                process.stop();
            }
            silence(Duration::from_millis(5));
            for process in stopped {
                process.resume();
            }
        }
        let exit = tool.wait().expect(0);
        assert_same(&exit.stdout, &bytes);
        assert_eq!(exit.stderr, "");
    }
}

matrix!(every over streams: thousands_of_signals_a_second_disturb_nothing);

/// Signals that fincat hears, and that interrupt what it does: SIGUSR1, SIGCHLD, SIGCONT, SIGWINCH.
fn thousands_of_signals_a_second_disturb_nothing(case: Case) {
    let (ours, theirs) = (pattern(MUCH, 82), pattern(MUCH, 83));
    let (mut tool, peer) = match case.mode {
        Mode::OneShot => case.pair(Stdin::Bytes(ours.clone()), &[]),
        _ => case.pair(Stdin::Null, &["--pipes", "--", "cat"]),
    };
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            pester(&tool, &over, amount(5000), |pid, number| {
                let all = [Signal::USR1, Signal::CHILD, Signal::CONT, Signal::WINCH];
                if case.mode == Mode::Fork && number % 64 == 0 {
                    for conversation in children(tool.id()) {
                        // It has its handlers already: it has a command.
                        let has_begun = conversation.pid.try_into().is_ok_and(|pid| !children(pid).is_empty());
                        let pid = Pid::from_raw(conversation.pid).expect("a number");
                        let _ = has_begun.then(|| kill_process(pid, Signal::USR1));
                    }
                }
                let _ = kill_process(pid, all[usize::try_from(number % 4).unwrap()]);
            });
        });
        let sending = peer.send(theirs.clone());
        let heard = peer.read(MUCH);
        sending.done().expect("fincat takes everything");
        peer.shutdown();
        assert_eq!(peer.read_to_end(), b"");
        over.store(true, Ordering::Relaxed);
        assert_same(&heard, if case.mode == Mode::OneShot { &ours } else { &theirs });
    });
    let exit = tool.wait().expect(0);
    if case.mode == Mode::OneShot {
        assert_same(&exit.stdout, &theirs);
    }
    assert!(!exit.stderr.contains("cannot") && !exit.stderr.contains("panic"), "{exit}");
}

/// Signals by which commands die.
const DEADLY: [Signal; 5] = [Signal::KILL, Signal::TERM, Signal::SEGV, Signal::ABORT, Signal::PIPE];

/// One conversation: 128 and the signal's number, as in a shell; what the command had said is delivered.
#[test]
fn a_commands_death_is_the_status() {
    for signal in DEADLY {
        for how in [&[][..], &["--pipes"]] {
            let line = format!("ulimit -c 0; echo last words; kill -{} $$", signal.as_raw());
            let listener = PeerListener::tcp();
            let mut tool = Tool::connect(listener.addr(), [how, &["--sh", &line]].concat());
            let peer = listener.accept();
            assert_eq!(peer.read_to_end(), b"last words\n", "{signal:?}");
            drop(peer);
            let _ = tool.wait().expect(128 + signal.as_raw());
        }
    }
}

matrix!(served over streams: a_commands_death_is_one_conversations);

/// A server goes on, and so do the others' commands.
fn a_commands_death_is_one_conversations(case: Case) {
    for how in [&[][..], &["--pipes"]] {
        let line = "ulimit -c 0; read -r signal; echo last words; kill -$signal $$";
        let tool = case.serve(Tool::with(Stdin::Null), &[how, &["--sh", line]].concat());
        let witness = (case.mode != Mode::Single).then(|| case.meet(&tool));
        for signal in DEADLY {
            let peer = case.meet(&tool);
            peer.write(format!("{}\n", signal.as_raw()));
            assert_eq!(peer.read_to_end(), b"last words\n", "{signal:?}");
        }
        if let Some(witness) = witness {
            witness.write("15\n");
            assert_eq!(witness.read_to_end(), b"last words\n");
        }
        wait_until("no process is left", || children(tool.id()).is_empty());
        assert!(tool.is_running());
    }
}

/// Everything that `parent` has started, and what that has started.
fn family(parent: u32) -> Vec<i32> {
    let own = children(parent).into_iter().map(|child| child.pid);
    own.flat_map(|pid| std::iter::once(pid).chain(family(pid.try_into().expect("a process number")))).collect()
}

/// `--fork` under `kill -9`: who is served is served to the end, then nothing is left, and the address is free at once.
#[test]
fn nothing_is_left_of_a_server_that_was_killed() {
    for transport in [Transport::Tcp, Transport::Unix, Transport::Seqpacket] {
        let case = Case { role: crate::matrix::Role::Listen, transport, mode: Mode::Fork };
        for handler in [&["--echo"][..], &["--", "cat"], &["--pipes", "--", "cat"]] {
            let mut tool = case.serve(Tool::with(Stdin::Null), handler);
            let peers: Vec<_> = (0..3).map(|_| case.meet(&tool)).collect();
            for peer in &peers {
                peer.write("one");
                assert_eq!(peer.read(3), b"one");
            }
            let family: Vec<_> = family(tool.id()).into_iter().map(Stranger::of).collect();
            assert!(family.len() >= 3, "a process for each");
            tool.signal(Signal::KILL);
            let _ = tool.wait_exit(deadline());
            case.wait_refused(&tool);
            if transport == Transport::Tcp {
                TcpListener::bind(tool.addr()).expect("the port is free");
            }
            for (number, peer) in peers.iter().enumerate() {
                peer.write("two");
                assert_eq!(peer.read(3), b"two", "{handler:?}");
                match number {
                    0 => {
                        peer.shutdown();
                        // Where a command holds the socket there is nobody left to finish it.
                        assert_eq!(peer.read_to_end(), b"", "{handler:?}");
                    }
                    _ => peer.shutdown(),
                }
            }
            drop(peers);
            family.iter().for_each(Stranger::wait_gone);
        }
    }
}
