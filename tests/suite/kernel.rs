//! What only the kernel knows: processes, as /proc shows them, and a port that nobody serves any more;
//! looked at again and again, and therefore not for anything that has a descriptor to wait for.

use std::fs;
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use socket2::{Domain, Socket, Type};

use crate::capture::{DEADLINE, deadline, readable_by};
use crate::peers::unix_address;

/// Waits until `so` is true.
///
/// ```ignore
/// wait_until("no child is a zombie", || children(tool.id()).iter().all(|child| child.state != 'Z'));
/// ```
#[track_caller]
pub(crate) fn wait_until(what: &str, mut so: impl FnMut() -> bool) {
    let deadline = deadline();
    while !so() {
        assert!(Instant::now() < deadline, "in vain: {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// Waits until `addr` refuses to be connected to. What gets through before that is closed at once.
#[track_caller]
pub(crate) fn wait_refused(addr: SocketAddr) {
    wait_until("connecting is refused", || {
        let refused = |error: io::Error| error.kind() == ErrorKind::ConnectionRefused;
        TcpStream::connect_timeout(&addr, DEADLINE).is_err_and(refused)
    });
}

/// Waits until nobody can be connected to at the path of a unix socket. What gets through is closed at once.
#[track_caller]
pub(crate) fn wait_deserted(path: &Path, kind: Type) {
    wait_until("nobody is at the path", || {
        let socket = Socket::new(Domain::UNIX, kind, None).expect("a socket");
        let vain = |error: io::Error| matches!(error.kind(), ErrorKind::ConnectionRefused | ErrorKind::NotFound);
        socket.connect(&unix_address(path)).is_err_and(vain)
    });
}

/// Whether this machine has `::1`.
pub(crate) fn has_ipv6() -> bool {
    TcpListener::bind("[::1]:0").is_ok()
}

/// A process, at the moment it was looked at.
pub(crate) struct Stat {
    /// Its number.
    pub(crate) pid: i32,
    /// `R`, `S`, `Z` and so on.
    pub(crate) state: char,
    /// Who started it, or who inherited it.
    pub(crate) parent: i32,
    /// Its process group.
    pub(crate) group: i32,
    /// The processor time it has used, in user and kernel mode.
    pub(crate) cpu: Duration,
}

impl Stat {
    /// What is known of the process `pid`, unless it is gone.
    pub(crate) fn of(pid: i32) -> Option<Self> {
        let line = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The second field, the name in brackets, may itself have spaces and brackets.
        let (_, rest) = line.rsplit_once(") ")?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        let ticks = |field: usize| fields.get(field)?.parse::<u64>().ok();
        Some(Self {
            pid,
            state: fields.first()?.chars().next()?,
            parent: fields.get(1)?.parse().ok()?,
            group: fields.get(2)?.parse().ok()?,
            // A tick is a hundredth of a second, whatever the kernel's own clock.
            cpu: Duration::from_millis(10 * (ticks(11)? + ticks(12)?)),
        })
    }
}

/// The processes that `parent` has started and not yet waited for.
pub(crate) fn children(parent: u32) -> Vec<Stat> {
    let names = fs::read_dir("/proc").expect("/proc").filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let processes = names.filter_map(|name| Stat::of(name.parse().ok()?));
    processes.filter(|stat| u32::try_from(stat.parent) == Ok(parent)).collect()
}

/// The processor time that the process `pid` uses in `time`.
#[track_caller]
pub(crate) fn busy(pid: u32, time: Duration) -> Duration {
    let used = || Stat::of(pid.try_into().expect("a process number")).expect("a running process").cpu;
    let before = used();
    thread::sleep(time);
    used().checked_sub(before).expect("time goes forward")
}

/// A process that is nobody's child here, such as a command that fincat runs; dropping it kills it.
pub(crate) struct Stranger {
    pid: i32,
    ended: Option<OwnedFd>,
}

impl Stranger {
    /// Takes note of the process `pid`, which may have ended already.
    #[track_caller]
    pub(crate) fn of(pid: i32) -> Self {
        let number = Pid::from_raw(pid).expect("a process number is positive");
        Self { pid, ended: pidfd_open(number, PidfdFlags::empty()).ok() }
    }

    /// Sends it a signal; that it may be gone is no failure.
    pub(crate) fn signal(&self, signal: Signal) {
        if let Some(process) = &self.ended {
            let _ = pidfd_send_signal(process, signal);
        }
    }

    /// Waits for its end.
    #[track_caller]
    pub(crate) fn wait_gone(&self) {
        if let Some(ended) = &self.ended {
            assert!(readable_by(ended, deadline()), "process {} lives on", self.pid);
        }
    }

    /// Demands that it does not end within `time`.
    #[track_caller]
    pub(crate) fn outlives(&self, time: Duration) {
        let ended = self.ended.as_ref().is_none_or(|ended| readable_by(ended, Instant::now() + time));
        assert!(!ended, "process {} has ended", self.pid);
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

#[test]
fn a_child_is_seen_in_proc() {
    let mut shell = crate::launch::Launch::new().start("sh", ["-c", "sleep 1000 & echo $!; wait"]);
    let pid = shell.wait_stdout_line(1).parse().expect("a process number");
    let found = children(shell.id());
    assert!(found.iter().any(|child| child.pid == pid), "{pid} is a child of {}", shell.id());
    let sleeper = Stranger::of(pid);
    sleeper.outlives(Duration::ZERO);
    assert_eq!(busy(shell.id(), Duration::from_millis(20)), Duration::ZERO);
    drop(sleeper);
    Stranger::of(pid).wait_gone();
    let _ = shell.wait();
}
