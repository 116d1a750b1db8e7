//! A few conversations of each mode and of stream transports under valgrind's memcheck, forked processes included. Not
//! commands: valgrind knows no clone(2) but fork's, vfork's and pthread_create's, and fincat starts commands by another.
//! Nor servers of datagrams: their clock is the kernel's page of fast calls, which valgrind hides.

use std::path::Path;

use socket2::Type;
use tempfile::TempDir;

use crate::launch::{Launch, Stdin};
use crate::pattern::{assert_same, pattern};
use crate::peers::{PeerListener, PeerStream, external};
use crate::tool::fincat;

/// How fincat is started there; what valgrind finds is written into `folder`, a file for each process.
fn watched(folder: &Path) -> Launch {
    let (options, folder) = ("-q --trace-children=yes --num-callers=30", folder.display());
    Launch::new()
        .setup(&format!("shift; set -- valgrind {options} --log-file={folder}/%p.found {folder}/fincat \"$@\""))
}

/// A folder for what is found, and fincat in it without what only a debugger wants, which takes valgrind seconds to
/// read. None where there is no valgrind.
fn folder(test: &str) -> Option<TempDir> {
    if external("valgrind").is_none() {
        eprintln!("{test}: skipped: there is no valgrind");
        return None;
    }
    let folder = TempDir::new().expect("a folder");
    let stripped = folder.path().join("fincat").display().to_string();
    Launch::new().start("strip", ["-g", "-o", &stripped, fincat()]).wait().expect(0);
    Some(folder)
}

#[track_caller]
fn assert_clean(folder: &TempDir) {
    let entries = std::fs::read_dir(folder.path()).expect("the folder");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let found = paths.filter(|path| path.extension().is_some_and(|end| end == "found"));
    let found: Vec<String> = found.map(|path| std::fs::read_to_string(path).expect("a text")).collect();
    assert!(!found.is_empty(), "valgrind has watched nobody");
    assert!(found.iter().all(String::is_empty), "{}", found.concat());
    println!("{} processes", found.len());
}

const MODES: [&[&str]; 3] = [&["--single", "-k"], &["--thread"], &["--fork"]];

#[test]
#[ignore = "load: run by .ci/run"]
fn servers_are_clean_under_valgrind() {
    let Some(folder) = folder("servers_are_clean_under_valgrind") else { return };
    let bytes = pattern(300_000, 1);
    for mode in MODES {
        let count = [mode, &["--count", "3"]].concat();
        let echo = [&count[..], &["-vv", "--json", "--echo", "127.0.0.1", "0"]].concat();
        let mut tool = watched(folder.path()).listen(&echo);
        for _ in 0..3 {
            let peer = PeerStream::tcp(tool.addr());
            let sending = peer.send(bytes.clone());
            assert_same(&peer.read(bytes.len()), &bytes);
            sending.done().expect("all is sent");
            peer.shutdown();
            assert_eq!(peer.read_to_end(), b"");
        }
        tool.wait().expect(0);
        for kind in ["stream", "seqpacket"] {
            let send = [&count[..], &["--type", kind, "--send", "a\\x00b"]].concat();
            let mut tool = watched(folder.path()).listen_unix(&send);
            for _ in 0..3 {
                let kind = if kind == "stream" { Type::STREAM } else { Type::SEQPACKET };
                assert_eq!(PeerStream::unix(tool.path(), kind).read_to_end(), b"a\0b");
            }
            tool.wait().expect(0);
        }
    }
    assert_clean(&folder);
}

#[test]
#[ignore = "load: run by .ci/run"]
fn clients_are_clean_under_valgrind() {
    let Some(folder) = folder("clients_are_clean_under_valgrind") else { return };
    let (ours, theirs) = (pattern(600_000, 1), pattern(600_000, 2));
    for args in [&[][..], &["--no-splice"], &["--trace"], &["--confirm", "-C"], &["--on-eof", "reset"]] {
        let listener = PeerListener::tcp();
        let mut tool = watched(folder.path()).stdin(Stdin::Bytes(ours.clone())).connect(listener.addr(), args);
        let peer = listener.accept();
        let sending = peer.send(theirs.clone());
        let (heard, _) = peer.hear_out();
        if args.is_empty() {
            assert_same(&heard, &ours);
        }
        let _ = sending.done();
        drop(peer);
        let exit = tool.wait();
        assert!(exit.signal.is_none(), "{exit}");
    }
    let upstream = PeerListener::tcp();
    let to = upstream.addr().to_string();
    let mut tool = watched(folder.path()).listen(["--count", "1", "--to", &to, "127.0.0.1", "0"]);
    let peer = PeerStream::tcp(tool.addr());
    let beyond = upstream.accept();
    let sending = peer.send(ours.clone());
    assert_same(&beyond.read(ours.len()), &ours);
    sending.done().expect("all is sent");
    peer.shutdown();
    assert_eq!(beyond.read_to_end(), b"");
    beyond.shutdown();
    assert_eq!(peer.read_to_end(), b"");
    tool.wait().expect(0);
    watched(folder.path()).run(["connect", "-z", "127.0.0.1", &upstream.addr().port().to_string()]).expect(0);
    assert_clean(&folder);
}
