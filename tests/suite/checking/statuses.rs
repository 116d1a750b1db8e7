//! The table of exit statuses, a row each: whatever else the suite asks for, every one of them can be had.

use crate::dead_ends::{Full, NAMELESS, Refusing};
use crate::dialing::island;
use crate::launch::Stdin;
use crate::peers::PeerListener;
use crate::process::Signal;
use crate::tool::Tool;

#[test]
fn every_row_of_the_table_is_reached() {
    let (open, nobody, full) = (PeerListener::tcp(), Refusing::port(), Full::listener());
    let [there, none, late] = [open.addr(), nobody.addr(), full.addr()].map(|addr| addr.to_string());
    for (line, status) in [
        (format!("connect -z {there}"), 0),
        (format!("connect -z -w 200ms {none} {late}"), 1),
        (format!("connect --send-file /nonexistent {there}"), 1),
        ("connect".to_owned(), 2),
        (format!("connect {NAMELESS} 80"), 3),
        (format!("connect {none}"), 4),
        (format!("connect -w 200ms {late}"), 5),
        (format!("listen {there}"), 8),
        (format!("connect {there} -- /dev/null"), 126),
        (format!("connect {there} -- /nonexistent/command"), 127),
    ] {
        Tool::run(line.split(' ')).expect(status);
    }
    for (shell, status) in [("exit 42", 42), ("kill -KILL $$", 137)] {
        Tool::run(["connect", &there, "-c", shell]).expect(status);
    }
    // The peer resets.
    let peer = PeerListener::tcp();
    let mut tool = Tool::with(Stdin::Silent).connect(peer.addr(), []);
    peer.accept().reset();
    tool.wait().expect(7);
    // A signal.
    let mut waiting = Tool::with(Stdin::Silent).listen(["127.0.0.1", "0"]);
    waiting.signal(Signal::INT);
    waiting.wait().expect_signal(Signal::INT);
    let Some(exit) = island::visit("exec $fincat connect 198.51.100.1 80") else { return };
    exit.expect(6);
}
