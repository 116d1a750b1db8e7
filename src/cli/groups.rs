//! The groups of options that the roles share, each under its question. It says what may be typed, not what it means.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{OsStringValueParser, PossibleValuesParser, TypedValueParser};
use clap::{ArgAction, Args};

use crate::net::endpoint::Endpoint;
use crate::net::spelling::{Keepalive, parse_dscp, parse_number};
use crate::relay::closing::{OnEof, OnFin};
use crate::serve::admission::{Net, parse_net};

/// The headings of `--help`: the four questions, and one for scripts.
pub(super) const WHERE: &str = "WHERE is the peer";
pub(super) const HOW_MANY: &str = "HOW MANY at once";
pub(super) const WHAT_FOR: &str = "WHAT FOR";
pub(super) const HOW_DOES_IT_END: &str = "HOW DOES IT END";
pub(super) const SAYING: &str = "WHAT IS SAID, and to whom";

/// Which addresses.
#[derive(Debug, Args)]
#[command(next_help_heading = WHERE)]
pub struct FamilyArgs {
    /// IPv4 only
    #[arg(short = '4', hide_short_help = true)]
    pub v4: bool,
    /// IPv6 only
    #[arg(short = '6', hide_short_help = true)]
    pub v6: bool,
    /// Resolve no names
    #[arg(short, long, hide_short_help = true)]
    pub numeric: bool,
}

/// How many.
#[derive(Debug, Args)]
#[command(next_help_heading = HOW_MANY)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub struct ManyArgs {
    /// One conversation at a time, the others wait (default)
    #[arg(long, hide_short_help = true)]
    pub single: bool,
    /// A thread for each conversation
    #[arg(long)]
    pub thread: bool,
    /// A process for each conversation
    #[arg(long)]
    pub fork: bool,
    /// Go on after the first conversation
    #[arg(short, long)]
    pub keep_open: bool,
    /// Exit when N conversations have been served
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..), hide_short_help = true)]
    pub count: Option<u64>,
    /// At most N at once, the others wait; 512 by default
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), hide_short_help = true)]
    pub max_connections: Option<u32>,
    /// At most N at once from one address, the others are closed
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), hide_short_help = true)]
    pub max_per_ip: Option<u32>,
    /// Admit only this network, and the others allowed (repeatable)
    #[arg(long, value_name = "NET", value_parser = parse_net, hide_short_help = true)]
    pub allow: Vec<Net>,
    /// Do not admit this network; wins over --allow (repeatable)
    #[arg(long, value_name = "NET", value_parser = parse_net, hide_short_help = true)]
    pub deny: Vec<Net>,
    /// How long a stopping server lets conversations finish; 10 s by default
    #[arg(long, value_name = "TIME", value_parser = time, hide_short_help = true)]
    pub grace: Option<Duration>,
}

/// As whom, and where.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = HOW_MANY)]
pub struct PrivilegeArgs {
    /// Once listening, become USER, with GROUP or the user's own
    #[arg(long, value_name = "USER[:GROUP]", hide_short_help = true)]
    pub user: Option<String>,
    /// Once listening, go to this directory
    #[arg(long, value_name = "DIR", hide_short_help = true)]
    pub chdir: Option<PathBuf>,
}

