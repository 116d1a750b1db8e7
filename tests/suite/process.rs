//! A child process of the suite, whatever program it is: how it is fed, listened to and waited for,
//! and that it never outlives its test; how it is started is `launch`, and fincat is unknown here.

use std::fmt;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStdout, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

pub(crate) use rustix::process::Signal;
use rustix::process::{Pid, PidfdFlags, WaitId, WaitIdOptions, kill_process, pidfd_open, waitid};

use crate::capture::{Capture, DEADLINE, Feed, again, deadline, readable_by};
use crate::launch::{Launch, Stdin};
use crate::pattern::excerpt;

/// A running child. Dropping it ends and reaps it; in a failing test it first tells what it said.
pub(crate) struct Process {
    line: String,
    child: Child,
    ended: OwnedFd,
    status: Option<ExitStatus>,
    feed: Option<Feed>,
    held: Option<ChildStdout>,
    stdout: Option<Capture>,
    stderr: Capture,
}

impl Process {
    /// Takes over a child that has just been started with pipes where `stdin` and `held` say so.
    pub(crate) fn adopt(line: String, mut child: Child, stdin: Stdin, held: bool) -> Self {
        let ended =
            pidfd_open(Pid::from_child(&child), PidfdFlags::empty()).expect("pidfd_open: the suite needs Linux 5.3");
        let feed = child.stdin.take().and_then(|pipe| match stdin {
            Stdin::Endless(piece) => {
                Feed::endless(pipe, &piece);
                None
            }
            Stdin::Bytes(bytes) => {
                Feed::of(pipe).write(&bytes);
                None
            }
            _ => Some(Feed::of(pipe)),
        });
        let (mut held_pipe, mut stdout) = (None, None);
        match child.stdout.take() {
            Some(pipe) if held => held_pipe = Some(pipe),
            pipe => stdout = pipe.map(Capture::of),
        }
        let stderr = Capture::of(child.stderr.take().expect("standard error is piped"));
        Self { line, child, ended, status: None, feed, held: held_pipe, stdout, stderr }
    }

    /// The process number.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Queues `bytes` for the child's standard input ([`Stdin::Pipe`]); never blocks.
    #[track_caller]
    pub(crate) fn write(&self, bytes: impl AsRef<[u8]>) {
        let feed = self.feed.as_ref().expect("standard input is an open pipe");
        feed.write(bytes.as_ref());
    }

    /// Ends the child's standard input once all that was queued is written.
    pub(crate) fn close_stdin(&mut self) {
        self.feed = None;
    }

    /// The reading end of the child's standard output ([`Stdout::Held`]): read it, or drop it.
    #[track_caller]
    pub(crate) fn take_stdout(&mut self) -> Outlet {
        let pipe = self.held.take();
        Outlet(pipe.expect("standard output is held and not yet taken"))
    }

    /// Waits for a line on standard error that satisfies `wanted`, wherever it stands.
    ///
    /// ```ignore
    /// tool.wait_line(|line| line.contains("another peer is waiting"));
    /// ```
    #[track_caller]
    pub(crate) fn wait_line(&self, wanted: impl Fn(&str) -> bool) -> String {
        self.wait_lines(1, wanted)
    }

    /// Waits until `n` lines on standard error satisfy `wanted`; returns the last of them.
    #[track_caller]
    pub(crate) fn wait_lines(&self, n: usize, wanted: impl Fn(&str) -> bool) -> String {
        let Some(line) = self.stderr.line(n, deadline(), wanted) else {
            panic!("{}: the awaited line never came", self.line);
        };
        line
    }

    /// Waits for the `n`th line (from 1) on standard output ([`Stdout::Capture`]).
    #[track_caller]
    pub(crate) fn wait_stdout_line(&self, n: usize) -> String {
        let Some(line) = self.captured().line(n, deadline(), |_| true) else {
            panic!("{}: standard output has no line {n}", self.line);
        };
        line
    }

    /// Waits until standard output has given at least `count` bytes; returns all it gave.
    #[track_caller]
    pub(crate) fn wait_stdout(&self, count: usize) -> Vec<u8> {
        let enough = self.captured().reaches(count, deadline());
        let bytes = self.captured().bytes();
        let got = bytes.len();
        assert!(enough, "{}: {got} of {count} bytes came out", self.line);
        bytes
    }

