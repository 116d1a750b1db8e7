//! What the other end of a check sees: a connection and its end, no byte, no reset; Python's and nc's listeners are
//! asked as well. And standard input is nobody's business.

use std::fs::File;
use std::io::{Seek as _, Write as _};

use super::told;
use crate::launch::{Launch, Stdin, Stdout};
use crate::peers::{Ending, PeerListener, Python, external};
use crate::process::Signal;
use crate::tool::Tool;

/// The listener greets as soon as it can, hears our end, and says goodbye: nothing of that is answered with RST.
#[test]
fn a_server_that_talks_sees_an_end_in_order() {
    let peer = PeerListener::tcp();
    let mut tool = Launch::new().fincat(["connect", "-z", &peer.addr().to_string()]);
    let met = peer.accept();
    met.write(vec![b'x'; 100_000]);
    assert_eq!(met.read_to_end(), b"", "no payload");
    met.write("goodbye");
    met.settle();
    assert_eq!(met.hear_out(), (Vec::new(), Ending::Fin));
    drop(met);
    tool.wait().expect(0);
}

/// One who has a lot to say is read to the end.
#[test]
fn what_it_says_is_heard_out() {
    let peer = PeerListener::tcp();
    let mut tool = Launch::new().fincat(["connect", "-z", &peer.addr().to_string()]);
    let met = peer.accept();
    let sending = met.send(vec![b'x'; 8 << 20]);
    sending.done().expect("all of it is taken");
    met.shutdown();
    assert_eq!(met.hear_out(), (Vec::new(), Ending::Fin));
    tool.wait().expect(0);
}

/// Accepts so many, and tells what each says and how it ends.
const TELLS: &str = "
import socket, sys
s = socket.create_server(('127.0.0.1', 0))
print(s.getsockname()[1])
for _ in range(3):
    c, _ = s.accept()
    try:
        c.sendall(b'220 ready\\r\\n')
        print('said', c.recv(100))
        c.sendall(b'221 bye\\r\\n')
    except OSError as error:
        print(error)
    c.close()
";

#[test]
fn python_listens() {
    let Some(mut server) = Python::run(TELLS, &[]) else { return };
    let addr = Python::addr(&server).to_string();
    let exit = Tool::run(["connect", "-z", &addr, &addr, &addr]).expect(0);
    assert_eq!(told(&exit).len(), 3, "{exit}");
    let exit = server.wait().expect(0);
    let said = String::from_utf8_lossy(&exit.stdout).into_owned();
    assert_eq!(said.lines().skip(1).collect::<Vec<_>>(), ["said b''"; 3], "{exit}");
}

#[test]
fn nc_listens() {
    let Some(nc) = external("nc.openbsd") else { return };
    // It wants to be told a port; at an address of its own nobody else has it.
    let (address, port) = ("127.83.7.19", PeerListener::tcp().addr().port().to_string());
    let mut nc = Launch::new().stdin(Stdin::Silent).start(nc, ["-lv", address, &port]);
    let exit = Tool::run(["connect", "-z", "--retry-for", "10s", address, &port]).expect(0);
    assert_eq!(told(&exit), [format!("{address} {port} open N ms")]);
    nc.wait_line(|line| line.contains("Connection received"));
    nc.signal(Signal::TERM);
    assert_eq!(nc.wait().stdout, b"", "no payload");
}

/// What stands on standard input is still there for the next command.
#[test]
fn standard_input_is_not_read() {
    let peer = PeerListener::tcp();
    let mut file = tempfile::tempfile().expect("a file");
    file.write_all(b"for others\n").expect("write");
    file.rewind().expect("rewind");
    let shared = file.try_clone().expect("the same open file");
    Tool::with(Stdin::File(shared)).run(["connect", "-z", &peer.addr().to_string()]).expect(0);
    assert_eq!(file.stream_position().expect("a position"), 0);
    // Nor does one that is closed matter.
    Tool::with(Stdin::Closed).run(["connect", "-z", &peer.addr().to_string()]).expect(0);
}

/// An output that is full is a failure, one that nobody reads an end.
#[test]
fn an_output_that_takes_nothing_is_noticed() {
    let peer = PeerListener::tcp();
    let line = ["connect".to_owned(), "-z".into(), peer.addr().to_string()];
    let full = File::options().write(true).open("/dev/full").expect("/dev/full");
    let exit = Launch::new().stdout(Stdout::File(full)).run(&line).expect(1);
    assert!(exit.stderr.contains("cannot write standard output: no space left"), "{exit}");
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let gone = File::from(std::os::fd::OwnedFd::from(writer));
    Launch::new().stdout(Stdout::File(gone)).run(&line).expect_signal(Signal::PIPE);
}
