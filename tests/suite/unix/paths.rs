//! A path is taken, held and left: whose it is, who may use it, and what becomes of it in the end; not
//! who uses it then (`who`).

use std::fs::{self, Permissions};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixDatagram;

use socket2::Type;
use tempfile::TempDir;

use super::{AT_ONCE, CONNECTED, named, receive, stale, things, within};
use crate::capture::readable_by;
use crate::launch::{Launch, Stdin};
use crate::peers::{PeerListener, PeerStream, Python, external};
use crate::process::Signal;
use crate::tool::{Tool, fincat};

/// The types, and a handler that all of them can have.
const TYPES: [&str; 3] = ["stream", "dgram", "seqpacket"];

/// Demands that `fincat unix listen` leaves `path` to whoever has it.
#[track_caller]
fn is_refused(path: &str) {
    for word in TYPES {
        for mode in [&[][..], &["-k"], &["--thread"], &["--mode", "600"]] {
            let line = [&["unix", "listen", path, "--type", word, "--echo"], mode].concat();
            let exit = Tool::run(line).expect(8);
            let named = exit.stderr.starts_with("fincat: cannot ") && exit.stderr.contains(path);
            assert!(named && exit.stderr.lines().count() == 1, "{exit}");
        }
    }
}

/// A server that was killed leaves its path behind; the next one takes it.
#[test]
fn a_stale_path_is_replaced() {
    let folder = TempDir::new().expect("a folder");
    let path = within(&folder, "socket");
    for (word, kind) in CONNECTED {
        stale(&path);
        let tool = Launch::new().announce(&["unix", "listen"], &[&path, "--type", word, "-k", "--echo"]);
        assert_eq!(tool.announced(), [path.as_str()]);
        let peer = PeerStream::unix(&path, kind);
        peer.write("x");
        assert_eq!(peer.read(1), b"x");
        assert_eq!(things(folder.path()), 1, "nothing else was made");
        drop(tool);
        assert_eq!(things(folder.path()), 0);
    }
    stale(&path);
    let tool = Launch::new().announce(&["unix", "listen"], &[&path, "--type", "dgram", "--thread", "--echo"]);
    let client = named(&folder, "client");
    client.send_to(b"x", tool.path()).expect("send");
    assert_eq!(receive(&client).0, b"x");
}

/// Nor does a fincat of its own kind steal it: the first goes on, and keeps its path.
#[test]
fn a_live_path_of_ours_is_never_stolen() {
    for (word, kind) in CONNECTED {
        let tool = Launch::new().listen_unix(["--type", word, "--thread", "--echo", "-v"]);
        is_refused(tool.path().to_str().expect("UTF-8"));
        let peer = PeerStream::unix(tool.path(), kind);
        peer.write("x");
        assert_eq!(peer.read(1), b"x");
        tool.wait_line(|line| line.contains("accepted"));
        let came = tool.stderr().lines().filter(|line| line.contains("accepted")).count();
        assert_eq!(came, 1, "nobody else came: {}", tool.stderr());
    }
}

/// Somebody else's neither; and the one who has it notices nothing, no connection and no datagram.
#[test]
fn a_live_path_of_somebody_else_is_never_stolen() {
    for (_, kind) in CONNECTED {
        let listener = PeerListener::unix(kind);
        is_refused(&listener.path());
        assert!(!listener.is_wanted(), "the probe has disturbed it");
        let _client = PeerStream::unix(listener.path(), kind);
        drop(listener.accept());
    }
    let folder = TempDir::new().expect("a folder");
    let path = within(&folder, "socket");
    let socket = UnixDatagram::bind(&path).expect("bind");
    is_refused(&path);
    assert!(!readable_by(&socket, std::time::Instant::now()), "the probe has disturbed it");
    UnixDatagram::unbound().expect("a socket").send_to(b"still here", &path).expect("send");
    assert_eq!(receive(&socket).0, b"still here");
}

