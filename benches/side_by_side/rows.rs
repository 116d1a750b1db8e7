//! The rows of the scoreboard as data: what runs, against whom, and what the design demands of it.
//! How a workload is run is the business of its own room.

use std::fmt::Write as _;

use crate::contenders::{Contender, Part};

/// A figure that a run yields.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Figure {
    Throughput,
    SenderCpu,
    ReceiverCpu,
    RelayCpu,
    ConnectionRate,
    ConnectionCpu,
    SlowestPercent,
    Errors,
    MemoryEach,
    DatagramRate,
    Lost,
    TooLarge,
    Milliseconds,
    Microseconds,
    FileSize,
    Resident,
}

impl Figure {
    /// How the table calls it, unit included.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Throughput => "GiB/s",
            Self::SenderCpu => "sender's CPU s/GiB",
            Self::ReceiverCpu => "receiver's CPU s/GiB",
            Self::RelayCpu => "relay's CPU s/GiB",
            Self::ConnectionRate => "connections/s",
            Self::ConnectionCpu => "CPU µs each",
            Self::SlowestPercent => "p99 µs",
            Self::Errors => "errors",
            Self::MemoryEach => "KiB each",
            Self::DatagramRate => "datagrams/s",
            Self::Lost => "lost",
            Self::TooLarge => "larger than asked",
            Self::Milliseconds => "ms",
            Self::Microseconds => "µs",
            Self::FileSize => "MiB on disk",
            Self::Resident => "MiB resident at most",
        }
    }
}

/// What is demanded of a ratio, or of our figure itself where there is no rival.
#[derive(Clone, Copy)]
pub(crate) enum Bound {
    AtLeast(f64),
    AtMost(f64),
    /// Told, not demanded.
    Told,
}

/// One line of the table.
pub(crate) struct Must {
    pub(crate) figure: Figure,
    pub(crate) against: Option<Contender>,
    pub(crate) bound: Bound,
}

/// What an end of a bulk transfer reads from, or writes to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outlet {
    Pipe,
    File,
    Null,
}

/// Which ends of a bulk transfer the contender is; the other one is ours and as cheap as can be.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ends {
    Sender,
    Receiver,
    Both,
}

/// What is run.
#[derive(Clone, Copy)]
pub(crate) enum Workload {
    Bulk { ends: Ends, is_unix: bool, input: Outlet, output: Outlet },
    Connections(Part),
    Idle { connections: usize },
    Forward,
    ForwardConnections,
    DatagramEcho,
    DatagramSend { size: usize },
    Check,
    Listen,
    Exchange,
    Footprint,
}

/// A row of the design's part 5.
pub(crate) struct Row {
    pub(crate) id: &'static str,
    pub(crate) what: &'static str,
    /// The congestion control it is defined under, if it matters.
    pub(crate) congestion: Option<&'static str>,
    pub(crate) workload: Workload,
    pub(crate) ours: Contender,
    pub(crate) musts: &'static [Must],
}

const fn at_least(bound: f64, figure: Figure, against: Contender) -> Must {
    Must { figure, against: Some(against), bound: Bound::AtLeast(bound) }
}

const fn at_most(bound: f64, figure: Figure, against: Contender) -> Must {
    Must { figure, against: Some(against), bound: Bound::AtMost(bound) }
}

/// A bound on our figure itself.
const fn limit(bound: f64, figure: Figure) -> Must {
    Must { figure, against: None, bound: Bound::AtMost(bound) }
}

/// A rival that the design does not name, for the reader.
const fn told(figure: Figure, against: Contender) -> Must {
    Must { figure, against: Some(against), bound: Bound::Told }
}

const fn sending(input: Outlet) -> Workload {
    Workload::Bulk { ends: Ends::Sender, is_unix: false, input, output: Outlet::Null }
}

const fn receiving(output: Outlet) -> Workload {
    Workload::Bulk { ends: Ends::Receiver, is_unix: false, input: Outlet::File, output }
}

const fn at_both_ends(is_unix: bool, input: Outlet) -> Workload {
    Workload::Bulk { ends: Ends::Both, is_unix, input, output: Outlet::Pipe }
}

