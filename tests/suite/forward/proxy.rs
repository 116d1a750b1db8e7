//! PROXY headers: sent to the upstream, and read there by a parser of Python's that knows nothing of ours; and taken from
//! peers, to the byte. haproxy at the other end is in `haproxy`.

use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use socket2::Type;

use super::forward;
use super::side::{Kind, Near};
use crate::datagram::modes;
use crate::kernel::{has_ipv6, wait_until};
use crate::launch::Stdin;
use crate::matrix::Mode;
use crate::pattern::{assert_same, pattern};
use crate::peers::{PeerListener, PeerStream, Python, silence};
use crate::tool::Tool;

/// Accepts once, at a path if one is given; prints what the header says, and what comes after it to the end.
const RECEIVER: &str = r"
import ipaddress, socket, struct, sys
if len(sys.argv) > 1:
    listener = socket.socket(socket.AF_UNIX); listener.bind(sys.argv[1]); listener.listen(); print(sys.argv[1])
else:
    listener = socket.create_server(('127.0.0.1', 0)); print(listener.getsockname()[1])
s, _ = listener.accept()
data = b''
while piece := s.recv(65536):
    data += piece
if data[:12] == bytes.fromhex('0d0a0d0a000d0a515549540a'):
    command, family, length = struct.unpack('>BBH', data[12:16])
    block, rest = data[16:16 + length], data[16 + length:]
    assert len(block) == length
    if family in (0x11, 0x12):
        a, b, p, q = struct.unpack('>4s4sHH', block)
        ends = [ipaddress.IPv4Address(a), ipaddress.IPv4Address(b), p, q]
    elif family in (0x21, 0x22):
        a, b, p, q = struct.unpack('>16s16sHH', block)
        ends = [ipaddress.IPv6Address(a), ipaddress.IPv6Address(b), p, q]
    elif family == 0x31:
        ends = [end.rstrip(b'\0').decode() or '-' for end in struct.unpack('108s108s', block)]
    else:
        ends = []
    print('v2', hex(command), hex(family), *ends, rest.decode())
else:
    line, rest = data.split(b'\r\n', 1)
    print('v1', *line.decode().split(' '), rest.decode())
";

/// What Python's parser says of what arrives at it from a peer that says "payload"; and the peer's addresses.
#[track_caller]
fn received(from: Kind, flags: &[&str]) -> Option<(String, Option<(SocketAddr, SocketAddr)>)> {
    let server = Python::run(RECEIVER, &[])?;
    let far = Python::addr(&server).to_string();
    let tool = forward(from, flags, &far);
    let near = Near::of(from, &tool);
    near.say(b"payload");
    let addrs = match &near {
        Near::Stream(stream) if from == Kind::Tcp => Some(stream.addrs()),
        _ => None,
    };
    if let Near::Stream(stream) = &near {
        stream.shutdown();
    }
    Some((server.wait_stdout_line(2), addrs))
}

modes!(the_upstream_is_told_who_called, a_header_is_taken_to_the_byte, who_tells_nothing_is_closed);

fn the_upstream_is_told_who_called(mode: Mode) {
    for (version, wanted) in [("v1", "v1 PROXY TCP4"), ("v2", "v2 0x21 0x11")] {
        let args = [mode.flags(), &["--proxy-protocol", version]].concat();
        let Some((said, Some((near, far)))) = received(Kind::Tcp, &args) else { return };
        let wanted = format!("{wanted} {} {} {} {} payload", near.ip(), far.ip(), near.port(), far.port());
        assert_eq!(said, wanted);
        let Some((said, _)) = received(Kind::Unix, &args) else { return };
        let unix = if version == "v1" { "v1 PROXY UNKNOWN payload" } else { "v2 0x21 0x31 - /" };
        assert!(said.starts_with(unix) && said.ends_with(" payload"), "{said}");
    }
}

