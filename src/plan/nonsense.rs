//! Every combination of options without sense, in one list: whether it is one, and the sentence that refuses it.
//! What stays is planned elsewhere.

use std::time::Duration;

use anyhow::Result;

use super::typed::{Going, Waiting};
use super::usage;
use crate::cli::groups::{EndArgs, LetterArgs, ManyArgs, SayArgs, WhatArgs};
use crate::handler::command::Joined;
use crate::net::dial::retry::LONGEST_DELAY;
use crate::net::options::{Setting, Settings};
use crate::net::transport::{Transport, UnixType};
use crate::relay::closing::OnEof;
use crate::serve::{Keep, Mode};

/// All that was asked, for those combinations that make no sense.
pub(super) struct Asked<'a> {
    transport: Transport,
    many: Option<&'a ManyArgs>,
    what: &'a WhatArgs,
    letters: &'a LetterArgs,
    ends: &'a EndArgs,
    says: &'a SayArgs,
    within: Option<Duration>,
    both_families: bool,
    per_datagram: bool,
    backlog: bool,
    settings: &'a Settings,
    going: Option<&'a Going>,
}

impl<'a> Asked<'a> {
    pub(super) fn of_waiting(waiting: &'a Waiting) -> Self {
        Self {
            transport: waiting.endpoint.transport,
            many: Some(&waiting.many),
            what: &waiting.talk.what,
            letters: &waiting.letters,
            ends: &waiting.talk.ends,
            says: &waiting.talk.says,
            within: waiting.within,
            both_families: waiting.both_families,
            per_datagram: waiting.options.postal.each,
            backlog: waiting.backlog.is_some(),
            settings: &waiting.options.settings,
            going: None,
        }
    }

    pub(super) fn of_going(going: &'a Going) -> Self {
        Self {
            transport: going.transport,
            many: None,
            what: &going.talk.what,
            letters: &going.letters,
            ends: &going.talk.ends,
            says: &going.talk.says,
            within: going.within,
            both_families: going.both_families,
            per_datagram: false,
            backlog: false,
            settings: &going.options.settings,
            going: Some(going),
        }
    }

    /// How many at once. Forwarding is for many, where nothing else is said.
    pub(super) fn mode(&self) -> Mode {
        let asked = self.many.and_then(ManyArgs::asked_mode);
        let counted = self.many.is_none_or(|many| many.count.is_some());
        let usual = if self.what.to.is_some() && !counted { Mode::Thread } else { Mode::Single };
        asked.unwrap_or(usual)
    }

    pub(super) fn keep(&self) -> Keep {
        match self.many {
            Some(ManyArgs { count: Some(count), .. }) => Keep::Count(*count),
            Some(many) if many.keep_open || self.mode() != Mode::Single => Keep::Open,
            _ => Keep::One,
        }
    }

    /// Datagrams from anybody, for nobody in particular.
    pub(super) fn hears_everybody(&self) -> bool {
        let single = self.mode() == Mode::Single && self.keep() == Keep::Open;
        single && self.is_stdio() && self.is_endless() && !self.per_datagram
    }

    fn is_server(&self) -> bool {
        self.keep() != Keep::One
    }

    /// Whether no handler was asked for, so that it is about standard input and output.
    fn is_stdio(&self) -> bool {
        self.what.handlers() == 0
    }

    fn is_endless(&self) -> bool {
        !self.transport.has_ends()
    }

    /// Whether somebody goes to a peer and this is so.
    fn goes(&self, and: impl Fn(&Going) -> bool) -> bool {
        self.going.is_some_and(and)
    }

    fn sets(&self, one: fn(&Setting) -> bool) -> bool {
        self.settings.iter().any(one)
    }

    fn checks(&self) -> bool {
        self.goes(|going| going.check.asked.check)
    }

    /// Whether a command holds the socket itself.
    fn lends_the_socket(&self) -> bool {
        self.what.runs_a_command() && self.what.joined(self.ends, self.says, self.transport) == Joined::Socket
    }

