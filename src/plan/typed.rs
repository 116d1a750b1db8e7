//! The six roles of the command line as two: waiting and going. What is only spelt differently becomes the same here.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;

use super::usage;
use crate::cli::groups::{EndArgs, LetterArgs, ManyArgs, SayArgs, WhatArgs};
use crate::cli::roles::{Connect, Listen, UdpConnect, UdpListen, UnixConnect, UnixListen};
use crate::net::address::Place;
use crate::net::endpoint::{At, Endpoint, UnixName};
use crate::net::mailbox::Postal;
use crate::net::options::{Casting, Dialing, Listening};
use crate::net::path::Access;
use crate::net::resolve::Resolving;
use crate::net::transport::{Transport, UnixType};

/// Somebody waits for peers.
pub(super) struct Waiting {
    pub(super) endpoint: Endpoint,
    pub(super) resolving: Resolving,
    pub(super) both_families: bool,
    pub(super) options: Listening,
    pub(super) backlog: Option<i32>,
    pub(super) owner: Option<String>,
    pub(super) users: Vec<String>,
    pub(super) groups: Vec<String>,
    pub(super) within: Option<Duration>,
    pub(super) many: ManyArgs,
    pub(super) what: WhatArgs,
    pub(super) letters: LetterArgs,
    pub(super) ends: EndArgs,
    pub(super) says: SayArgs,
    pub(super) ready_fd: Option<i32>,
    pub(super) port_file: Option<PathBuf>,
}

/// Somebody goes to a peer.
pub(super) struct Going {
    pub(super) endpoint: Endpoint,
    pub(super) resolving: Resolving,
    pub(super) both_families: bool,
    pub(super) options: Dialing,
    pub(super) within: Option<Duration>,
    pub(super) what: WhatArgs,
    pub(super) letters: LetterArgs,
    pub(super) ends: EndArgs,
    pub(super) says: SayArgs,
}

impl Waiting {
    pub(super) fn tcp(typed: Listen) -> Result<Self> {
        let backlog = typed.backlog;
        let options = Listening {
            backlog: backlog.unwrap_or(Listening::default().backlog),
            reuse_port: typed.reuse_port,
            ..Listening::default()
        };
        Ok(Self {
            endpoint: inet(Transport::Tcp, &typed.place, "fincat listen")?,
            resolving: typed.family.resolving(),
            both_families: typed.family.v4 && typed.family.v6,
            options,
            backlog,
            owner: None,
            users: Vec::new(),
            groups: Vec::new(),
            within: typed.connect_timeout,
            many: typed.many,
            what: typed.what,
            letters: LetterArgs::default(),
            ends: typed.ends,
            says: typed.says,
            ready_fd: typed.ready.ready_fd,
            port_file: typed.port_file,
        })
    }

    pub(super) fn udp(typed: UdpListen) -> Result<Self> {
        let options = Listening {
            reuse_port: typed.reuse_port,
            postal: Postal { each: typed.per_datagram, only: false },
            casting: Casting { broadcast: typed.broadcast, groups: typed.multicast, ttl: typed.ttl },
            ..Listening::default()
        };
        Ok(Self {
            endpoint: inet(Transport::Udp, &typed.place, "fincat udp listen")?,
            resolving: typed.family.resolving(),
            both_families: typed.family.v4 && typed.family.v6,
            options,
            backlog: None,
            owner: None,
            users: Vec::new(),
            groups: Vec::new(),
            within: typed.connect_timeout,
            many: typed.many,
            what: typed.what,
            letters: typed.letters,
            ends: typed.ends,
            says: typed.says,
            ready_fd: typed.ready.ready_fd,
            port_file: typed.port_file,
        })
    }

