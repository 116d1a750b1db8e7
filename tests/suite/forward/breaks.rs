//! How a break crosses a forward: RST on one side is RST on the other, after what came before it, and nothing is left
//! half-open; ends in order are in `ends`.

use std::fs;
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use socket2::{Socket, Type};

use super::ends::joined;
use super::forward;
use super::side::Kind;
use crate::datagram::{Peer, modes};
use crate::kernel::wait_until;
use crate::matrix::Mode;
use crate::pattern::{assert_same, pattern};
use crate::peers::{Ending, PeerListener, PeerStream, silence};

modes!(
    the_clients_break_crosses,
    the_servers_break_crosses,
    a_server_that_is_gone_after_its_end_is_a_break,
    a_client_that_breaks_off_after_its_end,
);

/// Less than what lies between the two ends without anybody reading.
const SOME: usize = 100_000;

/// What it says is delivered first. Where there is no RST on the other side, it is an end, or ECONNRESET if something of
/// its own was left unread there.
fn the_clients_break_crosses(mode: Mode) {
    let some = pattern(SOME, 95);
    for (to, ending) in [(Kind::Tcp, Ending::Reset), (Kind::Unix, Ending::Fin)] {
        let (tool, near, far) = joined(mode, Kind::Tcp, to);
        let sending = near.send(some.clone());
        sending.done().expect("it is taken");
        near.settle();
        far.hears_nothing_until_it_has(1);
        near.reset();
        let (heard, how) = far.hear_out();
        assert_same(&heard, &some);
        assert_eq!(how, ending, "{to:?}");
        tool.wait_line(|line| line.contains("cannot finish the conversation") && line.ends_with("reset by the peer"));
    }
}

/// The same the other way. A unix peer that leaves something unread breaks off as TCP does.
fn the_servers_break_crosses(mode: Mode) {
    let some = pattern(SOME, 96);
    for (from, to) in [(Kind::Tcp, Kind::Tcp), (Kind::Unix, Kind::Tcp), (Kind::Tcp, Kind::Unix)] {
        let (tool, near, far) = joined(mode, from, to);
        near.write("unread");
        far.hears_nothing_until_it_has(6);
        let sending = far.send(some.clone());
        if to == Kind::Unix {
            near.hears_nothing_until_it_has(1);
        }
        sending.done().expect("it is taken");
        far.settle();
        far.reset();
        let (heard, how) = near.hear_out();
        assert_same(&heard, &some);
        assert_eq!(how, if from == Kind::Tcp { Ending::Reset } else { Ending::Fin }, "{from:?} to {to:?}");
        tool.wait_line(|line| line.contains("cannot finish the conversation") && line.ends_with("by the upstream"));
    }
}

/// It has answered and is gone; what the client says then reaches nobody, and it learns so, after the answer.
fn a_server_that_is_gone_after_its_end_is_a_break(mode: Mode) {
    for to in [Kind::Tcp, Kind::Unix] {
        let (tool, near, far) = joined(mode, Kind::Tcp, to);
        far.write("answer");
        drop(far);
        assert_eq!(near.read(6), b"answer");
        let sending = near.send(vec![7; 64 << 20]);
        assert!(sending.done().is_err(), "{to:?}: nobody takes 64 MiB");
        if to == Kind::Tcp {
            // At a path it is seen at once that nobody is there; after a second of silence that is an end in order.
            tool.wait_line(|line| line.ends_with("reset by the upstream"));
        }
    }
}

/// It has said all, and breaks off while the server is still at work, which learns of it.
fn a_client_that_breaks_off_after_its_end(mode: Mode) {
    let (_tool, near, far) = joined(mode, Kind::Tcp, Kind::Tcp);
    near.write("question");
    near.shutdown();
    far.hears_nothing_until_it_has(8);
    near.settle();
    near.reset();
    let sending = far.send(vec![7; 64 << 20]);
    assert!(sending.done().is_err(), "nobody takes 64 MiB");
}

/// A client that is gone, and a server that never reads what it has left: after 10 s the server is reset.
#[test]
fn a_server_that_takes_nothing_is_given_up() {
    let listener = PeerListener::tcp();
    let tool = forward(Kind::Tcp, &[], &listener.addr().to_string());
    let mut near = TcpStream::connect(tool.addr()).expect("connect");
    let far = listener.accept();
    near.set_nonblocking(true).expect("a flag");
    fill(&mut near);
    Socket::from(near).set_linger(Some(Duration::ZERO)).expect("SO_LINGER");
    tool.wait_line(|line| line.ends_with("reset by the peer"));
    assert_eq!(far.hear_out().1, Ending::Reset);
}

/// Nobody there any more, says ICMP: the client learns of it.
#[test]
fn a_datagram_that_nobody_wants_is_a_break() {
    let nobody = {
        let peer = Peer::new();
        peer.addr()
    };
    let tool = forward(Kind::Tcp, &[], &format!("udp:{nobody}"));
    let near = PeerStream::tcp(tool.addr());
    near.write("question");
    assert_eq!(near.hear_out().1, Ending::Reset);
    tool.wait_line(|line| line.ends_with("refused by the upstream"));
}

