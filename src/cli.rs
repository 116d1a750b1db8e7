//! The command line: what may be typed, as data. It opens nothing, decides nothing, and prints only what clap prints.

pub mod nc;
pub mod refusal;

use std::ffi::OsString;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{ArgAction, Args, CommandFactory, Parser, Subcommand};

use crate::relay::closing::{OnEof, OnFin};
use crate::serve::admission::{Net, parse_net};

/// The headings of `--help`: the four questions, and one for scripts.
const WHERE: &str = "WHERE is the peer";
const HOW_MANY: &str = "HOW MANY at once";
const WHAT_FOR: &str = "WHAT FOR";
const HOW_DOES_IT_END: &str = "HOW DOES IT END";
const SAYING: &str = "WHAT IS SAID, and to whom";

const ABOUT: &str = "A netcat that gets the end of a conversation right";

/// What `fincat` alone says: usage and six examples.
pub const BRIEF: &str = "\
usage: fincat listen  [OPTIONS] [HOST] PORT [-- COMMAND [ARG]...]
       fincat connect [OPTIONS] HOST PORT   [-- COMMAND [ARG]...]
       fincat udp|unix listen|connect ...

examples:
  fincat listen 9000 > file            receive a file, until the sender's end
  fincat connect host 9000 < file      send it, half-close, hear the peer out
  fincat listen --thread 9000 --echo   echo for everybody who comes
  fincat listen --fork 9000 -- sort    a command for each connection
  fincat listen -k 8080 --send 'hello\\n'    a greeting for each
  fincat connect -w 2s -q 1s host 22 < /dev/null    is it there?

fincat --help tells more; fincat listen -h fits a screen
";

#[derive(Debug, Parser)]
#[command(name = "fincat", version, about = ABOUT, disable_help_subcommand = true, after_help = AFTER, after_long_help = QUESTIONS)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const AFTER: &str = "Each subcommand answers four questions:
WHERE is the peer, HOW MANY at once, WHAT FOR, HOW DOES IT END.
fincat SUBCOMMAND -h shows the common options, --help all; see fincat(1).";

const QUESTIONS: &str = "\
WHERE is the peer:
  listen [HOST] PORT     wait for peers; without HOST on every address
  connect HOST PORT      go to one; HOST:PORT and [V6]:PORT do as well

HOW MANY at once:
  --single               one conversation at a time (default)
  --thread, --fork       a thread, or a process, for each
  -k, --count N          go on after the first, or until the Nth

WHAT FOR:
  (nothing)              standard input to the peer, the peer to standard output
  -- COMMAND, --sh LINE  a command on the socket; behind pipes with --pipes
  --echo, --discard      send it back, drop it
  --send, --send-file    send this, then hear the peer out

HOW DOES IT END:
  --on-eof WORD          at our input's end: half-close, close, hold, reset
  --on-fin WORD          at the peer's FIN: auto, drain, close
  -q, --half-close-timeout, --idle-timeout, --deadline
                         after how much silence, or time
  --send-only, --recv-only

fincat SUBCOMMAND --help tells all options; the manual is fincat(1).";

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Wait for peers over TCP
    Listen(Listen),
    /// Connect to a peer over TCP
    Connect(Connect),
    /// The same over UDP
    #[command(subcommand)]
    Udp(Later),
    /// The same over unix sockets
    #[command(subcommand)]
    Unix(Later),
}

/// The roles of transports that are still to come.
#[derive(Debug, Subcommand)]
pub enum Later {
    /// Wait for peers
    Listen(Anything),
    /// Connect to a peer
    Connect(Anything),
}

/// A line that is read when its transport is there.
#[derive(Debug, Args)]
pub struct Anything {
    /// Options and address
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARG")]
    pub rest: Vec<OsString>,
}

