//! The two ends of a child's pipes that a test holds: [`Capture`] listens, [`Feed`] speaks, each on
//! a thread of its own so that neither side ever blocks the other; not a judge of what is said.

use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

/// How long any wait of the suite lasts before it is a failure.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// The moment at which a wait that begins now is a failure.
pub(crate) fn deadline() -> Instant {
    Instant::now() + DEADLINE
}

/// Does what was interrupted again. A wait with a timeout of its own is, when the whole process is stopped and goes on,
/// though no handler has run (signal(7)).
pub(crate) fn again<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

/// Waits until `fd` can be read (a byte, an end, an error), or says `false` at the deadline.
pub(crate) fn readable_by(fd: impl AsFd, deadline: Instant) -> bool {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let left = Timespec::try_from(left).expect("a deadline fits a timespec");
        match poll(&mut [PollFd::new(&fd, PollFlags::IN)], Some(&left)) {
            Ok(ready) => return ready > 0,
            Err(Errno::INTR) => {}
            Err(error) => panic!("poll: {error}"),
        }
    }
}

/// Everything a stream has said so far, collected by a thread until its end.
pub(crate) struct Capture {
    heard: Arc<Heard>,
}

#[derive(Default)]
struct Heard {
    state: Mutex<State>,
    news: Condvar,
}

#[derive(Default)]
struct State {
    bytes: Vec<u8>,
    ended: bool,
}

impl Capture {
    /// Reads `source` to its end in the background; a read error counts as the end.
    pub(crate) fn of(mut source: impl Read + Send + 'static) -> Self {
        let heard = Arc::new(Heard::default());
        let teller = Arc::clone(&heard);
        thread::spawn(move || {
            let mut buffer = vec![0; 64 * 1024];
            loop {
                let count = source.read(&mut buffer).unwrap_or(0);
                let mut state = teller.state.lock().unwrap();
                state.bytes.extend_from_slice(&buffer[..count]);
                state.ended = count == 0;
                teller.news.notify_all();
                if state.ended {
                    return;
                }
            }
        });
        Self { heard }
    }

    /// Waits until `n` lines satisfy `wanted` and returns the `n`th, or `None` if the stream ends
    /// or the deadline passes first. Lines are looked at from the beginning each time.
    pub(crate) fn line(&self, n: usize, deadline: Instant, wanted: impl Fn(&str) -> bool) -> Option<String> {
        self.wait(deadline, |state| {
            let whole =
                if state.ended { state.bytes.len() } else { state.bytes.iter().rposition(|&byte| byte == b'\n')? };
            let text = String::from_utf8_lossy(&state.bytes[..whole]);
            let mut found = text.lines().filter(|line| wanted(line));
            found.nth(n.checked_sub(1)?).map(str::to_owned)
        })
    }

    /// Waits for at least `count` bytes; `false` if the stream ends or the deadline passes first.
    pub(crate) fn reaches(&self, count: usize, deadline: Instant) -> bool {
        let enough = |state: &State| (state.bytes.len() >= count).then_some(());
        self.wait(deadline, enough).is_some()
    }

    /// Waits for the end of the stream; `false` if the deadline passes first.
    pub(crate) fn ends(&self, deadline: Instant) -> bool {
        self.wait(deadline, |state| state.ended.then_some(())).is_some()
    }

    /// What has been heard so far.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.heard.state.lock().unwrap().bytes.clone()
    }

    /// What has been heard so far, as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.heard.state.lock().unwrap().bytes).into_owned()
    }

    fn wait<T>(&self, deadline: Instant, found: impl Fn(&State) -> Option<T>) -> Option<T> {
        let mut state = self.heard.state.lock().unwrap();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let result = found(&state);
            if result.is_some() || state.ended || left.is_zero() {
                return result;
            }
            state = self.heard.news.wait_timeout(state, left).unwrap().0;
        }
    }
}

/// A pipe into a child that never blocks the test; dropping it closes the pipe once all is written.
pub(crate) struct Feed {
    queue: Sender<Vec<u8>>,
}

impl Feed {
    /// Writes to `sink`, in order, whatever [`Feed::write`] is given, until this feed is dropped.
    pub(crate) fn of(mut sink: impl Write + Send + 'static) -> Self {
        let (queue, pieces) = mpsc::channel::<Vec<u8>>();
        thread::spawn(move || {
            for piece in pieces {
                if sink.write_all(&piece).is_err() {
                    return;
                }
            }
        });
        Self { queue }
    }

    /// Writes `piece` to `sink` again and again, as yes(1) does, until nobody reads it any more.
    pub(crate) fn endless(mut sink: impl Write + Send + 'static, piece: &[u8]) {
        let piece = piece.repeat(16 * 1024 / piece.len().max(1) + 1);
        thread::spawn(move || while sink.write_all(&piece).is_ok() {});
    }

    /// Queues `bytes`; a child that reads no more is no error here, its exit status tells.
    pub(crate) fn write(&self, bytes: &[u8]) {
        let _ = self.queue.send(bytes.to_vec());
    }
}
