//! Who the peer is: its process, user and group, in the trace and in the environment, and whom that lets
//! in; not what permissions the path has (`paths`).

use std::os::unix::net::UnixDatagram;

use rustix::process::{getegid, geteuid};
use socket2::Type;
use tempfile::TempDir;

use super::{CONNECTED, named, receive, within};
use crate::launch::{Launch, Stdin};
use crate::peers::{Ending, PeerListener, PeerStream, Python};
use crate::tool::{Tool, fincat};

/// What a command says of its environment.
const SAY: &str = "echo $PROTO $UNIXREMOTEPID $UNIXREMOTEUID $UNIXREMOTEGID [$UNIXLOCALPATH] [$UNIXREMOTEPATH] \
     [$TCPREMOTEIP$UDPREMOTEIP]";

/// The peers are ours, and so are their credentials.
fn credentials() -> String {
    format!("{} {} {}", std::process::id(), geteuid().as_raw(), getegid().as_raw())
}

/// UCSPI for unix sockets, when the peer comes to us.
#[test]
fn a_command_learns_who_came() {
    for (word, kind) in CONNECTED {
        for mode in [&[][..], &["--single", "-k"], &["--thread"], &["--fork"]] {
            for pipes in [&[][..], &["--pipes"]] {
                let args = [&["--type", word], mode, pipes, &["--sh", SAY]].concat();
                let launch = Launch::new().env("UNIXREMOTEPATH", "stale").env("TCPREMOTEIP", "stale");
                let tool = launch.listen_unix(args);
                let said = PeerStream::unix(tool.path(), kind).read_to_end();
                let wanted = format!("UNIX {} [{}] [] []\n", credentials(), tool.path().display());
                assert_eq!(String::from_utf8_lossy(&said), wanted, "{word} {mode:?} {pipes:?}");
            }
        }
    }
}

/// The same, when we go to the peer: it is the remote path that is known.
#[test]
fn a_command_learns_whom_we_went_to() {
    for (word, kind) in CONNECTED {
        let listener = PeerListener::unix(kind);
        let mut tool = Launch::new().connect_unix(&listener.path(), ["--type", word, "--sh", SAY]);
        let peer = listener.accept();
        let said = peer.read_to_end();
        drop(peer);
        let wanted = format!("UNIX {} [] [{}] []\n", credentials(), listener.path());
        assert_eq!(String::from_utf8_lossy(&said), wanted, "{word}");
        tool.wait().expect(0);
    }
}

/// A sender of datagrams is known by its name.
#[test]
fn a_command_learns_which_sender_it_is_about() {
    let folder = TempDir::new().expect("a folder");
    for mode in ["--thread", "--fork", "--per-datagram"] {
        let line = "echo $PROTO [$UNIXLOCALPATH] [$UNIXREMOTEPATH]";
        let tool = Launch::new().listen_unix(["--type", "dgram", mode, "--sh", line]);
        let client = named(&folder, &format!("client{mode}"));
        client.send_to(b"x", tool.path()).expect("send");
        let wanted = format!("UNIX [{}] [{}]\n", tool.path().display(), within(&folder, &format!("client{mode}")));
        assert_eq!(String::from_utf8_lossy(&receive(&client).0), wanted, "{mode}");
    }
}

/// `-v` says who came: a process, and whose.
#[test]
fn verbose_names_the_process() {
    for (word, kind) in CONNECTED {
        let tool = Launch::new().listen_unix(["--type", word, "--thread", "--echo", "-v"]);
        let peer = PeerStream::unix(tool.path(), kind);
        peer.write("x");
        assert_eq!(peer.read(1), b"x");
        let line = tool.wait_line(|line| line.contains("accepted"));
        let pid = std::process::id().to_string();
        assert!(line.contains(&pid) && line.contains(&format!("user {}", geteuid().as_raw())), "{line}");
    }
}

