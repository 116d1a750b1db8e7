//! Addresses: hosts, ports and service names as typed, and the addresses of sockets as shown. It resolves no host.

use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::ffi::OsStrExt;

use socket2::SockAddr;

use super::endpoint::UnixName;

/// The address of a socket.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    /// Of the internet; IPv4 in its own form.
    Inet(SocketAddr),
    /// Of this machine.
    Unix(UnixName),
}

impl Address {
    /// What a socket calls its end or its peer.
    pub(super) fn of(address: &SockAddr) -> io::Result<Self> {
        if let Some(inet) = address.as_socket() {
            return Ok(Address::Inet(canonical(inet)));
        }
        // Who never bound a datagram socket has no address at all, not even a family.
        if address.len() == 0 {
            return Ok(Address::Unix(UnixName::Unnamed));
        }
        if !address.is_unix() {
            return Err(io::Error::other("the address is of an unknown family"));
        }
        Ok(Address::Unix(match (address.as_pathname(), address.as_abstract_namespace()) {
            (Some(path), _) => UnixName::Path(path.into()),
            (None, Some(name)) => UnixName::Abstract(name.to_vec()),
            (None, None) => UnixName::Unnamed,
        }))
    }

    /// The same for the socket calls.
    pub(super) fn to_socket(&self) -> io::Result<SockAddr> {
        match self {
            Address::Inet(inet) => Ok((*inet).into()),
            Address::Unix(UnixName::Path(path)) => SockAddr::unix(path),
            Address::Unix(UnixName::Abstract(name)) => {
                let name = [b"\0", &name[..]].concat();
                SockAddr::unix(OsStr::from_bytes(&name))
            }
            Address::Unix(UnixName::Unnamed) => Err(io::Error::other("it has no name to be answered at")),
        }
    }

    /// Whether it is one of IPv6.
    pub(super) fn is_ipv6(&self) -> bool {
        matches!(self, Address::Inet(inet) if inet.is_ipv6())
    }

    /// The internet address, if it is one.
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Address::Inet(inet) => Some(inet.ip()),
            Address::Unix(_) => None,
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Inet(inet) => inet.fmt(f),
            Address::Unix(name) => name.fmt(f),
        }
    }
}

/// A host and a port as the user wrote them, the port made a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// A name or an address without brackets; None for every address of the machine.
    pub host: Option<String>,
    /// The port; 0 lets the kernel choose (in `listen`).
    pub port: u16,
}

impl Place {
    /// Reads `PORT`, `HOST PORT`, `HOST:PORT` or `[V6]:PORT`.
    pub fn parse(words: &[String]) -> Result<Self, String> {
        match words {
            [] => Err("a port is missing".into()),
            [word] => Self::parse_word(word),
            [host, port] => Ok(Self { host: Some(host_alone(host)?), port: parse_port(port)? }),
            [_, _, more @ ..] => Err(format!("one HOST and one PORT are enough: what is '{}'?", more.join(" "))),
        }
    }

    /// Whether its host is no name.
    pub fn is_numeric(&self) -> bool {
        self.host.as_ref().is_none_or(|host| host.parse::<IpAddr>().is_ok())
    }

    fn parse_word(word: &str) -> Result<Self, String> {
        if let Some((host, port)) = word.strip_prefix('[').and_then(|rest| rest.split_once("]:")) {
            let host = host_alone(host)?;
            return Ok(Self { host: Some(host), port: parse_port(port)? });
        }
        match word.split_once(':') {
            None => Ok(Self { host: None, port: parse_port(word)? }),
            Some(_) if word.starts_with('[') => Err(format!("'{word}' is no place: write [V6]:PORT")),
            Some((_, rest)) if rest.contains(':') => Err(format!("'{word}' names no port: write [{word}]:PORT")),
            Some(("", port)) => Ok(Self { host: None, port: parse_port(port)? }),
            Some((host, port)) => Ok(Self { host: Some(host_alone(host)?), port: parse_port(port)? }),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Some(host) if host.contains(':') => write!(f, "[{host}]:{}", self.port),
            Some(host) => write!(f, "{host}:{}", self.port),
            None => write!(f, "port {}", self.port),
        }
    }
}

