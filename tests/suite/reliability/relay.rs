//! The relay as a state machine: schedules made at random, of bytes, ends, faults and times on both sides, played to it
//! step by step and held against a model of the rules. Not what its callers do with it: the other rooms run the program.
//!
//! A failing schedule is made smaller and printed, with the seed that leads to it again:
//!
//! ```text
//! FINCAT_SEED=7 FINCAT_SCHEDULES=5000 cargo test --test suite -- reliability::relay
//! ```

mod judge;
mod play;
mod rules;
mod schedule;
mod stage;

use std::fs::File;

use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

use self::play::play;
use self::schedule::schedules;
use super::amount;
use crate::launch::{Launch, Stdout};
use crate::pattern::pattern;

/// Says to a process of ours that it is the one whose standard input and output the schedules use.
const SEED: &str = "FINCAT_RELAY_SEED";
const TIMES: &str = "FINCAT_RELAY_TIMES";

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Plays so many schedules; a failure as text.
fn explore(seed: u64, times: u64) -> Result<(), String> {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    let cases = u32::try_from(times).unwrap_or(u32::MAX);
    let config = Config { cases, failure_persistence: None, max_shrink_time: 30_000, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &key));
    let text = pattern(2 << 20, 1);
    let ran = runner.run(&schedules(), |(setup, acts)| play(setup, &acts, &text).map_err(TestCaseError::fail));
    ran.map_err(|error| match error {
        TestError::Fail(why, (setup, acts)) => format!("seed {seed}: {why}\n{setup:#?}\n{acts:#?}"),
        TestError::Abort(why) => format!("seed {seed}: {why}"),
    })
}

/// Has a process of its own play them: they use its standard input and output.
#[track_caller]
fn in_a_process(test: &str, seed: u64, times: u64) {
    if let Some(seed) = number(SEED) {
        let played = explore(seed, number(TIMES).unwrap_or(1));
        return played.unwrap_or_else(|why| panic!("{why}"));
    }
    let seed = number("FINCAT_SEED").unwrap_or(seed);
    let times = number("FINCAT_SCHEDULES").unwrap_or(times);
    println!("seed {seed}: {times} schedules");
    let null = File::create("/dev/null").expect("/dev/null");
    let launch = Launch::new().stdout(Stdout::File(null));
    let launch = launch.env("RUST_BACKTRACE", "0").env(SEED, seed.to_string()).env(TIMES, times.to_string());
    let test = format!("reliability::relay::{test}");
    let us = std::env::current_exe().expect("a name");
    let args = ["--exact", &test, "--include-ignored", "--nocapture", "--test-threads", "1"];
    let exit = launch.start(us, args).wait_within(std::time::Duration::from_secs(500));
    assert!(exit.code == Some(0), "{exit}");
}

#[test]
fn every_schedule_ends_by_the_rules() {
    in_a_process("every_schedule_ends_by_the_rules", 1, 1000);
}

#[test]
#[ignore = "load: run by .ci/run"]
fn a_great_many_schedules_end_by_the_rules() {
    let seed = std::time::SystemTime::UNIX_EPOCH.elapsed().map_or(1, |since| since.as_secs());
    in_a_process("a_great_many_schedules_end_by_the_rules", seed, amount(10_000));
}
