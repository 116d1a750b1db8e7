//! Several places as typed: hosts, each with ports, lists and ranges of them. It resolves no host.

use super::address::{host_alone, parse_port};

/// Hosts and their ports, in the order in which they were typed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places {
    /// Each host once.
    pub hosts: Vec<String>,
    /// The index of a host, and a port of its.
    pub ports: Vec<(usize, u16)>,
}

impl Places {
    /// Reads `HOST PORTS...` and `HOST:PORTS`, as many as there are; PORTS is a port, a service, a range, or several
    /// with commas between them: `22,80,8000-8010`.
    pub fn parse(words: &[String]) -> Result<Self, String> {
        let mut places = Self::default();
        let mut host: Option<(usize, &String)> = None;
        let mut bare = true;
        for word in words {
            if let Some((name, ports)) = split(word)? {
                missing(host.filter(|_| bare))?;
                let at = places.host(name);
                places.add(at, ports)?;
                host = None;
            } else if let Some((at, _)) = host {
                places.add(at, word)?;
                bare = false;
            } else {
                host = Some((places.host(host_alone(word)?), word));
                bare = true;
            }
        }
        missing(host.filter(|_| bare))?;
        if places.ports.is_empty() { Err("a host is missing".into()) } else { Ok(places) }
    }

    fn host(&mut self, name: String) -> usize {
        // Whoever names many hosts names each of them once.
        let known = self.hosts.iter().rposition(|host| *host == name);
        known.unwrap_or_else(|| {
            self.hosts.push(name);
            self.hosts.len() - 1
        })
    }

    fn add(&mut self, host: usize, ports: &str) -> Result<(), String> {
        for word in ports.split(',') {
            let is_range = word.starts_with(|c: char| c.is_ascii_digit()) && word.contains('-');
            let (low, high) = if is_range { word.split_once('-').unwrap_or((word, word)) } else { (word, word) };
            match (parse_port(low)?, parse_port(high)?) {
                (0, _) => return Err("port 0 is nobody's: 1 to 65535".into()),
                (low, high) if low > high => return Err(format!("'{word}' is no range: the lower port comes first")),
                (low, high) => self.ports.extend((low..=high).map(|port| (host, port))),
            }
        }
        Ok(())
    }
}

fn missing(host: Option<(usize, &String)>) -> Result<(), String> {
    host.map_or(Ok(()), |(_, word)| Err(format!("a port is missing after '{word}'")))
}

/// The host and the ports of `HOST:PORTS` or `[V6]:PORTS`; None where the word is a host or ports alone.
fn split(word: &str) -> Result<Option<(String, &str)>, String> {
    if let Some((host, ports)) = word.strip_prefix('[').and_then(|rest| rest.split_once("]:")) {
        return Ok(Some((host_alone(host)?, ports)));
    }
    match word.split_once(':') {
        Some((host, ports)) if !ports.contains(':') => Ok(Some((host_alone(host)?, ports))),
        // An IPv6 address, or nothing of this world, which `host_alone` or the resolver says.
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<String, String> {
        let words: Vec<String> = line.split_whitespace().map(Into::into).collect();
        let places = Places::parse(&words)?;
        let shown = places.ports.iter().map(|(host, port)| format!("{} {port}", places.hosts[*host]));
        Ok(shown.collect::<Vec<_>>().join(", "))
    }

    #[test]
    fn every_way_to_write_places() {
        for (line, shown) in [
            ("h 80", "h 80"),
            ("h 22,80 8000-8002", "h 22, h 80, h 8000, h 8001, h 8002"),
            ("h:22,80", "h 22, h 80"),
            ("db:5432 cache:6379", "db 5432, cache 6379"),
            ("h 80 db:1-2 ::1 7", "h 80, db 1, db 2, ::1 7"),
            ("::1 22", "::1 22"),
            ("[::1]:22,23", "::1 22, ::1 23"),
            ("[::1] 22", "::1 22"),
            ("fe80::1%eth0 22", "fe80::1%eth0 22"),
            ("h 65535-65535", "h 65535"),
        ] {
            assert_eq!(read(line).as_deref(), Ok(shown), "{line}");
        }
    }

    #[test]
    fn what_is_no_place_is_refused() {
        for line in [
            "", "h", "80", "h 0", "h 0-3", "h 3-1", "h 1-", "h -1", "h 1,,2", "h 70000", "h:80 g", "h g:80", ":80",
            "h 1-2-3",
        ] {
            assert!(read(line).is_err(), "{line}: {:?}", read(line));
        }
    }
}
