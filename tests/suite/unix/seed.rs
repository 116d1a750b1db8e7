//! Python's UnixStreamServer and UnixDatagramServer, plain, forking and threading: fincat is their
//! client, and does each one's job for a Python client; and curl and logger as they are used.

use socket2::Type;
use tempfile::TempDir;

use super::{AT_ONCE, within};
use crate::launch::{Launch, Stdin};
use crate::matrix::Mode;
use crate::peers::{PeerStream, Python, external};
use crate::process::Signal;
use crate::tool::Tool;

/// A server of the tutorial at a path: who serves, and what was said.
const SERVER: &str = "
import os, socketserver, sys, threading
class Handler(socketserver.BaseRequestHandler):
    def handle(self):
        worker = 'main' if threading.current_thread() is threading.main_thread() else 'another'
        where = 'same' if os.getpid() == parent else 'another'
        told = f'{where} process, {worker} thread: '.encode()
        if isinstance(self.request, tuple):
            data, server = self.request
            server.sendto(told + data, self.client_address)
        else:
            self.request.sendall(told + self.request.recv(1024))
parent = os.getpid()
Server = type('Server', tuple(getattr(socketserver, name) for name in sys.argv[2].split()), {})
with Server(sys.argv[1], Handler) as server:
    print('ready')
    for _ in range(2):
        server.handle_request()
    # Closing the socket takes it away from a thread that still answers.
    for thread in threading.enumerate():
        if thread is not threading.current_thread():
            thread.join()
";

/// Who serves, in Python's words, and what it says of itself.
const SERVERS: [(&str, &str); 3] = [
    ("", "same process, main thread"),
    ("ForkingMixIn ", "another process, main thread"),
    ("ThreadingMixIn ", "same process, another thread"),
];

#[track_caller]
fn says_hello_to(class: &str, word: &str) {
    for (mixin, answer) in SERVERS {
        let folder = TempDir::new().expect("a folder");
        let path = within(&folder, "socket");
        let Some(mut server) = Python::run(SERVER, &[&path, &format!("{mixin}{class}")]) else { return };
        server.wait_stdout_line(1);
        for (stdin, args) in [(Stdin::Bytes(b"hello".to_vec()), &[][..]), (Stdin::Null, &["--send", "hello"])] {
            let line = [&["--type", word], args].concat();
            let exit = Tool::with(stdin).connect_unix(&path, line).wait_within(AT_ONCE).expect(0);
            let heard = String::from_utf8_lossy(&exit.stdout);
            assert_eq!(heard, format!("{answer}: hello"), "{mixin}{class} {args:?}");
        }
        server.wait().expect(0);
    }
}

#[test]
fn hello_to_the_stream_servers() {
    says_hello_to("UnixStreamServer", "stream");
}

#[test]
fn hello_to_the_datagram_servers() {
    says_hello_to("UnixDatagramServer", "dgram");
}

/// Python's client: three at once say a word each, and print what they hear.
const CLIENT: &str = "
import socket, sys
path, kind, own = sys.argv[1:4]
peers = []
for number in range(3):
    peer = socket.socket(socket.AF_UNIX, getattr(socket, kind))
    peer.settimeout(20)
    if kind == 'SOCK_DGRAM':
        peer.bind(f'{own}{number}')
    peer.connect(path)
    peer.send(f'client {number}'.encode())
    if kind != 'SOCK_DGRAM':
        peer.shutdown(socket.SHUT_WR)
    peers.append(peer)
for peer in peers:
    print(peer.recv(1024).decode())
";

/// fincat does the work of each class for a Python client, with a handler of its own and a command.
#[test]
fn we_do_each_servers_job() {
    for (word, kind) in [("stream", "SOCK_STREAM"), ("dgram", "SOCK_DGRAM"), ("seqpacket", "SOCK_SEQPACKET")] {
        for mode in [Mode::Single, Mode::Thread, Mode::Fork] {
            for handler in [&["--echo"][..], &["--", "cat"]] {
                let alone = if word == "dgram" { &["--idle-timeout", "50ms"][..] } else { &[] };
                let args = [&["--type", word], mode.flags(), alone, handler].concat();
                let tool = Launch::new().listen_unix(args);
                let folder = TempDir::new().expect("a folder");
                let path = tool.path().to_str().expect("UTF-8");
                let client = Python::run(CLIENT, &[path, kind, &within(&folder, "own")]);
                let Some(mut client) = client else { return };
                let said = client.wait().expect(0).stdout;
                assert_eq!(String::from_utf8_lossy(&said), "client 0\nclient 1\nclient 2\n", "{word} {mode:?}");
            }
        }
    }
}

/// A docker-style exchange: HTTP over a unix socket.
#[test]
fn curl_gets_a_page_over_a_unix_socket() {
    let Some(curl) = external("curl") else { return };
    let page = r#"
        while read -r line && [ "$line" != "$(printf '\r')" ]; do :; done
        printf 'HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nhello, user %s\n' $UNIXREMOTEUID"#;
    for mode in ["--thread", "--fork"] {
        let tool = Launch::new().listen_unix([mode, "--sh", page]);
        let path = tool.path().to_str().expect("UTF-8");
        for _ in 0..3 {
            let line = ["--silent", "--show-error", "--noproxy", "*", "--unix-socket", path, "http://localhost/info"];
            let mut curl = Launch::new().start(&curl, line);
            let wanted = format!("hello, user {}\n", rustix::process::geteuid().as_raw());
            assert_eq!(String::from_utf8_lossy(&curl.wait().expect(0).stdout), wanted);
        }
    }
}

/// `logger --socket` into a listener that hears everybody.
#[test]
fn logger_is_heard() {
    let Some(logger) = external("logger") else { return };
    let mut tool = Launch::new().listen_unix(["--type", "dgram", "-k", "--lines"]);
    let path = tool.path().to_str().expect("UTF-8").to_owned();
    for number in 1..=3 {
        let text = format!("message {number}");
        let line = ["--socket", &path, "--tag", "suite", "--socket-errors=on", &text];
        Launch::new().start(&logger, line).wait().expect(0);
        let heard = tool.wait_stdout_line(number);
        assert!(heard.ends_with(&text) && heard.contains("suite"), "{heard}");
    }
    tool.signal(Signal::TERM);
    tool.wait_within(AT_ONCE).expect_signal(Signal::TERM);
}

/// The stale path that SocketServer leaves behind is no obstacle.
#[test]
fn what_socketserver_leaves_behind_is_replaced() {
    const LEAVES: &str = "
import socketserver, sys
socketserver.UnixStreamServer(sys.argv[1], socketserver.BaseRequestHandler).server_close()
";
    let folder = TempDir::new().expect("a folder");
    let path = within(&folder, "socket");
    let Some(mut server) = Python::run(LEAVES, &[&path]) else { return };
    server.wait().expect(0);
    assert!(std::path::Path::new(&path).exists(), "Python leaves it behind");
    let tool = Launch::new().announce(&["unix", "listen"], &[&path, "--echo"]);
    let peer = PeerStream::unix(tool.path(), Type::STREAM);
    peer.write("x");
    assert_eq!(peer.read(1), b"x");
}
