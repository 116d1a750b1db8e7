//! The limits that the user sets: how many at once, how many in all, how many of one address, who, and
//! how long to wait for the first; not those of the machine (`crowd`).

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

use super::{echoed, leave, served};
use crate::kernel::{busy, has_ipv6, wait_until};
use crate::launch::Stdin;
use crate::matrix::{Case, Mode, matrix};
use crate::peers::{PeerStream, silence};
use crate::tool::Tool;

/// Another address of this machine.
const ELSEWHERE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

matrix!(many over all: at_the_limit_newcomers_wait);

matrix!(many: a_share_for_each_address);

/// `-m`: nobody is accepted and dropped, and waiting at the limit costs no processor time.
fn at_the_limit_newcomers_wait(case: Case) {
    for handler in [&["--echo"][..], &["--", "cat"]] {
        let tool = case.serve(Tool::with(Stdin::Null), &[&["-m", "2"], handler].concat());
        let mut inside = vec![served(case, &tool, 0), served(case, &tool, 1)];
        let outside: Vec<_> = (0..5).map(|_| case.meet(&tool)).collect();
        for peer in &outside {
            peer.write("x");
        }
        let busy = busy(tool.id(), Duration::from_millis(500));
        assert!(busy < Duration::from_millis(100), "{busy:?} of half a second with {handler:?}");
        for peer in outside {
            peer.hears_nothing_for(Duration::from_millis(50));
            leave(&inside.remove(0));
            assert_eq!(peer.read(1), b"x");
            inside.push(peer);
        }
        for (number, peer) in inside.iter().enumerate() {
            echoed(peer, number);
        }
    }
}

/// `--max-per-ip`: who has had its share is closed at once, and that is said.
fn a_share_for_each_address(case: Case) {
    let tool = case.serve(Tool::with(Stdin::Null), &["--max-per-ip", "2", "--echo"]);
    let first = served(case, &tool, 0);
    let second = served(case, &tool, 1);
    assert_eq!(case.meet(&tool).hear_out().0, b"");
    tool.wait_line(|line| line.starts_with("fincat: ") && line.contains("127.0.0.1"));
    let elsewhere = PeerStream::tcp_from(ELSEWHERE, tool.addr());
    echoed(&elsewhere, 2);
    echoed(&second, 3);
    leave(&first);
    wait_until("there is room again", || {
        let peer = case.meet(&tool);
        let _ = peer.send(b"x".to_vec());
        peer.first_byte() == Some(b'x')
    });
}

matrix!(served over all: the_last_one_closes_the_door);

/// `--count`: at the Nth the listener is closed, when all have ended the status is 0.
fn the_last_one_closes_the_door(case: Case) {
    let mut tool = case.serve(Tool::with(Stdin::Null), &["--count", "3", "--echo"]);
    let mut held = Vec::new();
    for number in 0..3 {
        assert!(tool.is_running());
        let peer = served(case, &tool, number);
        match case.mode {
            Mode::Single if number < 2 => leave(&peer),
            _ => held.push(peer),
        }
    }
    case.wait_refused(&tool);
    for (number, peer) in held.iter().enumerate() {
        assert!(tool.is_running());
        echoed(peer, number);
        leave(peer);
    }
    tool.wait().expect(0);
}

/// `--count` alone makes a server, one at a time.
#[test]
fn count_implies_keep_open() {
    let mut tool = Tool::listen(["127.0.0.1", "0", "--count", "2", "--send", "hello"]);
    for _ in 0..2 {
        let peer = PeerStream::tcp(tool.addr());
        assert_eq!(peer.read_to_end(), b"hello");
    }
    tool.wait().expect(0);
}

/// A peer that is let in hears its own words again, another one only an end.
#[track_caller]
fn expect_entry(peer: &PeerStream, entry: bool) {
    let _ = peer.send(b"x".to_vec());
    assert_eq!(peer.first_byte(), entry.then_some(b'x'));
}

/// Deny wins; with any `--allow` the rest is denied; an address is a network of one.
fn some_are_let_in(case: Case) {
    let table: [(&[&str], bool, bool); 8] = [
        (&["--allow", "127.0.0.0/8"], true, true),
        (&["--allow", "127.0.0.2"], false, true),
        (&["--allow", "127.0.0.2/32", "--allow", "127.0.0.1/32"], true, true),
        (&["--allow", "127.0.0.0/8", "--deny", "127.0.0.2/32"], true, false),
        (&["--deny", "127.0.0.2", "--allow", "127.0.0.2"], false, false),
        (&["--deny", "127.0.0.0/31"], false, true),
        (&["--deny", "10.0.0.0/8", "--deny", "::/0"], true, true),
        (&["--allow", "::/0"], false, false),
    ];
    for (rules, here, elsewhere) in table {
        let tool = case.serve(Tool::with(Stdin::Null), &[rules, &["--echo"]].concat());
        expect_entry(&case.meet(&tool), here);
        expect_entry(&PeerStream::tcp_from(ELSEWHERE, tool.addr()), elsewhere);
        if !here || !elsewhere {
            tool.wait_line(|line| line.starts_with("fincat: ") && line.contains("127.0.0."));
        }
    }
}

