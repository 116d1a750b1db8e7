//! WHERE is the peer: addresses, names, sockets. It opens connections; what is said on them is none of its business.
//!
//! In reading order: `transport`, `address`, `endpoint` (as typed), `resolve` (names), `options` (of sockets), `listen`
//! (with `path` for unix, `mailbox` and `switch` for datagrams), `activation` (what is bound already), `dial`,
//! `connection`.

pub mod activation;
pub mod address;
pub mod connection;
pub mod dial;
pub mod endpoint;
pub mod listen;
pub mod mailbox;
pub mod options;
pub mod path;
pub mod resolve;
mod switch;
pub mod transport;
