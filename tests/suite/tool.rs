//! fincat as the suite runs it: `listen`, with the address it announced, `connect`, and `run` to the
//! end; how any child is started and waited for is the business of `launch` and `process`.

use std::env;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::net::SocketAddr;
use std::ops::{Deref, DerefMut};
use std::path::Path;
use std::sync::LazyLock;

use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat, open};
use tempfile::TempDir;

use crate::capture::{deadline, readable_by};
use crate::launch::{Launch, Stdin};
use crate::process::{Exit, Process};

/// The binary under test: the one that was built with the suite, or `FINCAT_SUITE_BINARY`, which is called `fincat` too.
pub(crate) fn fincat() -> &'static str {
    static OTHER: LazyLock<Option<String>> = LazyLock::new(|| env::var("FINCAT_SUITE_BINARY").ok());
    OTHER.as_deref().unwrap_or(env!("CARGO_BIN_EXE_fincat"))
}

/// Whether the suite runs with `--no-splice` wherever fincat takes it: `FINCAT_SUITE_COPIES=1`.
pub(crate) fn suite_copies() -> bool {
    env::var_os("FINCAT_SUITE_COPIES").is_some_and(|value| value == "1")
}

/// `SUBCOMMAND... ARGS...`, with `--no-splice` between them if the suite copies and this line takes it: streams that
/// are not shared, and no command that holds the socket itself.
fn line<'a>(subcommand: &[&'a str], args: &[&'a str]) -> Vec<&'a str> {
    let (options, command) = args.split_at(args.iter().position(|&arg| arg == "--").unwrap_or(args.len()));
    let has = |words: &[&str]| options.iter().any(|option| words.contains(option));
    let keeps_boundaries =
        |word: &&str| ["udp:", "unix-dgram:", "unix-seqpacket:"].iter().any(|it| word.starts_with(it));
    let packets = subcommand.contains(&"udp") || has(&["dgram", "seqpacket"]) || options.iter().any(keeps_boundaries);
    let lent = (!command.is_empty() || has(&["--sh", "-c"])) && !has(&["--pipes"]);
    let moves_nothing_so = has(&["--fan-out", "--hub", "--check", "-z"]);
    let takes = suite_copies() && !packets && !lent && !moves_nothing_so && !has(&["--no-splice"]);
    [subcommand, if takes { &["--no-splice"] } else { &[] }, args].concat()
}

/// A running fincat; everything a [`Process`] can do, it can.
///
/// ```ignore
/// let echo = Tool::listen(["127.0.0.1", "0", "--thread", "--echo"]);
/// let mut client = Tool::with(Stdin::Pipe).connect(echo.addr(), ["-v"]);
/// client.write("hello\n");
/// client.wait_stdout_line(1);
/// client.close_stdin();
/// client.wait().expect(0);
/// Tool::run(["connect", "127.0.0.1", "70000"]).expect(2);
///
/// let full = Stdout::File(File::options().write(true).open("/dev/full")?);
/// let tool = Tool::with(Stdin::Silent).stdout(full).setup("ulimit -n 20").connect(addr, ["-v"]);
/// ```
pub(crate) struct Tool {
    process: Process,
    announced: Vec<String>,
    /// Where its path lies, if the suite chose one; kept for as long as it runs.
    folder: Option<TempDir>,
}

impl Tool {
    /// `fincat listen ARGS...`; returns when the bound address is announced.
    #[track_caller]
    pub(crate) fn listen<'a>(args: impl AsRef<[&'a str]>) -> Self {
        Launch::new().listen(args)
    }

    /// `fincat connect HOST PORT ARGS...`; returns at once.
    #[track_caller]
    pub(crate) fn connect<'a>(addr: SocketAddr, args: impl AsRef<[&'a str]>) -> Self {
        Launch::new().connect(addr, args)
    }

    /// `fincat ARGS...`, run to its end.
    #[track_caller]
    pub(crate) fn run<A: AsRef<OsStr>>(args: impl IntoIterator<Item = A>) -> Exit {
        Launch::new().run(args)
    }

    /// A launch with this standard input: `Tool::with(Stdin::Silent).listen([...])`.
    pub(crate) fn with(stdin: Stdin) -> Launch {
        Launch::new().stdin(stdin)
    }

    /// The child alone, without what was announced.
    pub(crate) fn into_process(self) -> Process {
        self.process
    }

    /// The first announced address.
    #[track_caller]
    pub(crate) fn addr(&self) -> SocketAddr {
        self.addrs()[0]
    }

    /// All announced addresses, in the order of their announcement.
    #[track_caller]
    pub(crate) fn addrs(&self) -> Vec<SocketAddr> {
        let mut addrs = Vec::new();
        for line in &self.announced {
            let addr = line.parse::<SocketAddr>();
            assert!(addr.is_ok(), "announced as an address: {line:?}");
            addrs.extend(addr);
        }
        addrs
    }

    /// The first announced path, or `@name`.
    #[track_caller]
    pub(crate) fn path(&self) -> &Path {
        Path::new(&self.announced[0])
    }

    /// The announcement as it was written, one line for each address or path.
    pub(crate) fn announced(&self) -> &[String] {
        &self.announced
    }
}

