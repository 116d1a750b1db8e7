//! `--user` and `--chdir`: whom commands run as, and where; that root cannot be had back; and what is refused. All but
//! the refusals are for a suite that runs as root.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use socket2::Type;
use tempfile::TempDir;

use super::started;
use crate::kernel::children;
use crate::launch::{Launch, Stdin};
use crate::matrix::Mode;
use crate::peers::{PeerStream, external};
use crate::process::Signal;
use crate::tool::{Tool, fincat};

/// Whether this is root, who may become somebody else; says so in one line where not.
fn is_root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        let name = std::thread::current();
        let _ = writeln!(std::io::stderr(), "{}: skipped: only root can", name.name().unwrap_or("a test"));
    }
    root
}

/// A folder that everybody may write.
fn open_folder() -> TempDir {
    let folder = TempDir::new().expect("a folder");
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).expect("chmod");
    folder
}

const SERVERS: [Mode; 3] = [Mode::Single, Mode::Thread, Mode::Fork];

/// The numbers of `nobody`, as id(1) knows them.
fn nobody() -> Option<(u32, u32)> {
    let ask = |what| Launch::new().start("id", [what, "nobody"]).wait();
    let number = |exit: crate::process::Exit| String::from_utf8(exit.stdout).ok()?.trim().parse().ok();
    Some((number(ask("-u"))?, number(ask("-g"))?))
}

#[test]
fn commands_run_as_the_user() {
    let Some((uid, gid)) = nobody().filter(|_| is_root()) else { return };
    for mode in [&[Mode::OneShot], &SERVERS[..]].concat() {
        for how in [&[][..], &["--pipes"]] {
            let folder = open_folder();
            let file = folder.path().join("file");
            let line = "touch \"$FILE\"; id -u; id -g; id -G; echo $USER $LOGNAME $HOME";
            let launch = Tool::with(Stdin::Null).env("FILE", &file).env("HOME", "/root");
            let user = ["127.0.0.1", "0", "--user", "nobody"];
            let tool = launch.listen([&user, mode.flags(), how, &["--sh", line]].concat());
            let told = String::from_utf8(PeerStream::tcp(tool.addr()).read_to_end()).expect("UTF-8");
            let lines: Vec<&str> = told.lines().collect();
            assert_eq!(lines[..3], [uid.to_string(), gid.to_string(), gid.to_string()], "{told}");
            assert!(lines[3].starts_with("nobody nobody /") && !lines[3].contains("root"), "{told}");
            let made = fs::metadata(&file).expect("the file");
            assert_eq!((made.uid(), made.gid()), (uid, gid));
        }
    }
}

const REGAIN: &str = "
    for how in '--reuid 0' '--regid 0 --keep-groups' '--clear-groups' '--groups 0'
    do setpriv $how true 2>/dev/null && echo regained || echo refused
    done";

/// Neither fincat nor what it starts can become root again.
#[test]
fn root_cannot_be_had_back() {
    let Some((uid, gid)) = nobody().filter(|_| is_root()) else { return };
    if external("setpriv").is_none() {
        return;
    }
    for mode in SERVERS {
        let user = ["127.0.0.1", "0", "--user", "nobody"];
        let tool = Tool::listen([&user, mode.flags(), &["--sh", REGAIN]].concat());
        assert_eq!(PeerStream::tcp(tool.addr()).read_to_end(), b"refused\n".repeat(4));
        let status = super::text(Path::new(&format!("/proc/{}/status", tool.id())));
        let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().trim();
        assert_eq!(field("Uid:"), format!("{uid}\t{uid}\t{uid}\t{uid}"));
        assert_eq!(field("Gid:"), format!("{gid}\t{gid}\t{gid}\t{gid}"));
        for capabilities in ["CapInh:", "CapPrm:", "CapEff:", "CapAmb:"] {
            assert_eq!(field(capabilities), "0000000000000000", "{capabilities}");
        }
    }
}

