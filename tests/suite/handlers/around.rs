//! What a command finds around it: its environment, its descriptors, its signals, its limits and its
//! place among the processes; not what it has to do with the peer (`lent`, `pipes`).

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::kernel::{Stat, children, has_ipv6, wait_until};
use crate::launch::Stdin;
use crate::matrix::{Case, Mode, Transport, matrix};
use crate::peers::PeerStream;
use crate::tool::Tool;

matrix!(every: the_addresses_are_in_the_environment);

matrix!(every over streams:
    nothing_is_open_but_the_first_three,
    what_it_complains_about_is_on_our_standard_error,
    every_signal_is_as_a_program_expects_it,
    the_descriptor_limit_is_the_users,
    it_is_our_child_in_the_right_group,
);

matrix!(many: it_is_told_how_many_there_are);

matrix!(many over all: nothing_of_another_conversation_is_open);

matrix!(served over all: its_end_is_noticed_at_once);

/// What a command that was run for one conversation wrote, with the socket and with pipes.
#[track_caller]
fn written(case: Case, setup: &str, command: &[&str]) -> [String; 2] {
    [&[][..], &["--pipes"]].map(|how| {
        let launch = Tool::with(Stdin::Null).setup(setup).env("WORD", "inherited");
        let (mut tool, peer) = case.pair_with(launch, &[how, command].concat());
        let text = String::from_utf8(peer.read_to_end()).expect("UTF-8");
        let addrs = (case.transport == Transport::Tcp).then(|| peer.addrs());
        drop(peer);
        tool.wait().expect(0);
        let text = addrs.map_or(text.clone(), |(ours, theirs)| {
            text.replace(&ours.to_string(), "PEER").replace(&theirs.to_string(), "LOCAL")
        });
        text.replace(&format!("\t{}\t", tool.id()), "\tFINCAT\t")
    })
}

/// UCSPI: who is there, and where; and all that was there before.
fn the_addresses_are_in_the_environment(case: Case) {
    let line = "echo $PROTO $TCPREMOTEIP:$TCPREMOTEPORT $TCPLOCALIP:$TCPLOCALPORT $TCPCONNNUM $WORD";
    for text in written(case, ":", &["--sh", line]) {
        assert_eq!(text, "TCP PEER LOCAL 1 inherited\n");
    }
}

/// `TCPCONNNUM` counts the conversations with this peer's address, this one included.
fn it_is_told_how_many_there_are(case: Case) {
    let tool = case.serve(Tool::with(Stdin::Null), &["--sh", "echo $TCPCONNNUM; read -r line"]);
    let number = |peer: &PeerStream| String::from_utf8(peer.read(2)).expect("a number");
    let first = case.meet(&tool);
    assert_eq!(number(&first), "1\n");
    let second = case.meet(&tool);
    assert_eq!(number(&second), "2\n");
    let elsewhere = PeerStream::tcp_from(Ipv4Addr::new(127, 0, 0, 2), tool.addr());
    assert_eq!(number(&elsewhere), "1\n");
    first.shutdown();
    assert_eq!(first.read_to_end(), b"");
    wait_until("the first one is no longer counted", || number(&case.meet(&tool)) == "2\n");
}

/// A server of both families has both kinds of peers, and names each by its own.
#[test]
fn ipv4_is_named_as_ipv4_by_a_server_of_both_families() {
    let line = "echo $PROTO $TCPREMOTEIP $TCPLOCALIP";
    let tool = Tool::listen(["0", "--thread", "--sh", line]);
    let port = tool.addr().port();
    let peer = PeerStream::tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    assert_eq!(peer.read_to_end(), b"TCP 127.0.0.1 127.0.0.1\n");
    if has_ipv6() {
        let peer = PeerStream::tcp(SocketAddr::from((Ipv6Addr::LOCALHOST, port)));
        assert_eq!(peer.read_to_end(), b"TCP ::1 ::1\n");
    }
}

/// The fourth one is ls(1)'s own.
fn nothing_is_open_but_the_first_three(case: Case) {
    for text in written(case, ":", &["--", "ls", "/proc/self/fd"]) {
        assert_eq!(text, "0\n1\n2\n3\n");
    }
}

/// Nor what belongs to a conversation that goes on meanwhile.
fn nothing_of_another_conversation_is_open(case: Case) {
    for how in [&[][..], &["--pipes"]] {
        let tool = case.serve(Tool::with(Stdin::Null), &[how, &["--sh", "ls /proc/self/fd; cat"]].concat());
        let peers = [1, 2, 3].map(|_| case.meet(&tool));
        for peer in &peers {
            assert_eq!(peer.read(8), b"0\n1\n2\n3\n");
        }
    }
}

/// Only data goes to the peer.
fn what_it_complains_about_is_on_our_standard_error(case: Case) {
    for how in [&[][..], &["--pipes"]] {
        let line = [how, &["--sh", "echo data; echo complaint >&2"]].concat();
        let (mut tool, peer) = case.pair(Stdin::Null, &line);
        assert_eq!(peer.read_to_end(), b"data\n");
        drop(peer);
        let exit = tool.wait().expect(0);
        assert!(exit.stderr.lines().any(|line| line == "complaint"), "{exit}");
    }
}

/// Nothing is ignored and nothing is blocked, whatever we do, and whatever was done to us. (But 32 and 33:
/// they are glibc's own, and its `posix_spawn` leaves them ignored.)
fn every_signal_is_as_a_program_expects_it(case: Case) {
    for setup in [":", "trap '' HUP INT QUIT PIPE USR1 CHLD"] {
        for text in written(case, setup, &["--", "grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"]) {
            let text = text.replace("0000000180000000", "0000000000000000");
            assert_eq!(text, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n", "after {setup}");
        }
    }
}

/// fincat may raise its own.
fn the_descriptor_limit_is_the_users(case: Case) {
    for text in written(case, "ulimit -Sn 64", &["--sh", "ulimit -Sn"]) {
        assert_eq!(text, "64\n");
    }
}

/// In a server each command leads a group of its own, so that it can be told to stop with all that it
/// has started; otherwise it stays in ours, so that a terminal works. Its parent is fincat, also under
/// `--fork`: the process of the conversation becomes the command, unless it has the pipes to see to.
fn it_is_our_child_in_the_right_group(case: Case) {
    let ours = std::process::id().try_into().ok().and_then(Stat::of).expect("our own group").group;
    let line = "read -r _ _ _ parent group _ </proc/$$/stat
        [ $group = $$ ] && group=own; printf '\\t%s\\t%s' $parent $group";
    let group = match case.mode {
        Mode::OneShot => ours.to_string(),
        Mode::Single | Mode::Thread | Mode::Fork => "own".to_owned(),
    };
    let [lent, piped] = written(case, ":", &["--sh", line]);
    assert_eq!(lent, format!("\tFINCAT\t{group}"));
    match case.mode {
        Mode::Fork => assert!(piped.ends_with("\town"), "{piped}"),
        _ => assert_eq!(piped, lent),
    }
}

/// A server leaves no zombies until its next peer comes, or its end.
fn its_end_is_noticed_at_once(case: Case) {
    for how in [&[][..], &["--pipes"]] {
        let tool = case.serve(Tool::with(Stdin::Null), &[how, &["--sh", "echo $$"]].concat());
        let pids = [1, 2, 3, 4, 5].map(|_| case.meet(&tool).read_to_end());
        assert_eq!(BTreeSet::from(pids).len(), 5, "a process for each");
        wait_until("its children are waited for", || children(tool.id()).is_empty());
    }
}
