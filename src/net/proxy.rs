//! The PROXY protocol, versions 1 and 2: a header in which whoever stands between tells who called, as bytes. It reads no
//! socket and believes nobody: who may send one is decided elsewhere.

use std::ffi::OsStr;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::os::unix::ffi::OsStrExt;
use std::str::FromStr;

use super::address::{Address, canonical};
use super::endpoint::UnixName;

/// The longest header of version 1, its CR and LF included, in bytes.
const LONGEST_LINE: usize = 107;

/// What one of version 2 may have after its first 16 bytes, in bytes: addresses and whatever else is told.
const LONGEST_REST: usize = 4096;

/// The longest header at all, in bytes.
pub const LONGEST: usize = FIXED + LONGEST_REST;

/// The first bytes of version 2.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// The bytes of version 2 before its addresses.
const FIXED: usize = 16;

/// The bytes of a unix address in version 2.
const PATH: usize = 108;

/// A version of the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// A line of text.
    V1,
    /// Binary.
    V2,
}

/// What is to be done about headers (`--proxy-protocol`), a word each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// Peers begin with one.
    Accept,
    /// Whom we forward to gets one.
    Send(Version),
}

impl Word {
    /// The words of the command line, in the order of the help.
    pub const WORDS: [&'static str; 3] = ["accept", "v1", "v2"];
}

impl FromStr for Word {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        match word {
            "accept" => Ok(Word::Accept),
            "v1" => Ok(Word::Send(Version::V1)),
            "v2" => Ok(Word::Send(Version::V2)),
            _ => Err(format!("one of {}", Self::WORDS.join(", "))),
        }
    }
}

/// Who called, and whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Who.
    pub from: Address,
    /// At which address.
    pub to: Address,
}

/// What the first bytes of a connection are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Read {
    /// The beginning of a header: all of them belong to it.
    Unfinished,
    /// A whole header of so many bytes. Without a caller, whoever stands between speaks for itself, or does not know.
    Header(usize, Option<Caller>),
    /// No header, or a broken one.
    Broken,
}

/// Reads the first bytes of a connection.
pub fn read(bytes: &[u8]) -> Read {
    let is_of = |signature: &[u8]| bytes.iter().zip(signature).all(|(byte, own)| byte == own);
    match (is_of(b"PROXY "), is_of(SIGNATURE)) {
        (true, _) if bytes.len() >= 6 => read_line(bytes),
        (_, true) if bytes.len() >= SIGNATURE.len() => read_binary(bytes),
        (false, false) => Read::Broken,
        _ => Read::Unfinished,
    }
}

fn read_line(bytes: &[u8]) -> Read {
    let line = &bytes[..bytes.len().min(LONGEST_LINE)];
    let Some(end) = line.windows(2).position(|pair| pair == b"\r\n") else {
        return if line.len() < LONGEST_LINE { Read::Unfinished } else { Read::Broken };
    };
    let told = &line[6..end];
    if told == b"UNKNOWN" || told.starts_with(b"UNKNOWN ") {
        // Whatever else such a line says is not for us.
        return Read::Header(end + 2, None);
    }
    let caller = std::str::from_utf8(told).ok().and_then(|told| told.split_once(' ')).and_then(caller_of);
    caller.map_or(Read::Broken, |caller| Read::Header(end + 2, Some(caller)))
}

/// `TCP4` or `TCP6`, and two addresses and two ports of it.
fn caller_of((family, ends): (&str, &str)) -> Option<Caller> {
    let words: Vec<&str> = ends.split(' ').collect();
    let &[from, to, from_port, to_port] = &words[..] else { return None };
    let address = |ip: &str, port: &str| {
        let ip: IpAddr = ip.parse().ok()?;
        let fits = if family == "TCP4" { ip.is_ipv4() } else { family == "TCP6" && ip.is_ipv6() };
        let digits = port.bytes().all(|byte| byte.is_ascii_digit());
        Some(inet(ip, port.parse().ok()?)).filter(|_| fits && digits)
    };
    Some(Caller { from: address(from, from_port)?, to: address(to, to_port)? })
}

