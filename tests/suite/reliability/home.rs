//! What is lacking at home: descriptors, processes, threads, memory. A server waits until it is there again, and loses
//! nobody; one that has nothing to wait for says in one sentence what it cannot do.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use tempfile::TempDir;

use super::account::tell;
use crate::capture::{DEADLINE, again};
use crate::kernel::{children, wait_until};
use crate::launch::{Launch, Stdin};
use crate::matrix::{Case, Mode, Role, matrix};
use crate::peers::{PeerStream, external, silence};
use crate::process::{Exit, Process, Signal};
use crate::tool::{Tool, fincat};

/// Sets how many descriptors a process may have from now on; what is open stays open. How many it could have before.
#[track_caller]
fn allow(process: &Process, count: u64) -> u64 {
    let pid = Pid::from_raw(process.id().try_into().expect("a process number"));
    let limit = Rlimit { current: Some(count), ..getrlimit(Resource::Nofile) };
    prlimit(pid, Resource::Nofile, limit).expect("prlimit").current.unwrap_or(1024)
}

/// The descriptors that a process has.
fn held(process: &Process) -> Vec<u64> {
    let folder = fs::read_dir(format!("/proc/{}/fd", process.id())).expect("a process");
    folder.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect()
}

/// Takes every descriptor away that it does not use yet, once nothing more is opened. How many it could have before.
#[track_caller]
fn forbid(process: &Process) -> u64 {
    wait_until("it has opened all it needs to listen", || {
        let before = held(process);
        silence(Duration::from_millis(20));
        before == held(process)
    });
    let held = held(process);
    // The limit is one of numbers: the next that would be given is too high.
    let next = (0..=4096).find(|number| !held.contains(number)).expect("there are more numbers");
    allow(process, next)
}

/// A sentence about what is lacking, and nothing else.
#[track_caller]
fn says_what_is_lacking(tool: &Tool) {
    // EMFILE in glibc's words, or in musl's.
    let is_lacking =
        |line: &str| line.contains("too many open files") || line.contains("no file descriptors available");
    tool.wait_line(|line| line.starts_with("fincat: cannot accept more for now: ") && is_lacking(line));
}

matrix!(every over all: nobody_is_lost_while_no_descriptor_is_free);

/// They come while accept(2), or what a conversation needs, fails with EMFILE; then there is room again.
fn nobody_is_lost_while_no_descriptor_is_free(case: Case) {
    let handlers: &[&[&str]] = match case.mode {
        Mode::OneShot if case.role == Role::Connect => return,
        Mode::OneShot => return only_one(case),
        _ => &[&["--echo"], &["--", "cat"], &["--pipes", "--", "cat"]],
    };
    for handler in handlers {
        let mut tool = case.serve(Tool::with(Stdin::Null), handler);
        let before = forbid(&tool);
        let peers: Vec<_> = (0..3).map(|_| case.meet(&tool)).collect();
        for peer in &peers {
            peer.write("heard");
        }
        says_what_is_lacking(&tool);
        allow(&tool, before);
        for peer in &peers {
            assert_eq!(peer.read(5), b"heard", "{handler:?}");
            peer.shutdown();
            assert_eq!(peer.read_to_end(), b"", "{handler:?}");
        }
        wait_until("no process is left", || children(tool.id()).is_empty());
        tool.signal(Signal::TERM);
        let exit = tool.wait().expect_signal(Signal::TERM);
        let said: Vec<_> = exit.stderr.lines().filter(|line| !line.contains("another peer is waiting")).collect();
        assert!((1..=3).contains(&said.len()), "{exit}");
    }
}

/// The same for one who serves one.
#[track_caller]
fn only_one(case: Case) {
    let mut tool = case.serve(Tool::with(Stdin::Bytes(b"answer".to_vec())), &[]);
    let before = forbid(&tool);
    let peer = case.meet(&tool);
    peer.write("question");
    says_what_is_lacking(&tool);
    allow(&tool, before);
    assert_eq!(peer.read_to_end(), b"answer");
    peer.shutdown();
    let exit = tool.wait().expect(0);
    assert_eq!(exit.stdout, b"question");
    assert_eq!(exit.stderr.lines().count(), 1, "{exit}");
}

