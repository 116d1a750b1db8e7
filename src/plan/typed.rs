//! The six roles of the command line as two: waiting and going. What is only spelt differently becomes the same here.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;

use super::{IDLE, QUEUE, QUIT, Role, usage};
use crate::check::{Peers, Style};
use crate::cli::groups::{
    CheckArgs, EndArgs, FamilyArgs, LetterArgs, ManyArgs, PrivilegeArgs, RetryArgs, SayArgs, ShareArgs, SocketArgs,
    TcpArgs,
};
use crate::cli::roles::{
    CastArgs, Connect, InetConnectArgs, InetListenArgs, Listen, OnwardArgs, TalkArgs, UdpConnect, UdpListen,
    UnixConnect, UnixListen,
};
use crate::handler::stdio::Speaking;
use crate::net::address::Place;
use crate::net::casting::{Casting, Group};
use crate::net::dial::retry::Retry;
use crate::net::endpoint::{At, Endpoint, Site, UnixName};
use crate::net::mailbox::Postal;
use crate::net::options::{Dialing, Listening, Setting, Settings};
use crate::net::path::Access;
use crate::net::places::Places;
use crate::net::resolve::{Family, Resolving};
use crate::relay::closing::Closing;
use crate::relay::hub::Sharing;

use crate::net::transport::{Transport, UnixType};
use crate::serve::{Keep, Mode};
use crate::trace::{self, Level, Saying};

/// Somebody waits for peers.
pub(super) struct Waiting {
    pub(super) site: Site,
    pub(super) resolving: Resolving,
    pub(super) both_families: bool,
    pub(super) options: Listening,
    pub(super) backlog: Option<i32>,
    pub(super) owner: Option<String>,
    pub(super) users: Vec<String>,
    pub(super) groups: Vec<String>,
    pub(super) within: Option<Duration>,
    pub(super) many: ManyArgs,
    pub(super) privileges: PrivilegeArgs,
    pub(super) talk: TalkArgs,
    pub(super) letters: LetterArgs,
    pub(super) share: ShareArgs,
    pub(super) onward: OnwardArgs,
    pub(super) ready_fd: Option<i32>,
    pub(super) port_file: Option<PathBuf>,
}

/// Somebody goes to a peer.
pub(super) struct Going {
    pub(super) transport: Transport,
    pub(super) peers: Peers,
    pub(super) resolving: Resolving,
    pub(super) both_families: bool,
    pub(super) options: Dialing,
    pub(super) within: Option<Duration>,
    pub(super) retry: RetryArgs,
    pub(super) check: Asking,
    pub(super) talk: TalkArgs,
    pub(super) letters: LetterArgs,
}

/// What concerns a check.
#[derive(Default)]
pub(super) struct Asking {
    pub(super) asked: CheckArgs,
    pub(super) stable: Option<Duration>,
    pub(super) payload: Option<OsString>,
}

impl Waiting {
    pub(super) fn tcp(typed: Listen) -> Result<Self> {
        let site = place(Transport::Tcp, &typed.at, "fincat listen")?;
        let mut this = Self::inet(site, typed.at, &typed.tcp, typed.many, typed.talk);
        this.privileges = typed.privileges;
        this.take_backlog(typed.backlog);
        (this.share, this.letters.lines) = (typed.share, typed.lines);
        (this.ready_fd, this.onward) = (typed.ready.ready_fd, typed.onward);
        Ok(this)
    }

    pub(super) fn udp(typed: UdpListen) -> Result<Self> {
        let site = place(Transport::Udp, &typed.at, "fincat udp listen")?;
        let mut this = Self::inet(site, typed.at, &TcpArgs::default(), typed.many, typed.talk);
        this.privileges = typed.privileges;
        this.options.postal = postal(typed.per_datagram, &typed.letters);
        this.options.casting = casting(&typed.cast, typed.multicast);
        (this.letters, this.ready_fd, this.onward) = (typed.letters, typed.ready.ready_fd, typed.onward);
        Ok(this)
    }

