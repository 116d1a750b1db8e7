//! fincat: a netcat that gets the end of a conversation right.
//!
//! Every netcat is the product of four answers, and each has its room. In reading order:
//!
//! | room | what it is for |
//! |---|---|
//! | [`cli`], [`plan`] | what was typed, as data; what it means, made unambiguous |
//! | [`net`] | WHERE is the peer: names, listeners, connections |
//! | [`serve`] | HOW MANY at once: the accept loop; single, thread, fork; signals |
//! | [`session`] | one conversation, from its wiring to the teardown |
//! | [`handler`] | WHAT FOR: stdio, a command, echo, discard, send; it wires flows |
//! | [`relay`] | HOW DOES IT END: it moves bytes and ends conversations |
//! | [`check`] | who is there: many connects, no conversation |
//! | [`trace`], [`exit`] | what is said, and with which status it ends |
//! | [`sys`] | the system calls, and the only `unsafe` |
//!
//! ```text
//! net::listen ─► serve::Server ─► Dispatch ─► session::converse ─► handler::wire ─► relay::Relay
//! net::dial ────────────────────────────────► session::converse
//! ```

pub mod check;
pub mod cli;
pub mod exit;
pub mod handler;
pub mod net;
pub mod plan;
pub mod relay;
pub mod run;
pub mod serve;
pub mod session;
pub mod sys;
pub mod trace;
