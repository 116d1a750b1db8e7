//! What fincat says of itself: usage, `-h`, `--help`, `-V`; the man page is `docs`.

use std::fs::File;

use super::expect_sentence;
use crate::launch::{Launch, Stdout};
use crate::tool::Tool;

/// What a screen holds.
const LINES: usize = 24;
const COLUMNS: usize = 80;

#[track_caller]
fn expect_screen(text: &str) {
    assert!(text.lines().count() <= LINES, "{} lines are more than a screen:\n{text}", text.lines().count());
    let wide = text.lines().find(|line| line.chars().count() > COLUMNS);
    assert!(wide.is_none(), "wider than a screen: {wide:?}");
}

/// The roles, each with a help of its own.
const ROLES: [&[&str]; 6] =
    [&["listen"], &["connect"], &["udp", "listen"], &["udp", "connect"], &["unix", "listen"], &["unix", "connect"]];

/// What `fincat ARGS...` prints on standard output, with status 0 and nothing on standard error.
#[track_caller]
fn printed(args: &[&str]) -> String {
    let exit = Tool::run(args).expect(0);
    assert_eq!(exit.stderr, "");
    String::from_utf8(exit.stdout).expect("text")
}

/// `fincat` alone: usage and six examples, where a pipeline does not take them for data.
#[test]
fn alone_it_gives_usage_and_six_examples() {
    let exit = Tool::run([""; 0]).expect(2);
    assert_eq!(exit.stdout, b"");
    assert!(exit.stderr.to_lowercase().contains("usage"), "{exit}");
    for form in ["fincat listen", "fincat connect"] {
        assert!(exit.stderr.contains(form), "no {form}: {exit}");
    }
    let lines = exit.stderr.lines().skip_while(|line| !line.to_lowercase().starts_with("examples"));
    let examples = lines.filter(|line| line.starts_with(' ') && line.contains("fincat ")).count();
    assert_eq!(examples, 6, "{exit}");
    expect_screen(&exit.stderr);
}

#[test]
fn short_help_fits_a_screen() {
    for role in ROLES.into_iter().chain([&[][..], &["udp"], &["unix"]]) {
        let text = printed(&[role, &["-h"]].concat());
        assert!(text.contains("Usage: fincat"), "{text}");
        assert!(!text.contains('\x1b'), "no colours in a pipe: {text}");
        expect_screen(&text);
    }
}

#[test]
fn long_help_stands_under_the_four_questions() {
    for role in ROLES.into_iter().chain([&[][..]]) {
        let text = printed(&[role, &["--help"]].concat());
        let mut rest = text.lines();
        for question in ["WHERE is the peer", "HOW MANY at once", "WHAT FOR", "HOW DOES IT END"] {
            // How many there are is no question for those who connect.
            let is_asked = question != "HOW MANY at once" || role.last() != Some(&"connect");
            let found = rest.clone().position(|line| line.starts_with(question));
            assert_eq!(found.is_some(), is_asked, "the heading `{question}` in its place:\n{text}");
            rest.nth(found.unwrap_or_default());
        }
    }
}

#[test]
fn the_version_is_cargos() {
    let version = concat!("fincat ", env!("CARGO_PKG_VERSION"), "\n");
    assert_eq!(printed(&["-V"]), version);
    assert_eq!(printed(&["--version"]), version);
}

/// Help that cannot be written is a failure like any other output.
#[test]
fn help_needs_somebody_to_take_it() {
    let full = File::options().write(true).open("/dev/full").expect("/dev/full");
    let exit = Launch::new().stdout(Stdout::File(full)).run(["listen", "--help"]).expect(1);
    expect_sentence(&exit);
}
