//! The boundaries of datagrams and packets survive, whatever their size; and how a conversation without
//! ends may end all the same; not who talks with whom (`crowd`).

use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;

use socket2::{Domain, Socket, Type};
use tempfile::TempDir;

use super::{AT_ONCE, named, receive, within};
use crate::launch::{Launch, Stdin, Stdout};
use crate::pattern::{assert_same, pattern};
use crate::peers::PeerListener;
use crate::tool::Tool;

/// The smallest, the usual, around a buffer of 64 KiB and 8192 (SocketServer's), and the largest.
const SIZES: [usize; 8] = [1, 2, 1472, 8192, 8193, 60_000, 65_506, 65_507];

/// Each comes back as it went, the empty one too.
#[test]
fn an_echo_keeps_boundaries() {
    let folder = TempDir::new().expect("a folder");
    for mode in [&["--thread"][..], &["--fork"], &["-k", "--per-datagram"]] {
        let tool = Launch::new().listen_unix([&["--type", "dgram", "--echo"], mode].concat());
        let client = named(&folder, mode[0]);
        for (seed, size) in (0..).zip(SIZES.into_iter().chain([0, 3])) {
            let datagram = pattern(size, seed);
            client.send_to(&datagram, tool.path()).expect("send");
            assert_same(&receive(&client).0, &datagram);
        }
    }
}

/// One datagram in is one write out, as a standard output that keeps writes apart shows.
#[test]
fn one_datagram_is_one_write() {
    for args in [&["-k"][..], &["--datagrams", "8"]] {
        let (ours, theirs) = Socket::pair(Domain::UNIX, Type::SEQPACKET, None).expect("socketpair");
        let stdout = Stdout::File(File::from(OwnedFd::from(theirs)));
        let launch = Launch::new().stdout(stdout);
        let tool = launch.listen_unix([&["--type", "dgram"], args].concat());
        let folder = TempDir::new().expect("a folder");
        let client = named(&folder, "client");
        let ours = UnixDatagram::from(OwnedFd::from(ours));
        for (seed, size) in (0..).zip(SIZES) {
            client.send_to(&pattern(size, seed), tool.path()).expect("send");
            assert_same(&receive(&ours).0, &pattern(size, seed));
        }
    }
}

/// `--size` and `--lines`: what is one datagram, from the same input.
#[test]
fn input_is_cut_as_asked() {
    let input = b"one\n\ntwo and a half\nthe end".to_vec();
    let table: [(&[&str], &[&[u8]]); 3] = [
        (&["--lines"], &[b"one\n", b"\n", b"two and a half\n", b"the end"]),
        (&["--size", "10"], &[b"one\n\ntwo a", b"nd a half\n", b"the end"]),
        (&["--size", "65507"], &[b"one\n\ntwo and a half\nthe end"]),
    ];
    for (args, wanted) in table {
        let folder = TempDir::new().expect("a folder");
        let server = named(&folder, "server");
        let launch = Tool::with(Stdin::Bytes(input.clone()));
        let line = [&["--type", "dgram", "-q", "0"], args].concat();
        let mut tool = launch.connect_unix(&within(&folder, "server"), line);
        for datagram in wanted {
            assert_eq!(receive(&server).0.escape_ascii().to_string(), datagram.escape_ascii().to_string());
        }
        tool.wait_within(AT_ONCE).expect(0);
    }
}

/// The receiver is slow: unix datagrams wait, and none is lost.
#[test]
fn a_slow_receiver_loses_nothing() {
    let folder = TempDir::new().expect("a folder");
    let server = named(&folder, "server");
    let bytes = pattern(1 << 20, 7);
    let launch = Tool::with(Stdin::Bytes(bytes.clone()));
    let mut tool = launch.connect_unix(&within(&folder, "server"), ["--type", "dgram", "--size", "1000"]);
    crate::peers::silence(std::time::Duration::from_millis(300));
    let mut heard = Vec::new();
    while heard.len() < bytes.len() {
        let datagram = receive(&server).0;
        assert!((1..=1000).contains(&datagram.len()), "{} bytes", datagram.len());
        heard.extend(datagram);
    }
    assert_same(&heard, &bytes);
    tool.wait_within(AT_ONCE).expect(0);
}

/// `--size` bounds every packet, also where a line end becomes two bytes.
#[test]
fn no_packet_is_larger_than_asked() {
    for args in [&["--size", "100"][..], &["--size", "100", "-C"], &["-C"]] {
        let listener = PeerListener::unix(Type::SEQPACKET);
        let launch = Tool::with(Stdin::Bytes(b"\n".repeat(200_000)));
        let line = [&["--type", "seqpacket"], args].concat();
        let mut tool = launch.connect_unix(&listener.path(), line);
        let peer = listener.accept();
        let limit = if args.contains(&"--size") { 100 } else { 65_507 };
        let largest = peer.largest_packet();
        assert!(largest <= limit, "{largest} bytes with {args:?}");
        drop(peer);
        tool.wait_within(AT_ONCE).expect(0);
    }
}

