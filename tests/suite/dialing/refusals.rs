//! What cannot be set, which is a failure that names the option, and what makes no sense, which is a usage error.

use std::ffi::OsStr;

use crate::launch::Launch;
use crate::tool::{Tool, fincat};

/// What the kernel refuses is said with the option's name, in every role: nothing is silently left out.
#[test]
fn the_kernel_refuses() {
    for options in [
        &["--interface", "nosuchthing"][..],
        &["--congestion", "nosuchthing"],
        &["--rcvbuf", "1000000000"],
        &["--sndbuf", "1000000000"],
    ] {
        for role in
            [&["connect", "127.0.0.1", "9"][..], &["connect", "-z", "127.0.0.1", "9"], &["listen", "127.0.0.1", "0"]]
        {
            let exit = Tool::run(role.iter().chain(options)).expect(1);
            let wanted = format!("fincat: cannot set {}: ", options[0]);
            assert!(exit.stderr.starts_with(&wanted) && exit.stderr.lines().count() == 1, "{exit}");
            assert_eq!(exit.stdout, b"", "{exit}");
        }
        if options[0] != "--congestion" {
            for role in [&["udp", "connect", "127.0.0.1", "9"][..], &["udp", "listen", "127.0.0.1", "0"]] {
                let exit = Tool::run(role.iter().chain(options)).expect(1);
                assert!(exit.stderr.contains(&format!("cannot set {}: ", options[0])), "{exit}");
            }
        }
    }
}

/// An unprivileged process may not mark what it sends.
#[test]
fn a_privilege_is_asked_for_by_name() {
    let Some(setpriv) = crate::peers::external("setpriv") else { return };
    let line = ["--bounding-set=-all", "--inh-caps=-all", fincat()];
    let mark = ["connect", "--mark", "1", "127.0.0.1", "9"];
    let words = line.iter().chain(&mark).map(OsStr::new);
    let exit = Launch::new().start(setpriv, words).wait();
    if exit.stderr.contains("setpriv:") {
        return;
    }
    let exit = exit.expect(1);
    assert!(exit.stderr.contains("cannot set --mark: operation not permitted (it needs CAP_NET_ADMIN)"), "{exit}");
}

#[test]
fn an_option_that_cannot_act_is_refused() {
    for line in [
        "udp connect --nodelay h 9",
        "udp connect --keepalive 5 h 9",
        "udp listen --mss 1000 9",
        "udp listen --user-timeout 5 9",
        "udp connect --congestion reno h 9",
        "udp listen --fast-open 9",
        "unix connect --ttl 3 /s",
        "unix listen --rcvbuf 3000 /s",
        "unix connect --nodelay /s",
        "connect --reuse-port h 9",
        "connect --tos 16 --dscp ef h 9",
        "connect --fast-open --recv-only h 9",
        "connect --fast-open h 9 -- cat",
        "connect --fast-open --echo h 9",
        "listen --retry 3 9",
        "listen --check 9",
        "connect --retry 3 --retry-for 5 h 9",
        "connect --retry-delay 3 h 9",
        "connect --retry-delay 3 --retry-for 5 h 9",
        "connect --retry 3 --retry-delay 11 h 9",
        "connect --retry-for 0 h 9",
        "connect --retry 0 h 9",
        "connect --stable 1 h 9",
        "udp connect --payload x h 9",
        "connect -z --payload x h 9",
        "udp connect -z --stable 1 h 9",
        "connect -z --quiet --json h 9",
        "connect -z h 9 -- cat",
        "connect -z --echo h 9",
        "connect -z --send x h 9",
        "connect -z --crlf h 9",
        "connect -z --no-splice h 9",
        "connect -z -q 1 h 9",
        "connect -z --recv-only h 9",
        "connect -z --on-fin close h 9",
        "udp connect -z --size 9 h 9",
        "connect -z --nodelay h 9",
        "connect -z --fast-open h 9",
        "connect -z --keepalive 5 h 9",
        "connect -z -w 0 h 9",
        "connect -z",
        "connect -z h",
        "connect -z h 0",
        "connect -z h 9-5",
        "connect -z h 5,",
        "connect -z h:80 9",
        "connect -z h 80-70000",
        "udp connect -z --payload \\x1 h 9",
    ] {
        let exit = Tool::run(line.split(' ')).expect(2);
        assert!(exit.stderr.starts_with("fincat: ") && exit.stderr.lines().count() == 1, "{exit}");
        assert_eq!(exit.stdout, b"", "{exit}");
    }
}

/// An option of another role is told apart from one that nobody has.
#[test]
fn it_is_said_whose_option_it_is() {
    for (line, wanted) in [
        ("udp connect --nodelay h 9", "option '--nodelay' cannot act here: it is for listen, connect; "),
        ("unix listen --ttl 3 /s", "it is for listen, connect, udp listen, udp connect; "),
        ("listen -z 9", "option '-z' cannot act here: it is for connect, udp connect, unix connect; "),
        ("connect --frobnicate h 9", "unknown option '--frobnicate'; "),
    ] {
        let exit = Tool::run(line.split(' ')).expect(2);
        assert!(exit.stderr.contains(wanted), "{exit}");
    }
}

#[test]
fn a_value_that_is_none_is_refused() {
    for option in [
        "--ttl 0",
        "--ttl 256",
        "--tos 256",
        "--tos x",
        "--dscp 64",
        "--dscp af44",
        "--mark -1",
        "--mark 0xg",
        "--mss 87",
        "--mss 40000",
        "--keepalive 0",
        "--keepalive 1,2,3,4",
        "--keepalive 0.5",
        "--rcvbuf 0",
        "--user-timeout soon",
        "--retry-for soon",
        "--retry many",
    ] {
        let line = ["connect", "127.0.0.1", "9"].into_iter().chain(option.split(' '));
        let exit = Tool::run(line).expect(2);
        assert_eq!(exit.stderr.lines().count(), 1, "{exit}");
    }
}
