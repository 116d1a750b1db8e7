//! More than one try: how many, after what, and that somebody who appears later is met.

use std::io::Read as _;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::island;
use crate::capture::DEADLINE;
use crate::dead_ends::{Full, NAMELESS, Refusing};
use crate::launch::{Launch, Stdin};
use crate::peers::external;
use crate::process::{Exit, Signal};
use crate::tool::Tool;

/// The lines that say that there will be another try.
fn again(exit: &Exit) -> usize {
    exit.stderr.lines().filter(|line| line.contains("; again in ")).count()
}

#[test]
fn so_many_times_and_no_more() {
    let nobody = Refusing::port();
    let exit = Tool::connect(nobody.addr(), ["-v", "--retry", "3", "--retry-delay", "10ms"]).wait().expect(4);
    assert_eq!(again(&exit), 3, "{exit}");
    let last = exit.stderr.lines().last().unwrap_or_default();
    assert!(last.contains("refused") && !last.contains("again"), "{exit}");
    let exit = Tool::connect(nobody.addr(), ["--retry", "3", "--retry-delay", "10ms"]).wait().expect(4);
    assert_eq!(exit.stderr.lines().count(), 1, "without -v only the last failure is told: {exit}");
}

#[test]
fn an_unknown_name_is_tried_again_for_a_time_only() {
    let line = ["connect", "-v", NAMELESS, "80"];
    let exit = Tool::run(line.iter().chain(&["--retry", "3", "--retry-delay", "10ms"])).expect(3);
    assert_eq!(again(&exit), 0, "{exit}");
    let exit = Tool::run(line.iter().chain(&["--retry-for", "500ms"])).expect(3);
    assert!(again(&exit) >= 1, "{exit}");
}

#[test]
fn somebody_who_comes_later_is_met() {
    for options in [["--retry-for", "20s"], ["--retry", "100"]] {
        let nobody = Refusing::port();
        let mut line = vec!["-v", "--send", "hello"];
        line.extend(options);
        if options[0] == "--retry" {
            line.extend(["--retry-delay", "20ms"]);
        }
        let mut tool = Tool::connect(nobody.addr(), &line);
        tool.wait_line(|line| line.contains("refused; again in "));
        let listener = nobody.relents();
        let (met, _) = listener.accept().expect("accept");
        assert_eq!(heard(met), b"hello");
        tool.wait().expect(0);
    }
}

fn heard(mut met: TcpStream) -> Vec<u8> {
    met.set_read_timeout(Some(DEADLINE)).expect("a timeout");
    let mut bytes = Vec::new();
    met.read_to_end(&mut bytes).expect("read");
    bytes
}

/// A path where there is nothing yet is tried again like a port that refuses.
#[test]
fn a_path_that_appears_is_met() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("later");
    let text = path.to_str().expect("UTF-8").to_owned();
    let mut tool = Tool::with(Stdin::Null).connect_unix(&text, ["-v", "--send", "x", "--retry-for", "20s"]);
    tool.wait_line(|line| line.contains("; again in "));
    let listener = std::os::unix::net::UnixListener::bind(&path).expect("bind");
    let (mut met, _) = listener.accept().expect("accept");
    met.set_read_timeout(Some(DEADLINE)).expect("a timeout");
    let mut bytes = Vec::new();
    met.read_to_end(&mut bytes).expect("read");
    assert_eq!(bytes, b"x");
    drop(met);
    tool.wait().expect(0);
}

/// Somebody who is unreachable, and then swallows every packet: when the time is over, the answer is the last one that
/// there was, and that we stopped asking is no answer. That the conversation has no time left is one.
#[test]
fn a_try_that_is_cut_off_says_nothing() {
    let Some(_) = external("python3") else { return };
    let connect = "$fincat connect -v --retry-for 2s 192.0.2.9 80 2>&1; echo status $?";
    let listen = "$fincat listen 127.0.0.1 0 --count 1 -v --to 192.0.2.9:80 --retry-for 2s --ready-fd 3 2>&1 3> /mnt/addr; echo status $?";
    let client = "
read -r addr < /mnt/addr
python3 -c 'import socket, sys; socket.create_connection((\"127.0.0.1\", int(sys.argv[1]))).recv(1)' ${addr#*:} 2> /mnt/said";
    let deadline = "$fincat connect -v --retry-for 2s --deadline 2s 192.0.2.9 80 2>&1; echo status $?";
    let cut_off = "no route to host; the last try was cut off after 2 s (--retry-for)";
    let late = "timed out after 2 s (--deadline)";
    for (tool, meanwhile, words, status) in
        [(connect, "", cut_off, 6), (listen, client, cut_off, 0), (deadline, "", late, 5)]
    {
        let script = format!(
            "
mkfifo /mnt/addr
ip route add unreachable 192.0.2.9/32
{{ {tool}; }} | while read -r line; do
    case $line in *'again in'*) ip route del unreachable 192.0.2.9/32 2> /mnt/said;; *) echo \"$line\";; esac
done &
{meanwhile}
wait"
        );
        let Some(exit) = island::visit(&script) else { return };
        let told = String::from_utf8_lossy(&exit.stdout).into_owned();
        assert!(
            told.contains(&format!("192.0.2.9:80: {words}\n")) && told.ends_with(&format!("status {status}\n")),
            "{exit}"
        );
    }
}

/// Each try has its `-w`, all of them have `--retry-for`.
#[test]
fn each_try_has_its_bound() {
    let full = Full::listener();
    let exit = Tool::connect(full.addr(), ["-v", "-w", "100ms", "--retry", "1", "--retry-delay", "10ms"]).wait();
    let exit = exit.expect(5);
    assert_eq!(exit.stderr.matches("timed out after 100 ms (-w)").count(), 2, "{exit}");
    let begun = Instant::now();
    let exit = Tool::connect(full.addr(), ["--retry-for", "300ms"]).wait().expect(5);
    assert!(exit.stderr.contains("timed out after 300 ms (--retry-for)"), "{exit}");
    assert!(begun.elapsed() >= Duration::from_millis(300), "{:?}", begun.elapsed());
}

#[test]
fn the_deadline_is_over_all_tries() {
    let nobody = Refusing::port();
    let line = ["--deadline", "300ms", "--retry", "9", "--retry-delay", "5s"];
    let exit = Tool::connect(nobody.addr(), line).wait().expect(5);
    assert!(exit.stderr.contains("refused; timed out after 300 ms (--deadline)"), "{exit}");
}

#[test]
fn a_signal_ends_the_waiting_for_another_try() {
    let nobody = Refusing::port();
    let mut tool = Tool::connect(nobody.addr(), ["-v", "--retry", "9", "--retry-delay", "10s"]);
    tool.wait_line(|line| line.contains("; again in "));
    tool.signal(Signal::TERM);
    tool.wait().expect_signal(Signal::TERM);
}

/// In a network where nothing is reachable at first: that passes too.
#[test]
fn an_unreachable_network_is_tried_again() {
    let Some(exit) = island::visit("$fincat connect -v --retry 2 --retry-delay 10ms 198.51.100.1 80") else { return };
    assert_eq!(again(&exit), 2, "{exit}");
    exit.expect(6);
}

#[test]
fn datagrams_wait_for_a_name_as_well() {
    let exit = Launch::new().run(["udp", "connect", "-v", "--retry-for", "2s", NAMELESS, "9"]).expect(3);
    assert!(again(&exit) >= 1, "{exit}");
}
