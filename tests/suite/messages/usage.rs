//! Command lines without sense: each is one sentence and status 2, whatever it was; nothing is opened,
//! and nothing panics.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use super::expect_sentence;
use crate::launch::Stdin;
use crate::matrix::{Case, matrix};
use crate::tool::Tool;

/// Demands that `fincat ARGS...` is refused in one sentence.
#[track_caller]
fn refused<A: AsRef<OsStr>>(args: impl IntoIterator<Item = A>) {
    let exit = Tool::run(args).expect(2);
    expect_sentence(&exit);
    assert_eq!(exit.stdout, b"", "{exit}");
}

#[test]
fn what_is_missing_or_too_much() {
    for line in [
        "listen",
        "connect",
        "connect localhost",
        "connect 127.0.0.1",
        "listen a b c",
        "connect a 1 2 3",
        "udp",
        "unix",
        "udp frob 9",
        "listen 0 --deadline",
        "connect localhost 80 -w",
        "listen --frobnicate 0",
        "listen -j 0",
        "connect --keep-open localhost 80",
        "connect --thread localhost 80",
        "connect --count 2 localhost 80",
        "connect --ready-fd 3 localhost 80",
        "listen --source 127.0.0.1 0",
        "listen -p 0",
        "listen --echo=yes 0",
        "listen --echo --echo 0",
        "listen --deadline 1 --deadline 2 0",
    ] {
        refused(line.split(' '));
    }
}

#[test]
fn ports_that_are_none() {
    for port in
        ["0", "65536", "70000", "ssh!", "-1", "+80", "8 0", "", "80,81", "1-2", "0x50", "99999999999999999999", "８０"]
    {
        refused(["connect", "127.0.0.1", port]);
        refused(["connect", &format!("127.0.0.1:{port}")]);
    }
    for port in ["65536", "70000", "ssh!", "no-such-service", "-1", "", "80,81", "1.5"] {
        refused(["listen", "127.0.0.1", port]);
        refused(["listen", port]);
    }
}

#[test]
fn addresses_that_are_none() {
    for place in ["[::1", "[::1]", "[::1]80", "[localhost]:80x", "::1]:80", ":", "[]:80"] {
        refused(["connect", place]);
        refused(["listen", place]);
    }
    refused(["connect", ":80"]);
    refused(["connect", "-s", "not-an-address", "127.0.0.1", "9"]);
    refused(["connect", "-p", "70000", "127.0.0.1", "9"]);
}

#[test]
fn values_that_are_none() {
    const TIMES: [&str; 6] = ["--deadline", "--idle-timeout", "--half-close-timeout", "-q", "-w", "--grace"];
    for option in TIMES {
        for time in ["soon", "", "-1", "1x", "nan", "inf", "1e400", "1m30", "5 parsecs", "٣s"] {
            refused(["listen", "--thread", "--send", "x", "127.0.0.1", "0", option, time]);
        }
    }
    for line in [
        "--on-eof later",
        "--on-eof HALF-CLOSE",
        "--on-fin hold",
        "--count 0",
        "--count -1",
        "--count many",
        "--thread -m 0",
        "--thread -m 1.5",
        "--backlog x",
        "--allow 300.0.0.1",
        "--deny 10.0.0.0/33",
        "--ready-fd x",
        "--ready-fd -1",
        "--ready-fd 0",
        "--ready-fd 1",
        "--ready-fd 99999999999",
    ] {
        refused("listen 127.0.0.1 0".split(' ').chain(line.split(' ')));
    }
}

/// A descriptor for `--ready-fd` that is not open is found out before anything is.
#[test]
fn a_descriptor_that_is_not_open() {
    let exit = Tool::run(["listen", "127.0.0.1", "0", "--ready-fd", "77"]);
    assert!(exit.code.is_some_and(|code| code != 0), "{exit}");
    expect_sentence(&exit);
    assert!(exit.stderr.contains("77"), "{exit}");
}

