//! Every kind of standard output, closed at the peer's end, or gone before it (rule 5), and that the
//! descriptors which belong to the shell are left as they were; where bytes come from is the subject of
//! `input`.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::pipe::{PipeFlags, pipe_with};
use tempfile::NamedTempFile;

use super::{MUCH, fifo, narrow};
use crate::capture::{Capture, deadline};
use crate::launch::{Launch, Stdin, Stdout};
use crate::matrix::{Case, matrix};
use crate::pattern::{assert_same, pattern};
use crate::peers::Ending;
use crate::process::Signal;
use crate::terminal::Terminal;
use crate::tool::Tool;

/// Lets the peer send `bytes` to a fincat that writes them to `stdout`, up to an end in order.
#[track_caller]
fn receive(case: Case, stdout: File, bytes: &[u8]) {
    let launch = Tool::with(Stdin::Null).stdout(Stdout::File(stdout));
    let (mut tool, peer) = case.pair_with(launch, &["--recv-only"]);
    peer.send(bytes.to_vec()).done().expect("fincat takes it");
    peer.shutdown();
    assert_eq!(peer.read_to_end(), b"");
    tool.wait().expect(0);
}

matrix!(every over all:
    output_is_appended_to_a_file,
    output_goes_on_where_the_file_stands,
    output_goes_to_a_socket,
    output_goes_to_a_fifo,
    output_goes_to_a_pipe_that_does_not_block,
    output_goes_nowhere,
);

/// `>> log`.
fn output_is_appended_to_a_file(case: Case) {
    let mut log = NamedTempFile::new().expect("a temporary file");
    log.write_all(b"before ").expect("write it");
    let appending = File::options().append(true).open(log.path()).expect("open it again");
    let bytes = pattern(MUCH, 31);
    receive(case, appending, &bytes);
    assert_same(&fs::read(log.path()).expect("read it"), &[b"before ", bytes.as_slice()].concat());
}

/// `{ echo before; fincat ...; echo after; } > file`: they share one position.
fn output_goes_on_where_the_file_stands(case: Case) {
    let mut file = NamedTempFile::new().expect("a temporary file");
    let bytes = pattern(MUCH, 32);
    file.write_all(b"before ").expect("write it");
    receive(case, file.as_file().try_clone().expect("a second descriptor"), &bytes);
    file.write_all(b" after").expect("write it");
    assert_same(&fs::read(file.path()).expect("read it"), &[b"before ", bytes.as_slice(), b" after"].concat());
}

/// Standard output is a socket.
fn output_goes_to_a_socket(case: Case) {
    let (ours, theirs) = UnixStream::pair().expect("a pair");
    let (bytes, heard) = (pattern(MUCH, 33), Capture::of(theirs));
    receive(case, File::from(OwnedFd::from(ours)), &bytes);
    assert!(heard.ends(deadline()), "standard output does not end");
    assert_same(&heard.bytes(), &bytes);
}

/// Standard output is a FIFO.
fn output_goes_to_a_fifo(case: Case) {
    let (reader, writer) = fifo();
    let (bytes, heard) = (pattern(MUCH, 34), Capture::of(reader));
    receive(case, writer, &bytes);
    assert!(heard.ends(deadline()), "standard output does not end");
    assert_same(&heard.bytes(), &bytes);
}

/// Somebody else has made the shared pipe non-blocking: a full pipe is no error.
fn output_goes_to_a_pipe_that_does_not_block(case: Case) {
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC).expect("a pipe");
    fcntl_setfl(&writer, fcntl_getfl(&writer).expect("F_GETFL") | OFlags::NONBLOCK).expect("F_SETFL");
    let (bytes, heard) = (pattern(MUCH, 35), Capture::of(File::from(reader)));
    receive(case, File::from(writer), &bytes);
    assert!(heard.ends(deadline()), "standard output does not end");
    assert_same(&heard.bytes(), &bytes);
}

/// `> /dev/null`.
fn output_goes_nowhere(case: Case) {
    let null = File::options().write(true).open("/dev/null").expect("/dev/null");
    receive(case, null, &pattern(MUCH, 36));
}

