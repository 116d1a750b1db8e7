//! The other ends of fincat's conversations: std's sockets with deadlines, Python's, and other
//! people's tools; never fincat itself, whose errors would meet their mirror image.

use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::mem::{self, MaybeUninit};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use socket2::{Domain, SockAddr, Socket, Type};
use tempfile::TempDir;

use crate::capture::{DEADLINE, again, deadline, readable_by};
use crate::launch::{Launch, Stdin};
use crate::process::Process;

/// A peer that waits to be connected to.
pub(crate) struct PeerListener {
    socket: Socket,
    kind: Type,
    /// Where its path lies, if it has one; removed with it.
    folder: Option<TempDir>,
}

impl PeerListener {
    /// Listens on a free port of 127.0.0.1.
    #[track_caller]
    pub(crate) fn tcp() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("bind a free port");
        Self { socket: listener.into(), kind: Type::STREAM, folder: None }
    }

    /// Listens on a path of its own, with a unix socket of this type.
    #[track_caller]
    pub(crate) fn unix(kind: Type) -> Self {
        let folder = TempDir::new().expect("a folder for the socket");
        let socket = Socket::new(Domain::UNIX, kind, None).expect("a socket");
        socket.bind(&SockAddr::unix(folder.path().join("peer")).expect("a short path")).expect("bind");
        socket.listen(128).expect("listen");
        Self { socket, kind, folder: Some(folder) }
    }

    /// Where it listens.
    #[track_caller]
    pub(crate) fn addr(&self) -> SocketAddr {
        inet(self.socket.local_addr())
    }

    /// The path it listens at.
    #[track_caller]
    pub(crate) fn path(&self) -> String {
        let folder = self.folder.as_ref().expect("it is a unix socket");
        folder.path().join("peer").to_str().expect("a path in UTF-8").to_owned()
    }

    /// Waits for a connection.
    #[track_caller]
    pub(crate) fn accept(&self) -> PeerStream {
        assert!(readable_by(&self.socket, deadline()), "nobody has connected");
        PeerStream::new(self.socket.accept().expect("accept").0, self.kind)
    }

    /// Whether somebody has connected and waits to be accepted.
    pub(crate) fn is_wanted(&self) -> bool {
        readable_by(&self.socket, Instant::now())
    }
}

/// The address of a TCP socket.
#[track_caller]
fn inet(addr: io::Result<SockAddr>) -> SocketAddr {
    addr.expect("a socket with an address").as_socket().expect("an address of TCP")
}

/// How a peer's conversation ended, as the peer saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// An end in order: what was sent has arrived.
    Fin,
    /// ECONNRESET.
    Reset,
}

/// The largest packet that a peer of type seqpacket sends.
const PACKET: usize = 32 << 10;

/// The peer's end of a conversation. Every read and write has a deadline; dropping it closes it.
pub(crate) struct PeerStream {
    socket: Socket,
    /// Each write is a packet, and each read takes a whole one.
    packets: bool,
    /// What is left of a packet of which less was asked for.
    rest: Mutex<Vec<u8>>,
}

impl PeerStream {
    fn new(socket: Socket, kind: Type) -> Self {
        Self { socket, packets: kind == Type::SEQPACKET, rest: Mutex::default() }
    }

    /// Connects to `addr`.
    #[track_caller]
    pub(crate) fn tcp(addr: SocketAddr) -> Self {
        Self::new(TcpStream::connect_timeout(&addr, DEADLINE).expect("connect to fincat").into(), Type::STREAM)
    }

    /// Connects to `addr` and reads to the end. An RST may come before our own connect(2) has returned, and is its failure
    /// then.
    #[track_caller]
    pub(crate) fn tcp_heard_out(addr: SocketAddr) -> (Vec<u8>, Ending) {
        match TcpStream::connect_timeout(&addr, DEADLINE) {
            Err(error) if error.kind() == ErrorKind::ConnectionReset => (Vec::new(), Ending::Reset),
            connected => Self::new(connected.expect("connect to fincat").into(), Type::STREAM).hear_out(),
        }
    }

    /// Connects to `addr` from `source`, such as another address of 127.0.0.0/8.
    #[track_caller]
    pub(crate) fn tcp_from(source: impl Into<IpAddr>, addr: SocketAddr) -> Self {
        let socket = Socket::new(Domain::for_address(addr), Type::STREAM, None).expect("a socket");
        socket.bind(&SocketAddr::new(source.into(), 0).into()).expect("bind");
        socket.connect_timeout(&addr.into(), DEADLINE).expect("connect to fincat");
        Self::new(socket, Type::STREAM)
    }

    /// Connects to a path, or to an abstract `@name`, with a unix socket of this type.
    #[track_caller]
    pub(crate) fn unix(path: impl AsRef<Path>, kind: Type) -> Self {
        let socket = Socket::new(Domain::UNIX, kind, None).expect("a socket");
        // A full backlog makes connect(2) wait, for as long as writing may take.
        socket.set_write_timeout(Some(DEADLINE)).expect("a timeout");
        socket.connect(&unix_address(path.as_ref())).expect("connect to fincat");
        Self::new(socket, kind)
    }

