//! A forwarder between two ends of ours (row 5): one long stream, or many short conversations.
//! The many are `connections`' business once the forwarder stands.

use std::io::Read;
use std::net::Shutdown;
use std::process::Stdio;
use std::thread;
use std::time::Instant;

use crate::bulk::silence;
use crate::child::Tool;
use crate::contenders::{Contender, Part, Place};
use crate::rounds::{Bench, Failure, Sample};
use crate::rows::Figure;
use crate::traffic::{self, Echo};
use crate::{connections, readiness};

/// Sends the input through the forwarder, twice in a row, to a sink that drops it.
pub(crate) fn stream(bench: &Bench, who: Contender) -> Result<Sample, Failure> {
    const TIMES: u64 = 2;
    let listener = traffic::listen()?;
    let place = Place { port: traffic::free_port()?, other_port: listener.local_addr()?.port(), ..Place::default() };
    let words = bench.command(who, Part::Forward, &place)?;
    let input = bench.input(bench.bulk)?;
    let (stdin, _open) = silence()?;
    let mut tool = Tool::start(&words, stdin, Stdio::null())?;
    readiness::wait_for_listener(&mut tool, place.port)?;
    let before = tool.cpu_with_children();
    let sink = thread::spawn(move || traffic::discard(&traffic::accept(&listener)?));
    let began = Instant::now();
    let mut stream = traffic::dial(place.port)?;
    for _ in 0..TIMES {
        traffic::send_file(&stream, &input, bench.bulk)?;
    }
    stream.shutdown(Shutdown::Write)?;
    if stream.read(&mut [0])? != 0 {
        return Err(Failure::Broken("bytes came back from where none were sent".into()));
    }
    let seconds = began.elapsed().as_secs_f64();
    let arrived = sink.join().unwrap_or(Ok(0))?;
    if arrived != TIMES * bench.bulk {
        return Err(Failure::Broken(format!("{arrived} of {} bytes arrived", TIMES * bench.bulk)));
    }
    let cpu = tool.cpu_with_children().saturating_sub(before).as_secs_f64();
    let gib = arrived as f64 / f64::from(1 << 30);
    Ok(Sample::from([(Figure::Throughput, gib / seconds), (Figure::RelayCpu, cpu / gib)]))
}

/// Short conversations through the forwarder with an echo.
pub(crate) fn connections(bench: &Bench, who: Contender) -> Result<Sample, Failure> {
    let echo = Echo::start(8)?;
    let place = Place { port: traffic::free_port()?, other_port: echo.port, ..Place::default() };
    let words = bench.command(who, Part::Forward, &place)?;
    let (stdin, _open) = silence()?;
    let mut tool = Tool::start(&words, stdin, Stdio::null())?;
    readiness::wait_for_listener(&mut tool, place.port)?;
    connections::measure(bench, &tool, place.port)
}
