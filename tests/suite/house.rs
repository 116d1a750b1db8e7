//! The house itself: `src/` is read and held to part 4 of the design, rule by rule; what the program
//! does is the business of all the other rooms.

mod dependencies;
mod safety;
mod source;

use std::fmt::Write as _;

use self::source::{Source, Token};

/// A room and the paths of other rooms that it may import.
type Row = (&'static str, &'static [&'static str]);

/// Who may import whom. `lib.rs`, `run.rs` and `main.rs` are free.
const ROOMS: [Row; 11] = [
    ("sys", &[]),
    ("trace", &[]),
    ("exit", &[]),
    ("relay", &["sys", "trace"]),
    ("net", &["relay::end", "sys"]),
    ("handler", &["net", "relay", "sys", "exit", "trace"]),
    ("session", &["net", "handler", "relay", "trace", "sys", "exit"]),
    ("serve", &["net", "session", "trace", "sys", "exit", "handler::command::Roster"]),
    ("check", &["net", "trace", "sys", "exit"]),
    ("plan", &["check", "cli", "exit", "trace", "net", "relay", "handler", "serve", "session"]),
    ("cli", &["exit", "trace", "net", "relay", "handler", "serve", "session"]),
];

/// A crate and the paths under which it may be named.
const CRATES: [Row; 10] = [
    ("clap", &["src/cli"]),
    ("socket2", &["src/net/"]),
    ("rustix", &["src/sys.rs", "src/sys/"]),
    ("libc", &["src/sys.rs", "src/sys/"]),
    ("humantime", &["src/cli", "src/trace/"]),
    ("serde_json", &["src/trace/"]),
    ("indicatif", &["src/trace/progress.rs"]),
    ("console", &["src/trace/progress.rs"]),
    ("libm", &["src/sys/power.rs"]),
    // The port file, and the private names of datagram clients.
    ("tempfile", &["src/serve/ready.rs", "src/net/path.rs"]),
];

/// What the rules found, a line each.
#[derive(Default)]
struct Findings(String);

impl Findings {
    fn add(&mut self, source: &Source, line: usize, what: &str) {
        writeln!(self.0, "  {}:{line}: {what}", source.path).expect("a String takes everything");
    }

    #[track_caller]
    fn expect_none(&self, rule: &str) {
        assert!(self.0.is_empty(), "{rule}\n{}", self.0);
    }
}

/// Calls `find` for every file of `src/` and demands that it finds nothing.
#[track_caller]
fn hold(rule: &str, find: impl Fn(&Source, &mut Findings)) {
    let mut findings = Findings::default();
    for source in Source::all("src") {
        find(&source, &mut findings);
    }
    findings.expect_none(rule);
}

/// The first line on which `source` names the crate `name`.
fn names(source: &Source, name: &str) -> Option<usize> {
    let texts: Vec<&str> = source.tokens.iter().map(|token| token.text.as_str()).collect();
    let is_named = |&at: &usize| {
        let before = at.checked_sub(1).map_or("", |before| texts[before]);
        let after = texts.get(at + 1).copied().unwrap_or_default();
        texts[at] == name && before != "::" && before != "." && (after == "::" || before == "use")
    };
    (0..texts.len()).find(is_named).map(|at| source.tokens[at].line)
}

fn is_under(path: &str, places: &[&str]) -> bool {
    places.iter().any(|place| path.starts_with(place))
}

/// Calls `found` with the position of every token of `source` that is `word`.
fn each(source: &Source, word: &str, mut found: impl FnMut(usize, &Token)) {
    for (at, token) in source.tokens.iter().enumerate().filter(|(_, token)| token.text == word) {
        found(at, token);
    }
}

/// The text of the token at `at` + `offset`, or nothing.
fn beside(source: &Source, at: usize, offset: isize) -> &str {
    let token = at.checked_add_signed(offset).and_then(|at| source.tokens.get(at));
    token.map_or("", |token| &token.text)
}

#[test]
fn crates_are_named_in_their_rooms_only() {
    for (name, places) in CRATES {
        hold(&format!("{name} belongs to {places:?}"), |source, findings| {
            if let Some(line) = names(source, name).filter(|_| !is_under(&source.path, places)) {
                findings.add(source, line, name);
            }
        });
    }
}

#[test]
fn networks_are_known_to_admission_and_their_spelling_to_the_command_line() {
    hold("ipnet belongs to serve/admission.rs", |source, findings| {
        if let Some(line) = names(source, "ipnet").filter(|_| source.path != "src/serve/admission.rs") {
            findings.add(source, line, "ipnet");
        }
    });
}

#[test]
fn errors_below_the_handlers_are_plain() {
    const PLAIN: [&str; 4] = ["src/sys.rs", "src/sys/", "src/relay/", "src/net/"];
    hold("anyhow is above the system layer", |source, findings| {
        if let Some(line) = names(source, "anyhow").filter(|_| is_under(&source.path, &PLAIN)) {
            findings.add(source, line, "anyhow");
        }
    });
}

#[test]
fn rooms_import_only_what_the_table_allows() {
    hold("the table of rooms in part 4", |source, findings| {
        let module = source.module();
        let Some(own) = module.first().filter(|own| *own != "run") else { return };
        let Some((_, allowed)) = ROOMS.iter().find(|(room, _)| *room == own) else {
            return findings.add(source, 1, "the table does not know this room");
        };
        for (line, path) in source.imports() {
            let fits = |allowed: &str| path == allowed || path.starts_with(&format!("{allowed}::"));
            if !fits(own) && !allowed.iter().any(|allowed| fits(allowed)) {
                findings.add(source, line, &format!("{own} imports {path}"));
            }
        }
    });
}

#[test]
fn unsafe_is_in_sys_only() {
    hold("unsafe belongs to sys.rs and sys/", |source, findings| {
        let is_ours = is_under(&source.path, &["src/sys.rs", "src/sys/"]);
        each(source, "unsafe", |_, token| {
            if !is_ours {
                findings.add(source, token.line, "unsafe");
            }
        });
        each(source, "unsafe_code", |_, token| {
            if !is_ours {
                findings.add(source, token.line, "unsafe_code");
            }
        });
    });
}

#[test]
fn every_unsafe_block_says_why_it_is_safe() {
    hold("every unsafe block stands under a `// SAFETY:` sentence", |source, findings| {
        let lines: Vec<&str> = source.text.lines().map(str::trim).collect();
        each(source, "unsafe", |at, token| {
            let mut above = lines[..token.line].iter().rev().take(8);
            if beside(source, at, 1) == "{" && !above.any(|line| line.starts_with("// SAFETY:")) {
                findings.add(source, token.line, "unsafe");
            }
        });
    });
}

#[test]
fn standard_error_is_for_trace_and_main() {
    hold("only trace and main speak on standard error", |source, findings| {
        let may = is_under(&source.path, &["src/trace.rs", "src/trace/", "src/main.rs"]);
        for name in ["eprintln", "eprint", "dbg"] {
            each(source, name, |at, token| {
                if !may && beside(source, at, 1) == "!" {
                    findings.add(source, token.line, name);
                }
            });
        }
        each(source, "stderr", |at, token| {
            let defines = source.path == "src/sys.rs" && beside(source, at, -1) == "fn";
            // `.stderr(...)` sets up a child's.
            let calls = beside(source, at, 1) == "(" && beside(source, at, -1) != ".";
            if !may && !defines && calls {
                findings.add(source, token.line, "stderr()");
            }
        });
    });
}

#[test]
fn the_process_exits_in_main_only() {
    hold("process::exit is main's", |source, findings| {
        each(source, "exit", |at, token| {
            let path = (beside(source, at, -2), beside(source, at, -1));
            let calls = beside(source, at, 1) == "(" && !["fn", ".", "::"].contains(&path.1);
            if source.path != "src/main.rs" && (path == ("process", "::") || calls) {
                findings.add(source, token.line, "exit");
            }
        });
    });
}

#[test]
fn nothing_global_changes() {
    const CHANGING: [&str; 8] = ["Mutex", "RwLock", "Cell", "RefCell", "OnceLock", "OnceCell", "LazyLock", "Lazy"];
    hold("no global mutable state", |source, findings| {
        each(source, "thread_local", |_, token| findings.add(source, token.line, "thread_local"));
        each(source, "static", |at, token| {
            let declared = source.tokens[at..].iter().map(|token| token.text.as_str());
            let mut declared = declared.take_while(|word| !["=", ";", "{"].contains(word));
            if declared.any(|word| word == "mut" || word.starts_with("Atomic") || CHANGING.contains(&word)) {
                findings.add(source, token.line, "a static that changes");
            }
        });
    });
}

#[test]
fn rooms_have_names() {
    const NAMELESS: [&str; 6] = ["util", "common", "helper", "shared", "misc", "manager"];
    let is_nameless = |name: &str| NAMELESS.iter().any(|word| name == *word || name == format!("{word}s"));
    hold("no module called util, common, helper, shared, misc or manager", |source, findings| {
        if source.path.split(['/', '.']).any(is_nameless) {
            findings.add(source, 1, "a room without a name");
        }
        each(source, "mod", |at, token| {
            if is_nameless(beside(source, at, 1)) {
                findings.add(source, token.line, beside(source, at, 1));
            }
        });
    });
}

/// The suite and the benchmark live by the same measures as the program.
fn everything() -> Vec<Source> {
    ["src", "tests/suite", "benches"].into_iter().flat_map(Source::all).collect()
}

#[test]
fn every_file_says_what_it_is() {
    let mut findings = Findings::default();
    for source in everything() {
        if !source.text.starts_with("//! ") {
            findings.add(&source, 1, "no //!");
        }
    }
    findings.expect_none("every file opens with //!");
}

#[test]
fn no_file_is_long() {
    let mut findings = Findings::default();
    for source in everything() {
        let lines = source.text.lines().count();
        if lines > 400 {
            findings.add(&source, lines, "the last line");
        }
    }
    findings.expect_none("no file has more than 400 lines");
}

#[test]
fn no_function_is_long() {
    let mut findings = Findings::default();
    for source in everything() {
        for function in source.functions().iter().filter(|function| function.lines > 60) {
            findings.add(&source, function.line, &format!("{} has {} lines", function.name, function.lines));
        }
    }
    findings.expect_none("no function has more than 60 lines");
}

#[test]
fn four_folders_answer_the_four_questions() {
    let sources = Source::all("src");
    for folder in ["net", "serve", "handler", "relay"] {
        assert!(sources.iter().any(|source| source.module().first().is_some_and(|room| room == folder)), "{folder}");
    }
    assert!(!sources.iter().any(|source| source.path.ends_with("/tcp.rs")), "the address family is data");
}

/// A pattern for what is not there lays out nothing, and nobody would notice.
#[test]
fn the_linker_is_told_of_what_exists() {
    let script = std::fs::read_to_string("link/conversation.ld").expect("the linker script");
    let sources = Source::all("src");
    let is_there = |name: &str| {
        let is_word = |source: &Source| source.tokens.iter().any(|token| token.text == name);
        sources.iter().any(|source| is_word(source) || source.module().iter().any(|room| room == name))
    };
    let mut names = 0;
    for symbol in script.split("_ZN6fincat").skip(1) {
        let mut rest = symbol;
        // Mangled: each part of a path behind its length.
        while let Some(digits) = rest.find(|c: char| !c.is_ascii_digit()).filter(|&digits| digits > 0) {
            let length: usize = rest[..digits].parse().expect("digits");
            let name = rest.get(digits..digits + length).unwrap_or(rest);
            assert!(is_there(name), "there is no {name}");
            (names, rest) = (names + 1, &rest[digits + name.len()..]);
        }
    }
    assert!(names > 15, "only {names} names are in the linker script");
}
