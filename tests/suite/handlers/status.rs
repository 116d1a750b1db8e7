//! Whether a command can be run at all, and how it ended: as fincat's own exit status where there is
//! one conversation, and without harm to a server.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use tempfile::TempDir;

use crate::launch::Stdin;
use crate::matrix::{Case, matrix};
use crate::peers::{Ending, PeerListener};
use crate::tool::Tool;

matrix!(every over all: the_commands_status_is_ours);

/// A server's own status is 0, whatever became of its conversations.
fn the_commands_status_is_ours(case: Case) {
    for (line, status) in [("exit 42", 42), ("kill -TERM $$", 143), ("kill -KILL $$", 137), ("no-such-program", 127)] {
        for how in [&[][..], &["--pipes"]] {
            let (mut tool, peer) = case.pair(Stdin::Null, &[how, &["--sh", line]].concat());
            assert_eq!(peer.read_to_end(), b"", "{line}");
            drop(peer);
            tool.wait().expect(case.status(status));
        }
    }
}

matrix!(one_shot: a_reset_comes_before_the_commands_status);

matrix!(one_shot over all: we_are_no_strangers_to_an_ignored_sigchld);

/// Under `--pipes`, where fincat sees the bytes, what became of the connection is told first.
fn a_reset_comes_before_the_commands_status(case: Case) {
    let (mut tool, peer) = case.pair(Stdin::Null, &["--pipes", "--sh", "cat; exit 42"]);
    peer.write("x");
    assert_eq!(peer.read(1), b"x");
    peer.reset();
    let exit = tool.wait().expect(7);
    assert!(exit.stderr.contains("reset"), "{exit}");
}

/// Some parents leave SIGCHLD ignored, and then no child can be waited for.
fn we_are_no_strangers_to_an_ignored_sigchld(case: Case) {
    let launch = Tool::with(Stdin::Null).setup("trap '' CHLD");
    let (mut tool, peer) = case.pair_with(launch, &["--sh", "exit 42"]);
    assert_eq!(peer.read_to_end(), b"");
    drop(peer);
    tool.wait().expect(42);
}

/// The command is looked up before anything is opened: nobody has to come for the answer.
#[test]
fn what_cannot_be_run_is_known_before_anything_is_opened() {
    let folder = TempDir::new().expect("a folder");
    let plain = folder.path().join("plain");
    fs::write(&plain, "#!/bin/sh\n").expect("write a file");
    fs::set_permissions(&plain, Permissions::from_mode(0o644)).expect("chmod");
    let (plain, folder) = (name(&plain), name(folder.path()));
    for (command, status) in [("/nonexistent", 127), ("no-such-program", 127), ("", 127), (plain, 126), (folder, 126)] {
        for modes in [&[][..], &["-k"], &["--thread"], &["--fork"], &["--pipes"]] {
            let line = [&["listen", "127.0.0.1", "0", "-w", "10"], modes, &["--", command]].concat();
            let exit = Tool::run(line).expect(status);
            assert!(exit.stderr.contains(command) && exit.stderr.lines().count() == 1, "{exit}");
        }
    }
}

/// Nor is anybody connected to.
#[test]
fn nobody_is_connected_to_for_what_cannot_be_run() {
    let listener = PeerListener::tcp();
    let mut tool = Tool::connect(listener.addr(), ["--", "/nonexistent"]);
    tool.wait().expect(127);
    assert!(!listener.is_wanted(), "somebody has connected");
}

/// `PATH` is searched as every shell does it: past what cannot be run.
#[test]
fn a_command_is_looked_for_in_the_path() {
    let (first, second) = (TempDir::new().expect("a folder"), TempDir::new().expect("a folder"));
    fs::write(first.path().join("greet"), "#!/bin/sh\n").expect("write a file");
    symlink("/bin/echo", second.path().join("greet")).expect("link");
    let path = format!("{}:{}:/usr/bin:/bin", name(first.path()), name(second.path()));
    let listener = PeerListener::tcp();
    let launch = Tool::with(Stdin::Null).env("PATH", path);
    let mut tool = launch.connect(listener.addr(), ["--", "greet", "hello"]);
    assert_eq!(listener.accept().read_to_end(), b"hello\n");
    tool.wait().expect(0);
}

matrix!(served over all: a_server_outlives_its_command);

/// A command that vanishes costs a server one conversation, and is said. (It is a link, because a file
/// that was open for writing a moment ago cannot always be run.)
fn a_server_outlives_its_command(case: Case) {
    let folder = TempDir::new().expect("a folder");
    let greet = folder.path().join("greet");
    symlink("/bin/echo", &greet).expect("link");
    let tool = case.serve(Tool::with(Stdin::Null), &["--", name(&greet), "hello"]);
    assert_eq!(case.meet(&tool).read_to_end(), b"hello\n");
    fs::remove_file(&greet).expect("remove it");
    assert_eq!(case.meet(&tool).hear_out(), (Vec::new(), Ending::Fin));
    tool.wait_line(|line| line.starts_with("fincat: ") && line.contains(name(&greet)));
    symlink("/bin/echo", &greet).expect("link");
    assert_eq!(case.meet(&tool).read_to_end(), b"hello\n");
}

fn name(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}
