//! The benchmark's own command line, small enough to be read by hand; fincat's is not known here.

use std::path::PathBuf;

use crate::rows::{ROWS, Row};

/// What `--help` prints.
pub(crate) const HELP: &str = "\
cargo bench -- [ROW...] [OPTIONS]       fincat beside its peers, over loopback, in one Markdown table

  ROW              1a, 3b ...; a bare number is all of its rows; default: every row
  --runs N         rounds; every round runs every contender once (default 5, with --quick 3)
  --quick          less data and fewer connections: about 2 minutes instead of 10
  --binary FILE    the fincat to measure (default: the one that cargo has just built)
  --static FILE    a static build of it, for the rows that need one
  --markdown       the whole of BENCHMARKS.md: the table, the machine, the versions
  --list           the rows, without measuring
";

/// What was asked for.
pub(crate) enum Asked {
    Help,
    List,
    Measure(Arguments),
}

/// How to measure.
pub(crate) struct Arguments {
    pub(crate) rows: Vec<&'static Row>,
    pub(crate) runs: Option<usize>,
    pub(crate) quick: bool,
    pub(crate) binary: PathBuf,
    pub(crate) static_binary: Option<PathBuf>,
    pub(crate) markdown: bool,
    /// We are the copy that runs in a namespace of its own, under this congestion control.
    pub(crate) inside: Option<String>,
    /// Seconds for everything, where the default does not do.
    pub(crate) seconds: Option<u64>,
    /// The words as typed, to be printed as the command that repeats it.
    pub(crate) typed: Vec<String>,
}

/// Understands `words`; the error is a sentence for standard error.
pub(crate) fn parse(words: &[String]) -> Result<Asked, String> {
    let mut arguments = Arguments {
        rows: Vec::new(),
        runs: None,
        quick: false,
        binary: PathBuf::from(env!("CARGO_BIN_EXE_fincat")),
        static_binary: None,
        markdown: false,
        inside: None,
        seconds: None,
        typed: Vec::new(),
    };
    let mut words = words.iter().filter(|word| *word != "--bench");
    while let Some(word) = words.next() {
        let mut value = || words.next().cloned().ok_or(format!("{word} needs a value"));
        match word.as_str() {
            "-h" | "--help" => return Ok(Asked::Help),
            "--list" => return Ok(Asked::List),
            "--quick" => arguments.quick = true,
            "--markdown" => arguments.markdown = true,
            "--runs" => arguments.runs = Some(number(&value()?)?),
            "--seconds" => arguments.seconds = Some(number(&value()?)?),
            "--inside" => arguments.inside = Some(value()?),
            "--binary" => arguments.binary = file(&value()?)?,
            "--static" => arguments.static_binary = Some(file(&value()?)?),
            option if option.starts_with('-') => return Err(format!("unknown option '{option}'; see --help")),
            row => arguments.rows.extend(rows_called(row)?),
        }
    }
    if arguments.rows.is_empty() {
        arguments.rows = ROWS.iter().collect();
    }
    arguments.typed = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    Ok(Asked::Measure(arguments))
}

fn rows_called(name: &str) -> Result<Vec<&'static Row>, String> {
    let is_of_family = |row: &&Row| row.id.trim_end_matches(|letter: char| letter.is_ascii_lowercase()) == name;
    let rows: Vec<&Row> = ROWS.iter().filter(|row| row.id == name || is_of_family(row)).collect();
    if rows.is_empty() { Err(format!("there is no row '{name}'; see --list")) } else { Ok(rows) }
}

fn number<N: std::str::FromStr + PartialOrd + From<u8>>(word: &str) -> Result<N, String> {
    match word.parse() {
        Ok(number) if number >= N::from(1) => Ok(number),
        _ => Err(format!("'{word}' is no number of at least 1")),
    }
}

/// An existing file by its full path: copies of us may run elsewhere.
fn file(word: &str) -> Result<PathBuf, String> {
    std::fs::canonicalize(word).map_err(|error| format!("cannot find '{word}': {error}"))
}
