//! The six roles, two for each family of transports, and what they share in twos and threes.

use std::ffi::OsString;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use super::groups::{
    CheckArgs, EndArgs, FamilyArgs, HOW_MANY, LetterArgs, ManyArgs, PrivilegeArgs, ReadyArgs, RetryArgs, SAYING,
    SayArgs, ShareArgs, SocketArgs, TcpArgs, WHAT_FOR, WHERE, WhatArgs, time,
};
use crate::net::casting::Group;
use crate::net::proxy::Word;
use crate::net::transport::UnixType;

/// `fincat listen`.
#[derive(Debug, Args)]
#[command(override_usage = "fincat listen [OPTIONS] [HOST] PORT [-- COMMAND [ARG]...]")]
#[allow(missing_docs, reason = "the groups say themselves what they are")]
pub struct Listen {
    #[command(flatten)]
    pub at: InetListenArgs,
    #[command(flatten)]
    pub tcp: TcpArgs,
    /// Length of the queue of those who wait
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..), help_heading = WHERE, hide_short_help = true)]
    pub backlog: Option<i32>,
    #[command(flatten)]
    pub many: ManyArgs,
    #[command(flatten)]
    pub privileges: PrivilegeArgs,
    #[command(flatten)]
    pub talk: TalkArgs,
    #[command(flatten)]
    pub onward: OnwardArgs,
    #[command(flatten)]
    pub share: ShareArgs,
    /// Keep lines whole where input and output are shared
    #[arg(long, help_heading = WHAT_FOR, hide_short_help = true)]
    pub lines: bool,
    #[command(flatten)]
    pub ready: ReadyArgs,
}

/// `fincat connect`.
#[derive(Debug, Args)]
#[command(override_usage = "fincat connect [OPTIONS] HOST PORT... [-- COMMAND [ARG]...]")]
#[allow(missing_docs, reason = "the groups say themselves what they are")]
pub struct Connect {
    #[command(flatten)]
    pub at: InetConnectArgs,
    #[command(flatten)]
    pub tcp: TcpArgs,
    #[command(flatten)]
    pub check: CheckArgs,
    /// With --check: it must stay open for TIME
    #[arg(long, value_name = "TIME", value_parser = time, help_heading = WHAT_FOR, hide_short_help = true)]
    pub stable: Option<Duration>,
    #[command(flatten)]
    pub talk: TalkArgs,
}

/// `fincat udp listen`.
#[derive(Debug, Args)]
#[command(override_usage = "fincat udp listen [OPTIONS] [HOST] PORT [-- COMMAND [ARG]...]")]
#[allow(missing_docs, reason = "the groups say themselves what they are")]
pub struct UdpListen {
    #[command(flatten)]
    pub at: InetListenArgs,
    #[command(flatten)]
    pub cast: CastArgs,
    /// Join this multicast group, on interface IF if given (repeatable)
    #[arg(long, value_name = "GROUP[%IF]", value_parser = Group::parse, help_heading = WHERE, hide_short_help = true)]
    pub multicast: Vec<Group>,
    #[command(flatten)]
    pub many: ManyArgs,
    #[command(flatten)]
    pub privileges: PrivilegeArgs,
    #[command(flatten)]
    pub talk: TalkArgs,
    #[command(flatten)]
    pub onward: OnwardArgs,
    /// A fresh handler for each datagram, its output the reply
    #[arg(long, help_heading = WHAT_FOR)]
    pub per_datagram: bool,
    #[command(flatten)]
    pub letters: LetterArgs,
    #[command(flatten)]
    pub ready: ReadyArgs,
}

/// `fincat udp connect`.
#[derive(Debug, Args)]
#[command(override_usage = "fincat udp connect [OPTIONS] HOST PORT... [-- COMMAND [ARG]...]")]
#[allow(missing_docs, reason = "the groups say themselves what they are")]
pub struct UdpConnect {
    #[command(flatten)]
    pub at: InetConnectArgs,
    #[command(flatten)]
    pub cast: CastArgs,
    #[command(flatten)]
    pub check: CheckArgs,
    /// With --check: what is sent, instead of an empty datagram
    ///
    /// TEXT takes \n \r \t \0 \\ and \xHH.
    #[arg(long, value_name = "TEXT", help_heading = WHAT_FOR, hide_short_help = true)]
    pub payload: Option<OsString>,
    #[command(flatten)]
    pub talk: TalkArgs,
    #[command(flatten)]
    pub letters: LetterArgs,
}

