//! WHERE is the peer: addresses, names, sockets. It opens connections; what is said on them is none of its business.
//!
//! In reading order: `address` (as typed), `resolve` (names), `options` (of sockets), `listen`, `dial`, `connection`.

pub mod address;
pub mod connection;
pub mod dial;
pub mod listen;
pub mod options;
pub mod resolve;
