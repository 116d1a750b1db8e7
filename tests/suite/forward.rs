//! `--to`: every transport forwarded to every transport, with every end passed on; the other handlers
//! are in `handlers`.
//!
//! * here:   who can be forwarded to whom, boundaries, many at once
//! * `ends`: how an end crosses it, and what becomes of a dead upstream
//! * `breaks`: how a break crosses it, and that no connection is left half-open
//! * `onward`: the way to the upstream: how long, how often, and who waits meanwhile
//! * `proxy`: who called, told in a PROXY header and by one; `haproxy` at the other end
//! * `restart`: an upstream that goes and comes back
//! * `services`: what people forward: web servers, ssh, databases
//! * `side`: the two sides that fincat stands between

mod breaks;
mod ends;
mod haproxy;
mod onward;
mod proxy;
mod restart;
mod services;
mod side;

use std::time::Duration;
use std::{fs, io};

use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};
use socket2::Socket;

use self::side::{Far, Kind, Near};

use crate::activation::started;
use crate::datagram::{Peer, modes};
use crate::launch::{Launch, Stdin};
use crate::matrix::Mode;
use crate::peers::{PeerListener, PeerStream};
use crate::tool::Tool;

/// fincat of this kind and mode before `far`, which it knows as `endpoint`.
#[track_caller]
fn forward(kind: Kind, flags: &[&str], endpoint: &str) -> Tool {
    let launch = Tool::with(Stdin::Null);
    let args = [flags, &["--to", endpoint]].concat();
    match kind {
        Kind::Tcp => launch.listen([&["127.0.0.1", "0"], &args[..]].concat()),
        Kind::Udp => launch.announce(&["udp", "listen"], &[&["127.0.0.1", "0"], &args[..]].concat()),
        Kind::Unix => launch.listen_unix(args),
        Kind::Dgram => launch.listen_unix([&["--type", "dgram"], &args[..]].concat()),
        Kind::Seqpacket => launch.listen_unix([&["--type", "seqpacket"], &args[..]].concat()),
    }
}

