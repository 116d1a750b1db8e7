//! More than anybody has at once: conversations that idle by the thousand, short ones by the hundred thousand, readers that
//! are slower than what is offered, floods; not how fast they are served, which BENCHMARKS.md tells.

use std::collections::VecDeque;
use std::fs;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socket2::{Domain, Socket, Type};
use tempfile::TempDir;

use super::account::{Account, peak, tell};
use super::amount;
use crate::capture::{again, deadline, readable_by};
use crate::kernel::{children, wait_until};
use crate::launch::{Stdin, Stdout};
use crate::pattern::pattern;
use crate::process::Signal;
use crate::tool::Tool;

/// How long anything here may take that is not measured: this is a loaded machine by intention.
const PATIENCE: Duration = Duration::from_secs(60);

/// So many peers come from one address, well below the ports that it has.
const EACH: u64 = 4_000;

/// An address of the loopback for the `number`th peer of a test, of which each has a `net` of its own: no ports run out,
/// and nobody's TIME-WAIT is in the way.
fn source(net: u8, number: u64) -> Ipv4Addr {
    let [.., high, low] = (number / EACH).to_be_bytes();
    Ipv4Addr::new(127, net, high, low + 1)
}

/// Connects from `source`.
fn connect(source: Ipv4Addr, to: SocketAddr) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    // The port is chosen by connect(2) then, among those that are free for this very peer.
    socket.bind(&SocketAddr::from((source, 0)).into())?;
    socket.connect_timeout(&to.into(), PATIENCE)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.set_write_timeout(Some(PATIENCE))?;
    Ok(socket.into())
}

/// Says something that no other peer says, and hears it again.
fn echoed(mut peer: &TcpStream, number: u64) -> io::Result<()> {
    let (text, mut back) = (format!("peer {number:08}\n"), [0; 14]);
    peer.write_all(text.as_bytes())?;
    peer.read_exact(&mut back)?;
    if back == text.as_bytes() { Ok(()) } else { Err(io::Error::other(format!("{number} heard {back:?}"))) }
}

/// Lets this process, and those it starts, open `count` descriptors; fewer where the hard limit is lower, which is said.
fn descriptors(count: u64) -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
    let most = limit.maximum.unwrap_or(u64::MAX).saturating_sub(200);
    if most < count {
        tell(&format!("only {most} of {count}: the hard limit of open descriptors"));
    }
    most.min(count)
}

/// `count` conversations that say a word and then nothing; what each of them costs may be `most` KiB.
#[track_caller]
fn idle(mode: &str, net: u8, count: u64, most: u64) {
    let (count, account) = (descriptors(count), Account::open());
    let launch = Tool::with(Stdin::Null).setup(&account.entry());
    let mut tool = launch.listen(["127.0.0.1", "0", mode, "-m", &count.to_string(), "--echo"]);
    let before = account.of(tool.id());
    let meet = |number| connect(source(net, number), tool.addr());
    let peers: Vec<_> = (0..count).map(|number| meet(number).expect("connect")).collect();
    for (number, peer) in (0..count).rev().zip(peers.iter().rev()) {
        echoed(peer, number).expect("it is served");
    }
    let each = (account.of(tool.id()).saturating_sub(before)) / count;
    tell(&format!("{count} idle in {mode}: {each} KiB each, {}", account.how()));
    // What is not optimised has larger frames.
    let most = if cfg!(debug_assertions) { 2 * most } else { most };
    assert!(each <= most, "{each} KiB each");
    for (number, peer) in (0..).zip(&peers) {
        echoed(peer, number).expect("it is served still");
        peer.shutdown(Shutdown::Write).expect("shutdown");
    }
    for mut peer in peers {
        assert_eq!(again(|| peer.read(&mut [0; 1])).expect("an end in order"), 0);
    }
    wait_until("no process is left", || children(tool.id()).is_empty());
    tool.signal(Signal::TERM);
    assert_eq!(tool.wait().expect_signal(Signal::TERM).stderr, "");
}