/// `fincat unix listen`.
#[derive(Debug, Args)]
#[command(override_usage = "fincat unix listen [OPTIONS] PATH [-- COMMAND [ARG]...]")]
#[allow(missing_docs, reason = "the groups say themselves what they are")]
pub struct UnixListen {
    #[command(flatten)]
    pub at: PathArgs,
    /// Listen on the sockets that systemd, or whoever started us, has bound
    #[arg(long, help_heading = WHERE, hide_short_help = true)]
    pub activated: bool,
    /// Permissions of the path, in octal, before anyone can connect
    #[arg(long, value_name = "MODE", value_parser = mode, help_heading = WHERE, hide_short_help = true)]
    pub mode: Option<u32>,
    /// Owner of the path, USER or USER:GROUP
    #[arg(long, value_name = "OWNER", help_heading = WHERE, hide_short_help = true)]
    pub owner: Option<String>,
    /// Admit only processes of this user, and others allowed (repeatable)
    #[arg(long, value_name = "USER", help_heading = HOW_MANY, hide_short_help = true)]
    pub allow_uid: Vec<String>,
    /// Admit only processes of this group, and others allowed (repeatable)
    #[arg(long, value_name = "GROUP", help_heading = HOW_MANY, hide_short_help = true)]
    pub allow_gid: Vec<String>,
    /// Length of the queue of those who wait
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..), help_heading = WHERE, hide_short_help = true)]
    pub backlog: Option<i32>,
    /// How long to wait for the first peer
    #[arg(short = 'w', long, value_name = "TIME", value_parser = time, help_heading = WHERE, hide_short_help = true)]
    pub connect_timeout: Option<Duration>,
    #[command(flatten)]
    pub many: ManyArgs,
    #[command(flatten)]
    pub privileges: PrivilegeArgs,
    #[command(flatten)]
    pub talk: TalkArgs,
    #[command(flatten)]
    pub onward: OnwardArgs,
    #[command(flatten)]
    pub share: ShareArgs,
    /// A fresh handler for each datagram, its output the reply
    #[arg(long, help_heading = WHAT_FOR)]
    pub per_datagram: bool,
    #[command(flatten)]
    pub letters: LetterArgs,
    #[command(flatten)]
    pub ready: ReadyArgs,
}

/// `fincat unix connect`.
#[derive(Debug, Args)]
#[command(override_usage = "fincat unix connect [OPTIONS] PATH [-- COMMAND [ARG]...]")]
#[allow(missing_docs, reason = "the groups say themselves what they are")]
pub struct UnixConnect {
    #[command(flatten)]
    pub at: PathArgs,
    /// Bound over connecting, for each try
    #[arg(short = 'w', long, value_name = "TIME", value_parser = time, help_heading = WHERE)]
    pub connect_timeout: Option<Duration>,
    #[command(flatten)]
    pub retry: RetryArgs,
    #[command(flatten)]
    pub check: CheckArgs,
    /// With --check: it must stay open for TIME
    #[arg(long, value_name = "TIME", value_parser = time, help_heading = WHAT_FOR, hide_short_help = true)]
    pub stable: Option<Duration>,
    #[command(flatten)]
    pub talk: TalkArgs,
    #[command(flatten)]
    pub letters: LetterArgs,
}

/// The way on, where conversations are forwarded; and who called, where somebody stands between.
#[derive(Debug, Default, Args)]
#[command(mut_arg("retry_for", |retry_for| retry_for.hide_short_help(true)))]
#[allow(missing_docs, reason = "the groups say themselves what they are")]
pub struct OnwardArgs {
    #[command(flatten)]
    pub retry: RetryArgs,
    /// Tell the upstream who called: v1 or v2; be told so by peers: accept
    #[arg(long, value_name = "WORD", value_delimiter = ',', value_parser = proxy_word(), hide_possible_values = true, help_heading = WHAT_FOR, hide_short_help = true)]
    pub proxy_protocol: Vec<Word>,
}

