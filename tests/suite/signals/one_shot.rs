//! INT, TERM or HUP ends the one conversation at once, and us by that very signal; not what becomes of
//! others (`family`).

use std::net::Ipv4Addr;

use socket2::{Domain, Socket, Type};

use super::{A_DEAF_FAMILY, A_MOMENT, A_POLITE_ONE, AT_ONCE, bystander, processes, with_bystander};
use crate::kernel::{wait_refused, wait_until};
use crate::launch::Stdin;
use crate::matrix::{Case, matrix};
use crate::peers::Ending;
use crate::process::Signal;
use crate::tool::Tool;

const ALL: [Signal; 3] = [Signal::INT, Signal::TERM, Signal::HUP];

matrix!(one_shot over all:
    it_ends_the_conversation_and_us,
    it_ends_a_conversation_that_is_stuck,
    it_ends_what_is_built_in,
    a_command_is_told_and_may_say_a_last_word,
    a_command_that_does_not_listen_is_killed,
    a_hangup_that_is_ignored_stays_ignored,
);

/// In order: what was said is heard, and the peer sees an end, no reset.
fn it_ends_the_conversation_and_us(case: Case) {
    for signal in ALL {
        let (mut tool, peer) = case.pair_with(with_bystander(Stdin::Pipe), &[]);
        let bystander = bystander(&tool);
        tool.write("a question");
        assert_eq!(peer.read(10), b"a question");
        peer.write("an answer");
        assert_eq!(tool.wait_stdout(9), b"an answer");
        tool.signal(signal);
        assert_eq!(peer.hear_out(), (Vec::new(), Ending::Fin));
        let exit = tool.wait_within(AT_ONCE).expect_signal(signal);
        assert_eq!(exit.stdout, b"an answer");
        bystander.outlives(A_MOMENT);
    }
}

/// The peer does not listen, and we have more to say.
fn it_ends_a_conversation_that_is_stuck(case: Case) {
    for signal in ALL {
        let (mut tool, peer) = case.pair(Stdin::Endless(b"y\n".to_vec()), &[]);
        assert_eq!(peer.read(2), b"y\n");
        tool.signal(signal);
        tool.wait_within(AT_ONCE).expect_signal(signal);
    }
}

/// Not only stdio.
fn it_ends_what_is_built_in(case: Case) {
    for signal in ALL {
        for handler in [&["--echo"][..], &["--discard"], &["--send", ""]] {
            let (mut tool, peer) = case.pair(Stdin::Null, handler);
            peer.write("x");
            tool.signal(signal);
            tool.wait_within(AT_ONCE).expect_signal(signal);
        }
    }
}

/// A command gets TERM, whatever we got, and a second for its last word, which the peer hears.
fn a_command_is_told_and_may_say_a_last_word(case: Case) {
    for signal in ALL {
        for how in [&[][..], &["--pipes"]] {
            let line = [how, &["--sh", A_POLITE_ONE]].concat();
            let (mut tool, peer) = case.pair_with(with_bystander(Stdin::Null), &line);
            let bystander = bystander(&tool);
            assert_eq!(peer.read(6), b"ready\n");
            tool.signal(signal);
            let (heard, ending) = peer.hear_out();
            let heard = String::from_utf8_lossy(&heard);
            assert_eq!((&*heard, ending), ("heard TERM\n", Ending::Fin), "{signal:?} {how:?}");
            drop(peer);
            tool.wait_within(AT_ONCE).expect_signal(signal);
            bystander.outlives(A_MOMENT);
        }
    }
}

/// After that second it is killed. Its own child is not ours to kill here: it is in our group, as others
/// may be.
fn a_command_that_does_not_listen_is_killed(case: Case) {
    for how in [&[][..], &["--pipes"]] {
        let line = [how, &["--sh", A_DEAF_FAMILY]].concat();
        let (mut tool, peer) = case.pair(Stdin::Null, &line);
        let family = processes(&peer);
        tool.signal(Signal::TERM);
        tool.wait_within(AT_ONCE).expect_signal(Signal::TERM);
        family[0].wait_gone();
    }
}

/// As nohup(1) leaves it.
fn a_hangup_that_is_ignored_stays_ignored(case: Case) {
    let launch = Tool::with(Stdin::Pipe).setup("trap '' HUP");
    let (mut tool, peer) = case.pair_with(launch, &[]);
    tool.write("before");
    assert_eq!(peer.read(6), b"before");
    tool.signal(Signal::HUP);
    tool.write("after");
    assert_eq!(peer.read(5), b"after");
    peer.write("heard");
    assert_eq!(tool.wait_stdout(5), b"heard");
    tool.signal(Signal::TERM);
    tool.wait_within(AT_ONCE).expect_signal(Signal::TERM);
}

/// Nobody has come yet.
#[test]
fn it_ends_a_listener_that_waits() {
    for signal in ALL {
        for handler in [&[][..], &["--echo"], &["--", "cat"]] {
            let mut tool = Tool::with(Stdin::Silent).listen([&["127.0.0.1", "0"], handler].concat());
            tool.signal(signal);
            let exit = tool.wait_within(AT_ONCE).expect_signal(signal);
            assert_eq!(exit.stderr, "");
            wait_refused(tool.addr());
        }
    }
}

/// The peer's backlog is full, so that its kernel answers nobody.
#[test]
fn it_ends_a_connect_that_waits() {
    for signal in ALL {
        let full = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        full.bind(&std::net::SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).expect("bind");
        full.listen(0).expect("listen");
        let addr = full.local_addr().ok().and_then(|addr| addr.as_socket()).expect("an address");
        let waiting: Vec<_> = (0..4)
            .map(|_| {
                let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
                socket.set_nonblocking(true).expect("non-blocking");
                assert!(socket.connect(&addr.into()).is_err(), "it is under way");
                socket
            })
            .collect();
        let mut tool = Tool::with(Stdin::Silent).connect(addr, ["-w", "1m"]);
        wait_until("fincat's SYN is on its way", || syns_to(addr.port()) > waiting.len() - 1);
        tool.signal(signal);
        tool.wait_within(AT_ONCE).expect_signal(signal);
    }
}

/// How many sockets are in SYN-SENT towards this port.
fn syns_to(port: u16) -> usize {
    let table = std::fs::read_to_string("/proc/net/tcp").expect("read /proc/net/tcp");
    let wanted = format!(":{port:04X} 02 ");
    table.lines().filter(|line| line.contains(&wanted)).count()
}