/// A group of its own choice, users and groups by number, a port that only root may bind, files that only root may
/// write.
#[test]
fn what_needs_root_is_done_before() {
    let Some((uid, _)) = nobody().filter(|_| is_root()) else { return };
    let folder = TempDir::new().expect("a folder that is root's");
    let port_file = folder.path().join("port");
    let port = port_file.to_str().expect("UTF-8");
    for (who, told) in [("nobody:4712", format!("{uid} 4712\n")), ("4711:4712", "4711 4712\n".to_owned())] {
        let ask = ["--sh", "echo $(id -u) $(id -g)"];
        let tool =
            Tool::listen([&["127.0.0.1", "0", "--thread", "--port-file", port, "--user", who], &ask[..]].concat());
        assert_eq!(super::text(&port_file), format!("{}\n", tool.addr().port()));
        let said = PeerStream::tcp(tool.addr()).read_to_end();
        assert_eq!(String::from_utf8_lossy(&said), told, "{who}");
    }
}

/// The path of a unix socket in a folder of root's stays behind; that is said under -vv, and the next one replaces it.
#[test]
fn a_path_that_cannot_be_removed_is_mentioned() {
    if !is_root() {
        return;
    }
    for (mode, stays) in [(0o755, true), (0o1777, true), (0o777, false)] {
        let folder = TempDir::new().expect("a folder");
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(mode)).expect("chmod");
        let path = folder.path().join("s");
        let line = [path.to_str().expect("UTF-8"), "--user", "nobody", "--mode", "0666", "--thread", "--echo", "-vv"];
        for _ in 0..2 {
            let mut tool = Launch::new().announce(&["unix", "listen"], &line);
            let peer = PeerStream::unix(&path, Type::STREAM);
            peer.write("x");
            assert_eq!(peer.read(1), b"x");
            drop(peer);
            tool.signal(Signal::TERM);
            let exit = tool.wait().expect_signal(Signal::TERM);
            assert_eq!(path.exists(), stays, "{mode:o} {exit}");
            assert_eq!(exit.stderr.contains("the path will stay behind"), stays, "{mode:o} {exit}");
        }
    }
}

/// Paths on the command line mean what they meant where it was typed.
#[test]
fn commands_run_where_they_are_told_to() {
    let (here, there) = (TempDir::new().expect("a folder"), TempDir::new().expect("a folder"));
    fs::write(here.path().join("file"), "from here").expect("write");
    for (script, text) in [("script", "#!/bin/sh\npwd -P\n"), ("bare", "pwd -P\n")] {
        fs::write(here.path().join(script), text).expect("write");
        fs::set_permissions(here.path().join(script), fs::Permissions::from_mode(0o755)).expect("chmod");
    }
    let there = there.path().canonicalize().expect("a path");
    let chdir = ["unix", "listen", "s", "--chdir", there.to_str().expect("UTF-8")];
    for mode in SERVERS {
        for (task, told) in [
            (&["--sh", "pwd -P"][..], format!("{}\n", there.display())),
            (&["--", "./script"], format!("{}\n", there.display())),
            (&["--", "./bare"], format!("{}\n", there.display())),
            (&["--send-file", "file"], "from here".to_owned()),
        ] {
            let launch = Launch::new().setup(&format!("cd '{}'", here.path().display()));
            let mut tool = launch.announce(&chdir, &[mode.flags(), task].concat());
            let path = here.path().join("s");
            let peer = PeerStream::unix(&path, Type::STREAM);
            peer.shutdown();
            assert_eq!(String::from_utf8_lossy(&peer.read_to_end()), told, "{mode:?} {task:?}");
            tool.signal(Signal::TERM);
            let exit = tool.wait().expect_signal(Signal::TERM);
            assert!(!path.exists(), "ours is removed {exit}");
        }
    }
}

/// Before anybody is served, and with nothing left behind.
#[test]
fn who_and_where_are_looked_up_first() {
    let folder = TempDir::new().expect("a folder");
    let port_file = folder.path().join("port");
    let port = port_file.to_str().expect("UTF-8");
    fs::write(folder.path().join("file"), "").expect("write");
    let file = folder.path().join("file");
    let file = file.to_str().expect("UTF-8");
    for (line, status, why) in [
        (&["--user", "no-such-user"][..], 2, "no user"),
        (&["--user", "nobody:no-such-group"], 2, "no group"),
        (&["--user", "4711"], 2, "4711:GROUP"),
        (&["--user", "root"], 2, "--user"),
        (&["--user", "0"], 2, "--user"),
        (&["--user", ""], 2, "no user"),
        (&["--user", "4294967295:0"], 2, "no user"),
        (&["--chdir", "/no/such/folder"], 1, "cannot go to /no/such/folder"),
        (&["--chdir", file], 1, "not a directory"),
        (&["--chdir", "/", "--to", "./path"], 2, "--chdir"),
    ] {
        let to = line.contains(&"--to");
        let handler = if to { &[][..] } else { &["--echo"] };
        let exit = Tool::run([&["listen", "127.0.0.1", "0", "--port-file", port, "--thread"], handler, line].concat());
        assert!(exit.stderr.contains(why) && exit.stderr.lines().count() == 1, "{exit}");
        exit.expect(status);
        assert!(!port_file.exists(), "{line:?}");
    }
    let exit = Tool::run(["connect", "127.0.0.1", "9", "--user", "nobody"]).expect(2);
    assert!(exit.stderr.contains("--user"), "{exit}");
}

