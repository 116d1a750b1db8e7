//! The way into the program: main as the C library calls it. The standard library's own would first read
//! /proc/self/maps and map signal stacks, which costs a short life more than it is worth. What the program does is
//! the caller's.

use std::ffi::{CStr, OsStr, OsString, c_char, c_int};
use std::os::unix::ffi::OsStrExt;
use std::panic::{UnwindSafe, catch_unwind};

/// How much of its stack every start uses, in bytes.
const STACK: usize = 44 << 10;

/// The status of a process that a bug has ended, as the standard library has it.
const BUG: u8 = 101;

/// Makes `$run`, which takes the words of the command line and returns the exit status, the `main` of a program that
/// is `#![no_main]`.
#[macro_export]
macro_rules! program {
    ($run:path) => {
        // SAFETY: the C library looks for this symbol, and no other is called so.
        #[unsafe(no_mangle)]
        extern "C" fn main(count: std::ffi::c_int, words: *const *const std::ffi::c_char) -> std::ffi::c_int {
            // SAFETY: this is main, and these are its arguments.
            unsafe { $crate::sys::entry::enter(count, words, $run) }
        }
    };
}

/// Runs the program with the words of its command line; its exit status.
///
/// # Safety
/// `count` and `words` are main's arguments.
pub unsafe fn enter(
    count: c_int,
    words: *const *const c_char,
    run: impl FnOnce(&[OsString]) -> u8 + UnwindSafe,
) -> c_int {
    super::process::take_signals_as_errors();
    let top = (&raw const count).addr() & !0xFFF;
    super::heap::have_ready(top - STACK, STACK);
    let word = |at| {
        // SAFETY: main has `count` arguments, each a string that lives as long as the process.
        let word = unsafe { CStr::from_ptr(*words.add(at)) };
        OsStr::from_bytes(word.to_bytes()).to_owned()
    };
    let line: Vec<OsString> = (0..usize::try_from(count).unwrap_or(0)).map(word).collect();
    c_int::from(catch_unwind(move || run(&line)).unwrap_or(BUG))
}