/// An empty datagram is data, and no end.
#[test]
fn an_empty_datagram_is_no_end() {
    let folder = TempDir::new().expect("a folder");
    let mut tool = Launch::new().listen_unix(["--type", "dgram", "--datagrams", "3"]);
    let client = named(&folder, "client");
    for datagram in ["one", "", "three"] {
        client.send_to(datagram.as_bytes(), tool.path()).expect("send");
    }
    assert_eq!(tool.wait_within(AT_ONCE).expect(0).stdout, b"onethree");
}

/// Those that come right behind the first one are the same sender's, and not lost; nor do they belong to
/// somebody who comes too late.
#[test]
fn one_shot_loses_nothing_that_comes_at_once() {
    let folder = TempDir::new().expect("a folder");
    let mut tool = Launch::new().listen_unix(["--type", "dgram", "--datagrams", "8"]);
    let (client, late) = (named(&folder, "client"), named(&folder, "late"));
    tool.stop();
    // A queue that nobody reads holds 10 (net.unix.max_dgram_qlen), and then send(2) would wait.
    for number in 0..8 {
        client.send_to(format!("{number} ").as_bytes(), tool.path()).expect("send");
        if number == 5 {
            late.send_to(b"intrusion", tool.path()).expect("send");
        }
    }
    tool.resume();
    let heard = tool.wait_within(AT_ONCE).expect(0).stdout;
    assert_eq!(String::from_utf8_lossy(&heard), "0 1 2 3 4 5 6 7 ");
}

/// `--eof-datagram`: it is one; and at our own end one is sent.
#[test]
fn an_empty_datagram_can_be_an_end() {
    let folder = TempDir::new().expect("a folder");
    let launch = Tool::with(Stdin::Bytes(b"ours".to_vec()));
    let mut tool = launch.listen_unix(["--type", "dgram", "--eof-datagram"]);
    let client = named(&folder, "client");
    client.send_to(b"theirs", tool.path()).expect("send");
    assert_eq!(receive(&client).0, b"ours");
    assert_eq!(receive(&client).0, b"");
    client.send_to(b"", tool.path()).expect("send");
    assert_eq!(tool.wait_within(AT_ONCE).expect(0).stdout, b"theirs");

    let server = named(&folder, "server");
    let launch = Tool::with(Stdin::Bytes(b"question".to_vec()));
    let args = ["--type", "dgram", "--eof-datagram"];
    let mut tool = launch.connect_unix(&within(&folder, "server"), args);
    assert_eq!(receive(&server).0, b"question");
    let (end, name) = receive(&server);
    assert_eq!(end, b"");
    let name = name.expect("a name");
    server.send_to(b"answer", &name).expect("send");
    server.send_to(b"", &name).expect("send");
    assert_eq!(tool.wait_within(AT_ONCE).expect(0).stdout, b"answer");
}

/// In a server too, for whom it is about; the same sender may come again.
#[test]
fn an_end_is_one_senders() {
    let folder = TempDir::new().expect("a folder");
    for mode in ["--thread", "--fork"] {
        let tool = Launch::new().listen_unix(["--type", "dgram", mode, "--eof-datagram", "--", "sort", "-r"]);
        let client = named(&folder, mode);
        let other = named(&folder, &format!("other{mode}"));
        other.send_to(b"other\n", tool.path()).expect("send");
        for _ in 0..2 {
            client.send_to(b"a\nc\n", tool.path()).expect("send");
            client.send_to(b"b\n", tool.path()).expect("send");
            client.send_to(b"", tool.path()).expect("send");
            assert_eq!(receive(&client).0, b"c\nb\na\n", "{mode}");
            assert_eq!(receive(&client).0, b"", "{mode}");
        }
        other.send_to(b"", tool.path()).expect("send");
        assert_eq!(receive(&other).0, b"other\n", "{mode}");
    }
}

/// `--per-datagram`: a command's standard input is the datagram, its output the reply.
#[test]
fn a_command_for_each_datagram() {
    let folder = TempDir::new().expect("a folder");
    for mode in [&["-k"][..], &["--thread"], &["--fork"]] {
        let args = [&["--type", "dgram", "--per-datagram"], mode, &["--sh", "wc -c; echo done"]].concat();
        let tool = Launch::new().listen_unix(args);
        let client = named(&folder, &format!("client{}", mode[0]));
        for size in [5, 0, 60_000] {
            client.send_to(&pattern(size, 1), tool.path()).expect("send");
            let mut said = receive(&client).0;
            while !said.ends_with(b"done\n") {
                said.extend(receive(&client).0);
            }
            assert_eq!(String::from_utf8_lossy(&said), format!("{size}\ndone\n"), "{mode:?}");
        }
    }
}