/// Nothing is ever silently ignored: an option that cannot act is a usage error.
#[test]
fn options_that_cannot_act() {
    for line in [
        "listen 0 --single --thread",
        "listen 0 --single --fork",
        "listen 0 --thread --fork --echo",
        "listen 0 -m 2",
        "listen 0 --single -m 2",
        "listen 0 --single -k -m 2",
        "listen 0 --thread",
        "listen 0 --fork",
        "listen 0 --thread --send-only",
        "listen 0 --grace 1s",
        "listen 0 --echo --grace 1s",
        "listen 0 --recv-only --on-eof hold",
        "listen 0 --recv-only -N",
        "listen 0 --recv-only -q 1",
        "listen 0 --recv-only --on-fin drain",
        "listen 0 --recv-only --send-only",
        "listen 0 --recv-only --send x",
        "listen 0 --send-only --on-eof hold",
        "listen 0 --on-eof hold -N",
        "listen 0 --on-eof hold --on-eof close",
        "listen 0 --echo --discard",
        "listen 0 --echo --send x",
        "listen 0 --send x --send-file /etc/passwd",
        "listen 0 --sh true --echo",
        "listen 0 --echo -- true",
        "listen 0 --sh true -- true",
        "listen 0 --pipes",
        "listen 0 --pipes --echo",
        "listen 0 --echo -C",
        "listen 0 --send x -C",
        "listen 0 -C -- true",
        "listen 0 -C --recv-only",
        "listen 0 --echo --on-eof close",
        "listen 0 --discard --on-eof close",
        "listen 0 --discard -q 1",
        "listen 0 --echo --send-only",
        "listen 0 --echo --recv-only",
        "listen 0 --quiet -v",
        "listen 0 -4 -6",
        "connect 127.0.0.1 9 --pipes",
        "connect 127.0.0.1 9 --echo --discard",
        "connect 127.0.0.1 9 --recv-only --on-eof reset",
        "connect 127.0.0.1 9 --send-only --recv-only",
        "connect 127.0.0.1 9 -C --echo",
    ] {
        refused(line.split(' '));
    }
}

/// What moves no stream has nothing to copy.
#[test]
fn no_splice_is_for_streams_that_we_move() {
    const DATAGRAMS: &str = "--no-splice is about streams: datagrams are always copied";
    const LENT: &str =
        "--no-splice is about bytes that fincat moves: the command holds the socket itself (see --pipes)";
    for (line, sentence) in [
        ("udp listen 0", DATAGRAMS),
        ("udp listen 0 --thread --echo", DATAGRAMS),
        ("udp connect 127.0.0.1 9", DATAGRAMS),
        ("udp listen 0 --pipes -- cat", DATAGRAMS),
        ("unix listen /nonexistent/socket --type dgram", DATAGRAMS),
        ("unix connect /nonexistent/socket --type seqpacket", DATAGRAMS),
        ("listen 0 --to udp:127.0.0.1:9", DATAGRAMS),
        ("listen 0 --to unix-dgram:/nonexistent/socket", DATAGRAMS),
        ("unix listen /nonexistent/socket --to unix-seqpacket:/nonexistent/other", DATAGRAMS),
        ("udp listen 0 --to 127.0.0.1:9", DATAGRAMS),
        ("listen 0 -- cat", LENT),
        ("listen 0 --fork --sh cat", LENT),
        ("connect 127.0.0.1 9 -c cat", LENT),
        ("unix listen /nonexistent/socket -- cat", LENT),
    ] {
        let (place, command) = line.split_once(" -- ").map_or((line, None), |(place, word)| (place, Some(word)));
        let words = place.split(' ').chain(["--no-splice"]).chain(command.map(|_| "--")).chain(command);
        let exit = Tool::run(words).expect(2);
        assert_eq!(exit.stderr, format!("fincat: {sentence}\n"), "{line}");
    }
}

