//! A thousand ports, ten of them open (row 7): how long until all is told.

use std::io::{self, Read, Seek};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::bulk::silence;
use crate::child::Tool;
use crate::contenders::{Contender, Part, Place};
use crate::rounds::{Bench, Failure, Sample};
use crate::rows::Figure;
use crate::traffic::{self, PATIENCE};

const PORTS: u16 = 1000;
const OPEN: u16 = 10;

/// Checks the range once; each open port has to be named.
pub(crate) fn run(bench: &Bench, who: Contender) -> Result<Sample, Failure> {
    let (first, open) = open_ports()?;
    let place = Place { port: first, other_port: first + PORTS - 1, ..Place::default() };
    let words = bench.command(who, Part::Check, &place)?;
    let mut answers = tempfile::tempfile()?;
    let (stdin, _open) = silence()?;
    // nc tells on standard error, which ends up in the same place.
    let mut words_of_shell = ["sh", "-c", "exec \"$@\" 2>&1", "sh"].map(String::from).to_vec();
    words_of_shell.extend(words);
    let took = answering(&open, || {
        let mut tool = Tool::start(&words_of_shell, stdin, answers.try_clone()?)?;
        let ended = tool.wait(PATIENCE)?;
        Ok::<_, Failure>(ended.at - tool.started)
    })?;
    let mut text = String::new();
    answers.rewind()?;
    answers.read_to_string(&mut text)?;
    for listener in &open {
        let port = listener.local_addr()?.port().to_string();
        let is_told = |line: &str| {
            let names_it = line.split(|mark: char| !mark.is_ascii_digit()).any(|word| word == port);
            names_it && (line.contains("open") || line.contains("succeeded"))
        };
        if !text.lines().any(is_told) {
            return Err(Failure::Broken(format!("port {port} is open, and was not said to be")));
        }
    }
    Ok(Sample::from([(Figure::Milliseconds, took.as_secs_f64() * 1e3)]))
}

/// Does `work` while somebody takes whoever comes to the listeners, and hangs up.
fn answering<T>(open: &[TcpListener], work: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for listener in open {
            let done = &done;
            scope.spawn(move || {
                while !done.load(Ordering::SeqCst) {
                    // Dropped at once: a FIN, as soon as there is somebody.
                    let _ = listener.accept();
                }
            });
        }
        let worked = work();
        done.store(true, Ordering::SeqCst);
        for listener in open {
            // The last visitor, for whom accept(2) returns.
            let _ = listener.local_addr().and_then(TcpStream::connect);
        }
        worked
    })
}

/// A range that begins at a port of the kernel's choice, evenly strewn with listeners.
fn open_ports() -> io::Result<(u16, Vec<TcpListener>)> {
    for _ in 0..50 {
        let first = traffic::listen()?;
        let port = first.local_addr()?.port();
        if port > u16::MAX - PORTS {
            continue;
        }
        let others = (1..OPEN).map(|at| TcpListener::bind((Ipv4Addr::LOCALHOST, port + at * (PORTS / OPEN))));
        if let Ok(others) = others.collect::<io::Result<Vec<_>>>() {
            return Ok((port, [first].into_iter().chain(others).collect()));
        }
    }
    Err(io::Error::other("found no range of ports"))
}
