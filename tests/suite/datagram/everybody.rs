//! Conversations with more than one: `-k` without a handler, broadcast, multicast; not many
//! conversations (`crowd`).

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use super::peer::Peer;
use super::{connect, listen};
use crate::kernel::has_ipv6;
use crate::launch::{Launch, Stdin};
use crate::peers::external;
use crate::process::Signal;
use crate::tool::{Tool, fincat};

/// Every datagram goes out as it comes, of both families; nothing is sent; enough ends it.
#[test]
fn everybody_is_heard() {
    let mut tool = listen(&["0", "-k", "--datagrams", "40"]);
    let port = tool.addr().port();
    let mut peers: Vec<_> = (0..10).map(|_| Peer::of(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))).collect();
    if has_ipv6() {
        peers.extend((0..10).map(|_| Peer::of(SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], port)))));
    } else {
        peers.extend((0..10).map(|_| Peer::of(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))));
    }
    let mut said = Vec::new();
    for round in 0..2 {
        for (number, peer) in peers.iter().enumerate() {
            let line = format!("{number} says {round}\n");
            peer.send(&line);
            said.push(line);
        }
    }
    let exit = tool.wait().expect(0);
    let mut heard: Vec<_> = std::str::from_utf8(&exit.stdout).expect("UTF-8").split_inclusive('\n').collect();
    heard.sort_unstable();
    said.sort_unstable();
    assert_eq!(heard, said);
}

#[test]
fn hearing_everybody_ends() {
    let mut tool = listen(&["127.0.0.1", "0", "-k", "--idle-timeout", "200ms"]);
    Peer::of(tool.addr()).send("x");
    assert_eq!(tool.wait_within(Duration::from_secs(5)).expect(0).stdout, b"x");
    let mut tool = listen(&["127.0.0.1", "0", "-k"]);
    let peer = Peer::of(tool.addr());
    peer.send("");
    peer.send("x");
    assert_eq!(tool.wait_stdout(1), b"x");
    tool.signal(Signal::TERM);
    tool.wait_within(Duration::from_secs(5)).expect_signal(Signal::TERM);
    peer.refused();
}

/// A question to everybody has everybody's answers.
#[test]
fn a_broadcast_has_many_answers() {
    let first = Peer::at(Ipv4Addr::UNSPECIFIED);
    let to = SocketAddr::from(([127, 255, 255, 255], first.addr().port()));
    let args = ["--broadcast", "-q", "1"];
    let mut tool = connect(Tool::with(Stdin::Bytes(b"who is there?".to_vec())), to, &args);
    let (question, from) = first.receive_from();
    assert_eq!(question, b"who is there?");
    for number in 2..5 {
        Peer::at([127, 0, 0, number]).send_to(format!("{number}\n"), from);
    }
    assert_eq!(tool.wait().expect(0).stdout, b"2\n3\n4\n");
    let refused = connect(Tool::with(Stdin::Bytes(b"x".to_vec())), to, &[]).wait();
    assert!(refused.code != Some(0) && refused.stderr.contains("--broadcast"), "it says what to give: {refused}");
}

/// A group is heard and answered, on a loopback of the test's own.
#[test]
fn a_group_is_heard() {
    const SCRIPT: &str = r#"
ip link set lo up && ip link set lo multicast on && ip route add 239.0.0.0/8 dev lo || exit 77
exec 3>ready; "$1" udp listen --multicast 239.1.2.3%lo --datagrams 1 --ready-fd 3 0.0.0.0 0 >heard & server=$!
exec 3>&-
python3 -c '
import socket, time
while not (place := open("ready").read()).endswith("\n"): time.sleep(0.01)
port = int(place.rsplit(":", 1)[1])
peer = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
peer.sendto(b"to the group", ("239.1.2.3", port))
' || exit 1
wait $server || exit 2
cat heard
"#;
    let (Some(unshare), Some(_), Some(_)) = (external("unshare"), external("ip"), external("python3")) else { return };
    let folder = tempfile::TempDir::new().expect("a folder");
    let launch = Launch::new().setup(&format!("cd {}", folder.path().display()));
    let args = ["-rn", "timeout", "15", "sh", "-c", SCRIPT, "sh", fincat()];
    let exit = launch.start(unshare, args).wait();
    if exit.code == Some(77) || exit.stderr.contains("unshare failed") {
        eprintln!("a_group_is_heard: skipped: no network namespace can be made");
        return;
    }
    assert_eq!(exit.expect(0).stdout, b"to the group");
}
