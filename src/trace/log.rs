//! Where sentences go, how many of them, and as what: text or JSON. A line is one write(2), so that threads and
//! processes never interleave. It knows no sentence.

use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use super::fields::object;
use super::{Event, Level};

/// A piece of a picture, under its conversation's number.
fn drawn(event: &Event<'_>, about: &About) -> String {
    let lines: Vec<String> = event.to_string().lines().map(|line| format!("#{} {line}\n", about.id)).collect();
    lines.concat()
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
    /// Our end.
    pub local: String,
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
            (Style::Json, about) => object(SystemTime::now(), event, about.as_deref()),
            (Style::Text, Some(about)) if event.is_drawn() => drawn(event, about),
            (Style::Text, Some(about)) if event.is_about_a_peer() => format!("fincat: {}: {event}\n", about.peer),
            (Style::Text, _) => format!("fincat: {event}\n"),
        };
        // One write(2): a line that is torn would be worse than one that is lost.
        let _ = match &self.to {
            Some(file) => (&**file).write(line.as_bytes()),
            None => io::stderr().write(line.as_bytes()),
        };
    }
}
