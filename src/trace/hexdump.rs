//! `--hexdump`: every byte that is exchanged with peers, a line for each sixteen, with the conversation's number, the
//! direction, the time and the offset. It moves no bytes.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use super::{Event, Log, reason};

/// Bytes on a line.
const ROW: usize = 16;

/// A hexdump that all conversations share.
#[derive(Clone, Debug)]
pub struct Hexdump {
    file: Arc<File>,
    log: Log,
    name: Arc<Path>,
    failed: Arc<AtomicBool>,
}

impl Hexdump {
    /// An empty one in the file `name`; `log` is told once if it cannot be written.
    pub fn create(name: &Path, log: &Log) -> io::Result<Self> {
        let file = File::options().append(true).create(true).open(name)?;
        // A pipe or a device has no length.
        if file.metadata()?.is_file() {
            file.set_len(0)?;
        }
        Ok(Self { file: Arc::new(file), log: log.clone(), name: name.into(), failed: Arc::default() })
    }

    /// What tells it one direction of a conversation.
    pub fn tap(&self, id: u64, outwards: bool) -> Tap {
        Tap { to: self.clone(), id, outwards, offset: 0 }
    }
}

/// One direction of a conversation, as a hexdump hears of it.
#[derive(Debug)]
pub struct Tap {
    to: Hexdump,
    id: u64,
    outwards: bool,
    offset: u64,
}

impl Tap {
    /// Writes down these bytes, which come next.
    pub fn tell(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let time = humantime::format_rfc3339_millis(SystemTime::now()).to_string();
        let arrow = if self.outwards { '>' } else { '<' };
        let mut text = String::with_capacity(bytes.len().div_ceil(ROW) * 112);
        for row in bytes.chunks(ROW) {
            // Writing into a String fails never.
            let _ = write!(text, "#{} {arrow} {time} {:08x} ", self.id, self.offset);
            line(&mut text, row);
            self.offset += row.len() as u64;
        }
        // One write(2), so that conversations never interleave within what they say.
        let written = (&*self.to.file).write_all(text.as_bytes());
        if let Some(error) = written.err().filter(|_| !self.to.failed.swap(true, Ordering::Relaxed)) {
            let sentence = format!("cannot write {}: {}", self.to.name.display(), reason(&error));
            self.to.log.say(&Event::Failure(&sentence));
        }
    }
}

fn line(text: &mut String, row: &[u8]) {
    for at in 0..ROW {
        let gap = if at == ROW / 2 { " " } else { "" };
        let _ = match row.get(at) {
            Some(byte) => write!(text, "{gap} {byte:02x}"),
            None => write!(text, "{gap}   "),
        };
    }
    let shown = row.iter().map(|byte| if (0x20..0x7f).contains(byte) { char::from(*byte) } else { '.' });
    let _ = writeln!(text, "  |{}|", shown.collect::<String>());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_sixteen_bytes() {
        let mut text = String::new();
        line(&mut text, b"hello, world\r\n\xff!");
        line(&mut text, b"ab");
        let wanted = " 68 65 6c 6c 6f 2c 20 77  6f 72 6c 64 0d 0a ff 21  |hello, world...!|\n \
                      61 62                                             |ab|\n";
        assert_eq!(text, wanted);
    }
}
