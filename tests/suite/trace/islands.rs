//! `--trace` where the network itself does something: between two network namespaces that the test makes. FINs that
//! cross, a link that goes down. Where namespaces cannot be made, the tests say so and do nothing.

use std::io::Write as _;

use serde_json::Value;

use super::{expect_steps, lines, only};
use crate::launch::Launch;
use crate::peers::external;
use crate::tool::fincat;

/// Two namespaces, a link between them, and Python at the other end; `other` and `here` run what follows in each.
const ISLANDS: &str = r#"
import json, os, subprocess, sys, time
fincat = sys.argv[1]
def run(*words): return subprocess.run(words, check=True, capture_output=True, text=True)
children = []
def start(words, **more):
    children.append(subprocess.Popen(words, text=True, **more))
    return children[-1]
def wait_for(so):
    end = time.monotonic() + 15
    while not so():
        assert time.monotonic() < end, 'in vain'
        time.sleep(0.002)
far = start(['unshare', '-n', 'sleep', '60'])
def is_far(): return os.readlink(f'/proc/{far.pid}/ns/net') != os.readlink('/proc/self/ns/net')
there = ['nsenter', '-t', str(far.pid), '-n']
try:
    wait_for(is_far)
    run('ip', 'link', 'add', 'v0', 'type', 'veth', 'peer', 'name', 'v1')
    run('ip', 'link', 'set', 'v1', 'netns', str(far.pid))
    run('ip', 'addr', 'add', '192.0.2.1/24', 'dev', 'v0')
    run('ip', 'link', 'set', 'v0', 'up')
    run(*there, 'ip', 'addr', 'add', '192.0.2.2/24', 'dev', 'v1')
    run(*there, 'ip', 'link', 'set', 'v1', 'up')
except Exception as why:
    print('skipped', getattr(why, 'stderr', why))
    far.kill()
    sys.exit(0)
peer = start(there + ['python3', '-uc', PEER], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
assert peer.stdout.readline() == 'listens\n'
def tell(word): peer.stdin.write(word + '\n'); peer.stdin.flush()
log = open('/proc/self/fd/' + str(os.memfd_create('log')), 'r+')
def said(step): log.seek(0); return any(f'"step":"{step}"' in line for line in log.read().splitlines())
def connect(*words, **more):
    return start([fincat, 'connect', '192.0.2.2', '2000', '--trace', '--json', *words],
        stderr=open(log.fileno(), 'a', closefd=False), **more)
def state():
    shown = run('ss', '-tanH', 'dport', '=', ':2000').stdout.split()
    return shown[0] if shown else '-'
try:
    TEST
finally:
    for child in children: child.kill()
log.seek(0)
sys.stderr.write(log.read())
"#;

/// Runs `test` in the islands, with `peer` at the far end; its output and the lines of JSON, or None where it cannot be.
#[track_caller]
fn in_islands(peer: &str, test: &str) -> Option<(String, Vec<Value>)> {
    let (unshare, _) = (external("unshare")?, external("ip")?);
    let test = test.trim().replace('\n', "\n    ");
    let script = ISLANDS.replace("PEER", &format!("{peer:?}")).replace("TEST", &test);
    let line = ["-r", "-n", "--kill-child", "python3", "-c", &script, fincat()];
    let exit = Launch::new().start(unshare, line).wait();
    let out = String::from_utf8_lossy(&exit.stdout).into_owned();
    if exit.stderr.starts_with("unshare: ") || out.starts_with("skipped") {
        let name = std::thread::current();
        let why = exit.stderr.lines().chain(out.lines()).next().unwrap_or_default();
        let _ = writeln!(std::io::stderr(), "{}: skipped: {why}", name.name().unwrap_or("a test"));
        return None;
    }
    let exit = exit.expect(0);
    Some((out, lines(&exit.stderr)))
}

/// Our FIN is lost on its way, the peer's comes: both have closed at once. Then ours arrives.
#[test]
fn both_close_at_once() {
    const PEER: &str = "
import socket, sys
s = socket.create_server(('192.0.2.2', 2000))
print('listens')
c, _ = s.accept()
print('accepted')
sys.stdin.readline()
c.shutdown(socket.SHUT_WR)
while c.recv(100): pass
";
    const TEST: &str = "
tool = connect(stdin=subprocess.PIPE)
assert peer.stdout.readline() == 'accepted\\n'
wait_for(lambda: said('connected'))
wrong = ['ip', 'neigh', 'replace', '192.0.2.2', 'dev', 'v0', 'nud', 'permanent', 'lladdr']
right = json.loads(run(*there, 'ip', '-j', 'link', 'show', 'v1').stdout)[0]['address']
run(*wrong, '02:00:00:00:00:09')
tool.stdin.close()
wait_for(lambda: said('our-fin'))
tell('close')
wait_for(lambda: said('peers-fin'))
print(state())
run(*wrong, right)
print(tool.wait(15))
";
    let Some((out, told)) = in_islands(PEER, TEST) else { return };
    assert_eq!(out, "CLOSING\n0\n", "{told:#?}");
    expect_steps(&told, "peer", &["our-fin FIN-WAIT-1", "peers-fin CLOSING", "acknowledged TIME-WAIT?"]);
    let verdict = only(&told, "verdict");
    assert_eq!((&verdict["time_wait"], &verdict["in_order"]), (&"both".into(), &true.into()), "{verdict}");
    assert!(verdict["retransmissions"].as_u64().is_some_and(|count| (1..100).contains(&count)), "{verdict}");
}

/// The link goes down in the middle: what was never acknowledged is counted, and never called in order.
#[test]
fn a_network_that_is_lost() {
    const PEER: &str = "
import socket, sys
s = socket.create_server(('192.0.2.2', 2000))
print('listens')
c, _ = s.accept()
got = 0
while got < 1 << 20: got += len(c.recv(65536))
print('much')
c.settimeout(3)
try:
    while True: got += len(c.recv(65536))
except TimeoutError:
    print(got)
";
    const TEST: &str = "
tool = connect('--user-timeout', '1s', '--confirm', stdin=open('/dev/zero'))
assert peer.stdout.readline() == 'much\\n'
run(*there, 'ip', 'link', 'set', 'v1', 'down')
print(tool.wait(15))
print(peer.stdout.readline(), end='')
";
    let Some((out, told)) = in_islands(PEER, TEST) else { return };
    let mut numbers = out.lines().map(|line| line.parse::<u64>().unwrap_or_else(|why| panic!("{line}: {why}")));
    let (status, arrived) = (numbers.next(), numbers.next().expect("what has arrived"));
    let verdict = only(&told, "verdict");
    assert!(matches!(status, Some(5 | 6)), "{status:?} {told:#?}");
    assert_eq!(verdict["in_order"], false, "{verdict}");
    assert!(matches!(verdict["ending"].as_str(), Some("timeout" | "unreachable")), "{verdict}");
    let (sent, lost) = (verdict["sent"].as_u64(), verdict["unacknowledged"].as_u64());
    let (sent, lost) = sent.zip(lost).expect("numbers");
    assert!(lost > 0 && sent - lost <= arrived, "{arrived} of {sent} arrived: {verdict}");
    assert_eq!(only(&told, "confirmation")["confirmed"], false, "{told:#?}");
    expect_steps(&told, "peer", &["sent ESTABLISHED", "lost"]);
}
