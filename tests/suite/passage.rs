//! By which way bytes go: every pair of ends, passed on inside the kernel and copied (`--no-splice`), to the
//! byte; not when a conversation ends (`half_close`), nor what it is for (`handlers`).
//!
//! * here:      the two ways, the bytes, and peers that take and give them in odd pieces
//! * `input`:   every kind of standard input
//! * `output`:  every kind of standard output
//! * `failing`: outputs that take no more
//! * `through`: echo, discard, `--to` and commands behind pipes, in every mode
//! * `cut`:     bulk that is cut short: RST, FIN, a deadline, a signal; a side that stands still
//! * `proof`:   what the kernel knows of it: flags, descriptors, bytes that were never read

mod cut;
mod failing;
mod input;
mod output;
mod proof;
mod through;

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::sync::OnceLock;
use std::time::Duration;

use rustix::pipe::{PipeFlags, fcntl_setpipe_size, pipe_with};
use tempfile::tempfile;

use crate::capture::{deadline, readable_by};
use crate::launch::{Launch, Stdout};
use crate::matrix::Case;
use crate::pattern::{assert_same, pattern};
use crate::peers::{PeerStream, silence};
use crate::tool::Tool;

/// More than every socket buffer and pipe between the two ends holds, where the peer is narrow.
const MUCH: usize = 6 << 20;

/// What a stream in full flow carries.
const BULK: usize = 16 << 20;

/// Bytes that go one way; the other way go [`theirs`].
fn ours(count: usize) -> &'static [u8] {
    static BYTES: OnceLock<Vec<u8>> = OnceLock::new();
    &BYTES.get_or_init(|| pattern(BULK, 101))[..count]
}

/// Bytes that cannot be confused with [`ours`].
fn theirs(count: usize) -> &'static [u8] {
    static BYTES: OnceLock<Vec<u8>> = OnceLock::new();
    &BYTES.get_or_init(|| pattern(BULK, 102))[..count]
}

/// A cell of the matrix, and whether everything is copied.
#[derive(Clone, Copy, Debug)]
struct Passage {
    case: Case,
    copies: bool,
}

impl Passage {
    fn flags(self) -> &'static [&'static str] {
        if self.copies { &["--no-splice"] } else { &[] }
    }

    /// As [`Case::pair_with`].
    #[track_caller]
    fn pair(self, launch: Launch, args: &[&str]) -> (Tool, PeerStream) {
        self.case.pair_with(launch, &[self.flags(), args].concat())
    }
}

/// Makes the tests of the matrix twice of bodies, each a `fn(Passage)` beside the macro's use.
macro_rules! passages {
    ($cells:ident: $($body:ident),+ $(,)?) => { $(passages!(@body $body $cells);)+ };
    ($cells:ident over streams: $($body:ident),+ $(,)?) => { $(passages!(@body $body $cells over streams);)+ };
    (@body $body:ident $($cells:tt)+) => { mod $body {
        passages!(@way $body by_reference false $($cells)+);
        passages!(@way $body copied true $($cells)+);
        use crate::passage::passages;
    } };
    (@way $body:ident $way:ident $copies:literal $($cells:tt)+) => {
        mod $way {
            crate::matrix::matrix!($($cells)+: cell);
            fn cell(case: crate::matrix::Case) {
                super::super::$body(crate::passage::Passage { case, copies: $copies });
            }
        }
    };
}

use passages;

/// Sizes that fit no page, no buffer and no segment.
const ODD: [usize; 8] = [1, 4095, 3, 65_537, 100_003, 511, 300_001, 16_385];

/// `bytes` in odd pieces.
fn crumbs(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = bytes;
    ODD.into_iter().cycle().map_while(move |size| {
        let (piece, more) = rest.split_at(size.min(rest.len()));
        rest = more;
        (!piece.is_empty()).then_some(piece)
    })
}

/// Reads `count` bytes in odd pieces with pauses, so that the sender finds no room, little of it, or plenty.
#[track_caller]
fn sip(count: usize, mut read: impl FnMut(usize) -> Vec<u8>) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(count);
    for (turn, size) in ODD.into_iter().cycle().enumerate() {
        if bytes.len() == count {
            break;
        }
        bytes.extend(read(size.min(count - bytes.len())));
        if turn % ODD.len() == 0 {
            silence(Duration::from_millis(1));
        }
    }
    bytes
}

/// What [`choked`] has let pass, and what it has not.
const PASSED: usize = 1 << 20;
const CHOKED: usize = 100_001;

/// A conversation in full flow whose standard output, a pipe of a page with this reader, takes no more: the last
/// [`CHOKED`] of its bytes have arrived in fincat's kernel.
#[track_caller]
fn choked(passage: Passage, launch: Launch) -> (Tool, PeerStream, File) {
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC).expect("a pipe");
    let mut reader = File::from(reader);
    let (tool, peer) = passage.pair(launch.stdout(Stdout::File(writer.into())), &[]);
    let sending = peer.send(theirs(PASSED).to_vec());
    assert_same(&exactly(&mut reader, PASSED), theirs(PASSED));
    sending.done().expect("fincat takes it");
    fcntl_setpipe_size(&reader, 4096).expect("F_SETPIPE_SZ of an empty pipe");
    peer.write(&theirs(BULK)[PASSED..][..CHOKED]);
    peer.settle();
    (tool, peer, reader)
}

/// Reads so much.
#[track_caller]
fn exactly(reader: &mut File, count: usize) -> Vec<u8> {
    let (mut bytes, mut buffer) = (Vec::new(), vec![0; 64 << 10]);
    while bytes.len() < count {
        assert!(readable_by(&*reader, deadline()), "no more comes after {} bytes", bytes.len());
        let room = buffer.len().min(count - bytes.len());
        let got = reader.read(&mut buffer[..room]).expect("read");
        assert_ne!(got, 0, "an end after {} bytes", bytes.len());
        bytes.extend_from_slice(&buffer[..got]);
    }
    bytes
}

/// A regular file with these contents, at its beginning.
fn file_of(bytes: &[u8]) -> File {
    let mut file = tempfile().expect("a temporary file");
    file.write_all(bytes).expect("write it");
    file.rewind().expect("rewind it");
    file
}

/// A second descriptor of the same open file description.
fn copy(file: &File) -> File {
    file.try_clone().expect("a second descriptor")
}
