//! How a child of the suite is to be started: its standard input and output, its environment, and
//! what a shell sets up before it; not what happens to it afterwards (`process`).

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::process::Process;

/// What the child finds as its standard input.
pub(crate) enum Stdin {
    /// /dev/null.
    Null,
    /// A pipe that stays open and says nothing.
    Silent,
    /// A pipe under the test's control: [`Process::write`], [`Process::close_stdin`].
    Pipe,
    /// A pipe that gives these bytes, then ends.
    Bytes(Vec<u8>),
    /// A pipe that gives these bytes again and again, as yes(1) does.
    Endless(Vec<u8>),
    /// An open file, or any descriptor: `Stdin::File(File::from(owned_fd))`.
    File(File),
    /// No descriptor 0 at all, as `<&-` leaves it.
    Closed,
}

/// Where the child's standard output goes.
pub(crate) enum Stdout {
    /// Into memory, by a thread: [`Process::wait_stdout`], [`Exit::stdout`].
    Capture,
    /// Into a pipe that the test reads at will or drops: [`Process::take_stdout`].
    Held,
    /// Into an open file, such as /dev/full, or any descriptor.
    File(File),
}

/// How a child is to be started; /dev/null as input and captured output unless said otherwise.
///
/// ```ignore
/// let cat = Launch::new().stdin(Stdin::Pipe).start("cat", ["-u"]);
/// let poor = Launch::new().setup("ulimit -n 20").start("sh", ["-c", "ulimit -n"]);
/// ```
#[must_use]
pub(crate) struct Launch {
    stdin: Stdin,
    stdout: Stdout,
    setup: Vec<String>,
    environment: Vec<(OsString, OsString)>,
    fifo: Option<PathBuf>,
}

impl Launch {
    /// The defaults.
    pub(crate) fn new() -> Self {
        Self { stdin: Stdin::Null, stdout: Stdout::Capture, setup: Vec::new(), environment: Vec::new(), fifo: None }
    }

    /// Chooses the standard input.
    pub(crate) fn stdin(mut self, stdin: Stdin) -> Self {
        self.stdin = stdin;
        self
    }

    /// Chooses where standard output goes.
    pub(crate) fn stdout(mut self, stdout: Stdout) -> Self {
        self.stdout = stdout;
        self
    }

    /// A line of shell that runs in the child just before the program takes its place:
    /// `.setup("ulimit -n 20")`, `.setup("trap '' CHLD")`, `.setup("exec >&-")`.
    pub(crate) fn setup(mut self, line: &str) -> Self {
        self.setup.push(line.to_owned());
        self
    }

    /// Sets a variable of the child's environment.
    pub(crate) fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        let (name, value) = (name.as_ref().to_owned(), value.as_ref().to_owned());
        self.environment.push((name, value));
        self
    }

    /// Opens this FIFO for writing as the child's descriptor 3; somebody must have it open to read.
    pub(crate) fn fifo_at_3(mut self, path: PathBuf) -> Self {
        self.fifo = Some(path);
        self
    }

    /// Starts `program` and returns at once.
    #[track_caller]
    pub(crate) fn start<A: AsRef<OsStr>>(
        mut self,
        program: impl AsRef<OsStr>,
        args: impl IntoIterator<Item = A>,
    ) -> Process {
        let args: Vec<OsString> = args.into_iter().map(|arg| arg.as_ref().into()).collect();
        let line = command_line(program.as_ref(), &args);
        let mut command = self.command(program.as_ref(), &args);
        for inherited in ["NOTIFY_SOCKET", "LISTEN_FDS", "LISTEN_PID"] {
            command.env_remove(inherited);
        }
        command.envs(std::mem::take(&mut self.environment));
        let (stdin, stdout) = (self.stdin, self.stdout);
        let held = matches!(stdout, Stdout::Held);
        let (stdin, feed) = match stdin {
            Stdin::File(file) => (Stdio::from(file), Stdin::Null),
            Stdin::Null | Stdin::Closed => (Stdio::null(), Stdin::Null),
            fed => (Stdio::piped(), fed),
        };
        command.stdin(stdin).stderr(Stdio::piped());
        command.stdout(match stdout {
            Stdout::File(file) => Stdio::from(file),
            Stdout::Capture | Stdout::Held => Stdio::piped(),
        });
        let spawned = command.spawn();
        // The command keeps our copies of the descriptors it was given: an end would never come.
        drop(command);
        let child = spawned.unwrap_or_else(|error| panic!("cannot start {line}: {error}"));
        Process::adopt(line, child, feed, held)
    }

    /// The program itself, or a shell that prepares descriptors and limits and becomes it by exec,
    /// which keeps the process number.
    fn command(&mut self, program: &OsStr, args: &[OsString]) -> Command {
        let mut lines = std::mem::take(&mut self.setup);
        let fifo = self.fifo.take();
        if fifo.is_some() {
            lines.push("exec 3>\"$0\"".to_owned());
        }
        if matches!(self.stdin, Stdin::Closed) {
            lines.push("exec <&-".to_owned());
        }
        let mut command = Command::new(program);
        if !lines.is_empty() {
            lines.push("exec \"$@\"".to_owned());
            command = Command::new("/bin/sh");
            command.args(["-c", &lines.join("\n")]);
            command.arg(fifo.unwrap_or_else(|| PathBuf::from("sh")));
            command.arg(program);
        }
        command.args(args);
        command
    }
}

/// What a test reads to know which command a message is about.
fn command_line(program: &OsStr, args: &[OsString]) -> String {
    let name = PathBuf::from(program);
    let name = name.file_name().unwrap_or(program).to_string_lossy();
    let args = args.iter().map(|arg| match arg.to_string_lossy() {
        long if long.len() > 200 => format!("({} bytes)", long.len()),
        arg => arg.into_owned(),
    });
    let words: Vec<String> = std::iter::once(name.into_owned()).chain(args).collect();
    words.join(" ")
}

#[test]
fn a_launch_sets_up_limits_and_closes_standard_input() {
    let launch = Launch::new().stdin(Stdin::Closed).setup("ulimit -n 20").env("WORD", "said");
    let script = "ulimit -n; test -e /proc/$$/fd/0 || echo closed; echo $WORD \"$1\"";
    let exit = launch.start("sh", ["-c", script, "sh", "a  b"]).wait().expect(0);
    assert_eq!(exit.stdout, b"20\nclosed\nsaid a  b\n", "{exit}");
}