    fn has_letters(&self) -> bool {
        let letters = self.letters;
        letters.lines || letters.size.is_some() || letters.datagrams.is_some() || letters.eof_datagram
    }
}

/// A combination, and the sentence that refuses it.
type Refusal = (fn(&Asked<'_>) -> bool, &'static str);

/// Every combination without sense.
const REFUSALS: &[Refusal] = &[
    (|a| a.both_families, "-4 and -6 exclude each other"),
    (
        |a| a.many.is_some_and(|m| u8::from(m.single) + u8::from(m.thread) + u8::from(m.fork) > 1),
        "--single, --thread and --fork exclude each other",
    ),
    (
        |a| a.what.handlers() > 1,
        "only one can be served: -- COMMAND, --sh, --echo, --discard, --send, --send-file or --to",
    ),
    (|a| a.what.pipes && !a.what.runs_a_command(), "--pipes is for a command: give -- COMMAND or --sh LINE"),
    (
        |a| {
            let onwards = a.what.to.as_ref().is_some_and(|to| to.transport.keeps_boundaries());
            a.what.no_splice && (a.transport.keeps_boundaries() || onwards)
        },
        "--no-splice is about streams: datagrams are always copied",
    ),
    (
        |a| a.what.no_splice && a.lends_the_socket(),
        "--no-splice is about bytes that fincat moves: the command holds the socket itself (see --pipes)",
    ),
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
        "--thread and --fork cannot share standard input: give a handler (-- COMMAND, --sh, --echo, --discard, --send, --send-file, --to) or --recv-only",
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
    (
        |a| a.what.to.is_some() && (a.ends.send_only || a.ends.recv_only),
        "--to forwards both ways: --send-only and --recv-only cannot act",
    ),
    (
        |a| a.transport.is_unix() && a.ends.on_eof == Some(OnEof::Reset),
        "--on-eof reset is for tcp: a unix socket knows no RST",
    ),
    (
        |a| a.is_endless() && (a.ends.half_close || a.ends.half_close_timeout.is_some()),
        "datagrams have no half-close: -N and --half-close-timeout cannot act",
    ),
    (|a| a.is_endless() && a.ends.on_eof == Some(OnEof::Reset), "--on-eof reset is for tcp: datagrams know no RST"),
    (
        |a| {
            let ends = a.letters.datagrams.is_some() || a.letters.eof_datagram;
            a.is_endless() && a.ends.on_fin.is_some() && !ends
        },
        "datagrams have no FIN: --on-fin needs --datagrams or --eof-datagram",
    ),
    (
        |a| a.has_letters() && !a.transport.keeps_boundaries(),
        "--lines, --size, --datagrams and --eof-datagram are for datagrams: give --type dgram or seqpacket",
    ),
    (
        |a| a.transport == Transport::Unix(UnixType::Seqpacket) && a.letters.eof_datagram,
        "--eof-datagram is for what has no end of its own: seqpacket has one",
    ),
    (|a| a.per_datagram && !a.is_endless(), "--per-datagram is for datagrams: give --type dgram"),
    (
        |a| a.per_datagram && a.is_stdio(),
        "--per-datagram needs a handler: -- COMMAND, --sh, --echo, --discard, --send, --send-file or --to",
    ),
    (|a| a.backlog && a.is_endless(), "--backlog is for peers who connect: give --type stream or seqpacket"),
    (
        |a| a.transport.is_unix() && a.many.is_some_and(|m| !m.allow.is_empty() || !m.deny.is_empty()),
        "--allow and --deny are about addresses: give --allow-uid or --allow-gid",
    ),
    (
        |a| a.transport.is_unix() && a.many.is_some_and(|m| m.max_per_ip.is_some()),
        "--max-per-ip is about addresses, which unix peers have none of",
    ),
    (
        |a| a.hears_everybody() && (a.ends.send_only || a.ends.acts_on_our_end() || a.what.crlf),
        "-k without a handler hears everybody and sends nothing: only --lines, --datagrams, --idle-timeout and --deadline can act",
    ),
    (
        |a| a.checks() && (a.what.handlers() > 0 || a.what.pipes || a.what.crlf),
        "--check has no conversation: no command, handler, --pipes or --crlf can act",
    ),
    (
        |a| a.checks() && (a.ends.acts_on_bytes() || a.has_letters()),
        "--check has no conversation: of the options for its end only --deadline can act",
    ),
    (
        |a| a.checks() && a.sets(|s| matches!(s, Setting::FastOpen | Setting::NoDelay)),
        "--check sends nothing: --nodelay and --fast-open cannot act",
    ),
    (
        |a| a.checks() && a.sets(|s| matches!(s, Setting::KeepAlive(_))) && a.goes(|g| g.check.stable.is_none()),
        "--keepalive is for connections that last: --check needs --stable for it",
    ),
    (
        |a| !a.checks() && a.goes(|g| g.check.stable.is_some() || g.check.payload.is_some()),
        "--stable and --payload are for --check",
    ),
    (
        |a| a.is_endless() && a.goes(|g| g.check.stable.is_some()),
        "--stable is for what stays open: datagrams have no connection",
    ),
    (
        |a| a.goes(|g| g.retry.retry.is_some() && g.retry.retry_for.is_some()),
        "--retry and --retry-for exclude each other: a number of tries, or a time",
    ),
    (
        |a| a.goes(|g| g.retry.retry_delay.is_some() && g.retry.retry.is_none()),
        "--retry-delay needs --retry (--retry-for has delays of its own)",
    ),
    (|a| a.goes(|g| g.retry.retry_delay.is_some_and(|delay| delay > LONGEST_DELAY)), "--retry-delay is at most 10 s"),
    (
        |a| a.goes(|g| g.retry.retry_for == Some(Duration::ZERO)),
        "--retry-for 0 leaves no time at all: give more, or none for one try",
    ),
    (
        |a| {
            let talks = a.is_stdio() && !a.ends.recv_only || a.what.send.is_some() || a.what.send_file.is_some();
            a.going.is_some() && !talks && a.settings.fast_open()
        },
        "--fast-open puts what we say first into the SYN: it needs standard input, --send or --send-file",
    ),
    (
        |a| a.sets(|s| matches!(s, Setting::Tos(_))) && a.sets(|s| matches!(s, Setting::Dscp(_))),
        "--tos and --dscp are the same byte: give only one of them",
    ),
    (
        |a| a.checks() && (a.ends.confirm || a.says.progress || a.says.hexdump.is_some()),
        "--check has no conversation: --confirm, --progress and --hexdump cannot act",
    ),
    (|a| a.ends.confirm && a.is_endless(), "--confirm is for streams: nobody acknowledges datagrams"),
    (
        |a| a.ends.confirm && a.is_server(),
        "--confirm decides the exit status of one conversation: a server has a status of its own",
    ),
    (
        |a| (a.ends.confirm || a.says.progress) && a.lends_the_socket(),
        "--confirm and --progress are about bytes that fincat moves: the command holds the socket itself (see --pipes)",
    ),
    (
        |a| a.ends.confirm && a.ends.on_eof == Some(OnEof::Reset),
        "--on-eof reset never ends in order: --confirm cannot act",
    ),
    (|a| a.says.progress && a.is_server(), "--progress shows one conversation: it cannot act in a server"),
    (|a| a.says.quiet && a.says.progress, "--quiet and --progress exclude each other"),
    (|a| a.says.quiet && a.says.json, "--quiet and --json exclude each other"),
    (|a| a.says.quiet && a.says.trace, "--quiet and --trace exclude each other"),
    (|a| a.says.trace && a.checks(), "--trace draws conversations, of which --check has none"),
    (|a| a.says.log_fd.is_some() && a.says.log_file.is_some(), "--log-fd and --log-file exclude each other"),
    (
        |a| a.says.quiet && (a.says.log_fd.is_some() || a.says.log_file.is_some()),
        "--quiet says nothing: --log-fd and --log-file cannot act",
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
