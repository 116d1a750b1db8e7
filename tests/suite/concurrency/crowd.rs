//! Many at once, more than there are descriptors, and those who come only to vanish: every conversation
//! that is held is unharmed; not the limits that the user sets (`limits`).

use std::time::Duration;

use super::{echoed, leave, served};
use crate::kernel::{busy, children, wait_until};
use crate::launch::Stdin;
use crate::matrix::{Case, Mode, Transport, matrix};
use crate::pattern::{assert_same, pattern};
use crate::process::Signal;
use crate::tool::Tool;

matrix!(many over all:
    fifty_are_served_at_once,
    a_flood_disturbs_nobody,
    descriptors_run_out_and_nobody_is_dropped,
);

matrix!(served over all: two_hundred_vanish_and_nobody_is_harmed);

/// All are held open, and answered in another order than they came.
fn fifty_are_served_at_once(case: Case) {
    for handler in [&["--echo"][..], &["--", "cat"], &["--pipes", "--", "cat"]] {
        let tool = case.serve(Tool::with(Stdin::Null), handler);
        let peers: Vec<_> = (0..50).map(|_| case.meet(&tool)).collect();
        for round in 0..2 {
            for (number, peer) in peers.iter().enumerate().rev() {
                echoed(peer, 100 * round + number);
            }
        }
        for peer in &peers {
            leave(peer);
        }
        // Those of a server that holds several are processes only under `--fork`, or of commands.
        wait_until("no process is left", || children(tool.id()).is_empty());
    }
}

/// One peer that is never heard out does not keep the others from being served.
fn a_flood_disturbs_nobody(case: Case) {
    let tool = case.serve(Tool::with(Stdin::Null), &["--echo"]);
    let flood = case.meet(&tool);
    let bytes = pattern(32 << 20, 41);
    let sending = flood.send(bytes.clone());
    assert_same(&flood.read(1000), &bytes[..1000]);
    for number in 0..20 {
        leave(&served(case, &tool, number));
    }
    assert_same(&flood.read(bytes.len() - 1000), &bytes[1000..]);
    sending.done().expect("the echo takes everything");
    leave(&flood);
}

/// With few descriptors and 60 peers who all stay, accepting pauses, without spinning, and goes on as
/// they leave. They all come at the same moment, as fincat sees it.
fn descriptors_run_out_and_nobody_is_dropped(case: Case) {
    for (few, handler) in [("20", &["--echo"][..]), ("20", &["--", "cat"]), ("40", &["--pipes", "--", "cat"])] {
        if (few, handler[0]) == ("20", "--") && case.transport == Transport::Seqpacket {
            // A command behind packets has pipes, of which 20 descriptors are too few for one.
            continue;
        }
        let tool = case.serve(Tool::with(Stdin::Null).setup(&format!("ulimit -n {few}")), handler);
        tool.stop();
        let peers: Vec<_> = (0..60).map(|_| case.meet(&tool)).collect();
        tool.resume();
        echoed(&peers[0], 0);
        let busy = busy(tool.id(), Duration::from_millis(500));
        assert!(busy < Duration::from_millis(100), "{busy:?} of half a second with {handler:?}");
        for (number, peer) in peers.iter().enumerate() {
            echoed(peer, number);
            leave(peer);
        }
        leave(&served(case, &tool, 60));
    }
}

/// 200 clients connect and vanish, a third of them by RST, a third with a word unheard.
fn two_hundred_vanish_and_nobody_is_harmed(case: Case) {
    for handler in [&["--echo"][..], &["--", "cat"]] {
        let mut tool = case.serve(Tool::with(Stdin::Null), handler);
        let witness = served(case, &tool, 0);
        for number in 0..200 {
            let peer = case.meet(&tool);
            match number % 3 {
                0 => peer.reset(),
                1 => peer.write("unheard"),
                _ => {}
            }
        }
        echoed(&witness, 1);
        let late = (case.mode != Mode::Single).then(|| served(case, &tool, 2));
        echoed(&witness, 3);
        leave(&witness);
        if let Some(late) = late {
            echoed(&late, 4);
            leave(&late);
        }
        leave(&served(case, &tool, 5));
        wait_until("no process is left", || children(tool.id()).is_empty());
        tool.signal(Signal::TERM);
        let exit = tool.wait().expect_signal(Signal::TERM);
        assert!(!exit.stderr.contains("panic"), "{exit}");
    }
}