/// IPv6, and datagrams, which version 1 has no word for.
#[test]
fn every_family_is_told() {
    let Some(server) = Python::run(RECEIVER, &[]) else { return };
    if has_ipv6() {
        let far = Python::addr(&server).to_string();
        let line = ["::1", "0", "--proxy-protocol", "v1", "--to", &far];
        let tool = Tool::with(Stdin::Null).listen(line);
        let near = PeerStream::tcp(tool.addr());
        near.write("six");
        near.shutdown();
        let (near, far) = near.addrs();
        let wanted = format!("v1 PROXY TCP6 ::1 ::1 {} {} six", near.port(), far.port());
        assert_eq!(server.wait_stdout_line(2), wanted);
    }
    let Some((said, _)) = received(Kind::Udp, &["--idle-timeout", "300ms", "--proxy-protocol", "v2"]) else { return };
    assert!(said.starts_with("v2 0x21 0x12 127.0.0.1 127.0.0.1 ") && said.ends_with(" payload"), "{said}");
}

/// A header of version 2: its third byte from the end of the fixed part on.
fn binary(rest: &[u8]) -> Vec<u8> {
    [b"\r\n\r\n\0\r\nQUIT\n", rest].concat()
}

/// Headers as whole pieces, torn into bytes, and together with what follows; what follows arrives as it is, at another
/// peer, at a command behind pipes and at one that holds the socket, with the addresses that were told.
fn a_header_is_taken_to_the_byte(mode: Mode) {
    let payload = pattern(200_000, 97);
    let headers: [(Vec<u8>, Option<&str>); 5] = [
        (b"PROXY TCP4 192.0.2.1 198.51.100.2 4242 443\r\n".into(), Some("TCP 192.0.2.1 4242 198.51.100.2 443")),
        (b"PROXY TCP6 2001:db8::1 2001:db8::2 4242 443\r\n".into(), Some("TCP 2001:db8::1 4242 2001:db8::2 443")),
        (
            binary(b"\x21\x11\0\x10\xc0\0\x02\x01\xc6\x33\x64\x02\x10\x92\x01\xbb\x04\0\x01x"),
            Some("TCP 192.0.2.1 4242 198.51.100.2 443"),
        ),
        (b"PROXY UNKNOWN\r\n".into(), None),
        (binary(b"\x20\0\0\0"), None),
    ];
    let told = "echo $PROTO $TCPREMOTEIP $TCPREMOTEPORT $TCPLOCALIP $TCPLOCALPORT; exec cat";
    for handler in [&["--sh", told][..], &["--pipes", "--sh", told]] {
        let args = [mode.flags(), &["-v", "--proxy-protocol", "accept"], handler].concat();
        let tool = Tool::with(Stdin::Null).listen([&["127.0.0.1", "0"], &args[..]].concat());
        for (number, (header, wanted)) in headers.iter().enumerate() {
            let near = PeerStream::tcp(tool.addr());
            let (own, fincats) = near.addrs();
            let sending = if number % 2 == 0 {
                near.send([&header[..], &payload].concat())
            } else {
                tear(&near, header);
                near.send(payload.clone())
            };
            let own = format!("TCP {} {} {} {}", own.ip(), own.port(), fincats.ip(), fincats.port());
            let wanted = format!("{}\n", wanted.unwrap_or(&own));
            assert_eq!(String::from_utf8_lossy(&near.read(wanted.len())), wanted);
            assert_same(&near.read(payload.len()), &payload);
            sending.done().expect("it is taken");
            near.shutdown();
            assert!(near.read_to_end().is_empty());
        }
        tool.wait_line(|line| line.contains("192.0.2.1:4242: accepted on 198.51.100.2:443 by way of 127.0.0.1:"));
    }
}

/// Says it byte by byte; nobody waits for an acknowledgement, which may take longer than a header may.
fn tear(near: &PeerStream, bytes: &[u8]) {
    for byte in bytes {
        near.write([*byte]);
    }
}