/// Datagrams that came while nobody could be given a conversation are answered when there is room again.
#[test]
fn no_datagram_is_lost_while_no_descriptor_is_free() {
    let folder = TempDir::new().expect("a folder");
    let ways = [&["--thread"][..], &["--fork"], &["--single", "-k", "--idle-timeout", "50ms"]];
    let each = [&["-k", "--per-datagram"][..], &["--thread", "--per-datagram"]];
    for (number, mode) in ways.into_iter().chain(each).enumerate() {
        let tool =
            Tool::with(Stdin::Null).announce(&["udp", "listen"], &[&["127.0.0.1", "0", "--echo"], mode].concat());
        let before = forbid(&tool);
        let senders: Vec<_> = (0..3).map(|_| UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("bind")).collect();
        for sender in &senders {
            sender.set_read_timeout(Some(DEADLINE)).expect("a timeout");
            sender.connect(tool.addr()).expect("connect");
            sender.send(b"one").expect("send");
            sender.send(b"two").expect("send");
        }
        says_what_is_lacking(&tool);
        allow(&tool, before);
        for sender in &senders {
            let mut heard = [(); 2].map(|()| receive(|buffer| sender.recv(buffer)));
            heard.sort();
            assert_eq!(heard, ["one", "two"], "udp {mode:?}");
        }

        let tool = Tool::with(Stdin::Null).listen_unix([&["--type", "dgram", "--echo"], mode].concat());
        let before = forbid(&tool);
        let name = |sender| folder.path().join(format!("{number} {sender}"));
        let senders: Vec<_> = (0..3).map(|sender| UnixDatagram::bind(name(sender)).expect("bind")).collect();
        for sender in &senders {
            sender.set_read_timeout(Some(DEADLINE)).expect("a timeout");
            sender.send_to(b"one", tool.path()).expect("send");
            sender.send_to(b"two", tool.path()).expect("send");
        }
        says_what_is_lacking(&tool);
        allow(&tool, before);
        for sender in &senders {
            let mut heard = [(); 2].map(|()| receive(|buffer| sender.recv(buffer)));
            heard.sort();
            assert_eq!(heard, ["one", "two"], "unix {mode:?}");
        }
    }
}

/// The next datagram, as text.
#[track_caller]
fn receive(mut take: impl FnMut(&mut [u8]) -> io::Result<usize>) -> String {
    let mut buffer = [0; 100];
    let count = again(|| take(&mut buffer)).expect("a datagram");
    String::from_utf8_lossy(&buffer[..count]).into_owned()
}

/// An echo server of std's, for as long as the test runs.
fn echo() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("bind");
    let port = listener.local_addr().expect("an address").port();
    thread::spawn(move || {
        for peer in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || {
                let (mut reader, mut writer) = (&peer, &peer);
                let _ = io::copy(&mut reader, &mut writer);
            });
        }
    });
    port
}

/// Either all went well, or one sentence says what did not.
#[track_caller]
fn well_or_one_sentence(exit: &Exit, said: &str, wanted: &[u8], what: &str) {
    let lines: Vec<_> = said.lines().collect();
    if exit.code == Some(0) {
        assert!(lines.is_empty() && exit.stdout == wanted, "{what}: {exit}");
    } else {
        let is_a_failure = matches!(exit.code, Some(1 | 3 | 5 | 8 | 126));
        let is_a_sentence = lines.len() == 1 && lines[0].starts_with("fincat: cannot ");
        // What a check found is its answer.
        assert!(is_a_failure && (is_a_sentence || what.contains("-z")), "{what}: {exit}");
    }
}

/// With any number of descriptors, from hardly any to enough.
#[test]
fn too_few_descriptors_are_one_sentence() {
    let (port, folder) = (echo().to_string(), TempDir::new().expect("a folder"));
    let file = |name: &str| folder.path().join(name).to_str().expect("a path in UTF-8").to_owned();
    let (send, dump, log) = (file("send"), file("dump"), file("log"));
    fs::write(&send, "hello").expect("write it");
    let connect = ["connect", "127.0.0.1", &port];
    let lines: [&[&str]; 8] = [
        &connect,
        &["connect", "localhost", &port],
        &["connect", "127.0.0.1", &port, "--send-file", &send],
        &["connect", "127.0.0.1", &port, "--hexdump", &dump],
        &["connect", "127.0.0.1", &port, "--log-file", &log],
        &["connect", "127.0.0.1", &port, "--pipes", "--sh", "echo hello >&2"],
        &["connect", "-z", "--quiet", "127.0.0.1", &port],
        &["listen", "127.0.0.1", "0", "-w", "1ms", "--thread", "--echo"],
    ];
    for line in lines {
        for count in 6..=20 {
            let _ = fs::remove_file(&log);
            let launch = Tool::with(Stdin::Bytes(b"hello".to_vec())).setup(&format!("ulimit -n {count}"));
            let exit = launch.run(line);
            let said = fs::read_to_string(&log).unwrap_or_else(|_| exit.stderr.replace("hello\n", ""));
            let wanted: &[u8] = if line.contains(&"-z") || line.contains(&"--pipes") { b"" } else { b"hello" };
            if line.contains(&"-z") && exit.code == Some(0) {
                continue;
            }
            well_or_one_sentence(&exit, &said, wanted, &format!("{line:?} with {count}"));
        }
    }
}

/// fincat as a user of the test's own, who may have `count` processes and threads in all; None where that cannot be had.
fn as_somebody(count: u32, which: u32) -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        tell("skipped: only root can become somebody else");
        return None;
    }
    let (setpriv, prlimit) = (external("setpriv")?, external("prlimit")?);
    // Nobody else has this number: the limit counts all that a user runs.
    let user = 3_000_000_000 + u64::from(std::process::id()) * 16 + u64::from(which);
    let (setpriv, prlimit) = (setpriv.display(), prlimit.display());
    Some(format!("set -- {prlimit} --nproc={count} {setpriv} --reuid={user} --regid={user} --clear-groups \"$@\""))
}

