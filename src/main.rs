//! The program: read the command line, run it, choose the exit status. What it does is the library's.

use std::ffi::OsString;
use std::process::ExitCode;

use fincat::exit::Status;
use fincat::sys::process;

fn main() -> ExitCode {
    std::panic::set_hook(Box::new(fincat::run::confess));
    let line: Vec<OsString> = std::env::args_os().collect();
    let status = fincat::run::run(&line);
    if let Status::Signal(signal) = status {
        // Whoever waits for us learns that the signal ended us; process 1 of a container survives that.
        process::raise_default(signal);
    }
    ExitCode::from(status.code())
}
