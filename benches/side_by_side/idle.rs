//! What a connection costs in memory while nothing happens on it (row 4): the server's own share of it, and what the
//! kernel holds more than before, less the client's ends, which are weighed first. Time does not matter here.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use rustix::process::{Resource, getrlimit};

use crate::bulk::silence;
use crate::child::Tool;
use crate::contenders::{Contender, Part, Place};
use crate::machine::kernel_memory;
use crate::readiness;
use crate::rounds::{Bench, Failure, Sample};
use crate::rows::Figure;
use crate::traffic::{self, Dialler};

/// For the books of the kernel, which are kept for each processor, to be balanced.
const SETTLING: Duration = Duration::from_millis(300);
/// Descriptors for everything else.
const SPARE: u64 = 300;

/// Opens the connections, proves each alive by a byte, and holds them.
pub(crate) fn run(bench: &Bench, who: Contender, connections: usize) -> Result<Sample, Failure> {
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    if limit < connections as u64 + SPARE {
        return Err(Failure::Failed(format!("{limit} descriptors are too few for {connections} connections")));
    }
    let place = Place { port: traffic::free_port()?, ..Place::default() };
    let words = bench.command(who, Part::Echo, &place)?;
    let client = weigh_client()?;
    let (stdin, _open) = silence()?;
    let mut tool = Tool::start(&words, stdin, Stdio::null())?;
    readiness::wait_for_listener(&mut tool, place.port)?;
    thread::sleep(SETTLING);
    let before = tool.memory_with_children() + kernel_memory();
    let dialler = Dialler::default();
    let (mut held, mut errors) = (Vec::with_capacity(connections), 0_u32);
    for _ in 0..connections {
        match open(&dialler, place.port) {
            Ok(stream) => held.push(stream),
            Err(_) if errors < 20 => errors += 1,
            Err(error) => return Err(Failure::Failed(format!("{} held, then: {error}", held.len()))),
        }
    }
    thread::sleep(SETTLING);
    let after = tool.memory_with_children() + kernel_memory();
    let taken = after.saturating_sub(before) as f64 / held.len().max(1) as f64;
    Ok(Sample::from([(Figure::MemoryEach, (taken - client) / 1024.0), (Figure::Errors, f64::from(errors))]))
}

fn open(dialler: &Dialler, port: u16) -> std::io::Result<TcpStream> {
    let mut stream = dialler.dial(port)?;
    stream.write_all(b"x")?;
    stream.read_exact(&mut [0])?;
    Ok(stream)
}

/// Bytes that one end of a silent connection takes: half of what a pair takes whose both ends are ours.
fn weigh_client() -> Result<f64, Failure> {
    const PAIRS: usize = 2000;
    let listener = traffic::listen()?;
    let (port, dialler) = (listener.local_addr()?.port(), Dialler::default());
    let before = kernel_memory();
    let mut pairs = Vec::with_capacity(PAIRS);
    for _ in 0..PAIRS {
        let ours = dialler.dial(port)?;
        pairs.push((ours, traffic::accept(&listener)?));
    }
    thread::sleep(SETTLING);
    let taken = kernel_memory().saturating_sub(before) as f64;
    Ok(taken / (2 * PAIRS) as f64)
}