fn inet(ip: IpAddr, port: u16) -> Address {
    Address::Inet(canonical(SocketAddr::new(ip, port)))
}

fn read_binary(bytes: &[u8]) -> Read {
    let &[command, family, high, low] = &bytes[SIGNATURE.len()..bytes.len().min(FIXED)] else {
        return Read::Unfinished;
    };
    let rest = usize::from(u16::from_be_bytes([high, low]));
    if !matches!(command, 0x20 | 0x21) || rest > LONGEST_REST {
        return Read::Broken;
    }
    let Some(told) = bytes.get(FIXED..FIXED + rest) else { return Read::Unfinished };
    let whole = |caller| Read::Header(FIXED + rest, caller);
    if command == 0x20 {
        // It is the sender's own, a look at our health mostly.
        return whole(None);
    }
    let caller = match (family >> 4, family & 0xf) {
        (0..=3, 0) | (0, 0..=2) => return whole(None),
        (1, 1 | 2) => ends::<4>(told),
        (2, 1 | 2) => ends::<16>(told),
        (3, 1 | 2) => paths(told),
        _ => None,
    };
    caller.map_or(Read::Broken, |caller| whole(Some(caller)))
}

/// Two addresses of so many bytes, then two ports.
fn ends<const BYTES: usize>(told: &[u8]) -> Option<Caller>
where
    IpAddr: From<[u8; BYTES]>,
{
    let address = |at: usize| told.get(at..at + BYTES)?.try_into().ok().map(|octets: [u8; BYTES]| IpAddr::from(octets));
    let port = |at: usize| Some(u16::from_be_bytes(told.get(at..at + 2)?.try_into().ok()?));
    let from = inet(address(0)?, port(2 * BYTES)?);
    Some(Caller { from, to: inet(address(BYTES)?, port(2 * BYTES + 2)?) })
}

fn paths(told: &[u8]) -> Option<Caller> {
    let name = |at: usize| told.get(at..at + PATH).map(unix);
    Some(Caller { from: name(0)?, to: name(PATH)? })
}

/// A unix address as the kernel has it: a path up to its NUL, or a NUL and an abstract name.
fn unix(bytes: &[u8]) -> Address {
    let up_to_nul = |bytes: &[u8]| bytes.split(|byte| *byte == 0).next().unwrap_or_default().to_vec();
    let abstract_name = || up_to_nul(&bytes[1..]);
    Address::Unix(match up_to_nul(bytes) {
        path if !path.is_empty() => UnixName::Path(OsStr::from_bytes(&path).into()),
        _ if abstract_name().is_empty() => UnixName::Unnamed,
        _ => UnixName::Abstract(abstract_name()),
    })
}

/// The header that tells who called. `datagrams` says that the caller sends such.
pub fn header(version: Version, caller: &Caller, datagrams: bool) -> Vec<u8> {
    match version {
        Version::V1 => line(caller, datagrams).into_bytes(),
        Version::V2 => binary(caller, datagrams),
    }
}

fn line(caller: &Caller, datagrams: bool) -> String {
    let (Address::Inet(from), Address::Inet(to), false) = (&caller.from, &caller.to, datagrams) else {
        return "PROXY UNKNOWN\r\n".into();
    };
    let (family, [from_ip, to_ip]) = match (from.ip(), to.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => ("TCP4", [from.to_string(), to.to_string()]),
        (from, to) => ("TCP6", [v6(from).to_string(), v6(to).to_string()]),
    };
    format!("PROXY {family} {from_ip} {to_ip} {} {}\r\n", from.port(), to.port())
}

