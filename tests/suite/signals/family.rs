//! Who is told of a server's end: its commands with all that they started, its forked children, and
//! nobody else; not what the peers see of it (`server`).

use super::{A_DEAF_FAMILY, A_FAMILY, A_MOMENT, A_POLITE_ONE, AT_ONCE, bystander, processes, with_bystander};
use crate::kernel::{Stranger, children, wait_until};
use crate::launch::Stdin;
use crate::matrix::{Case, Mode, matrix};
use crate::peers::{Ending, PeerStream};
use crate::process::Signal;
use crate::tool::Tool;

matrix!(served over streams:
    a_command_is_told_to_stop_with_all_it_started,
    a_command_may_say_a_last_word,
    who_does_not_listen_is_killed_after_the_grace,
    who_does_not_listen_is_killed_by_the_second,
    a_hangup_is_passed_on,
    a_command_that_has_ended_is_not_told,
);

matrix!(many: every_family_of_many_is_gone);

matrix!(every: a_command_dies_of_a_broken_pipe);

/// With the socket, and with pipes.
const HOW: [&[&str]; 2] = [&[], &["--pipes"]];

/// TERM to the group of each; and to no other group.
fn a_command_is_told_to_stop_with_all_it_started(case: Case) {
    for how in HOW {
        let line = [how, &["--grace", "1m", "--sh", A_FAMILY]].concat();
        let mut tool = case.serve(with_bystander(Stdin::Null), &line);
        let bystander = bystander(&tool);
        let peer = case.meet(&tool);
        let family = processes(&peer);
        tool.signal(Signal::TERM);
        family.iter().for_each(Stranger::wait_gone);
        assert_eq!(peer.hear_out(), (Vec::new(), Ending::Fin), "{how:?}");
        drop(peer);
        tool.wait_within(AT_ONCE).expect_signal(Signal::TERM);
        bystander.outlives(A_MOMENT);
    }
}

/// It is a command's own affair what it does with TERM, for as long as the grace lasts. It gets TERM
/// also when we got INT.
fn a_command_may_say_a_last_word(case: Case) {
    for signal in [Signal::INT, Signal::TERM] {
        for how in HOW {
            let line = [how, &["--grace", "1m", "--sh", A_POLITE_ONE]].concat();
            let mut tool = case.serve(Tool::with(Stdin::Null), &line);
            let peer = case.meet(&tool);
            assert_eq!(peer.read(6), b"ready\n");
            tool.signal(signal);
            let (heard, ending) = peer.hear_out();
            assert_eq!((&*String::from_utf8_lossy(&heard), ending), ("heard TERM\n", Ending::Fin), "{how:?}");
            drop(peer);
            tool.wait_within(AT_ONCE).expect_signal(signal);
        }
    }
}

/// KILL, to the group as well.
fn who_does_not_listen_is_killed_after_the_grace(case: Case) {
    for how in HOW {
        let line = [how, &["--grace", "500ms", "--sh", A_DEAF_FAMILY]].concat();
        let mut tool = case.serve(with_bystander(Stdin::Null), &line);
        let bystander = bystander(&tool);
        let peer = case.meet(&tool);
        let family = processes(&peer);
        tool.signal(Signal::TERM);
        for process in &family {
            process.outlives(A_MOMENT / 4);
        }
        family.iter().for_each(Stranger::wait_gone);
        tool.wait_within(AT_ONCE).expect_signal(Signal::TERM);
        bystander.outlives(A_MOMENT);
    }
}

/// However long the grace.
fn who_does_not_listen_is_killed_by_the_second(case: Case) {
    for how in HOW {
        let line = [how, &["--grace", "1h", "--sh", A_DEAF_FAMILY]].concat();
        let mut tool = case.serve(with_bystander(Stdin::Null), &line);
        let bystander = bystander(&tool);
        let peer = case.meet(&tool);
        let family = processes(&peer);
        tool.signal(Signal::TERM);
        case.wait_refused(&tool);
        assert!(tool.is_running());
        tool.signal(Signal::TERM);
        family.iter().for_each(Stranger::wait_gone);
        tool.wait_within(AT_ONCE).expect_signal(Signal::TERM);
        bystander.outlives(A_MOMENT);
    }
}