#[test]
#[ignore = "load: run by .ci/run"]
fn ten_thousand_idle_in_threads() {
    idle("--thread", 10, amount(10_000).min(30_000), 64);
}

#[test]
#[ignore = "load: run by .ci/run"]
fn two_thousand_idle_in_processes() {
    idle("--fork", 11, amount(2_000).min(20_000), 192);
}

/// `count` conversations of one word, eight at a time; each hears its own, then an end in order.
#[track_caller]
fn short(mode: &[&str], net: u8, count: u64) {
    const HANDS: u64 = 8;
    let mut tool = Tool::listen([&["127.0.0.1", "0"], mode, &["--echo"]].concat());
    let (turn, addr, began) = (AtomicU64::new(0), tool.addr(), Instant::now());
    let serve = |number| {
        let mut peer = connect(source(net, number), addr)?;
        echoed(&peer, number)?;
        peer.shutdown(Shutdown::Write)?;
        match again(|| peer.read(&mut [0; 1]))? {
            0 => Ok(()),
            _ => Err(io::Error::other("a byte too many")),
        }
    };
    thread::scope(|scope| {
        for _ in 0..HANDS {
            scope.spawn(|| {
                loop {
                    let number = turn.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        return;
                    }
                    serve(number).unwrap_or_else(|error| panic!("conversation {number}: {error}"));
                }
            });
        }
    });
    tell(&format!("{count} short ones, {mode:?}: all echoed, {:.1} s", began.elapsed().as_secs_f64()));
    wait_until("no process is left", || children(tool.id()).is_empty());
    tool.signal(Signal::TERM);
    let exit = tool.wait().expect_signal(Signal::TERM);
    let said: Vec<_> = exit.stderr.lines().filter(|line| !line.contains("another peer is waiting")).collect();
    assert!(said.is_empty(), "{exit}");
}

#[test]
#[ignore = "load: run by .ci/run"]
fn a_hundred_thousand_short_ones_one_at_a_time() {
    short(&["--single", "-k"], 20, amount(100_000));
}

#[test]
#[ignore = "load: run by .ci/run"]
fn a_hundred_thousand_short_ones_in_threads() {
    short(&["--thread"], 21, amount(100_000));
}

#[test]
#[ignore = "load: run by .ci/run"]
fn a_hundred_thousand_short_ones_in_processes() {
    short(&["--fork"], 22, amount(100_000));
}

/// Bytes in which no two places look alike: a piece of an odd length, again and again.
struct Stream {
    piece: Vec<u8>,
    length: u64,
}

impl Stream {
    fn new(length: u64) -> Self {
        Self { piece: pattern((1 << 20) - 13, 71), length }
    }

    /// Writes all of it, or until nobody takes it any more.
    fn offer(&self, mut sink: impl Write) -> io::Result<()> {
        let mut left = self.length;
        while left > 0 {
            let count = usize::try_from(left).unwrap_or(usize::MAX).min(self.piece.len());
            sink.write_all(&self.piece[..count])?;
            left -= count as u64;
        }
        Ok(())
    }

    /// Reads to the end, and demands every byte in its place; in sips at first, as long as `slow` says.
    #[track_caller]
    fn demand(&self, mut source: impl Read, slow: Duration) {
        let (mut at, mut buffer, until) = (0, vec![0; 256 << 10], Instant::now() + slow);
        loop {
            let is_slow = Instant::now() < until;
            let room = if is_slow { 4 << 10 } else { buffer.len() };
            let count = again(|| source.read(&mut buffer[..room])).expect("read");
            if count == 0 {
                break;
            }
            let (mut got, mut offset) = (&buffer[..count], usize::try_from(at % self.piece.len() as u64).unwrap());
            while !got.is_empty() {
                let same = got.len().min(self.piece.len() - offset);
                assert!(got[..same] == self.piece[offset..offset + same], "another byte near offset {at}");
                (got, offset) = (&got[same..], 0);
            }
            at += count as u64;
            if is_slow {
                thread::sleep(Duration::from_millis(20));
            }
        }
        assert_eq!(at, self.length, "bytes");
    }
}

