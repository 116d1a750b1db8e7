//! The handlers that need no program: echo, discard, send. They wire flows and nothing else.

use std::fs::File;
use std::io;
use std::path::PathBuf;

use anyhow::Result;

use super::stdio::Output;
use super::{Partner, Wiring};
use crate::exit::{Failure, Status};
use crate::relay::Flows;
use crate::relay::closing::{Closing, Input};
use crate::relay::end::{Handle, Source};
use crate::sys::Manner;
use crate::trace::reason;

/// RFC 862: what the peer sends goes back to it; its FIN is answered by ours when everything is back.
pub(super) fn echo<'a>(partner: &Partner<'a>, closing: Closing) -> Wiring<'a> {
    let incoming = Some(partner.hear(partner.peer.sink()));
    Wiring::flows(Flows { outgoing: None, incoming }, closing, Input::Finite)
}

/// RFC 863: what the peer sends is dropped; its FIN is answered by ours.
pub(super) fn discard<'a>(partner: &Partner<'a>, closing: Closing) -> Wiring<'a> {
    let incoming = Some(partner.hear(Output::Dropped.sink()));
    Wiring::flows(Flows { outgoing: None, incoming }, closing, Input::Finite)
}

/// What `--send` and `--send-file` send.
#[derive(Debug)]
pub enum Payload {
    /// These bytes.
    Text(Vec<u8>),
    /// This file, opened anew for each conversation.
    File(PathBuf),
}

impl Payload {
    /// Fails where the file cannot be read.
    pub(super) fn check(&self) -> Result<()> {
        self.open().map(drop)
    }

    /// How many bytes it is, where that is known.
    pub(super) fn size(&self) -> Option<u64> {
        match self {
            Payload::Text(text) => Some(text.len() as u64),
            Payload::File(path) => {
                std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file).map(|file| file.len())
            }
        }
    }

    /// The same file from wherever we go.
    pub(super) fn anchor(&mut self) -> io::Result<()> {
        if let Payload::File(path) = self {
            *path = std::path::absolute(&*path)?;
        }
        Ok(())
    }

    fn open(&self) -> Result<Option<File>> {
        let Payload::File(path) = self else { return Ok(None) };
        let open = File::open(path).and_then(|file| {
            let is_a_directory = file.metadata()?.is_dir();
            if is_a_directory { Err(io::ErrorKind::IsADirectory.into()) } else { Ok(file) }
        });
        match open {
            Ok(file) => Ok(Some(file)),
            Err(e) => Err(Failure::error(Status::Failure, format!("cannot read {}: {}", path.display(), reason(&e)))),
        }
    }

    /// The payload to the peer, what the peer answers to `output`.
    #[inline(never)] // Its frame is no other task's: what a stack has not touched, it does not have.
    pub(super) fn wire<'a>(&'a self, partner: &Partner<'a>, output: Output, closing: Closing) -> Result<Wiring<'a>> {
        let source = match (self, self.open()?) {
            (_, Some(file)) => Source::descriptor("the file to send", Handle::Own(file.into()), Manner::Plain),
            (Payload::Text(text), None) => Source::text(text),
            (Payload::File(_), None) => Source::text(b""),
        };
        let outgoing = Some(partner.speak(source));
        let incoming = Some(partner.hear(output.sink()));
        Ok(Wiring::flows(Flows { outgoing, incoming }, closing, Input::Finite))
    }
}

/// Reads the escapes of `--send`'s TEXT: `\n \r \t \0 \\ \xHH`.
pub fn unescape(text: &[u8]) -> Result<Vec<u8>, String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.iter().copied();
    while let Some(byte) = bytes.next() {
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        let meant = match bytes.next() {
            Some(b'n') => b'\n',
            Some(b'r') => b'\r',
            Some(b't') => b'\t',
            Some(b'0') => 0,
            Some(b'\\') => b'\\',
            Some(b'x') => {
                let mut digit = || char::from(bytes.next()?).to_digit(16).and_then(|d| u8::try_from(d).ok());
                let (high, low) = (digit(), digit());
                let pair = high.zip(low).map(|(high, low)| high << 4 | low);
                pair.ok_or_else(|| "\\x needs two hexadecimal digits".to_owned())?
            }
            Some(other) => return Err(format!("\\{} is no escape: \\n \\r \\t \\0 \\\\ \\xHH are", char::from(other))),
            None => return Err("a backslash at the end escapes nothing: write \\\\".into()),
        };
        out.push(meant);
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::unescape;

    #[test]
    fn escapes_mean_their_bytes() {
        assert_eq!(unescape(br"a\r\n\t\0\\\xfF").unwrap(), b"a\r\n\t\0\\\xff");
        assert_eq!(unescape(b"\xff raw").unwrap(), b"\xff raw");
    }

    #[test]
    fn half_an_escape_is_refused() {
        for text in [&b"\\"[..], b"\\q", b"\\x", b"\\x1", b"\\xg0", b"\\x+1"] {
            assert!(unescape(text).is_err(), "{text:?}");
        }
    }
}