/// What for.
#[derive(Debug, Args)]
#[command(next_help_heading = WHAT_FOR)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub struct WhatArgs {
    /// Run it for each conversation, on the socket itself
    #[arg(last = true, value_name = "COMMAND", help_heading = WHAT_FOR)]
    pub command: Vec<OsString>,
    /// The same with a line for /bin/sh
    #[arg(short = 'c', long, value_name = "LINE")]
    pub sh: Option<OsString>,
    /// Give the command pipes instead of the socket
    #[arg(long, hide_short_help = true)]
    pub pipes: bool,
    /// Send back what the peer sends (RFC 862)
    #[arg(long)]
    pub echo: bool,
    /// Drop what the peer sends (RFC 863)
    #[arg(long, hide_short_help = true)]
    pub discard: bool,
    /// Send TEXT, half-close, hear the peer out
    ///
    /// TEXT takes \n \r \t \0 \\ and \xHH.
    #[arg(long, value_name = "TEXT")]
    pub send: Option<OsString>,
    /// Send FILE, half-close, hear the peer out
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    pub send_file: Option<PathBuf>,
    /// Forward to tcp:HOST:PORT, udp:HOST:PORT, unix:PATH ...
    ///
    /// Also unix-dgram:PATH and unix-seqpacket:PATH; tcp: and, for a path, unix: may be left out.
    #[arg(long, value_name = "ENDPOINT", value_parser = endpoint())]
    pub to: Option<Endpoint>,
    /// Copy all bytes: never pass them on inside the kernel
    #[arg(long, hide_short_help = true)]
    pub no_splice: bool,
    /// Send each LF of standard input as CRLF
    #[arg(short = 'C', long, hide_short_help = true)]
    pub crlf: bool,
}

/// How it ends.
#[derive(Debug, Args)]
#[command(next_help_heading = HOW_DOES_IT_END)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub struct EndArgs {
    /// At our input's end: half-close, close, hold, reset
    #[arg(long, value_name = "WORD", value_parser = on_eof(), hide_possible_values = true)]
    pub on_eof: Option<OnEof>,
    /// --on-eof half-close, the default
    #[arg(short = 'N', long, hide_short_help = true)]
    pub half_close: bool,
    /// At the peer's FIN: auto, drain or close
    #[arg(long, value_name = "WORD", value_parser = on_fin(), hide_possible_values = true)]
    pub on_fin: Option<OnFin>,
    /// After our end, TIME without a byte ends in order
    #[arg(short, long, value_name = "TIME", value_parser = time)]
    pub quit_after: Option<Duration>,
    /// After either end, TIME without a byte the other way is a failure
    #[arg(long, value_name = "TIME", value_parser = time, hide_short_help = true)]
    pub half_close_timeout: Option<Duration>,
    /// TIME without a byte either way is a failure; for datagrams, an end in order
    #[arg(long, value_name = "TIME", value_parser = time, hide_short_help = true)]
    pub idle_timeout: Option<Duration>,
    /// Everything must be over after TIME; in a server, each conversation
    #[arg(long, value_name = "TIME", value_parser = time, hide_short_help = true)]
    pub deadline: Option<Duration>,
    /// Drop what the peer sends; end when all that we sent is acknowledged
    #[arg(long, hide_short_help = true)]
    pub send_only: bool,
    /// Never read standard input
    #[arg(long)]
    pub recv_only: bool,
    /// Fail unless the peer has acknowledged every byte and the end was in order
    #[arg(long, hide_short_help = true)]
    pub confirm: bool,
}

/// What is said.
#[derive(Debug, Args)]
#[command(next_help_heading = SAYING)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub struct SayArgs {
    /// Tell of each conversation; -vv: of every end and option
    #[arg(short, long, action = ArgAction::Count)]
    pub verbose: u8,
    /// Say nothing, not even of failures
    #[arg(long, hide_short_help = true)]
    pub quiet: bool,
    /// The same as JSON, an object a line; with --check, the answers
    #[arg(long, hide_short_help = true)]
    pub json: bool,
    /// Draw the life of each conversation, as the kernel shows it
    #[arg(long, hide_short_help = true)]
    pub trace: bool,
    /// Say it to descriptor N instead of standard error
    #[arg(long, value_name = "N", hide_short_help = true)]
    pub log_fd: Option<i32>,
    /// Say it at the end of FILE instead of standard error
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    pub log_file: Option<PathBuf>,
    /// Show how far it is, on a terminal
    #[arg(long, hide_short_help = true)]
    pub progress: bool,
    /// Write every byte to FILE, with direction, time and offset
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    pub hexdump: Option<PathBuf>,
}