/// Something else, a broken header, half of one: closed, told nothing, mentioned once, and of no consequence to others,
/// not even to --count.
fn who_tells_nothing_is_closed(mode: Mode) {
    let args =
        [mode.flags(), &["--count", "2", "--proxy-protocol", "accept", "--sh", "echo served; exec cat"]].concat();
    let mut tool = Tool::with(Stdin::Null).listen([&["127.0.0.1", "0"], &args[..]].concat());
    let silent = PeerStream::tcp(tool.addr());
    let wrong = [b"GET / HTTP/1.0\r\n\r\n".to_vec(), b"PROXY TCP4 1.2.3.4\r\n".into(), binary(b"\x51\x11\0\0")];
    for (turn, bytes) in wrong.iter().enumerate() {
        let near = PeerStream::tcp(tool.addr());
        near.write(bytes);
        assert!(near.hear_out().0.is_empty());
        tool.wait_lines(turn + 1, |line| line.contains("refused 127.0.0.1:") && line.contains("no PROXY header"));
    }
    let near = PeerStream::tcp(tool.addr());
    near.write("PROXY TC");
    near.shutdown();
    assert!(near.hear_out().0.is_empty());
    for turn in 0..2 {
        let near = PeerStream::tcp(tool.addr());
        near.write("PROXY UNKNOWN\r\nx");
        assert_eq!(near.read(8), b"served\nx");
        near.shutdown();
        assert!(near.read_to_end().is_empty(), "{turn}");
    }
    assert!(silent.hear_out().0.is_empty());
    let exit = tool.wait().expect(0);
    assert_eq!(exit.stderr.matches("refused").count(), 4, "{exit}");
}

modes!(a_silent_one_has_five_seconds);

