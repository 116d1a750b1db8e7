//! nc's command lines and letters: what fincat says to those whose fingers know them.

use super::expect_sentence;
use crate::dead_ends::Refusing;
use crate::tool::Tool;

const TRANSLATION: &str = "fincat: that is nc's command line; type: ";

/// What `fincat LINE` tells to type instead, without the line's end.
#[track_caller]
fn translated(line: &str) -> String {
    let exit = Tool::run(line.split(' ')).expect(2);
    expect_sentence(&exit);
    assert_eq!(exit.stdout, b"");
    let told = exit.stderr.strip_prefix(TRANSLATION);
    told.unwrap_or_else(|| panic!("`{line}` is not translated: {exit}")).trim_end().to_owned()
}

#[test]
fn command_lines_are_translated() {
    for (nc, ours) in [
        ("-lvnp 9000", "fincat listen -v -n 9000"),
        ("10.0.0.1 80", "fincat connect 10.0.0.1 80"),
        ("-l 9000", "fincat listen 9000"),
        ("-l -p 9000", "fincat listen 9000"),
        ("-lk 9000", "fincat listen -k 9000"),
        ("-l 127.0.0.1 9000", "fincat listen 127.0.0.1 9000"),
        ("-l -p 9000 -e /bin/cat", "fincat listen 9000 -- /bin/cat"),
        ("-w 5 10.0.0.1 80", "fincat connect -w 5 10.0.0.1 80"),
        ("-w5 10.0.0.1 80", "fincat connect -w 5 10.0.0.1 80"),
        ("-4 -C 10.0.0.1 80", "fincat connect -4 -C 10.0.0.1 80"),
        ("-s 10.0.0.2 -p 1024 10.0.0.1 80", "fincat connect -s 10.0.0.2 -p 1024 10.0.0.1 80"),
        ("-u 10.0.0.1 53", "fincat udp connect 10.0.0.1 53"),
        ("-ul 53", "fincat udp listen 53"),
        ("-U /tmp/socket", "fincat unix connect /tmp/socket"),
        ("-lU /tmp/socket", "fincat unix listen /tmp/socket"),
    ] {
        assert_eq!(translated(nc), ours, "{nc}");
    }
}

/// Whoever types what they are told to is understood.
#[test]
fn translations_can_be_typed() {
    let nobody = Refusing::port();
    let port = nobody.addr().port();
    for options in ["", "-N ", "-C ", "-v ", "-4 ", "-n ", "-d ", "-q 1 ", "-w 5 ", "-vn ", "-s 127.0.0.1 "] {
        let line = translated(&format!("{options}127.0.0.1 {port}"));
        let words = line.strip_prefix("fincat ").expect("a line of ours");
        Tool::run(words.split(' ')).expect(4);
    }
}

/// The well-known letters that mean nothing here say what to type instead.
#[test]
fn letters_that_are_not_ours_name_the_way() {
    for (letter, way) in [
        ("-l", "fincat listen"),
        ("-u", "fincat udp"),
        ("-U", "fincat unix"),
        ("-e", "-- COMMAND"),
        ("-x", "type"),
        ("-t", "type"),
    ] {
        for subcommand in ["listen", "connect"] {
            for line in [&[letter, "127.0.0.1", "9000"][..], &["127.0.0.1", "9000", letter]] {
                let exit = Tool::run([&[subcommand], line].concat()).expect(2);
                expect_sentence(&exit);
                assert!(exit.stderr.contains(letter) && exit.stderr.contains(way), "no way out of {letter}: {exit}");
            }
        }
    }
}

/// A first word that is nobody's is not nc's either.
#[test]
fn a_word_alone_is_no_line_of_ncs() {
    for word in ["lisen", "--frobnicate", "-j", ""] {
        let exit = Tool::run([word]).expect(2);
        expect_sentence(&exit);
        assert!(!exit.stderr.starts_with(TRANSLATION), "{exit}");
    }
}