    pub(super) fn unix(typed: UnixListen) -> Result<Self> {
        let endpoint = unix(typed.kind, typed.path, "fincat unix listen")?;
        let is_path = matches!(&endpoint.at, At::Unix(UnixName::Path(_)));
        if !is_path && (typed.mode.is_some() || typed.owner.is_some()) {
            return Err(usage("--mode and --owner are about a path: an abstract name has neither"));
        }
        let asks_who = !typed.allow_uid.is_empty() || !typed.allow_gid.is_empty();
        if asks_who && !endpoint.transport.has_ends() {
            return Err(usage(
                "--allow-uid and --allow-gid are about peers who connect: give --type stream or seqpacket",
            ));
        }
        let backlog = typed.backlog;
        let options = Listening {
            backlog: backlog.unwrap_or(Listening::default().backlog),
            access: Access { mode: typed.mode, owner: None },
            postal: Postal { each: typed.per_datagram, only: false },
            ..Listening::default()
        };
        Ok(Self {
            endpoint,
            resolving: Resolving::default(),
            both_families: false,
            options,
            backlog,
            owner: typed.owner,
            users: typed.allow_uid,
            groups: typed.allow_gid,
            within: typed.connect_timeout,
            many: typed.many,
            what: typed.what,
            letters: typed.letters,
            ends: typed.ends,
            says: typed.says,
            ready_fd: typed.ready.ready_fd,
            port_file: None,
        })
    }
}

impl Going {
    pub(super) fn tcp(typed: Connect) -> Result<Self> {
        Ok(Self {
            endpoint: peer(Transport::Tcp, &typed.place, "fincat connect")?,
            resolving: typed.family.resolving(),
            both_families: typed.family.v4 && typed.family.v6,
            options: Dialing { source: typed.source, source_port: typed.source_port, ..Dialing::default() },
            within: typed.connect_timeout,
            what: typed.what,
            letters: LetterArgs::default(),
            ends: typed.ends,
            says: typed.says,
        })
    }

    pub(super) fn udp(typed: UdpConnect) -> Result<Self> {
        let casting = Casting { broadcast: typed.broadcast, groups: Vec::new(), ttl: typed.ttl };
        Ok(Self {
            endpoint: peer(Transport::Udp, &typed.place, "fincat udp connect")?,
            resolving: typed.family.resolving(),
            both_families: typed.family.v4 && typed.family.v6,
            options: Dialing { source: typed.source, source_port: typed.source_port, casting },
            within: typed.connect_timeout,
            what: typed.what,
            letters: typed.letters,
            ends: typed.ends,
            says: typed.says,
        })
    }

    pub(super) fn unix(typed: UnixConnect) -> Result<Self> {
        Ok(Self {
            endpoint: unix(typed.kind, typed.path, "fincat unix connect")?,
            resolving: Resolving::default(),
            both_families: false,
            options: Dialing::default(),
            within: typed.connect_timeout,
            what: typed.what,
            letters: typed.letters,
            ends: typed.ends,
            says: typed.says,
        })
    }
}

fn inet(transport: Transport, words: &[String], role: &str) -> Result<Endpoint> {
    let place = Place::parse(words).map_err(|why| usage(format!("{why}; see {role} --help")))?;
    Ok(Endpoint { transport, at: At::Place(place) })
}

fn peer(transport: Transport, words: &[String], role: &str) -> Result<Endpoint> {
    let endpoint = inet(transport, words, role)?;
    match &endpoint.at {
        At::Place(Place { host: None, .. }) => Err(usage(format!("a host is missing: {role} HOST PORT"))),
        At::Place(Place { port: 0, .. }) => Err(usage("port 0 is nobody's: connect to a port from 1 to 65535")),
        _ => Ok(endpoint),
    }
}

fn unix(kind: Option<UnixType>, path: Option<OsString>, role: &str) -> Result<Endpoint> {
    let name = UnixName::parse(&path.unwrap_or_default()).map_err(|why| usage(format!("{why}; see {role} --help")))?;
    Ok(Endpoint { transport: Transport::Unix(kind.unwrap_or_default()), at: At::Unix(name) })
}
