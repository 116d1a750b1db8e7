//! Every `unsafe` of the program and its reason, as UNSAFE.md lists them; whether the reasons are right is for readers.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use super::source::{Source, Token};

const HEADING: &str = "\
# Every `unsafe`, and why it is safe

Written by a test from the `SAFETY` sentences of `src/`, and proved current by it:
`FINCAT_REGENERATE=1 cargo test --test suite -- safety` writes it anew. There is none outside `src/sys.rs` and
`src/sys/`, which hold no policy.
";

/// The sentence over an `unsafe` at a line of `source`: after `SAFETY:`, or the section of that name.
fn reason(source: &Source, line: usize) -> Option<String> {
    let lines: Vec<&str> = source.text.lines().map(str::trim).take(line - 1).collect();
    let begin = lines.iter().rposition(|line| line.starts_with("// SAFETY:") || *line == "/// # Safety")?;
    if lines.len() - begin > 8 {
        return None;
    }
    let is_said = |line: &&&str| line.starts_with("//") && **line != "/// # Safety";
    let said = lines[begin..].iter().skip_while(|line| !is_said(line)).take_while(is_said);
    let words: Vec<&str> = said.map(|line| line.trim_start_matches('/').trim()).collect();
    Some(words.join(" ").trim_start_matches("SAFETY: ").to_owned())
}

/// What is unsafe there, in a word or two.
fn what(source: &Source, token: &Token) -> String {
    let line = source.text.lines().nth(token.line - 1).unwrap_or_default().trim();
    let functions = source.functions();
    let around = functions.iter().rfind(|f| f.line <= token.line && token.line < f.line + f.lines);
    match around {
        _ if line.starts_with("unsafe impl") => line.trim_end_matches(" {}").replace("unsafe ", ""),
        _ if line.starts_with("#[unsafe(") => {
            line.trim_matches(['#', '[', ']']).replace("unsafe(", "").replace(')', "")
        }
        Some(function) if function.line == token.line => format!("unsafe fn {}", function.name),
        Some(function) => function.name.clone(),
        None => line.to_owned(),
    }
}

#[test]
fn every_unsafe_is_listed_with_its_reason() {
    let mut list = HEADING.to_owned();
    for source in Source::all("src") {
        let unsafes: Vec<&Token> = source.tokens.iter().filter(|token| token.text == "unsafe").collect();
        if !unsafes.is_empty() {
            write!(list, "\n## {}\n\n", source.path).expect("a String takes everything");
        }
        for token in unsafes {
            let reason = reason(&source, token.line);
            let reason = reason.unwrap_or_else(|| panic!("{}:{} says no SAFETY", source.path, token.line));
            writeln!(list, "- `{}`: {reason}", what(&source, token)).expect("a String takes everything");
        }
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("UNSAFE.md");
    if std::env::var_os("FINCAT_REGENERATE").is_some_and(|value| value == "1") {
        fs::write(&path, &list).expect("UNSAFE.md");
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == list, "UNSAFE.md is out of date: FINCAT_REGENERATE=1 cargo test --test suite -- safety");
}
