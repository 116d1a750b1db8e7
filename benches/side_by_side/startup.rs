//! How soon a tool is there and how small it is (row 8): until it listens, a whole short life, memory, size on disk.

use std::io::{self, Read, Write};
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use crate::bulk::silence;
use crate::child::Tool;
use crate::contenders::{Contender, Part, Place};
use crate::readiness::Kernel;
use crate::rounds::{Bench, Failure, Sample, median};
use crate::rows::Figure;
use crate::traffic::{self, Echo, PATIENCE, Pattern};

/// Lives in a round.
const TIMES: usize = 20;
const MIB: f64 = (1 << 20) as f64;

/// From the start to a listening socket; the kernel is asked without a pause.
pub(crate) fn listen(bench: &Bench, who: Contender) -> Result<Sample, Failure> {
    let kernel = Kernel::ask();
    let mut micros = Vec::new();
    for _ in 0..bench.scaled(TIMES) {
        let place = Place { port: traffic::free_port()?, ..Place::default() };
        let words = bench.command(who, Part::Listen, &place)?;
        let (stdin, _open) = silence()?;
        let mut tool = Tool::start(&words, stdin, Stdio::null())?;
        while !kernel.listens(place.port) {
            if tool.started.elapsed() > Duration::from_secs(3) {
                return Err(Failure::Failed(format!("never listened: {}", tool.complaint())));
            }
        }
        micros.push(tool.started.elapsed().as_secs_f64() * 1e6);
    }
    Ok(Sample::from([(Figure::Microseconds, median(&micros))]))
}

/// From the start to the end of `echo hi | TOOL` with an echo server.
pub(crate) fn exchange(bench: &Bench, who: Contender) -> Result<Sample, Failure> {
    let echo = Echo::start(2)?;
    let words = bench.command(who, Part::Send, &Place { port: echo.port, ..Place::default() })?;
    let mut micros = Vec::new();
    for _ in 0..bench.scaled(TIMES) {
        let (input, mut feed) = io::pipe()?;
        feed.write_all(b"hi\n")?;
        drop(feed);
        let (mut answer, output) = io::pipe()?;
        let mut tool = Tool::start(&words, input, output)?;
        let ended = tool.expect_success(PATIENCE)?;
        micros.push((ended.at - tool.started).as_secs_f64() * 1e6);
        let mut text = Vec::new();
        answer.read_to_end(&mut text)?;
        if text != b"hi\n" {
            return Err(Failure::Broken(format!("the answer was {:?}", String::from_utf8_lossy(&text))));
        }
    }
    Ok(Sample::from([(Figure::Microseconds, median(&micros))]))
}

/// The most memory a sender has had resident when all is sent, and the size of the binary.
pub(crate) fn footprint(bench: &Bench, who: Contender) -> Result<Sample, Failure> {
    const SIZE: u64 = 64 << 20;
    let listener = traffic::listen()?;
    let place = Place { port: listener.local_addr()?.port(), ..Place::default() };
    let words = bench.command(who, Part::Send, &place)?;
    let (input, feed) = io::pipe()?;
    let mut tool = Tool::start(&words, input, Stdio::null())?;
    let mut stream = traffic::accept(&listener)?;
    let arriving = thread::spawn(move || -> io::Result<()> {
        // All of it, but not the end: the tool is to be alive when it is weighed.
        let mut left = SIZE;
        let mut buffer = vec![0; 64 << 10];
        while left > 0 {
            match stream.read(&mut buffer)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                length => left = left.saturating_sub(length as u64),
            }
        }
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline && stream.read(&mut buffer)? > 0 {}
        Ok(())
    });
    Pattern::new().write_to(&feed, SIZE)?;
    let peak = tool.peak_memory().ok_or("its memory is not shown".to_owned())?;
    drop(feed);
    tool.expect_success(PATIENCE)?;
    arriving.join().unwrap_or(Ok(()))?;
    let mut sample = Sample::from([(Figure::Resident, peak as f64 / 1024.0)]);
    if let Some(binary) = bench.binary_of(who) {
        sample.insert(Figure::FileSize, std::fs::metadata(binary)?.len() as f64 / MIB);
    }
    Ok(sample)
}
