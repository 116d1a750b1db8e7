//! One port: who answers first, whether it stays, and an end in order, whatever the answer was. It shows nothing.

use std::io;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use super::{Answer, Checks};
use crate::net::address::Address;
use crate::net::connection::Connection;
use crate::net::dial::Undialed;
use crate::net::dial::fate::Fate;
use crate::net::dial::race::{Question, Race, Spare, Standing};
use crate::net::transport::Transport;
use crate::sys::{self, Manner, PollFd, PollFlags};

/// How long the peer may be silent after our FIN before we close on it,
const SILENCE: Duration = Duration::from_secs(1);

/// and how long it may talk on.
const LONGEST: Duration = Duration::from_secs(30);

/// Bytes dropped at a time.
const PIECE: usize = 64 * 1024;

/// A port that is being asked.
#[derive(Debug)]
pub(super) struct Probe<'a> {
    /// Which.
    pub(super) goal: usize,
    checks: &'a Checks,
    /// When this try is over.
    until: Instant,
    state: State<'a>,
}

#[derive(Debug)]
enum State<'a> {
    /// Nobody has answered.
    Racing(Race<'a>),
    /// Somebody has, after so long, and must stay until then.
    Staying(Connection, Duration, Instant),
    /// It has been told of our end, and is heard out.
    Ending(Connection, Drain),
    /// Its socket is closed.
    Over,
}

#[derive(Clone, Copy, Debug)]
struct Drain {
    silent_since: Instant,
    longest: Instant,
}

/// What a step brings.
#[derive(Debug)]
pub(super) enum News {
    /// Nothing yet.
    None,
    /// An answer. The probe may not be over.
    Answer(Answer),
    /// Nobody answers.
    Undialed(Undialed),
}

impl<'a> Probe<'a> {
    /// Nobody is asked yet.
    pub(super) fn new(
        goal: usize,
        checks: &'a Checks,
        spare: &'a Spare,
        addresses: Vec<Address>,
        until: Instant,
    ) -> Self {
        let question = match checks.transport {
            Transport::Udp => Question::Reply(&checks.payload),
            Transport::Tcp | Transport::Unix(_) => Question::Connected,
        };
        let race = Race::new(checks.transport, addresses, &checks.options, question, spare);
        Self { goal, checks, until, state: State::Racing(race) }
    }

    /// Whether its sockets are closed.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.state, State::Over)
    }

    /// Whether its answer is known, and only its end is outstanding.
    pub(super) fn is_answered(&self) -> bool {
        matches!(self.state, State::Ending(..) | State::Over)
    }

    /// What is to be polled.
    pub(super) fn bells(&self) -> Vec<PollFd<'_>> {
        match &self.state {
            State::Racing(race) => race.bells().collect(),
            State::Staying(peer, ..) | State::Ending(peer, _) => {
                vec![PollFd::from_borrowed_fd(peer.as_fd(), PollFlags::IN)]
            }
            State::Over => Vec::new(),
        }
    }

    /// When to go on at the latest.
    pub(super) fn wake_at(&self) -> Instant {
        match &self.state {
            State::Racing(race) => race.until().map_or(self.until, |at| at.min(self.until)),
            State::Staying(_, _, until) => *until,
            State::Ending(_, drain) => drain.until(),
            State::Over => self.until,
        }
    }

    /// Goes on: `rang` tells of each of the `bells`.
    pub(super) fn advance(&mut self, rang: &[bool], now: Instant) -> News {
        let any = rang.contains(&true);
        match std::mem::replace(&mut self.state, State::Over) {
            State::Racing(race) => self.race(race, rang, now),
            State::Staying(peer, took, until) => self.stay(peer, took, until, now),
            State::Ending(peer, mut drain) => {
                if !drain.advance(&peer, any, now) {
                    self.state = State::Ending(peer, drain);
                }
                News::None
            }
            State::Over => News::None,
        }
    }

    fn race(&mut self, mut race: Race<'a>, rang: &[bool], now: Instant) -> News {
        match race.advance(rang, now) {
            Standing::Lost(why) => News::Undialed(why),
            Standing::Running if now >= self.until => News::Undialed(race.abandon()),
            Standing::Running => {
                self.state = State::Racing(race);
                News::None
            }
            Standing::Won(peer, took) => match self.checks.stable.and_then(|stable| now.checked_add(stable)) {
                Some(until) => {
                    self.state = State::Staying(*peer, took, until);
                    News::None
                }
                None => self.end(*peer, Answer::Open(took), now),
            },
        }
    }

    /// It must neither end nor break; what it says is nobody's business.
    fn stay(&mut self, peer: Connection, took: Duration, until: Instant, now: Instant) -> News {
        match drop_what_came(&peer) {
            Ok(true) => self.end(peer, Answer::Closed, now),
            Err(e) => News::Answer(Answer::Not(match Fate::of(&e) {
                // Whatever breaks it, it is broken.
                Fate::Failed => Fate::Reset,
                fate => fate,
            })),
            Ok(false) if now >= until => self.end(peer, Answer::Open(took), now),
            Ok(false) => {
                self.state = State::Staying(peer, took, until);
                News::None
            }
        }
    }

    /// Says our end, and hears the peer out: its last words must not meet a closed socket, which would answer with RST.
    fn end(&mut self, peer: Connection, answer: Answer, now: Instant) -> News {
        if self.checks.transport.has_ends() {
            // What fails here is a socket that is finished already; the first read says so.
            let _ = sys::shutdown_write(peer.as_fd());
            let mut drain = Drain { silent_since: now, longest: now.checked_add(LONGEST).unwrap_or(now) };
            if !drain.advance(&peer, true, now) {
                self.state = State::Ending(peer, drain);
            }
        }
        News::Answer(answer)
    }
}

impl Drain {
    fn until(self) -> Instant {
        self.silent_since.checked_add(SILENCE).map_or(self.longest, |at| at.min(self.longest))
    }

    /// Reads and drops what is there; true when the socket can be closed.
    fn advance(&mut self, peer: &Connection, rang: bool, now: Instant) -> bool {
        if !rang {
            return now >= self.until();
        }
        self.silent_since = now;
        drop_what_came(peer).unwrap_or(true) || now >= self.longest
    }
}

/// Reads and drops what is there; whether that was the end. A peer that never pauses is left for the next time.
fn drop_what_came(peer: &Connection) -> io::Result<bool> {
    let mut dropped = Vec::with_capacity(PIECE);
    for _ in 0..64 {
        dropped.clear();
        match sys::read(peer.as_fd(), Manner::DontWait, &mut dropped) {
            Ok(0) => return Ok(true),
            Ok(_) => {}
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(e) => return Err(e),
        }
    }
    Ok(false)
}
