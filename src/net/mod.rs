//! WHERE is the peer: addresses, names, sockets. It opens connections; what is said on them is none of its business.
//!
//! In reading order: `transport`, `address`, `endpoint` and `places` (as typed), `resolve` (names), `calls` (what
//! does not wait for them), `options` (of sockets,
//! with the `spelling` of their values, and `casting` for datagrams to many), `listen` (with `path` for unix, `mailbox`
//! and `switch` for datagrams), `activation` (what is bound already), `dial` (with the `race` of addresses, the `fate` of
//! those who lose, and whether to `retry`), `connection`, and in front of one a `greeting` that tells who called (`proxy`).

pub mod activation;
pub mod address;
pub mod calls;
pub mod casting;
pub mod connection;
pub mod dial;
pub mod endpoint;
pub mod greeting;
pub mod listen;
pub mod mailbox;
pub mod options;
pub mod path;
pub mod places;
pub mod proxy;
pub mod resolve;
pub mod spelling;
mod switch;
pub mod transport;