/// How datagrams are cut, counted and ended.
#[derive(Clone, Copy, Debug, Default, Args)]
#[command(next_help_heading = WHAT_FOR)]
pub struct LetterArgs {
    /// A line is a datagram, and a datagram a line
    #[arg(long, hide_short_help = true)]
    pub lines: bool,
    /// The most bytes of a datagram that is sent; 1472 for udp by default
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=65507), hide_short_help = true)]
    pub size: Option<u32>,
    /// End after N datagrams received
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..), help_heading = HOW_DOES_IT_END, hide_short_help = true)]
    pub datagrams: Option<u64>,
    /// An empty datagram is the end; one is sent at our own
    #[arg(long, help_heading = HOW_DOES_IT_END, hide_short_help = true)]
    pub eof_datagram: bool,
}

/// What sockets of the internet are set to.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = WHERE)]
pub struct SocketArgs {
    /// Only by way of this network interface
    #[arg(long, value_name = "NAME", hide_short_help = true)]
    pub interface: Option<String>,
    /// The firewall's mark of what is sent (SO_MARK)
    #[arg(long, value_name = "N", value_parser = parse_number, hide_short_help = true)]
    pub mark: Option<u32>,
    /// Size of the buffer for what is received
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u32).range(1..=1 << 30), hide_short_help = true)]
    pub rcvbuf: Option<u32>,
    /// Size of the buffer for what is sent
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u32).range(1..=1 << 30), hide_short_help = true)]
    pub sndbuf: Option<u32>,
    /// How many routers a packet may pass
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=255), hide_short_help = true)]
    pub ttl: Option<u32>,
    /// The type of service, a whole byte
    #[arg(long, value_name = "N", value_parser = byte, hide_short_help = true)]
    pub tos: Option<u32>,
    /// The type of service as a code point: 0 to 63, cs1, af41, ef ...
    #[arg(long, value_name = "POINT", value_parser = parse_dscp, hide_short_help = true)]
    pub dscp: Option<u32>,
}

/// What sockets of TCP are set to besides.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = WHERE)]
pub struct TcpArgs {
    /// Send small pieces at once (TCP_NODELAY)
    #[arg(long, hide_short_help = true)]
    pub nodelay: bool,
    /// Ask a silent peer whether it is there
    #[arg(long, value_name = "IDLE[,INTERVAL[,COUNT]]", value_parser = keepalive, hide_short_help = true)]
    pub keepalive: Option<Keepalive>,
    /// How long what is sent may stay unacknowledged
    #[arg(long, value_name = "TIME", value_parser = time, hide_short_help = true)]
    pub user_timeout: Option<Duration>,
    /// The largest segment
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u32).range(88..=32_767), hide_short_help = true)]
    pub mss: Option<u32>,
    /// Congestion control, such as cubic or reno
    #[arg(long, value_name = "NAME", hide_short_help = true)]
    pub congestion: Option<String>,
    /// Let data travel in the SYN
    #[arg(long, hide_short_help = true)]
    pub fast_open: bool,
}

/// Whether to try again.
#[derive(Clone, Copy, Debug, Default, Args)]
#[command(next_help_heading = WHERE)]
pub struct RetryArgs {
    /// Try N times more
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), hide_short_help = true)]
    pub retry: Option<u32>,
    /// Before the first of them, then twice as long each time; 1 s by default
    #[arg(long, value_name = "TIME", value_parser = time, hide_short_help = true)]
    pub retry_delay: Option<Duration>,
    /// Try for TIME, whatever happens
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub retry_for: Option<Duration>,
}

/// Asking who is there.
#[derive(Clone, Copy, Debug, Default, Args)]
#[command(next_help_heading = WHAT_FOR)]
pub struct CheckArgs {
    /// Only tell who answers: no conversation, several places
    #[arg(short = 'z', long)]
    pub check: bool,
}

