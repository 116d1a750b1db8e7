//! Nothing lost: faults on the wire and at home, resets at every point, load, hostile bytes, and neighbours; not what
//! an ordinary conversation does, which the other rooms hold. What was tried, and how often, stands in RELIABILITY.md.
//!
//! What takes seconds runs with every `cargo test`. What takes more is ignored there, and run by `.ci/run`:
//!
//! ```text
//! cargo test --test suite -- reliability forward --ignored --test-threads 2
//! ```
//!
//! `FINCAT_TIMES=10` before either does all of it ten times as often, with ten times as many or ten times as much.

mod account;
mod home;
mod hostile;
mod injected;
mod interruptions;
mod load;
mod neighbours;
mod places;
mod relay;
mod resets;
mod valgrind;
mod wire;

/// So many, or as many times more as `FINCAT_TIMES` asks for.
fn amount(usual: u64) -> u64 {
    let times = std::env::var("FINCAT_TIMES").ok().and_then(|times| times.parse::<u64>().ok());
    usual * times.unwrap_or(1).max(1)
}