impl Deref for Tool {
    type Target = Process;

    fn deref(&self) -> &Process {
        &self.process
    }
}

impl DerefMut for Tool {
    fn deref_mut(&mut self) -> &mut Process {
        &mut self.process
    }
}

impl Launch {
    /// `fincat listen ARGS...`; returns when the bound address is announced.
    #[track_caller]
    pub(crate) fn listen<'a>(self, args: impl AsRef<[&'a str]>) -> Tool {
        self.announce(&["listen"], args.as_ref())
    }

    /// `fincat connect HOST PORT ARGS...`; returns at once.
    #[track_caller]
    pub(crate) fn connect<'a>(self, addr: SocketAddr, args: impl AsRef<[&'a str]>) -> Tool {
        let (host, port) = (addr.ip().to_string(), addr.port().to_string());
        self.fincat(line(&["connect"], &[&[&*host, &*port], args.as_ref()].concat()))
    }

    /// `fincat unix listen PATH ARGS...` on a path in a folder that lasts as long as fincat does.
    #[track_caller]
    pub(crate) fn listen_unix<'a>(self, args: impl AsRef<[&'a str]>) -> Tool {
        let folder = TempDir::new().expect("a folder for the socket");
        let path = folder.path().join("fincat");
        let path = path.to_str().expect("a path in UTF-8");
        let mut tool = self.announce(&["unix", "listen"], &[&[path], args.as_ref()].concat());
        tool.folder = Some(folder);
        tool
    }

    /// `fincat unix connect PATH ARGS...`; returns at once.
    #[track_caller]
    pub(crate) fn connect_unix<'a>(self, path: &'a str, args: impl AsRef<[&'a str]>) -> Tool {
        self.fincat(line(&["unix", "connect"], &[&[path], args.as_ref()].concat()))
    }

    /// `fincat ARGS...`; returns at once.
    #[track_caller]
    pub(crate) fn fincat<A: AsRef<OsStr>>(self, args: impl IntoIterator<Item = A>) -> Tool {
        Tool { process: self.start(fincat(), args), announced: Vec::new(), folder: None }
    }

    /// `fincat ARGS...`, run to its end.
    #[track_caller]
    pub(crate) fn run<A: AsRef<OsStr>>(self, args: impl IntoIterator<Item = A>) -> Exit {
        self.fincat(args).wait()
    }

    /// `fincat SUBCOMMAND... ARGS...` with a FIFO at `--ready-fd 3`, up to the end of what comes
    /// there. The FIFO is gone when this returns.
    #[track_caller]
    pub(crate) fn announce(self, subcommand: &[&str], args: &[&str]) -> Tool {
        let folder = TempDir::new().expect("a folder for the FIFO");
        let path = folder.path().join("ready");
        mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("mknod");
        // Opened before the child is started, and without waiting for it: its own open, for
        // writing, then finds a reader; and until then a poll reports no end.
        let reader = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let ready = File::from(open(&path, reader, Mode::empty()).expect("open the FIFO"));
        let line = line(subcommand, &[&["--ready-fd", "3"], args].concat());
        let mut tool = self.fifo_at_3(path).fincat(line);
        tool.announced = announcement(&mut tool, ready);
        tool
    }
}

/// The lines that come before the end of `ready`; at least one must.
#[track_caller]
fn announcement(tool: &mut Tool, mut ready: File) -> Vec<String> {
    let deadline = deadline();
    let mut text = String::new();
    loop {
        let told = readable_by(&ready, deadline);
        assert!(told, "nothing more, and no end, at --ready-fd after {text:?}");
        match ready.read_to_string(&mut text) {
            Ok(_) => break,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => panic!("read --ready-fd: {error}"),
        }
    }
    if text.is_empty() {
        let exit = tool.wait();
        panic!("no address was announced by {exit}");
    }
    text.lines().map(str::to_owned).collect()
}
