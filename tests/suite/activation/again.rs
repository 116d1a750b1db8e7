//! A manager that keeps its sockets and starts fincat again and again: each leaves them as it found them.

use std::os::unix::net::UnixDatagram;
use std::path::Path;

use tempfile::TempDir;

use super::notice;
use crate::capture::{DEADLINE, again};
use crate::launch::{Launch, Stdin};
use crate::peers::{PeerStream, external};
use crate::process::{Process, Signal};
use crate::tool::fincat;

/// Listens, says the port, and starts fincat for each line of its input, one after another, saying its number.
const MANAGER: &str = r"
import os, signal, socket, sys
path, fincat, line = sys.argv[1], sys.argv[2], sys.argv[3:]
if path == 'tcp':
    s = socket.create_server(('127.0.0.1', 0))
elif path == 'udp':
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(('127.0.0.1', 0))
else:
    s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    s.bind(path)
print(0 if s.family == socket.AF_UNIX else s.getsockname()[1], flush=True)
for _ in sys.stdin:
    child = os.fork()
    if child == 0:
        # Not to be overwritten before it is in its place.
        number = s.fileno() if s.fileno() != 3 else os.dup(3)
        os.dup2(number, 3, inheritable=True)
        os.execve(fincat, [fincat] + line, dict(os.environ, LISTEN_FDS='1', LISTEN_PID=str(os.getpid())))
    print(child, flush=True)
    _, status = os.waitpid(child, 0)
    print('ended', status, flush=True)
";

#[track_caller]
fn manager(launch: Launch, socket: &str, line: &[&str]) -> Option<Process> {
    let python = external("python3")?;
    let fincat = fincat();
    Some(launch.stdin(Stdin::Pipe).start(python, [&["-u", "-c", MANAGER, socket, fincat], line].concat()))
}

fn stop(pid: &str) {
    let pid = pid.parse().ok().and_then(rustix::process::Pid::from_raw).expect("a process number");
    rustix::process::kill_process(pid, Signal::TERM).expect("kill");
}

/// Whoever comes while one stops waits for the next one: nobody is refused.
#[test]
fn nobody_is_refused_between_two() {
    for mode in [&["--single", "-k"][..], &["--thread"], &["--fork"], &[]] {
        let line = [&["listen", "--activated", "--echo", "--grace", "1h"][..], mode].concat();
        let line = if mode.is_empty() { &line[..3] } else { &line[..] };
        let (notice, name, _folder) = notice::manager(true);
        let Some(manager) = manager(Launch::new().env("NOTIFY_SOCKET", name), "tcp", line) else { return };
        let addr = crate::peers::Python::addr(&manager);
        manager.write("start\n");
        let first = PeerStream::tcp(addr);
        first.write("x");
        assert_eq!(first.read(1), b"x");
        if !mode.is_empty() {
            stop(&manager.wait_stdout_line(2));
            assert_eq!([notice::heard(&notice), notice::heard(&notice)], ["READY=1", "STOPPING=1"]);
        }
        let second = PeerStream::tcp(addr);
        second.write("y");
        first.shutdown();
        assert_eq!(first.read_to_end(), b"");
        drop(first);
        assert!(manager.wait_stdout_line(3).starts_with("ended"));
        let third = PeerStream::tcp(addr);
        manager.write("start\n");
        assert_eq!(second.read(1), b"y", "{mode:?}");
        second.shutdown();
        assert_eq!(second.read_to_end(), b"");
        drop(third);
        if !mode.is_empty() {
            stop(&manager.wait_stdout_line(4));
        }
        assert!(manager.wait_stdout_line(5).starts_with("ended"));
    }
}

/// One sender had the socket for itself: the next fincat hears another.
#[test]
fn datagrams_of_others_are_heard_again() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("s");
    let line = ["unix", "listen", "--activated", "--type", "dgram", "--echo", "--datagrams", "1"];
    let Some(manager) = manager(Launch::new(), path.to_str().expect("UTF-8"), &line) else { return };
    assert_eq!(manager.wait_stdout_line(1), "0");
    for round in 0..3 {
        manager.write("start\n");
        let sender = sender(&folder.path().join(format!("{round}")));
        sender.send_to(b"hello", &path).expect("send");
        assert_eq!(again(|| sender.recv(&mut [0; 16])).expect("an answer"), 5);
        assert_eq!(manager.wait_stdout_line(3 + 2 * round), "ended 0");
    }
}

fn sender(path: &Path) -> UnixDatagram {
    let sender = UnixDatagram::bind(path).expect("bind");
    sender.set_read_timeout(Some(DEADLINE)).expect("a timeout");
    sender
}

/// A group that the socket has joined already can be asked for again.
#[test]
fn a_group_is_joined_again() {
    let line = ["udp", "listen", "--activated", "--multicast", "239.1.2.3%lo", "--echo", "--datagrams", "1"];
    let Some(manager) = manager(Launch::new(), "udp", &line) else { return };
    let addr = crate::peers::Python::addr(&manager);
    for round in 0..2 {
        manager.write("start\n");
        let sender = std::net::UdpSocket::bind("127.0.0.1:0").expect("bind");
        sender.set_read_timeout(Some(DEADLINE)).expect("a timeout");
        sender.send_to(b"hello", addr).expect("send");
        assert_eq!(again(|| sender.recv(&mut [0; 16])).expect("an answer"), 5);
        assert_eq!(manager.wait_stdout_line(3 + 2 * round), "ended 0");
    }
}