fn binary(caller: &Caller, datagrams: bool) -> Vec<u8> {
    let kind = if datagrams { 2 } else { 1 };
    let (family, told) = match (&caller.from, &caller.to) {
        (Address::Inet(from), Address::Inet(to)) => {
            let ports = [from.port().to_be_bytes(), to.port().to_be_bytes()].concat();
            match (from.ip(), to.ip()) {
                (IpAddr::V4(from), IpAddr::V4(to)) => (0x10, [&from.octets()[..], &to.octets(), &ports].concat()),
                (from, to) => (0x20, [&v6(from).octets()[..], &v6(to).octets(), &ports].concat()),
            }
        }
        (Address::Unix(from), Address::Unix(to)) => (0x30, [path(from), path(to)].concat()),
        // Of different worlds: nothing that could be told.
        _ => (0, Vec::new()),
    };
    let family = if told.is_empty() { 0 } else { family | kind };
    let length = u16::try_from(told.len()).unwrap_or(0).to_be_bytes();
    [&SIGNATURE[..], &[0x21, family], &length, &told].concat()
}

/// Where one end has IPv6 the other one is told so too.
fn v6(ip: IpAddr) -> Ipv6Addr {
    match ip {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    }
}

fn path(name: &UnixName) -> Vec<u8> {
    let mut bytes = match name {
        UnixName::Path(path) => path.as_os_str().as_bytes().to_vec(),
        UnixName::Abstract(name) => [b"\0", &name[..]].concat(),
        UnixName::Unnamed => Vec::new(),
    };
    bytes.resize(PATH, 0);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(from: &str, to: &str) -> Caller {
        let address = |word: &str| match word.parse() {
            Ok(inet) => Address::Inet(inet),
            Err(_) if word.is_empty() => Address::Unix(UnixName::Unnamed),
            Err(_) => Address::Unix(UnixName::parse(word.as_ref()).unwrap()),
        };
        Caller { from: address(from), to: address(to) }
    }

    fn callers() -> Vec<Caller> {
        let v6 = "[2001:db8:1234:5678:9abc:def0:1234:5678]:65535";
        [("192.0.2.1:1", "198.51.100.2:443"), ("[::1]:1", v6), (v6, v6), ("/a/b", "@c"), ("", "/run/s")]
            .map(|(from, to)| caller(from, to))
            .into()
    }

    /// Every kind of header, with what it says.
    fn headers() -> Vec<(Vec<u8>, Option<Caller>)> {
        let both = |caller: Caller| {
            let told = Some(caller.clone()).filter(|caller| matches!(caller.from, Address::Inet(_)));
            [(header(Version::V1, &caller, false), told), (header(Version::V2, &caller, false), Some(caller))]
        };
        let mut all: Vec<_> = callers().into_iter().flat_map(both).collect();
        all.push((b"PROXY UNKNOWN\r\n".into(), None));
        all.push((b"PROXY UNKNOWN \xff whatever 1 2 3\r\n".into(), None));
        all.push(([&SIGNATURE[..], b"\x20\x00\0\0"].concat(), None));
        all.push(([&SIGNATURE[..], b"\x20\x11\0\x0c", &[7; 12]].concat(), None));
        all.push(([&SIGNATURE[..], b"\x21\x00\0\x03abc"].concat(), None));
        let mut with_more = header(Version::V2, &callers()[0], true);
        with_more[15] += 5;
        with_more.extend_from_slice(b"\x04\0\x02hi");
        all.push((with_more, Some(callers()[0].clone())));
        all
    }

    #[test]
    fn a_header_is_what_the_specification_says() {
        let called = |version, at: usize| header(version, &callers()[at], false);
        assert_eq!(called(Version::V1, 0), b"PROXY TCP4 192.0.2.1 198.51.100.2 1 443\r\n");
        assert_eq!(called(Version::V2, 0)[12..], *b"\x21\x11\0\x0c\xc0\0\x02\x01\xc6\x33\x64\x02\0\x01\x01\xbb");
        assert_eq!(called(Version::V1, 3), b"PROXY UNKNOWN\r\n");
        assert_eq!(called(Version::V2, 3).len(), FIXED + 2 * PATH);
        assert_eq!(header(Version::V2, &callers()[1], true)[13], 0x22);
        assert!(called(Version::V1, 2).len() <= LONGEST_LINE);
        let mixed = caller("192.0.2.1:1", "[::1]:2");
        assert_eq!(header(Version::V1, &mixed, false), b"PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2\r\n");
        assert_eq!(read(&header(Version::V2, &mixed, false)), Read::Header(52, Some(mixed)));
    }

    #[test]
    fn headers_are_read_to_the_byte_and_wherever_they_are_torn() {
        for (bytes, told) in headers() {
            for end in 0..bytes.len() {
                assert_eq!(read(&bytes[..end]), Read::Unfinished, "{end} bytes of {bytes:?}");
            }
            for payload in [&b""[..], b"x", b"\r\n", b"PROXY UNKNOWN\r\n", &[0; 5000]] {
                let all = [&bytes[..], payload].concat();
                assert_eq!(read(&all), Read::Header(bytes.len(), told.clone()), "{bytes:?}");
            }
        }
    }

    #[test]
    fn what_is_no_header_is_broken() {
        let long = format!("PROXY UNKNOWN {}", "x".repeat(93));
        let binary = |rest: &[u8]| [&SIGNATURE[..], rest].concat();
        let rows: &[&[u8]] = &[
            b"GET / HTTP/1.1\r\n",
            b"\0",
            b"PROXX",
            b"proxy TCP4",
            b"PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n",
            b"PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n",
            b"PROXY TCP4 1.2.3.4 1.2.3.4 1 +2\r\n",
            b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n",
            b"PROXY TCP4  1.2.3.4 1.2.3.4 1 2\r\n",
            b"PROXY TCP4 1.2.3.256 1.2.3.4 1 2\r\n",
            b"PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n",
            b"PROXY TCP4 ::1 ::1 1 2\r\n",
            b"PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n",
            b"PROXY UNKNOWNS\r\n",
            b"PROXY \r\n",
            long.as_bytes(),
            &binary(b"\x11\x11\0\0"),
            &binary(b"\x22\x11\0\0"),
            &binary(b"\x21\x11\0\x0b12345678901"),
            &binary(b"\x21\x41\0\0"),
            &binary(b"\x21\x13\0\0"),
            &binary(b"\x21\x11\xff\xff"),
        ];
        for row in rows {
            assert_eq!(read(row), Read::Broken, "{:?}", String::from_utf8_lossy(row));
        }
        assert_eq!(read(&long.as_bytes()[..LONGEST_LINE - 1]), Read::Unfinished);
    }

    /// A random change of a header, or noise, is never more than was there, and reading it byte by byte finds the same.
    #[test]
    fn whatever_comes_is_read_without_harm() {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut random = |below: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            usize::try_from(state >> 33).unwrap() % below
        };
        let all = headers();
        for _ in 0..20_000 {
            let mut bytes = all[random(all.len())].0.clone();
            for _ in 0..=random(4) {
                let at = random(bytes.len());
                match random(4) {
                    0 => bytes.truncate(at.max(1)),
                    1 => bytes.insert(at, u8::try_from(random(256)).unwrap()),
                    _ => bytes[at] = u8::try_from(random(256)).unwrap(),
                }
            }
            let whole = read(&bytes);
            let first = (0..=bytes.len()).map(|end| read(&bytes[..end])).find(|read| *read != Read::Unfinished);
            match &whole {
                Read::Header(length, _) => assert!(*length <= bytes.len()),
                Read::Unfinished => assert_eq!(first, None),
                Read::Broken => {}
            }
            assert_eq!(first.unwrap_or(Read::Unfinished), whole, "{bytes:?}");
        }
    }
}