/// `fincat listen`.
#[derive(Debug, Args)]
#[command(override_usage = "fincat listen [OPTIONS] [HOST] PORT [-- COMMAND [ARG]...]")]
pub struct Listen {
    /// [HOST] PORT, HOST:PORT or [V6]:PORT; every address of the machine without HOST, any free port for 0
    #[arg(value_name = "PLACE", help_heading = WHERE, hide_short_help = true)]
    pub place: Vec<String>,
    #[allow(missing_docs)]
    #[command(flatten)]
    pub family: FamilyArgs,
    /// Share the port with other listeners that ask for it too
    #[arg(long, help_heading = WHERE, hide_short_help = true)]
    pub reuse_port: bool,
    /// Length of the queue of those who wait
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..), help_heading = WHERE, hide_short_help = true)]
    pub backlog: Option<i32>,
    /// How long to wait for the first peer
    #[arg(short = 'w', long, value_name = "TIME", value_parser = time, help_heading = WHERE, hide_short_help = true)]
    pub connect_timeout: Option<Duration>,
    #[allow(missing_docs)]
    #[command(flatten)]
    pub many: ManyArgs,
    #[allow(missing_docs)]
    #[command(flatten)]
    pub what: WhatArgs,
    #[allow(missing_docs)]
    #[command(flatten)]
    pub ends: EndArgs,
    #[allow(missing_docs)]
    #[command(flatten)]
    pub says: SayArgs,
    /// Write the bound address, a line each, to descriptor N, and close it
    #[arg(long, value_name = "N", help_heading = SAYING, hide_short_help = true)]
    pub ready_fd: Option<i32>,
    /// Write the bound port to FILE, by atomic rename
    #[arg(long, value_name = "FILE", help_heading = SAYING, hide_short_help = true)]
    pub port_file: Option<PathBuf>,
}

/// `fincat connect`.
#[derive(Debug, Args)]
#[command(override_usage = "fincat connect [OPTIONS] HOST PORT [-- COMMAND [ARG]...]")]
pub struct Connect {
    /// HOST PORT, HOST:PORT or [V6]:PORT: a name or an address, and a port or a service
    #[arg(value_name = "PLACE", help_heading = WHERE, hide_short_help = true)]
    pub place: Vec<String>,
    #[allow(missing_docs)]
    #[command(flatten)]
    pub family: FamilyArgs,
    /// Come from this address
    #[arg(short, long, value_name = "ADDR", help_heading = WHERE, hide_short_help = true)]
    pub source: Option<IpAddr>,
    /// Come from this port
    #[arg(short = 'p', long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..), help_heading = WHERE, hide_short_help = true)]
    pub source_port: Option<u16>,
    /// Bound over resolving the name and connecting
    #[arg(short = 'w', long, value_name = "TIME", value_parser = time, help_heading = WHERE)]
    pub connect_timeout: Option<Duration>,
    #[allow(missing_docs)]
    #[command(flatten)]
    pub what: WhatArgs,
    #[allow(missing_docs)]
    #[command(flatten)]
    pub ends: EndArgs,
    #[allow(missing_docs)]
    #[command(flatten)]
    pub says: SayArgs,
}

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
    /// TIME without a byte either way is a failure
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
}

/// What is said.
#[derive(Debug, Args)]
#[command(next_help_heading = SAYING)]
pub struct SayArgs {
    /// Tell of each conversation; -vv: of every end and option
    #[arg(short, long, action = ArgAction::Count)]
    pub verbose: u8,
    /// Say nothing, not even of failures
    #[arg(long, hide_short_help = true)]
    pub quiet: bool,
}

fn on_eof() -> impl TypedValueParser<Value = OnEof> {
    PossibleValuesParser::new(OnEof::WORDS).try_map(|word| word.parse())
}

fn on_fin() -> impl TypedValueParser<Value = OnFin> {
    PossibleValuesParser::new(OnFin::WORDS).try_map(|word| word.parse())
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

/// The whole command line, for those who document and complete it.
pub fn command() -> clap::Command {
    Cli::command()
}

/// What a command line comes to.
#[derive(Debug)]
pub enum Typed {
    /// Something to do.
    Command(Box<Command>),
    /// Something to print on standard output: help, the version.
    Print(String),
    /// Usage and examples, on standard error.
    Brief,
    /// A sentence; the line makes no sense.
    Refuse(String),
}

/// Reads a command line, the program's name first.
pub fn read(line: &[OsString]) -> Typed {
    let Some(first) = line.get(1) else { return Typed::Brief };
    let is_ours =
        ["listen", "connect", "udp", "unix", "-h", "--help", "-V", "--version"].iter().any(|word| first == word);
    if first == "help" {
        return read(&[line[0].clone(), "--help".into()]);
    }
    if !is_ours {
        return Typed::Refuse(nc::answer(&line[1..]));
    }
    match Cli::try_parse_from(line) {
        Ok(cli) => Typed::Command(Box::new(cli.command)),
        Err(error) if error.exit_code() == 0 => Typed::Print(on_one_screen(&error.to_string())),
        Err(error) => Typed::Refuse(refusal::sentence(&error, line)),
    }
}

/// The short help without its blank lines, so that it fits a screen; everything else as it is.
fn on_one_screen(text: &str) -> String {
    if !text.contains("see more with '--help'") {
        return text.to_owned();
    }
    text.lines().filter(|line| !line.is_empty()).fold(String::new(), |screen, line| screen + line + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        command().debug_assert();
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
