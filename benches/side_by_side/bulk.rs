//! One long stream, over TCP or a unix socket (rows 1 and 2): how fast, and what it costs the end that is a tool.
//! The other end is ours, and does as little as the kernel lets it.

use std::fs::File;
use std::io::{self, PipeWriter, Seek};
use std::net::Shutdown;
use std::process::Stdio;
use std::thread::{self, JoinHandle};
use std::time::Instant;

use rustix::net::sockopt::set_tcp_congestion;

use crate::child::{Ended, Tool};
use crate::contenders::{Contender, Part, Place};
use crate::readiness;
use crate::rounds::{Bench, Failure, Sample};
use crate::rows::{Ends, Figure, Outlet};
use crate::traffic::{self, PATIENCE, Pattern};

/// What is moved, from what to what.
pub(crate) struct Transfer<'a> {
    pub(crate) ends: Ends,
    pub(crate) is_unix: bool,
    pub(crate) input: Outlet,
    pub(crate) output: Outlet,
    /// For our own end, if that is the one that sends.
    pub(crate) congestion: &'a str,
    pub(crate) size: u64,
    /// Every byte is compared; the figures mean nothing then.
    pub(crate) checked: bool,
}

/// What was counted at an end, and when that was over.
type Arrived = Result<(u64, Instant), Failure>;

/// Moves the bytes once.
pub(crate) fn run(bench: &Bench, who: Contender, transfer: &Transfer<'_>) -> Result<Sample, Failure> {
    match transfer.ends {
        Ends::Sender => send(bench, who, transfer),
        Ends::Receiver => receive(bench, who, transfer),
        Ends::Both => relay(bench, who, transfer),
    }
}

impl Transfer<'_> {
    fn per_gib(&self, amount: f64) -> f64 {
        amount * f64::from(1 << 30) / self.size as f64
    }

    fn sample(&self, began: Instant, ended: Instant) -> Sample {
        let seconds = ended.duration_since(began).as_secs_f64();
        Sample::from([(Figure::Throughput, 1.0 / self.per_gib(seconds))])
    }

    fn expect_all(&self, arrived: u64) -> Result<(), Failure> {
        let size = self.size;
        if arrived == size { Ok(()) } else { Err(Failure::Broken(format!("{arrived} of {size} bytes arrived"))) }
    }

    /// The standard input of a sender. A thread feeds a pipe, and ends when the bytes or the reader do.
    fn feed(&self, bench: &Bench) -> io::Result<Stdio> {
        if self.input == Outlet::File {
            return Ok(bench.input(self.size)?.into());
        }
        let (reader, writer) = io::pipe()?;
        let size = self.size;
        let pattern = Pattern::new();
        // Whether all was read shows at the other end.
        thread::spawn(move || pattern.write_to(writer, size));
        Ok(reader.into())
    }

    /// The standard output of a receiver.
    fn collect(&self) -> io::Result<(Stdio, Collection)> {
        Ok(match self.output {
            Outlet::Null => (Stdio::null(), Collection::Nothing),
            Outlet::File => {
                let file = traffic::unnamed_file()?;
                (file.try_clone()?.into(), Collection::InFile(file))
            }
            Outlet::Pipe => {
                let (reader, writer) = io::pipe()?;
                let checked = self.checked;
                let reading = thread::spawn(move || arrive(checked, reader));
                (writer.into(), Collection::Underway(reading))
            }
        })
    }
}

fn arrive(checked: bool, source: impl io::Read) -> Arrived {
    let total = if checked { Pattern::new().compare(source)? } else { traffic::count(source)? };
    Ok((total, Instant::now()))
}

/// Where the output of a receiver goes.
enum Collection {
    Nothing,
    InFile(File),
    Underway(JoinHandle<Arrived>),
}

impl Collection {
    /// When all of it was there, which has to be all that was sent.
    fn finish(self, transfer: &Transfer<'_>, receiver: &Ended) -> Result<Instant, Failure> {
        match self {
            Self::Nothing => Ok(receiver.at),
            Self::InFile(mut file) => {
                transfer.expect_all(file.metadata()?.len())?;
                file.rewind()?;
                if transfer.checked {
                    Pattern::new().compare(file)?;
                }
                Ok(receiver.at)
            }
            Self::Underway(reading) => {
                let (total, at) = joined(reading)?;
                transfer.expect_all(total)?;
                Ok(at.max(receiver.at))
            }
        }
    }
}

