//! Every combination of options without sense, in one list: whether it is one, and the sentence that refuses it.
//! What stays is planned elsewhere.

use std::time::Duration;

use anyhow::Result;

use super::asked::{Asked, user_of};
use super::usage;
use crate::net::dial::retry::LONGEST_DELAY;
use crate::net::endpoint::{At, Endpoint, UnixName};
use crate::net::options::{Moment, Setting};
use crate::net::proxy::{Version, Word};
use crate::net::transport::{Transport, UnixType};
use crate::relay::closing::OnEof;
use crate::serve::Mode;

/// A combination, and the sentence that refuses it.
type Refusal = (fn(&Asked<'_>) -> bool, &'static str);

/// Every combination without sense.
const REFUSALS: &[Refusal] = &[
    (|a| a.both_families, "-4 and -6 exclude each other"),
    (
        |a| a.activated && (a.backlog || a.sets(|s| s.row().waiting == Moment::BeforeBind)),
        "--backlog, --interface, --mark and --reuse-port belong to whoever binds: --activated brings sockets that are bound",
    ),
    (
        |a| a.activated && a.resolving && a.what.to.is_none(),
        "-4, -6 and -n are about names: --activated brings sockets that are bound",
    ),
    (
        |a| {
            let moves = a.privileges.is_some_and(|p| p.chdir.is_some());
            let to = a.what.to.as_ref().map(|Endpoint { at, .. }| at);
            moves && matches!(to, Some(At::Unix(UnixName::Path(path))) if path.is_relative())
        },
        "--chdir moves what --to means: name its path from the root on",
    ),
    (
        |a| a.privileges.and_then(|p| p.user.as_deref()).is_some_and(|user| ["root", "0"].contains(&user_of(user))),
        "--user gives privileges up, and root has them all: name another user",
    ),
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
        |a| a.mode() != Mode::Single && a.is_stdio() && !a.ends.recv_only && !a.is_shared(),
        "--thread and --fork cannot share standard input: give a handler (-- COMMAND, --sh, --echo, --discard, --send, --send-file, --to), --recv-only, or under --thread --fan-out or --hub",
    ),
    (|a| a.share.fan_out && a.share.hub, "--fan-out and --hub exclude each other"),
    (
        |a| a.is_shared() && !a.is_stdio(),
        "--fan-out and --hub share standard input and output, of which a handler makes no use",
    ),
    (|a| a.is_shared() && a.mode() != Mode::Thread, "--fan-out and --hub are for many in one process: give --thread"),
    (|a| a.is_shared() && a.transport.keeps_boundaries(), "--fan-out and --hub share streams: give --type stream"),
    (|a| a.is_shared() && a.what.no_splice, "--fan-out and --hub copy all bytes: --no-splice cannot act"),
    (|a| a.share.hub_queue.is_some() && !a.share.hub, "--hub-queue is for --hub: with --fan-out nothing is dropped"),
    (
        |a| a.share.fan_out && a.ends.recv_only,
        "--fan-out shares standard input, which --recv-only never reads: give only one of them",
    ),
    (
        |a| a.share.hub && a.ends.send_only,
        "--hub hands on what peers send, which --send-only drops: give only one of them, or --fan-out",
    ),
    (
        |a| a.share.hub && (a.ends.on_eof.is_some() || a.ends.half_close || a.ends.quit_after.is_some()),
        "in a --hub the end of standard input ends nothing: --on-eof, -N and -q cannot act",
    ),
    (
        |a| a.ends.half_close && a.ends.on_eof.is_some_and(|on_eof| on_eof != OnEof::HalfClose),
        "-N is --on-eof half-close: give only one of them",
    ),
    (|a| a.ends.send_only && a.ends.recv_only, "--send-only and --recv-only exclude each other"),
    (
        |a| a.ends.recv_only && a.ends.acts_on_our_end() && !a.share.hub,
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
        |a| a.letters.lines && !a.is_shared() && a.transport == Transport::Tcp,
        "--lines is about what is shared: give --fan-out or --hub",
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
        |a| a.checks() && (a.what.handlers() > 0 || a.what.pipes || a.what.crlf || a.what.no_splice),
        "--check has no conversation: no command, handler, --pipes, --crlf or --no-splice can act",
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
        |a| a.retries() && a.going.is_none() && a.what.to.is_none(),
        "--retry, --retry-delay and --retry-for are about going somewhere: in listen they need --to",
    ),
    (
        |a| a.retry.retry.is_some() && a.retry.retry_for.is_some(),
        "--retry and --retry-for exclude each other: a number of tries, or a time",
    ),
    (
        |a| a.retry.retry_delay.is_some() && a.retry.retry.is_none(),
        "--retry-delay needs --retry (--retry-for has delays of its own)",
    ),
    (|a| a.retry.retry_delay.is_some_and(|delay| delay > LONGEST_DELAY), "--retry-delay is at most 10 s"),
    (
        |a| a.retry.retry_for == Some(Duration::ZERO),
        "--retry-for 0 leaves no time at all: give more, or none for one try",
    ),
    (
        |a| a.tells().is_some() && a.what.to.is_none(),
        "--proxy-protocol v1 and v2 tell the upstream who called: they need --to (see --proxy-protocol accept)",
    ),
    (
        |a| [Version::V1, Version::V2].iter().all(|version| a.proxy.contains(&Word::Send(*version))),
        "--proxy-protocol v1 and v2 exclude each other: the upstream is told once",
    ),
    (
        |a| a.tells().is_some() && a.what.to.as_ref().is_some_and(|to| to.transport.keeps_boundaries()),
        "--proxy-protocol v1 and v2 begin a stream: --to datagrams has no place for them",
    ),
    (
        |a| a.proxy.contains(&Word::Accept) && a.transport.keeps_boundaries(),
        "--proxy-protocol accept is about the beginning of a stream: datagrams have none",
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
