//! Commands whose clients are gone: what they are told, what they are left to do, and that nothing of them remains; not
//! what the end of the server does to them (`signals`).

use std::fs;
use std::time::{Duration, Instant};

use crate::kernel::{Stranger, children, wait_until};
use crate::launch::{Launch, Stdin};
use crate::matrix::{Case, Mode, Role, Transport, matrix};
use crate::peers::{Ending, PeerStream, external};
use crate::process::Signal;
use crate::tool::Tool;

matrix!(served over streams:
    a_command_without_a_client_gets_a_hangup,
    who_does_not_hear_a_hangup_is_terminated,
    who_hears_nothing_is_killed_with_all_it_started,
    the_server_goes_on,
);

matrix!(served:
    both_ends_are_the_end,
    what_was_left_is_read_first,
    a_command_that_leaves_by_itself_is_not_told,
    a_client_that_only_half_closed_is_there,
);

matrix!(many: hundreds_of_clients_vanish);

/// With the socket, and with pipes.
const HOW: [&[&str]; 2] = [&[], &["--pipes"]];

/// Longer than a command is given to leave by itself, by far less than a test waits.
const A_WHILE: Duration = Duration::from_millis(1500);

/// Whoever is here says so, and what it hears on standard error. It never reads and never writes again.
const LISTENS: &str = "trap 'echo heard HUP >&2; exit 0' HUP; trap 'echo heard TERM >&2; exit 0' TERM
    echo ready; while :; do sleep 0.1; done";

const DEAF_TO_HUP: &str = "trap 'echo heard HUP >&2' HUP; trap 'echo heard TERM >&2; exit 3' TERM
    echo ready; while :; do sleep 0.1; done";

const DEAF: &str = "trap '' HUP TERM; sleep 1000 2>/dev/null & echo $$ $!; wait; wait; sleep 1000";

/// The client goes: by RST over TCP, by closing where there is none.
fn vanish(case: Case, peer: PeerStream) {
    match case.transport {
        Transport::Tcp => peer.reset(),
        _ => drop(peer),
    }
}

/// However long the grace, which is what comes after it.
fn a_command_without_a_client_gets_a_hangup(case: Case) {
    for how in HOW {
        let line = [how, &["--grace", "1h", "-vv", "--sh", LISTENS]].concat();
        let tool = case.serve(Tool::with(Stdin::Null), &line);
        let peer = case.meet(&tool);
        assert_eq!(peer.read(6), b"ready\n");
        vanish(case, peer);
        tool.wait_line(|line| line == "heard HUP");
        tool.wait_line(|line| line.ends_with("the peer is gone and the command runs on: HUP"));
        tool.wait_line(|line| line.contains("command ended with status 0"));
        wait_until("it is waited for", || children(tool.id()).is_empty());
    }
}

/// After the grace.
fn who_does_not_hear_a_hangup_is_terminated(case: Case) {
    for how in HOW {
        let line = [how, &["--grace", "1s", "-v", "--sh", DEAF_TO_HUP]].concat();
        let tool = case.serve(Tool::with(Stdin::Null), &line);
        let peer = case.meet(&tool);
        assert_eq!(peer.read(6), b"ready\n");
        vanish(case, peer);
        tool.wait_line(|line| line == "heard HUP");
        let told = Instant::now();
        tool.wait_line(|line| line == "heard TERM");
        // What a shell has caught it answers after its sleep.
        assert!(told.elapsed() > Duration::from_millis(200), "{:?}", told.elapsed());
        tool.wait_line(|line| line.contains("command ended with status 3"));
    }
}

/// KILL, to the group as well.
fn who_hears_nothing_is_killed_with_all_it_started(case: Case) {
    for how in HOW {
        let line = [how, &["--grace", "200ms", "-v", "--sh", DEAF]].concat();
        let tool = case.serve(Tool::with(Stdin::Null), &line);
        let peer = case.meet(&tool);
        let family = crate::signals::processes(&peer);
        assert_eq!(family.len(), 2);
        vanish(case, peer);
        family.iter().for_each(Stranger::wait_gone);
        tool.wait_line(|line| line.contains("command ended by signal 9"));
        assert!(tool.is_running());
    }
}

