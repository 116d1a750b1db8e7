//! Whom to admit, and how many at once. It closes nobody itself.

use std::collections::HashMap;
use std::net::IpAddr;

use ipnet::IpNet;

use crate::net::connection::Connection;
use crate::sys;

/// A range of addresses.
pub type Net = IpNet;

/// The rules of the command line.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// With any, only these networks.
    pub allow: Vec<Net>,
    /// Not these, whatever `allow` says.
    pub deny: Vec<Net>,
    /// The most conversations of one address at a time.
    pub max_per_ip: Option<usize>,
    /// With any of these two, only these users' and groups' processes (unix sockets).
    pub allow_uid: Vec<u32>,
    /// The groups.
    pub allow_gid: Vec<u32>,
}

/// The rules and who is present.
#[derive(Debug)]
pub struct Admission {
    rules: Rules,
    /// None where nobody wants to know: not even the page is written, then, on which they stand.
    present: Option<HashMap<IpAddr, usize>>,
}

impl Admission {
    /// Nobody is present yet. Where nobody asks how many conversations an address has, it always has one.
    pub fn new(rules: Rules, asks: bool) -> Self {
        let present = (asks || rules.max_per_ip.is_some()).then(HashMap::new);
        Self { rules, present }
    }

    /// Admits a peer and tells how many conversations its address has now; or tells why not.
    pub fn admit(&mut self, peer: &Connection) -> Result<usize, &'static str> {
        match peer.peer.ip() {
            Some(ip) => self.admit_address(ip),
            None => self.admit_process(peer),
        }
    }

    fn admit_process(&self, peer: &Connection) -> Result<usize, &'static str> {
        let (users, groups) = (&self.rules.allow_uid, &self.rules.allow_gid);
        let known = |who: sys::Credentials| users.contains(&who.uid) || groups.contains(&who.gid);
        let everybody = users.is_empty() && groups.is_empty();
        if everybody || peer.credentials.is_some_and(known) {
            return Ok(1);
        }
        Err("its user and group are not allowed (--allow-uid, --allow-gid)")
    }

    fn admit_address(&mut self, ip: IpAddr) -> Result<usize, &'static str> {
        let ip = ip.to_canonical();
        if self.rules.deny.iter().any(|net| net.contains(&ip)) {
            return Err("its address is denied (--deny)");
        }
        if !self.rules.allow.is_empty() && !self.rules.allow.iter().any(|net| net.contains(&ip)) {
            return Err("its address is not allowed (--allow)");
        }
        let Some(all) = &mut self.present else { return Ok(1) };
        let present = all.entry(ip).or_insert(0);
        if self.rules.max_per_ip.is_some_and(|most| *present >= most) {
            return Err("its address has its share of conversations (--max-per-ip)");
        }
        *present += 1;
        Ok(*present)
    }

    /// A conversation of this address is over.
    pub fn leave(&mut self, ip: Option<IpAddr>) {
        let (Some(ip), Some(all)) = (ip.map(|ip| ip.to_canonical()), &mut self.present) else { return };
        if let Some(present) = all.get_mut(&ip) {
            *present -= 1;
            if *present == 0 {
                all.remove(&ip);
            }
        }
    }
}

/// Reads a network: an address with or without a prefix length. IPv4-mapped ones mean IPv4.
pub fn parse_net(word: &str) -> Result<Net, String> {
    let net = match word.parse::<IpNet>() {
        Ok(net) => net,
        Err(_) => word.parse::<IpAddr>().map_err(|_| "not a network: write 10.0.0.0/8, ::1/128 or an address")?.into(),
    };
    let mapped = match net {
        IpNet::V6(v6) if v6.prefix_len() >= 96 => v6.addr().to_ipv4_mapped().map(|v4| (v4, v6.prefix_len() - 96)),
        _ => None,
    };
    match mapped {
        Some((v4, prefix)) => IpNet::new(v4.into(), prefix).map_err(|e| e.to_string()),
        None => Ok(net),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admission(allow: &[&str], deny: &[&str], max_per_ip: Option<usize>) -> Admission {
        let nets = |words: &[&str]| words.iter().map(|w| parse_net(w).unwrap()).collect();
        Admission::new(Rules { allow: nets(allow), deny: nets(deny), max_per_ip, ..Rules::default() }, false)
    }

    fn admits(admission: &mut Admission, ip: &str) -> bool {
        admission.admit_address(ip.parse().unwrap()).is_ok()
    }

    #[test]
    fn deny_wins_and_allow_excludes_the_rest() {
        let mut a = admission(&["10.0.0.0/8", "::1"], &["10.1.0.0/16"], None);
        assert!(admits(&mut a, "10.2.0.1"));
        assert!(admits(&mut a, "::1"));
        assert!(!admits(&mut a, "10.1.0.1"));
        assert!(!admits(&mut a, "192.168.0.1"));
        assert!(admits(&mut a, "::ffff:10.2.0.1"), "mapped addresses are IPv4");
        let mut a = admission(&[], &["::ffff:127.0.0.0/104"], None);
        assert!(!admits(&mut a, "127.0.0.1"), "mapped networks are IPv4");
    }

    #[test]
    fn shares_are_given_back() {
        let mut a = admission(&[], &[], Some(2));
        let ip: IpAddr = "127.0.0.1".parse().unwrap();
        assert_eq!(a.admit_address(ip), Ok(1));
        assert_eq!(a.admit_address(ip), Ok(2));
        assert!(a.admit_address(ip).is_err());
        a.leave(Some(ip));
        assert_eq!(a.admit_address(ip), Ok(2));
    }

    #[test]
    fn silly_networks_are_refused() {
        for word in ["", "10.0.0.0/33", "localhost", "10.0.0/8"] {
            assert!(parse_net(word).is_err(), "{word}");
        }
    }
}