/// Reads a host, with or without the brackets of IPv6.
pub(super) fn host_alone(host: &str) -> Result<String, String> {
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    if bare.is_empty() || bare.contains(|c: char| c.is_whitespace() || c.is_control() || c == '[' || c == ']') {
        return Err(format!("'{}' is no host", host.escape_debug()));
    }
    Ok(bare.into())
}

/// Reads a port number from 0 to 65535 or a service name of `/etc/services`.
pub fn parse_port(word: &str) -> Result<u16, String> {
    let is_number = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
    if let (true, Ok(port)) = (is_number, word.parse()) {
        return Ok(port);
    }
    let is_name = word.starts_with(|c: char| c.is_ascii_alphabetic())
        && word.chars().all(|c| c.is_ascii_alphanumeric() || "-_+.".contains(c));
    if !is_name {
        return Err(format!("'{}' is no port: a number from 0 to 65535 or a service name", word.escape_debug()));
    }
    let services = std::fs::read_to_string("/etc/services").unwrap_or_default();
    find_service(&services, word).ok_or_else(|| format!("'{word}' is no service of /etc/services"))
}

/// services(5): name, port/protocol, aliases, comment.
fn find_service(services: &str, name: &str) -> Option<u16> {
    services.lines().find_map(|line| {
        let mut words = line.split('#').next()?.split_whitespace();
        let (official, port) = (words.next()?, words.next()?);
        let port = port.strip_suffix("/tcp").or_else(|| port.strip_suffix("/udp"))?;
        (official == name || words.any(|alias| alias == name)).then(|| port.parse().ok())?
    })
}

/// An address with IPv4 in its own form, however the socket showed it.
pub fn canonical(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => SocketAddr::new(v4.into(), address.port()),
            None => address,
        },
        IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Result<Place, String> {
        Place::parse(&words.iter().map(ToString::to_string).collect::<Vec<_>>())
    }

    fn place(host: Option<&str>, port: u16) -> Place {
        Place { host: host.map(Into::into), port }
    }

    #[test]
    fn every_way_to_write_a_place() {
        assert_eq!(parse(&["9000"]), Ok(place(None, 9000)));
        assert_eq!(parse(&[":9000"]), Ok(place(None, 9000)));
        assert_eq!(parse(&["localhost", "9000"]), Ok(place(Some("localhost"), 9000)));
        assert_eq!(parse(&["localhost:9000"]), Ok(place(Some("localhost"), 9000)));
        assert_eq!(parse(&["[::1]:9000"]), Ok(place(Some("::1"), 9000)));
        assert_eq!(parse(&["::1", "9000"]), Ok(place(Some("::1"), 9000)));
        assert_eq!(parse(&["[::1]", "9000"]), Ok(place(Some("::1"), 9000)));
    }

    #[test]
    fn silly_places_are_refused() {
        for words in [
            &["70000"][..],
            &["-1"],
            &["+80"],
            &["[::1:80"],
            &["ssh!"],
            &[""],
            &["::1"],
            &["h", "80", "81"],
            &["", "80"],
            &["a b", "80"],
        ] {
            assert!(parse(words).is_err(), "{words:?}");
        }
    }

    #[test]
    fn services_have_aliases_and_comments() {
        let services = "# comment\nhttp\t80/tcp\twww # WorldWideWeb\nntp 123/udp\n";
        assert_eq!(find_service(services, "http"), Some(80));
        assert_eq!(find_service(services, "www"), Some(80));
        assert_eq!(find_service(services, "ntp"), Some(123));
        assert_eq!(find_service(services, "WorldWideWeb"), None);
    }

    #[test]
    fn mapped_addresses_are_shown_as_ipv4() {
        let mapped = "[::ffff:127.0.0.1]:80".parse().unwrap();
        assert_eq!(canonical(mapped).to_string(), "127.0.0.1:80");
    }
}