matrix!(one_shot over all: a_full_device_is_a_failure, what_cannot_be_written_is_no_output);

/// Demands that a fincat which cannot write to `stdout` fails and says why.
#[track_caller]
fn fails_to_write(case: Case, stdout: File, why: &str) {
    let launch = Tool::with(Stdin::Silent).stdout(Stdout::File(stdout));
    let (mut tool, peer) = case.pair_with(launch, &[]);
    let sending = peer.send(pattern(MUCH, 38));
    let exit = tool.wait().expect(1);
    assert_eq!(exit.stderr, format!("fincat: cannot write standard output: {why}\n"));
    assert_eq!(peer.hear_out().1, Ending::Fin);
    sending.done().expect("fincat takes it, to drop it");
}

/// `> /dev/full`, or a full disk.
fn a_full_device_is_a_failure(case: Case) {
    let full = File::options().write(true).open("/dev/full").expect("/dev/full");
    fails_to_write(case, full, "no space left on device");
}

/// `1< file`.
fn what_cannot_be_written_is_no_output(case: Case) {
    let file = NamedTempFile::new().expect("a temporary file");
    fails_to_write(case, File::open(file.path()).expect("open it to read"), "bad file descriptor");
}

matrix!(one_shot over all:
    output_that_vanishes_takes_an_endless_input_along,
    output_that_vanishes_is_noticed_in_silence,
    output_to_a_socket_that_vanishes_is_noticed_in_silence,
    output_that_vanishes_with_bytes_on_their_way_is_a_loss,
    output_that_vanishes_when_all_is_done_is_none,
);

/// `yes | fincat connect ... | head -1` ends at once, as yes(1) itself would, and says nothing.
fn output_that_vanishes_takes_an_endless_input_along(case: Case) {
    let launch = Tool::with(Stdin::Endless(b"y\n".to_vec())).stdout(Stdout::Held);
    let (mut tool, peer) = case.pair_with(launch, &[]);
    peer.write("one line\n");
    let mut output = tool.take_stdout();
    assert_eq!(output.read(9), b"one line\n");
    drop(output);
    let heard = thread::spawn(move || peer.hear_out().1);
    let exit = tool.wait().expect_signal(Signal::PIPE);
    assert_eq!(exit.stderr, "");
    assert_eq!(heard.join().expect("a peer that hears"), Ending::Fin);
}

/// There is nothing to write, and nobody says anything.
fn output_that_vanishes_is_noticed_in_silence(case: Case) {
    let (mut tool, peer) = case.pair_with(Tool::with(Stdin::Silent).stdout(Stdout::Held), &[]);
    drop(tool.take_stdout());
    assert_eq!(peer.read_to_end(), b"");
    let exit = tool.wait().expect_signal(Signal::PIPE);
    assert_eq!(exit.stderr, "");
}

/// The same where standard output is a socket.
fn output_to_a_socket_that_vanishes_is_noticed_in_silence(case: Case) {
    let (ours, theirs) = UnixStream::pair().expect("a pair");
    let stdout = Stdout::File(File::from(OwnedFd::from(ours)));
    let (mut tool, peer) = case.pair_with(Tool::with(Stdin::Silent).stdout(stdout), &[]);
    drop(theirs);
    assert_eq!(peer.read_to_end(), b"");
    let exit = tool.wait().expect_signal(Signal::PIPE);
    assert_eq!(exit.stderr, "");
}

/// Our input had ended, but of what the peer has sent not all can be delivered.
fn output_that_vanishes_with_bytes_on_their_way_is_a_loss(case: Case) {
    let (stdout, mut theirs) = narrow();
    let (mut tool, peer) = case.pair_with(Tool::with(Stdin::Bytes(b"question".to_vec())).stdout(stdout), &[]);
    assert_eq!(peer.read_to_end(), b"question");
    peer.write(pattern(48 << 10, 37));
    peer.settle();
    theirs.read_exact(&mut [0]).expect("the first byte");
    drop(theirs);
    let exit = tool.wait().expect_signal(Signal::PIPE);
    assert_eq!(exit.stderr, "");
    // Rule 3: there was no RST, which would have left nothing to shut down.
    peer.shutdown();
}

