//! Notices to the service manager that started us (`sd_notify(3)`): that we listen, that we stop. It listens to nobody,
//! and a manager that cannot be told changes nothing.

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use crate::trace::{Event, Log, reason};

/// How long a manager may be too busy to listen.
const PATIENCE: Duration = Duration::from_secs(1);

/// Whom to tell, if anybody.
#[derive(Debug, Default)]
pub struct Notice {
    manager: Option<UnixDatagram>,
    log: Log,
}

impl Notice {
    /// Finds the manager by `NOTIFY_SOCKET`, as long as we may reach it.
    pub fn new(log: &Log) -> Self {
        let manager = std::env::var_os("NOTIFY_SOCKET").and_then(|name| {
            let found = find(&name);
            found.inspect_err(|e| say(log, &format!("cannot reach NOTIFY_SOCKET: {}", reason(e)))).ok()
        });
        Self { manager, log: log.clone() }
    }

    /// Peers can come.
    pub fn ready(&self) {
        self.tell("READY=1");
    }

    /// Nobody is served any more; what is under way ends.
    pub fn stopping(&self) {
        self.tell("STOPPING=1");
    }

    fn tell(&self, what: &str) {
        let Some(manager) = &self.manager else { return };
        match manager.send(what.as_bytes()) {
            Ok(_) => say(&self.log, &format!("told the service manager {what}")),
            Err(e) => say(&self.log, &format!("cannot tell the service manager {what}: {}", reason(&e))),
        }
    }
}

fn say(log: &Log, what: &str) {
    log.say(&Event::Option(what));
}

fn find(name: &OsStr) -> io::Result<UnixDatagram> {
    let address = match name.as_bytes() {
        [b'/', ..] => SocketAddr::from_pathname(name)?,
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        _ => return Err(io::Error::other("it is neither a path nor an @name")),
    };
    let manager = UnixDatagram::unbound()?;
    manager.connect_addr(&address)?;
    manager.set_write_timeout(Some(PATIENCE))?;
    Ok(manager)
}
