//! What a conversation is for: a command, or what is built in, the same in both roles and all modes;
//! how many conversations there are is `concurrency`, how stdio ends is `half_close`.
//!
//! * `lent`: a command that has the socket itself as its standard input and output
//! * `pipes`: a command that has pipes instead
//! * `status`: whether it can be run at all, and how it ended
//! * `around`: what a command finds around it: environment, descriptors, signals, its group
//! * `builtin`: `--echo`, `--discard`, `--send`, `--send-file`, and `--crlf`
//! * `seed`: the six programs of the tutorial that fincat comes from, and curl

mod around;
mod builtin;
mod lent;
mod pipes;
mod seed;
mod status;

/// More than every socket buffer and pipe between the two ends holds.
const MUCH: usize = 4 << 20;
