//! Standard outputs that take no more in the middle of a bulk: full, limited, or gone; each is a failure that is
//! said or shown, and what was taken before it is right.

use std::fs::{self, File};
use std::io::{self, Write};
use std::thread;

use tempfile::{NamedTempFile, TempDir};

use super::{MUCH, Passage, choked, ours, passages, theirs};
use crate::kernel::wait_until;
use crate::launch::{Launch, Stdin, Stdout};
use crate::pattern::assert_same;
use crate::peers::{Ending, PeerListener, PeerStream, Sending, external};
use crate::process::{Exit, Process, Signal};
use crate::tool::{Tool, fincat};

passages!(one_shot over streams:
    a_full_device,
    a_file_at_its_limit,
    a_reader_that_leaves,
    a_reader_that_leaves_a_talker,
);

/// What the peer goes on sending is taken and dropped, up to an end in order on both sides; status 1.
#[track_caller]
fn dropped(tool: &mut Process, peer: &PeerStream, sending: Sending) -> Exit {
    assert_eq!(peer.hear_out().1, Ending::Fin);
    sending.done().expect("fincat takes it, to drop it");
    peer.shutdown();
    tool.wait().expect(1)
}

fn a_full_device(passage: Passage) {
    let full = File::options().write(true).open("/dev/full").expect("/dev/full");
    let launch = Tool::with(Stdin::Silent).stdout(Stdout::File(full));
    let (mut tool, peer) = passage.pair(launch, &[]);
    let sending = peer.send(theirs(MUCH).to_vec());
    let exit = dropped(&mut tool, &peer, sending);
    assert_eq!(exit.stderr, "fincat: cannot write standard output: no space left on device\n");
}

/// `ulimit -f`: the kernel would rather kill (SIGXFSZ) than say so.
fn a_file_at_its_limit(passage: Passage) {
    const LIMIT: usize = 1 << 20;
    let file = NamedTempFile::new().expect("a temporary file");
    let stdout = Stdout::File(file.reopen().expect("open it again"));
    let launch = Tool::with(Stdin::Silent).stdout(stdout).setup("ulimit -c 0; ulimit -f 2048");
    let (mut tool, peer) = passage.pair(launch, &[]);
    let sending = peer.send(theirs(MUCH).to_vec());
    let exit = dropped(&mut tool, &peer, sending);
    assert_eq!(exit.stderr, "fincat: cannot write standard output: file too large\n");
    assert_same(&fs::read(file.path()).expect("read it"), theirs(LIMIT));
}

/// A file system of 1 MiB, in a name space of its own; what it took goes to standard output afterwards.
const FULL: &str = "
folder=$1; shift
mount -t tmpfs -o size=1m none \"$folder\" || { echo skipped: no tmpfs can be mounted >&2; exit 77; }
\"$@\" > \"$folder/output\"; status=$?
cat \"$folder/output\"; exit $status
";

#[test]
fn a_full_file_system() {
    let Some(unshare) = external("unshare") else { return };
    for flags in [&[][..], &["--no-splice"]] {
        let (folder, listener) = (TempDir::new().expect("a folder"), PeerListener::tcp());
        let shell = ["-rm", "sh", "-c", FULL, "sh", folder.path().to_str().expect("a path in UTF-8")];
        let port = listener.addr().port().to_string();
        let fincat = [fincat(), "connect", "127.0.0.1", &port, "--recv-only"];
        let mut tool = Launch::new().start(&unshare, [&shell, &fincat[..], flags].concat());
        wait_until("fincat connects, or cannot be started", || listener.is_wanted() || !tool.is_running());
        if !listener.is_wanted() {
            let _ = writeln!(io::stderr(), "a_full_file_system: skipped: {}", tool.wait().stderr.trim());
            return;
        }
        let peer = listener.accept();
        let sending = peer.send(theirs(MUCH).to_vec());
        let exit = dropped(&mut tool, &peer, sending);
        assert_eq!(exit.stderr, "fincat: cannot write standard output: no space left on device\n");
        assert_same(&exit.stdout, theirs(1 << 20));
    }
}

/// Rule 5: what had arrived and was not delivered is a loss, and SIGPIPE says so.
fn a_reader_that_leaves(passage: Passage) {
    let (mut tool, peer, reader) = choked(passage, Tool::with(Stdin::Bytes(b"question".to_vec())));
    assert_eq!(peer.read_to_end(), b"question");
    drop(reader);
    peer.shutdown();
    let exit = tool.wait().expect_signal(Signal::PIPE);
    assert_eq!(exit.stderr, "");
    assert_eq!(peer.hear_out().1, Ending::Fin);
}

/// The same while our own input is in full flow.
fn a_reader_that_leaves_a_talker(passage: Passage) {
    let launch = Tool::with(Stdin::Endless(ours(4096).to_vec())).stdout(Stdout::Held);
    let (mut tool, peer) = passage.pair(launch, &[]);
    let heard = thread::spawn({
        let sending = peer.send(theirs(MUCH).to_vec());
        move || {
            let ending = peer.hear_out().1;
            let _ = sending.done();
            peer.shutdown();
            ending
        }
    });
    let mut output = tool.take_stdout();
    assert_same(&output.read(1 << 20), theirs(1 << 20));
    drop(output);
    let exit = tool.wait().expect_signal(Signal::PIPE);
    assert_eq!(exit.stderr, "");
    assert_eq!(heard.join().expect("a peer that hears"), Ending::Fin);
}
