//! `--hexdump`: every byte in its direction and at its offset; `--progress`, on a terminal only.

use std::fs::{self, File};

use tempfile::TempDir;

use crate::kernel::wait_until;
use crate::launch::{Launch, Stdin};
use crate::matrix::{Case, matrix};
use crate::pattern::{assert_same, pattern};
use crate::peers::{PeerListener, external};
use crate::terminal::Terminal;
use crate::tool::{Tool, fincat};

/// What a hexdump says of one direction of a conversation; each line's offset must be where the last one ended.
#[track_caller]
fn dumped(text: &str, id: u64, arrow: char) -> Vec<u8> {
    let (mut bytes, head) = (Vec::new(), format!("#{id} {arrow} "));
    for line in text.lines().filter_map(|line| line.strip_prefix(&head)) {
        let (time, rest) = line.split_once(' ').expect("a time");
        assert!(time.len() == 24 && time.ends_with('Z'), "{line}");
        let (offset, rest) = rest.split_once(' ').expect("an offset");
        assert_eq!(usize::from_str_radix(offset, 16), Ok(bytes.len()), "{line}");
        let (hex, shown) = rest.split_once("  |").expect("what can be shown");
        let row: Vec<u8> =
            hex.split_ascii_whitespace().map(|byte| u8::from_str_radix(byte, 16).expect("hex")).collect();
        assert_eq!(shown.len(), row.len() + 1, "{line}");
        bytes.extend(row);
    }
    bytes
}

matrix!(every over streams: a_hexdump_has_every_byte);

fn a_hexdump_has_every_byte(case: Case) {
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("dump");
    fs::write(&file, "from before").expect("write");
    let name = file.to_str().expect("a path in UTF-8");
    let (mut tool, peer) = case.pair(Stdin::Null, &["--hexdump", name, "--echo"]);
    let sending = peer.send(pattern(300_000, 7));
    let back = peer.read(300_000);
    sending.done().expect("sent");
    peer.shutdown();
    peer.read_to_end();
    tool.wait().expect(0);
    let text = fs::read_to_string(&file).expect("the hexdump");
    assert_same(&dumped(&text, 1, '<'), &pattern(300_000, 7));
    assert_same(&dumped(&text, 1, '>'), &back);
    assert!(!text.contains("from before"));
}

/// A file to a socket, which would never be copied, and a command, which would hold the socket.
#[test]
fn a_hexdump_sees_what_would_pass_by() {
    let folder = TempDir::new().expect("a folder");
    let (file, input) = (folder.path().join("dump"), folder.path().join("input"));
    let name = file.to_str().expect("a path in UTF-8");
    fs::write(&input, pattern(500_000, 3)).expect("write");
    let listener = PeerListener::tcp();
    let stdin = Stdin::File(File::open(&input).expect("open"));
    let mut tool = Tool::with(stdin).connect(listener.addr(), ["--hexdump", name]);
    assert_eq!(listener.accept().read_to_end().len(), 500_000);
    tool.wait().expect(0);
    assert_same(&dumped(&fs::read_to_string(&file).expect("the hexdump"), 1, '>'), &pattern(500_000, 3));
    let mut tool = Tool::connect(listener.addr(), ["--hexdump", name, "--sh", "echo hi; cat"]);
    let peer = listener.accept();
    peer.write("ho\n");
    peer.shutdown();
    assert_eq!(peer.read_to_end(), b"hi\nho\n");
    tool.wait().expect(0);
    let text = fs::read_to_string(&file).expect("the hexdump");
    assert_eq!((dumped(&text, 1, '>'), dumped(&text, 1, '<')), (b"hi\nho\n".to_vec(), b"ho\n".to_vec()));
}

#[test]
fn a_hexdump_that_cannot_be() {
    let exit = Tool::run(["connect", "127.0.0.1", "9", "--hexdump", "/nobody/there"]).expect(1);
    assert_eq!(exit.stderr, "fincat: cannot write /nobody/there: no such file or directory\n");
    let listener = PeerListener::tcp();
    let mut tool = Tool::with(Stdin::Bytes(b"x".to_vec())).connect(listener.addr(), ["--hexdump", "/dev/full"]);
    assert_eq!(listener.accept().read_to_end(), b"x");
    let exit = tool.wait().expect(0);
    assert_eq!(exit.stderr, "fincat: cannot write /dev/full: no space left on device\n");
}

/// The screen is a terminal: how far it is, in bytes and, of a file, as a part of the whole.
#[test]
fn progress_is_for_terminals() {
    let Some(python) = external("python3") else { return };
    let folder = TempDir::new().expect("a folder");
    let input = folder.path().join("input");
    fs::write(&input, pattern(8 << 20, 3)).expect("write");
    let listener = PeerListener::tcp();
    let (terminal, addr) = (Terminal::open(), listener.addr());
    let screen = terminal.screen();
    // Standard error is the terminal, and everything else is not.
    let script = "import os, sys\nos.dup2(0, 2)\nos.dup2(os.open(sys.argv[1], os.O_RDONLY), 0)\n\
                  os.execv(sys.argv[2], sys.argv[2:])";
    let (port, input) = (addr.port().to_string(), input.to_str().expect("a path"));
    let fincat = fincat();
    let line = ["-c", script, input, fincat, "connect", "127.0.0.1", &port, "--progress"];
    let mut tool = Launch::new().stdin(Stdin::File(terminal.line())).start(python, line);
    assert_eq!(listener.accept().read_to_end().len(), 8 << 20);
    let exit = tool.wait().expect(0);
    assert_eq!(exit.stderr, "", "{exit}");
    wait_until("all of it is shown", || screen.text().contains("8.00 MiB of 8.00 MiB 100%"));
}

/// What draws it reckons with pow(3): no start waits for libm.so because of that.
#[test]
fn progress_loads_no_library() {
    // The loader tells what it would load; a static program knows of no such variable and shows its help.
    let loader = Launch::new().env("LD_TRACE_LOADED_OBJECTS", "1");
    let exit = loader.start(fincat(), ["--help"]).wait();
    let text = String::from_utf8_lossy(&exit.stdout);
    assert!(!text.contains("libm.so"), "{text}");
}

/// Scripts have no terminal: nothing is shown, and with -vv it is said why.
#[test]
fn progress_is_silent_elsewhere() {
    let listener = PeerListener::tcp();
    for (args, said) in [
        (&["--progress"][..], ""),
        (&["--progress", "-vv"], "fincat: standard error is no terminal: --progress shows nothing\n"),
    ] {
        let mut tool = Tool::with(Stdin::Bytes(b"x".to_vec())).connect(listener.addr(), args);
        assert_eq!(listener.accept().read_to_end(), b"x");
        let exit = tool.wait().expect(0);
        assert!(exit.stderr.contains(said) && (args.len() > 1 || exit.stderr.is_empty()), "{exit}");
    }
}
