//! The other ends of fincat's conversations: std's sockets with deadlines, Python's, and other
//! people's tools; never fincat itself, whose errors would meet their mirror image.

use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use socket2::{Domain, SockRef, Socket, Type};

use crate::capture::{DEADLINE, deadline, readable_by};
use crate::launch::{Launch, Stdin};
use crate::process::Process;

/// A peer that waits to be connected to.
pub(crate) enum PeerListener {
    /// On a free port of 127.0.0.1.
    Tcp(TcpListener),
}

impl PeerListener {
    /// Listens on a free port of 127.0.0.1.
    #[track_caller]
    pub(crate) fn tcp() -> Self {
        Self::Tcp(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("bind a free port"))
    }

    /// Where it listens.
    #[track_caller]
    pub(crate) fn addr(&self) -> SocketAddr {
        let Self::Tcp(listener) = self;
        listener.local_addr().expect("a bound socket has an address")
    }

    /// Waits for a connection.
    #[track_caller]
    pub(crate) fn accept(&self) -> PeerStream {
        let Self::Tcp(listener) = self;
        assert!(readable_by(listener, deadline()), "nobody has connected");
        PeerStream::Tcp(listener.accept().expect("accept").0)
    }
}

/// How a peer's conversation ended, as the peer saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// An end in order: what was sent has arrived.
    Fin,
    /// ECONNRESET.
    Reset,
}

/// The peer's end of a conversation. Every read and write has a deadline; dropping it closes it.
pub(crate) enum PeerStream {
    /// A TCP connection.
    Tcp(TcpStream),
}

impl PeerStream {
    /// Connects to `addr`.
    #[track_caller]
    pub(crate) fn tcp(addr: SocketAddr) -> Self {
        Self::Tcp(TcpStream::connect_timeout(&addr, DEADLINE).expect("connect to fincat"))
    }

    /// Connects to `addr` from `source`, such as another address of 127.0.0.0/8.
    #[track_caller]
    pub(crate) fn tcp_from(source: impl Into<IpAddr>, addr: SocketAddr) -> Self {
        let socket = Socket::new(Domain::for_address(addr), Type::STREAM, None).expect("a socket");
        socket.bind(&SocketAddr::new(source.into(), 0).into()).expect("bind");
        socket.connect_timeout(&addr.into(), DEADLINE).expect("connect to fincat");
        Self::Tcp(socket.into())
    }

    /// Its own address and fincat's.
    #[track_caller]
    pub(crate) fn addrs(&self) -> (SocketAddr, SocketAddr) {
        let Self::Tcp(stream) = self;
        let (local, remote) = (stream.local_addr(), stream.peer_addr());
        (local.expect("a local address"), remote.expect("a peer"))
    }

    /// The one place that knows the families apart.
    fn socket(&self) -> SockRef<'_> {
        match self {
            Self::Tcp(stream) => SockRef::from(stream),
        }
    }

    /// Reads exactly `count` bytes.
    #[track_caller]
    pub(crate) fn read(&self, count: usize) -> Vec<u8> {
        let (bytes, ending) = self.read_up_to(count, deadline());
        let got = bytes.len();
        assert_eq!(got, count, "the peer reads until {ending:?}");
        bytes
    }

    /// Reads one byte; `None` at the end, whichever it is.
    #[track_caller]
    pub(crate) fn first_byte(&self) -> Option<u8> {
        self.read_up_to(1, deadline()).0.first().copied()
    }

    /// Reads to the end, which must be an end in order.
    ///
    /// ```ignore
    /// assert_same(&peer.read_to_end(), &pattern(4 << 20, 1));
    /// ```
    #[track_caller]
    pub(crate) fn read_to_end(&self) -> Vec<u8> {
        let (bytes, ending) = self.hear_out();
        assert_eq!(ending, Ending::Fin, "after {} bytes", bytes.len());
        bytes
    }

    /// Reads to the end, whichever it is.
    #[track_caller]
    pub(crate) fn hear_out(&self) -> (Vec<u8>, Ending) {
        let (bytes, ending) = self.read_up_to(usize::MAX, deadline());
        (bytes, ending.expect("only an end stops an unlimited read"))
    }

    /// Demands that for `time` neither a byte nor an end arrives.
    #[track_caller]
    pub(crate) fn hears_nothing_for(&self, time: Duration) {
        let socket = self.socket();
        let quiet = !readable_by(&*socket, Instant::now() + time);
        assert!(quiet, "the peer expected {time:?} of silence");
    }

    #[track_caller]
    fn read_up_to(&self, count: usize, deadline: Instant) -> (Vec<u8>, Option<Ending>) {
        let socket = self.socket();
        let (mut bytes, mut buffer) = (Vec::new(), vec![0; 64 * 1024]);
        while bytes.len() < count {
            let ready = readable_by(&*socket, deadline);
            assert!(ready, "the peer has {} bytes, and no more come", bytes.len());
            let room = buffer.len().min(count - bytes.len());
            match (&*socket).read(&mut buffer[..room]) {
                Ok(0) => return (bytes, Some(Ending::Fin)),
                Ok(n) => bytes.extend_from_slice(&buffer[..n]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::ConnectionReset => {
                    return (bytes, Some(Ending::Reset));
                }
                Err(error) => panic!("the peer cannot read: {error}"),
            }
        }
        (bytes, None)
    }

    /// Writes all of `bytes`, which must be few enough to need no reader at the other end.
    #[track_caller]
    pub(crate) fn write(&self, bytes: impl AsRef<[u8]>) {
        let socket = self.socket();
        socket.set_write_timeout(Some(DEADLINE)).expect("a timeout");
        let written = (&*socket).write_all(bytes.as_ref());
        written.expect("the peer cannot write");
    }

    /// Writes all of `bytes` in the background; [`Sending::done`] waits for it. The connection is
    /// not closed before that thread has ended.
    #[track_caller]
    pub(crate) fn send(&self, bytes: Vec<u8>) -> Sending {
        let socket = self.socket().try_clone().expect("a second descriptor");
        socket.set_write_timeout(Some(DEADLINE)).expect("a timeout");
        let (report, result) = mpsc::channel();
        thread::spawn(move || {
            let _ = report.send((&socket).write_all(&bytes));
        });
        Sending(result)
    }

    /// Ends our direction: FIN.
    #[track_caller]
    pub(crate) fn shutdown(&self) {
        self.socket().shutdown(Shutdown::Write).expect("shutdown");
    }

    /// Aborts the connection with RST. What fincat's kernel has not acknowledged is lost: see
    /// [`PeerStream::settle`].
    #[track_caller]
    pub(crate) fn reset(self) {
        let linger = self.socket().set_linger(Some(Duration::ZERO));
        linger.expect("SO_LINGER");
    }

    /// Waits until all that was written, FIN included, is acknowledged by fincat's kernel.
    #[track_caller]
    pub(crate) fn settle(&self) {
        let (local, peer) = self.addrs();
        let deadline = deadline();
        // The kernel wakes nobody for an acknowledgement: this is the one state that is sampled.
        while unacknowledged(local, peer) > 0 {
            assert!(Instant::now() < deadline, "fincat's kernel takes no more");
            thread::sleep(Duration::from_millis(1));
        }
    }
}

