//! A thousand ports: all at once as far as descriptors allow, and those that swallow every packet cost one time-out
//! together.

use std::time::{Duration, Instant};

use crate::dialing::island;
use crate::peers::external;
use crate::process::Exit;

/// Ten listeners in a network of their own, on the first of every hundred ports.
const TEN: &str = r"
exec 3<<'END'
import socket, sys
all = [socket.create_server(('127.0.0.1', port)) for port in range(2000, 3000, 100)]
print('ready', flush=True)
sys.stdin.readline()
for s in all:
    c, _ = s.accept()
    print(c.recv(10), flush=True)
END
mkfifo /mnt/out /mnt/in
python3 /proc/self/fd/3 > /mnt/out < /mnt/in &
exec 4< /mnt/out 5> /mnt/in
read ready <&4
";

#[track_caller]
fn expect_ten(exit: &Exit) {
    let text = String::from_utf8_lossy(&exit.stdout).into_owned();
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines.len() >= 1000, "{exit}");
    for (port, line) in (2000..3000).zip(&lines) {
        let wanted =
            if port % 100 == 0 { format!("127.0.0.1 {port} open ") } else { format!("127.0.0.1 {port} refused") };
        assert!(line.starts_with(&wanted), "`{line}` is not `{wanted}`: {exit}");
    }
}

/// The kernel itself counts: with no more than 32 descriptors, whatever we ask for, every answer is right.
#[test]
fn a_thousand_ports_with_few_descriptors() {
    let Some(_) = external("python3") else { return };
    for limit in ["", "ulimit -n 32;", "ulimit -n 12;"] {
        let check =
            format!("(exec 3<&- 4<&- 5>&-; {limit} exec $fincat connect -z 127.0.0.1 2000-2999); echo status $?");
        let script = format!("{TEN}\n{check}\necho >&5\ncat <&4");
        let Some(exit) = island::visit(&script) else { return };
        let exit = exit.expect(0);
        expect_ten(&exit);
        let rest: Vec<String> = String::from_utf8_lossy(&exit.stdout).lines().skip(1000).map(str::to_owned).collect();
        assert_eq!(rest[0], "status 4", "`{limit}`: {exit}");
        assert_eq!(rest[1..], ["b''"; 10], "ten ends in order: {exit}");
        assert_eq!(exit.stderr, "", "{exit}");
    }
}

/// A thousand ports behind a firewall that drops: one `-w` in all, not a thousand.
#[test]
fn packets_that_vanish_cost_one_timeout() {
    let begun = Instant::now();
    let script = "$fincat connect -z -w 1s 192.0.2.9 1-1000 > /mnt/out; echo status $?; sort /mnt/out | tail -n 1; wc -l < /mnt/out";
    let Some(exit) = island::visit(script) else { return };
    assert!(begun.elapsed() < Duration::from_secs(12), "{:?}", begun.elapsed());
    let text = String::from_utf8_lossy(&exit.stdout).into_owned();
    assert_eq!(text, "status 5\n192.0.2.9 999 timed out\n1000\n", "{exit}");
}

/// The same for one who talks.
#[test]
fn a_conversation_with_nobody_is_timed_out() {
    let Some(exit) = island::visit("$fincat connect -w 300ms 192.0.2.9 80") else { return };
    let exit = exit.expect(5);
    assert!(exit.stderr.contains("cannot connect to 192.0.2.9:80: timed out after 300 ms (-w)"), "{exit}");
}
