//! The six programs of the tutorial that fincat comes from, made of fincat: servers that Python's
//! sockets talk to, a client that talks to Python's socketserver; and curl.

use std::net::SocketAddr;

use crate::launch::{Launch, Stdin};
use crate::matrix::{Case, matrix};
use crate::peers::{Python, external};
use crate::process::Process;
use crate::tool::Tool;

/// The tutorial's client: it says its message, half-closes, and prints its own port and the answer.
#[track_caller]
fn client(server: SocketAddr, message: &str) -> Option<(u16, String)> {
    const CLIENT: &str = "
import socket, sys
with socket.create_connection((sys.argv[1], int(sys.argv[2]))) as peer:
    peer.sendall(sys.argv[3].encode())
    peer.shutdown(socket.SHUT_WR)
    print(peer.getsockname()[1])
    print(peer.makefile().read())
";
    let mut client = Python::run(CLIENT, &[&server.ip().to_string(), &server.port().to_string(), message])?;
    let said = String::from_utf8(client.wait().expect(0).stdout).expect("UTF-8");
    let (port, answer) = said.split_once('\n')?;
    Some((port.parse().expect("a port"), answer.trim_end().to_owned()))
}

/// `fincat listen localhost 10000 -k -v` shows who came and what they said.
#[test]
fn a_server_shows_who_came_and_what_they_said() {
    let tool = Tool::listen(["localhost", "0", "-k", "-v"]);
    let mut heard = String::new();
    for message in ["This is the message. ", "It will be repeated. "] {
        let Some((port, answer)) = client(tool.addr(), message) else {
            return;
        };
        assert_eq!(answer, "");
        heard.push_str(message);
        assert_eq!(tool.wait_stdout(heard.len()), heard.as_bytes());
        tool.wait_line(|line| line.contains(&format!(":{port}")));
    }
    assert!(tool.is_running());
}

/// A server that sends its clients a word, and goes on.
fn a_server_says_connected(case: Case) {
    let tool = case.serve(Tool::with(Stdin::Null), &["--send", "connected"]);
    for _ in 0..2 {
        let Some((_, answer)) = client(tool.addr(), "hello from client") else {
            return;
        };
        assert_eq!(answer, "connected");
    }
}

matrix!(served: a_server_says_connected);

/// The tutorial's servers: who serves, and what was said.
#[track_caller]
fn server(mixins: &str) -> Option<Process> {
    const SERVER: &str = "
import os, socketserver, sys, threading
class Handler(socketserver.BaseRequestHandler):
    def handle(self):
        self.data = self.request.recv(1024).strip()
        worker = 'main' if threading.current_thread() is threading.main_thread() else 'another'
        where = 'same' if os.getpid() == parent else 'another'
        self.request.sendall(f'{where} process, {worker} thread: '.encode() + self.data)
parent = os.getpid()
bases = tuple(getattr(socketserver, name) for name in sys.argv[1].split())
class Server(*bases):
    pass
with Server(('127.0.0.1', 0), Handler) as server:
    print(server.server_address[1])
    for _ in range(2):
        server.handle_request()
";
    Python::run(SERVER, &[mixins])
}

/// `printf 'hello from client' | fincat connect localhost 10000`
#[track_caller]
fn says_hello_to(mixins: &str, answer: &str) {
    let Some(mut server) = server(mixins) else { return };
    for stdin in [Stdin::Bytes(b"hello from client".to_vec()), Stdin::Null] {
        let (args, who): (&[&str], _) = match stdin {
            Stdin::Null => (&["--send", "hello from --send"], "--send"),
            _ => (&[], "client"),
        };
        let exit = Tool::with(stdin).connect(Python::addr(&server), args).wait().expect(0);
        let heard = String::from_utf8_lossy(&exit.stdout);
        assert_eq!(heard, format!("{answer}: hello from {who}"), "{exit}");
    }
    server.wait().expect(0);
}

#[test]
fn hello_to_a_tcp_server() {
    says_hello_to("TCPServer", "same process, main thread");
}

#[test]
fn hello_to_a_forking_server() {
    says_hello_to("ForkingMixIn TCPServer", "another process, main thread");
}

#[test]
fn hello_to_a_threading_server() {
    says_hello_to("ThreadingMixIn TCPServer", "same process, another thread");
}

/// curl gets its page though nobody has read what it asked for.
fn curl_gets_a_page(case: Case) {
    let Some(curl) = external("curl") else { return };
    let page = r"printf 'HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nhello, %s\n' $TCPREMOTEIP";
    let tool = case.serve(Tool::with(Stdin::Null), &["--sh", page]);
    let url = format!("http://{}/", tool.addr());
    for _ in 0..3 {
        let mut curl = Launch::new().start(&curl, ["--silent", "--show-error", "--noproxy", "*", &url]);
        assert_eq!(curl.wait().expect(0).stdout, b"hello, 127.0.0.1\n");
    }
}

matrix!(served: curl_gets_a_page);
