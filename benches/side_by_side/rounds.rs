//! How a row is measured: rounds in which every contender runs once, ratios within a round, medians over the rounds.
//! What a run does is the business of the workload's room.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tempfile::TempDir;

use crate::arguments::Arguments;
use crate::contenders::{Contender, Files, Part, Place};
use crate::rows::{Bound, Ends, Figure, Must, Row, Workload};
use crate::table::Line;
use crate::{bulk, connections, datagrams, forwarding, idle, machine, scan, startup, traffic};

/// Figures of one run.
pub(crate) type Sample = HashMap<Figure, f64>;

/// Why there is no sample.
#[derive(Clone)]
pub(crate) enum Failure {
    /// Other bytes than were sent, or a status that is not 0: something is broken.
    Broken(String),
    /// It did not happen: not installed, too slow, ended early.
    Failed(String),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<rustix::io::Errno> for Failure {
    fn from(error: rustix::io::Errno) -> Self {
        io::Error::from(error).into()
    }
}

impl From<String> for Failure {
    fn from(why: String) -> Self {
        Self::Failed(why)
    }
}

/// What every run needs to know.
pub(crate) struct Bench {
    pub(crate) files: Files,
    pub(crate) rounds: usize,
    pub(crate) quick: bool,
    /// Bytes of a bulk transfer.
    pub(crate) bulk: u64,
    /// The congestion control that processes get.
    pub(crate) congestion: String,
    pub(crate) deadline: Instant,
    /// How busy others kept the machine.
    pub(crate) load_before: String,
    input: OnceCell<File>,
    _folder: TempDir,
}

impl Bench {
    /// Makes the folder, raises the limit of descriptors and looks the machine up.
    pub(crate) fn set_up(arguments: &Arguments) -> io::Result<Self> {
        let limit = getrlimit(Resource::Nofile);
        setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })?;
        // What a tool leaves behind becomes our child and can be ended.
        rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
        let folder = tempfile::Builder::new().prefix("side-by-side-").tempdir()?;
        let files = Files {
            binary: arguments.binary.clone(),
            static_binary: arguments.static_binary.clone(),
            folder: folder.path().to_owned(),
        };
        files.prepare()?;
        let (rounds, seconds, bulk) = if arguments.quick { (3, 120, 256 << 20) } else { (5, 600, 1 << 30) };
        // An input and an output lie in memory at the same time, and somebody else may need some.
        let bulk = (machine::available_memory() / 8).clamp(64 << 20, bulk) >> 20 << 20;
        Ok(Self {
            files,
            rounds: arguments.runs.unwrap_or(rounds),
            quick: arguments.quick,
            bulk,
            congestion: machine::congestion_control(),
            deadline: Instant::now() + Duration::from_secs(arguments.seconds.unwrap_or(seconds)),
            load_before: machine::load_average(),
            input: OnceCell::new(),
            _folder: folder,
        })
    }

    /// A full amount, or the share of it that will do in a hurry.
    pub(crate) fn scaled(&self, full: usize) -> usize {
        if self.quick { full.div_ceil(4) } else { full }
    }

    /// A file of `size` bytes in memory, opened anew at its beginning; that of a bulk transfer is made once.
    pub(crate) fn input(&self, size: u64) -> io::Result<File> {
        if size != self.bulk {
            return traffic::reopen(&traffic::file_of_pattern(size)?);
        }
        if self.input.get().is_none() {
            let _ = self.input.set(traffic::file_of_pattern(size)?);
        }
        self.input.get().map_or_else(|| Err(io::ErrorKind::NotFound.into()), traffic::reopen)
    }

    /// The words that start `who` for `part`.
    pub(crate) fn command(&self, who: Contender, part: Part, place: &Place) -> Result<Vec<String>, Failure> {
        Ok(self.files.command(who, part, place)?)
    }

    /// A path for a socket, in our folder.
    pub(crate) fn socket_path(&self) -> PathBuf {
        let path = self.files.folder.join("socket");
        let _ = std::fs::remove_file(&path);
        path
    }

    /// Where a size is read.
    pub(crate) fn binary_of(&self, who: Contender) -> Option<&Path> {
        match who {
            Contender::FincatStatic => self.files.static_binary.as_deref(),
            Contender::Fincat => Some(&self.files.binary),
            _ => None,
        }
    }

    /// The congestion control that whoever sends in `row` is under: that of processes, unless we send and may choose.
    pub(crate) fn congestion_of(&self, row: &Row) -> &str {
        let we_send = matches!(row.workload, Workload::Bulk { ends: Ends::Receiver, is_unix: false, .. });
        row.congestion.filter(|wanted| we_send && traffic::may_use(wanted)).unwrap_or(&self.congestion)
    }

    fn is_late(&self) -> bool {
        Instant::now() > self.deadline
    }
}