/// The most that fincat may need, in KiB, whatever is offered.
const BOUND: u64 = 32 << 10;

/// So long the reader is slow.
const SLOW: Duration = Duration::from_secs(2);

/// 4 GiB are offered to somebody who takes 200 KiB a second at first.
fn offered() -> Stream {
    Stream::new(amount(4 << 30))
}

#[test]
#[ignore = "load: run by .ci/run"]
fn a_slow_reader_of_standard_output_costs_nothing() {
    let stream = offered();
    for way in [&[][..], &["--no-splice"]] {
        let mut tool =
            Tool::with(Stdin::Null).stdout(Stdout::Held).listen([&["127.0.0.1", "0", "--recv-only"], way].concat());
        let (peer, output) = (TcpStream::connect(tool.addr()).expect("connect"), tool.take_stdout().into_pipe());
        let highest = thread::scope(|scope| {
            scope.spawn(|| stream.demand(output, SLOW));
            stream.offer(&peer).expect("fincat takes everything");
            let highest = peak(tool.id());
            peer.shutdown(Shutdown::Write).expect("shutdown");
            highest
        });
        tell(&format!("{} GiB to a slow standard output {way:?}: at most {} KiB", stream.length >> 30, highest));
        assert!(highest < BOUND, "{highest} KiB");
        drop(peer);
        let _ = tool.wait().expect(0);
    }
}

#[test]
#[ignore = "load: run by .ci/run"]
fn a_slow_peer_costs_nothing() {
    let stream = offered();
    let mut tool = Tool::listen(["127.0.0.1", "0", "--thread", "--echo"]);
    let peer = connect(source(30, 0), tool.addr()).expect("connect");
    let highest = thread::scope(|scope| {
        let sending = scope.spawn(|| stream.offer(&peer).and_then(|()| peer.shutdown(Shutdown::Write)));
        stream.demand(&peer, SLOW);
        sending.join().expect("a sender").expect("fincat takes everything");
        peak(tool.id())
    });
    tell(&format!("{} GiB echoed to a slow peer: at most {} KiB", stream.length >> 30, highest));
    assert!(highest < BOUND, "{highest} KiB");
    tool.signal(Signal::TERM);
    assert_eq!(tool.wait().expect_signal(Signal::TERM).stderr, "");
}

/// Everybody sends from an address of its own, and most of them never again. Then somebody comes who wants an answer.
#[track_caller]
fn flood(mode: &str, most: usize, count: u64) {
    let mut tool = Tool::with(Stdin::Null)
        .announce(&["udp", "listen"], &["127.0.0.1", "0", mode, "-m", &most.to_string(), "--echo"]);
    let (mut crowd, mut answered, mut sources) = (0, 0, VecDeque::new());
    for number in 0..count {
        let socket = UdpSocket::bind((source(40, number * 40), 0)).expect("bind");
        socket.connect(tool.addr()).expect("connect");
        socket.send(b"is anybody there?").expect("send");
        if number % 100 == 99 {
            // Now and then one waits for its answer: the flood is no faster than it can be heard.
            let heard = readable_by(&socket, deadline());
            answered += u64::from(heard);
            // The main thread is nobody's.
            crowd = crowd.max(if mode == "--fork" { children(tool.id()).len() } else { threads(tool.id()) - 1 });
        }
        // Each stays where it is for long: an answer that nobody can hear would end a conversation.
        sources.push_back(socket);
        if sources.len() > 2 * most {
            sources.pop_front();
        }
    }
    let newcomer = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("bind");
    newcomer.connect(tool.addr()).expect("connect");
    let mut buffer = [0; 100];
    wait_until("a newcomer is served", || {
        newcomer.send(b"and me?").expect("send");
        let heard = readable_by(&newcomer, Instant::now() + Duration::from_secs(1));
        heard && again(|| newcomer.recv(&mut buffer)).is_ok_and(|n| &buffer[..n] == b"and me?")
    });
    let highest = peak(tool.id());
    tell(&format!(
        "{count} sources in {mode} -m {most}: {crowd} at once, {highest} KiB, {answered} of those who waited"
    ));
    // A thread that has just ended a conversation may still be on its way back.
    assert!((most..=most + most / 8).contains(&crowd), "{crowd} at once");
    assert_eq!(answered, count / 100, "answers");
    assert!(highest < BOUND, "{highest} KiB");
    tool.signal(Signal::INT);
    tool.signal(Signal::TERM);
    let _ = tool.wait_within(PATIENCE);
}

