//! Getting to a peer: which address answers first, how often it is tried, and what sockets are set to; what is said to
//! the peer then is the business of the other rooms.
//!
//! * `island`:   a network of its own, where packets vanish and names are whose they should be
//! * `race`:     many addresses of one name
//! * `retry`:    more than one try
//! * `options`:  what sockets are set to, as those who hold them see it
//! * `refusals`: what cannot be set, or makes no sense

pub(crate) mod island;

mod options;
mod race;
mod refusals;
mod retry;
