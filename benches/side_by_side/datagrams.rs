//! Datagrams over loopback (row 6): an echo with a window of them outstanding, and standard input cut into them.
//! The figure of the sender is what arrives, not what it believes to have sent.

use std::io::{self, IoSlice};
use std::net::{Ipv4Addr, UdpSocket};
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use rustix::net::sockopt::{set_socket_recv_buffer_size, set_socket_recv_buffer_size_force};
use rustix::net::{MMsgHdr, SendAncillaryBuffer, SendFlags, sendmmsg};

use crate::bulk::silence;
use crate::child::{Tool, is_readable_within};
use crate::contenders::{Contender, Part, Place};
use crate::readiness;
use crate::rounds::{Bench, Failure, Sample};
use crate::rows::Figure;
use crate::traffic::Pattern;

const WINDOW: usize = 32;
const COUNT: usize = 100_000;
/// An echo's datagrams.
const MESSAGE: [u8; 64] = [b'd'; 64];

/// Keeps up to [`WINDOW`] datagrams outstanding; what is missing after 20 ms of silence is lost.
pub(crate) fn echo(bench: &Bench, who: Contender) -> Result<Sample, Failure> {
    let place = Place { port: free_port()?, ..Place::default() };
    let words = bench.command(who, Part::DatagramEcho, &place)?;
    let (stdin, _open) = silence()?;
    let mut tool = Tool::start(&words, stdin, Stdio::null())?;
    readiness::wait_for_datagrams(&mut tool, place.port)?;
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    socket.connect((Ipv4Addr::LOCALHOST, place.port))?;
    socket.set_nonblocking(true)?;
    let (count, began) = (bench.scaled(COUNT), Instant::now());
    let (mut sent, mut got, mut lost, mut odd) = (0, 0, 0, 0);
    let mut buffer = [0; 2048];
    while got + lost < count && began.elapsed() < Duration::from_secs(3) {
        let outstanding = sent - got - lost;
        if sent < count && outstanding <= WINDOW / 2 {
            sent += send_some(&socket, (WINDOW - outstanding).min(count - sent))?;
            continue;
        }
        match socket.recv(&mut buffer) {
            Ok(length) => {
                odd += usize::from(buffer[..length] != MESSAGE);
                got += 1;
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if !is_readable_within(&socket, Duration::from_millis(20)) {
                    lost += sent - got - lost;
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
    if odd > 0 {
        return Err(Failure::Broken(format!("{odd} of {got} answers were not what was sent")));
    }
    let rate = got as f64 / began.elapsed().as_secs_f64();
    Ok(Sample::from([(Figure::DatagramRate, rate), (Figure::Lost, (sent - got) as f64), (Figure::TooLarge, 0.0)]))
}

/// Sends `count` messages by one system call.
fn send_some(socket: &UdpSocket, count: usize) -> Result<usize, Failure> {
    let message = [IoSlice::new(&MESSAGE)];
    let mut nothing: [SendAncillaryBuffer<'_, '_, '_>; WINDOW] =
        std::array::from_fn(|_| SendAncillaryBuffer::default());
    let mut batch: Vec<MMsgHdr<'_>> =
        nothing.iter_mut().take(count).map(|control| MMsgHdr::new(&message, control)).collect();
    Ok(sendmmsg(socket, &mut batch, SendFlags::empty())?)
}

/// Cuts standard input into datagrams of `size`; they are counted where they arrive.
pub(crate) fn send(bench: &Bench, who: Contender, size: usize) -> Result<Sample, Failure> {
    let sink = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    // Where it may not be forced, as much as is allowed.
    set_socket_recv_buffer_size_force(&sink, 64 << 20).or_else(|_| set_socket_recv_buffer_size(&sink, 8 << 20))?;
    let place = Place { port: sink.local_addr()?.port(), size, ..Place::default() };
    let words = bench.command(who, Part::DatagramSend, &place)?;
    let counting = thread::spawn(move || count_datagrams(&sink, size));
    let (reader, writer) = io::pipe()?;
    let total = (bench.scaled(COUNT) * size) as u64;
    thread::spawn(move || Pattern::new().write_to(writer, total));
    let mut tool = Tool::start(&words, reader, Stdio::null())?;
    tool.expect_success(Duration::from_secs(20))?;
    let (count, too_large, period) = counting.join().unwrap_or_else(|_| Err(io::ErrorKind::Other.into()))?;
    let rate = count as f64 / period.as_secs_f64().max(1e-6);
    Ok(Sample::from([(Figure::DatagramRate, rate), (Figure::TooLarge, too_large as f64)]))
}

/// How many came until 300 ms of silence, how many of them were too large, and from the first to the last.
fn count_datagrams(sink: &UdpSocket, size: usize) -> io::Result<(usize, usize, Duration)> {
    let mut buffer = vec![0; 65536];
    sink.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut too_large = usize::from(sink.recv(&mut buffer)? > size);
    let (began, mut last, mut count) = (Instant::now(), Instant::now(), 1);
    sink.set_read_timeout(Some(Duration::from_millis(300)))?;
    while let Ok(length) = sink.recv(&mut buffer) {
        too_large += usize::from(length > size);
        count += 1;
        last = Instant::now();
    }
    Ok((count, too_large, last - began))
}

fn free_port() -> io::Result<u16> {
    UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr().map(|address| address.port())
}
