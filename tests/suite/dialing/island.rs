//! A network of its own, for what cannot be had on a machine that others use: addresses that swallow every packet,
//! names that resolve as the test wants, name servers that never answer; it is gone with the script that runs in it.

use std::io::{self, Write as _};

use crate::launch::Launch;
use crate::peers::external;
use crate::process::Exit;
use crate::tool::fincat;

/// Sets the network up: everything sent to 192.0.2.9 and 2001:db8::9 is lost, `two.example` is 2001:db8::9 and then
/// 127.0.0.1, `gone.example` is 192.0.2.9, and whoever asks for another name waits for ever.
const SETUP: &str = r#"
island() {
    ip link set lo up &&
    ip link add v0 type veth peer name v1 &&
    ip link set v0 up && ip link set v1 up &&
    ip addr add 192.0.2.1/24 dev v0 &&
    ip -6 addr add 2001:db8::1/64 dev v0 nodad &&
    ip neigh add 192.0.2.9 lladdr 02:00:00:00:00:09 dev v0 nud permanent &&
    ip -6 neigh add 2001:db8::9 lladdr 02:00:00:00:00:09 dev v0 nud permanent &&
    mount -t tmpfs none /mnt &&
    printf '%s\n' '2001:db8::9 two.example' '127.0.0.1 two.example' '192.0.2.9 gone.example' \
        '127.0.0.1 localhost' '::1 localhost' > /mnt/hosts &&
    printf 'nameserver 192.0.2.9\n' > /mnt/resolv.conf &&
    mount --bind /mnt/hosts /etc/hosts && mount --bind /mnt/resolv.conf /etc/resolv.conf
}
said=$(island 2>&1) || { echo "skipped: $said" | head -1 >&2; exit 0; }
"#;

/// Runs a script of sh there; `$fincat` is fincat. None, and one line that says so, where there can be no such network.
#[track_caller]
pub(crate) fn visit(script: &str) -> Option<Exit> {
    let unshare = external("unshare")?;
    external("ip")?;
    let line = ["-rnm", "sh", "-c", &format!("{SETUP}\n{script}")].map(str::to_owned);
    let launch = Launch::new().env("fincat", fincat());
    let exit = launch.start(unshare, line).wait();
    if exit.stderr.starts_with("unshare:") || exit.stderr.starts_with("skipped:") {
        let name = std::thread::current();
        let _ = writeln!(io::stderr(), "{}: {}", name.name().unwrap_or("a test"), exit.stderr.trim());
        return None;
    }
    Some(exit)
}
