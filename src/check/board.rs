//! The answers, shown in the order in which they were asked for, each as soon as all before it are known. It asks
//! nobody.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use super::{Answer, Style, Verdict};
use crate::net::dial::fate::Fate;
use crate::sys::{self, Manner, PollFd, PollFlags};
use crate::trace::json;

/// Who was asked.
#[derive(Clone, Debug)]
pub(super) struct Asked<'a> {
    /// A host, or a path.
    pub(super) host: Cow<'a, str>,
    /// A path has none.
    pub(super) port: Option<u16>,
}

/// The answers so far.
#[derive(Debug)]
pub(super) struct Board<'a> {
    asked: Vec<Asked<'a>>,
    answers: Vec<Option<Answer>>,
    style: Style,
    /// Datagrams have words of their own.
    datagrams: bool,
    shown: usize,
    missing: usize,
}

impl<'a> Board<'a> {
    pub(super) fn new(asked: Vec<Asked<'a>>, style: Style, datagrams: bool) -> Self {
        let (answers, missing) = (vec![None; asked.len()], asked.len());
        Self { asked, answers, style, datagrams, shown: 0, missing }
    }

    /// Notes the last word about one of them.
    pub(super) fn note(&mut self, at: usize, answer: Answer) {
        if self.answers[at].replace(answer).is_none() {
            self.missing -= 1;
        }
    }

    pub(super) fn asked(&self, at: usize) -> &Asked<'a> {
        &self.asked[at]
    }

    pub(super) fn is_complete(&self) -> bool {
        self.missing == 0
    }

    /// Those without a last word.
    pub(super) fn open_questions(&self) -> Vec<usize> {
        (0..self.answers.len()).filter(|at| self.answers[*at].is_none()).collect()
    }

    pub(super) fn answers(&self) -> impl Iterator<Item = Answer> {
        self.answers.iter().copied().flatten()
    }

    /// Shows what can be shown by now. It never blocks while `stop` is readable.
    pub(super) fn show(&mut self, stop: BorrowedFd<'_>) -> Result<(), Verdict> {
        let known = self.answers[self.shown..].iter().map_while(|answer| *answer);
        let mut text = String::new();
        let mut shown = self.shown;
        for answer in known {
            match self.style {
                Style::Lines => line(&mut text, &self.asked[shown], answer, self.datagrams),
                Style::Json => object(&mut text, &self.asked[shown], answer, self.datagrams),
                Style::Silent => {}
            }
            shown += 1;
        }
        self.shown = shown;
        write_all(text.as_bytes(), stop)
    }
}

fn write_all(mut rest: &[u8], stop: BorrowedFd<'_>) -> Result<(), Verdict> {
    while !rest.is_empty() {
        let mut fds =
            [PollFd::from_borrowed_fd(stop, PollFlags::IN), PollFd::from_borrowed_fd(sys::stdout(), PollFlags::OUT)];
        sys::poll(&mut fds, None).map_err(Verdict::Unwritten)?;
        if !fds[0].revents().is_empty() {
            return Err(Verdict::Stopped);
        }
        if fds[1].revents().is_empty() {
            continue;
        }
        // A pipe that is ready takes this much without blocking.
        match sys::write(sys::stdout(), Manner::Plain, &rest[..rest.len().min(sys::PIPE_BUF)]) {
            Ok(n) => rest = &rest[n..],
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
            Err(e) if e.kind() == io::ErrorKind::BrokenPipe => return Err(Verdict::Unread),
            Err(e) => return Err(Verdict::Unwritten(e)),
        }
    }
    Ok(())
}

/// The word for an answer.
fn word(answer: Answer, datagrams: bool) -> &'static str {
    match answer {
        Answer::Open(_) => "open",
        Answer::Closed => "closed",
        Answer::Not(Fate::Refused) if datagrams => "closed",
        Answer::Not(Fate::TimedOut) if datagrams => "unknown",
        Answer::Not(Fate::Refused) => "refused",
        Answer::Not(Fate::TimedOut) => "timed out",
        Answer::Not(Fate::Unreachable) => "unreachable",
        Answer::Not(Fate::Unresolved) => "unresolved",
        Answer::Not(Fate::Reset) => "reset",
        Answer::Not(Fate::Unbindable | Fate::Failed) => "failed",
    }
}

fn line(text: &mut String, asked: &Asked<'_>, answer: Answer, datagrams: bool) {
    // Writing into a String fails never.
    let _ = match &asked.host {
        // A line stays a line.
        odd if odd.contains(char::is_control) => write!(text, "{}", odd.escape_debug()),
        host => write!(text, "{host}"),
    };
    if let Some(port) = asked.port {
        let _ = write!(text, " {port}");
    }
    let _ = write!(text, " {}", word(answer, datagrams));
    if let Answer::Open(took) = answer {
        let _ = write!(text, " {} ms", millis(took));
    }
    text.push('\n');
}

fn object(text: &mut String, asked: &Asked<'_>, answer: Answer, datagrams: bool) {
    let ms = match answer {
        Answer::Open(took) => Some((took.as_secs_f64() * 1e6).round() / 1e3),
        Answer::Closed | Answer::Not(_) => None,
    };
    let fields = [
        ("host", asked.host.as_ref().into()),
        ("port", asked.port.into()),
        ("status", word(answer, datagrams).into()),
        ("ms", ms.into()),
    ];
    text.push_str(&json(&fields));
}

/// Milliseconds, with a tenth, or what is left of one.
fn millis(took: Duration) -> String {
    let ms = took.as_secs_f64() * 1e3;
    if ms < 0.095 { format!("{ms:.2}") } else { format!("{ms:.1}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WEB: &Asked<'_> = &Asked { host: Cow::Borrowed("web"), port: Some(80) };

    fn shown(asked: &Asked<'_>, answer: Answer, datagrams: bool) -> (String, String) {
        let (mut lines, mut json) = (String::new(), String::new());
        line(&mut lines, asked, answer, datagrams);
        object(&mut json, asked, answer, datagrams);
        (lines, json)
    }

    #[test]
    fn an_answer_is_a_line() {
        let open = shown(WEB, Answer::Open(Duration::from_micros(412)), false);
        let json = r#"{"host":"web","port":80,"status":"open","ms":0.412}"#.to_owned() + "\n";
        assert_eq!(open, ("web 80 open 0.4 ms\n".into(), json));
        assert_eq!(shown(WEB, Answer::Open(Duration::from_micros(41)), false).0, "web 80 open 0.04 ms\n");
        assert_eq!(shown(WEB, Answer::Open(Duration::from_millis(1234)), false).0, "web 80 open 1234.0 ms\n");
        for (fate, stream, datagram) in [
            (Fate::Refused, "refused", "closed"),
            (Fate::TimedOut, "timed out", "unknown"),
            (Fate::Unreachable, "unreachable", "unreachable"),
            (Fate::Unresolved, "unresolved", "unresolved"),
        ] {
            assert_eq!(shown(WEB, Answer::Not(fate), false).0, format!("web 80 {stream}\n"));
            assert_eq!(shown(WEB, Answer::Not(fate), true).0, format!("web 80 {datagram}\n"));
        }
    }

    #[test]
    fn a_path_has_no_port_and_is_quoted() {
        let path = &Asked { host: "/a \"b\"\n".into(), port: None };
        let json = r#"{"host":"/a \"b\"\n","port":null,"status":"closed","ms":null}"#.to_owned() + "\n";
        let line = "/a \\\"b\\\"\\n closed\n".to_owned();
        assert_eq!(shown(path, Answer::Closed, false), (line, json));
    }
}