    pub(super) fn unix(typed: UnixListen) -> Result<Self> {
        let kind = typed.at.kind;
        let role = "fincat unix listen";
        let site = site(typed.activated, Transport::Unix(kind.unwrap_or_default()), typed.at.path.is_some(), || {
            unix(kind, typed.at.path, role)
        })?;
        let is_path = matches!(&site, Site::At(Endpoint { at: At::Unix(UnixName::Path(_)), .. }));
        if !is_path && (typed.mode.is_some() || typed.owner.is_some()) {
            return Err(usage("--mode and --owner are about a path that is ours to bind: there is none"));
        }
        let asks_who = !typed.allow_uid.is_empty() || !typed.allow_gid.is_empty();
        if asks_who && !site.transport().has_ends() {
            let sentence = "--allow-uid and --allow-gid are about peers who connect: give --type stream or seqpacket";
            return Err(usage(sentence));
        }
        let mut this = Self::at(site, typed.many, typed.talk);
        this.privileges = typed.privileges;
        this.take_backlog(typed.backlog);
        this.options.access = Access { mode: typed.mode, owner: None };
        this.options.postal = postal(typed.per_datagram, &typed.letters);
        (this.owner, this.users, this.groups) = (typed.owner, typed.allow_uid, typed.allow_gid);
        (this.letters, this.share, this.ready_fd) = (typed.letters, typed.share, typed.ready.ready_fd);
        (this.within, this.onward) = (typed.connect_timeout, typed.onward);
        Ok(this)
    }

    fn inet(site: Site, at: InetListenArgs, tcp: &TcpArgs, many: ManyArgs, talk: TalkArgs) -> Self {
        let mut this = Self::at(site, many, talk);
        (this.resolving, this.both_families) = (at.family.resolving(), at.family.v4 && at.family.v6);
        (this.within, this.port_file) = (at.connect_timeout, at.port_file);
        this.options.settings = settings(&at.socket, tcp);
        this.options.settings.add(at.reuse_port.then_some(Setting::ReusePort));
        this
    }

