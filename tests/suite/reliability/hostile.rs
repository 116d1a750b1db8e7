//! Bytes that mean harm, or nothing: every parser of the command line, whole command lines, and the sentences and
//! objects that fincat says about what others are called. Made at random; not what right words mean, which stands
//! beside the parsers.
//!
//! A failing case is made smaller and printed. `FINCAT_SEED` chooses other cases, `FINCAT_TIMES` how many.

use std::ffi::{OsStr, OsString};
use std::fmt::Debug;
use std::fs::File;
use std::io::{Read, Seek};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::time::Duration;

use fincat::cli::groups::{size, time};
use fincat::cli::{Typed, nc};
use fincat::handler::builtin::unescape;
use fincat::net::address::Place;
use fincat::net::casting::Group;
use fincat::net::endpoint::{Endpoint, UnixName};
use fincat::net::places::Places;
use fincat::net::spelling::{Keepalive, parse_dscp, parse_number};
use fincat::serve::admission::parse_net;
use fincat::trace::{About, Event, Level, Log, Saying, Style};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use rustix::net::{AddressFamily, SocketAddrUnix, SocketType, bind, connect, socket};

use super::amount;
use crate::launch::Launch;

/// Plays so many cases of `strategy` to `check`.
#[track_caller]
fn holds<S: Strategy>(cases: u64, strategy: S, check: impl Fn(S::Value) -> Result<(), TestCaseError>)
where
    S::Value: Debug,
{
    let seed = std::env::var("FINCAT_SEED").ok().and_then(|seed| seed.parse::<u64>().ok()).unwrap_or(1);
    println!("seed {seed}");
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    let cases = u32::try_from(amount(cases)).unwrap_or(u32::MAX);
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &key));
    runner.run(&strategy, check).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
}

/// Pieces of words that mean something somewhere, or nearly.
#[rustfmt::skip]
const PIECES: &[&str] = &[
    "[", "]", ":", "::", "@", "/", ",", "-", "%", ".", "+", "\\", "\\x", "0x", "0", "1", "80", "65535", "65536", "443",
    "99999999999999999999", "http", "localhost", "127.0.0.1", "::1", "fe80::1%lo", "::ffff:10.0.0.1", "10.0.0.0/8",
    "/129", "tcp:", "udp:", "unix:", "unix-dgram:", "unix-seqpacket:", "ms", "s", "m", "h", "1e400", "nan", "inf", "k",
    "G", "239.0.0.1", "af41", "cs7", "é", "\u{202e}", "\u{0}", "\n", "\u{1b}[31m", " ", "'", "\"", "",
];

/// Words that make sense in most places.
#[rustfmt::skip]
const SOUND: &[&str] = &[
    "9", "80", "127.0.0.1", "localhost:9", "/s", "@s", "1s", "64k", "1", "0", "--", "cat", "tcp:h:1", "root",
];

/// What a command line begins with.
const ROLES: &[&str] =
    &["listen", "connect", "udp listen", "udp connect", "unix listen", "unix connect", "", "help", "-h"];

/// Words made of the pieces that mean something somewhere, and of anything.
fn word() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        8 => proptest::sample::select(PIECES).prop_map(str::to_owned),
        1 => any::<char>().prop_map(String::from),
        1 => any::<u64>().prop_map(|number| number.to_string()),
    ];
    prop::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    // Every other one is a byte that means something somewhere.
    let odd = |byte: u8| if byte.is_multiple_of(2) { byte } else { b"\\x0\n\xff@/:"[usize::from(byte) % 8] };
    let odd = prop::collection::vec(any::<u8>().prop_map(odd), 0..120);
    prop_oneof![word().prop_map(String::into_bytes), odd]
}

/// What a sentence must be: one line, and nothing that a terminal obeys.
fn is_a_line(text: &str) -> bool {
    !text.is_empty() && !text.contains(char::is_control)
}

/// Addresses: whatever is read is shown so that it is read again as the same.
#[test]
fn an_address_is_read_or_refused() {
    holds(2000, (word(), word()), |(one, two)| {
        if let Ok(place) = Place::parse(std::slice::from_ref(&one))
            && place.host.is_some()
        {
            prop_assert_eq!(Place::parse(&[place.to_string()]), Ok(place));
        }
        if let Ok(place) = Place::parse(&[one.clone(), two.clone()]) {
            prop_assert_eq!(Place::parse(&[place.to_string()]), Ok(place));
        }
        if let Ok(places) = Places::parse(&[one, two]) {
            prop_assert!(places.ports.iter().all(|(host, port)| *host < places.hosts.len() && *port > 0));
        }
        Ok(())
    });
}

