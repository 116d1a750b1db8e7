//! The table, and the document around it: BENCHMARKS.md is never written by hand.
//! Nothing is judged here.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use crate::arguments::Arguments;
use crate::machine;
use crate::rounds::Bench;
use crate::rows::{Bound, Must, Row, Workload};

/// One line of the table: cells that are ready to be printed.
pub(crate) struct Line {
    cells: [String; 10],
    pub(crate) is_broken: bool,
}

const HEAD: &str = "\
| row | workload | under | figure | fincat | against | theirs | ratio | must | |
|---|---|---|---|--:|---|--:|--:|--:|---|
";

impl Line {
    /// `rival` is their figure and the ratios, the median first, then the least and the greatest of a round.
    pub(crate) fn measured(
        bench: &Bench,
        row: &Row,
        must: &Must,
        ours: f64,
        rival: Option<(f64, [f64; 3])>,
        holds: bool,
    ) -> Self {
        let verdict = match must.bound {
            Bound::Told => "",
            _ if holds => "ok",
            _ => "**SHORT**",
        };
        let (theirs, ratio) = rival.map_or_else(Default::default, |(theirs, ratios)| (number(theirs), times(ratios)));
        Self::new(bench, row, must, [number(ours), theirs, ratio], verdict.into(), false)
    }

    /// There is no ratio, perhaps not even a figure of `ours`, and `why` says why.
    pub(crate) fn skipped(
        bench: &Bench,
        row: &Row,
        must: &Must,
        ours: Option<f64>,
        why: &str,
        is_broken: bool,
    ) -> Self {
        let dash = || "–".to_owned();
        let verdict = if is_broken { format!("**{why}**") } else { format!("skipped: {why}") };
        // A cell is a cell, whatever a tool has said.
        let verdict = verdict.replace(['|', '\t', '\n'], " ");
        Self::new(bench, row, must, [ours.map_or_else(dash, number), dash(), dash()], verdict, is_broken)
    }

    fn new(bench: &Bench, row: &Row, must: &Must, figures: [String; 3], verdict: String, is_broken: bool) -> Self {
        let [ours, theirs, ratio] = figures;
        let is_tcp = match row.workload {
            Workload::Bulk { is_unix, .. } => !is_unix,
            Workload::DatagramEcho | Workload::DatagramSend { .. } => false,
            _ => true,
        };
        let demanded = match (must.bound, must.against) {
            (Bound::AtLeast(bound), _) => format!("≥ {bound}x"),
            (Bound::AtMost(bound), Some(_)) => format!("≤ {bound}x"),
            (Bound::AtMost(bound), None) => format!("≤ {bound}"),
            (Bound::Told, _) => String::new(),
        };
        let cells = [
            row.id.into(),
            row.what.into(),
            if is_tcp { bench.congestion_of(row).to_owned() } else { "–".into() },
            must.figure.name().into(),
            ours,
            must.against.map_or("–", |rival| rival.name()).into(),
            theirs,
            ratio,
            demanded,
            verdict,
        ];
        Self { cells, is_broken }
    }

    /// A line for the one who started us.
    pub(crate) fn to_record(&self) -> String {
        format!("{}\t{}\n", u8::from(self.is_broken), self.cells.join("\t"))
    }

    /// What [`Line::to_record`] has written.
    pub(crate) fn from_record(record: &str) -> Option<Self> {
        let (is_broken, cells) = record.split_once('\t')?;
        let cells: Vec<String> = cells.split('\t').map(str::to_owned).collect();
        Some(Self { cells: cells.try_into().ok()?, is_broken: is_broken == "1" })
    }
}

/// Three significant digits at least.
fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 1.0 => format!("{value:.2}"),
        0.0 => "0".into(),
        _ => format!("{value:.3}"),
    }
}

/// The spread is told too: on a busy machine it is wide, and the median means little.
fn times([median, least, greatest]: [f64; 3]) -> String {
    format!("{}x ({}–{})", number(median), number(least), number(greatest))
}

/// The table alone.
pub(crate) fn table(lines: &[Line]) -> String {
    let mut text = HEAD.to_owned();
    for line in lines {
        writeln!(text, "| {} |", line.cells.join(" | ")).expect("a String takes everything");
    }
    text
}

/// The whole of BENCHMARKS.md.
pub(crate) fn document(arguments: &Arguments, bench: &Bench, lines: &[Line], took: Duration) -> String {
    let typed: Vec<String> = arguments.typed.iter().map(|word| portable(word)).collect();
    let static_build = match &bench.files.static_binary {
        Some(_) => "measured too, in the rows that say so",
        None => "not measured",
    };
    format!(
        "\
# Benchmarks

fincat beside its peers over loopback, measured in turns: in every round each contender runs once, a ratio is taken
within a round, and the medians over the rounds are shown, of ratios the least and the greatest too. Where these are
far apart the machine was busy, and the median means little: interpreters suffer most from that. For rates more is better, for everything else less. *must*
is the floor that the design sets for the ratio (for the figure itself where there is no rival). Generated, never
edited: the command repeats it.

    cargo bench -- {command} > BENCHMARKS.md

| | |
|---|---|
| date | {date}, {seconds} s for all of it |
| machine | {processor}, {memory} GiB available |
| load average | {before} before, {after} after; the benchmark itself is in the second |
| kernel | {kernel}; TCP rows under {congestion} unless the table says otherwise |
| fincat | {version}; a static build is {static_build} |
| peers | {peers} |
| amounts | {rounds} rounds; {bulk} MiB a stream (row 5a twice that){hurry} |

{table}
*under* is the congestion control of the processes: bbr paces loopback, reno does not. Rows 1a to 1e and 5a are defined
under reno, 1f to 1h under bbr; where the machine's is another one, they run in a network
namespace of their own if there may be one, else under what is said.
Row 4 is the server's share of user memory and what the kernel holds more than before (stacks, page tables, unreclaimable
slabs), less the client's ends. CPU is what /proc tells: nanoseconds of threads that live, hundredths of a second of those
that have ended.
",
        command = typed.join(" "),
        date = machine::date(),
        seconds = took.as_secs(),
        processor = machine::processor(),
        memory = machine::available_memory() >> 30,
        before = bench.load_before,
        after = machine::load_average(),
        kernel = machine::kernel(),
        congestion = bench.congestion,
        version = machine::version_of(&bench.files.binary),
        peers = machine::peers().join(", "),
        rounds = bench.rounds,
        bulk = bench.bulk >> 20,
        hurry = if bench.quick { "; --quick: a quarter of the idle connections, datagrams and starts" } else { "" },
        table = table(lines),
    )
}

/// A path says where somebody keeps things; its last word is enough for a reader.
fn portable(word: &str) -> String {
    let name = Path::new(word).file_name().filter(|_| word.starts_with('/'));
    name.map_or_else(|| word.to_owned(), |name| name.to_string_lossy().into_owned())
}