/// Standard input for many.
#[derive(Clone, Copy, Debug, Default, Args)]
#[command(next_help_heading = WHAT_FOR)]
pub struct ShareArgs {
    /// Every peer gets standard input, the slowest sets the pace (--thread)
    #[arg(long, hide_short_help = true)]
    pub fan_out: bool,
    /// What one peer sends, all others get (--thread)
    #[arg(long, hide_short_help = true)]
    pub hub: bool,
    /// Bytes kept for a peer that does not read; 1M by default
    #[arg(long, value_name = "SIZE", value_parser = size, hide_short_help = true)]
    pub hub_queue: Option<usize>,
}

/// Readiness.
#[derive(Debug, Args)]
#[command(next_help_heading = SAYING)]
pub struct ReadyArgs {
    /// Write the bound address, a line each, to descriptor N, and close it
    #[arg(long, value_name = "N", hide_short_help = true)]
    pub ready_fd: Option<i32>,
}

fn endpoint() -> impl TypedValueParser<Value = Endpoint> {
    OsStringValueParser::new().try_map(|word| Endpoint::parse(&word))
}

fn on_eof() -> impl TypedValueParser<Value = OnEof> {
    PossibleValuesParser::new(OnEof::WORDS).try_map(|word| word.parse())
}

fn on_fin() -> impl TypedValueParser<Value = OnFin> {
    PossibleValuesParser::new(OnFin::WORDS).try_map(|word| word.parse())
}

fn byte(word: &str) -> Result<u32, String> {
    parse_number(word).ok().filter(|byte| *byte < 256).ok_or_else(|| "0 to 255, or 0x00 to 0xff".into())
}

fn keepalive(word: &str) -> Result<Keepalive, String> {
    Keepalive::parse(word, time)
}

/// Reads a TIME: `500ms`, `2s`, `1m30s`, or plain seconds.
pub fn time(word: &str) -> Result<Duration, String> {
    let plain = word.parse::<f64>().ok().filter(|_| word.starts_with(|c: char| c.is_ascii_digit() || c == '.'));
    let time = match plain {
        Some(seconds) => Duration::try_from_secs_f64(seconds).ok(),
        None => humantime::parse_duration(word).ok(),
    };
    time.ok_or_else(|| "not a time: write 500ms, 2s, 1m30s or plain seconds".into())
}

/// Reads a SIZE: bytes, or with `k`, `M` or `G` so many times 1024 of them.
pub fn size(word: &str) -> Result<usize, String> {
    let digits = word.trim_end_matches(['k', 'K', 'M', 'G']);
    let unit = match &word[digits.len()..] {
        "" => Some(1),
        "k" | "K" => Some(1 << 10),
        "M" => Some(1 << 20),
        "G" => Some(1 << 30),
        _ => None,
    };
    let number = digits.parse::<usize>().ok().filter(|number| *number > 0 && !digits.starts_with('+'));
    let size = number.zip(unit).and_then(|(number, unit)| number.checked_mul(unit));
    size.ok_or_else(|| "not a size: write bytes, or 64k, 1M, 2G".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_bytes_or_units() {
        for (word, bytes) in [("1", 1), ("64k", 65536), ("64K", 65536), ("1M", 1 << 20), ("2G", 2 << 30)] {
            assert_eq!(size(word), Ok(bytes), "{word}");
        }
        for word in ["", "0", "0k", "-1", "+1", "k", "1kk", "1.5M", "1T", "1 M", "99999999999999999999", "99999999999G"]
        {
            assert!(size(word).is_err(), "{word}");
        }
    }

    #[test]
    fn times_are_words_or_seconds() {
        for (word, millis) in
            [("500ms", 500), ("2s", 2000), ("1m30s", 90_000), ("0.5", 500), (".5", 500), ("3", 3000), ("0", 0)]
        {
            assert_eq!(time(word), Ok(Duration::from_millis(millis)), "{word}");
        }
        for word in ["", "-1", "nan", "inf", "1e400", "soon", "5 parsecs", "s"] {
            assert!(time(word).is_err(), "{word}");
        }
    }
}
