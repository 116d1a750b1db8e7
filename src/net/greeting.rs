//! A connection whose peer must tell first who called (`proxy`). It takes exactly the header from the socket and leaves
//! everything after it there; it waits for nothing: whoever holds it polls.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use super::connection::Connection;
use super::proxy::{self, Read};
use crate::sys;

/// How long a header may take: a segment that is lost twice still comes.
const PATIENCE: Duration = Duration::from_secs(5);

/// Such a connection.
#[derive(Debug)]
pub struct Greeting {
    connection: Box<Connection>,
    held: Vec<u8>,
    until: Instant,
}

/// What has become of a greeting.
#[derive(Debug)]
pub enum Greeted {
    /// There may be more to come.
    Waiting(Box<Greeting>),
    /// It is told who called, or that there is nothing to tell.
    Told(Box<Connection>),
    /// Nobody knows; the sentence says why. The connection is to be closed.
    Refused(Box<Connection>, &'static str),
}

impl Greeting {
    /// Nothing has been read yet.
    pub fn new(connection: Box<Connection>) -> Self {
        let until = connection.since + PATIENCE;
        Self { connection, held: Vec::new(), until }
    }

    /// When to advance at the latest.
    pub fn until(&self) -> Instant {
        self.until
    }

    /// Takes what has come of the header.
    pub fn advance(mut self) -> Greeted {
        match self.take() {
            Err(why) => Greeted::Refused(self.connection, why),
            Ok(true) => Greeted::Told(self.connection),
            Ok(false) if Instant::now() >= self.until => {
                Greeted::Refused(self.connection, "its PROXY header did not come in time (--proxy-protocol)")
            }
            Ok(false) => Greeted::Waiting(Box::new(self)),
        }
    }

    /// Whether the header is complete.
    fn take(&mut self) -> Result<bool, &'static str> {
        const NONE: &str = "it sent no PROXY header (--proxy-protocol)";
        loop {
            let held = self.held.len();
            let mut seen = std::mem::take(&mut self.held);
            seen.reserve_exact(proxy::LONGEST);
            let peeked = sys::socket::peek(self.connection.as_fd(), &mut seen);
            let (length, caller) = match (peeked, proxy::read(&seen)) {
                (Err(e), _) if e.kind() == std::io::ErrorKind::WouldBlock => {
                    self.held = seen;
                    return Ok(false);
                }
                (Ok(0) | Err(_), _) | (_, Read::Broken) => return Err(NONE),
                (Ok(_), Read::Unfinished) => (seen.len(), None),
                (Ok(_), Read::Header(length, caller)) => (length, Some(caller)),
            };
            // Of what was seen only this is a header's.
            if sys::socket::drop_waiting(self.connection.as_fd(), length - held).is_err() {
                return Err(NONE);
            }
            seen.truncate(length);
            self.held = seen;
            if let Some(caller) = caller {
                if let Some(caller) = caller {
                    self.connection.speaks_for(caller);
                }
                return Ok(true);
            }
        }
    }
}

impl AsFd for Greeting {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.connection.as_fd()
    }
}