/// What /proc/net/tcp calls tx_queue: written here and not acknowledged there.
fn unacknowledged(local: SocketAddr, peer: SocketAddr) -> u64 {
    let ports = (format!(":{:04X}", local.port()), format!(":{:04X}", peer.port()));
    let table = if local.is_ipv4() { "tcp" } else { "tcp6" };
    let table = fs::read_to_string(format!("/proc/net/{table}")).expect("read /proc/net");
    let queue = table.lines().find_map(|line| {
        let mut fields = line.split_ascii_whitespace().skip(1);
        let ours = fields.next()?.ends_with(&ports.0) && fields.next()?.ends_with(&ports.1);
        let (sending, _) = fields.nth(1)?.split_once(':')?;
        ours.then(|| u64::from_str_radix(sending, 16).expect("a hexadecimal number"))
    });
    queue.unwrap_or(0)
}

/// A write that goes on in the background.
#[must_use]
pub(crate) struct Sending(Receiver<io::Result<()>>);

impl Sending {
    /// Waits for it, and tells whether all could be written.
    #[track_caller]
    pub(crate) fn done(self) -> io::Result<()> {
        let result = self.0.recv_timeout(DEADLINE);
        result.expect("the peer cannot write any more")
    }
}

/// Lets `time` pass where silence itself is what the test is about; never to wait for something.
pub(crate) fn silence(time: Duration) {
    thread::sleep(time);
}

/// Where `program` is, or `None` and one line that says so, past libtest's capture.
///
/// ```ignore
/// let Some(socat) = external("socat") else { return };
/// let mut socat = Launch::new().start(socat, ["-", "TCP:127.0.0.1:9"]);
/// ```
pub(crate) fn external(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut candidates = std::env::split_paths(&path).map(|folder| folder.join(program));
    let found = candidates.find(|candidate| candidate.is_file());
    if found.is_none() {
        let name = thread::current();
        let test = name.name().unwrap_or("a test");
        let _ = writeln!(io::stderr(), "{test}: skipped: {program} is not installed");
    }
    found
}

/// Python 3 as a peer: its `socket` and its `socketserver`.
pub(crate) struct Python;

impl Python {
    /// Starts `python3 -u -c SCRIPT ARGS...`, or returns `None` where there is none. Its standard
    /// input is an open pipe. By custom its first line of output is the port it listens on.
    ///
    /// ```ignore
    /// let Some(server) = Python::run(SERVER, &[]) else { return };
    /// let mut tool = Tool::connect(Python::addr(&server), ["-v"]);
    /// ```
    #[track_caller]
    pub(crate) fn run(script: &str, args: &[&str]) -> Option<Process> {
        let python = external("python3")?;
        let line = ["-u", "-c", script].into_iter().chain(args.iter().copied());
        Some(Launch::new().stdin(Stdin::Pipe).start(python, line))
    }

    /// 127.0.0.1 and the port that `server` has printed as its first line.
    #[track_caller]
    pub(crate) fn addr(server: &Process) -> SocketAddr {
        let line = server.wait_stdout_line(1);
        let port: u16 = line.trim().parse().expect("a port as the first line");
        SocketAddr::from((Ipv4Addr::LOCALHOST, port))
    }
}