/// Nobody else waits meanwhile; in a one-shot listen neither.
fn a_silent_one_has_five_seconds(mode: Mode) {
    let args = [mode.flags(), &["--proxy-protocol", "accept", "--echo"]].concat();
    let server = Tool::with(Stdin::Null).listen([&["127.0.0.1", "0"], &args[..]].concat());
    let mut once = Tool::with(Stdin::Null).listen(["127.0.0.1", "0", "--proxy-protocol", "accept", "--echo"]);
    let began = Instant::now();
    let silent = [&server, &once].map(|tool| PeerStream::tcp(tool.addr()));
    silent[0].write("PROXY ");
    let near = PeerStream::tcp(server.addr());
    near.write("PROXY UNKNOWN\r\nx");
    assert_eq!(near.read(1), b"x");
    near.shutdown();
    assert!(near.read_to_end().is_empty());
    for peer in &silent {
        assert!(peer.hear_out().0.is_empty());
    }
    assert!((4..10).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
    server.wait_line(|line| line.contains("refused 127.0.0.1:") && line.contains("in time"));
    let near = PeerStream::tcp(once.addr());
    near.write("PROXY UNKNOWN\r\nx");
    near.shutdown();
    assert_eq!(near.read_to_end(), b"x");
    once.wait().expect(0);
}

/// Who may come is decided by the connection, not by what it tells; what is said is what it tells.
#[test]
fn admission_is_by_who_stands_between() {
    let line =
        ["127.0.0.1", "0", "--thread", "--allow", "127.0.0.1", "--max-per-ip", "1", "--proxy-protocol", "accept"];
    let tool = Tool::with(Stdin::Null).listen([&line[..], &["--echo"]].concat());
    let header = "PROXY TCP4 192.0.2.1 198.51.100.2 4242 443\r\nx";
    let first = PeerStream::tcp(tool.addr());
    first.write(header);
    assert_eq!(first.read(1), b"x");
    let second = PeerStream::tcp(tool.addr());
    assert!(second.hear_out().0.is_empty(), "its share is used up");
    let other = PeerStream::tcp_from(Ipv4Addr::new(127, 0, 0, 2), tool.addr());
    assert!(other.hear_out().0.is_empty(), "it may not come");
    first.shutdown();
    assert!(first.read_to_end().is_empty());
    wait_until("its share is given back", || {
        let again = TcpStream::connect(tool.addr()).expect("connect");
        let _ = (&again).write_all(header.as_bytes());
        again.peek(&mut [0]).is_ok_and(|count| count == 1)
    });
}

/// What one proxy told is told on.
#[test]
fn a_header_is_handed_on() {
    for (version, wanted) in [("v1", "v1 PROXY TCP4"), ("v2", "v2 0x21 0x11")] {
        let Some(server) = Python::run(RECEIVER, &[]) else { return };
        let far = Python::addr(&server).to_string();
        let words = format!("accept,{version}");
        let tool = forward(Kind::Unix, &["--proxy-protocol", &words], &far);
        let near = PeerStream::unix(tool.path(), Type::STREAM);
        near.write("PROXY TCP4 192.0.2.1 198.51.100.2 4242 443\r\npayload");
        near.shutdown();
        assert_eq!(server.wait_stdout_line(2), format!("{wanted} 192.0.2.1 198.51.100.2 4242 443 payload"));
    }
}

/// A hundred at once say it byte by byte.
#[test]
fn a_hundred_tell_slowly() {
    let tool = Tool::with(Stdin::Null).listen(["127.0.0.1", "0", "--fork", "--proxy-protocol", "accept", "--echo"]);
    let peers: Vec<PeerStream> = (0..100).map(|_| PeerStream::tcp(tool.addr())).collect();
    for byte in b"PROXY TCP4 192.0.2.1 198.51.100.2 4242 443\r\n" {
        for peer in &peers {
            peer.write([*byte]);
        }
    }
    for (number, peer) in peers.iter().enumerate() {
        peer.write(format!("{number:3}"));
        assert_eq!(peer.read(3), format!("{number:3}").as_bytes());
    }
}

/// Nobody spins while half a header is there.
#[test]
fn half_a_header_costs_nothing() {
    let tool = Tool::with(Stdin::Null).listen(["127.0.0.1", "0", "--thread", "--proxy-protocol", "accept", "--echo"]);
    let near = PeerStream::tcp(tool.addr());
    near.write("PROXY TCP4 192.0.2.1");
    near.settle();
    let busy = crate::kernel::busy(tool.id(), Duration::from_millis(500));
    assert!(busy < Duration::from_millis(100), "{busy:?} of 500 ms");
    near.write(" 198.51.100.2 4242 443\r\nx");
    assert_eq!(near.read(1), b"x");
}

#[test]
fn combinations_without_sense() {
    for (args, sentence) in [
        (&["listen", "0", "--echo", "--proxy-protocol", "v1"][..], "they need --to"),
        (&["listen", "0", "--to", "[::1]:1", "--proxy-protocol", "v1,v2"], "exclude each other"),
        (&["listen", "0", "--to", "udp:[::1]:1", "--proxy-protocol", "v2"], "has no place for them"),
        (&["udp", "listen", "0", "--echo", "--proxy-protocol", "accept"], "datagrams have none"),
        (
            &["unix", "listen", "x", "--type", "seqpacket", "--echo", "--proxy-protocol", "accept"],
            "datagrams have none",
        ),
        (&["listen", "0", "--echo", "--proxy-protocol", "v3"], "v3"),
    ] {
        let exit = Tool::run(args).expect(2);
        assert!(exit.stderr.contains(sentence), "{exit}");
    }
}

/// The upstream is told in front of everything else, however the bytes of the peer come.
#[test]
fn what_is_told_comes_first() {
    let listener = PeerListener::tcp();
    let tool = forward(Kind::Tcp, &["--proxy-protocol", "v2"], &listener.addr().to_string());
    let near = PeerStream::tcp(tool.addr());
    let far = listener.accept();
    assert_eq!(far.read(28)[..14], *b"\r\n\r\n\0\r\nQUIT\n\x21\x11");
    far.write("a server may speak first");
    assert_eq!(near.read(24), b"a server may speak first");
    silence(Duration::from_millis(50));
    near.write("x");
    assert_eq!(far.read(1), b"x");
}
