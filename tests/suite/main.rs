//! The black-box suite: one test binary that runs the built `fincat` against other people's
//! sockets; it is not the place for unit tests, which live beside the code they test.
//!
//! Reading order:
//!
//! * the instruments
//!   * `capture`: what a child says, collected by threads and waited for with a deadline
//!   * `launch`:  how a child is started: standard input and output, environment, limits
//!   * `process`: the child: fed, listened to, waited for, never left behind
//!   * `tool`:    fincat as such a child: `listen` (with its announced address), `connect`, `run`
//!   * `peers`:   the other ends: std's sockets, Python's, other tools
//!   * `dead_ends`: addresses that answer with anything but a connection
//!   * `terminal`: a terminal, keyboard and screen
//!   * `kernel`:  what only the kernel knows: processes, and ports that nobody serves
//!   * `pattern`: bytes that cannot be confused, and the comparison that says where two runs part
//!   * `matrix`:  one body, run over role × transport × mode
//! * the rooms, each a part of the contract
//!   * `half_close`: how a conversation ends
//!   * `handlers`: what a conversation is for
//!   * `concurrency`: how many there are, and who is let in
//!   * `sharing`: one standard input and output for many
//!   * `signals`: how they are stopped from outside
//!   * `messages`: what is said, and with which status
//!   * `datagram`: UDP: peers without an end, boundaries, everybody
//!   * `forward`: `--to`, every transport to every transport
//!   * `activation`: started by systemd and its like: sockets, readiness, one connection, another user
//!   * `supervision`: commands whose clients are gone
//!   * `passage`: by which way bytes go, between every pair of ends
//!   * `unix`: paths, credentials and datagrams of unix sockets
//!   * `trace`: what is shown of conversations: events, `--trace`, `--confirm`, SIGUSR1
//!   * `dialing`: which address answers, how often it is tried, what sockets are set to
//!   * `checking`: `--check`, who is there
//!   * `reliability`: nothing is lost: faults, abuse, load and neighbours
//!   * `docs`: the man page, the completions and the README against the command line
//!   * `house`: the source against the design
//!
//! `FINCAT_SUITE_COPIES=1 cargo test --test suite` runs all of it with `--no-splice` wherever fincat takes that:
//! what holds when bytes are passed on inside the kernel holds when they are copied. `FINCAT_SUITE_BINARY=PATH` tests
//! another binary than the one that is built with it: one as it is released.

#![allow(dead_code, reason = "the rooms to come use the rest of the instruments")]

mod capture;
mod dead_ends;
mod kernel;
mod launch;
mod matrix;
mod pattern;
mod peers;
mod process;
mod terminal;
mod tool;

mod activation;
mod checking;
mod concurrency;
mod datagram;
mod dialing;
mod docs;
mod forward;
mod half_close;
mod handlers;
mod house;
mod messages;
mod passage;
mod reliability;
mod sharing;
mod signals;
mod supervision;
mod trace;
mod unix;
