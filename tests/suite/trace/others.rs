//! `--trace` of what is not one connection of ours to one peer of TCP: accepted peers in every mode, sockets that
//! commands hold, `--to`, unix and udp.

use std::net::UdpSocket;

use super::{expect_ss, expect_steps, expect_to_fit, lines, named, only, steps, wait_step};
use crate::datagram::peer::Closed;
use crate::launch::{Launch, Stdin};
use crate::matrix::{Case, Transport, matrix};
use crate::peers::{PeerListener, PeerStream};
use crate::tool::Tool;

const TRACE: [&str; 2] = ["--trace", "--json"];

matrix!(served: an_echo);

/// The peer's end first, ours after it.
fn an_echo(case: Case) {
    let (mut tool, peer) = case.pair(Stdin::Null, &["--trace", "--json", "--echo"]);
    peer.write("again");
    assert_eq!(peer.read(5), b"again");
    peer.shutdown();
    peer.read_to_end();
    drop(peer);
    let exit = tool.wait().expect(0);
    let told = lines(&exit.stderr);
    let way = [
        "accepted ESTABLISHED",
        "received ESTABLISHED",
        "sent ESTABLISHED",
        "peers-fin CLOSE-WAIT",
        "our-fin LAST-ACK|LAST-ACK?",
        "acknowledged CLOSED",
    ];
    let alike = |word: &str| word.replace("ESTABLISHED", "ESTABLISHED|CLOSE-WAIT");
    let way: Vec<String> = way.into_iter().map(alike).collect();
    expect_steps(&told, "peer", &way.iter().map(String::as_str).collect::<Vec<_>>());
    let verdict = only(&told, "verdict");
    assert_eq!((&verdict["closed_first"], &verdict["in_order"]), (&"peer".into(), &true.into()), "{exit}");
    assert_eq!(only(&told, "closed")["closed_first"], "peer", "{exit}");
    assert_eq!(told.last().map(|line| &line["event"]), Some(&"closed".into()), "{exit}");
}

matrix!(served: a_command_on_the_socket);

/// The socket is the command's: its states are sampled, nothing is taken from it, not even an error.
fn a_command_on_the_socket(case: Case) {
    let args = ["--trace", "--json", "--sh", "read -r line; echo \"$line\"; read -r line; echo bye"];
    let (mut tool, peer) = case.pair(Stdin::Null, &args);
    peer.write("one\n");
    assert_eq!(peer.read(4), b"one\n");
    let sent = wait_step(&tool, "sent");
    assert_eq!(sent["note"], "sampled", "the command may have done more since");
    expect_ss(&sent);
    peer.write("two\n");
    peer.shutdown();
    assert_eq!(peer.read_to_end(), b"bye\n");
    drop(peer);
    let exit = tool.wait().expect(0);
    let told = lines(&exit.stderr);
    expect_steps(&told, "peer", &["accepted", "received", "our-fin", "acknowledged"]);
    let verdict = only(&told, "verdict");
    assert_eq!((&verdict["sent"], &verdict["received"]), (&8.into(), &8.into()), "{exit}");
    assert_eq!((&verdict["in_order"], &verdict["unacknowledged"]), (&true.into(), &0.into()), "{exit}");
    assert_eq!(verdict["waited_input_ms"], serde_json::Value::Null, "nobody knows: {exit}");
    let closed = only(&told, "closed");
    assert_eq!((&closed["ending"], &closed["sent"], &closed["received"]), (&"fin".into(), &8.into(), &8.into()));
}

#[test]
fn a_command_whose_peer_resets() {
    let args = ["--trace", "--json", "--sh", "echo here; exec sleep 0.3"];
    let mut tool = Tool::listen([&["127.0.0.1", "0"], &args[..]].concat());
    let peer = PeerStream::tcp(tool.addr());
    assert_eq!(peer.read(5), b"here\n");
    peer.reset();
    let exit = tool.wait().expect(0);
    let told = lines(&exit.stderr);
    expect_steps(&told, "peer", &["accepted", "peers-reset CLOSED"]);
    assert_eq!(only(&told, "verdict")["in_order"], false, "{exit}");
    assert_eq!(only(&told, "closed")["ending"], "reset", "{exit}");
}

/// Nobody counts there, and nobody claims to have counted.
#[test]
fn a_command_on_a_unix_socket() {
    for style in [&["--trace", "--json"][..], &["--trace"]] {
        let mut tool = Launch::new().listen_unix([style, &["--sh", "cat"]].concat());
        let peer = PeerStream::unix(tool.path(), socket2::Type::STREAM);
        peer.write("unseen");
        peer.shutdown();
        assert_eq!(peer.read_to_end(), b"unseen");
        let exit = tool.wait().expect(0);
        if style.len() == 1 {
            assert!(exit.stderr.contains("#1    nobody counted the bytes\n"), "{exit}");
            continue;
        }
        let verdict = only(&lines(&exit.stderr), "verdict").clone();
        let unknown = serde_json::Value::Null;
        assert_eq!((&verdict["sent"], &verdict["received"]), (&unknown, &unknown), "{exit}");
        assert_eq!((&verdict["closed_first"], &verdict["in_order"]), (&"peer".into(), &true.into()), "{exit}");
    }
}

matrix!(served over streams: the_picture_names_the_peer);