    /// Waits until standard output has ended, which may be long before the exit; returns all of it.
    #[track_caller]
    pub(crate) fn wait_stdout_end(&self) -> Vec<u8> {
        let ended = self.captured().ends(deadline());
        assert!(ended, "{}: standard output does not end", self.line);
        self.captured().bytes()
    }

    /// What has come on standard error so far.
    pub(crate) fn stderr(&self) -> String {
        self.stderr.text()
    }

    /// Sends `signal` to this process and to no other.
    #[track_caller]
    pub(crate) fn signal(&self, signal: Signal) {
        assert!(self.status.is_none(), "{} has ended already", self.line);
        kill_process(Pid::from_child(&self.child), signal).expect("kill");
    }

    /// Stops it (SIGSTOP) and waits until it stands still, all its threads and none of its children.
    #[track_caller]
    pub(crate) fn stop(&self) {
        self.signal(Signal::STOP);
        let pid = WaitId::Pid(Pid::from_child(&self.child));
        let still = WaitIdOptions::STOPPED | WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        waitid(pid, still).expect("waitid");
    }

    /// Lets it go on after [`Process::stop`].
    #[track_caller]
    pub(crate) fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// Whether it has not ended yet.
    pub(crate) fn is_running(&self) -> bool {
        self.status.is_none() && !readable_by(&self.ended, Instant::now())
    }

    /// Waits for the exit and for the end of both outputs.
    #[track_caller]
    #[must_use = "an exit has a status to look at"]
    pub(crate) fn wait(&mut self) -> Exit {
        self.wait_within(DEADLINE)
    }

    /// The same, for those that promise to end sooner.
    #[track_caller]
    #[must_use = "an exit has a status to look at"]
    pub(crate) fn wait_within(&mut self, limit: Duration) -> Exit {
        let deadline = Instant::now() + limit;
        let status = self.wait_exit(deadline);
        let quiet = self.stderr.ends(deadline) && self.stdout.as_ref().is_none_or(|out| out.ends(deadline));
        assert!(quiet, "{} ended; who holds its output open?", self.line);
        Exit {
            line: self.line.clone(),
            code: status.code(),
            signal: status.signal(),
            stdout: self.stdout.as_ref().map_or(Vec::new(), Capture::bytes),
            stderr: self.stderr.text(),
        }
    }

    /// Waits for the exit alone: somebody else may still hold the outputs open.
    #[track_caller]
    pub(crate) fn wait_exit(&mut self, deadline: Instant) -> ExitStatus {
        let ended = readable_by(&self.ended, deadline);
        assert!(ended, "{} does not end", self.line);
        *self.status.insert(self.child.wait().expect("wait"))
    }

    #[track_caller]
    fn captured(&self) -> &Capture {
        let stdout = self.stdout.as_ref();
        stdout.expect("standard output is captured")
    }

    /// Asks twice, as an impatient user does, so that a server takes its own children along; then
    /// insists.
    fn end(&mut self) {
        for signal in [Signal::TERM, Signal::INT, Signal::CONT] {
            let _ = kill_process(Pid::from_child(&self.child), signal);
        }
        if !readable_by(&self.ended, Instant::now() + Duration::from_secs(2)) {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if thread::panicking() {
            let status = match self.status {
                Some(status) => status.to_string(),
                None if self.is_running() => "still running".to_owned(),
                None => "ended".to_owned(),
            };
            let stdout = self.stdout.as_ref().map_or(Vec::new(), Capture::bytes);
            let line = &self.line;
            eprintln!("{}", Account(line, &status, &stdout, &self.stderr.text()));
        }
        if self.status.is_none() {
            self.end();
        }
    }
}

/// Waits for the end of a process that is nobody's child here, such as a command that fincat ran.
///
/// ```ignore
/// let pid = tool.wait_stdout_line(1).parse().unwrap(); // from `--sh 'echo $$; sleep 1000'`
/// tool.signal(Signal::TERM);
/// wait_gone(pid);
/// ```
#[track_caller]
pub(crate) fn wait_gone(pid: i32) {
    let number = Pid::from_raw(pid).expect("a process number is positive");
    if let Ok(ended) = pidfd_open(number, PidfdFlags::empty()) {
        assert!(readable_by(&ended, deadline()), "process {pid} lives on");
    }
}

/// The reading end of a child's standard output, for tests that read at will, or stop reading.
pub(crate) struct Outlet(ChildStdout);

impl Outlet {
    /// The pipe itself, which has no deadlines.
    pub(crate) fn into_pipe(self) -> ChildStdout {
        self.0
    }

