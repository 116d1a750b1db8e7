//! Another congestion control without touching the machine's: a copy of the benchmark in a network namespace of
//! its own, which root has, and everybody where user namespaces are allowed. What it measures is not known here.

use std::process::{Command, Stdio};
use std::time::Instant;

use crate::arguments::Arguments;
use crate::rounds::Bench;
use crate::table::Line;

/// Inside, as root of the namespace: loopback up, the congestion control set for those that come after.
const ENTER: &str = r#"ip link set lo up && echo "$0" > /proc/sys/net/ipv4/tcp_congestion_control && exec "$@""#;

/// Measures `rows` under `congestion`; the error says why there is no such place.
pub(crate) fn measure_inside(
    arguments: &Arguments,
    bench: &Bench,
    congestion: &str,
    rows: &[&str],
) -> Result<Vec<Line>, String> {
    let options = [&["-n"][..], &["-r", "-n"]].into_iter().find(|options| is_allowed(options, congestion));
    let options = options.ok_or("no network namespace, or not in one")?;
    let left = bench.deadline.saturating_duration_since(Instant::now()).as_secs().max(1);
    let mut command = enter(options, congestion);
    command.arg(std::env::current_exe().map_err(|error| error.to_string())?);
    command.args(["--bench", "--inside", congestion, "--seconds", &left.to_string()]);
    command.args(["--runs", &bench.rounds.to_string()]).arg("--binary").arg(&bench.files.binary);
    if arguments.quick {
        command.arg("--quick");
    }
    if let Some(binary) = &bench.files.static_binary {
        command.arg("--static").arg(binary);
    }
    let output = command.args(rows).stderr(Stdio::inherit()).output().map_err(|error| error.to_string())?;
    let lines: Vec<Line> = String::from_utf8_lossy(&output.stdout).lines().filter_map(Line::from_record).collect();
    if lines.is_empty() { Err(format!("the copy in there ended with {}", output.status)) } else { Ok(lines) }
}

fn enter(options: &[&str], congestion: &str) -> Command {
    let mut command = Command::new("unshare");
    command.args(options).args(["sh", "-c", ENTER, congestion]).stdin(Stdio::null());
    command
}

fn is_allowed(options: &[&str], congestion: &str) -> bool {
    let tried = enter(options, congestion).arg("true").stdout(Stdio::null()).stderr(Stdio::null()).status();
    tried.is_ok_and(|status| status.success())
}
