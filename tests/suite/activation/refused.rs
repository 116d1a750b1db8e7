//! What is handed over wrongly: other sockets than were asked for, or for somebody else. Each is one sentence.

use super::started;
use crate::launch::Launch;
use crate::process::Exit;
use crate::tool::Tool;

/// How fincat ends, and the one sentence that it says.
#[track_caller]
fn refused(kinds: &str, changed: &str, line: &str) -> Option<(Exit, String)> {
    let line: Vec<&str> = line.split(' ').collect();
    let (mut tool, _) = started(Launch::new(), kinds, changed, &line)?;
    let exit = tool.wait();
    let sentence = exit.stderr.clone();
    assert_eq!((sentence.lines().count(), sentence.starts_with("fincat: ")), (1, true), "{exit}");
    Some((exit, sentence))
}

/// The type, the family, the state: all are looked at.
#[test]
fn sockets_that_do_not_fit() {
    for (kinds, line, why) in [
        ("udp", "listen --activated", "descriptor 3 is a udp socket, and tcp is asked for"),
        ("tcp=web", "udp listen --activated", "descriptor 3 (web) is a tcp socket, and udp is asked for"),
        ("tcp", "unix listen --activated", "descriptor 3 is a tcp socket, and unix is asked for"),
        ("stream@PATH", "listen --activated", "descriptor 3 is a unix socket, and tcp is asked for"),
        (
            "stream@PATH",
            "unix listen --activated --type seqpacket",
            "is a unix socket, and unix-seqpacket is asked for",
        ),
        ("dgram@PATH", "unix listen --activated", "is a unix-dgram socket, and unix is asked for"),
        ("!tcp", "listen --activated", "is a tcp socket that does not listen"),
        ("!udp", "udp listen --activated", "is a udp socket that is not bound"),
        ("!stream@PATH", "unix listen --activated", "is a unix socket that does not listen"),
        ("pair", "unix listen --activated", "is connected already"),
        ("file", "listen --activated", "descriptor 3 is no socket"),
        ("tcp,udp=other", "listen --activated", "descriptor 4 (other) is a udp socket"),
        ("tcp,closed", "listen --activated", "not all are open"),
    ] {
        let folder = tempfile::TempDir::new().expect("a folder");
        let kinds = kinds.replace("PATH", folder.path().join("s").to_str().expect("UTF-8"));
        let Some((exit, sentence)) = refused(&kinds, "", line) else { return };
        assert!(sentence.contains(why), "{kinds} {exit}");
        exit.expect(8);
    }
}

/// What is said must not go into a socket that is to be served, and neither must an address.
#[test]
fn a_socket_is_no_log() {
    for (option, number) in [("--log-fd", 3), ("--ready-fd", 4)] {
        let line = format!("listen --activated {option} {number}");
        let Some((exit, sentence)) = refused("tcp,tcp", "", &line) else { return };
        assert_eq!(sentence, format!("fincat: {option} {number} is one of the activated sockets\n"));
        exit.expect(2);
    }
}

/// Sockets that are announced to another process are not touched.
#[test]
fn announcements_for_somebody_else() {
    for (changed, why) in [
        ("LISTEN_PID=1", "LISTEN_PID"),
        ("LISTEN_PID=x", "LISTEN_PID"),
        ("LISTEN_PID=", "LISTEN_PID"),
        ("LISTEN_FDS=", "LISTEN_FDS"),
        ("LISTEN_FDS=0", "LISTEN_FDS"),
        ("LISTEN_FDS=-1", "LISTEN_FDS"),
        ("LISTEN_FDS=99999999999", "LISTEN_FDS"),
        ("LISTEN_FDS=7", "LISTEN_FDS"),
    ] {
        let Some((exit, sentence)) = refused("tcp", changed, "listen --activated --echo") else { return };
        assert!(sentence.contains(why), "{changed} {exit}");
        exit.expect(8);
    }
    let exit = Tool::run(["listen", "--activated"]).expect(8);
    assert!(exit.stderr.contains("LISTEN_FDS and LISTEN_PID are not set"), "{exit}");
}

/// The readiness cannot be written to a socket that is to be listened on.
#[test]
fn a_descriptor_that_is_both() {
    let Some((exit, sentence)) = refused("tcp", "", "listen --activated --echo --ready-fd 3") else { return };
    assert!(sentence.contains("--ready-fd 3 is one of the activated sockets"), "{exit}");
    exit.expect(2);
}

/// A place of one's own, or sockets that were bound elsewhere: both or neither makes no sense, and what is decided when
/// a socket is bound cannot be asked for any more.
#[test]
fn command_lines_without_sense() {
    for line in [
        "listen",
        "listen --activated 80",
        "listen --activated localhost 80",
        "udp listen --activated 53",
        "unix listen",
        "unix listen --activated /run/s",
        "unix listen --activated @s",
        "unix listen --activated --mode 0600",
        "unix listen --activated --owner nobody",
        "unix listen --activated --backlog 5",
        "listen --activated --backlog 5",
        "listen --activated --reuse-port",
        "udp listen --activated --reuse-port",
        "listen --activated --interface lo --echo",
        "udp listen --activated --mark 5 --echo",
        "listen --activated -4",
        "listen --activated -6 --echo",
        "listen --activated -n",
        "connect --activated localhost 80",
        "unix connect --activated /run/s",
    ] {
        let exit = Tool::run(line.split(' ')).expect(2);
        assert_eq!((exit.stderr.lines().count(), exit.stderr.starts_with("fincat: ")), (1, true), "{exit}");
    }
    // There it is about the name that is forwarded to.
    let exit = Tool::run(["listen", "--activated", "-n", "-4", "--to", "localhost:80"]).expect(8);
    assert!(exit.stderr.contains("LISTEN_FDS"), "{exit}");
}