fn joined(thread: JoinHandle<Arrived>) -> Arrived {
    thread.join().unwrap_or_else(|_| Err(Failure::Failed("a thread of the benchmark panicked".into())))
}

/// Standard input that is open and silent, as long as the second one lives: several tools end at once without it.
pub(crate) fn silence() -> io::Result<(Stdio, PipeWriter)> {
    let (reader, writer) = io::pipe()?;
    Ok((reader.into(), writer))
}

fn send(bench: &Bench, who: Contender, transfer: &Transfer<'_>) -> Result<Sample, Failure> {
    let listener = traffic::listen()?;
    let place = Place { port: listener.local_addr()?.port(), ..Place::default() };
    let words = bench.command(who, Part::Send, &place)?;
    let checked = transfer.checked;
    let sink = thread::spawn(move || -> Arrived {
        let stream = traffic::accept(&listener)?;
        if checked {
            return arrive(checked, stream);
        }
        Ok((traffic::discard(&stream)?, Instant::now()))
    });
    let mut tool = Tool::start(&words, transfer.feed(bench)?, Stdio::null())?;
    let ended = tool.expect_success(PATIENCE);
    if ended.is_err() {
        tool.stop();
    }
    // Wrong bytes say more than the status of a tool whose peer has turned away from them.
    let (ended, (arrived, at)) = match joined(sink) {
        Err(Failure::Broken(why)) => return Err(Failure::Broken(why)),
        outcome => (ended?, outcome?),
    };
    transfer.expect_all(arrived)?;
    let mut sample = transfer.sample(tool.started, at);
    sample.insert(Figure::SenderCpu, transfer.per_gib(ended.cpu.as_secs_f64()));
    Ok(sample)
}

fn receive(bench: &Bench, who: Contender, transfer: &Transfer<'_>) -> Result<Sample, Failure> {
    let place = Place { port: traffic::free_port()?, ..Place::default() };
    let words = bench.command(who, Part::Receive, &place)?;
    let input = bench.input(transfer.size)?;
    let (stdout, collection) = transfer.collect()?;
    let (stdin, _open) = silence()?;
    let mut tool = Tool::start(&words, stdin, stdout)?;
    readiness::wait_for_listener(&mut tool, place.port)?;
    let began = Instant::now();
    let stream = traffic::dial(place.port)?;
    // Where it may not be chosen, it is that of all processes.
    let _ = set_tcp_congestion(&stream, transfer.congestion);
    traffic::send_file(&stream, &input, transfer.size)?;
    stream.shutdown(Shutdown::Write)?;
    let ended = tool.expect_success(PATIENCE)?;
    let mut sample = transfer.sample(began, collection.finish(transfer, &ended)?);
    sample.insert(Figure::ReceiverCpu, transfer.per_gib(ended.cpu.as_secs_f64()));
    Ok(sample)
}

/// The tool at both ends.
fn relay(bench: &Bench, who: Contender, transfer: &Transfer<'_>) -> Result<Sample, Failure> {
    let place = Place { port: traffic::free_port()?, path: bench.socket_path(), ..Place::default() };
    let (sending, receiving) =
        if transfer.is_unix { (Part::UnixSend, Part::UnixReceive) } else { (Part::Send, Part::Receive) };
    let receiving = bench.command(who, receiving, &place)?;
    let sending = bench.command(who, sending, &place)?;
    let (stdout, collection) = transfer.collect()?;
    let (stdin, _open) = silence()?;
    let mut receiver = Tool::start(&receiving, stdin, stdout)?;
    if transfer.is_unix {
        readiness::wait_for_path(&mut receiver, &place.path)?;
    } else {
        readiness::wait_for_listener(&mut receiver, place.port)?;
    }
    let mut sender = Tool::start(&sending, transfer.feed(bench)?, Stdio::null())?;
    let at_receiver = receiver.expect_success(PATIENCE)?;
    let at = collection.finish(transfer, &at_receiver)?;
    let at_sender = sender.expect_success(PATIENCE)?;
    let mut sample = transfer.sample(sender.started, at);
    sample.insert(Figure::SenderCpu, transfer.per_gib(at_sender.cpu.as_secs_f64()));
    sample.insert(Figure::ReceiverCpu, transfer.per_gib(at_receiver.cpu.as_secs_f64()));
    Ok(sample)
}
