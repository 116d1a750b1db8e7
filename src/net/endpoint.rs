//! Where a peer is or is waited for: a transport and an address as typed, before anything is resolved.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use super::address::Place;
use super::transport::{Transport, UnixType};

/// A transport and an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// How bytes travel.
    pub transport: Transport,
    /// Where.
    pub at: At,
}

/// Where peers are waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Site {
    /// At an address that we bind.
    At(Endpoint),
    /// On sockets that whoever started us has bound.
    Activated(Transport),
}

impl Site {
    /// How bytes travel.
    pub fn transport(&self) -> Transport {
        match self {
            Site::At(endpoint) => endpoint.transport,
            Site::Activated(transport) => *transport,
        }
    }
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Site::At(endpoint) => endpoint.fmt(f),
            Site::Activated(_) => f.write_str("activated sockets"),
        }
    }
}

/// An address as typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum At {
    /// Of the internet.
    Place(Place),
    /// Of this machine.
    Unix(UnixName),
}

/// The name of a unix socket (unix(7)).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum UnixName {
    /// In the file system.
    Path(PathBuf),
    /// In the abstract namespace, without the leading NUL.
    Abstract(Vec<u8>),
    /// None at all, as most clients have.
    Unnamed,
}

impl UnixName {
    /// Reads a path, or `@name` for an abstract one.
    pub fn parse(word: &OsStr) -> Result<Self, String> {
        // sun_path holds 108 bytes; a path also needs its NUL, an abstract name its leading one.
        let name = match word.as_bytes() {
            [] | b"@" => return Err("a path is missing".into()),
            [b'@', name @ ..] => UnixName::Abstract(name.to_vec()),
            path if path.contains(&0) => return Err("a path holds no NUL".into()),
            _ => UnixName::Path(word.into()),
        };
        if word.len() > 107 {
            return Err(format!("'{}' is too long for a unix socket: 107 bytes at most", word.to_string_lossy()));
        }
        Ok(name)
    }
}

impl fmt::Display for UnixName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            UnixName::Path(path) => write!(f, "{}", path.display()),
            UnixName::Abstract(name) => write!(f, "@{}", String::from_utf8_lossy(name)),
            UnixName::Unnamed => f.write_str("unnamed"),
        }
    }
}

impl Endpoint {
    /// Reads `tcp:HOST:PORT`, `udp:HOST:PORT`, `unix:PATH`, `unix-dgram:PATH`, `unix-seqpacket:PATH`. `tcp:` may be left
    /// out; a word with `/`, or that starts with `@`, is `unix:`.
    pub fn parse(word: &OsStr) -> Result<Self, String> {
        const UNIX: [(&[u8], UnixType); 3] = [
            (b"unix:", UnixType::Stream),
            (b"unix-dgram:", UnixType::Dgram),
            (b"unix-seqpacket:", UnixType::Seqpacket),
        ];
        let bytes = word.as_bytes();
        for (prefix, kind) in UNIX {
            if let Some(name) = bytes.strip_prefix(prefix) {
                return Self::unix(kind, OsStr::from_bytes(name));
            }
        }
        let text = || word.to_str().ok_or_else(|| "an address is text".to_owned());
        for (prefix, transport) in [("tcp:", Transport::Tcp), ("udp:", Transport::Udp)] {
            if bytes.starts_with(prefix.as_bytes()) {
                return Self::inet(transport, &text()?[prefix.len()..]);
            }
        }
        if bytes.starts_with(b"@") || bytes.contains(&b'/') {
            return Self::unix(UnixType::Stream, word);
        }
        Self::inet(Transport::Tcp, text()?)
    }

    /// The host, if it is of the internet and names one.
    pub fn host(&self) -> Option<&str> {
        match &self.at {
            At::Place(place) => place.host.as_deref(),
            At::Unix(_) => None,
        }
    }

    fn unix(kind: UnixType, name: &OsStr) -> Result<Self, String> {
        Ok(Self { transport: Transport::Unix(kind), at: At::Unix(UnixName::parse(name)?) })
    }

    fn inet(transport: Transport, word: &str) -> Result<Self, String> {
        let place = Place::parse(&[word.to_owned()])?;
        match (&place.host, place.port) {
            (None, _) => Err(format!("'{word}' names no host: write HOST:PORT")),
            (_, 0) => Err("port 0 is nobody's: connect to a port from 1 to 65535".into()),
            _ => Ok(Self { transport, at: At::Place(place) }),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.at {
            At::Place(place) => place.fmt(f),
            At::Unix(name) => name.fmt(f),
        }
    }
}

/// The name as a command's environment holds it.
impl From<&UnixName> for OsString {
    fn from(name: &UnixName) -> Self {
        match name {
            UnixName::Path(path) => path.clone().into(),
            UnixName::Abstract(name) => OsString::from_vec([b"@", &name[..]].concat()),
            UnixName::Unnamed => OsString::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_and_their_shorthands() {
        for (word, shown) in [
            ("tcp:localhost:80", "tcp localhost:80"),
            ("localhost:80", "tcp localhost:80"),
            ("[::1]:80", "tcp [::1]:80"),
            ("udp:10.0.0.1:53", "udp 10.0.0.1:53"),
            ("unix:s", "unix s"),
            ("/run/s", "unix /run/s"),
            ("./s", "unix ./s"),
            ("@name", "unix @name"),
            ("unix:@name", "unix @name"),
            ("unix-dgram:/dev/log", "unix-dgram /dev/log"),
            ("unix-seqpacket:/s", "unix-seqpacket /s"),
        ] {
            let endpoint = Endpoint::parse(word.as_ref()).unwrap();
            assert_eq!(format!("{} {endpoint}", endpoint.transport), shown, "{word}");
        }
        for word in ["", "80", ":80", "localhost", "localhost:0", "unix:", "@", "tcp:", "udp:host"] {
            assert!(Endpoint::parse(word.as_ref()).is_err(), "{word}");
        }
    }
}