    /// Its own address and fincat's.
    #[track_caller]
    pub(crate) fn addrs(&self) -> (SocketAddr, SocketAddr) {
        (inet(self.socket.local_addr()), inet(self.socket.peer_addr()))
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
        assert_eq!(*self.rest.lock().unwrap(), b"", "the peer expected silence");
        let quiet = !readable_by(&self.socket, Instant::now() + time);
        assert!(quiet, "the peer expected {time:?} of silence");
    }

    /// Waits until `count` bytes have come, and reads none of them.
    #[track_caller]
    pub(crate) fn hears_nothing_until_it_has(&self, count: usize) {
        let (mut buffer, deadline) = (vec![MaybeUninit::uninit(); count], deadline());
        while self.socket.peek(&mut buffer).expect("peek") < count {
            assert!(Instant::now() < deadline, "{count} bytes never came");
            thread::sleep(Duration::from_millis(1));
        }
    }

    #[track_caller]
    fn read_up_to(&self, count: usize, deadline: Instant) -> (Vec<u8>, Option<Ending>) {
        let mut rest = self.rest.lock().unwrap();
        let (mut bytes, mut buffer) = (mem::take(&mut *rest), vec![0; 64 * 1024]);
        while bytes.len() < count {
            let ready = readable_by(&self.socket, deadline);
            assert!(ready, "the peer has {} bytes, and no more come", bytes.len());
            let room = if self.packets { buffer.len() } else { buffer.len().min(count - bytes.len()) };
            match again(|| (&self.socket).read(&mut buffer[..room])) {
                Ok(0) => return (bytes, Some(Ending::Fin)),
                Ok(n) => bytes.extend_from_slice(&buffer[..n]),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => {
                    return (bytes, Some(Ending::Reset));
                }
                Err(error) => panic!("the peer cannot read: {error}"),
            }
        }
        *rest = bytes.split_off(count);
        (bytes, None)
    }

    /// Reads to the end, and tells how many bytes the largest packet had, or the largest read of a stream.
    #[track_caller]
    pub(crate) fn largest_packet(&self) -> usize {
        let (mut buffer, deadline, mut largest) = (vec![0; 256 << 10], deadline(), 0);
        loop {
            assert!(readable_by(&self.socket, deadline), "no more packets, and no end");
            match (&self.socket).read(&mut buffer).expect("the peer reads") {
                0 => return largest,
                count => largest = largest.max(count),
            }
        }
    }

    /// Writes all of `bytes`, which must be few enough to need no reader at the other end.
    #[track_caller]
    pub(crate) fn write(&self, bytes: impl AsRef<[u8]>) {
        self.socket.set_write_timeout(Some(DEADLINE)).expect("a timeout");
        let written = write_all(&self.socket, bytes.as_ref(), self.packets);
        written.expect("the peer cannot write");
    }

    /// Writes all of `bytes` in the background; [`Sending::done`] waits for it. The connection is
    /// not closed before that thread has ended.
    #[track_caller]
    pub(crate) fn send(&self, bytes: Vec<u8>) -> Sending {
        let socket = self.socket.try_clone().expect("a second descriptor");
        socket.set_write_timeout(Some(DEADLINE)).expect("a timeout");
        let (report, result) = mpsc::channel();
        let packets = self.packets;
        thread::spawn(move || {
            let _ = report.send(write_all(&socket, &bytes, packets));
        });
        Sending(result)
    }

    /// Takes little before it is read: at most some 128 KiB of TCP's, so that it is fincat's end that fills.
    #[track_caller]
    pub(crate) fn narrow(&self) {
        self.socket.set_recv_buffer_size(64 << 10).expect("SO_RCVBUF");
    }

    /// Ends our direction: FIN.
    #[track_caller]
    pub(crate) fn shutdown(&self) {
        self.socket.shutdown(Shutdown::Write).expect("shutdown");
    }

    /// Aborts the connection with RST. What fincat's kernel has not acknowledged is lost: see
    /// [`PeerStream::settle`].
    #[track_caller]
    pub(crate) fn reset(self) {
        let linger = self.socket.set_linger(Some(Duration::ZERO));
        linger.expect("SO_LINGER");
    }

    /// Waits until all that was written, FIN included, is acknowledged by fincat's kernel; between unix
    /// sockets it is there at once.
    #[track_caller]
    pub(crate) fn settle(&self) {
        if self.socket.domain().expect("a family") == Domain::UNIX {
            return;
        }
        let (local, peer) = self.addrs();
        let deadline = deadline();
        // The kernel wakes nobody for an acknowledgement: this is the one state that is sampled.
        while unacknowledged(local, peer) > 0 {
            assert!(Instant::now() < deadline, "fincat's kernel takes no more");
            thread::sleep(Duration::from_millis(1));
        }
    }
}

/// The address of a path, or of an abstract `@name`.
#[track_caller]
pub(crate) fn unix_address(path: &Path) -> SockAddr {
    let text = path.to_str().expect("a path in UTF-8");
    let named = text.strip_prefix('@').map(|name| PathBuf::from(format!("\0{name}")));
    SockAddr::unix(named.as_deref().unwrap_or(path)).expect("a short path")
}

fn write_all(mut socket: &Socket, bytes: &[u8], packets: bool) -> io::Result<()> {
    bytes.chunks(if packets { PACKET } else { usize::MAX }).try_for_each(|piece| socket.write_all(piece))
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
