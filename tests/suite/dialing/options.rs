//! What sockets are set to, as those who hold them see it: a command has the socket itself, in `connect` and in
//! `listen`, and asks the kernel.

use socket2::{Domain, Socket, Type};

use super::island;
use crate::peers::{PeerListener, PeerStream, Python, external};
use crate::tool::Tool;

/// Asks the socket at descriptor 0 for everything that can be set.
const ASKS: &str = "
import socket as s
c = s.socket(fileno=0)
get = lambda level, name: c.getsockopt(level, name)
tcp, ip = s.IPPROTO_TCP, s.IPPROTO_IP
print('nodelay', get(tcp, s.TCP_NODELAY))
print('keepalive', get(s.SOL_SOCKET, s.SO_KEEPALIVE), get(tcp, s.TCP_KEEPIDLE), get(tcp, s.TCP_KEEPINTVL), get(tcp, s.TCP_KEEPCNT))
print('rcvbuf', get(s.SOL_SOCKET, s.SO_RCVBUF))
print('sndbuf', get(s.SOL_SOCKET, s.SO_SNDBUF))
print('ttl', get(ip, s.IP_TTL))
print('tos', get(ip, s.IP_TOS))
print('user-timeout', get(tcp, s.TCP_USER_TIMEOUT))
print('congestion', c.getsockopt(tcp, s.TCP_CONGESTION, 16).rstrip(b'\\0').decode())
print('interface', c.getsockopt(s.SOL_SOCKET, s.SO_BINDTODEVICE, 16).rstrip(b'\\0').decode())
print('mss', get(tcp, s.TCP_MAXSEG) <= 1000)
";

const OPTIONS: [&str; 18] = [
    "--nodelay",
    "--keepalive",
    "77,7,3",
    "--rcvbuf",
    "20000",
    "--sndbuf",
    "30000",
    "--ttl",
    "33",
    "--dscp",
    "af21",
    "--user-timeout",
    "4s",
    "--congestion",
    "reno",
    "--interface",
    "lo",
    "--mss=1000",
];

const ANSWERS: &str = "nodelay 1
keepalive 1 77 7 3
rcvbuf 40000
sndbuf 60000
ttl 33
tos 72
user-timeout 4000
congestion reno
interface lo
mss True
";

#[test]
fn everything_is_set_in_connect_and_in_listen() {
    let Some(python) = external("python3") else { return };
    let python = python.to_str().expect("a path in UTF-8");
    let command = ["--", python, "-c", ASKS];
    let peer = PeerListener::tcp();
    let mut tool = Tool::connect(peer.addr(), [&OPTIONS[..], &command].concat());
    let met = peer.accept();
    assert_eq!(String::from_utf8_lossy(&met.read_to_end()), ANSWERS, "in connect");
    drop(met);
    tool.wait().expect(0);
    for mode in ["--single", "--thread", "--fork"] {
        let counted = ["127.0.0.1", "0", mode, "--count", "1"];
        let mut tool = Tool::listen([&counted[..], &OPTIONS, &command].concat());
        let met = PeerStream::tcp(tool.addr());
        assert_eq!(String::from_utf8_lossy(&met.read_to_end()), ANSWERS, "in listen {mode}");
        drop(met);
        tool.wait().expect(0);
    }
}

/// Hears a datagram with its type of service and how far it could have gone, and answers.
const WEIGHS: &str = "
import socket as s
c = s.socket(s.AF_INET, s.SOCK_DGRAM)
c.bind(('127.0.0.1', 0))
c.setsockopt(s.IPPROTO_IP, s.IP_RECVTOS, 1)
c.setsockopt(s.IPPROTO_IP, 12, 1)
print(c.getsockname()[1])
import sys
port = sys.stdin.readline().strip()
if port != '0': c.sendto(b'first', ('127.0.0.1', int(port)))
data, control, _, peer = c.recvmsg(100, 100)
print(data.decode(), sorted((kind, int.from_bytes(value, 'little')) for _, kind, value in control))
c.sendto(b'answer', peer)
";

/// IP_TOS is 1, IP_TTL is 2: in `udp listen` they hold for the conversation, not only for the listener.
#[test]
fn datagrams_carry_their_options() {
    let Some(server) = Python::run(WEIGHS, &[]) else { return };
    let port = Python::addr(&server).port().to_string();
    server.write("0\n");
    let line =
        ["udp", "connect", "127.0.0.1", &port, "--ttl", "44", "--tos", "0x20", "--send", "x", "--sndbuf", "9000"];
    Tool::run(line).expect(0);
    assert_eq!(server.wait_stdout_line(2), "x [(1, 32), (2, 44)]");
    let Some(server) = Python::run(WEIGHS, &[]) else { return };
    Python::addr(&server);
    let line = ["127.0.0.1", "0", "--datagrams", "1", "--ttl", "45", "--dscp", "cs1", "--echo"];
    let mut tool = crate::launch::Launch::new().announce(&["udp", "listen"], &line);
    server.write(format!("{}\n", tool.addr().port()));
    assert_eq!(server.wait_stdout_line(2), "first [(1, 32), (2, 45)]");
    tool.wait().expect(0);
}

/// Data in the SYN: the first connection brings the cookie, from the second on the SYN carries what we send. The
/// kernel counts both ends.
#[test]
fn the_first_data_travels_in_the_syn() {
    let script = "
echo 3 > /proc/sys/net/ipv4/tcp_fastopen || { echo skipped: the system does not let us >&2; exit 0; }
mkfifo /mnt/ready
$fincat listen 127.0.0.1 0 --fast-open --thread --count 4 --echo --ready-fd 3 3> /mnt/ready & 
read addr < /mnt/ready
for word in one two; do $fincat connect --fast-open $addr --send $word; done
printf three | $fincat connect --fast-open $addr
$fincat connect --fast-open $addr < /dev/null && echo four
wait
grep ^TcpExt: /proc/net/netstat
";
    let Some(exit) = island::visit(script) else { return };
    let text = String::from_utf8_lossy(&exit.stdout).into_owned();
    assert!(text.starts_with("onetwothreefour\n"), "{exit}");
    let rows: Vec<Vec<&str>> = text.lines().skip(1).map(|line| line.split_whitespace().collect()).collect();
    let count = |name: &str| {
        let at = rows[0].iter().position(|word| *word == name).expect(name);
        rows[1][at].parse::<u32>().expect("a number")
    };
    assert!(count("TCPFastOpenPassive") >= 1 && count("TCPFastOpenActive") >= 1, "{exit}");
}

/// The mark is seen by nobody but the kernel, which says whether we may.
#[test]
fn a_mark_needs_a_privilege() {
    let peer = PeerListener::tcp();
    let mut tool = Tool::connect(peer.addr(), ["--mark", "0x10", "--send", "x"]);
    let probe = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    if probe.set_mark(1).is_ok() {
        assert_eq!(peer.accept().read_to_end(), b"x");
        tool.wait().expect(0);
    } else {
        let exit = tool.wait().expect(1);
        assert!(exit.stderr.contains("cannot set --mark: operation not permitted (it needs CAP_NET_ADMIN)"), "{exit}");
    }
}
