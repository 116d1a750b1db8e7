//! The six roles of the command line as two: waiting and going. What is only spelt differently becomes the same here.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;

use super::usage;
use crate::cli::groups::{LetterArgs, ManyArgs, ShareArgs};
use crate::cli::roles::{
    CastArgs, Connect, InetConnectArgs, InetListenArgs, Listen, TalkArgs, UdpConnect, UdpListen, UnixConnect,
    UnixListen,
};
use crate::net::address::Place;
use crate::net::endpoint::{At, Endpoint, UnixName};
use crate::net::mailbox::Postal;
use crate::net::options::{Casting, Dialing, Group, Listening};
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
    pub(super) talk: TalkArgs,
    pub(super) letters: LetterArgs,
    pub(super) share: ShareArgs,
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
    pub(super) talk: TalkArgs,
    pub(super) letters: LetterArgs,
}

impl Waiting {
    pub(super) fn tcp(typed: Listen) -> Result<Self> {
        let endpoint = inet(Transport::Tcp, &typed.at.place, "fincat listen")?;
        let mut this = Self::inet(endpoint, typed.at, typed.many, typed.talk);
        this.take_backlog(typed.backlog);
        (this.share, this.letters.lines) = (typed.share, typed.lines);
        this.ready_fd = typed.ready.ready_fd;
        Ok(this)
    }

    pub(super) fn udp(typed: UdpListen) -> Result<Self> {
        let endpoint = inet(Transport::Udp, &typed.at.place, "fincat udp listen")?;
        let mut this = Self::inet(endpoint, typed.at, typed.many, typed.talk);
        this.options.postal = Postal { each: typed.per_datagram, only: false };
        this.options.casting = casting(&typed.cast, typed.multicast);
        (this.letters, this.ready_fd) = (typed.letters, typed.ready.ready_fd);
        Ok(this)
    }

    pub(super) fn unix(typed: UnixListen) -> Result<Self> {
        let endpoint = unix(typed.at.kind, typed.at.path, "fincat unix listen")?;
        let is_path = matches!(&endpoint.at, At::Unix(UnixName::Path(_)));
        if !is_path && (typed.mode.is_some() || typed.owner.is_some()) {
            return Err(usage("--mode and --owner are about a path: an abstract name has neither"));
        }
        let asks_who = !typed.allow_uid.is_empty() || !typed.allow_gid.is_empty();
        if asks_who && !endpoint.transport.has_ends() {
            let sentence = "--allow-uid and --allow-gid are about peers who connect: give --type stream or seqpacket";
            return Err(usage(sentence));
        }
        let mut this = Self::at(endpoint, typed.many, typed.talk);
        this.take_backlog(typed.backlog);
        this.options.access = Access { mode: typed.mode, owner: None };
        this.options.postal = Postal { each: typed.per_datagram, only: false };
        (this.owner, this.users, this.groups) = (typed.owner, typed.allow_uid, typed.allow_gid);
        (this.letters, this.share, this.ready_fd) = (typed.letters, typed.share, typed.ready.ready_fd);
        this.within = typed.connect_timeout;
        Ok(this)
    }

    fn inet(endpoint: Endpoint, at: InetListenArgs, many: ManyArgs, talk: TalkArgs) -> Self {
        let mut this = Self::at(endpoint, many, talk);
        (this.resolving, this.both_families) = (at.family.resolving(), at.family.v4 && at.family.v6);
        (this.within, this.port_file) = (at.connect_timeout, at.port_file);
        this.options.reuse_port = at.reuse_port;
        this
    }

    fn at(endpoint: Endpoint, many: ManyArgs, talk: TalkArgs) -> Self {
        Self {
            endpoint,
            resolving: Resolving::default(),
            both_families: false,
            options: Listening::default(),
            backlog: None,
            owner: None,
            users: Vec::new(),
            groups: Vec::new(),
            within: None,
            many,
            talk,
            letters: LetterArgs::default(),
            share: ShareArgs::default(),
            ready_fd: None,
            port_file: None,
        }
    }

    fn take_backlog(&mut self, asked: Option<i32>) {
        self.backlog = asked;
        self.options.backlog = asked.unwrap_or(self.options.backlog);
    }
}

impl Going {
    pub(super) fn tcp(typed: Connect) -> Result<Self> {
        let endpoint = peer(Transport::Tcp, &typed.at.place, "fincat connect")?;
        Ok(Self::inet(endpoint, &typed.at, Casting::default(), typed.talk, LetterArgs::default()))
    }

    pub(super) fn udp(typed: UdpConnect) -> Result<Self> {
        let endpoint = peer(Transport::Udp, &typed.at.place, "fincat udp connect")?;
        Ok(Self::inet(endpoint, &typed.at, casting(&typed.cast, Vec::new()), typed.talk, typed.letters))
    }

    pub(super) fn unix(typed: UnixConnect) -> Result<Self> {
        Ok(Self {
            endpoint: unix(typed.at.kind, typed.at.path, "fincat unix connect")?,
            resolving: Resolving::default(),
            both_families: false,
            options: Dialing::default(),
            within: typed.connect_timeout,
            talk: typed.talk,
            letters: typed.letters,
        })
    }

    fn inet(endpoint: Endpoint, at: &InetConnectArgs, casting: Casting, talk: TalkArgs, letters: LetterArgs) -> Self {
        Self {
            endpoint,
            resolving: at.family.resolving(),
            both_families: at.family.v4 && at.family.v6,
            options: Dialing { source: at.source, source_port: at.source_port, casting },
            within: at.connect_timeout,
            talk,
            letters,
        }
    }
}

fn casting(cast: &CastArgs, groups: Vec<Group>) -> Casting {
    Casting { broadcast: cast.broadcast, groups, ttl: cast.ttl }
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
