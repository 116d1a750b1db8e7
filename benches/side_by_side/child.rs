//! A tool under measurement: started, waited for, weighed, and ended together with what it started.
//! What it is asked to do is not known here.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{Read, Seek};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, WaitOptions, kill_process, pidfd_open, waitpid};

use crate::contenders::installed;
use crate::rounds::Failure;

/// What /proc counts processor time in; user space has seen no other value for decades.
const TICK: Duration = Duration::from_millis(10);

/// A process of ours. Dropping it ends it and its descendants.
pub(crate) struct Tool {
    name: String,
    child: Child,
    ended: OwnedFd,
    said: File,
    status: Option<ExitStatus>,
    /// The moment before it was started.
    pub(crate) started: Instant,
}

/// How a tool ended.
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    /// Processor time of the process and of the children that it waited for.
    pub(crate) cpu: Duration,
    /// When that was noticed.
    pub(crate) at: Instant,
}

impl Tool {
    /// Starts `words`; standard error is kept for the reason of a failure.
    pub(crate) fn start(words: &[String], stdin: impl Into<Stdio>, stdout: impl Into<Stdio>) -> Result<Self, Failure> {
        let said = tempfile::tempfile()?;
        let program = installed(&words[0]).unwrap_or_else(|| words[0].clone().into());
        let mut command = Command::new(program);
        command.args(&words[1..]).stdin(stdin).stdout(stdout).stderr(said.try_clone()?);
        let started = Instant::now();
        let child = command.spawn()?;
        let ended = pidfd_open(Pid::from_child(&child), PidfdFlags::empty()).map_err(std::io::Error::from)?;
        let name = words[0].rsplit('/').next().unwrap_or_default().to_owned();
        Ok(Self { name, child, ended, said, status: None, started })
    }

    /// Waits until it has ended; `within` that time, or it fails.
    pub(crate) fn wait(&mut self, within: Duration) -> Result<Ended, Failure> {
        if !is_readable_within(&self.ended, within) {
            return Err(Failure::Failed(format!("{} did not end in {within:?}", self.name)));
        }
        let at = Instant::now();
        // A process that has ended and was not waited for still shows what it used.
        let cpu = cpu_of(self.child.id());
        let status = self.child.wait()?;
        self.status = Some(status);
        Ok(Ended { status, cpu, at })
    }

    /// As [`Tool::wait`], and the status has to be 0.
    pub(crate) fn expect_success(&mut self, within: Duration) -> Result<Ended, Failure> {
        let ended = self.wait(within)?;
        if ended.status.success() { Ok(ended) } else { Err(Failure::Broken(self.complaint())) }
    }

    /// The status and the last thing said.
    pub(crate) fn complaint(&mut self) -> String {
        let mut text = Vec::new();
        let heard = self.said.rewind().and_then(|()| self.said.read_to_end(&mut text));
        let text = if heard.is_ok() { String::from_utf8_lossy(&text).into_owned() } else { String::new() };
        let last = text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("nothing said").trim();
        let status = self.status.map_or("still there".into(), |status| status.to_string());
        format!("{}: {status}: {last}", self.name)
    }

    /// Whether it has ended by itself.
    pub(crate) fn has_ended(&self) -> bool {
        is_readable_within(&self.ended, Duration::ZERO)
    }

    /// Waits until it has no children left, half a second at most, then tells its processor time and theirs.
    pub(crate) fn cpu_with_children(&self) -> Duration {
        let patience = Instant::now() + Duration::from_millis(500);
        while Instant::now() < patience && !descendants(self.child.id()).is_empty() {
            std::thread::sleep(Duration::from_millis(5));
        }
        let all = [self.child.id()].into_iter().chain(descendants(self.child.id()));
        all.map(cpu_of).sum()
    }

    /// The most memory it has had resident so far, in KiB; it has to be running.
    pub(crate) fn peak_memory(&self) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        line.split_whitespace().next()?.parse().ok()
    }

    /// Bytes of user space, of it and its descendants; what several share counts once.
    pub(crate) fn memory_with_children(&self) -> u64 {
        let all = [self.child.id()].into_iter().chain(descendants(self.child.id()));
        let share = |pid| {
            let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
            let kib = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
            kib.split_whitespace().next()?.parse::<u64>().ok()
        };
        all.filter_map(share).sum::<u64>() * 1024
    }

    /// Ends it, and whatever it has started.
    pub(crate) fn stop(&mut self) {
        if self.status.is_some() {
            return;
        }
        let orphans = descendants(self.child.id());
        // Not yet waited for, so the number is still its own.
        let _ = self.child.kill();
        self.status = self.child.wait().ok();
        for pid in orphans {
            end_orphan(pid);
        }
    }
}

impl Drop for Tool {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Whether `fd` becomes readable in time.
pub(crate) fn is_readable_within(fd: impl AsFd, within: Duration) -> bool {
    let deadline = Instant::now() + within;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let left = Timespec::try_from(left).expect("a deadline fits a timespec");
        match poll(&mut [PollFd::new(&fd, PollFlags::IN)], Some(&left)) {
            Ok(ready) => return ready > 0,
            Err(Errno::INTR) => {}
            Err(_) => return false,
        }
    }
}

/// We are the subreaper: what a tool leaves behind becomes our child, and its number stays its own until we wait.
fn end_orphan(pid: u32) {
    let parent = parents().get(&pid).copied();
    if parent != Some(std::process::id()) {
        return;
    }
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, Signal::KILL);
        let _ = waitpid(Some(pid), WaitOptions::empty());
    }
}

/// Processes that descend from `root`, without it.
pub(crate) fn descendants(root: u32) -> Vec<u32> {
    let parents = parents();
    let mut found = vec![root];
    let mut at = 0;
    while at < found.len() {
        let parent = found[at];
        found.extend(parents.iter().filter(|(_, of)| **of == parent).map(|(pid, _)| *pid));
        at += 1;
    }
    found.split_off(1)
}

/// Who started whom.
fn parents() -> HashMap<u32, u32> {
    let Ok(folder) = fs::read_dir("/proc") else { return HashMap::new() };
    let pids = folder.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter_map(|pid| Some((pid, field(&stat(pid)?, 4)?))).collect()
}

/// A process's line, from its third field on: the second may hold anything.
fn stat(pid: u32) -> Option<String> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    text.rsplit_once(") ").map(|(_, rest)| rest.to_owned())
}

/// A field by its number in proc(5).
fn field<N: std::str::FromStr>(stat: &str, number: usize) -> Option<N> {
    stat.split_whitespace().nth(number - 3)?.parse().ok()
}

/// User and system time, and those of waited-for children.
fn ticks(pid: u32) -> Duration {
    let Some(stat) = stat(pid) else { return Duration::ZERO };
    let ticks = (14..18).filter_map(|number| field::<u32>(&stat, number)).sum::<u32>();
    TICK * ticks
}

/// The scheduler counts in nanoseconds, but forgets threads and children that have ended; ticks remember them.
fn cpu_of(pid: u32) -> Duration {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let precise = threads.filter_map(|thread| {
        let text = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse().ok().map(Duration::from_nanos)
    });
    let (precise, coarse): (Duration, _) = (precise.sum(), ticks(pid));
    if coarse > precise + TICK { coarse } else { precise }
}