/// The same with listeners of another program, which say all that they see.
#[test]
fn pythons_path_is_never_stolen() {
    const LIVE: &str = "
import socket, sys
server = socket.socket(socket.AF_UNIX, getattr(socket, sys.argv[1]))
server.bind(sys.argv[2])
if sys.argv[1] == 'SOCK_DGRAM':
    print('ready')
    print(server.recv(100))
else:
    server.listen(1)
    print('ready')
    print(server.accept()[0].recv(100))
";
    for word in ["SOCK_STREAM", "SOCK_DGRAM", "SOCK_SEQPACKET"] {
        let folder = TempDir::new().expect("a folder");
        let path = within(&folder, "socket");
        let Some(mut server) = Python::run(LIVE, &[word, &path]) else { return };
        server.wait_stdout_line(1);
        is_refused(&path);
        match word {
            "SOCK_DGRAM" => {
                UnixDatagram::unbound().expect("a socket").send_to(b"first", &path).expect("send");
            }
            _ => PeerStream::unix(&path, if word == "SOCK_STREAM" { Type::STREAM } else { Type::SEQPACKET })
                .write("first"),
        }
        assert_eq!(server.wait().expect(0).stdout, b"ready\nb'first'\n", "{word}");
    }
}

/// A file, a folder, a link (wherever it leads), a FIFO: not ours to remove.
#[test]
fn what_is_no_socket_is_left_alone() {
    let folder = TempDir::new().expect("a folder");
    let (file, link, dangling) = (within(&folder, "file"), within(&folder, "link"), within(&folder, "dangling"));
    fs::write(&file, "precious").expect("write a file");
    let directory = within(&folder, "directory");
    fs::create_dir(&directory).expect("make a folder");
    let socket = within(&folder, "socket");
    stale(&socket);
    symlink(&socket, &link).expect("link");
    symlink("nowhere", &dangling).expect("link");
    for path in [&file, &directory, &link, &dangling] {
        let before = fs::symlink_metadata(path).expect("it is there").ino();
        is_refused(path);
        assert_eq!(fs::symlink_metadata(path).expect("it is there still").ino(), before, "{path}");
    }
    assert_eq!(fs::read(&file).expect("read it"), b"precious");
    assert!(fs::metadata(&socket).expect("it is there").file_type().is_socket());
    assert!(!folder.path().join("nowhere").exists());
}

/// However it ends, the path is gone; also when the conversations were processes.
#[test]
fn the_path_is_removed_in_the_end() {
    for (word, kind) in CONNECTED {
        let mut tool = Launch::new().listen_unix(["--type", word, "--echo"]);
        let peer = PeerStream::unix(tool.path(), kind);
        peer.shutdown();
        assert_eq!(peer.read_to_end(), b"");
        tool.wait().expect(0);
        assert!(!tool.path().exists(), "one conversation of {word}");
    }
    for word in TYPES {
        for signal in [Signal::TERM, Signal::INT] {
            for mode in [&[][..], &["--single", "-k"], &["--thread"], &["--fork"]] {
                let mut tool = Launch::new().listen_unix([&["--type", word, "--echo"], mode].concat());
                assert!(fs::metadata(tool.path()).expect("it is there").file_type().is_socket());
                tool.signal(signal);
                tool.wait_within(AT_ONCE).expect_signal(signal);
                assert!(!tool.path().exists(), "{word} {mode:?} after {signal:?}");
            }
        }
    }
}

/// A process that holds one conversation ends long before the server does.
#[test]
fn a_forked_conversation_leaves_the_path_alone() {
    for handler in [&["--echo"][..], &["--", "cat"], &["--pipes", "--", "cat"]] {
        let tool = Launch::new().listen_unix([&["--fork"], handler].concat());
        let inode = fs::metadata(tool.path()).expect("it is there").ino();
        for _ in 0..3 {
            let peer = PeerStream::unix(tool.path(), Type::STREAM);
            peer.shutdown();
            assert_eq!(peer.read_to_end(), b"");
        }
        crate::kernel::wait_until("no process is left", || crate::kernel::children(tool.id()).is_empty());
        assert_eq!(fs::metadata(tool.path()).expect("it is there still").ino(), inode);
    }
}

/// Somebody has put something else there meanwhile: that is not ours to remove.
#[test]
fn a_path_that_is_no_longer_ours_is_left_alone() {
    for word in TYPES {
        let mut tool = Launch::new().listen_unix(["--type", word, "--thread", "--echo"]);
        fs::remove_file(tool.path()).expect("remove it");
        let heir = UnixDatagram::bind(tool.path()).expect("bind it again");
        tool.signal(Signal::TERM);
        tool.wait_within(AT_ONCE).expect_signal(Signal::TERM);
        assert!(tool.path().exists(), "{word} has removed what is another's");
        drop(heir);
    }
}

