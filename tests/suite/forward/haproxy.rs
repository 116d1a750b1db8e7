//! haproxy at the other end of PROXY headers: it reads what we tell, and tells what we read; both versions.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::fd::OwnedFd;

use tempfile::TempDir;

use super::forward;
use super::side::Kind;
use crate::launch::{Launch, Stdin};
use crate::peers::{PeerListener, PeerStream, external};
use crate::process::Process;
use crate::tool::Tool;

/// haproxy between a port of its own and `server`, whose lines in its configuration end so.
struct Haproxy {
    process: Process,
    addr: SocketAddr,
    folder: TempDir,
}

impl Haproxy {
    /// None, and one line that says so, where there is none.
    #[track_caller]
    fn start(bind: &str, server: &str) -> Option<Self> {
        let haproxy = external("haproxy").or_else(|| external("/usr/sbin/haproxy"))?;
        let folder = TempDir::new().expect("a folder");
        // It takes the socket over, as its descriptor 0, so that the port is never free for others.
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("bind a free port");
        let addr = listener.local_addr().expect("an address");
        let listener = File::from(OwnedFd::from(listener));
        let config = format!(
            "global\n  maxconn 100\ndefaults\n  mode tcp\n  timeout connect 5s\n  timeout client 20s\n  timeout server 20s\n\
             frontend f\n  bind fd@0 {bind}\n  default_backend b\nbackend b\n  server s {server}\n"
        );
        let path = folder.path().join("haproxy.cfg");
        std::fs::write(&path, config).expect("write its configuration");
        let path = path.to_str().expect("a path in UTF-8");
        let process = Launch::new().stdin(Stdin::File(listener)).start(haproxy, ["-db", "-f", path]);
        Some(Self { process, addr, folder })
    }
}

/// It tells us who called, in both versions; a command finds its client's address.
#[test]
fn haproxy_tells() {
    for version in ["send-proxy", "send-proxy-v2"] {
        let line = ["127.0.0.1", "0", "--fork", "-v", "--proxy-protocol", "accept", "--sh"];
        let told = "echo $PROTO $TCPREMOTEIP $TCPREMOTEPORT $TCPLOCALIP $TCPLOCALPORT; exec cat";
        let tool = Tool::with(Stdin::Null).listen([&line[..], &[told]].concat());
        let Some(haproxy) = Haproxy::start("", &format!("{} {version}", tool.addr())) else { return };
        let near = PeerStream::tcp(haproxy.addr);
        near.write("payload");
        near.shutdown();
        let (own, its) = near.addrs();
        let wanted = format!("TCP {} {} {} {}\npayload", own.ip(), own.port(), its.ip(), its.port());
        assert_eq!(String::from_utf8_lossy(&near.read_to_end()), wanted, "{version}");
        tool.wait_line(|line| line.starts_with(&format!("fincat: {own}: accepted on {its} by way of 127.0.0.1:")));
    }
}

/// It believes us, and says so to the next one, in the version that we have not used.
#[test]
fn haproxy_is_told() {
    for (ours, its) in [("v1", "send-proxy-v2"), ("v2", "send-proxy")] {
        let listener = PeerListener::tcp();
        let Some(haproxy) = Haproxy::start("accept-proxy", &format!("{} {its}", listener.addr())) else { return };
        let tool = forward(Kind::Tcp, &["--proxy-protocol", ours], &haproxy.addr.to_string());
        let near = PeerStream::tcp(tool.addr());
        near.write("payload");
        near.shutdown();
        let (own, fincats) = near.addrs();
        let told = listener.accept().read_to_end();
        let (told, wanted) = if its == "send-proxy" {
            let line = format!("PROXY TCP4 127.0.0.1 127.0.0.1 {} {}\r\npayload", own.port(), fincats.port());
            (told, line.into_bytes())
        } else {
            let ports = [own.port().to_be_bytes(), fincats.port().to_be_bytes()].concat();
            (told[16..].to_vec(), [&[127, 0, 0, 1, 127, 0, 0, 1][..], &ports, b"payload"].concat())
        };
        assert_eq!(told, wanted, "{ours}");
    }
}

/// Its looks at our health are LOCAL, or connections without a word; neither is anybody's conversation.
#[test]
fn haproxy_looks_at_our_health() {
    let tool = Tool::with(Stdin::Null).listen(["127.0.0.1", "0", "--thread", "--proxy-protocol", "accept", "--echo"]);
    let server = format!("{} send-proxy-v2 check inter 50ms", tool.addr());
    let Some(haproxy) = Haproxy::start("", &server) else { return };
    let near = PeerStream::tcp(haproxy.addr);
    near.write("payload");
    near.shutdown();
    assert_eq!(near.read_to_end(), b"payload");
    assert!(tool.is_running());
    assert!(haproxy.process.is_running());
    assert!(haproxy.folder.path().exists());
}
