//! What the figures depend on and a reader has to know: processor, kernel, congestion control, versions, date.
//! Names of machines are none of that.

use std::fs;
use std::process::{Command, Stdio};

use crate::contenders::installed;

fn line_of(path: &str) -> Option<String> {
    fs::read_to_string(path).ok()?.lines().next().map(|line| line.trim().to_owned())
}

/// `KIND, N cores`.
pub(crate) fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = text.lines().find(|line| line.starts_with("model name")).and_then(|line| line.split_once(':'));
    let model = model.map_or(std::env::consts::ARCH, |(_, model)| model.trim());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let is_virtual = text.lines().any(|line| line.starts_with("flags") && line.contains(" hypervisor"));
    format!("{model}, {cores} core{}{}", if cores == 1 { "" } else { "s" }, if is_virtual { ", virtual" } else { "" })
}

/// The release without what a distributor appends.
pub(crate) fn kernel() -> String {
    let release = line_of("/proc/sys/kernel/osrelease").unwrap_or_default();
    let release = release.split(|mark: char| !mark.is_ascii_digit() && mark != '.').next().unwrap_or_default();
    format!("Linux {release}")
}

/// What a socket gets that asks for nothing.
pub(crate) fn congestion_control() -> String {
    line_of("/proc/sys/net/ipv4/tcp_congestion_control").unwrap_or_else(|| "unknown".into())
}

/// Bytes that could be had without swapping.
pub(crate) fn available_memory() -> u64 {
    memory(&["MemAvailable"]).unwrap_or(1 << 30)
}

/// Bytes that the kernel holds for whatever lives: stacks, page tables, sockets, tasks. Programs that come and go
/// meanwhile move it little, unlike all memory.
pub(crate) fn kernel_memory() -> u64 {
    memory(&["KernelStack", "PageTables", "SUnreclaim"]).unwrap_or(0)
}

fn memory(names: &[&str]) -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let amount = |name: &&str| -> Option<u64> {
        let (_, amount) = text.lines().filter_map(|line| line.split_once(':')).find(|(found, _)| found == name)?;
        amount.split_whitespace().next()?.parse().ok()
    };
    names.iter().map(amount).sum::<Option<u64>>().map(|kib| kib * 1024)
}

/// Processes that wanted a processor, averaged over the last minute.
pub(crate) fn load_average() -> String {
    let line = line_of("/proc/loadavg").unwrap_or_default();
    line.split(' ').next().unwrap_or_default().to_owned()
}

/// Today, in UTC.
pub(crate) fn date() -> String {
    first_line("date", &["-u", "+%Y-%m-%d"]).unwrap_or_else(|| "an unknown day".into())
}

/// The peers that are there, each with its version where it tells one.
pub(crate) fn peers() -> Vec<String> {
    let asked: [(&str, &[&str]); 7] = [
        ("nc.openbsd", &["-h"]),
        ("ncat", &["--version"]),
        ("socat", &["-V"]),
        ("python3", &["--version"]),
        ("haproxy", &["-v"]),
        ("nginx", &["-v"]),
        ("tcpserver", &[]),
    ];
    let there = asked.iter().filter(|(program, _)| installed(program).is_some());
    there.map(|(program, option)| describe(program, option)).collect()
}

/// The program and its number, which is the first word with a digit and a dot in what it says.
fn describe(program: &str, option: &[&str]) -> String {
    let said = if option.is_empty() { String::new() } else { everything_said(program, option) };
    let is_number = |word: &&str| {
        word.contains('.') && word.trim_start_matches(['v', '(']).starts_with(|first: char| first.is_ascii_digit())
    };
    let numbers = said.split([' ', '\n', '/', ')']).find(is_number);
    match numbers {
        Some(number) => format!("{program} {number}"),
        None => program.to_owned(),
    }
}

fn everything_said(program: &str, options: &[&str]) -> String {
    let Some(path) = installed(program) else { return String::new() };
    let output = Command::new(path).args(options).stdin(Stdio::null()).output();
    output.map_or_else(
        |_| String::new(),
        |output| [output.stdout, output.stderr].map(|said| String::from_utf8_lossy(&said).into_owned()).join("\n"),
    )
}

fn first_line(program: &str, options: &[&str]) -> Option<String> {
    everything_said(program, options).lines().next().map(str::to_owned).filter(|line| !line.is_empty())
}

/// The version of the fincat under measurement.
pub(crate) fn version_of(binary: &std::path::Path) -> String {
    let said = first_line(&binary.display().to_string(), &["--version"]);
    said.unwrap_or_else(|| "fincat".into())
}
