//! Who stands around a relay: the peer, whoever feeds standard input, whoever reads standard output, all in one thread
//! and without ever waiting. It remembers what each was given, to the byte; what must become of it is not its business.

use std::fs::File;
use std::io;
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::sync::OnceLock;

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, Shutdown, sockopt};

use super::schedule::{Input, Output, Peer, Setup};
use crate::pattern::pattern;

/// The most that is said in either direction.
const MOST: usize = 2 << 20;

/// What was said by one, and how much of it has been heard by the other.
#[derive(Debug, Default)]
pub(super) struct Line {
    pub(super) said: Vec<u8>,
    pub(super) heard: usize,
    /// Bytes ever said, those that were stolen too.
    at: usize,
}

impl Line {
    fn next(&self, most: usize, seed: u64) -> &'static [u8] {
        static PATTERNS: OnceLock<[Vec<u8>; 2]> = OnceLock::new();
        let all = &PATTERNS.get_or_init(|| [pattern(MOST, 1), pattern(MOST, 2)])[usize::from(seed == 2)];
        &all[self.at..(self.at + most).min(all.len())]
    }

    fn say(&mut self, bytes: &[u8]) {
        self.said.extend_from_slice(bytes);
        self.at += bytes.len();
    }

    /// Every byte once and in order.
    fn hear(&mut self, bytes: &[u8], who: &str) -> Result<(), String> {
        let expected = self.said.get(self.heard..self.heard + bytes.len());
        if expected != Some(bytes) {
            return Err(format!(
                "{who} got {} bytes at {} that are not those that were sent there ({} in all)",
                bytes.len(),
                self.heard,
                self.said.len()
            ));
        }
        self.heard += bytes.len();
        Ok(())
    }

    pub(super) fn is_heard(&self) -> bool {
        self.heard == self.said.len()
    }
}

/// The stage.
#[derive(Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is something by itself")]
pub(super) struct Stage {
    pub(super) setup: Setup,
    pub(super) peer: Option<OwnedFd>,
    pub(super) input: Option<OwnedFd>,
    pub(super) output: Option<OwnedFd>,
    file: Option<File>,
    /// From standard input to the peer.
    pub(super) out: Line,
    /// From the peer to standard output, or back to itself.
    pub(super) back: Line,
    pub(super) has_finished: bool,
    /// The peer has read our FIN.
    pub(super) peer_eof: bool,
    /// Reading the peer's socket failed.
    pub(super) peer_cut: bool,
    /// Whoever reads standard output has read its end.
    pub(super) output_eof: bool,
}

/// The two sockets of a connection: the peer's, ours.
pub(super) fn join(setup: &Setup) -> (OwnedFd, OwnedFd) {
    static LISTENER: OnceLock<TcpListener> = OnceLock::new();
    let (peer, ours): (OwnedFd, OwnedFd) = match setup.peer {
        Peer::Unix => UnixStream::pair().map(|(a, b)| (a.into(), b.into())).expect("a pair"),
        Peer::Tcp => {
            let listener = LISTENER.get_or_init(|| TcpListener::bind("127.0.0.1:0").expect("a port"));
            let ours = TcpStream::connect(listener.local_addr().expect("an address")).expect("a connection");
            ours.set_nodelay(true).expect("an option");
            let peer = listener.accept().expect("a connection").0;
            peer.set_nodelay(true).expect("an option");
            (peer.into(), ours.into())
        }
    };
    if setup.tight {
        // The peer says much at once, and we can pass on little of it.
        sockopt::set_socket_send_buffer_size(&ours, 1).expect("an option");
    }
    (peer, ours)
}

fn pipe(tight: bool) -> (OwnedFd, OwnedFd) {
    let (reader, writer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).expect("a pipe");
    if tight {
        rustix::pipe::fcntl_setpipe_size(&writer, 4096).expect("a small pipe");
    }
    (reader, writer)
}

fn do_not_wait(fd: &OwnedFd) {
    let flags = rustix::fs::fcntl_getfl(fd).expect("flags");
    rustix::fs::fcntl_setfl(fd, flags | rustix::fs::OFlags::NONBLOCK).expect("flags");
}