    fn at(site: Site, many: ManyArgs, talk: TalkArgs) -> Self {
        Self {
            site,
            resolving: Resolving::default(),
            both_families: false,
            options: Listening::default(),
            backlog: None,
            owner: None,
            users: Vec::new(),
            groups: Vec::new(),
            within: None,
            many,
            privileges: PrivilegeArgs::default(),
            talk,
            letters: LetterArgs::default(),
            share: ShareArgs::default(),
            onward: OnwardArgs::default(),
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
        let peers = peers(Transport::Tcp, &typed.at.place, typed.check.check, "fincat connect")?;
        let mut this = Self::inet(Transport::Tcp, peers, &typed.at, &typed.tcp, typed.talk);
        this.check = Asking { asked: typed.check, stable: typed.stable, payload: None };
        Ok(this)
    }

    pub(super) fn udp(typed: UdpConnect) -> Result<Self> {
        let peers = peers(Transport::Udp, &typed.at.place, typed.check.check, "fincat udp connect")?;
        let mut this = Self::inet(Transport::Udp, peers, &typed.at, &TcpArgs::default(), typed.talk);
        this.options.casting = casting(&typed.cast, Vec::new());
        this.letters = typed.letters;
        this.check = Asking { asked: typed.check, stable: None, payload: typed.payload };
        Ok(this)
    }

    pub(super) fn unix(typed: UnixConnect) -> Result<Self> {
        let endpoint = unix(typed.at.kind, typed.at.path, "fincat unix connect")?;
        Ok(Self {
            transport: endpoint.transport,
            peers: Peers::One(endpoint.at),
            resolving: Resolving::default(),
            both_families: false,
            options: Dialing::default(),
            within: typed.connect_timeout,
            retry: typed.retry,
            check: Asking { asked: typed.check, stable: typed.stable, payload: None },
            talk: typed.talk,
            letters: typed.letters,
        })
    }

    fn inet(transport: Transport, peers: Peers, at: &InetConnectArgs, tcp: &TcpArgs, talk: TalkArgs) -> Self {
        let (source, source_port) = (at.source, at.source_port);
        Self {
            transport,
            peers,
            resolving: at.family.resolving(),
            both_families: at.family.v4 && at.family.v6,
            options: Dialing { source, source_port, settings: settings(&at.socket, tcp), ..Dialing::default() },
            within: at.connect_timeout,
            retry: at.retry,
            check: Asking::default(),
            talk,
            letters: LetterArgs::default(),
        }
    }
}

impl FamilyArgs {
    pub(super) fn resolving(&self) -> Resolving {
        let family = match (self.v4, self.v6) {
            (true, _) => Family::V4,
            (_, true) => Family::V6,
            _ => Family::Any,
        };
        Resolving { family, numeric: self.numeric }
    }
}

impl ShareArgs {
    pub(super) fn sharing(self) -> Option<Sharing> {
        let hub = self.hub.then(|| Sharing::Hub { queue: self.hub_queue.unwrap_or(QUEUE) });
        hub.or(self.fan_out.then_some(Sharing::FanOut))
    }
}

impl ManyArgs {
    pub(super) fn asked_mode(&self) -> Option<Mode> {
        match (self.thread, self.fork, self.single) {
            (true, ..) => Some(Mode::Thread),
            (_, true, _) => Some(Mode::Fork),
            (.., true) => Some(Mode::Single),
            _ => None,
        }
    }
}

impl RetryArgs {
    pub(super) fn retry(&self) -> Retry {
        match (self.retry_for, self.retry) {
            (Some(time), _) => Retry::For(time),
            (None, Some(times)) => Retry::Times { times, delay: self.retry_delay },
            (None, None) => Retry::Never,
        }
    }
}

impl EndArgs {
    /// In `listen`, a standard input that ends at once says nothing, unless its end was spoken of.
    pub(super) fn speaking(&self, listens: bool) -> Speaking {
        let spoken_of = self.on_eof.is_some() || self.half_close || self.send_only;
        match (self.recv_only, listens && !spoken_of) {
            (true, _) => Speaking::No,
            (false, true) => Speaking::UnlessNull,
            (false, false) => Speaking::Yes,
        }
    }

    /// The policy.
    pub(super) fn closing(&self, role: Role) -> Closing {
        let endless = !role.transport.has_ends();
        let idle = (endless && role.keep != Keep::One).then_some(IDLE);
        let quit = (endless && !role.listens).then_some(QUIT);
        Closing {
            on_eof: self.on_eof.unwrap_or_default(),
            on_fin: self.on_fin.unwrap_or_default(),
            send_only: self.send_only,
            quit_after: self.quit_after.or(quit),
            half_close_timeout: self.half_close_timeout.filter(|time| !time.is_zero()),
            idle_timeout: self.idle_timeout.or(idle),
            endless,
            confirm: self.confirm,
            ..Closing::default()
        }
    }

    pub(super) fn acts_on_our_end(&self) -> bool {
        self.on_eof.is_some()
            || self.half_close
            || self.on_fin.is_some()
            || self.quit_after.is_some()
            || self.half_close_timeout.is_some()
    }

    pub(super) fn acts_on_bytes(&self) -> bool {
        self.acts_on_our_end() || self.idle_timeout.is_some() || self.send_only || self.recv_only
    }
}

impl SayArgs {
    /// How the answers of a check are shown.
    pub(super) fn style(&self) -> Style {
        match (self.quiet, self.json) {
            (true, _) => Style::Silent,
            (_, true) => Style::Json,
            _ => Style::Lines,
        }
    }