/// Somebody who is not root may not become anybody, and what the user cannot run or read is found out at once.
#[test]
fn what_is_not_permitted_is_said_before_anybody_is_served() {
    if !is_root() {
        return;
    }
    let folder = open_folder();
    let copy = folder.path().join("fincat");
    fs::copy(fincat(), &copy).expect("a copy");
    let as_nobody =
        "import os, sys; os.setgroups([]); os.setgid(65534); os.setuid(65534); os.execv(sys.argv[1], sys.argv[1:])";
    let Some(python) = external("python3") else { return };
    let line =
        ["-c", as_nobody, copy.to_str().expect("UTF-8"), "listen", "127.0.0.1", "0", "--echo", "--user", "daemon"];
    let exit = Launch::new().start(python, line).wait().expect(1);
    assert!(exit.stderr.contains("cannot become daemon: permission denied"), "{exit}");
    let (secret, tool) = (folder.path().join("secret"), folder.path().join("tool"));
    for (path, mode) in [(&secret, 0o600), (&tool, 0o700)] {
        fs::write(path, "#!/bin/sh\n").expect("write");
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("chmod");
    }
    let listen = ["listen", "127.0.0.1", "0", "--thread", "--user", "nobody"];
    let exit = Tool::run([&listen[..], &["--send-file", secret.to_str().expect("UTF-8")]].concat()).expect(1);
    assert!(exit.stderr.contains("cannot read"), "{exit}");
    let exit = Tool::run([&listen[..], &["--", tool.to_str().expect("UTF-8")]].concat()).expect(126);
    assert!(exit.stderr.contains("cannot run"), "{exit}");
}

/// A port of the system's can be kept, but not bound anew for each sender of datagrams: that is said, and
/// `--per-datagram` does without.
#[test]
fn udp_needs_its_port_again() {
    if !is_root() {
        return;
    }
    // A network of the test's own, in which every port is free.
    let Some(unshare) = external("unshare") else { return };
    let fincat = fincat();
    let line =
        |how: &str| format!("ip link set lo up; exec {fincat} udp listen 127.0.0.1 53 --echo --user nobody {how}");
    let run = |how: &str| Launch::new().start(&unshare, ["-n", "sh", "-c", &line(how)]);
    let exit = run("--thread").wait();
    if exit.stderr.contains("unshare") {
        return;
    }
    assert!(exit.stderr.contains("each conversation needs this port"), "{exit}");
    exit.expect(8);
    // The mark would have to be set on each conversation's socket.
    let exit = Launch::new()
        .start(fincat, "udp listen 127.0.0.1 0 --echo -k --user nobody --mark 5".split(' '))
        .wait()
        .expect(1);
    assert!(exit.stderr.contains("cannot set --mark"), "{exit}");
    let mut tool = run("--thread --per-datagram -v");
    tool.wait_line(|line| line.contains("listening on 127.0.0.1:53"));
    tool.signal(Signal::TERM);
    tool.wait().expect_signal(Signal::TERM);
}

/// Activated sockets go with it: the manager has bound them, fincat gives up the rest.
#[test]
fn activated_sockets_go_with_a_user() {
    if !is_root() {
        return;
    }
    let line = ["listen", "--activated", "--fork", "--user", "nobody", "--sh", "id -un; cat"];
    let Some((tool, addr)) = started(Launch::new(), "tcp", "", &line) else { return };
    let peer = PeerStream::tcp(addr);
    assert_eq!(peer.read(7), b"nobody\n");
    assert_eq!(children(tool.id()).len(), 1);
}