const RENO: Option<&str> = Some("reno");
const BBR: Option<&str> = Some("bbr");

use Contender::{
    Fincat, FincatFork, FincatSingle, FincatStatic, FincatThread, Haproxy, Nc, Ncat, Nginx, PythonForking,
    PythonThreading, Socat, SocatLarge, Tcpserver,
};
use Figure::{
    ConnectionCpu, ConnectionRate, DatagramRate, Errors, FileSize, Lost, MemoryEach, Microseconds, Milliseconds,
    ReceiverCpu, RelayCpu, Resident, SenderCpu, SlowestPercent, Throughput, TooLarge,
};

const fn row(
    id: &'static str,
    what: &'static str,
    congestion: Option<&'static str>,
    workload: Workload,
    ours: Contender,
    musts: &'static [Must],
) -> Row {
    Row { id, what, congestion, workload, ours, musts }
}

/// Every row, in the design's order.
#[rustfmt::skip]
pub(crate) const ROWS: &[Row] = &[
    row("1a", "send, standard input a pipe", RENO, sending(Outlet::Pipe), Fincat,
        &[at_least(2.0, Throughput, SocatLarge), at_most(0.6, SenderCpu, SocatLarge), told(Throughput, Ncat)]),
    row("1b", "send, standard input a file", RENO, sending(Outlet::File), Fincat,
        &[at_least(2.8, Throughput, SocatLarge), at_most(0.35, SenderCpu, SocatLarge)]),
    row("1c", "receive, standard output a pipe", RENO, receiving(Outlet::Pipe), Fincat,
        &[at_least(2.8, Throughput, Nc), at_most(0.3, ReceiverCpu, Nc), told(Throughput, Ncat)]),
    row("1d", "receive, standard output a file in memory", RENO, receiving(Outlet::File), Fincat,
        &[at_least(1.05, Throughput, SocatLarge), at_most(0.95, ReceiverCpu, SocatLarge)]),
    row("1e", "receive, standard output /dev/null", RENO, receiving(Outlet::Null), Fincat,
        &[at_least(1.8, Throughput, SocatLarge), at_most(0.35, ReceiverCpu, SocatLarge)]),
    row("1f", "send, standard input a file", BBR, sending(Outlet::File), Fincat,
        &[at_least(1.8, Throughput, Nc), at_most(0.6, SenderCpu, Nc)]),
    row("1g", "send, standard input a pipe", BBR, sending(Outlet::Pipe), Fincat,
        &[at_least(2.0, Throughput, Nc), at_most(0.75, SenderCpu, Nc)]),
    row("1h", "both ends, pipe to pipe", BBR, at_both_ends(false, Outlet::Pipe), Fincat,
        &[at_least(1.0, Throughput, Nc), at_most(0.85, SenderCpu, Nc)]),
    row("2a", "unix stream, both ends, pipe to pipe", None, at_both_ends(true, Outlet::Pipe), Fincat,
        &[at_least(2.5, Throughput, Nc), at_most(0.3, SenderCpu, Nc), at_most(0.3, ReceiverCpu, Nc)]),
    row("2b", "unix stream, both ends, file to pipe", None, at_both_ends(true, Outlet::File), Fincat,
        &[at_least(1.8, Throughput, SocatLarge), at_most(0.3, SenderCpu, SocatLarge)]),
    row("3a", "echo, --thread, 16 at once", None, Workload::Connections(Part::Echo), FincatThread,
        &[at_least(5.5, ConnectionRate, PythonThreading), at_most(0.6, SlowestPercent, PythonThreading), limit(0.0, Errors)]),
    row("3b", "echo, --fork, 16 at once", None, Workload::Connections(Part::Echo), FincatFork,
        &[at_least(2.5, ConnectionRate, Socat), at_least(8.0, ConnectionRate, PythonForking), limit(0.0, Errors)]),
    row("3c", "echo, --single -k, 16 wait", None, Workload::Connections(Part::Echo), FincatSingle,
        &[at_least(8.0, ConnectionRate, PythonThreading), limit(0.0, Errors)]),
    row("3d", "/bin/cat for each, 16 at once", None, Workload::Connections(Part::Command), FincatFork,
        &[at_least(1.0, ConnectionRate, Tcpserver), at_most(0.95, ConnectionCpu, Tcpserver),
          at_most(0.8, SlowestPercent, Tcpserver), limit(0.0, Errors)]),
    row("4a", "10,000 idle, --thread", None, Workload::Idle { connections: 10_000 }, FincatThread,
        &[limit(42.0, MemoryEach), at_most(0.85, MemoryEach, PythonThreading), limit(0.0, Errors)]),
    row("4b", "1,000 idle, --fork", None, Workload::Idle { connections: 1_000 }, FincatFork,
        &[at_most(0.65, MemoryEach, Socat), limit(0.0, Errors)]),
    row("5a", "forward one stream", RENO, Workload::Forward, Fincat,
        &[at_least(2.3, Throughput, SocatLarge), at_most(0.35, RelayCpu, SocatLarge), at_least(1.1, Throughput, Haproxy)]),
    row("5b", "forward connections, 16 at once", None, Workload::ForwardConnections, Fincat,
        &[at_least(0.95, ConnectionRate, Nginx), at_least(4.5, ConnectionRate, Socat), limit(0.0, Errors)]),
    row("6a", "udp echo, 64 bytes, 32 outstanding", None, Workload::DatagramEcho, Fincat,
        &[at_least(2.0, DatagramRate, PythonThreading), limit(0.0, Lost), limit(0.0, TooLarge)]),
    row("6b", "standard input to udp, 64 bytes each", None, Workload::DatagramSend { size: 64 }, Fincat,
        &[at_least(5.0, DatagramRate, Socat), limit(0.0, TooLarge)]),
    row("6c", "standard input to udp, 1400 bytes each", None, Workload::DatagramSend { size: 1400 }, Fincat,
        &[at_least(5.0, DatagramRate, Socat), limit(0.0, TooLarge)]),
    row("7", "check 1,000 ports, 10 of them open", None, Workload::Check, Fincat,
        &[at_most(1.1, Milliseconds, Nc)]),
    row("8a", "start to listening", None, Workload::Listen, Fincat,
        &[at_most(1.1, Microseconds, Nc), told(Microseconds, Socat)]),
    row("8as", "start to listening, static", None, Workload::Listen, FincatStatic,
        &[at_most(0.35, Microseconds, Nc)]),
    row("8b", "one-shot exchange", None, Workload::Exchange, Fincat,
        &[at_most(1.0, Microseconds, Nc), told(Microseconds, Ncat)]),
    row("8bs", "one-shot exchange, static", None, Workload::Exchange, FincatStatic,
        &[at_most(0.35, Microseconds, Nc)]),
    row("8c", "peak memory, 64 MiB sent from a pipe", None, Workload::Footprint, Fincat,
        &[limit(3.0, Resident), told(Resident, Socat)]),
    row("8cs", "the binary, static and stripped", None, Workload::Footprint, FincatStatic,
        &[limit(2.0, FileSize), limit(3.0, Resident)]),
];

/// A line for each row.
pub(crate) fn list() -> String {
    let mut text = String::new();
    for row in ROWS {
        let congestion = row.congestion.map(|name| format!(" under {name}")).unwrap_or_default();
        let rivals: Vec<&str> = row.rivals().into_iter().map(Contender::name).collect();
        let rivals = if rivals.is_empty() { String::new() } else { format!(" | {}", rivals.join(", ")) };
        writeln!(text, "{:4} {}{congestion} | {}{rivals}", row.id, row.what, row.ours.name())
            .expect("a String takes everything");
    }
    text
}

impl Row {
    /// Whom it is measured against, each once.
    pub(crate) fn rivals(&self) -> Vec<Contender> {
        let mut rivals = Vec::new();
        for rival in self.musts.iter().filter_map(|must| must.against) {
            if !rivals.contains(&rival) {
                rivals.push(rival);
            }
        }
        rivals
    }
}