/// HUP means "read your configuration again" to many a command; the server and the conversation go on.
fn a_hangup_is_passed_on(case: Case) {
    for how in HOW {
        let tool = case.serve(with_bystander(Stdin::Null), &[how, &["--sh", A_POLITE_ONE]].concat());
        let bystander = bystander(&tool);
        let peer = case.meet(&tool);
        assert_eq!(peer.read(6), b"ready\n");
        for _ in 0..2 {
            tool.signal(Signal::HUP);
            assert_eq!(peer.read(10), b"heard HUP\n");
        }
        if case.mode != Mode::Single {
            assert_eq!(case.meet(&tool).read(6), b"ready\n");
        }
        assert!(tool.is_running());
        bystander.outlives(A_MOMENT);
    }
}

/// What a command left behind when its conversation was over is no business of the server's; and the
/// server does not remember its number, which may be somebody else's by now.
fn a_command_that_has_ended_is_not_told(case: Case) {
    let line = "sleep 1000 </dev/null >/dev/null 2>&1 & echo $!";
    let mut tool = case.serve(Tool::with(Stdin::Null), &["--sh", line]);
    let peer = case.meet(&tool);
    let left_behind = processes(&peer);
    assert_eq!(peer.read_to_end(), b"");
    drop(peer);
    wait_until("the command is waited for", || children(tool.id()).is_empty());
    tool.signal(Signal::TERM);
    tool.wait_within(AT_ONCE).expect_signal(Signal::TERM);
    left_behind[0].outlives(A_MOMENT);
}

/// A forked conversation that somebody else kills costs its peer the conversation, and nobody else.
#[test]
fn a_conversation_that_is_killed_harms_no_other() {
    let tool = Tool::listen(["127.0.0.1", "0", "--fork", "--echo"]);
    let victim = PeerStream::tcp(tool.addr());
    victim.write("x");
    assert_eq!(victim.read(1), b"x");
    let forked: Vec<_> = children(tool.id()).into_iter().map(|child| Stranger::of(child.pid)).collect();
    assert_eq!(forked.len(), 1);
    let other = PeerStream::tcp(tool.addr());
    other.write("x");
    assert_eq!(other.read(1), b"x");
    forked[0].signal(Signal::KILL);
    assert_eq!(victim.hear_out().0, b"");
    wait_until("the killed one is waited for", || children(tool.id()).len() == 1);
    for peer in [other, PeerStream::tcp(tool.addr())] {
        peer.write("still there?");
        peer.shutdown();
        assert_eq!(peer.read_to_end(), b"still there?");
    }
}

/// Five conversations, ten processes, and a listener that waits for more.
fn every_family_of_many_is_gone(case: Case) {
    for (line, grace) in [(A_FAMILY, "1m"), (A_DEAF_FAMILY, "500ms")] {
        for how in HOW {
            let args = [how, &["--grace", grace, "--sh", line]].concat();
            let mut tool = case.serve(with_bystander(Stdin::Null), &args);
            let bystander = bystander(&tool);
            let peers: Vec<PeerStream> = (0..5).map(|_| case.meet(&tool)).collect();
            let families: Vec<_> = peers.iter().flat_map(processes).collect();
            assert_eq!(families.len(), 10);
            tool.signal(Signal::TERM);
            families.iter().for_each(Stranger::wait_gone);
            drop(peers);
            tool.wait_within(AT_ONCE).expect_signal(Signal::TERM);
            bystander.outlives(A_MOMENT);
        }
    }
}

/// SIGPIPE is ignored in fincat, and not in what it starts: yes(1) ends without a word.
fn a_command_dies_of_a_broken_pipe(case: Case) {
    let line = "{ { yes; echo $? >&3; } | head -n 1 >/dev/null; } 3>&1";
    for how in HOW {
        let (mut tool, peer) = case.pair(Stdin::Null, &[how, &["--sh", line]].concat());
        assert_eq!(peer.read_to_end(), b"141\n", "{how:?}");
        drop(peer);
        assert_eq!(tool.wait().expect(0).stderr, "");
    }
}
