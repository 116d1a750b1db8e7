//! What can be seen of dialing while it goes on. It shows; nobody here looks.

use std::fmt;
use std::io;
use std::net::SocketAddr;

use crate::net::address::Address;
use crate::sys::states::State;

/// A stage on the way to a peer.
#[derive(Debug)]
pub enum Stage<'a> {
    /// The name has these addresses.
    Resolved(&'a [SocketAddr]),
    /// An address is asked; the connection stands so.
    Began(&'a Address, Option<State>),
    /// It does not answer, or not well.
    Failed(&'a Address, &'a io::Error),
}

/// Somebody who wants to see, if there is one.
#[derive(Clone, Copy, Default)]
pub struct Watcher<'a>(Option<&'a dyn Fn(&Stage<'_>)>);

impl<'a> Watcher<'a> {
    /// Somebody who sees each stage when it comes.
    pub fn new(look: &'a dyn Fn(&Stage<'_>)) -> Self {
        Self(Some(look))
    }

    pub(super) fn is_there(self) -> bool {
        self.0.is_some()
    }

    pub(super) fn show(self, stage: &Stage<'_>) {
        if let Some(look) = self.0 {
            look(stage);
        }
    }
}

impl fmt::Debug for Watcher<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watcher")
    }
}
