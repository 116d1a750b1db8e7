//! Where sentences go, how many of them, and as what: text or JSON. A line is one write(2), so that threads and
//! processes never interleave. It knows no sentence.

use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use super::{Event, Leg, Level, Step, fields};

/// The columns of a screen.
const WIDTH: usize = 80;

/// A piece of a picture, under its conversation's number, as wide as a screen.
fn drawn(event: &Event<'_>, about: &About) -> String {
    let leg = match event {
        Event::Step(moment) => moment.leg,
        Event::Verdict(verdict) => verdict.leg,
        _ => Leg::Peer,
    };
    let plain = |line: &str| line.replace(char::is_control, "?");
    let numbered = |line: &str| cut(format!("#{}{} {}", about.id, leg.mark(), plain(line))) + "\n";
    let mut text = event.to_string();
    if matches!(event, Event::Step(moment) if moment.step == Step::Accepted) {
        // Nothing before has told with whom.
        text = format!("{text} {}", about.peer);
    }
    text.lines().map(numbered).collect()
}

/// A sentence as the one line it is. What peers and callers are called may hold anything: a newline that begins a
/// sentence of theirs, or what a terminal obeys.
fn tamed(sentence: &str) -> String {
    let mut line = "fincat: ".to_owned();
    for c in sentence.chars() {
        if c.is_control() { line.extend(c.escape_default()) } else { line.push(c) }
    }
    line + "\n"
}

/// What of a line fits the screen; dots stand for the rest.
fn cut(line: String) -> String {
    if line.chars().count() <= WIDTH {
        return line;
    }
    line.chars().take(WIDTH - 3).chain("...".chars()).collect()
}

/// What a line looks like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Style {
    /// `fincat: PEER: SENTENCE`.
    #[default]
    Text,
    /// One object of JSON.
    Json,
}

/// What is to be said, how and where.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Saying {
    /// How much.
    pub level: Level,
    /// As what.
    pub style: Style,
    /// The life of each conversation is drawn.
    pub traces: bool,
    /// Where; on standard error where nothing is said.
    pub to: Option<Place>,
}

/// Where a log goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// To a descriptor that our caller has opened.
    Descriptor(i32),
    /// To the end of a file.
    File(PathBuf),
}

/// The conversation that a line is about.
#[derive(Debug)]
pub struct About {
    /// Its number, from 1 on.
    pub id: u64,
    /// "tcp", "udp", "unix" …
    pub transport: &'static str,
    /// Our end, where there is one by now.
    pub local: Option<String>,
    /// Who the peer is.
    pub peer: String,
}

/// Where sentences go, and how many of them.
#[derive(Clone, Debug, Default)]
pub struct Log {
    level: Level,
    style: Style,
    traces: bool,
    /// Standard error where there is none.
    to: Option<Arc<File>>,
    about: Option<Arc<About>>,
}

impl Log {
    /// A log on standard error, or on what was opened for it.
    pub fn new(saying: &Saying, to: Option<File>) -> Self {
        let Saying { level, style, traces, .. } = *saying;
        Self { level, style, traces, to: to.map(Arc::new), about: None }
    }

    /// Whether the life of each conversation is drawn.
    pub fn traces(&self) -> bool {
        self.traces
    }

    /// The same log for one conversation, which is described where that will be read.
    #[must_use]
    pub fn about(&self, describe: impl FnOnce() -> About) -> Self {
        // Nothing below -v names a conversation, and a server has many.
        let about = (self.level >= Level::Conversations || self.traces).then(|| Arc::new(describe()));
        Self { about, ..self.clone() }
    }

    /// The same log for one conversation, whatever is wanted.
    #[must_use]
    pub fn naming(&self, about: About) -> Self {
        Self { about: Some(Arc::new(about)), ..self.clone() }
    }

    /// Whether sentences of `level` are wanted, for those whose words cost something.
    pub fn wants(&self, level: Level) -> bool {
        self.level >= level
    }

    /// Says it, if somebody wants to hear it. A standard error that is gone changes nothing.
    pub fn say(&self, event: &Event<'_>) {
        if self.level < event.level() {
            return;
        }
        let line = match (self.style, &self.about) {
            // A picture's heading says nothing to a program.
            (Style::Json, _) if matches!(event, Event::Heading) => return,
            (Style::Json, about) => fields::line(SystemTime::now(), event, about.as_deref()),
            (Style::Text, Some(about)) if event.is_drawn() => drawn(event, about),
            (Style::Text, Some(about)) if event.is_about_a_peer() => tamed(&format!("{}: {event}", about.peer)),
            (Style::Text, _) => tamed(&event.to_string()),
        };
        // One write(2): a line that is torn would be worse than one that is lost.
        let write = || match &self.to {
            Some(file) => (&**file).write(line.as_bytes()),
            None => io::stderr().write(line.as_bytes()),
        };
        while write().is_err_and(|e| e.kind() == io::ErrorKind::Interrupted) {}
    }
}

#[cfg(test)]
mod tests {
    use super::super::Moment;
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_picture_fits_the_screen() {
        let about = About { id: 1234, transport: "tcp", local: None, peer: "b:2".into() };
        let note = Some("[2001:db8:1234:5678:9abc:def0:1234:5678]:65535");
        let (at, state) = (Duration::from_secs(123_456), Some("SYN-SENT"));
        let moment = Moment { leg: Leg::Upstream, step: Step::Attempt, at, tcp: true, state, inferred: true, note };
        let line = drawn(&Event::Step(moment), &about);
        assert_eq!(line, "#1234+ 123456000.000 |-------- SYN -------->| SYN-SENT (inferred) [2001:db8:1...\n");
        assert_eq!(line.len(), WIDTH + 1);
        let accepted =
            Moment { leg: Leg::Peer, step: Step::Accepted, state: Some("ESTABLISHED"), note: None, ..moment };
        let accepted = Event::Step(Moment { at: Duration::ZERO, inferred: false, ..accepted });
        assert_eq!(drawn(&accepted, &about), "#1234     0.000 |       accepted       | ESTABLISHED b:2\n");
        let heading = drawn(&Event::Heading, &About { id: 1, ..about });
        assert_eq!(heading, "#1        ms |us                peer| our end, as the kernel shows it\n");
    }
}