/// The sockets that a process holds, taken from it as they are.
fn sockets(id: u32) -> Vec<Socket> {
    let number = id.try_into().ok().and_then(Pid::from_raw).expect("a number");
    let process = pidfd_open(number, PidfdFlags::empty()).expect("a process");
    let all = fs::read_dir(format!("/proc/{id}/fd")).expect("its descriptors");
    let taken = all.filter_map(|entry| {
        let number = entry.ok()?.file_name().to_str()?.parse().ok()?;
        pidfd_getfd(&process, number, PidfdGetfdFlags::empty()).ok()
    });
    taken.map(Socket::from).filter(|socket| socket.r#type().is_ok()).collect()
}

/// Whether it is kept alive, and how: seconds before the first probe and between two, and how many.
fn kept(socket: &Socket) -> io::Result<(bool, u64, u64, u32)> {
    let (time, interval) = (socket.tcp_keepalive_time()?, socket.tcp_keepalive_interval()?);
    Ok((socket.keepalive()?, time.as_secs(), interval.as_secs(), socket.tcp_keepalive_retries()?))
}

/// How the connections among them are kept alive.
fn connections(sockets: &[Socket]) -> Vec<(bool, u64, u64, u32)> {
    let connections = sockets.iter().filter(|socket| socket.peer_addr().is_ok());
    connections.map(|socket| kept(socket).expect("its options")).collect()
}

/// On both sides, as usual or as it was asked for.
#[test]
fn both_sides_are_kept_alive() {
    for (flags, wanted) in [(&[][..], (true, 60, 10, 6)), (&["--keepalive", "33,4,5"], (true, 33, 4, 5))] {
        let far = PeerListener::tcp();
        let tool = forward(Kind::Tcp, flags, &far.addr().to_string());
        let _near = PeerStream::tcp(tool.addr());
        let _met = far.accept();
        assert_eq!(connections(&sockets(tool.id())), [wanted; 2]);
    }
}

/// A listener that others go on with is left as it was; who comes by way of it is kept alive all the same.
#[test]
fn a_listener_of_others_is_left_as_it_was() {
    let far = PeerListener::tcp();
    let line = ["listen", "--activated", "--to", &far.addr().to_string()];
    let Some((tool, addr)) = started(Launch::new(), "tcp", "", &line) else { return };
    let near = PeerStream::tcp(addr);
    let met = far.accept();
    near.write("it is joined");
    assert_eq!(met.read(12), b"it is joined");
    let sockets = sockets(tool.id());
    assert_eq!(connections(&sockets), [(true, 60, 10, 6); 2]);
    let listeners: Vec<_> = sockets.iter().filter(|socket| socket.is_listener().is_ok_and(|is_one| is_one)).collect();
    assert!(!listeners.is_empty() && listeners.iter().all(|listener| kept(listener).is_ok_and(|kept| !kept.0)));
}

modes!(every_transport_to_every_transport);

/// A question and its answer, then another pair of them.
fn every_transport_to_every_transport(mode: Mode) {
    for from in Kind::ALL {
        for to in Kind::ALL {
            let mut far = Far::new(to);
            let tool = forward(from, mode.flags(), &far.endpoint());
            let near = Near::of(from, &tool);
            for turn in 0..2 {
                let (question, answer) = (format!("{from:?} asks {to:?} {turn}"), format!("{to:?} answers {turn}"));
                near.say(question.as_bytes());
                assert_eq!(String::from_utf8_lossy(&far.hear(question.len())), question);
                far.say(answer.as_bytes());
                assert_eq!(String::from_utf8_lossy(&near.hear(answer.len())), answer);
            }
        }
    }
}

/// A port of a host is TCP's, and what looks like a path is a unix socket's; --thread is implied.
#[test]
fn an_endpoint_has_short_forms() {
    for kind in [Kind::Tcp, Kind::Unix] {
        let mut far = Far::new(kind);
        let endpoint = far.endpoint();
        let (_, short) = endpoint.split_once(':').expect("a kind");
        let tool = forward(Kind::Tcp, &[], short);
        let idle = PeerStream::tcp(tool.addr());
        drop(far.accept());
        let near = PeerStream::tcp(tool.addr());
        near.write("x");
        assert_eq!(far.hear(1), b"x");
        drop(idle);
    }
}

modes!(boundaries_survive);

/// What keeps boundaries on both sides keeps them across.
fn boundaries_survive(mode: Mode) {
    let keeping = [Kind::Udp, Kind::Dgram, Kind::Seqpacket];
    for from in keeping {
        for to in keeping {
            let mut far = Far::new(to);
            let args = [mode.flags(), &["--size", "65507"]].concat();
            let tool = forward(from, &args, &far.endpoint());
            let near = Near::of(from, &tool);
            let packets = [vec![1; 1], vec![2; 2000], vec![3; 1], vec![4; 60_000]];
            for packet in &packets {
                near.say(packet);
            }
            for packet in &packets {
                assert_eq!(far.hear(packet.len()).len(), packet.len(), "{from:?} to {to:?}");
            }
            for packet in &packets {
                far.say(packet);
            }
            for packet in &packets {
                assert_eq!(near.hear(packet.len()).len(), packet.len(), "{to:?} back to {from:?}");
            }
        }
    }
}

/// Each of many has an upstream of its own.
#[test]
fn two_hundred_at_once() {
    let listener = PeerListener::tcp();
    let tool = forward(Kind::Tcp, &[], &listener.addr().to_string());
    let pairs: Vec<_> = (0..200)
        .map(|_| {
            let near = PeerStream::tcp(tool.addr());
            (near, listener.accept())
        })
        .collect();
    for (number, (near, _)) in pairs.iter().enumerate() {
        near.write(format!("{number:3}"));
    }
    for (number, (near, far)) in pairs.iter().enumerate() {
        let asked = String::from_utf8(far.read(3)).expect("UTF-8");
        assert_eq!(asked, format!("{number:3}"));
        far.write(format!("answer to {asked}"));
        far.shutdown();
        near.shutdown();
        assert_eq!(near.read_to_end(), format!("answer to {number:3}").as_bytes());
    }
}

/// Sixty interleaved peers of UDP, each with an upstream of its own.
#[test]
fn sixty_datagram_peers_at_once() {
    let far = Peer::new();
    let tool = forward(Kind::Udp, &[], &format!("udp:{}", far.addr()));
    let peers: Vec<_> = (0..60).map(|_| Peer::of(tool.addr())).collect();
    for round in 0..3 {
        for (number, peer) in peers.iter().enumerate() {
            peer.send(format!("{number} {round}"));
        }
        for _ in &peers {
            let (asked, from) = far.receive_from();
            far.send_to(asked, from);
        }
        for (number, peer) in peers.iter().enumerate() {
            peer.hears(&format!("{number} {round}"));
            peer.hears_nothing_for(Duration::ZERO);
        }
    }
}
