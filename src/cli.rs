//! The command line: what may be typed, as data. It opens nothing, decides nothing, and prints only what clap prints.

pub mod groups;
pub mod nc;
pub mod refusal;
pub mod roles;

use std::ffi::OsString;
use std::mem::ManuallyDrop;

use clap::{Args, CommandFactory, Parser, Subcommand};

use self::roles::{Connect, Listen, UdpConnect, UdpListen, UnixConnect, UnixListen};

const ABOUT: &str = "A netcat that gets the end of a conversation right";

/// What `fincat` alone says: usage and six examples.
pub const BRIEF: &str = "\
usage: fincat listen  [OPTIONS] [HOST] PORT   [-- COMMAND [ARG]...]
       fincat connect [OPTIONS] HOST PORT... [-- COMMAND [ARG]...]
       fincat udp|unix listen|connect ...

examples:
  fincat listen 9000 > file            receive a file, until the sender's end
  fincat connect host 9000 < file      send it, half-close, hear the peer out
  fincat listen --thread 9000 --echo   echo for everybody who comes
  fincat listen --fork 9000 -- sort    a command for each connection
  fincat listen -k 8080 --send 'hello\\n'    a greeting for each
  fincat connect -z host 22 80 8000-8010    who is there?

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
  connect -z HOST PORT...  only look who is there

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
    Listen(Box<Listen>),
    /// Connect to a peer over TCP
    Connect(Box<Connect>),
    /// The same over UDP
    #[command(subcommand)]
    Udp(Udp),
    /// The same over unix sockets
    #[command(subcommand)]
    Unix(Unix),
}

/// `fincat udp`.
#[derive(Debug, Subcommand)]
pub enum Udp {
    /// Wait for datagrams: each new sender is a conversation
    Listen(Box<UdpListen>),
    /// Send datagrams to a peer and hear its answers
    Connect(Box<UdpConnect>),
}

/// `fincat unix`.
#[derive(Debug, Subcommand)]
pub enum Unix {
    /// Wait for peers at a path, or at an abstract @name
    Listen(Box<UnixListen>),
    /// Connect to a peer at a path, or at an abstract @name
    Connect(Box<UnixConnect>),
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
    if let Some(command) = read_role(line) {
        return Typed::Command(Box::new(command));
    }
    match Cli::try_parse_from(line) {
        Ok(cli) => Typed::Command(Box::new(cli.command)),
        Err(error) if error.exit_code() == 0 => Typed::Print(on_one_screen(&error.to_string())),
        Err(error) => Typed::Refuse(refusal::sentence(&error, line)),
    }
}

/// Reads a line that makes sense, with no more of the command line built than the one role it names: the whole takes
/// longer than everything else until somebody is listening. None for help and for a line that makes no sense: of these
/// the whole speaks.
fn read_role(line: &[OsString]) -> Option<Command> {
    let word = |at: usize| line.get(at).and_then(|word| word.to_str());
    Some(match (word(1)?, word(2)) {
        ("listen", _) => Command::Listen(Box::new(role(&line[1..])?)),
        ("connect", _) => Command::Connect(Box::new(role(&line[1..])?)),
        ("udp", Some("listen")) => Command::Udp(Udp::Listen(role(&line[2..])?)),
        ("udp", Some("connect")) => Command::Udp(Udp::Connect(role(&line[2..])?)),
        ("unix", Some("listen")) => Command::Unix(Unix::Listen(role(&line[2..])?)),
        ("unix", Some("connect")) => Command::Unix(Unix::Connect(role(&line[2..])?)),
        _ => return None,
    })
}

/// Reads the words of a role, its name first.
fn role<R: Args>(words: &[OsString]) -> Option<R> {
    // It is read once: what was built for that, hundreds of small pieces, is not taken down again.
    let mut command = ManuallyDrop::new(R::augment_args(clap::Command::new("role")));
    let mut matches = ManuallyDrop::new(command.try_get_matches_from_mut(words).ok()?);
    R::from_arg_matches_mut(&mut matches).ok()
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
}