/// Without `-v` no other line does.
fn the_picture_names_the_peer(case: Case) {
    let (mut tool, peer) = case.pair(Stdin::Null, &["--trace", "--echo"]);
    let name = match case.transport {
        Transport::Tcp => peer.addrs().0.to_string(),
        _ => format!("process {}", std::process::id()),
    };
    peer.shutdown();
    peer.read_to_end();
    let exit = tool.wait().expect(0);
    let accepted = exit.stderr.lines().find(|line| line.contains("|       accepted       |"));
    assert!(accepted.is_some_and(|line| line.ends_with(&format!(" {name}"))), "{name}: {exit}");
    expect_to_fit(&exit);
}

/// Both connections, under one number.
#[test]
fn forwarding_has_two_legs() {
    let upstream = PeerListener::tcp();
    let to = upstream.addr().to_string();
    let mut tool = Tool::listen([&["127.0.0.1", "0", "--count", "1", "--to", &to], &TRACE[..]].concat());
    let peer = PeerStream::tcp(tool.addr());
    peer.write("question");
    peer.shutdown();
    let other = upstream.accept();
    assert_eq!(other.read_to_end(), b"question");
    other.write("answer!");
    drop(other);
    assert_eq!(peer.read_to_end(), b"answer!");
    drop(peer);
    let exit = tool.wait().expect(0);
    let told = lines(&exit.stderr);
    expect_steps(&told, "peer", &["accepted", "peers-fin", "sent", "our-fin", "acknowledged CLOSED"]);
    let way = ["attempt", "connected", "our-fin", "acknowledged", "received", "peers-fin TIME-WAIT?"];
    expect_steps(&told, "upstream", &way);
    let verdicts = named(&told, "verdict");
    let of = |leg: &str| verdicts.iter().find(|verdict| verdict["leg"] == leg).expect("a verdict");
    assert_eq!((&of("peer")["sent"], &of("peer")["received"]), (&7.into(), &8.into()), "{exit}");
    assert_eq!((&of("upstream")["sent"], &of("upstream")["received"]), (&8.into(), &7.into()), "{exit}");
    assert_eq!((&of("peer")["closed_first"], &of("upstream")["closed_first"]), (&"peer".into(), &"we".into()));
    assert_eq!(of("upstream")["peer"], to.as_str(), "{exit}");
    assert!(told.iter().all(|line| line["id"] == 1 || line["id"].is_null()), "{exit}");
}

/// A unix socket has ends, and no states.
#[test]
fn unix_streams_show_what_they_have() {
    let listener = PeerListener::unix(socket2::Type::STREAM);
    let mut tool = Tool::with(Stdin::Bytes(b"hello".to_vec())).connect_unix(&listener.path(), TRACE);
    let peer = listener.accept();
    assert_eq!(peer.read_to_end(), b"hello");
    drop(peer);
    let exit = tool.wait().expect(0);
    let told = lines(&exit.stderr);
    expect_steps(&told, "peer", &["connected -", "sent -", "our-fin -", "peers-fin -"]);
    let verdict = only(&told, "verdict");
    assert_eq!((&verdict["closed_first"], &verdict["in_order"]), (&"we".into(), &true.into()), "{exit}");
    for field in ["unacknowledged", "rtt_ms", "retransmissions", "time_wait", "waited_window_ms"] {
        assert_eq!(verdict[field], serde_json::Value::Null, "{field}: {exit}");
    }
}

/// Datagrams have neither.
#[test]
fn datagrams_show_what_they_have() {
    let peer = UdpSocket::bind("127.0.0.1:0").expect("bind");
    let port = peer.local_addr().expect("an address").port().to_string();
    let launch = Launch::new().stdin(Stdin::Bytes(b"ping".to_vec()));
    let mut tool = launch.fincat([&["udp", "connect", "127.0.0.1", &port, "-q", "200ms"], &TRACE[..]].concat());
    let mut buffer = [0; 16];
    let (count, from) = peer.recv_from(&mut buffer).expect("a datagram");
    peer.send_to(b"pong", from).expect("send");
    assert_eq!(&buffer[..count], b"ping");
    let exit = tool.wait().expect(0);
    let told = lines(&exit.stderr);
    assert_eq!(steps(&told, "peer"), ["connected -", "sent -", "received -"], "{exit}");
    let verdict = only(&told, "verdict");
    assert_eq!((&verdict["in_order"], &verdict["ending"]), (&true.into(), &"fin".into()), "{exit}");
}

/// What ICMP answers is no RST, and neither is what a unix socket says of a peer that has gone without reading.
#[test]
fn only_tcp_resets() {
    let nobody = Closed::port();
    let port = nobody.addr().port().to_string();
    let launch = || Launch::new().stdin(Stdin::Bytes(b"ping".to_vec()));
    let line = |style: &[&'static str]| [&["udp", "connect", "127.0.0.1", &port][..], style].concat();
    let exit = launch().fincat(line(&TRACE)).wait().expect(4);
    expect_steps(&lines(&exit.stderr), "peer", &["connected -", "sent -", "refused -"]);
    let exit = launch().fincat(line(&["--trace"])).wait().expect(4);
    assert!(exit.stderr.contains("|<------ refused ------|\n"), "{exit}");
    let listener = PeerListener::unix(socket2::Type::STREAM);
    let mut tool = launch().connect_unix(&listener.path(), ["--trace"]);
    let peer = listener.accept();
    peer.hears_nothing_until_it_has(4);
    drop(peer);
    let exit = tool.wait();
    assert!(exit.stderr.contains("|<------- reset -------|\n") && !exit.stderr.contains("RST"), "{exit}");
}
