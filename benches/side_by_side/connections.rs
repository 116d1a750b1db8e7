//! Many short conversations (rows 3, and the load of row 5b): connect, 64 bytes, half-close, the same 64 bytes back.
//! The server is not known here, only its port.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::bulk::silence;
use crate::child::Tool;
use crate::contenders::{Contender, Part, Place};
use crate::readiness;
use crate::rounds::{Bench, Failure, Sample};
use crate::rows::Figure;
use crate::traffic::{self, Dialler};

const AT_ONCE: usize = 16;
const MESSAGE: [u8; 64] = *b"a line of sixty-four bytes, as short as a request tends to be.\r\n";
/// More would tell nothing, and leave the kernel with as many in TIME-WAIT.
const ENOUGH: usize = 20_000;

/// What one of the clients saw.
#[derive(Default)]
struct Seen {
    micros: Vec<f64>,
    errors: usize,
    wrong: usize,
}

/// Starts the server and loads it.
pub(crate) fn run(bench: &Bench, who: Contender, part: Part) -> Result<Sample, Failure> {
    let place = Place { port: traffic::free_port()?, ..Place::default() };
    let words = bench.command(who, part, &place)?;
    let (stdin, _open) = silence()?;
    let mut tool = Tool::start(&words, stdin, Stdio::null())?;
    readiness::wait_for_listener(&mut tool, place.port)?;
    measure(bench, &tool, place.port)
}

/// Loads the server that `tool` is.
pub(crate) fn measure(bench: &Bench, tool: &Tool, port: u16) -> Result<Sample, Failure> {
    let before = tool.cpu_with_children();
    let mut sample = load(port, Duration::from_millis(if bench.quick { 500 } else { 1000 }))?;
    let cpu = tool.cpu_with_children().saturating_sub(before);
    let served = sample.remove(&Figure::ConnectionCpu).unwrap_or(1.0);
    sample.insert(Figure::ConnectionCpu, cpu.as_secs_f64() * 1e6 / served);
    Ok(sample)
}

/// Sixteen clients at once, for `period`. The number of conversations stands where their cost will.
fn load(port: u16, period: Duration) -> Result<Sample, Failure> {
    let (dialler, attempts, began) = (Dialler::default(), AtomicUsize::new(0), Instant::now());
    let client = || {
        let mut seen = Seen::default();
        while began.elapsed() < period && attempts.fetch_add(1, Ordering::Relaxed) < ENOUGH {
            let start = Instant::now();
            match converse(&dialler, port) {
                Ok(true) => seen.micros.push(start.elapsed().as_secs_f64() * 1e6),
                Ok(false) => seen.wrong += 1,
                Err(_) => seen.errors += 1,
            }
        }
        seen
    };
    let all: Vec<Seen> = thread::scope(|scope| {
        let clients: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(client)).collect();
        clients.into_iter().filter_map(|client| client.join().ok()).collect()
    });
    let seconds = began.elapsed().as_secs_f64();
    let wrong: usize = all.iter().map(|seen| seen.wrong).sum();
    if wrong > 0 {
        return Err(Failure::Broken(format!("{wrong} answers were not what was sent")));
    }
    let errors: usize = all.iter().map(|seen| seen.errors).sum();
    let mut micros: Vec<f64> = all.into_iter().flat_map(|seen| seen.micros).collect();
    micros.sort_by(f64::total_cmp);
    let Some(slowest) = micros.get((micros.len().saturating_sub(1)) * 99 / 100) else {
        return Err(Failure::Failed(format!("no conversation came about, {errors} failed")));
    };
    Ok(Sample::from([
        (Figure::ConnectionRate, micros.len() as f64 / seconds),
        (Figure::SlowestPercent, *slowest),
        (Figure::Errors, errors as f64),
        (Figure::ConnectionCpu, micros.len() as f64),
    ]))
}

/// Whether the answer is what was sent.
fn converse(dialler: &Dialler, port: u16) -> io::Result<bool> {
    let mut stream = dialler.dial(port)?;
    stream.write_all(&MESSAGE)?;
    stream.shutdown(Shutdown::Write)?;
    let (mut answer, mut length) = ([0; MESSAGE.len() + 1], 0);
    loop {
        match stream.read(&mut answer[length..])? {
            0 => return Ok(answer[..length] == MESSAGE),
            more => length += more,
        }
        if length > MESSAGE.len() {
            return Ok(false);
        }
    }
}
