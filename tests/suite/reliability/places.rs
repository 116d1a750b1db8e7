//! Places that take no more, and readers that leave: full devices, full file systems, standard output closed at any byte.
//! What was taken is right, what was not is a failure that is said or shown, and nobody else is harmed.

use std::fs::{self, File};
use std::io::Read as _;

use tempfile::TempDir;

use super::account::tell;
use crate::kernel::wait_until;
use crate::launch::{Launch, Stdin, Stdout};
use crate::matrix::{Case, Mode, Transport, matrix};
use crate::pattern::{assert_same, pattern};
use crate::peers::{Ending, PeerListener, PeerStream, external};
use crate::process::Signal;
use crate::tool::{Tool, fincat};

/// A device that is always full.
fn full() -> Stdout {
    Stdout::File(File::options().write(true).open("/dev/full").expect("/dev/full"))
}

/// What is said of it.
const NO_SPACE: &str = "no space left on device";

matrix!(served over all: a_full_standard_output_is_each_conversations_failure);

/// `--recv-only` merged on a device that is full: each is told by an end in order, each is a failure, the server goes on.
fn a_full_standard_output_is_each_conversations_failure(case: Case) {
    let mut tool = case.serve(Tool::with(Stdin::Null).stdout(full()), &["--recv-only"]);
    for round in 1..=3 {
        let peer = case.meet(&tool);
        let sending = peer.send(pattern(1 << 20, 91));
        assert_eq!(peer.hear_out(), (Vec::new(), Ending::Fin));
        sending.done().expect("what cannot be written is dropped");
        peer.shutdown();
        tool.wait_lines(round, |line| line.contains("cannot write standard output") && line.ends_with(NO_SPACE));
    }
    assert!(tool.is_running());
    tool.signal(Signal::TERM);
    let _ = tool.wait().expect_signal(Signal::TERM);
}

/// What is told on the side goes to a full device: that is said once, if it can be, and every
/// byte of the conversation is delivered all the same.
#[test]
fn a_full_place_on_the_side_costs_no_byte() {
    let bytes = pattern(1 << 20, 92);
    for side in
        [&["--log-file", "/dev/full", "-vv"][..], &["--hexdump", "/dev/full"], &["--log-file", "/dev/full", "--json"]]
    {
        let listener = PeerListener::tcp();
        let mut tool = Tool::with(Stdin::Bytes(bytes.clone())).connect(listener.addr(), side);
        let peer = listener.accept();
        let sending = peer.send(bytes.clone());
        assert_same(&peer.read_to_end(), &bytes);
        sending.done().expect("fincat takes everything");
        peer.shutdown();
        let exit = tool.wait().expect(0);
        assert_same(&exit.stdout, &bytes);
        // Who has nowhere to say it says nothing.
        let said = if side[0] == "--log-file" {
            String::new()
        } else {
            format!("fincat: cannot write /dev/full: {NO_SPACE}\n")
        };
        assert_eq!(exit.stderr, said, "{side:?}");
    }
}

/// A file system of 64 KiB that is full, in a name space of its own.
const CRAMMED: &str = "
folder=$1; shift
mount -t tmpfs -o size=64k none \"$folder\" || { echo skipped: no tmpfs can be mounted >&2; exit 77; }
echo sent > \"$folder/send\"
head -c 100000 /dev/zero > \"$folder/fill\" 2>/dev/null
exec \"$@\"
";

/// fincat where the file system is full; None where none can be made.
fn crammed(folder: &TempDir, args: &[&str]) -> Option<crate::process::Process> {
    let unshare = external("unshare")?;
    let shell = ["-rm", "sh", "-c", CRAMMED, "sh", folder.path().to_str().expect("a path in UTF-8")];
    let fincat = [fincat()];
    Some(Launch::new().start(unshare, [&shell, &fincat[..], args].concat()))
}

/// Whether that was permitted.
fn was_permitted(exit: &crate::process::Exit) -> bool {
    if exit.code == Some(77) || exit.stderr.contains("unshare") {
        tell(exit.stderr.trim());
        return false;
    }
    true
}

/// `--port-file` there: nobody is told of a listener that nobody can find.
#[test]
fn a_full_file_system_takes_no_port() {
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("port");
    let file = file.to_str().expect("a path in UTF-8");
    let Some(mut tool) = crammed(&folder, &["listen", "127.0.0.1", "0", "-w", "5s", "--port-file", file]) else {
        return;
    };
    let exit = tool.wait();
    if was_permitted(&exit) {
        assert_eq!(exit.stderr, format!("fincat: cannot write {file}: {NO_SPACE}\n"));
        let _ = exit.expect(1);
    }
}