#[test]
fn an_endpoint_is_read_or_refused() {
    holds(1000, bytes(), |bytes| {
        let word = OsStr::from_bytes(&bytes);
        if let Ok(endpoint) = Endpoint::parse(word)
            && let Some(host) = endpoint.host()
        {
            prop_assert!(is_a_line(host));
        }
        match UnixName::parse(word) {
            Ok(name) => prop_assert_eq!(OsString::from(&name).into_vec(), bytes),
            Err(why) => {
                prop_assert!(bytes.len() > 107 || bytes.contains(&0) || bytes == b"@" || bytes.is_empty(), "{why}");
            }
        }
        Ok(())
    });
}

/// TEXT: every byte is either itself or part of an escape, and nothing else is dropped.
#[test]
fn text_means_its_bytes() {
    holds(1000, bytes(), |bytes| {
        let written: Vec<u8> = bytes.iter().flat_map(|byte| format!("\\x{byte:02x}").into_bytes()).collect();
        prop_assert_eq!(unescape(&written), Ok(bytes.clone()));
        let doubled: Vec<u8> =
            bytes.iter().flat_map(|&byte| if byte == b'\\' { vec![byte, byte] } else { vec![byte] }).collect();
        prop_assert_eq!(unescape(&doubled), Ok(bytes.clone()));
        if let Ok(meant) = unescape(&bytes) {
            prop_assert!(meant.len() <= bytes.len());
        }
        Ok(())
    });
}

#[test]
fn numbers_times_and_networks_are_read_or_refused() {
    holds(2000, (word(), any::<u32>(), 0..=128u8), |(word, number, prefix)| {
        let _ = (time(&word), size(&word), parse_number(&word), parse_dscp(&word), Group::parse(&word));
        let _ = Keepalive::parse(&word, time);
        if let Ok(net) = parse_net(&word) {
            prop_assert_eq!(parse_net(&net.to_string()), Ok(net));
        }
        prop_assert_eq!(parse_number(&format!("{number:#x}")), Ok(number));
        prop_assert_eq!(time(&format!("{number}ms")), Ok(Duration::from_millis(number.into())));
        let [a, b, c, d] = number.to_be_bytes();
        let mapped = parse_net(&format!("::ffff:{a}.{b}.{c}.{d}/{prefix}"));
        let plain = parse_net(&format!("{a}.{b}.{c}.{d}/{}", i16::from(prefix) - 96));
        prop_assert!(prefix < 96 || mapped == plain, "{mapped:?} {plain:?}");
        Ok(())
    });
}

/// What nc is told becomes one line, whose words a shell reads as they were.
#[test]
fn a_line_of_nc_becomes_one_sentence() {
    let letters = "[-]{0,2}[46lkuUnvzpscemtxwqCdDhGNoO ]{0,5}";
    let words = prop::collection::vec(prop_oneof![3 => letters.boxed(), 2 => word().boxed()], 1..5);
    holds(2000, words, |words| {
        let words: Vec<OsString> = words.into_iter().map(Into::into).collect();
        prop_assert!(!nc::answer(&words).is_empty());
        Ok(())
    });
}

/// A whole line of known options, odd values and bytes that are no text: a plan, or one sentence. `plan` opens nothing.
#[test]
fn a_command_line_makes_sense_or_is_refused_in_one_sentence() {
    let known: Vec<OsString> = options().into_iter().map(Into::into).collect();
    let odd = bytes().prop_map(OsString::from_vec);
    let joined = (proptest::sample::select(known.clone()), bytes()).prop_map(|(mut option, bytes)| {
        option.push("=");
        option.push(OsString::from_vec(bytes));
        option
    });
    let word = prop_oneof![
        4 => proptest::sample::select(known),
        4 => proptest::sample::select(SOUND).prop_map(OsString::from),
        1 => joined,
        1 => odd,
    ];
    let line = (proptest::sample::select(ROLES), prop::collection::vec(word, 0..7));
    holds(300, line, |(role, words)| {
        let role = role.split_whitespace().map(OsString::from);
        let line: Vec<OsString> = [OsString::from("fincat")].into_iter().chain(role).chain(words).collect();
        match fincat::cli::read(&line) {
            Typed::Command(command) => match fincat::plan::plan(*command) {
                Ok(_) => {}
                Err(error) => prop_assert!(!error.to_string().is_empty()),
            },
            Typed::Refuse(sentence) => prop_assert!(!sentence.is_empty()),
            Typed::Print(_) | Typed::Brief => {}
        }
        Ok(())
    });
}

/// Every option of every role, as it is typed.
fn options() -> Vec<String> {
    fn walk(command: &clap::Command, all: &mut Vec<String>) {
        for argument in command.get_arguments() {
            all.extend(argument.get_long().map(|word| format!("--{word}")));
            all.extend(argument.get_short().map(|letter| format!("-{letter}")));
        }
        command.get_subcommands().for_each(|role| walk(role, all));
    }
    let mut all = Vec::new();
    walk(&fincat::cli::command(), &mut all);
    all.sort();
    all.dedup();
    all
}

