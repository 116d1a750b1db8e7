//! What people forward, unchanged: a web server under load, ssh, a database; each from Debian, started by the test.

use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use tempfile::TempDir;

use super::forward;
use super::side::Kind;
use crate::kernel::wait_until;
use crate::launch::{Launch, Stdin};
use crate::pattern::pattern;
use crate::peers::{Python, external};
use crate::process::Process;
use crate::tool::Tool;

/// A web server at a path, a thread for each connection, which stays open.
const WEB: &str = r"
import http.server, socketserver, sys
class Page(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    def do_GET(self):
        body = b'hello ' * 200
        self.send_response(200)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def address_string(self):
        return 'somebody'
    def log_message(self, *args):
        pass
class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    request_queue_size = 128
server = Server(sys.argv[1], Page)
print('ready')
server.serve_forever()
";

/// A folder, a server at the path `name` in it, and a forwarder in front of it.
#[track_caller]
fn in_front(name: &str, start: impl FnOnce(&str) -> Option<Process>) -> Option<(TempDir, Process, Tool)> {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join(name).to_str().expect("a path in UTF-8").to_owned();
    let server = start(&path)?;
    let tool = forward(Kind::Tcp, &["--thread"], &format!("unix:{path}"));
    Some((folder, server, tool))
}

/// wrk for some seconds: not one error.
fn serves_wrk(seconds: u32) {
    let Some(wrk) = external("wrk") else { return };
    let web = in_front("web", |path| {
        let web = Python::run(WEB, &[path])?;
        web.wait_stdout_line(1);
        Some(web)
    });
    let Some((_folder, _web, tool)) = web else { return };
    let (url, time) = (format!("http://{}/", tool.addr()), format!("{seconds}s"));
    let mut wrk = Launch::new().start(wrk, ["-t", "1", "-c", "8", "-d", &time, &url]);
    let exit = wrk.wait_within(Duration::from_secs(u64::from(seconds) + 20)).expect(0);
    let said = String::from_utf8_lossy(&exit.stdout);
    assert!(said.contains(" requests in ") && !said.contains("\n  0 requests"), "{said}");
    assert!(!said.contains("Socket errors") && !said.contains("Non-2xx"), "{said}");
    // What wrk has asked and does not wait for in the end is all that may be said of.
    let failures = tool.stderr();
    let others: Vec<_> = failures.lines().filter(|line| !line.ends_with("reset by the peer")).collect();
    assert!(others.is_empty(), "{others:?}");
}

#[test]
fn a_web_server_serves_wrk() {
    serves_wrk(2);
}

#[test]
#[ignore = "load: run by .ci/run"]
fn a_web_server_serves_wrk_for_longer() {
    serves_wrk(20);
}

#[test]
fn a_database_answers() {
    let (Some(server), Some(client)) = (external("redis-server"), external("redis-cli")) else { return };
    let redis = in_front("redis", |path| {
        let folder = PathBuf::from(path).parent().map(PathBuf::from).expect("a folder");
        let folder = folder.to_str().expect("a path in UTF-8").to_owned();
        let line = ["--port", "0", "--unixsocket", path, "--save", "", "--daemonize", "no", "--dir", &folder];
        let redis = Launch::new().start(server, line);
        wait_until("redis listens", || std::os::unix::net::UnixStream::connect(path).is_ok());
        Some(redis)
    });
    let Some((_folder, _redis, tool)) = redis else { return };
    let port = tool.addr().port().to_string();
    let ask = |words: &[&str], stdin: Stdin| {
        let line = [&["-h", "127.0.0.1", "-p", &port], words].concat();
        let exit = Launch::new().stdin(stdin).start(&client, line).wait().expect(0);
        String::from_utf8(exit.stdout).expect("text").trim_end().to_owned()
    };
    assert_eq!(ask(&["ping"], Stdin::Null), "PONG");
    let much = "x".repeat(1 << 20);
    assert_eq!(ask(&["-x", "set", "much"], Stdin::Bytes(much.clone().into_bytes())), "OK");
    assert_eq!(ask(&["get", "much"], Stdin::Null), much);
    let many: Vec<String> = (0..1000).map(|number| format!("SET key:{number} {number}\r\n")).collect();
    let said = ask(&["--pipe"], Stdin::Bytes(many.concat().into_bytes()));
    assert!(said.contains("errors: 0, replies: 1000"), "{said}");
}

/// Starts `sshd -i` for each connection, as inetd does, with a configuration in a folder of its own.
const INETD: &str = r"
import socket, subprocess, sys
listener = socket.create_server(('127.0.0.1', 0))
print(listener.getsockname()[1])
while True:
    s, _ = listener.accept()
    subprocess.Popen(sys.argv[1:], stdin=s, stdout=s, stderr=subprocess.DEVNULL)
    s.close()
";

/// What a key and a server need; sshd of root wants a folder in /run, which it finds in a mount namespace of its own.
const SSHD: &str = r#"
set -e
cd "$1"
ssh-keygen -q -t ed25519 -N '' -f host
ssh-keygen -q -t ed25519 -N '' -f user
cat > sshd <<END
HostKey $1/host
AuthorizedKeysFile $1/user.pub
StrictModes no
UsePAM no
PermitRootLogin prohibit-password
PidFile none
END
if [ "$(id -u)" -ne 0 ] || [ -d /run/sshd ]; then echo "exec $2 -i -f $1/sshd" > run
else
    unshare -m true
    echo "exec unshare -m sh -c 'mount -t tmpfs none /run && mkdir /run/sshd && exec $2 -i -f $1/sshd'" > run
fi
"#;

#[test]
fn ssh_works() {
    let sshd = external("sshd").or_else(|| Some(PathBuf::from("/usr/sbin/sshd")).filter(|path| path.is_file()));
    let (Some(sshd), Some(ssh)) = (sshd, external("ssh")) else { return };
    let folder = TempDir::new().expect("a folder");
    let place = folder.path().to_str().expect("a path in UTF-8");
    let ready = Launch::new().start("sh", ["-c", SSHD, "sh", place, sshd.to_str().expect("a path")]).wait();
    if ready.code != Some(0) {
        let why = ready.stderr.trim();
        let _ = writeln!(std::io::stderr(), "forward::services::ssh_works: skipped: no sshd can be set up: {why}");
        return;
    }
    let Some(server) = Python::run(INETD, &["sh", &format!("{place}/run")]) else { return };
    let tool = forward(Kind::Tcp, &["--thread"], &Python::addr(&server).to_string());
    let (port, key) = (tool.addr().port().to_string(), format!("{place}/user"));
    let known = format!("UserKnownHostsFile={place}/known");
    let options = ["-F", "none", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no", "-o", &known, "-o"];
    let line = [&options[..], &["ConnectTimeout=10", "-i", &key, "-p", &port, "127.0.0.1", "cat; exit 7"]].concat();
    let much = pattern(1 << 20, 98);
    let exit = Launch::new().stdin(Stdin::Bytes(much.clone())).start(ssh, line).wait().expect(7);
    assert!(exit.stdout == much, "{} bytes came back: {}", exit.stdout.len(), exit.stderr);
}