/// An internet address to listen on.
#[derive(Debug, Args)]
#[allow(missing_docs, reason = "the groups say themselves what they are")]
pub struct InetListenArgs {
    /// [HOST] PORT, HOST:PORT or [V6]:PORT; every address of the machine without HOST, any free port for 0
    #[arg(value_name = "PLACE", help_heading = WHERE, hide_short_help = true)]
    pub place: Vec<String>,
    /// Listen on the sockets that systemd, or whoever started us, has bound
    #[arg(long, help_heading = WHERE, hide_short_help = true)]
    pub activated: bool,
    #[command(flatten)]
    pub family: FamilyArgs,
    /// Share the port with other listeners that ask for it too
    #[arg(long, help_heading = WHERE, hide_short_help = true)]
    pub reuse_port: bool,
    #[command(flatten)]
    pub socket: SocketArgs,
    /// How long to wait for the first peer
    #[arg(short = 'w', long, value_name = "TIME", value_parser = time, help_heading = WHERE, hide_short_help = true)]
    pub connect_timeout: Option<Duration>,
    /// Write the bound port to FILE, by atomic rename
    #[arg(long, value_name = "FILE", help_heading = SAYING, hide_short_help = true)]
    pub port_file: Option<PathBuf>,
}

/// An internet address to go to.
#[derive(Debug, Args)]
#[allow(missing_docs, reason = "the groups say themselves what they are")]
pub struct InetConnectArgs {
    /// HOST PORT, HOST:PORT or [V6]:PORT; with --check several, and lists of ports (22,80,8000-8010)
    #[arg(value_name = "PLACE", help_heading = WHERE, hide_short_help = true)]
    pub place: Vec<String>,
    #[command(flatten)]
    pub family: FamilyArgs,
    /// Come from this address
    #[arg(short, long, value_name = "ADDR", help_heading = WHERE, hide_short_help = true)]
    pub source: Option<IpAddr>,
    /// Come from this port
    #[arg(short = 'p', long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..), help_heading = WHERE, hide_short_help = true)]
    pub source_port: Option<u16>,
    /// Bound over name and connecting, for each try
    #[arg(short = 'w', long, value_name = "TIME", value_parser = time, help_heading = WHERE)]
    pub connect_timeout: Option<Duration>,
    #[command(flatten)]
    pub retry: RetryArgs,
    #[command(flatten)]
    pub socket: SocketArgs,
}

/// A unix address.
#[derive(Debug, Args)]
#[allow(missing_docs, reason = "the groups say themselves what they are")]
pub struct PathArgs {
    /// A path, or @name for an abstract one
    #[arg(value_name = "PATH", help_heading = WHERE, hide_short_help = true)]
    pub path: Option<OsString>,
    /// stream, dgram or seqpacket
    #[arg(long = "type", value_name = "TYPE", value_parser = unix_type(), hide_possible_values = true, help_heading = WHERE)]
    pub kind: Option<UnixType>,
}

/// What concerns datagrams of the internet.
#[derive(Debug, Args)]
#[allow(missing_docs, reason = "the groups say themselves what they are")]
pub struct CastArgs {
    /// Allow sending to a broadcast address
    #[arg(long, help_heading = WHERE, hide_short_help = true)]
    pub broadcast: bool,
}

/// What for, how it ends, and what is said of it: every role has these.
#[derive(Debug, Args)]
#[allow(missing_docs, reason = "the groups say themselves what they are")]
pub struct TalkArgs {
    #[command(flatten)]
    pub what: WhatArgs,
    #[command(flatten)]
    pub ends: EndArgs,
    #[command(flatten)]
    pub says: SayArgs,
}

fn proxy_word() -> impl TypedValueParser<Value = Word> {
    PossibleValuesParser::new(Word::WORDS).try_map(|word| word.parse())
}

fn unix_type() -> impl TypedValueParser<Value = UnixType> {
    PossibleValuesParser::new(UnixType::WORDS).try_map(|word| word.parse())
}

/// Reads permissions: octal, nothing beyond read, write and execute.
fn mode(word: &str) -> Result<u32, String> {
    let mode = u32::from_str_radix(word, 8).ok().filter(|mode| *mode <= 0o777 && !word.starts_with('+'));
    mode.ok_or_else(|| "not permissions: write them in octal, such as 0600".into())
}