/// Sharing standard input is for streams, threads and nothing else.
#[test]
fn what_cannot_be_shared() {
    for line in [
        "listen 0 --fan-out",
        "listen 0 --hub",
        "listen 0 --hub -k",
        "listen 0 --fork --hub",
        "listen 0 --fork --fan-out",
        "listen 0 --thread --hub --fan-out",
        "listen 0 --thread --hub --echo",
        "listen 0 --thread --fan-out -- true",
        "listen 0 --thread --fan-out --to 127.0.0.1:9",
        "listen 0 --thread --fan-out --recv-only",
        "listen 0 --thread --fan-out --no-splice",
        "listen 0 --thread --fan-out --hub-queue 1M",
        "listen 0 --thread --echo --hub-queue 1M",
        "listen 0 --thread --hub --hub-queue 0",
        "listen 0 --thread --hub --hub-queue much",
        "listen 0 --thread --hub --send-only",
        "listen 0 --thread --hub --on-eof close",
        "listen 0 --thread --hub -N",
        "listen 0 --thread --hub -q 1",
        "listen 0 --thread --hub --recv-only -C",
        "listen 0 --thread --echo --lines",
        "listen 0 --lines",
        "connect 127.0.0.1 9 --hub",
        "connect 127.0.0.1 9 --fan-out",
        "udp listen 0 --thread --hub",
        "udp listen 0 --thread --fan-out",
        "unix listen @x --type seqpacket --thread --hub",
        "unix listen @x --type dgram --thread --fan-out",
        "unix listen @x --thread --fan-out --on-eof reset",
        "unix listen @x --thread --hub --size 10",
    ] {
        refused(line.split(' '));
    }
}

/// An address of the other family is no address: of the line, or of the name, as one likes.
#[test]
fn families_that_do_not_fit() {
    for line in ["listen -4 ::1 0", "connect -6 127.0.0.1 9"] {
        let exit = Tool::run(line.split(' '));
        assert!(matches!(exit.code, Some(2 | 3)), "{exit}");
        expect_sentence(&exit);
    }
}

/// What is not UTF-8 can be no host, no port, no option and no value.
#[test]
fn words_that_are_no_text() {
    let bad = OsStr::from_bytes(b"\xff\xfe");
    let joined = |name: &str| [OsStr::new(name), bad].into_iter().collect::<OsString>();
    let words = |line: &[&'static str]| line.iter().map(OsString::from).collect::<Vec<_>>();
    for line in [
        vec![bad.to_owned()],
        vec![bad.to_owned(), "80".into()],
        vec!["connect".into(), bad.to_owned(), "80".into()],
        vec!["connect".into(), "127.0.0.1".into(), bad.to_owned()],
        vec!["listen".into(), bad.to_owned()],
        [words(&["listen", "127.0.0.1", "0"]), vec![joined("--")]].concat(),
        [words(&["listen", "127.0.0.1", "0"]), vec![joined("-")]].concat(),
        [words(&["listen", "127.0.0.1", "0", "--deadline"]), vec![bad.to_owned()]].concat(),
        [words(&["listen", "127.0.0.1", "0"]), vec![joined("--on-eof=")]].concat(),
    ] {
        refused(line);
    }
}

/// A word of 100 KiB; the kernel takes none of more than 128.
#[test]
fn words_that_are_too_long() {
    let long = "x".repeat(100 << 10);
    let digits = "9".repeat(100 << 10);
    refused(["connect", "127.0.0.1", &long]);
    refused(["connect", "127.0.0.1", &digits]);
    refused(["listen", &digits]);
    refused(["listen", "127.0.0.1", "0", "--deadline", &digits]);
    refused(["listen", "127.0.0.1", "0", "--on-eof", &long]);
    refused(["listen", "127.0.0.1", "0", &format!("--{long}")]);
    refused([&long]);
    // A name of that length may as well be looked for, and not be found.
    let exit = Tool::run(["connect", &long, "80"]);
    assert!(matches!(exit.code, Some(2 | 3)), "{exit}");
    expect_sentence(&exit);
}

matrix!(every: a_long_text_is_a_text);

/// Where any text will do, 100 KiB of it are one.
fn a_long_text_is_a_text(case: Case) {
    let long = "x".repeat(100 << 10);
    let (mut tool, peer) = case.pair(Stdin::Null, &["--send", &long]);
    assert_eq!(peer.read_to_end(), long.as_bytes());
    peer.shutdown();
    tool.wait().expect(0);
}