/// What is said about a peer that has chosen its name, and about words as they were typed: one line of text, or one
/// object of JSON that holds it to the letter.
#[test]
fn whatever_is_said_is_one_line() {
    let sentences = (any::<String>(), bytes(), any::<bool>());
    holds(1000, sentences, |(sentence, name, json)| {
        let style = if json { Style::Json } else { Style::Text };
        let mut file = tempfile::tempfile()?;
        let saying = Saying { level: Level::Everything, style, ..Saying::default() };
        let peer = UnixName::Abstract(name).to_string();
        let about = About { id: 1, transport: "unix", local: Some(sentence.clone()), peer: peer.clone() };
        let log = Log::new(&saying, Some(File::options().append(true).open(path_of(&file))?)).naming(about);
        log.say(&Event::Failure(&sentence));
        log.say(&Event::End { side: "we" });
        let mut said = String::new();
        file.rewind()?;
        file.read_to_string(&mut said)?;
        let lines: Vec<&str> = said.split_terminator('\n').collect();
        prop_assert_eq!(lines.len(), 2, "{:?}", lines);
        for line in &lines {
            // JSON may hold a DEL as it is.
            prop_assert!(is_a_line(line) || json && !line.contains(|c| c < ' '), "{:?}", line);
        }
        if json {
            let object: serde_json::Value =
                serde_json::from_str(lines[0]).map_err(|e| TestCaseError::fail(e.to_string()))?;
            prop_assert_eq!(object["message"].as_str(), Some(sentence.as_str()));
            prop_assert_eq!(object["peer"].as_str(), Some(peer.as_str()));
        }
        Ok(())
    });
}

fn path_of(file: &File) -> String {
    use std::os::fd::AsRawFd;
    format!("/proc/self/fd/{}", file.as_raw_fd())
}

/// What a command finds in its environment is the peer's name to the byte, whatever bytes those are; one that holds a
/// NUL cannot be told.
#[test]
fn a_command_is_told_any_name() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let tool = Launch::new().listen_unix(["--thread", "--", "env", "-0"]);
    let own = std::process::id();
    for (at, odd) in
        [&b"\xff\xfe"[..], b"a\nPROTO=TCP", b"\x1b[31m", b"= ", b"\xc3", b"\\x00%s$(id)"].iter().enumerate()
    {
        let path = folder.path().join(OsStr::from_bytes(odd));
        let mut name = format!("fincat-{own}-{at}-").into_bytes();
        name.extend_from_slice(odd);
        let mut abstracts = b"@".to_vec();
        abstracts.extend_from_slice(&name);
        for (address, wanted) in [
            (SocketAddrUnix::new(&path).expect("a path"), path.as_os_str().as_bytes()),
            (SocketAddrUnix::new_abstract_name(&name).expect("a name"), &abstracts[..]),
        ] {
            let socket = socket(AddressFamily::UNIX, SocketType::STREAM, None).expect("a socket");
            bind(&socket, &address).expect("the name is free");
            connect(&socket, &SocketAddrUnix::new(tool.path()).expect("a path")).expect("fincat listens");
            let mut said = Vec::new();
            File::from(socket).read_to_end(&mut said).expect("an end");
            let mut told = said.split(|byte| *byte == 0).filter_map(|word| word.strip_prefix(b"UNIXREMOTEPATH="));
            assert_eq!(
                told.next().map(<[u8]>::escape_ascii).map(|told| told.to_string()),
                Some(wanted.escape_ascii().to_string())
            );
            assert!(said.split(|byte| *byte == 0).any(|word| word == b"PROTO=UNIX"));
        }
    }
}

/// No time is too long to be added to another.
#[test]
fn the_longest_times_are_for_ever() {
    // The largest below 2 to the 64th that a double holds.
    let longest = "18446744073709549568".to_owned();
    let listener = crate::peers::PeerListener::tcp();
    for times in [&["-q", "--half-close-timeout", "--idle-timeout"][..], &["--deadline", "-w"], &["--retry-for"]] {
        let args: Vec<&str> = times.iter().flat_map(|option| [*option, &longest]).collect();
        let mut tool = Launch::new().stdin(crate::launch::Stdin::Bytes(b"x".into())).connect(listener.addr(), args);
        let peer = listener.accept();
        assert_eq!(peer.read_to_end(), b"x");
        drop(peer);
        tool.wait().expect(0);
    }
    let mut tool = Launch::new().listen([
        "--thread",
        "--count",
        "1",
        "--grace",
        &longest,
        "-w",
        &longest,
        "127.0.0.1",
        "0",
        "--",
        "cat",
    ]);
    drop(crate::peers::PeerStream::tcp(tool.addr()));
    tool.wait().expect(0);
}