/// Others are served as ever, and a stop finds nothing to wait for.
fn the_server_goes_on(case: Case) {
    for how in HOW {
        let line = [how, &["--grace", "100ms", "--sh", "echo ready; exec sleep 1000"]].concat();
        let mut tool = case.serve(Tool::with(Stdin::Null), &line);
        for _ in 0..3 {
            let peer = case.meet(&tool);
            assert_eq!(peer.read(6), b"ready\n");
            vanish(case, peer);
        }
        wait_until("nobody is left", || children(tool.id()).is_empty());
        tool.signal(Signal::TERM);
        tool.wait().expect_signal(Signal::TERM);
    }
}

const ENDS: &str = "
import signal, socket, sys, time
signal.signal(signal.SIGHUP, lambda *_: (print('heard HUP', file=sys.stderr), sys.exit(0)))
peer = socket.socket(fileno=0)
peer.shutdown(socket.SHUT_WR)
while peer.recv(100): pass
time.sleep(1000)
";

/// A command that has said its end, and runs on after the client's: it is given a moment first.
fn both_ends_are_the_end(case: Case) {
    let Some(python) = external("python3") else { return };
    let python = python.to_str().expect("UTF-8");
    let closes = "trap 'echo heard HUP >&2; exit 0' HUP; exec >&-; cat >/dev/null; while :; do sleep 0.1; done";
    for task in [&["--", python, "-c", ENDS][..], &["--pipes", "--sh", closes]] {
        let tool = case.serve(Tool::with(Stdin::Null), &[&["--grace", "1h"], task].concat());
        let peer = case.meet(&tool);
        assert_eq!(peer.read_to_end(), b"");
        peer.shutdown();
        let ended = Instant::now();
        tool.wait_line(|line| line == "heard HUP");
        assert!(ended.elapsed() > Duration::from_millis(700), "{:?}", ended.elapsed());
    }
}

/// A command that goes on reading what the client left is not disturbed, however slowly it does. With pipes, fincat has
/// read it and passes it on.
fn what_was_left_is_read_first(case: Case) {
    let case = Case { transport: Transport::Unix, ..case };
    let line = "trap 'echo heard HUP >&2' HUP; for n in 1 2 3 4 5 6; do head -c 1000 | wc -c >&2; sleep 0.4; done
        echo done >&2";
    let tool = case.serve(Tool::with(Stdin::Null), &["-vv", "--sh", line]);
    let peer = case.meet(&tool);
    peer.write(vec![b'x'; 6000]);
    drop(peer);
    tool.wait_line(|line| line == "done");
    assert!(!tool.stderr().contains("HUP"), "{}", tool.stderr());
}

/// It has more to do than its client, and ends within a moment: its status is its own.
fn a_command_that_leaves_by_itself_is_not_told(case: Case) {
    let case = Case { transport: Transport::Unix, ..case };
    for how in HOW {
        let line = [how, &["--grace", "0", "-v", "--sh", "cat >/dev/null; sleep 0.3; exit 5"]].concat();
        let tool = case.serve(Tool::with(Stdin::Null), &line);
        drop(case.meet(&tool));
        tool.wait_line(|line| line.contains("command ended with status 5"));
        assert!(!tool.stderr().contains("gone"), "{}", tool.stderr());
    }
}

/// It wants to hear the answer, however long that takes.
fn a_client_that_only_half_closed_is_there(case: Case) {
    for transport in [Transport::Tcp, Transport::Unix] {
        let case = Case { transport, ..case };
        for how in HOW {
            let line = format!("cat >/dev/null; sleep {}; echo answer", A_WHILE.as_secs_f64());
            let tool = case.serve(Tool::with(Stdin::Null), &[how, &["--grace", "0", "--sh", &line]].concat());
            let peer = case.meet(&tool);
            peer.write("a question");
            peer.shutdown();
            assert_eq!(peer.hear_out(), (b"answer\n".to_vec(), Ending::Fin), "{how:?}");
        }
    }
}

