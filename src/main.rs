//! The program: read the command line, run it, choose the exit status. What it does is the library's.
#![no_main]

use std::ffi::OsString;

use fincat::exit::Status;
use fincat::sys::process;

fincat::program!(main_with);

fn main_with(line: &[OsString]) -> u8 {
    std::panic::set_hook(Box::new(fincat::run::confess));
    let status = fincat::run::run(line);
    if let Status::Signal(signal) = status {
        // Whoever waits for us learns that the signal ended us; process 1 of a container survives that.
        process::raise_default(signal);
    }
    status.code()
}
