//! What a process and its children cost in memory, and a line about it that libtest does not swallow; it judges nothing.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use crate::kernel::children;

/// Says something of the running test, whether or not it fails: a figure, or why something was left out.
pub(super) fn tell(line: &str) {
    let name = thread::current();
    let _ = writeln!(std::io::stderr(), "{}: {line}", name.name().unwrap_or("a test"));
}

/// The most memory that a process has had at once (`VmHWM`), in KiB.
#[track_caller]
pub(super) fn peak(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("a process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("VmHWM");
    line.trim().trim_end_matches(" kB").parse().expect("KiB")
}

/// Where memory is counted: a control group of the test's own, what the kernel holds for it included, where one can be
/// had; else the processes' own account of themselves (Pss), without the kernel's part.
pub(super) struct Account {
    group: Option<PathBuf>,
}

impl Account {
    /// A new one.
    pub(super) fn open() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let ours = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let path = ours.lines().find_map(|line| Some(line.split_once(":memory:")?.1.to_owned()));
        let group = path
            .map(|path| PathBuf::from(format!("/sys/fs/cgroup/memory{path}/fincat-{}-{number}", std::process::id())));
        Self { group: group.filter(|group| fs::create_dir(group).is_ok()) }
    }

    /// The line of shell by which a process enters it.
    pub(super) fn entry(&self) -> String {
        self.group.as_ref().map_or(String::new(), |group| format!("echo $$ > '{}/cgroup.procs'", group.display()))
    }

    /// How it counts.
    pub(super) fn how(&self) -> &'static str {
        if self.group.is_some() { "the kernel's part included (cgroup)" } else { "the kernel's part not counted (Pss)" }
    }

    /// What the process that has entered costs now, and all its children, in KiB.
    #[track_caller]
    pub(super) fn of(&self, pid: u32) -> u64 {
        if let Some(group) = &self.group {
            let usage = fs::read_to_string(group.join("memory.usage_in_bytes")).expect("the group's memory");
            return usage.trim().parse::<u64>().expect("bytes") >> 10;
        }
        let children = children(pid).into_iter().filter_map(|child| u32::try_from(child.pid).ok());
        std::iter::once(pid).chain(children).filter_map(pss).sum()
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        if let Some(group) = &self.group {
            // It goes with the last of its processes, which may be dying still.
            for _ in 0..1000 {
                if fs::remove_dir(group).is_ok() {
                    return;
                }
                thread::sleep(std::time::Duration::from_millis(5));
            }
        }
    }
}

fn pss(pid: u32) -> Option<u64> {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}