/// `--allow-uid` and `--allow-gid`: one of them is enough, and who is not let in is closed at once and
/// told of.
#[test]
fn some_are_let_in() {
    let (user, group) = (geteuid().as_raw().to_string(), getegid().as_raw().to_string());
    let table: [(&[&str], bool); 6] = [
        (&["--allow-uid", &user], true),
        (&["--allow-gid", &group], true),
        (&["--allow-uid", "4242"], false),
        (&["--allow-gid", "4242"], false),
        (&["--allow-uid", "4242", "--allow-uid", &user], true),
        (&["--allow-uid", "4242", "--allow-gid", &group], true),
    ];
    for (word, kind) in CONNECTED {
        for mode in ["--single", "--thread", "--fork"] {
            for (rules, entry) in table {
                let tool = Launch::new().listen_unix([&["--type", word, mode, "-k", "--echo"], rules].concat());
                let peer = PeerStream::unix(tool.path(), kind);
                if entry {
                    peer.write("x");
                    assert_eq!(peer.read(1), b"x", "{rules:?}");
                    assert_eq!(tool.stderr(), "");
                } else {
                    assert_eq!(peer.hear_out(), (Vec::new(), Ending::Fin), "{rules:?}");
                    let pid = std::process::id().to_string();
                    tool.wait_line(|line| line.starts_with("fincat: ") && line.contains(&pid));
                }
            }
        }
    }
}

/// Another user, who connects and prints what it hears.
const OTHER: &str = "
import os, socket, sys
os.setgid(4242)
os.setuid(4242)
peer = socket.socket(socket.AF_UNIX)
peer.connect(sys.argv[1])
print(peer.recv(1))
";

/// Whoever is refused does not use up the one conversation.
#[test]
fn who_is_not_let_in_does_not_count() {
    if !geteuid().is_root() {
        eprintln!("who_is_not_let_in_does_not_count: skipped: only root can be somebody else");
        return;
    }
    let folder = TempDir::new().expect("a folder");
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(folder.path(), open).expect("chmod");
    let path = within(&folder, "socket");
    let args = [&path, "--mode", "0666", "--allow-uid", "root", "--echo"];
    let mut tool = Tool::with(Stdin::Null).announce(&["unix", "listen"], &args);
    let Some(mut other) = Python::run(OTHER, &[&path]) else { return };
    assert_eq!(other.wait().expect(0).stdout, b"b''\n");
    tool.wait_line(|line| line.starts_with("fincat: "));
    let peer = PeerStream::unix(&path, Type::STREAM);
    peer.write("x");
    assert_eq!(peer.read(1), b"x");
    drop(peer);
    tool.wait().expect(0);
}

/// Datagrams have no credentials: what cannot act is refused, and no file is made.
#[test]
fn rules_about_processes_are_not_for_datagrams() {
    let folder = TempDir::new().expect("a folder");
    let path = within(&folder, "socket");
    for rule in [["--allow-uid", "0"], ["--allow-gid", "0"]] {
        Tool::run([&["unix", "listen", &path, "--type", "dgram", "--thread", "--echo"][..], &rule].concat()).expect(2);
    }
    assert!(UnixDatagram::bind(&path).is_ok(), "the path is free");
}

/// Nor have unix sockets networks.
#[test]
fn rules_about_networks_are_not_for_unix_sockets() {
    for rule in [["--allow", "127.0.0.1"], ["--deny", "::1"], ["--max-per-ip", "1"]] {
        Tool::run([&["unix", "listen", "/nonexistent/socket", "--thread", "--echo"][..], &rule].concat()).expect(2);
    }
}

/// A peer from outside the container that fincat is in: it has no process number there, but a user all the same.
#[test]
fn a_peer_of_another_process_namespace_is_known_by_its_user() {
    let apart = Launch::new().start("unshare", ["--pid", "--fork", "true"]).wait();
    if apart.code != Some(0) {
        eprintln!("a_peer_of_another_process_namespace_is_known_by_its_user: skipped: {}", apart.stderr.trim());
        return;
    }
    let user = geteuid().as_raw().to_string();
    let folder = TempDir::new().expect("a folder");
    let path = within(&folder, "socket");
    let fincat = ["--pid", "--fork", "--kill-child=KILL", fincat(), "unix", "listen", &path];
    let args = [&fincat[..], &["-k", "-v", "--allow-uid", &user, "--sh", SAY]].concat();
    let server = Launch::new().start("unshare", args);
    server.wait_line(|line| line.contains("listening on"));
    let said = PeerStream::unix(&path, Type::STREAM).read_to_end();
    let wanted = format!("UNIX 0 {user} {} [{path}] [] []\n", getegid().as_raw());
    assert_eq!(String::from_utf8_lossy(&said), wanted, "{}", server.stderr());
}