/// `--mode`: what stat(2) says, whatever the umask.
#[test]
fn the_mode_is_as_asked() {
    for word in TYPES {
        for (mode, wanted) in [("0600", 0o600), ("600", 0o600), ("0666", 0o666), ("0777", 0o777), ("0", 0)] {
            for umask in ["umask 077", "umask 0"] {
                let tool = Launch::new().setup(umask).listen_unix(["--type", word, "-k", "--mode", mode, "--echo"]);
                let got = fs::metadata(tool.path()).expect("it is there").mode() & 0o7777;
                assert_eq!(got, wanted, "--mode {mode} after {umask}");
            }
        }
    }
    let tool = Launch::new().setup("umask 027").listen_unix(["-k", "--echo"]);
    assert_eq!(fs::metadata(tool.path()).expect("it is there").mode() & 0o777, 0o750, "the umask decides");
    Tool::run(["unix", "listen", "/nonexistent/socket", "--mode", "888"]).expect(2);
}

/// Between bind(2) and the mode that was asked for nobody can come in: as strace(1) shows, the file is
/// made under a umask that leaves nothing, and listen(2) is the last of all.
#[test]
fn it_is_never_more_open_than_asked() {
    let Some(strace) = external("strace") else { return };
    let folder = TempDir::new().expect("a folder");
    let (path, log) = (within(&folder, "socket"), within(&folder, "log"));
    let calls = "trace=umask,bind,?chmod,fchmod,fchmodat,listen";
    let fincat = fincat();
    let line = ["-o", &log, "-e", calls, fincat, "unix", "listen", &path, "--mode", "0600", "--echo", "-v"];
    let mut traced = Launch::new().setup("umask 0").start(strace, line);
    traced.wait_line(|line| line.contains("listening on"));
    let peer = PeerStream::unix(&path, Type::STREAM);
    peer.shutdown();
    assert_eq!(peer.read_to_end(), b"");
    traced.wait().expect(0);
    let log = fs::read_to_string(&log).expect("a log");
    let at = |call: &str| log.lines().position(|line| line.contains(call));
    let (mask, bind, listen) = (at("umask(0"), at("bind("), at("listen("));
    let mode = at("chmod");
    assert!(mask.is_some() && mask < bind, "a umask before bind(2):\n{log}");
    assert!(bind < mode && mode < listen, "the mode after bind(2) and before listen(2):\n{log}");
}

/// `--owner`, which only the superuser can ask for.
#[test]
fn the_owner_is_as_asked() {
    if !rustix::process::geteuid().is_root() {
        let _ = std::io::Write::write_all(&mut std::io::stderr(), b"the_owner_is_as_asked: skipped: needs root\n");
        return;
    }
    for (owner, wanted) in [("1234", (1234, None)), ("1234:2345", (1234, Some(2345))), ("daemon", (1, None))] {
        for word in TYPES {
            let tool = Launch::new().listen_unix(["--type", word, "-k", "--owner", owner, "--echo"]);
            let got = fs::metadata(tool.path()).expect("it is there");
            let group = wanted.1.unwrap_or_else(|| rustix::process::getegid().as_raw());
            assert_eq!((got.uid(), got.gid()), (wanted.0, group), "--owner {owner}");
        }
    }
    let folder = TempDir::new().expect("a folder");
    let exit = Tool::run(["unix", "listen", &within(&folder, "socket"), "--owner", "no-such-user", "--echo"]).expect(2);
    assert!(exit.stderr.contains("no-such-user"), "{exit}");
    assert_eq!(things(folder.path()), 0);
}

/// A folder that is not there, and one in which we may make nothing.
#[test]
fn a_path_that_cannot_be_bound_is_named() {
    let exit = Tool::run(["unix", "listen", "/nonexistent/socket", "--echo"]).expect(8);
    assert!(exit.stderr.contains("/nonexistent/socket"), "{exit}");
    if rustix::process::geteuid().is_root() {
        return;
    }
    let folder = TempDir::new().expect("a folder");
    fs::set_permissions(folder.path(), Permissions::from_mode(0o500)).expect("chmod");
    Tool::with(Stdin::Null).run(["unix", "listen", &within(&folder, "socket"), "--echo"]).expect(8);
}
