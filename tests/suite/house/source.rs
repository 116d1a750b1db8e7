//! Rust source as the house's rules see it: without comments, strings and, where asked, unit tests; as
//! words, functions and imports. Not a parser: it knows just enough of the language to be right here.

use std::fs;
use std::path::Path;

/// One file of the repository.
pub(crate) struct Source {
    /// Where it is, from the root of the repository: `src/net/dial.rs`.
    pub(crate) path: String,
    /// What it says, comments and all.
    pub(crate) text: String,
    /// Its words and signs, in order.
    pub(crate) tokens: Vec<Token>,
}

/// A word, a `::`, or a single sign.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    /// The line it stands on, from 1.
    pub(crate) line: usize,
    /// Itself.
    pub(crate) text: String,
}

/// A function with a body.
pub(crate) struct Function {
    /// Its name.
    pub(crate) name: String,
    /// The line of its `fn`.
    pub(crate) line: usize,
    /// How many lines it has, signature and closing brace included.
    pub(crate) lines: usize,
}

impl Source {
    /// Every `.rs` file under `folder`, in the order of their paths.
    pub(crate) fn all(folder: &str) -> Vec<Self> {
        let mut paths = vec![];
        walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), folder, &mut paths);
        paths.sort();
        assert!(!paths.is_empty(), "{folder} has no source");
        paths.into_iter().map(|path| Self::read(&path)).collect()
    }

    fn read(path: &str) -> Self {
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).expect(path);
        Self { path: path.to_owned(), tokens: tokens(&text), text }
    }

    /// The tokens without those of `#[cfg(test)] mod name { ... }`.
    pub(crate) fn product(&self) -> Vec<Token> {
        let (mut kept, mut at) = (Vec::new(), 0);
        while at < self.tokens.len() {
            let head: Vec<&str> = self.tokens[at..].iter().take(10).map(|token| token.text.as_str()).collect();
            if let ["#", "[", "cfg", "(", "test", ")", "]", "mod", _, "{"] = head[..] {
                at = block_end(&self.tokens, at + 9);
            } else {
                kept.push(self.tokens[at].clone());
            }
            at += 1;
        }
        kept
    }

    /// The names of its module: `["net", "dial"]`, `["net"]` for `src/net/mod.rs`, nothing for the roots.
    pub(crate) fn module(&self) -> Vec<String> {
        let inner = self.path.trim_start_matches("src/").trim_end_matches(".rs");
        let names = inner.split('/').filter(|name| !["mod", "lib", "main"].contains(name));
        names.map(str::to_owned).collect()
    }

    /// The functions that have a body, those within others included.
    pub(crate) fn functions(&self) -> Vec<Function> {
        let mut functions = Vec::new();
        for (at, pair) in self.tokens.windows(2).enumerate() {
            let is_named = pair[0].text == "fn" && pair[1].text.starts_with(|c: char| c.is_alphabetic() || c == '_');
            let Some(open) = is_named.then(|| body(&self.tokens, at)).flatten() else { continue };
            let lines = self.tokens[block_end(&self.tokens, open)].line - pair[0].line + 1;
            functions.push(Function { name: pair[1].text.clone(), line: pair[0].line, lines });
        }
        functions
    }

    /// Every path into the house that the product's code names, from its root: `relay::closing::Side` for
    /// `use crate::relay::{closing::Side}`, `crate::relay::closing::Side` and `super::closing::Side`.
    pub(crate) fn imports(&self) -> Vec<(usize, String)> {
        let tokens = self.product();
        let mut found = Vec::new();
        for at in 0..tokens.len() {
            let follows = at > 0 && tokens[at - 1].text == "::";
            // `pub(super)` leads nowhere.
            let leads = !follows && tokens.get(at + 1).is_some_and(|token| token.text == "::");
            let base = match tokens[at].text.as_str() {
                "crate" if leads => Some(Vec::new()),
                "super" if leads => Some(self.module()),
                _ => None,
            };
            if let Some(mut base) = base {
                let mut next = at;
                while tokens[next].text == "super" {
                    base.pop();
                    next += if tokens[next + 2].text == "super" { 2 } else { break };
                }
                let mut paths = Vec::new();
                path(&tokens, next + 1, &base.join("::"), &mut paths);
                found.extend(paths.into_iter().map(|path| (tokens[at].line, path)));
            }
        }
        found
    }
}

fn walk(folder: &Path, name: &str, paths: &mut Vec<String>) {
    for entry in fs::read_dir(folder).expect("a folder of the repository") {
        let entry = entry.expect("an entry");
        let path = format!("{name}/{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            walk(&entry.path(), &path, paths);
        } else if path.rsplit('.').next() == Some("rs") {
            paths.push(path);
        }
    }
}

/// Follows `::name`, `::{...}` and `::*` from `at` on, adds what it finds, and returns where it stopped.
fn path(tokens: &[Token], mut at: usize, base: &str, found: &mut Vec<String>) -> usize {
    let mut name = base.to_owned();
    while tokens.get(at).is_some_and(|token| token.text == "::") {
        at += 1;
        match tokens[at].text.as_str() {
            "{" => {
                while tokens[at].text != "}" {
                    let first = join(&name, &tokens[at + 1].text);
                    at = path(tokens, at + 2, &first, found);
                }
                return at + 1;
            }
            "<" | "*" => break,
            word => name = join(&name, word),
        }
        at += 1;
    }
    while tokens.get(at).is_some_and(|token| token.text == "as") {
        at += 2;
    }
    found.push(name.trim_end_matches("::self").to_owned());
    at
}