fn null() -> File {
    File::options().read(true).write(true).open("/dev/null").expect("/dev/null")
}

/// Nothing of the last conversation is left behind standard input and output.
pub(super) fn clear() {
    rustix::stdio::dup2_stdin(null()).expect("a place");
    rustix::stdio::dup2_stdout(null()).expect("a place");
}

impl Stage {
    /// Puts standard input and output in their places. `peer` is the peer's socket.
    pub(super) fn new(setup: Setup, peer: OwnedFd) -> Self {
        let mut stage = Self {
            setup,
            peer: Some(peer),
            input: None,
            output: None,
            file: None,
            out: Line::default(),
            back: Line::default(),
            has_finished: false,
            peer_eof: false,
            peer_cut: false,
            output_eof: false,
        };
        clear();
        stage.place_input();
        stage.place_output();
        stage
    }

    fn place_input(&mut self) {
        match self.setup.input {
            Input::Pipe => {
                let (reader, writer) = pipe(self.setup.tight);
                rustix::stdio::dup2_stdin(reader).expect("a place");
                self.input = Some(writer);
            }
            Input::Socket => {
                let (ours, theirs) = UnixStream::pair().expect("a pair");
                rustix::stdio::dup2_stdin(ours).expect("a place");
                self.input = Some(theirs.into());
            }
            Input::File(size) | Input::Text(size) => {
                let bytes = self.out.next(size, 1);
                self.out.say(bytes);
                if let Input::File(_) = self.setup.input {
                    let file = tempfile::tempfile().expect("a file");
                    file.write_all_at(bytes, 0).expect("room");
                    rustix::stdio::dup2_stdin(file).expect("a place");
                }
            }
            Input::Unread => {}
        }
        self.input.iter().for_each(do_not_wait);
    }

    fn place_output(&mut self) {
        match self.setup.output {
            Output::Pipe => {
                let (reader, writer) = pipe(self.setup.tight);
                rustix::stdio::dup2_stdout(writer).expect("a place");
                self.output = Some(reader);
            }
            Output::Socket => {
                let (ours, theirs) = UnixStream::pair().expect("a pair");
                rustix::stdio::dup2_stdout(ours).expect("a place");
                self.output = Some(theirs.into());
            }
            Output::File => {
                let file = tempfile::tempfile().expect("a file");
                rustix::stdio::dup2_stdout(&file).expect("a place");
                self.file = Some(file);
            }
            Output::Full => {
                let full = File::options().write(true).open("/dev/full").expect("/dev/full");
                rustix::stdio::dup2_stdout(full).expect("a place");
            }
            Output::Null | Output::Dropped | Output::Back => {}
        }
        self.output.iter().for_each(do_not_wait);
    }

    /// Feeds standard input; how many bytes it took.
    pub(super) fn feed(&mut self, most: usize) -> usize {
        let Some(input) = &self.input else { return 0 };
        let n = rustix::io::write(input, self.out.next(most, 1)).unwrap_or(0);
        let bytes = &self.out.next(most, 1)[..n];
        self.out.say(bytes);
        n
    }

    /// Somebody else who shares standard input reads some of it.
    pub(super) fn steal(&mut self, most: usize) {
        let (Input::Pipe | Input::Socket, Some(_)) = (self.setup.input, &self.input) else { return };
        let stdin = rustix::stdio::stdin();
        let waiting = usize::try_from(rustix::io::ioctl_fionread(stdin).unwrap_or(0)).unwrap_or(0);
        let mut bytes = vec![0; most.min(waiting)];
        if bytes.is_empty() {
            return;
        }
        let n = rustix::io::read(stdin, &mut bytes).unwrap_or(0);
        let at = self.out.said.len() - waiting;
        self.out.said.drain(at..at + n);
    }

    /// Reading standard input will fail after what it holds: who feeds it closes on unread bytes.
    pub(super) fn break_input(&mut self) {
        rustix::net::send(rustix::stdio::stdin(), b"unread", SendFlags::DONTWAIT).expect("room for six bytes");
        self.input = None;
    }