    /// What is said, how and where. JSON is for programs, which want to know of each conversation.
    pub(super) fn saying(&self) -> Saying {
        let level = match (self.quiet, self.verbose) {
            (true, _) => Level::Quiet,
            (_, 0) if !self.json => Level::Failures,
            (_, 0 | 1) => Level::Conversations,
            _ => Level::Everything,
        };
        let file = || self.log_file.clone().map(trace::Place::File);
        let to = self.log_fd.map(trace::Place::Descriptor).or_else(file);
        let style = if self.json { trace::Style::Json } else { trace::Style::Text };
        Saying { level, style, traces: self.trace, to }
    }
}

fn postal(each: bool, letters: &LetterArgs) -> Postal {
    Postal { each, only: false, empty_ends: letters.eof_datagram, most: letters.datagrams }
}

fn casting(cast: &CastArgs, groups: Vec<Group>) -> Casting {
    Casting { broadcast: cast.broadcast, groups }
}

fn settings(socket: &SocketArgs, tcp: &TcpArgs) -> Settings {
    let mut settings = Settings::default();
    settings.add(socket.interface.clone().map(Setting::Interface));
    settings.add(socket.mark.map(Setting::Mark));
    settings.add(socket.rcvbuf.map(Setting::ReceiveBuffer));
    settings.add(socket.sndbuf.map(Setting::SendBuffer));
    settings.add(socket.ttl.map(Setting::Ttl));
    settings.add(socket.tos.map(Setting::Tos));
    settings.add(socket.dscp.map(Setting::Dscp));
    settings.add(tcp.mss.map(Setting::SegmentSize));
    settings.add(tcp.congestion.clone().map(Setting::Congestion));
    settings.add(tcp.fast_open.then_some(Setting::FastOpen));
    settings.add(tcp.nodelay.then_some(Setting::NoDelay));
    settings.add(tcp.keepalive.map(Setting::KeepAlive));
    settings.add(tcp.user_timeout.map(Setting::UserTimeout));
    settings
}

fn inet(transport: Transport, words: &[String], role: &str) -> Result<Endpoint> {
    let place = Place::parse(words).map_err(|why| usage(format!("{why}; see {role} --help")))?;
    Ok(Endpoint { transport, at: At::Place(place) })
}

/// Where to wait: at an address that was typed, or on sockets that are bound already.
fn site(
    activated: bool,
    transport: Transport,
    named: bool,
    endpoint: impl FnOnce() -> Result<Endpoint>,
) -> Result<Site> {
    match (activated, named) {
        (true, true) => Err(usage("--activated brings its sockets with it: leave HOST, PORT and PATH out")),
        (true, false) => Ok(Site::Activated(transport)),
        (false, _) => endpoint().map(Site::At),
    }
}

fn place(transport: Transport, at: &InetListenArgs, role: &str) -> Result<Site> {
    site(at.activated, transport, !at.place.is_empty(), || inet(transport, &at.place, role))
}

/// One peer to talk to, or several to look at.
fn peers(transport: Transport, words: &[String], several: bool, role: &str) -> Result<Peers> {
    if several {
        let places = Places::parse(words).map_err(|why| usage(format!("{why}; see {role} --help")))?;
        return Ok(Peers::Several(places));
    }
    let endpoint = inet(transport, words, role)?;
    match &endpoint.at {
        At::Place(Place { host: None, .. }) => Err(usage(format!("a host is missing: {role} HOST PORT"))),
        At::Place(Place { port: 0, .. }) => Err(usage("port 0 is nobody's: connect to a port from 1 to 65535")),
        _ => Ok(Peers::One(endpoint.at)),
    }
}

fn unix(kind: Option<UnixType>, path: Option<OsString>, role: &str) -> Result<Endpoint> {
    let name = UnixName::parse(&path.unwrap_or_default()).map_err(|why| usage(format!("{why}; see {role} --help")))?;
    Ok(Endpoint { transport: Transport::Unix(kind.unwrap_or_default()), at: At::Unix(name) })
}
