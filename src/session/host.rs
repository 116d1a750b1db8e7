//! The host of the conversations that share standard input and output: it runs the house between them, and says how it
//! went. It serves nobody itself.

use std::os::fd::BorrowedFd;

use super::{Report, Terms};
use crate::exit::{Failure, Status};
use crate::handler::Task;
use crate::handler::share::Share;
use crate::relay::hub::Hub;
use crate::relay::hub::house::Parting;
use crate::sys::{self, PollFlags, Signal};
use crate::trace::{Event, reason};

/// Whether these conversations need a host.
pub fn is_needed(terms: &Terms) -> bool {
    hub(terms).is_some()
}

fn share(terms: &Terms) -> Option<&Share> {
    if let Task::Share(share) = &terms.task { Some(share) } else { None }
}

fn hub(terms: &Terms) -> Option<&Hub> {
    share(terms)?.opened()
}

/// A peer has been admitted: it will take part, or give up.
pub fn expect(terms: &Terms) {
    if let Some(hub) = hub(terms) {
        hub.expect();
    }
}

/// One who was expected does not take part.
pub fn give_up(terms: &Terms) {
    if let Some(hub) = hub(terms) {
        hub.give_up();
    }
}

/// Nobody else is admitted: the house ends when the last has left, and peers hear so where nobody is left to speak.
pub fn close(terms: &Terms) {
    if let Some(hub) = hub(terms) {
        hub.close();
    }
}

/// Runs the house until the last peer has left after [`close`], standard output is gone, or `kill` rings; `stop` rings
/// when the server is told to stop. The report's `output_gone` says that there is nothing left to serve for.
pub fn keep_house(terms: &Terms, stop: BorrowedFd<'_>, kill: BorrowedFd<'_>) -> Report {
    let Some(share) = share(terms) else { return Report::of(Status::Order) };
    let mut house = match share.house(&terms.log) {
        Ok(house) => house,
        Err(e) => {
            terms.log.say(&Event::Failure(&e.to_string()));
            return Report { status: Failure::status(&e), output_gone: true };
        }
    };
    let mut bells = vec![kill, stop];
    let report = loop {
        match house.run(&bells) {
            Parting::Called if bells.len() > 1 && sys::ready(kill, PollFlags::IN).is_empty() => {
                house.stop();
                // It rings on.
                bells.truncate(1);
            }
            Parting::Deserted | Parting::Called => break Report::of(Status::Order),
            Parting::OutputGone => break Report { status: Status::Signal(Signal::PIPE.as_raw()), output_gone: true },
            Parting::Mute(e) => {
                terms.log.say(&Event::Failure(&format!("cannot read standard input: {}", reason(&e))));
            }
            Parting::Failed(e) => {
                terms.log.say(&Event::Failure(&format!("cannot write standard output: {}", reason(&e))));
                break Report { status: Status::Failure, output_gone: true };
            }
        }
    };
    if let Some(hub) = share.opened().filter(|_| report.output_gone) {
        // Whoever still speaks to it learns of it.
        hub.lose_output();
    }
    report
}
