//! Every combination of options without sense, in one list: whether it is one, and the sentence that refuses it.
//! What stays is planned elsewhere.

use std::time::Duration;

use anyhow::Result;

use super::usage;
use crate::cli::{EndArgs, FamilyArgs, ManyArgs, SayArgs, WhatArgs};
use crate::relay::closing::OnEof;
use crate::serve::{Keep, Mode};

/// All that was asked, for those combinations that make no sense.
pub(super) struct Asked<'a> {
    pub(super) many: Option<&'a ManyArgs>,
    pub(super) family: &'a FamilyArgs,
    pub(super) what: &'a WhatArgs,
    pub(super) ends: &'a EndArgs,
    pub(super) says: &'a SayArgs,
    pub(super) within: Option<Duration>,
}

impl Asked<'_> {
    fn mode(&self) -> Mode {
        self.many.map_or(Mode::Single, ManyArgs::mode)
    }

    fn is_server(&self) -> bool {
        self.many.is_some_and(|many| many.keep() != Keep::One)
    }

    /// Whether no handler was asked for, so that it is about standard input and output.
    fn is_stdio(&self) -> bool {
        self.what.handlers() == 0
    }
}

/// A combination, and the sentence that refuses it.
type Refusal = (fn(&Asked<'_>) -> bool, &'static str);

/// Every combination without sense.
const REFUSALS: &[Refusal] = &[
    (|a| a.family.v4 && a.family.v6, "-4 and -6 exclude each other"),
    (
        |a| a.many.is_some_and(|m| u8::from(m.single) + u8::from(m.thread) + u8::from(m.fork) > 1),
        "--single, --thread and --fork exclude each other",
    ),
    (|a| a.what.handlers() > 1, "only one can be served: -- COMMAND, --sh, --echo, --discard, --send or --send-file"),
    (|a| a.what.pipes && !a.what.runs_a_command(), "--pipes is for a command: give -- COMMAND or --sh LINE"),
    (|a| a.what.crlf && (!a.is_stdio() || a.ends.recv_only), "--crlf is about standard input, which is not sent here"),
    (
        |a| a.many.is_some_and(|m| m.max_connections.is_some()) && a.mode() == Mode::Single,
        "--max-connections needs --thread or --fork: --single serves one at a time",
    ),
    (
        |a| a.many.is_some_and(|m| m.max_per_ip.is_some()) && a.mode() == Mode::Single,
        "--max-per-ip needs --thread or --fork: --single serves one at a time",
    ),
    (
        |a| a.many.is_some_and(|m| m.grace.is_some()) && !a.is_server(),
        "--grace is for a server: give -k, --count, --thread or --fork",
    ),
    (
        |a| a.mode() != Mode::Single && a.is_stdio() && !a.ends.recv_only,
        "--thread and --fork cannot share standard input: give a handler (-- COMMAND, --sh, --echo, --discard, --send, --send-file) or --recv-only",
    ),
    (
        |a| a.ends.half_close && a.ends.on_eof.is_some_and(|on_eof| on_eof != OnEof::HalfClose),
        "-N is --on-eof half-close: give only one of them",
    ),
    (|a| a.ends.send_only && a.ends.recv_only, "--send-only and --recv-only exclude each other"),
    (
        |a| a.ends.recv_only && a.ends.acts_on_our_end(),
        "--recv-only has no end of our input: --on-eof, -N, --on-fin, -q and --half-close-timeout cannot act",
    ),
    (
        |a| a.ends.send_only && a.ends.on_eof.is_some_and(|on_eof| on_eof != OnEof::HalfClose),
        "--send-only ends at the end of our input: --on-eof cannot act",
    ),
    (
        |a| {
            let one_way = a.ends.send_only || a.ends.recv_only;
            (a.what.echo || a.what.discard) && (a.ends.acts_on_our_end() || one_way)
        },
        "--echo and --discard have no input of their own: only --idle-timeout and --deadline can act",
    ),
    (
        |a| a.ends.recv_only && (a.what.send.is_some() || a.what.send_file.is_some()),
        "--send and --recv-only exclude each other",
    ),
    (|a| a.says.quiet && a.says.verbose > 0, "--quiet and --verbose exclude each other"),
    (
        |a| a.within == Some(Duration::ZERO),
        "--connect-timeout 0 leaves no time at all: give more, or none for no bound",
    ),
    (
        |a| a.ends.deadline == Some(Duration::ZERO),
        "--deadline 0 leaves no time at all: give more, or none for no bound",
    ),
    (
        |a| a.ends.idle_timeout == Some(Duration::ZERO),
        "--idle-timeout 0 leaves no time at all: give more, or none for no bound",
    ),
];

/// Fails with the sentence of the first that applies.
pub(super) fn refuse(asked: &Asked<'_>) -> Result<()> {
    match REFUSALS.iter().find(|(applies, _)| applies(asked)) {
        Some((_, sentence)) => Err(usage(*sentence)),
        None => Ok(()),
    }
}
