//! What is written about fincat against what it is: the man page and the completions against the
//! command line that `fincat::cli` declares, README and CHANGELOG at their first lines.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use clap::Command;
use clap_complete::{Shell, generate};
use fincat::cli::Typed;

use crate::launch::Launch;
use crate::peers::external;
use crate::tool::fincat;

/// The command line, with everything that clap adds to it.
fn command() -> Command {
    let mut command = fincat::cli::command();
    command.build();
    command
}

fn file(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn text(path: &str) -> String {
    fs::read_to_string(file(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Calls `visit` for `command` and every subcommand below it that is not clap's own `help`.
fn walk(command: &Command, visit: &mut impl FnMut(&Command)) {
    visit(command);
    command.get_subcommands().filter(|sub| sub.get_name() != "help").for_each(|sub| walk(sub, visit));
}

/// Every visible option of every subcommand, as it is typed: `-k`, `--keep-open`.
fn declared() -> BTreeSet<String> {
    let mut options = BTreeSet::new();
    walk(&command(), &mut |command| {
        for option in command.get_arguments().filter(|arg| !arg.is_positional() && !arg.is_hide_set()) {
            options.extend(option.get_short().map(|letter| format!("-{letter}")));
            options.extend(option.get_long().map(|word| format!("--{word}")));
        }
    });
    options
}

/// The options that the words of one line of mdoc(7) name: `Fl k , Fl -keep-open`.
fn flags(line: &str) -> impl Iterator<Item = String> {
    let words: Vec<&str> = line.trim_start_matches('.').split_whitespace().collect();
    let pairs: Vec<[&str; 2]> = words.windows(2).map(|pair| [pair[0], pair[1]]).collect();
    pairs.into_iter().filter(|[macro_name, _]| *macro_name == "Fl").map(|[_, word]| format!("-{word}"))
}

/// Whether `word` is an option in prose: `-vv` is `-v` twice, `--on-` all that begin so, `--` what
/// stands before a command.
fn is_known(word: &str, declared: &BTreeSet<String>) -> bool {
    let is_group = word.ends_with('-') && declared.iter().any(|option| option.starts_with(word));
    let is_repeated = !word.starts_with("--") && word[1..].bytes().all(|byte| byte == word.as_bytes()[1]);
    declared.contains(word) || word == "--" || is_group || (is_repeated && declared.contains(&word[..2]))
}

#[test]
fn every_option_has_its_entry_in_the_man_page() {
    let page = text("man/fincat.1");
    let entries: BTreeSet<String> = page.lines().filter(|line| line.starts_with(".It Fl")).flat_map(flags).collect();
    let declared = declared();
    let missing: Vec<&String> = declared.difference(&entries).collect();
    assert!(missing.is_empty(), "man/fincat.1 has no entry (.It Fl ...) for {missing:?}");
}

#[test]
fn the_man_page_knows_no_other_options() {
    let declared = declared();
    for (line, words) in text("man/fincat.1").lines().enumerate().filter(|(_, line)| line.starts_with('.')) {
        for word in flags(words) {
            assert!(is_known(&word, &declared), "man/fincat.1:{}: there is no {word}", line + 1);
        }
    }
}

#[test]
fn the_man_page_has_its_sections() {
    let page = text("man/fincat.1");
    for section in ["HALF-CLOSE", "CONCURRENCY", "ENVIRONMENT", "SIGNALS", "EXIT STATUS", "EXAMPLES", "CAVEATS"] {
        assert!(page.lines().any(|line| line == format!(".Sh {section}")), "there is no section {section}");
    }
    for sub in command().get_subcommands().map(Command::get_name).filter(|name| *name != "help") {
        assert!(page.lines().any(|line| line == format!(".Ss {sub}")), "there is no subsection {sub}");
    }
}

/// Compares the committed completions with what `clap_complete` makes of the command line;
/// `FINCAT_REGENERATE=1 cargo test docs` writes them anew.
#[test]
fn the_completions_are_current() {
    let shells = [
        (Shell::Bash, "completions/fincat.bash"),
        (Shell::Zsh, "completions/_fincat"),
        (Shell::Fish, "completions/fincat.fish"),
    ];
    for (shell, path) in shells {
        let mut wanted = Vec::new();
        generate(shell, &mut fincat::cli::command(), "fincat", &mut wanted);
        if std::env::var_os("FINCAT_REGENERATE").is_some_and(|value| value == "1") {
            fs::create_dir_all(file("completions")).expect("a folder for the completions");
            fs::write(file(path), &wanted).expect(path);
        }
        let committed = fs::read(file(path)).unwrap_or_default();
        assert!(committed == wanted, "{path} is out of date: FINCAT_REGENERATE=1 cargo test docs");
    }
}

#[test]
fn the_first_screen_of_the_readme_says_how_to_begin() {
    let readme = text("README.md");
    let screen: Vec<&str> = readme.lines().take(24).collect();
    for command in ["cargo install --path .", "cargo test"] {
        assert!(
            screen.iter().any(|line| line.trim_start().starts_with(command)),
            "{command} is not on the first screen"
        );
    }
}

#[test]
fn the_changelog_begins_with_what_is_not_released() {
    let changelog = text("CHANGELOG.md");
    let first = changelog.lines().find(|line| line.starts_with("## ")).unwrap_or_default();
    assert!(first.contains("Unreleased"), "the first heading of CHANGELOG.md is {first:?}");
}

/// The words of a command line in a text, up to where the shell, or the text, goes on with something else.
fn words(line: &str) -> Vec<OsString> {
    let (mut words, mut word, mut quote) = (Vec::new(), String::new(), None);
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => quote = Some(c),
            // `3> file`
            (None, '>' | '<') if word.parse::<u8>().is_ok() => {
                word.clear();
                break;
            }
            (None, '|' | '<' | '>' | '&' | ';' | ')' | '`') => break,
            (None, ' ') if chars.peek() == Some(&' ') => break,
            (None, ' ') => words.extend((!word.is_empty()).then(|| std::mem::take(&mut word).into())),
            (_, c) => word.push(c),
        }
    }
    words.extend((!word.is_empty()).then(|| word.into()));
    words
}

/// `line` with something in the place of what a reader, a shell or ssh would put in.
fn filled(line: &str) -> String {
    let line = line.trim_end_matches(':').replace("PORT", "80").replace("$addr", "localhost:80");
    let line = line.replace("$port", "80").replace("%p", "80");
    let line = line.replace(" ADDR", " 127.0.0.1").replace(" NET", " 10.0.0.0/8").replace("$(mktemp -d)", "/folder");
    // Any other variable is a path.
    line.replace(" $", " /")
}

/// How a command line begins.
const ROLES: [&str; 6] = [
    "fincat listen ",
    "fincat connect ",
    "fincat udp listen ",
    "fincat udp connect ",
    "fincat unix listen ",
    "fincat unix connect ",
];

/// Every `fincat listen ...` and its like in `text`, filled in.
fn lines(text: &str) -> Vec<String> {
    // mdoc's `\e` is a backslash, and one at the end of a line continues it.
    let text = text.replace("\\e", "\\").split("\\\n").map(str::trim_start).collect::<String>();
    let mut lines = Vec::new();
    for line in text.lines().filter(|line| !line.contains("[OPTIONS]")) {
        let starts = ROLES.iter().flat_map(|form| line.match_indices(form));
        lines.extend(starts.map(|(at, _)| filled(&line[at..])));
    }
    lines
}

/// What is written down can be typed: no example is a usage error.
#[test]
fn every_documented_line_is_accepted() {
    let brief = fincat::cli::BRIEF.to_owned();
    let mut refused = Vec::new();
    for (source, text) in [("fincat", brief), ("README.md", text("README.md")), ("man/fincat.1", text("man/fincat.1"))]
    {
        let lines = lines(&text);
        assert!(lines.len() >= 5, "{source} has examples");
        for line in lines {
            let planned = match fincat::cli::read(&words(&line)) {
                Typed::Command(command) => fincat::plan::plan(*command).map(drop).map_err(|error| error.to_string()),
                Typed::Print(_) => Ok(()),
                typed => Err(format!("{typed:?}")),
            };
            refused.extend(planned.err().map(|why| format!("{source}: {line}\n    {why}\n")));
        }
    }
    assert!(refused.is_empty(), "{}", refused.concat());
}

/// The lines that people paste into CI are run as they are printed, by sh, with this fincat.
#[test]
fn is_it_up_can_be_pasted() {
    let readme = text("README.md");
    let section = readme.split("\n## Is it up?\n").nth(1).expect("the section");
    let block = section.split("```sh\n").nth(1).and_then(|rest| rest.split("```").next()).expect("its lines");
    let lines = block.lines().filter(|line| line.starts_with("fincat connect -z ")).count();
    assert_eq!(lines, 5, "{block}");
    let folder = Path::new(fincat()).parent().expect("a folder");
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap_or_default());
    let exit = Launch::new().env("PATH", path).start("sh", ["-c", block]).wait().expect(0);
    let said = String::from_utf8_lossy(&exit.stdout).into_owned();
    let told: Vec<String> = said.lines().map(without_numbers).collect();
    let json = |port: &str, status: &str, ms: &str| {
        format!(r#"{{"host":"127.0.0.1","port":{port},"status":"{status}","ms":{ms}}}"#)
    };
    let wanted = [
        "127.0.0.1 N open N ms".to_owned(),
        "127.0.0.1 N open N ms".to_owned(),
        "localhost N open N ms".to_owned(),
        "all up: go on".to_owned(),
        json("N", "open", "N"),
        json("1", "refused", "null"),
        json("2", "refused", "null"),
        json("3", "refused", "null"),
        "status 4".to_owned(),
        "127.0.0.1 N open N ms".to_owned(),
        "no proxy in front of nothing".to_owned(),
        "quick enough".to_owned(),
    ];
    assert_eq!(told, wanted, "{exit}");
    assert_eq!(exit.stderr, "", "{exit}");
}

/// The block of a section of the README that is meant to be pasted, or saved, as it is printed.
fn block(section: &str, language: &str, number: usize) -> String {
    let readme = text("README.md");
    let section = readme.split(&format!("\n## {section}\n")).nth(1).expect("the section").to_owned();
    let section = section.split("\n## ").next().expect("its text");
    let block = section.split(&format!("```{language}\n")).nth(number + 1);
    block.and_then(|rest| rest.split("```").next()).expect("its lines").to_owned()
}

/// The forwarding recipe is run as it is printed.
#[test]
fn serve_for_real_can_be_pasted() {
    if external("python3").is_none() || external("curl").is_none() {
        return;
    }
    let folder = Path::new(fincat()).parent().expect("a folder");
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap_or_default());
    let scratch = tempfile::TempDir::new().expect("a folder");
    let launch = Launch::new().env("PATH", path).env("TMPDIR", scratch.path());
    let exit = launch.start("sh", ["-c", &block("Serve for real", "sh", 0)]).wait().expect(0);
    assert_eq!(String::from_utf8_lossy(&exit.stdout), "# Changelog\n# fincat\n", "{exit}");
    assert_eq!(exit.stderr, "", "{exit}");
}

/// systemd finds no fault with the pair, and its command serves the socket that it is given.
#[test]
fn the_units_of_serve_for_real_work() {
    let [socket, service] = [0, 1].map(|number| block("Serve for real", "ini", number));
    let fincat = fincat();
    let service = service.replace("/usr/local/bin/fincat", fincat);
    let folder = tempfile::TempDir::new().expect("a folder");
    let units = [("fincat.socket", &socket), ("fincat.service", &service)].map(|(name, text)| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("write a unit");
        path
    });
    if let Some(systemd) = external("systemd-analyze") {
        let line = [&["verify".into(), "--man=no".into()], &units[..]].concat();
        let exit = Launch::new().start(systemd, line).wait();
        assert!(!exit.stderr.contains("fincat.s"), "{exit}");
    }
    let line = service.lines().find_map(|line| line.strip_prefix("ExecStart=")).expect("its command");
    let words: Vec<&str> = line.split(' ').skip(1).collect();
    let Some((_fincat, addr)) = crate::activation::started(Launch::new(), "tcp", "", &words) else { return };
    let peer = crate::peers::PeerStream::tcp(addr);
    peer.write("quince\napple\npear\n");
    peer.shutdown();
    assert_eq!(peer.read_to_end(), b"apple\npear\nquince\n");
}

/// A line with `N` for each port that was chosen and each time that was measured.
fn without_numbers(line: &str) -> String {
    let is_large = |word: &str| word.contains('.') && word.parse::<f64>().is_ok() || word.len() > 3;
    let number = |word: &str| word.parse::<f64>().is_ok() && is_large(word);
    let words = line.split_inclusive([' ', ':', ',', '}']).map(|piece| {
        let word = piece.trim_end_matches([' ', ':', ',', '}']);
        if number(word) { format!("N{}", &piece[word.len()..]) } else { piece.to_owned() }
    });
    words.collect()
}