/// One run of one contender.
fn run(bench: &Bench, row: &Row, who: Contender) -> Result<Sample, Failure> {
    match row.workload {
        Workload::Bulk { ends, is_unix, input, output } => {
            let congestion = bench.congestion_of(row);
            let (size, checked) = (bench.bulk, false);
            bulk::run(bench, who, &bulk::Transfer { ends, is_unix, input, output, congestion, size, checked })
        }
        Workload::Connections(part) => connections::run(bench, who, part),
        Workload::Idle { connections } => idle::run(bench, who, bench.scaled(connections)),
        Workload::Forward => forwarding::stream(bench, who),
        Workload::ForwardConnections => forwarding::connections(bench, who),
        Workload::DatagramEcho => datagrams::echo(bench, who),
        Workload::DatagramSend { size } => datagrams::send(bench, who, size),
        Workload::Check => scan::run(bench, who),
        Workload::Listen => startup::listen(bench, who),
        Workload::Exchange => startup::exchange(bench, who),
        Workload::Footprint => startup::footprint(bench, who),
    }
}

/// What has to hold before anything is measured: the bytes that fincat moves are the bytes it was given.
fn prove(bench: &Bench, row: &Row) -> Result<(), Failure> {
    let Workload::Bulk { ends, is_unix, input, output } = row.workload else { return Ok(()) };
    let congestion = bench.congestion_of(row);
    let transfer = bulk::Transfer { ends, is_unix, input, output, congestion, size: 16 << 20, checked: true };
    bulk::run(bench, row.ours, &transfer).map(|_| ())
}

/// The samples of one contender, one a round.
struct Series {
    samples: Vec<Option<Sample>>,
    failure: Option<Failure>,
}

/// Measures a row; a line for each demand.
pub(crate) fn measure(bench: &Bench, row: &'static Row) -> Vec<Line> {
    eprintln!("bench: {} {} ({})", row.id, row.what, bench.congestion_of(row));
    let skip = |why: &str, is_broken| {
        row.musts.iter().map(|must| Line::skipped(bench, row, must, None, why, is_broken)).collect()
    };
    if bench.is_late() {
        return skip("the time was up", false);
    }
    if let Some(reason) = reason_to_skip(bench, row) {
        return skip(reason, false);
    }
    match prove(bench, row) {
        Ok(()) => {}
        Err(Failure::Broken(why)) => return skip(&format!("BROKEN: {why}"), true),
        Err(Failure::Failed(why)) => return skip(&why, false),
    }
    let series = play(bench, row);
    row.musts.iter().map(|must| judge(bench, row, must, &series)).collect()
}

fn reason_to_skip(bench: &Bench, row: &Row) -> Option<&'static str> {
    match row.workload {
        Workload::Check => {
            let open = traffic::listen().ok()?;
            let knows = bench.files.knows_check(open.local_addr().ok()?.port());
            (!knows).then_some("this fincat does not know `connect --check`")
        }
        _ if row.ours == Contender::FincatStatic && bench.files.static_binary.is_none() => Some("no --static FILE"),
        _ => None,
    }
}

