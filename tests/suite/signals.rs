//! What signals do: to one conversation, to a server, to the commands of both, and to nobody else; not
//! how an undisturbed conversation ends (`half_close`).
//!
//! * `one_shot`: INT, TERM or HUP ends the conversation, and us
//! * `server`:   the first asks the conversations to end, the second does not ask
//! * `family`:   commands and forked children, and those who are neither

use std::time::Duration;

use crate::kernel::Stranger;
use crate::launch::{Launch, Stdin};
use crate::peers::PeerStream;
use crate::tool::Tool;

mod family;
mod one_shot;
mod server;

/// More than any promise of "at once" and less than any grace that a test asks for.
const AT_ONCE: Duration = Duration::from_secs(5);

/// Long enough for a signal that was sent to arrive.
const A_MOMENT: Duration = Duration::from_millis(200);

/// A launch with a bystander: a process of fincat's own group and session, and none of its children.
/// It says its number on standard error.
fn with_bystander(stdin: Stdin) -> Launch {
    Tool::with(stdin).setup("(sleep 1000 </dev/null >/dev/null 2>&1 & echo $! >&2)")
}

/// The bystander of `tool`.
#[track_caller]
fn bystander(tool: &Tool) -> Stranger {
    let line = tool.wait_line(|line| line.parse::<i32>().is_ok());
    Stranger::of(line.parse().expect("a process number"))
}

/// The processes whose numbers `peer` hears, in one line.
#[track_caller]
pub(crate) fn processes(peer: &PeerStream) -> Vec<Stranger> {
    let mut line = String::new();
    while !line.ends_with('\n') {
        line.push(char::from(peer.first_byte().expect("a line of process numbers")));
    }
    let numbers = line.split_whitespace().map(|number| number.parse().expect("a process number"));
    numbers.map(Stranger::of).collect()
}

/// A command that says its number and its child's and waits for it.
const A_FAMILY: &str = "sleep 1000 2>/dev/null & echo $$ $!; wait";

/// The same, and TERM, HUP and INT are nothing to them.
const A_DEAF_FAMILY: &str = "trap '' TERM HUP INT; sleep 1000 2>/dev/null & echo $$ $!; wait";

/// A command that answers signals, until it is told to stop.
const A_POLITE_ONE: &str = "trap 'echo heard TERM; exit 0' TERM; trap 'echo heard HUP' HUP
    trap 'echo heard INT; exit 0' INT; echo ready; while :; do sleep 0.1; done";
