//! The bytes that are moved and the cheap ends that move them: patterns, sources, sinks, echoes.
//! Nothing is timed here.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddrV4, TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::fs::sendfile;
use rustix::net::sockopt::{set_socket_reuseaddr, set_tcp_congestion};
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, bind, connect, recv, socket_with};

use crate::child::is_readable_within;
use crate::rounds::Failure;

/// How long anything may stand still.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// No power of two, so that a block that is lost, doubled or swapped does not look right.
const PERIOD: usize = 1_048_573;
/// What a source writes at once.
const PIECE: usize = 64 << 10;

/// Bytes that tell where they belong.
pub(crate) struct Pattern(Vec<u8>);

impl Pattern {
    pub(crate) fn new() -> Self {
        let mut state = 0x9e37_79b9_u32;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            state.to_le_bytes()[0]
        };
        let mut bytes: Vec<u8> = (0..PERIOD).map(|_| next()).collect();
        bytes.extend_from_within(..PIECE);
        Self(bytes)
    }

    /// At most [`PIECE`] bytes from `offset` on.
    fn at(&self, offset: u64, length: usize) -> &[u8] {
        let start = usize::try_from(offset % PERIOD as u64).expect("less than the period");
        &self.0[start..start + length]
    }

    /// Writes `size` bytes.
    pub(crate) fn write_to(&self, mut sink: impl Write, size: u64) -> io::Result<()> {
        let mut offset = 0;
        while offset < size {
            let length = PIECE.min(usize::try_from(size - offset).unwrap_or(PIECE));
            sink.write_all(self.at(offset, length))?;
            offset += length as u64;
        }
        Ok(())
    }

    /// Reads to the end and counts; every byte has to be the one of the pattern.
    pub(crate) fn compare(&self, mut source: impl Read) -> Result<u64, Failure> {
        let (mut buffer, mut offset) = (vec![0; PIECE], 0);
        loop {
            let length = source.read(&mut buffer)?;
            if length == 0 {
                return Ok(offset);
            }
            if buffer[..length] != *self.at(offset, length) {
                return Err(Failure::Broken(format!("other bytes than were sent, after {offset} good ones")));
            }
            offset += length as u64;
        }
    }
}

/// Reads to the end and counts.
pub(crate) fn count(mut source: impl Read) -> io::Result<u64> {
    let (mut buffer, mut total) = (vec![0; 128 << 10], 0);
    loop {
        match source.read(&mut buffer)? {
            0 => return Ok(total),
            length => total += length as u64,
        }
    }
}

/// Counts to the end of a TCP stream without copying anything: the kernel drops what it would have to truncate.
pub(crate) fn discard(stream: &TcpStream) -> io::Result<u64> {
    let (mut buffer, mut total) = (vec![0; 4 << 20], 0);
    loop {
        match recv(stream, &mut buffer[..], RecvFlags::TRUNC)?.1 {
            0 => return Ok(total),
            length => total += length as u64,
        }
    }
}

/// Sends a file from its present position to its end; then half-closes.
pub(crate) fn send_file(stream: &TcpStream, file: &File, size: u64) -> io::Result<()> {
    let mut offset = 0;
    while offset < size {
        if sendfile(stream, file, Some(&mut offset), 1 << 20)? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(())
}

/// A file without a name, in memory where there is a place for that.
pub(crate) fn unnamed_file() -> io::Result<File> {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempfile_in(memory) } else { tempfile::tempfile() }
}

/// `size` bytes of the pattern in a file without a name.
pub(crate) fn file_of_pattern(size: u64) -> io::Result<File> {
    let file = unnamed_file()?;
    Pattern::new().write_to(&file, size)?;
    Ok(file)
}

/// The same file with a position of its own.
pub(crate) fn reopen(file: &File) -> io::Result<File> {
    File::open(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

/// A listener of ours; the kernel picks the port.
pub(crate) fn listen() -> io::Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
}

/// A port that was free a moment ago, for a tool that wants to be told one.
pub(crate) fn free_port() -> io::Result<u16> {
    listen()?.local_addr().map(|address| address.port())
}

/// The next peer of `listener`, which has to come in time.
pub(crate) fn accept(listener: &TcpListener) -> io::Result<TcpStream> {
    if !is_readable_within(listener, PATIENCE) {
        return Err(io::Error::new(ErrorKind::TimedOut, "nobody connected"));
    }
    let stream = listener.accept()?.0;
    limit(&stream)?;
    Ok(stream)
}

/// Nothing on `stream` blocks for ever.
fn limit(stream: &TcpStream) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))
}

/// A connection to one of our tools.
pub(crate) fn dial(port: u16) -> io::Result<TcpStream> {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    limit(&stream)?;
    Ok(stream)
}

/// Whether a socket of ours may ask for that congestion control.
pub(crate) fn may_use(congestion: &str) -> bool {
    let socket = socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None);
    socket.is_ok_and(|socket| set_tcp_congestion(&socket, congestion).is_ok())
}

/// Connections from ever other addresses of 127.1.0.0/16: TIME-WAIT would use up the ports of a single one.
#[derive(Default)]
pub(crate) struct Dialler(AtomicU32);

impl Dialler {
    pub(crate) fn dial(&self, port: u16) -> io::Result<TcpStream> {
        let [_, _, high, low] = (2 + self.0.fetch_add(1, Ordering::Relaxed) % 60_000).to_be_bytes();
        let socket: OwnedFd = socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
        // Else what is in TIME-WAIT would keep its port from tools that want it at every address.
        set_socket_reuseaddr(&socket, true)?;
        bind(socket.as_fd(), &SocketAddrV4::new(Ipv4Addr::new(127, 1, high, low), 0))?;
        connect(socket.as_fd(), &SocketAddrV4::new(Ipv4Addr::LOCALHOST, port))?;
        let stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.set_write_timeout(Some(Duration::from_secs(5)))?;
        Ok(stream)
    }
}

/// An echo server of threads that all wait in accept.
pub(crate) struct Echo {
    pub(crate) port: u16,
    is_over: Arc<AtomicBool>,
    workers: Vec<JoinHandle<()>>,
}

impl Echo {
    pub(crate) fn start(workers: usize) -> io::Result<Self> {
        let listener = listen()?;
        let port = listener.local_addr()?.port();
        let is_over = Arc::new(AtomicBool::new(false));
        let worker = || {
            let (listener, is_over) = (listener.try_clone()?, Arc::clone(&is_over));
            Ok(thread::spawn(move || {
                while let Ok((stream, _)) = listener.accept() {
                    if is_over.load(Ordering::Acquire) {
                        break;
                    }
                    // A peer that breaks off is its own business.
                    let _ = return_everything(stream);
                }
            }))
        };
        let workers = (0..workers).map(|_| worker()).collect::<io::Result<_>>()?;
        Ok(Self { port, is_over, workers })
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Release);
        // Whoever wakes up takes one; all of them have to be there before anybody is waited for.
        let woken = self.workers.iter().filter(|_| dial(self.port).is_ok()).count();
        if woken == self.workers.len() {
            for worker in self.workers.drain(..) {
                let _ = worker.join();
            }
        }
    }
}

fn return_everything(mut stream: TcpStream) -> io::Result<()> {
    limit(&stream)?;
    let mut buffer = [0; 8 << 10];
    loop {
        match stream.read(&mut buffer)? {
            0 => return stream.shutdown(Shutdown::Write),
            length => stream.write_all(&buffer[..length])?,
        }
    }
}
