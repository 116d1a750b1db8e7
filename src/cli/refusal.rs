//! What is wrong with a command line, in one sentence that says what to type instead. It parses nothing.

use std::error::Error as _;
use std::ffi::OsString;

use clap::Error;
use clap::error::{ContextKind, ContextValue, ErrorKind};

/// Well-known letters of nc's that mean nothing here.
const LETTERS: [(&str, &str); 6] = [
    ("-l", "listening is a subcommand; type: fincat listen"),
    ("-u", "UDP is a subcommand; type: fincat udp listen, or fincat udp connect"),
    ("-U", "unix sockets are a subcommand; type: fincat unix listen, or fincat unix connect"),
    ("-e", "a command stands at the end of the line; type: -- COMMAND, or -c LINE for a shell"),
    ("-x", "fincat speaks to no proxy; type: ssh -W HOST:PORT PROXY"),
    ("-t", "fincat answers no telnet negotiation; type: telnet HOST PORT"),
];

/// The sentence for an error of the parser's.
pub fn sentence(error: &Error, line: &[OsString]) -> String {
    let help = help(line);
    let argument = text(error, ContextKind::InvalidArg);
    let value = text(error, ContextKind::InvalidValue).escape_debug().to_string();
    let name = argument.split(' ').next().unwrap_or_default().trim_end_matches("...");
    match error.kind() {
        ErrorKind::UnknownArgument => unknown(name, &help),
        ErrorKind::InvalidValue if value.is_empty() => format!("option '{name}' needs a value; {help}"),
        ErrorKind::InvalidValue => {
            let words = text(error, ContextKind::ValidValue);
            format!("'{value}' is no value of {name}: {words}")
        }
        ErrorKind::ValueValidation => {
            let why = error.source().map(ToString::to_string).unwrap_or_default();
            format!("'{value}' is no value of {name}: {why}")
        }
        ErrorKind::ArgumentConflict => format!("option '{name}' is given twice"),
        ErrorKind::InvalidUtf8 => "an argument is not valid UTF-8".into(),
        ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            format!("a subcommand is missing: listen or connect; {help}")
        }
        ErrorKind::InvalidSubcommand => {
            let word = text(error, ContextKind::InvalidSubcommand);
            format!("'{}' is no subcommand: listen or connect; {help}", word.escape_debug())
        }
        ErrorKind::TooManyValues => format!("'{value}' is one word too many; {help}"),
        _ => format!("the command line makes no sense; {help}"),
    }
}

fn unknown(argument: &str, help: &str) -> String {
    match LETTERS.iter().find(|(letter, _)| *letter == argument) {
        Some((letter, instead)) => format!("{letter} is nc's: {instead}"),
        None if argument == "-p" => "-p is for connect; a listener's port is the last word".into(),
        None if argument.starts_with('-') && !roles_of(argument).is_empty() => {
            let roles = roles_of(argument).join(", ");
            format!("option '{argument}' cannot act here: it is for {roles}; {help}")
        }
        None if argument.starts_with('-') => format!("unknown option '{}'; {help}", argument.escape_debug()),
        None => format!("'{}' is one word too many; {help}", argument.escape_debug()),
    }
}

/// The roles that know an option.
fn roles_of(option: &str) -> Vec<String> {
    let knows = |role: &clap::Command| {
        let long = |arg: &clap::Arg| arg.get_long().is_some_and(|word| option.strip_prefix("--") == Some(word));
        let short = |arg: &clap::Arg| arg.get_short().is_some_and(|letter| option == format!("-{letter}"));
        role.get_arguments().any(|arg| long(arg) || short(arg))
    };
    let mut roles = Vec::new();
    for first in super::command().get_subcommands() {
        roles.extend(knows(first).then(|| first.get_name().to_owned()));
        let second = first.get_subcommands().filter(|role| knows(role));
        roles.extend(second.map(|role| format!("{} {}", first.get_name(), role.get_name())));
    }
    roles
}

fn help(line: &[OsString]) -> String {
    let words = line.iter().skip(1).filter_map(|word| word.to_str());
    let known = words.take_while(|word| ["listen", "connect", "udp", "unix"].contains(word));
    known.take(2).fold("see fincat".to_owned(), |help, word| help + " " + word) + " --help"
}

fn text(error: &Error, kind: ContextKind) -> String {
    match error.get(kind) {
        Some(ContextValue::String(text)) => text.clone(),
        Some(ContextValue::Strings(texts)) => texts.join(", "),
        _ => String::new(),
    }
}