/// `--send-file` from there: reading needs no room.
#[test]
fn a_full_file_system_can_be_read() {
    let (folder, listener) = (TempDir::new().expect("a folder"), PeerListener::tcp());
    let (file, port) = (folder.path().join("send"), listener.addr().port().to_string());
    let file = file.to_str().expect("a path in UTF-8");
    let Some(mut tool) = crammed(&folder, &["connect", "127.0.0.1", &port, "--send-file", file]) else { return };
    wait_until("fincat connects, or cannot be started", || listener.is_wanted() || !tool.is_running());
    if listener.is_wanted() {
        let peer = listener.accept();
        assert_eq!(peer.read_to_end(), b"sent\n");
        drop(peer);
    }
    let exit = tool.wait();
    if was_permitted(&exit) {
        let _ = exit.expect(0);
    }
}

/// Where readers leave: about nothing, pages, pipes, and the buffers of each way.
const AT: [usize; 17] = [
    0,
    1,
    2,
    4095,
    4096,
    4097,
    16_384,
    16_385,
    65_535,
    65_536,
    65_537,
    131_072,
    262_144,
    262_145,
    (1 << 20) - 1,
    1 << 20,
    (1 << 20) + 1,
];

/// What the peer would have sent, in bytes.
const ALL: usize = 8 << 20;

/// Standard output is closed after any byte: what was read before is right, and SIGPIPE says that it was not all.
#[test]
fn a_reader_leaves_at_any_byte() {
    let bytes = pattern(ALL, 93);
    for way in [&[][..], &["--no-splice"]] {
        for at in AT {
            let launch = Tool::with(Stdin::Silent).stdout(Stdout::Held);
            let mut tool = launch.listen([&["127.0.0.1", "0"], way].concat());
            let peer = PeerStream::tcp(tool.addr());
            let sending = peer.send(bytes.clone());
            let mut output = tool.take_stdout();
            assert_same(&output.read(at), &bytes[..at]);
            drop(output);
            sending.done().expect("what nobody reads is dropped");
            peer.shutdown();
            assert_eq!(peer.hear_out().0, b"", "{at} {way:?}");
            let exit = tool.wait().expect_signal(Signal::PIPE);
            assert_eq!(exit.stderr, "", "{at} {way:?}");
        }
    }
}

/// The same of what many peers say: the server stops, and its peers hear of it.
#[test]
fn a_reader_of_many_leaves_at_any_byte() {
    for mode in [Mode::Single, Mode::Thread, Mode::Fork] {
        let case = Case { role: crate::matrix::Role::Listen, transport: Transport::Tcp, mode };
        for at in AT {
            let mut tool = case.serve(Tool::with(Stdin::Null).stdout(Stdout::Held), &["--recv-only"]);
            let mut output = tool.take_stdout().into_pipe();
            let peers: Vec<_> = (0..3).map(|_| case.meet(&tool)).collect();
            let sending: Vec<_> = peers.iter().map(|peer| peer.send(vec![b'x'; 2 << 20])).collect();
            let mut heard = vec![0; at];
            output.read_exact(&mut heard).expect("it has been said");
            assert!(heard.iter().all(|&byte| byte == b'x'));
            drop(output);
            for (peer, sending) in peers.into_iter().zip(sending) {
                let _ = sending.done();
                drop(peer);
            }
            let exit = tool.wait().expect_signal(Signal::PIPE);
            assert!(!exit.stderr.contains("panic"), "{exit}");
        }
    }
}

/// `--log-file` is opened for appending, and what stood there stands there still.
#[test]
fn a_log_on_a_full_file_system_is_left_as_it_was() {
    let folder = TempDir::new().expect("a folder");
    let (log, listener) = (folder.path().join("log"), PeerListener::tcp());
    fs::write(&log, "before\n").expect("write it");
    let log_name = log.to_str().expect("a path in UTF-8");
    let launch = Launch::new().setup("ulimit -f 0");
    let mut tool = launch.connect(listener.addr(), ["-v", "--log-file", log_name, "--send", "x"]);
    let peer = listener.accept();
    assert_eq!(peer.read_to_end(), b"x");
    drop(peer);
    let _ = tool.wait().expect(0);
    assert_eq!(fs::read_to_string(&log).expect("read it"), "before\n");
}
