//! What a UDP conversation is for: every handler in every mode, `--per-datagram`, and that a reply
//! leaves from the address that was asked; how many there are is the business of `crowd`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use super::peer::Peer;
use super::{connect, listen, modes};
use crate::kernel::has_ipv6;
use crate::launch::Stdin;
use crate::matrix::Mode;
use crate::peers::Python;
use crate::tool::Tool;

modes!(
    discard_answers_nobody,
    send_greets_who_comes,
    a_command_talks,
    a_command_hears_the_end,
    a_command_knows_who_asks,
    each_datagram_has_its_command,
    a_reply_comes_from_where_it_was_asked,
);

#[track_caller]
fn serve(mode: Mode, args: &[&str]) -> Tool {
    listen(&[&["127.0.0.1", "0"], mode.flags(), args].concat())
}

fn discard_answers_nobody(mode: Mode) {
    let tool = serve(mode, &["--discard", "--datagrams", "2", "-v"]);
    let peer = Peer::of(tool.addr());
    peer.send("x");
    peer.send("y");
    tool.wait_line(|line| line.contains("ended in order"));
    peer.hears_nothing_for(Duration::ZERO);
    assert_eq!(tool.stderr().matches("received 2 bytes").count(), 1, "{}", tool.stderr());
}

fn send_greets_who_comes(mode: Mode) {
    let tool = serve(mode, &["--send", "connected", "--idle-timeout", "100ms"]);
    for _ in 0..3 {
        Peer::of(tool.addr()).asks("hello", "connected");
    }
}

/// A conversation: several datagrams each way with one command.
fn a_command_talks(mode: Mode) {
    let tool = serve(mode, &["--sh", "while read -r word; do echo $((count += 1)) $word; done"]);
    let peer = Peer::of(tool.addr());
    for (word, answer) in [("one\n", "1 one\n"), ("two\n", "2 two\n"), ("three\n", "3 three\n")] {
        peer.asks(word, answer);
    }
}

/// sort answers when it has heard everything, which an empty datagram says.
fn a_command_hears_the_end(mode: Mode) {
    let tool = listen(&[&["127.0.0.1", "0", "--eof-datagram"], mode.flags(), &["--", "sort"]].concat());
    for _ in 0..2 {
        let peer = Peer::of(tool.addr());
        for line in ["c\n", "a\n", "b\n", ""] {
            peer.send(line);
        }
        peer.hears("a\nb\nc\n");
        peer.hears("");
    }
}

fn a_command_knows_who_asks(mode: Mode) {
    let line = "read -r _; echo $PROTO $UDPREMOTEIP $UDPREMOTEPORT $UDPLOCALIP $UDPLOCALPORT ${UDPCONNNUM:+numbered} $TCPREMOTEIP";
    let tool = serve(mode, &["--sh", line]);
    for _ in 0..2 {
        let peer = Peer::of(tool.addr());
        let (us, port) = (tool.addr().port(), peer.addr().port());
        peer.asks("\n", &format!("UDP 127.0.0.1 {port} 127.0.0.1 {us} numbered\n"));
    }
}

/// Each datagram is a command's whole input, and what it says the reply; also for twenty of the same
/// peer at once.
fn each_datagram_has_its_command(mode: Mode) {
    let tool = serve(mode, &["--per-datagram", "--sh", "tr a-z A-Z; echo !"]);
    let peer = Peer::of(tool.addr());
    for word in ["one", "", "two"] {
        peer.asks(word, &format!("{}!\n", word.to_uppercase()));
    }
    let words: Vec<String> = (10..30).map(|number| format!("word{number}")).collect();
    for word in &words {
        peer.send(word);
    }
    let mut answers: Vec<_> = words.iter().map(|_| String::from_utf8_lossy(&peer.receive()).into_owned()).collect();
    if mode != Mode::Single {
        answers.sort();
    }
    let wanted: Vec<_> = words.iter().map(|word| format!("{}!\n", word.to_uppercase())).collect();
    assert_eq!(answers, wanted);
    peer.hears_nothing_for(Duration::ZERO);
}

#[test]
fn each_datagram_has_its_echo() {
    let tool = listen(&["127.0.0.1", "0", "--thread", "--per-datagram", "--echo"]);
    let peers: Vec<_> = (0..10).map(|_| Peer::of(tool.addr())).collect();
    for round in 0..10 {
        for (number, peer) in peers.iter().enumerate() {
            peer.asks(&format!("{number} {round}"), &format!("{number} {round}"));
        }
    }
}

/// A connected socket hears only the address it asked: any of this machine's, whether fincat was bound
/// to all of them, in one family or in both.
fn a_reply_comes_from_where_it_was_asked(mode: Mode) {
    let everywhere: [&[&str]; 2] = [&["0.0.0.0", "0"], &["0"]];
    for handler in [&["--echo", "--idle-timeout", "100ms"][..], &["--per-datagram", "--sh", "cat"]] {
        for place in everywhere {
            let tool = listen(&[place, mode.flags(), handler].concat());
            let port = tool.addr().port();
            for last in [1, 2, 99] {
                let asked = SocketAddr::from((Ipv4Addr::new(127, 0, 0, last), port));
                Peer::of(asked).asks("who?", "who?");
            }
            if place.len() == 1 && has_ipv6() {
                Peer::of(SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], port))).asks("who?", "who?");
            }
        }
    }
}

/// IPv4 peers are shown as IPv4, whichever socket heard them.
#[test]
fn an_ipv4_peer_is_shown_as_one() {
    let tool = listen(&["0", "--thread", "--sh", "read -r _; echo $UDPREMOTEIP $UDPLOCALIP"]);
    let asked = SocketAddr::new(IpAddr::from([127, 0, 0, 7]), tool.addr().port());
    Peer::of(asked).asks("\n", "127.0.0.1 127.0.0.7\n");
}

/// `--ttl` reaches the wire: IP_TTL of what arrives, as Python sees it.
#[test]
fn a_datagram_has_its_ttl() {
    const HEARER: &str = "
import socket
peer = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
IP_RECVTTL = 12
peer.setsockopt(socket.IPPROTO_IP, IP_RECVTTL, 1)
peer.bind(('127.0.0.1', 0))
print(peer.getsockname()[1])
_, (ttl,), _, _ = peer.recvmsg(99, 99)
print(int.from_bytes(ttl[2], 'little'))
";
    let Some(mut hearer) = Python::run(HEARER, &[]) else { return };
    let addr = Python::addr(&hearer);
    let launch = Tool::with(Stdin::Bytes(b"x".to_vec()));
    connect(launch, addr, &["--ttl", "7", "-q", "0.1"]).wait().expect(0);
    assert_eq!(hearer.wait_stdout_line(2), "7");
    hearer.wait().expect(0);
}