/// One conversation is its user's: who may sit at a terminal.
#[test]
fn a_single_conversation_is_not_supervised() {
    let case = Case { role: Role::Listen, transport: Transport::Tcp, mode: Mode::OneShot };
    let line = "trap 'echo heard HUP >&2' HUP; echo ready; sleep 0.5; echo done >&2";
    let (mut tool, peer) = case.pair(Stdin::Null, &["-v", "--sh", line]);
    assert_eq!(peer.read(6), b"ready\n");
    peer.reset();
    let exit = tool.wait().expect(0);
    assert!(exit.stderr.contains("done") && !exit.stderr.contains("HUP"), "{exit}");
}

/// 200 clients that go without a word, before and after their command has begun: no process stays, no descriptor, and
/// the next one is served.
fn hundreds_of_clients_vanish(case: Case) {
    for how in HOW {
        let line =
            [how, &["--grace", "100ms", "-m", "64", "--backlog", "512", "--sh"], &["echo ready; exec sleep 1000"]];
        let tool = case.serve(Tool::with(Stdin::Null), &line.concat());
        let greeted = |peer: &PeerStream| assert_eq!(peer.read(6), b"ready\n");
        let first = case.meet(&tool);
        greeted(&first);
        first.reset();
        wait_until("the first one's command is gone", || children(tool.id()).is_empty());
        let before = descriptors(tool.id());
        for round in 0..20 {
            let peers: Vec<PeerStream> = (0..10).map(|_| case.meet(&tool)).collect();
            if round % 2 == 0 {
                peers.iter().for_each(greeted);
            }
            peers.into_iter().for_each(PeerStream::reset);
        }
        wait_until("no process is left", || children(tool.id()).is_empty());
        wait_until("no descriptor is left", || descriptors(tool.id()) <= before);
        let last = case.meet(&tool);
        greeted(&last);
        last.reset();
        wait_until("the last one's command is gone", || children(tool.id()).is_empty());
    }
}

/// How many descriptors a process has.
fn descriptors(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count)
}

matrix!(served: a_command_that_ended_is_no_zombie);

/// Though its data has not ended: somebody else still holds its pipe.
fn a_command_that_ended_is_no_zombie(case: Case) {
    let line = "sleep 1000 2>/dev/null & echo $!";
    let tool = case.serve(Tool::with(Stdin::Null), &["--pipes", "--sh", line]);
    let peer = case.meet(&tool);
    let left_behind = crate::signals::processes(&peer);
    let ours = || {
        let near = children(tool.id());
        let far: Vec<_> = near.iter().flat_map(|child| children(child.pid.unsigned_abs())).collect();
        near.into_iter().chain(far).collect::<Vec<_>>()
    };
    wait_until("it is waited for", || ours().iter().all(|child| child.state != 'Z'));
    let expected = usize::from(case.mode == Mode::Fork);
    wait_until("only the conversation is left", || ours().len() == expected);
    peer.shutdown();
    drop(left_behind);
    assert_eq!(peer.read_to_end(), b"");
}

/// A watch that is not asked for costs nothing: while a conversation goes on undisturbed, the server sleeps.
#[test]
fn the_server_sleeps_meanwhile() {
    for mode in [Mode::Single, Mode::Thread, Mode::Fork] {
        let case = Case { role: Role::Listen, transport: Transport::Tcp, mode };
        let tool = case.serve(Launch::new(), &["--", "cat"]);
        let peer = case.meet(&tool);
        peer.write("x");
        assert_eq!(peer.read(1), b"x");
        peer.shutdown();
        assert_eq!(peer.read_to_end(), b"");
        let peer = case.meet(&tool);
        peer.write("x");
        assert_eq!(peer.read(1), b"x");
        assert_eq!(crate::kernel::busy(tool.id(), Duration::from_millis(300)), Duration::ZERO, "{mode:?}");
    }
}
