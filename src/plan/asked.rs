//! All that was asked, as one value, for those who look for combinations without sense and for what follows where
//! something is not. It refuses nothing.

use std::time::Duration;

use super::Conversation;
use super::typed::{Going, Waiting};
use crate::cli::groups::{EndArgs, LetterArgs, ManyArgs, PrivilegeArgs, RetryArgs, SayArgs, ShareArgs, WhatArgs};
use crate::handler::Task;
use crate::handler::command::Joined;
use crate::net::endpoint::Site;
use crate::net::options::{Setting, Settings};
use crate::net::proxy::{Version, Word};
use crate::net::resolve::Family;
use crate::net::spelling::Keepalive;
use crate::net::transport::Transport;
use crate::serve::{Keep, Mode};

/// All that was asked, for those combinations that make no sense.
#[allow(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(super) struct Asked<'a> {
    pub(super) transport: Transport,
    pub(super) many: Option<&'a ManyArgs>,
    pub(super) what: &'a WhatArgs,
    pub(super) letters: &'a LetterArgs,
    pub(super) share: ShareArgs,
    pub(super) ends: &'a EndArgs,
    pub(super) says: &'a SayArgs,
    pub(super) within: Option<Duration>,
    pub(super) both_families: bool,
    /// How names are resolved was asked for.
    pub(super) resolving: bool,
    pub(super) per_datagram: bool,
    pub(super) backlog: bool,
    pub(super) settings: &'a Settings,
    pub(super) activated: bool,
    pub(super) privileges: Option<&'a PrivilegeArgs>,
    pub(super) retry: RetryArgs,
    /// What is to be done about PROXY headers.
    pub(super) proxy: &'a [Word],
    pub(super) going: Option<&'a Going>,
}

impl<'a> Asked<'a> {
    pub(super) fn of_waiting(waiting: &'a Waiting) -> Self {
        Self {
            transport: waiting.site.transport(),
            many: Some(&waiting.many),
            what: &waiting.talk.what,
            letters: &waiting.letters,
            share: waiting.share,
            ends: &waiting.talk.ends,
            says: &waiting.talk.says,
            within: waiting.within,
            both_families: waiting.both_families,
            resolving: waiting.resolving.numeric || waiting.resolving.family != Family::Any,
            per_datagram: waiting.options.postal.each,
            backlog: waiting.backlog.is_some(),
            settings: &waiting.options.settings,
            activated: matches!(waiting.site, Site::Activated(_)),
            privileges: Some(&waiting.privileges),
            retry: waiting.onward.retry,
            proxy: &waiting.onward.proxy_protocol,
            going: None,
        }
    }

    pub(super) fn of_going(going: &'a Going) -> Self {
        Self {
            transport: going.transport,
            many: None,
            what: &going.talk.what,
            letters: &going.letters,
            share: ShareArgs::default(),
            ends: &going.talk.ends,
            says: &going.talk.says,
            within: going.within,
            both_families: going.both_families,
            resolving: false,
            per_datagram: false,
            backlog: false,
            settings: &going.options.settings,
            activated: false,
            privileges: None,
            retry: going.retry,
            proxy: &[],
            going: Some(going),
        }
    }

    /// How many at once. Forwarding is for many, where nothing else is said.
    pub(super) fn mode(&self) -> Mode {
        let asked = self.many.and_then(ManyArgs::asked_mode);
        let counted = self.many.is_none_or(|many| many.count.is_some());
        let usual = if self.what.to.is_some() && !counted { Mode::Thread } else { Mode::Single };
        asked.unwrap_or(usual)
    }

    pub(super) fn keep(&self) -> Keep {
        match self.many {
            Some(ManyArgs { count: Some(count), .. }) => Keep::Count(*count),
            Some(many) if many.keep_open || self.mode() != Mode::Single => Keep::Open,
            _ => Keep::One,
        }
    }

    /// Datagrams from anybody, for nobody in particular.
    pub(super) fn hears_everybody(&self) -> bool {
        let single = self.mode() == Mode::Single && self.keep() == Keep::Open;
        single && self.is_stdio() && self.is_endless() && !self.per_datagram
    }

    pub(super) fn is_server(&self) -> bool {
        self.keep() != Keep::One
    }

    /// Whether it is to be tried again where somebody cannot be reached.
    pub(super) fn retries(&self) -> bool {
        let RetryArgs { retry, retry_delay, retry_for } = self.retry;
        retry.is_some() || retry_delay.is_some() || retry_for.is_some()
    }

    /// In which version whom we forward to is told who called.
    pub(super) fn tells(&self) -> Option<Version> {
        self.proxy.iter().find_map(|word| if let Word::Send(version) = word { Some(*version) } else { None })
    }

    /// Whether no handler was asked for, so that it is about standard input and output.
    pub(super) fn is_stdio(&self) -> bool {
        self.what.handlers() == 0
    }

    /// Whether peers share standard input and output.
    pub(super) fn is_shared(&self) -> bool {
        self.share.fan_out || self.share.hub
    }

    pub(super) fn is_endless(&self) -> bool {
        !self.transport.has_ends()
    }

    /// Whether somebody goes to a peer and this is so.
    pub(super) fn goes(&self, and: impl Fn(&Going) -> bool) -> bool {
        self.going.is_some_and(and)
    }

    pub(super) fn sets(&self, one: fn(&Setting) -> bool) -> bool {
        self.settings.iter().any(one)
    }

    pub(super) fn checks(&self) -> bool {
        self.goes(|going| going.check.asked.check)
    }

    /// Whether a command holds the socket itself.
    pub(super) fn lends_the_socket(&self) -> bool {
        self.what.runs_a_command() && self.what.joined(self.ends, self.says, self.transport) == Joined::Socket
    }

    pub(super) fn has_letters(&self) -> bool {
        let letters = self.letters;
        letters.lines && !self.is_shared()
            || letters.size.is_some()
            || letters.datagrams.is_some()
            || letters.eof_datagram
    }
}

/// What stands before the colon of `USER:GROUP`.
pub(super) fn user_of(word: &str) -> &str {
    word.split_once(':').map_or(word, |(user, _)| user)
}

impl Conversation {
    /// One that is forwarded has keepalive on both sides: as was asked for, or the usual one. Where there is none, a peer
    /// that is gone shows by itself. A listener that `is_ours` has it for all that it accepts.
    pub(super) fn keep_alive(&mut self, transport: Transport, settings: &mut Settings, is_ours: bool) {
        let Task::Forward(forward) = &mut self.task else { return };
        let asked = settings.keepalive();
        let keepalive = asked.clone().unwrap_or(Setting::KeepAlive(Keepalive::USUAL));
        if transport == Transport::Tcp && asked.is_none() {
            forward.keeps_peer = !is_ours;
            settings.add(is_ours.then(|| keepalive.clone()));
        }
        if forward.to.transport == Transport::Tcp {
            forward.options.settings.add(Some(keepalive));
        }
    }
}