    /// The peer sends; how many bytes its socket took.
    pub(super) fn send(&mut self, most: usize) -> usize {
        let Some(peer) = self.peer.as_ref().filter(|_| !self.has_finished) else { return 0 };
        let bytes = self.back.next(most, 2);
        let n = rustix::net::send(peer, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL).unwrap_or(0);
        self.back.say(&bytes[..n]);
        n
    }

    /// The peer's FIN.
    pub(super) fn finish(&mut self) {
        self.has_finished = true;
        if let Some(peer) = &self.peer {
            let _ = rustix::net::shutdown(peer, Shutdown::Write);
        }
    }

    /// The peer reads at most so many bytes; how many came.
    pub(super) fn hear(&mut self, most: usize) -> Result<usize, String> {
        let echoes = self.setup.output == Output::Back;
        let line = if echoes { &mut self.back } else { &mut self.out };
        let mut heard = 0;
        let mut bytes = vec![0; most.min(64 << 10)];
        while let Some(peer) = self.peer.as_ref().filter(|_| heard < most && !self.peer_cut) {
            let n = match rustix::net::recv(peer, &mut bytes[..(most - heard).min(64 << 10)], RecvFlags::DONTWAIT) {
                Ok((0, _)) => {
                    self.peer_eof = true;
                    break;
                }
                Ok((n, _)) => n,
                Err(Errno::AGAIN | Errno::INTR) => break,
                Err(_) => {
                    self.peer_cut = true;
                    break;
                }
            };
            line.hear(&bytes[..n], "the peer")?;
            heard += n;
        }
        if let (Peer::Tcp, Some(peer)) = (self.setup.peer, &self.peer) {
            let _ = sockopt::set_tcp_quickack(peer, true);
        }
        Ok(heard)
    }

    /// At most so many bytes are read from standard output; how many came.
    pub(super) fn take(&mut self, most: usize) -> Result<usize, String> {
        let mut bytes = vec![0; most.min(64 << 10)];
        let mut taken = 0;
        while taken < most {
            let room = (most - taken).min(64 << 10);
            let n = match (&self.output, &self.file) {
                (Some(output), _) => match rustix::io::read(output, &mut bytes[..room]) {
                    Ok(0) => {
                        self.output_eof = true;
                        break;
                    }
                    Ok(n) => n,
                    Err(_) => break,
                },
                (None, Some(file)) => match file.read_at(&mut bytes[..room], self.back.heard as u64) {
                    Ok(n @ 1..) => n,
                    _ => break,
                },
                (None, None) => break,
            };
            self.back.hear(&bytes[..n], "standard output")?;
            taken += n;
        }
        Ok(taken)
    }

    /// Whether what comes from the peer can be seen again, to the byte.
    pub(super) fn shows(&self) -> bool {
        match self.setup.output {
            Output::Pipe | Output::Socket => self.output.is_some(),
            Output::File => true,
            Output::Back => self.peer.is_some(),
            Output::Null | Output::Full | Output::Dropped => false,
        }
    }

    /// What the peer has sent and our kernel has not got yet.
    pub(super) fn on_its_way(&self) -> usize {
        match (&self.peer, self.setup.peer) {
            (Some(peer), Peer::Tcp) => outstanding(peer.as_fd()),
            _ => 0,
        }
    }

    /// The peer closes; with `abort`, by RST where its transport knows that. What it read before is what it got.
    pub(super) fn leave(&mut self, abort: bool) -> io::Result<()> {
        if let Some(peer) = self.peer.take().filter(|_| abort && self.setup.peer == Peer::Tcp) {
            sockopt::set_socket_linger(peer, Some(std::time::Duration::ZERO))?;
        }
        Ok(())
    }
}

/// Bytes that a TCP socket has not seen acknowledged.
pub(super) fn outstanding(socket: BorrowedFd<'_>) -> usize {
    usize::try_from(fincat::sys::unacknowledged(socket)).unwrap_or(usize::MAX)
}

/// Bytes that wait to be read from a socket.
pub(super) fn waiting(socket: BorrowedFd<'_>) -> usize {
    usize::try_from(rustix::io::ioctl_fionread(socket).unwrap_or(0)).unwrap_or(0)
}
