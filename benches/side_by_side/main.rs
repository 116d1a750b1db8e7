//! The side-by-side benchmark: the workloads of the design's part 5, fincat beside the tools that are installed,
//! one Markdown table. It measures and never judges a build: a slow machine is no failure, wrong bytes are.

// Figures are for people: what a cast loses, rounding has lost already.
#![allow(clippy::cast_precision_loss)]

mod arguments;
mod bulk;
mod child;
mod connections;
mod contenders;
mod datagrams;
mod forwarding;
mod idle;
mod machine;
mod namespace;
mod readiness;
mod rounds;
mod rows;
mod scan;
mod startup;
mod table;
mod traffic;

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use arguments::{Arguments, Asked};
use rounds::Bench;
use rows::Row;
use table::Line;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    // `cargo test --benches` runs this too, without that word.
    if !words.iter().any(|word| word == "--bench") {
        return ExitCode::SUCCESS;
    }
    let outcome = match arguments::parse(&words) {
        Ok(Asked::Help) => say(arguments::HELP),
        Ok(Asked::List) => say(&rows::list()),
        Ok(Asked::Measure(arguments)) => return measure(&arguments),
        Err(complaint) => {
            eprintln!("bench: {complaint}");
            return ExitCode::from(2);
        }
    };
    if outcome.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Prints to standard output; a reader that has gone is an error, not a panic.
fn say(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Measures the rows asked for and prints the table. The status is a failure only if something is broken.
fn measure(arguments: &Arguments) -> ExitCode {
    let bench = match Bench::set_up(arguments) {
        Ok(bench) => bench,
        Err(error) => {
            eprintln!("bench: cannot set up: {error}");
            return ExitCode::FAILURE;
        }
    };
    if arguments.inside.is_some() {
        let lines = arguments.rows.iter().flat_map(|row| rounds::measure(&bench, row));
        let text: String = lines.map(|line| line.to_record()).collect();
        return if say(&text).is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    let began = Instant::now();
    let lines = measure_in_groups(arguments, &bench);
    let took = began.elapsed();
    let text = if arguments.markdown {
        table::document(arguments, &bench, &lines, Duration::from_secs(took.as_secs()))
    } else {
        table::table(&lines)
    };
    let is_broken = lines.iter().any(|line| line.is_broken);
    if say(&text).is_err() || is_broken { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Neighbouring rows with the same wish for a congestion control are measured in one go.
fn measure_in_groups(arguments: &Arguments, bench: &Bench) -> Vec<Line> {
    let mut lines = Vec::new();
    for group in arguments.rows.chunk_by(|one, next| one.congestion == next.congestion) {
        lines.extend(measure_group(arguments, bench, group));
    }
    lines
}

fn measure_group(arguments: &Arguments, bench: &Bench, group: &[&'static Row]) -> Vec<Line> {
    let here = || group.iter().flat_map(|row| rounds::measure(bench, row)).collect();
    let Some(wanted) = group[0].congestion.filter(|wanted| *wanted != bench.congestion) else { return here() };
    let ids: Vec<&str> = group.iter().map(|row| row.id).collect();
    match namespace::measure_inside(arguments, bench, wanted, &ids) {
        Ok(lines) => lines,
        Err(why) => {
            eprintln!("bench: no {wanted} here: {why}; measured under {}", bench.congestion);
            here()
        }
    }
}