/// The states of the connections of a port in /proc/net/tcp, as many as are there; `01` is ESTABLISHED, `08` CLOSE-WAIT.
fn states(port: SocketAddr) -> Vec<String> {
    let table = fs::read_to_string("/proc/net/tcp").expect("read /proc/net/tcp");
    let port = format!(":{:04X}", port.port());
    let fields = |line: &str| line.split_ascii_whitespace().skip(1).take(3).map(str::to_owned).collect::<Vec<_>>();
    let ours = |fields: &Vec<String>| fields.len() == 3 && fields[..2].iter().any(|end| end.ends_with(&port));
    table.lines().map(fields).filter(ours).map(|fields| fields[2].clone()).collect()
}

/// Whether nothing is left of the connections of a port but its listener and those in TIME-WAIT.
fn is_clear(port: SocketAddr) -> bool {
    states(port).iter().all(|state| ["0A", "06"].contains(&state.as_str()))
}

modes!(nothing_is_left_half_open);

/// However a conversation ends, on neither side a connection stays: not in CLOSE-WAIT, not at all.
fn nothing_is_left_half_open(mode: Mode) {
    let listener = PeerListener::tcp();
    let tool = forward(Kind::Tcp, mode.flags(), &listener.addr().to_string());
    let ends: [fn(PeerStream, PeerStream); 6] = [
        |near, far| {
            near.shutdown();
            assert!(far.read_to_end().is_empty());
            drop(far);
            assert!(near.read_to_end().is_empty());
        },
        |near, far| {
            far.shutdown();
            assert!(near.read_to_end().is_empty());
            drop(near);
            assert!(far.read_to_end().is_empty());
        },
        |near, far| {
            near.reset();
            assert_eq!(far.hear_out().1, Ending::Reset);
        },
        |near, far| {
            far.reset();
            assert_eq!(near.hear_out().1, Ending::Reset);
        },
        |near, far| {
            near.shutdown();
            assert!(far.read_to_end().is_empty());
            near.reset();
            assert_eq!(far.hear_out().1, Ending::Fin);
            far.shutdown();
        },
        |near, far| drop((near, far)),
    ];
    for end in ends {
        let near = PeerStream::tcp(tool.addr());
        let far = listener.accept();
        near.write("x");
        assert_eq!(far.read(1), b"x");
        end(near, far);
        wait_until("our side is clear", || is_clear(tool.addr()));
        wait_until("the upstream's side is clear", || is_clear(listener.addr()));
    }
    assert!(tool.is_running());
}

/// A server that has finished and closed, and a client that never does: after a minute, when the server's kernel has
/// forgotten it, probes tell, and nothing stays.
#[test]
#[ignore = "load: run by .ci/run"]
fn a_server_that_is_gone_in_order_is_found_out() {
    let listener = PeerListener::tcp();
    let tool = forward(Kind::Tcp, &["-v"], &listener.addr().to_string());
    let near = PeerStream::tcp(tool.addr());
    listener.accept().write("answer");
    assert_eq!(near.read_to_end(), b"answer");
    assert_eq!(states(listener.addr()).iter().filter(|state| *state == "08").count(), 1);
    silence(Duration::from_secs(75));
    assert!(is_clear(listener.addr()), "{:?}", states(listener.addr()));
    tool.wait_line(|line| line.contains("ended in order"));
}

/// Between unix sockets everything is an end, and everything before it arrives.
#[test]
fn a_unix_socket_knows_no_reset() {
    let listener = PeerListener::unix(Type::STREAM);
    let tool = forward(Kind::Unix, &[], &listener.path());
    let near = PeerStream::unix(tool.path(), Type::STREAM);
    let far = listener.accept();
    near.write("question");
    far.hears_nothing_until_it_has(8);
    far.write("answer");
    near.hears_nothing_until_it_has(6);
    // With the answer unread: ECONNRESET for fincat, which has nothing of the server's to leave unread.
    drop(near);
    assert_eq!(far.hear_out(), (b"question".into(), Ending::Fin));
    tool.wait_line(|line| line.ends_with("reset by the peer"));
}

/// A client that has said all and is gone in order is no break, however long the server takes to read.
#[test]
#[ignore = "load: run by .ci/run"]
fn a_slow_server_gets_what_was_left() {
    let listener = PeerListener::unix(Type::STREAM);
    let tool = forward(Kind::Unix, &[], &listener.path());
    let mut near = UnixStream::connect(tool.path()).expect("connect");
    let far = listener.accept();
    near.set_nonblocking(true).expect("a flag");
    let written = fill(&mut near);
    drop(near);
    silence(Duration::from_secs(12));
    assert_eq!(far.read_to_end().len(), written);
}

/// Writes until nobody takes any more; how many bytes that were.
fn fill(near: &mut impl Write) -> usize {
    let (mut silent, mut written, much) = (0, 0, vec![7; 1 << 20]);
    while silent < 20 {
        match near.write(&much) {
            Ok(count) => (silent, written) = (0, written + count),
            Err(_) => silent += 1,
        }
        silence(Duration::from_millis(10));
    }
    written
}
