//! nc's command lines, translated: what to type instead. It runs nothing.

use std::ffi::OsString;

/// What a letter of nc's, or a long option of ncat's, becomes.
enum Meaning {
    /// The same letter, or this option.
    Flag(&'static str),
    /// This option, with its value.
    Value(&'static str),
    /// A part of the line's frame, not an option.
    Frame(Frame),
    /// A part of the frame that takes a value.
    FrameValue(Frame),
}

#[derive(Clone, Copy)]
enum Frame {
    Listen,
    Udp,
    Unix,
    Port,
    Source,
    Exec,
    Help,
}

fn letter(letter: char) -> Option<Meaning> {
    use Meaning as M;
    Some(match letter {
        '4' => M::Flag("-4"),
        '6' => M::Flag("-6"),
        'n' => M::Flag("-n"),
        'v' => M::Flag("-v"),
        'k' => M::Flag("-k"),
        'z' => M::Flag("-z"),
        'C' => M::Flag("-C"),
        'N' => M::Flag("-N"),
        'd' => M::Flag("--recv-only"),
        'w' => M::Value("-w"),
        'q' => M::Value("-q"),
        'm' => M::Value("--thread -m"),
        'c' => M::Value("-c"),
        'l' => M::Frame(Frame::Listen),
        'u' => M::Frame(Frame::Udp),
        'U' => M::Frame(Frame::Unix),
        'h' => M::Frame(Frame::Help),
        'p' => M::FrameValue(Frame::Port),
        's' => M::FrameValue(Frame::Source),
        'e' => M::FrameValue(Frame::Exec),
        _ => return None,
    })
}

fn long(name: &str) -> Option<Meaning> {
    use Meaning as M;
    let short = match name {
        "listen" => 'l',
        "udp" => 'u',
        "unixsock" => 'U',
        "keep-open" => 'k',
        "nodns" => 'n',
        "verbose" => 'v',
        "crlf" => 'C',
        "wait" => 'w',
        "max-conns" => 'm',
        "sh-exec" => 'c',
        "exec" => 'e',
        "source" => 's',
        "source-port" => 'p',
        "send-only" => return Some(M::Flag("--send-only")),
        "broker" | "chat" => return Some(M::Flag("--thread --hub --lines --on-fin close")),
        "recv-only" => return Some(M::Flag("--recv-only")),
        "idle-timeout" => return Some(M::Value("--idle-timeout")),
        "allow" => return Some(M::Value("--allow")),
        "deny" => return Some(M::Value("--deny")),
        _ => return None,
    };
    letter(short)
}

/// The line as it is understood so far.
#[derive(Default)]
struct Line {
    listen: bool,
    transport: Option<&'static str>,
    options: Vec<String>,
    words: Vec<String>,
    port: Option<String>,
    source: Option<String>,
    exec: Option<String>,
    help: bool,
}

/// What to say to a line whose first word is no subcommand.
pub fn answer(words: &[OsString]) -> String {
    let Some(words) = words.iter().map(|word| word.to_str().map(str::to_owned)).collect::<Option<Vec<_>>>() else {
        return "an argument is not valid UTF-8".into();
    };
    let mut line = Line::default();
    if let Err(unknown) = line.read(&words) {
        return format!("'{}' is no option here; see fincat --help", unknown.escape_debug());
    }
    if let Some(translation) = line.translation() {
        return format!("that is nc's command line; type: {translation}");
    }
    let first = words.first().map(String::as_str).unwrap_or_default();
    format!("'{}' is no subcommand: listen, connect, udp or unix; see fincat --help", first.escape_debug())
}

impl Line {
    /// Reads options and words in any order, as getopt_long(3) does. Fails with what means nothing here.
    fn read(&mut self, words: &[String]) -> Result<(), String> {
        let mut rest = words.iter();
        while let Some(word) = rest.next() {
            if word == "--" {
                self.words.extend(rest.by_ref().cloned());
            } else if let Some(name) = word.strip_prefix("--") {
                let (name, value) = name.split_once('=').map_or((name, None), |(name, value)| (name, Some(value)));
                let meaning = long(name).ok_or_else(|| word.clone())?;
                let next = || value.map(str::to_owned).or_else(|| rest.next().cloned());
                self.take(&meaning, next).ok_or_else(|| word.clone())?;
            } else if let Some(letters) = word.strip_prefix('-').filter(|letters| !letters.is_empty()) {
                self.read_letters(letters, &mut rest)?;
            } else {
                self.words.push(word.clone());
            }
        }
        Ok(())
    }

    fn read_letters(&mut self, letters: &str, rest: &mut std::slice::Iter<'_, String>) -> Result<(), String> {
        for (at, c) in letters.char_indices() {
            let unknown = || format!("-{c}");
            let meaning = letter(c).ok_or_else(unknown)?;
            let takes_value = matches!(meaning, Meaning::Value(_) | Meaning::FrameValue(_));
            let attached = &letters[at + c.len_utf8()..];
            let next = || if attached.is_empty() { rest.next().cloned() } else { Some(attached.to_owned()) };
            self.take(&meaning, next).ok_or_else(unknown)?;
            if takes_value {
                break;
            }
        }
        Ok(())
    }

    fn take(&mut self, meaning: &Meaning, value: impl FnOnce() -> Option<String>) -> Option<()> {
        match meaning {
            Meaning::Flag(option) => self.add((*option).into()),
            Meaning::Value(option) => self.add(format!("{option} {}", quoted(&value()?))),
            Meaning::Frame(Frame::Listen) => self.listen = true,
            Meaning::Frame(Frame::Udp) => self.transport = Some("udp"),
            Meaning::Frame(Frame::Unix) => self.transport = Some("unix"),
            Meaning::Frame(_) => self.help = true,
            Meaning::FrameValue(Frame::Port) => self.port = Some(value()?),
            Meaning::FrameValue(Frame::Source) => self.source = Some(value()?),
            Meaning::FrameValue(_) => self.exec = Some(value()?),
        }
        Some(())
    }

    /// Adds an option, whose mode is said once.
    fn add(&mut self, option: String) {
        let threaded = self.options.iter().any(|option| option.starts_with("--thread"));
        let rest = option.strip_prefix("--thread ").filter(|_| threaded).map(str::to_owned);
        self.options.push(rest.unwrap_or(option));
    }

    /// The line to type; None where this is no line of nc's either.
    fn translation(mut self) -> Option<String> {
        let role = if self.listen { "listen" } else { "connect" };
        if self.help {
            return Some(format!("fincat {role} -h"));
        }
        let mut line: Vec<String> = ["fincat".into()].into();
        line.extend(self.transport.map(Into::into));
        line.push(role.into());
        if self.listen {
            // nc takes a listener's port as -p or as a word, its address as -s or as a word.
            self.words.extend(self.port.take());
            self.words.splice(0..0, self.source.take());
        } else {
            self.options.extend(self.source.take().map(|source| format!("-s {}", quoted(&source))));
            self.options.extend(self.port.take().map(|port| format!("-p {}", quoted(&port))));
        }
        let enough = match (self.listen, self.transport) {
            (true, _) | (false, Some("unix")) => 1,
            (false, _) => 2,
        };
        let complete = self.words.len() >= enough || self.words.iter().any(|word| word.contains(':'));
        if !complete {
            return None;
        }
        line.append(&mut self.options);
        line.extend(self.words.iter().map(|word| quoted(word)));
        line.extend(self.exec.map(|exec| format!("-- {exec}")));
        Some(line.join(" "))
    }
}

/// A word as a shell reads it back.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+,=[]".contains(c);
    if !word.is_empty() && word.chars().all(plain) { word.into() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::answer;

    fn translated(line: &str) -> String {
        let words: Vec<_> = line.split(' ').map(Into::into).collect();
        let answer = answer(&words);
        answer.strip_prefix("that is nc's command line; type: ").map_or(answer.clone(), str::to_owned)
    }

    #[test]
    fn lines_of_nc() {
        for (nc, fincat) in [
            ("-lvnp 9000", "fincat listen -v -n 9000"),
            ("10.0.0.1 80", "fincat connect 10.0.0.1 80"),
            ("-l 9000", "fincat listen 9000"),
            ("-l -p 9000 -s 127.0.0.1", "fincat listen 127.0.0.1 9000"),
            ("-lk 9000 -e /bin/cat", "fincat listen -k 9000 -- /bin/cat"),
            ("-u -w2 host 53", "fincat udp connect -w 2 host 53"),
            ("-lU /tmp/s", "fincat unix listen /tmp/s"),
            ("-p 1024 host 80", "fincat connect -p 1024 host 80"),
            ("-z host 22 80", "fincat connect -z host 22 80"),
            ("-vz host 20-25", "fincat connect -v -z host 20-25"),
            ("--listen --keep-open -m 5 9000", "fincat listen -k --thread -m 5 9000"),
            ("-l --broker 9000", "fincat listen --thread --hub --lines --on-fin close 9000"),
            ("-lk -m 5 --chat 9000", "fincat listen -k --thread -m 5 --hub --lines --on-fin close 9000"),
            ("host:80", "fincat connect host:80"),
            ("-c ls host 80", "fincat connect -c ls host 80"),
        ] {
            assert_eq!(translated(nc), fincat, "{nc}");
        }
    }

    #[test]
    fn what_is_nobodys_line_is_said() {
        assert!(translated("lisen").contains("'lisen' is no subcommand"));
        assert!(translated("-x proxy host 80").contains("'-x' is no option here"));
        assert!(translated("--frobnicate").contains("no option here"));
        assert!(translated("-l -p").contains("no option here"));
    }
}
