//! Many addresses of one name: the first to answer wins, a dead one costs no more than the stagger, and the message
//! says what was tried.

use std::time::{Duration, Instant};

use super::island;
use crate::dead_ends::Refusing;
use crate::kernel::has_ipv6;
use crate::peers::{PeerListener, external};
use crate::tool::Tool;

/// A listener in the island, that tells the port and then what it hears.
const HEARS: &str = r"
exec 3<<'END'
import socket, sys
s = socket.create_server(('127.0.0.1', 0))
print(s.getsockname()[1], flush=True)
while True:
    c, _ = s.accept()
    print(c.makefile('rb').read(), flush=True)
    c.close()
END
mkfifo /mnt/port
python3 /proc/self/fd/3 > /mnt/port & server=$!
exec 4< /mnt/port
read port <&4
";

/// The AAAA swallows everything: after the stagger the A is asked too, and answers. In all that is less than a second;
/// without the race it would be the whole `-w`.
#[test]
fn a_dead_address_among_two_costs_the_stagger() {
    let Some(_) = external("python3") else { return };
    let script = format!("{HEARS}\n$fincat connect -w 20s two.example $port --send hello && kill $server && cat <&4");
    let begun = Instant::now();
    let Some(exit) = island::visit(&script) else { return };
    let exit = exit.expect(0);
    assert_eq!(exit.stdout, b"b'hello'\n", "{exit}");
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}

/// `--check` races as well, and tells the time of the handshake that won, not of the whole race.
#[test]
fn a_check_races_too() {
    let Some(_) = external("python3") else { return };
    let script = format!("{HEARS}\n$fincat connect -z -w 20s two.example:$port; kill $server");
    let Some(exit) = island::visit(&script) else { return };
    let line = String::from_utf8_lossy(&exit.stdout).into_owned();
    let words: Vec<&str> = line.split_whitespace().collect();
    assert!(matches!(words[..], ["two.example", _, "open", _, "ms"]), "{exit}");
    assert!(words[3].parse::<f64>().expect("a number") < 240.0, "the stagger is not part of the handshake: {exit}");
}

#[test]
fn everybody_who_was_asked_is_named() {
    let Some(exit) = island::visit("$fincat connect -w 700ms two.example 1") else { return };
    let exit = exit.expect(4);
    let wanted =
        "cannot connect to two.example:1: [2001:db8::9]:1 timed out after 700 ms (-w), 127.0.0.1:1 connection refused";
    assert!(exit.stderr.contains(wanted), "{exit}");
}

/// A failure is not waited out: the next address is asked at once.
#[test]
fn after_a_failure_the_next_is_asked_at_once() {
    let peer = PeerListener::tcp();
    let port = peer.addr().port().to_string();
    let mut tool = crate::launch::Launch::new().fincat(["connect", "localhost", &port, "--send", "x"]);
    let met = peer.accept();
    assert_eq!(met.read_to_end(), b"x");
    drop(met);
    tool.wait().expect(0);
}

/// Where nobody listens and the kernel gives us the very port that we go to, TCP connects us with ourselves. That is
/// nobody.
#[test]
fn we_are_not_our_own_peer() {
    let script = "
echo 40000 40001 > /proc/sys/net/ipv4/ip_local_port_range || { echo skipped: no range >&2; exit 0; }
for i in 1 2 3 4 5 6 7 8; do
    $fincat connect -z 127.0.0.1 40000,40001
    echo x | $fincat connect --quiet 127.0.0.1 40000; echo $?
done
for us in ::ffff:0.0.0.0 ::1%1 0.0.0.0; do
    $fincat connect --quiet -p 45678 --recv-only --deadline 5s $us 45678; echo $?
done";
    let Some(exit) = island::visit(script) else { return };
    let wanted = "127.0.0.1 40000 refused\n127.0.0.1 40001 refused\n4\n".repeat(8) + "4\n4\n4\n";
    assert_eq!(String::from_utf8_lossy(&exit.stdout), wanted, "{exit}");
}

/// Where all of them refuse, that is the end at once.
#[test]
fn all_of_them_refuse() {
    if !has_ipv6() {
        return;
    }
    let nobody = Refusing::port();
    let port = nobody.addr().port().to_string();
    let exit = Tool::run(["connect", "localhost", &port]).expect(4);
    assert!(exit.stderr.contains("127.0.0.1") && exit.stderr.contains("refused"), "{exit}");
}

/// The bound is over the name too, and the message says that it was the name.
#[test]
fn a_name_that_nobody_resolves_is_bounded() {
    for (option, named) in [("-w", "-w"), ("--deadline", "--deadline"), ("--retry-for", "--retry-for")] {
        let Some(exit) = island::visit(&format!("$fincat connect {option} 1.5s slow.example 80")) else { return };
        let exit = exit.expect(5);
        let wanted = format!("cannot connect to slow.example:80: timed out after 1.5 s resolving the name ({named})");
        assert!(exit.stderr.contains(&wanted), "{exit}");
    }
    let Some(exit) = island::visit("$fincat connect -z -w 500ms slow.example:80 127.0.0.1:1") else { return };
    let exit = exit.expect(1);
    assert_eq!(String::from_utf8_lossy(&exit.stdout), "slow.example 80 timed out\n127.0.0.1 1 refused\n", "{exit}");
}