matrix!(served: some_are_let_in);

/// IPv4 rules are for IPv4 peers, also on a socket of both families, and `::1` is another's.
#[test]
fn a_server_of_both_families_knows_them_apart() {
    for (rules, v4, v6) in [
        (["--deny", "127.0.0.0/8"], false, true),
        (["--allow", "127.0.0.1/32"], true, false),
        (["--allow", "::1/128"], false, true),
        (["--deny", "::1"], true, false),
    ] {
        let tool = Tool::listen([&["0", "--thread", "--echo"][..], &rules].concat());
        let port = tool.addr().port();
        expect_entry(&PeerStream::tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, port))), v4);
        if has_ipv6() {
            expect_entry(&PeerStream::tcp(SocketAddr::from((Ipv6Addr::LOCALHOST, port))), v6);
        }
    }
}

/// Who is not let in does not use up the one conversation, nor one of `--count`.
#[test]
fn who_is_denied_does_not_count() {
    for count in [&[][..], &["--count", "1"]] {
        let line = [&["127.0.0.1", "0", "--deny", "127.0.0.2", "--echo"], count].concat();
        let mut tool = Tool::listen(line);
        expect_entry(&PeerStream::tcp_from(ELSEWHERE, tool.addr()), false);
        let peer = PeerStream::tcp(tool.addr());
        echoed(&peer, 1);
        leave(&peer);
        tool.wait().expect(0);
    }
}

/// `-w`: nobody comes, and that is a failure that is said.
#[test]
fn the_first_peer_is_waited_for_so_long() {
    for mode in [&[][..], &["-k"], &["--thread"], &["--fork"], &["--count", "2"]] {
        let line = [&["127.0.0.1", "0", "-w", "200ms", "--echo"], mode].concat();
        let exit = Tool::listen(line).wait().expect(5);
        assert!(exit.stderr.starts_with("fincat: ") && exit.stderr.contains("timed out"), "{exit}");
    }
}

/// The first, not the second; nor does the conversation itself have to hurry.
fn once_somebody_came_there_is_time(case: Case) {
    let tool = case.serve(Tool::with(Stdin::Null), &["-w", "300ms", "--echo"]);
    let peer = served(case, &tool, 0);
    silence(Duration::from_millis(600));
    echoed(&peer, 1);
    leave(&peer);
    silence(Duration::from_millis(600));
    leave(&served(case, &tool, 2));
}

matrix!(served over streams: once_somebody_came_there_is_time);

/// `--backlog` is listen(2)'s: beyond it the kernel answers nobody.
#[test]
fn the_backlog_is_as_long_as_asked() {
    let tool = Tool::listen(["127.0.0.1", "0", "--single", "-k", "--backlog", "1", "--echo"]);
    let first = PeerStream::tcp(tool.addr());
    echoed(&first, 1);
    let more = (0..8).map(|_| TcpStream::connect_timeout(&tool.addr(), Duration::from_millis(200)).ok());
    let more: Vec<_> = more.collect();
    let inside = more.iter().flatten().count();
    assert!((1..=4).contains(&inside), "{inside} of 8 are in a backlog of 1");
}

/// What cannot act is refused.
#[test]
fn limits_without_sense_are_refused() {
    for line in [
        &["--single", "-k", "-m", "2", "--echo"][..],
        &["--thread", "-m", "0", "--echo"],
        &["--count", "0", "--echo"],
        &["--thread", "--max-per-ip", "0", "--echo"],
        &["-k", "--allow", "300.0.0.0/8"],
        &["-k", "--deny", "127.0.0.1/33"],
        &["-k", "--deny", "localhost"],
    ] {
        Tool::run([&["listen", "127.0.0.1", "0"], line].concat()).expect(2);
    }
    for limit in [["--count", "2"], ["--max-connections", "2"], ["--allow", "127.0.0.1"], ["--backlog", "2"]] {
        Tool::run([&["connect", "127.0.0.1", "9"], &limit[..]].concat()).expect(2);
    }
}