/// Our input had ended, the peer has it all, and all it said is delivered: nothing is lost.
fn output_that_vanishes_when_all_is_done_is_none(case: Case) {
    let launch = Tool::with(Stdin::Bytes(b"question".to_vec())).stdout(Stdout::Held);
    let (mut tool, peer) = case.pair_with(launch, &[]);
    assert_eq!(peer.read_to_end(), b"question");
    peer.write("answer");
    let mut output = tool.take_stdout();
    assert_eq!(output.read(6), b"answer");
    drop(output);
    let exit = tool.wait().expect(0);
    assert_eq!(exit.stderr, "");
}

matrix!(served over all: a_server_whose_output_is_gone_stops);

/// Rule 5 for servers: nobody would hear the next peer.
fn a_server_whose_output_is_gone_stops(case: Case) {
    let mut tool = case.serve(Tool::with(Stdin::Null).stdout(Stdout::Held), &["--recv-only"]);
    let peer = case.meet(&tool);
    peer.write("one line\n");
    let mut output = tool.take_stdout();
    assert_eq!(output.read(9), b"one line\n");
    drop(output);
    assert_eq!(peer.read_to_end(), b"");
    let exit = tool.wait();
    assert_eq!(exit.stderr, "", "it ends quietly");
}

/// What is open as 0, 1 and 2 of a child, kept here to be looked at.
struct Shared {
    kind: &'static str,
    stdin: File,
    stdout: File,
}

impl Shared {
    fn flags(&self) -> [OFlags; 2] {
        [self.stdin.as_fd(), self.stdout.as_fd()].map(|fd| fcntl_getfl(fd).expect("F_GETFL"))
    }

    fn pipes() -> (Self, Vec<OwnedFd>) {
        let (stdin, feed) = pipe_with(PipeFlags::CLOEXEC).expect("a pipe");
        let (reader, stdout) = pipe_with(PipeFlags::CLOEXEC).expect("a pipe");
        (Self { kind: "pipes", stdin: stdin.into(), stdout: stdout.into() }, vec![feed, reader])
    }

    fn fifos() -> (Self, Vec<OwnedFd>) {
        let ((stdin, feed), (reader, stdout)) = (fifo(), fifo());
        (Self { kind: "FIFOs", stdin, stdout }, vec![feed.into(), reader.into()])
    }

    fn socket() -> (Self, Vec<OwnedFd>) {
        let (ours, theirs) = UnixStream::pair().expect("a pair");
        let ours = File::from(OwnedFd::from(ours));
        let stdin = ours.try_clone().expect("a second descriptor");
        (Self { kind: "a socket", stdin, stdout: ours }, vec![theirs.into()])
    }
}

/// Descriptors 0, 1 and 2 belong to the shell too: before, during and after, F_GETFL says the same.
fn flags_are_left_alone(case: Case) {
    let terminal = Terminal::open();
    let tty = Shared { kind: "a terminal", stdin: terminal.line(), stdout: terminal.line() };
    for (shared, far_ends) in [Shared::pipes(), Shared::fifos(), Shared::socket(), (tty, vec![])] {
        let before = shared.flags();
        let copy = |file: &File| file.try_clone().expect("a second descriptor");
        let launch = Launch::new().stdin(Stdin::File(copy(&shared.stdin))).stdout(Stdout::File(copy(&shared.stdout)));
        let (mut tool, peer) = case.pair_with(launch.setup("exec 2>&1"), &["-vv"]);
        match far_ends.first() {
            Some(feed) => File::from(feed.try_clone().expect("a copy")).write_all(b"hello\n").expect("write"),
            None => terminal.press("hello\n"),
        }
        assert_eq!(peer.read(6), b"hello\n", "{}", shared.kind);
        assert_eq!(shared.flags(), before, "{} while bytes go out", shared.kind);
        peer.write("reply");
        peer.hears_nothing_for(Duration::from_millis(100));
        assert_eq!(shared.flags(), before, "{} when bytes have come in", shared.kind);
        peer.reset();
        tool.wait().expect(7);
        assert_eq!(shared.flags(), before, "{} after the end", shared.kind);
    }
}

matrix!(one_shot: flags_are_left_alone);