/// Runs the rounds; who begins changes from round to round. A rival that cannot take part is asked once.
fn play(bench: &Bench, row: &Row) -> Vec<(Contender, Series)> {
    let everybody = [row.ours].into_iter().chain(row.rivals());
    let mut series: Vec<(Contender, Series)> =
        everybody.map(|who| (who, Series { samples: Vec::new(), failure: None })).collect();
    let rounds = if matches!(row.workload, Workload::Idle { .. }) { 1 } else { bench.rounds };
    for round in 0..rounds {
        if round > 0 && bench.is_late() {
            break;
        }
        series.rotate_left(usize::from(round > 0));
        for (who, series) in &mut series {
            if round > 0 && series.samples.iter().all(Option::is_none) {
                series.samples.push(None);
                continue;
            }
            let outcome = run(bench, row, *who);
            if let Err(Failure::Broken(why) | Failure::Failed(why)) = &outcome {
                eprintln!("bench: {} {}: {why}", row.id, who.name());
            }
            series.samples.push(match outcome {
                Ok(sample) => Some(sample),
                Err(failure) => {
                    series.failure = Some(failure);
                    None
                }
            });
        }
    }
    series
}

fn judge(bench: &Bench, row: &'static Row, must: &Must, series: &[(Contender, Series)]) -> Line {
    let of = |who| series.iter().find(|(name, _)| *name == who).map(|(_, series)| series);
    let Some(ours) = of(row.ours) else { return Line::skipped(bench, row, must, None, "not measured", false) };
    if let Some(Failure::Broken(why)) = &ours.failure {
        return Line::skipped(bench, row, must, None, &format!("BROKEN: {why}"), true);
    }
    let value = |sample: &Option<Sample>| sample.as_ref().and_then(|sample| sample.get(&must.figure).copied());
    let own: Vec<f64> = ours.samples.iter().filter_map(value).collect();
    let theirs = must.against.and_then(of);
    let rival: Vec<f64> = theirs.map(|theirs| theirs.samples.iter().filter_map(value).collect()).unwrap_or_default();
    let pairs: Vec<f64> = match theirs {
        Some(theirs) => {
            let pairs = ours.samples.iter().zip(&theirs.samples);
            pairs.filter_map(|(a, b)| Some(value(a)? / value(b).filter(|b| *b > 0.0)?)).collect()
        }
        None => own.clone(),
    };
    let enough = pairs.len() * 2 > ours.samples.len();
    if !enough {
        let culprit = if own.len() * 2 <= ours.samples.len() { Some(ours) } else { theirs };
        let why = match culprit.and_then(|series| series.failure.as_ref()) {
            Some(Failure::Failed(why) | Failure::Broken(why)) => why.clone(),
            None => "too small to be measured".into(),
        };
        let ours = (!own.is_empty()).then(|| median(&own));
        return Line::skipped(bench, row, must, ours, &why, false);
    }
    // What must never happen is judged by the worst round, all else by the median.
    let is_count = matches!(must.figure, Figure::Errors | Figure::Lost | Figure::TooLarge);
    let measured = if is_count { pairs.iter().copied().fold(0.0, f64::max) } else { median(&pairs) };
    let holds = match must.bound {
        Bound::AtLeast(bound) => measured >= bound,
        Bound::AtMost(bound) => measured <= bound,
        Bound::Told => true,
    };
    let own = if is_count { measured } else { median(&own) };
    Line::measured(bench, row, must, own, theirs.map(|_| (median(&rival), spread(&pairs))), holds)
}

/// The median, the least and the greatest.
fn spread(values: &[f64]) -> [f64; 3] {
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    [median(values), least, values.iter().copied().fold(0.0, f64::max)]
}

/// The middle one, or the mean of the two in the middle.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let half = sorted.len() / 2;
    match sorted.len() {
        0 => 0.0,
        length if length % 2 == 1 => sorted[half],
        _ => f64::midpoint(sorted[half - 1], sorted[half]),
    }
}