fn join(base: &str, word: &str) -> String {
    if base.is_empty() { word.to_owned() } else { format!("{base}::{word}") }
}

/// Where the body of the function that begins at `at` opens; None for a mere signature.
fn body(tokens: &[Token], at: usize) -> Option<usize> {
    let mut depth = 0;
    for (offset, token) in tokens[at..].iter().enumerate() {
        match token.text.as_str() {
            "(" | "[" => depth += 1,
            ")" | "]" => depth -= 1,
            ";" if depth == 0 => return None,
            "{" if depth == 0 => return Some(at + offset),
            _ => {}
        }
    }
    None
}

/// Where the block that opens at `open` closes.
fn block_end(tokens: &[Token], open: usize) -> usize {
    let mut depth = 0;
    for (offset, token) in tokens[open..].iter().enumerate() {
        match token.text.as_str() {
            "{" => depth += 1,
            "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return open + offset;
        }
    }
    panic!("a block that opens on line {} never closes", tokens[open].line)
}

/// The tokens of `text`. Comments, literals of text and lifetimes leave none.
fn tokens(text: &str) -> Vec<Token> {
    let (mut tokens, mut rest, mut line) = (Vec::new(), text, 1);
    while let Some(first) = rest.chars().next() {
        let mut length = unseen(rest);
        if length == 0 {
            let word = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
            length = match word {
                0 if rest.starts_with("::") => 2,
                0 => first.len_utf8(),
                word => word,
            };
            tokens.push(Token { line, text: rest[..length].to_owned() });
        }
        line += rest[..length].matches('\n').count();
        rest = &rest[length..];
    }
    tokens
}

/// How many bytes of blank, comment, text literal or lifetime `rest` begins with.
fn unseen(rest: &str) -> usize {
    let blank = rest.len() - rest.trim_start().len();
    if blank > 0 {
        return blank;
    }
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return rest.find("*/").map_or(rest.len(), |end| end + 2);
    }
    let unprefixed = rest.trim_start_matches(['b', 'c', 'r']);
    let prefix = rest.len() - unprefixed.len();
    let fence: String = unprefixed.chars().take_while(|&c| c == '#').collect();
    if prefix > 0 && rest[..prefix].ends_with('r') && unprefixed[fence.len()..].starts_with('"') {
        let end = format!("\"{fence}");
        let inside = prefix + fence.len() + 1;
        return rest[inside..].find(&end).map_or(rest.len(), |at| inside + at + end.len());
    }
    if unprefixed.starts_with('"') && prefix <= 1 {
        return prefix + 1 + quoted(&unprefixed[1..], '"');
    }
    if unprefixed.starts_with('\'') && prefix <= 1 {
        let after = &unprefixed[1..];
        let mut chars = after.chars();
        let is_char = chars.next() == Some('\\') || chars.next() == Some('\'');
        let name = after.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(after.len());
        return prefix + 1 + if is_char { quoted(after, '\'') } else { name };
    }
    0
}

/// How many bytes there are up to and with the closing `quote`.
fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

#[cfg(test)]
fn sample(path: &str, text: &str) -> Source {
    Source { path: path.to_owned(), text: text.to_owned(), tokens: tokens(text) }
}

#[test]
fn words_are_seen_and_texts_are_not() {
    let source = sample("src/a.rs", "// b\nfn c<'d>(e: &'d str) { \"f\\\"\"; r#\"g\"h\"#; b'\\''; 'i'; k /* l */ }");
    let words: Vec<&str> = source.tokens.iter().map(|token| token.text.as_str()).collect();
    assert_eq!(words.join(" "), "fn c < > ( e : & str ) { ; ; ; ; k }");
}

#[test]
fn imports_are_found_however_they_are_written() {
    let text = "pub(crate) use crate::net::{self, dial::{Dial, Race as R}};\n\
                use super::closing::Side;\nfn f() { super::super::sys::poll(); crate::exit::Status::Order; }\n\
                #[cfg(test)]\nmod tests { use super::*; use crate::cli; }";
    let imports: Vec<String> =
        sample("src/relay/flow.rs", text).imports().into_iter().map(|(line, path)| format!("{line} {path}")).collect();
    let wanted = [
        "1 net",
        "1 net::dial::Dial",
        "1 net::dial::Race",
        "2 relay::closing::Side",
        "3 sys::poll",
        "3 exit::Status::Order",
    ];
    assert_eq!(imports, wanted);
}

#[test]
fn functions_are_measured_from_fn_to_brace() {
    let text = "trait T {\n fn a(&self) -> [u8; 4];\n fn b() {\n  if x {\n  }\n }\n}\n";
    let functions = sample("src/t.rs", text).functions();
    assert_eq!(functions.len(), 1);
    assert_eq!((functions[0].name.as_str(), functions[0].line, functions[0].lines), ("b", 3, 4));
}