/// How many threads a process has.
fn threads(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/task")).expect("a process").count()
}

#[test]
#[ignore = "load: run by .ci/run"]
fn a_flood_from_ten_thousand_sources_in_threads() {
    flood("--thread", 512, amount(10_000));
}

#[test]
#[ignore = "load: run by .ci/run"]
fn a_flood_from_ten_thousand_sources_in_processes() {
    flood("--fork", 64, amount(10_000));
}

/// All come at the same moment, as fincat sees it, and there is room for four: each has its answer, as one after the
/// other makes room for it.
#[test]
fn a_burst_at_the_limit_is_answered() {
    for mode in ["--thread", "--fork"] {
        let line = ["127.0.0.1", "0", mode, "-m", "4", "--echo"];
        let tool = Tool::with(Stdin::Null).announce(&["udp", "listen"], &line);
        tool.stop();
        let sources: Vec<_> = (0..100).map(|_| UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("bind")).collect();
        for source in &sources {
            source.send_to(b"and me?", tool.addr()).expect("send");
        }
        tool.resume();
        for source in &sources {
            source.set_read_timeout(Some(PATIENCE)).expect("a timeout");
            assert_eq!(again(|| source.recv(&mut [0; 100])).expect("an answer"), 7, "{mode}");
        }
    }
}

/// A datagram that comes while fincat looks whether there is one is whole: 40,000 at any moment.
#[test]
#[ignore = "load: run by .ci/run"]
fn no_datagram_is_cut_whenever_it_comes() {
    let folder = TempDir::new().expect("a folder");
    let tool = Tool::with(Stdin::Null).listen_unix(["--type", "dgram", "--per-datagram", "--echo", "-k"]);
    let socket = UnixDatagram::bind(folder.path().join("sender")).expect("bind");
    socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let mut buffer = [0; 100];
    for round in 0..amount(20_000) {
        let text = format!("{round} and the rest of it");
        for wait in [0, round.wrapping_mul(7919) % 200_000] {
            let from = Instant::now();
            while from.elapsed() < Duration::from_nanos(wait) {
                std::hint::spin_loop();
            }
            socket.send_to(text.as_bytes(), tool.path()).expect("send");
        }
        for _ in 0..2 {
            let count = again(|| socket.recv(&mut buffer)).expect("an answer");
            assert_eq!(String::from_utf8_lossy(&buffer[..count]), text);
        }
    }
}

/// As many peers as threads can be, all in the same moment, on every way that there is to be served.
#[test]
#[ignore = "load: run by .ci/run"]
fn a_thousand_come_in_one_moment() {
    for (net, mode) in [(50, &["--single", "-k"][..]), (51, &["--thread"]), (52, &["--fork"])] {
        let count = amount(1_000).min(4_000);
        let tool = Tool::listen([&["127.0.0.1", "0", "--backlog", "4096"], mode, &["--echo"]].concat());
        let (start, addr) = (Barrier::new(usize::try_from(count).unwrap()), tool.addr());
        thread::scope(|scope| {
            for number in 0..count {
                let start = &start;
                let hand = thread::Builder::new().stack_size(64 << 10);
                let all = hand.spawn_scoped(scope, move || {
                    start.wait();
                    let peer = connect(source(net, number), addr).expect("connect");
                    echoed(&peer, number).expect("it is served");
                });
                all.expect("a thread");
            }
        });
        wait_until("no process is left", || children(tool.id()).is_empty());
    }
}