    /// Waits for exactly `count` bytes.
    #[track_caller]
    pub(crate) fn read(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        while bytes.len() < count && self.more(&mut bytes, count) {}
        assert_eq!(bytes.len(), count, "standard output ended early");
        bytes
    }

    /// Waits for the end, and returns what came before it.
    #[track_caller]
    pub(crate) fn read_to_end(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        while self.more(&mut bytes, usize::MAX) {}
        bytes
    }

    /// Reads once, so that `bytes` has at most `limit`; `false` at the end.
    #[track_caller]
    fn more(&mut self, bytes: &mut Vec<u8>, limit: usize) -> bool {
        let ready = readable_by(&self.0, deadline());
        assert!(ready, "nothing on standard output");
        let mut buffer = vec![0; (limit - bytes.len()).min(64 * 1024)];
        let count = again(|| self.0.read(&mut buffer)).expect("read standard output");
        bytes.extend_from_slice(&buffer[..count]);
        count > 0
    }
}

/// How a process ended and all that it said.
pub(crate) struct Exit {
    line: String,
    /// The exit status, unless a signal ended it.
    pub(crate) code: Option<i32>,
    /// The signal that ended it.
    pub(crate) signal: Option<i32>,
    /// What came on standard output, where that was captured.
    pub(crate) stdout: Vec<u8>,
    /// What came on standard error.
    pub(crate) stderr: String,
}

impl Exit {
    /// Demands an exit status; shows everything known if it is another.
    ///
    /// ```ignore
    /// let exit = tool.wait().expect(7);
    /// assert!(exit.stderr.contains("reset"), "{exit}");
    /// ```
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "the exit status of {self}");
        self
    }

    /// Demands that `signal` ended it (the shell's 141 is SIGPIPE here).
    #[track_caller]
    pub(crate) fn expect_signal(self, signal: Signal) -> Self {
        let number = Some(signal.as_raw());
        assert_eq!(self.signal, number, "the signal that ended {self}");
        self
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = match (self.code, self.signal) {
            (Some(code), _) => format!("status {code}"),
            (None, signal) => format!("signal {}", signal.unwrap_or_default()),
        };
        Account(&self.line, &status, &self.stdout, &self.stderr).fmt(formatter)
    }
}

/// All that is known of a process: command line, status, standard output, standard error.
struct Account<'a>(&'a str, &'a str, &'a [u8], &'a str);

impl fmt::Display for Account<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(line, status, stdout, stderr) = self;
        writeln!(formatter, "`{line}`: {status}")?;
        writeln!(formatter, "  standard output: {}", excerpt(stdout, 0))?;
        write!(formatter, "  standard error:")?;
        stderr.lines().try_for_each(|line| write!(formatter, "\n    {line}"))
    }
}

#[test]
fn a_child_hears_us_and_is_waited_for() {
    let launch = Launch::new().stdin(Stdin::Pipe);
    let mut shell = launch.start("sh", ["-c", "sleep 1000 >&- 2>&- & echo $!; cat; kill $!; wait"]);
    let sleeper = shell.wait_stdout_line(1).parse().expect("a process number");
    shell.write("heard\n");
    assert_eq!(shell.wait_stdout_line(2), "heard");
    shell.close_stdin();
    wait_gone(sleeper);
    shell.wait().expect(0);
    let mut cat = Launch::new().stdin(Stdin::Silent).start("cat", ["-"]);
    cat.signal(Signal::TERM);
    cat.wait().expect_signal(Signal::TERM);
}
