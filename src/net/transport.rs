//! The transports, and what of them is data: family, type, whether they keep boundaries, whether they have ends. It
//! opens no socket.

use std::fmt;
use std::str::FromStr;

use socket2::{Domain, Protocol, Type};

/// How bytes travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// A stream with a FIN each way.
    Tcp,
    /// Datagrams without an end.
    Udp,
    /// A unix socket of one of three kinds.
    Unix(UnixType),
}

/// The kinds of unix sockets (`--type`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnixType {
    /// A stream, as TCP.
    #[default]
    Stream,
    /// Datagrams, as UDP, but never lost.
    Dgram,
    /// Datagrams with a connection and its ends.
    Seqpacket,
}

impl UnixType {
    /// The words of the command line, in the order of the help.
    pub const WORDS: [&'static str; 3] = ["stream", "dgram", "seqpacket"];
}

impl FromStr for UnixType {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        match word {
            "stream" => Ok(UnixType::Stream),
            "dgram" => Ok(UnixType::Dgram),
            "seqpacket" => Ok(UnixType::Seqpacket),
            _ => Err(format!("one of {}", Self::WORDS.join(", "))),
        }
    }
}

impl Transport {
    /// Its name.
    pub fn word(self) -> &'static str {
        match self {
            Transport::Tcp => "tcp",
            Transport::Udp => "udp",
            Transport::Unix(UnixType::Stream) => "unix",
            Transport::Unix(UnixType::Dgram) => "unix-dgram",
            Transport::Unix(UnixType::Seqpacket) => "unix-seqpacket",
        }
    }

    /// Whether each send is one receive.
    pub fn keeps_boundaries(self) -> bool {
        !matches!(self, Transport::Tcp | Transport::Unix(UnixType::Stream))
    }

    /// Whether a side can end and the other learns of it.
    pub fn has_ends(self) -> bool {
        !matches!(self, Transport::Udp | Transport::Unix(UnixType::Dgram))
    }

    /// The size of datagrams that a stream is cut into, in bytes: what an Ethernet frame takes, or what UDP ever takes.
    pub fn usual_size(self) -> usize {
        if self == Transport::Udp { 1472 } else { 65_507 }
    }

    /// Whether it is of the unix family.
    pub fn is_unix(self) -> bool {
        matches!(self, Transport::Unix(_))
    }

    /// socket(2)'s type and protocol.
    pub(super) fn kind(self) -> (Type, Option<Protocol>) {
        match self {
            Transport::Tcp => (Type::STREAM, Some(Protocol::TCP)),
            Transport::Udp => (Type::DGRAM, Some(Protocol::UDP)),
            Transport::Unix(UnixType::Stream) => (Type::STREAM, None),
            Transport::Unix(UnixType::Dgram) => (Type::DGRAM, None),
            Transport::Unix(UnixType::Seqpacket) => (Type::SEQPACKET, None),
        }
    }

    /// A socket of it, close-on-exec.
    pub(super) fn socket(self, domain: Domain) -> std::io::Result<socket2::Socket> {
        let (kind, protocol) = self.kind();
        socket2::Socket::new(domain, kind, protocol)
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}