/// Whether somebody else can execute what is tested.
fn may_be_executed(setup: &str) -> bool {
    let may = Launch::new().setup(setup).start(fincat(), ["-V"]).wait().code == Some(0);
    if !may {
        tell("skipped: another user cannot execute fincat where it lies");
    }
    may
}

/// EAGAIN of clone(2), RLIMIT_NPROC: those for whom there is no process wait, and are served as others leave.
#[test]
fn nobody_is_lost_where_processes_run_out() {
    for (which, (mode, handler)) in (0..).zip([
        ("--thread", &["--echo"][..]),
        ("--fork", &["--echo"]),
        // Three threads, and processes for two of their commands.
        ("--thread", &["-m", "3", "--", "cat"]),
        ("--fork", &["--", "cat"]),
        ("--thread", &["-m", "3", "--pipes", "--", "cat"]),
        // A conversation's own process, and its command's.
        ("--fork", &["-m", "3", "--pipes", "--", "cat"]),
    ]) {
        let Some(setup) = as_somebody(6, which) else { return };
        if !may_be_executed(&setup) {
            return;
        }
        let launch = Tool::with(Stdin::Null).setup(&setup);
        let mut tool = launch.listen([&["127.0.0.1", "0", mode], handler].concat());
        let peers: Vec<_> = (0..8).map(|_| PeerStream::tcp(tool.addr())).collect();
        for peer in &peers {
            peer.write("heard");
        }
        let lacking =
            |line: &str| line.starts_with("fincat: cannot accept more for now: ") && line.contains("temporarily");
        tool.wait_line(lacking);
        // Whoever is served first is anybody's guess: all are heard in the end, as one after the other leaves.
        for peer in &peers {
            peer.shutdown();
        }
        for peer in &peers {
            assert_eq!(peer.read_to_end(), b"heard", "{mode} {handler:?}");
        }
        wait_until("no process is left", || children(tool.id()).is_empty());
        tool.signal(Signal::TERM);
        let exit = tool.wait().expect_signal(Signal::TERM);
        assert!(exit.stderr.lines().all(lacking), "{exit}");
    }
}

/// The same with one conversation, which has nobody to wait for.
#[test]
fn a_command_that_cannot_be_started_is_one_sentence() {
    let port = echo().to_string();
    for (which, how) in (8..).zip([&["--sh", "echo"][..], &["--pipes", "--sh", "echo"]]) {
        let Some(setup) = as_somebody(1, which) else { return };
        if !may_be_executed(&setup) {
            return;
        }
        let exit =
            Tool::with(Stdin::Null).setup(&setup).run([&["connect", "127.0.0.1", &port], how].concat()).expect(126);
        assert_eq!(exit.stderr, "fincat: cannot run /bin/sh: resource temporarily unavailable\n");
    }
}

/// RLIMIT_AS: no memory for another thread's stack. Those who are served need no more than they had once.
#[test]
fn nobody_is_lost_where_memory_runs_out() {
    for mode in ["--thread", "--fork"] {
        // One heap that grows page by page: what is too little for a stack is enough for what is small.
        let launch = Tool::with(Stdin::Null).env("MALLOC_ARENA_MAX", "1").env("MALLOC_TOP_PAD_", "0");
        let mut tool = launch.listen(["127.0.0.1", "0", mode, "--echo"]);
        let crowd = |count| {
            let peers: Vec<_> = (0..count).map(|_| PeerStream::tcp(tool.addr())).collect();
            for peer in &peers {
                peer.write("heard");
            }
            peers
        };
        let leave = |peers: Vec<PeerStream>| {
            peers.iter().for_each(PeerStream::shutdown);
            for peer in &peers {
                assert_eq!(peer.read_to_end(), b"heard", "{mode}");
            }
        };
        leave(crowd(10));
        let status = fs::read_to_string(format!("/proc/{}/status", tool.id())).expect("a process");
        let line = status.lines().find_map(|line| line.strip_prefix("VmSize:")).expect("VmSize");
        let size: u64 = line.trim().trim_end_matches(" kB").parse().expect("KiB");
        let pid = Pid::from_raw(tool.id().try_into().expect("a process number"));
        let limit = Rlimit { current: Some((size + 100) << 10), ..getrlimit(Resource::As) };
        prlimit(pid, Resource::As, limit).expect("prlimit");
        let peers = crowd(20);
        if mode == "--thread" {
            tool.wait_line(|line| line.starts_with("fincat: cannot accept more for now: "));
        }
        leave(peers);
        wait_until("no process is left", || children(tool.id()).is_empty());
        tool.signal(Signal::TERM);
        let exit = tool.wait().expect_signal(Signal::TERM);
        assert!(exit.stderr.lines().count() <= 1, "{exit}");
    }
}
