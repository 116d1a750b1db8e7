//! Other people's programs at the other end: Python's UDPServer in its three kinds, and a Python
//! client, dig and logger; the tutorial's TCP programs are in `handlers`.

use crate::launch::{Launch, Stdin};
use crate::matrix::Mode;
use crate::peers::{Python, external};
use crate::process::Process;
use crate::tool::Tool;

use super::{connect, listen, modes};

#[track_caller]
fn server(mixins: &str) -> Option<Process> {
    const SERVER: &str = "
import os, socketserver, sys, threading
class Handler(socketserver.BaseRequestHandler):
    def handle(self):
        data, peer = self.request
        worker = 'main' if threading.current_thread() is threading.main_thread() else 'another'
        where = 'same' if os.getpid() == parent else 'another'
        peer.sendto(f'{where} process, {worker} thread: '.encode() + data.upper(), self.client_address)
parent = os.getpid()
class Server(*(getattr(socketserver, name) for name in sys.argv[1].split())):
    pass
with Server(('127.0.0.1', 0), Handler) as server:
    print(server.server_address[1])
    for _ in range(2):
        server.handle_request()
    # A thread that still answers needs the socket.
    for thread in threading.enumerate():
        if thread is not threading.main_thread():
            thread.join()
";
    Python::run(SERVER, &[mixins])
}

#[track_caller]
fn asks(mixins: &str, answer: &str) {
    let Some(mut server) = server(mixins) else { return };
    for question in ["hello", "hello again"] {
        let launch = Tool::with(Stdin::Bytes(question.into()));
        let exit = connect(launch, Python::addr(&server), &["-q", "20s", "--datagrams", "1"]).wait().expect(0);
        let heard = String::from_utf8_lossy(&exit.stdout);
        assert_eq!(heard, format!("{answer}: {}", question.to_uppercase()), "{exit}");
    }
    server.wait().expect(0);
}

#[test]
fn a_udp_server_answers() {
    asks("UDPServer", "same process, main thread");
}

#[test]
fn a_forking_udp_server_answers() {
    asks("ForkingMixIn UDPServer", "another process, main thread");
}

#[test]
fn a_threading_udp_server_answers() {
    asks("ThreadingMixIn UDPServer", "same process, another thread");
}

/// fincat does the job of each for Python's own client.
fn we_are_the_udp_server(mode: Mode) {
    const CLIENT: &str = "
import socket, sys
peer = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
peer.settimeout(20)
for word in sys.argv[2:]:
    peer.sendto(word.encode(), ('127.0.0.1', int(sys.argv[1])))
    print(peer.recv(65536).decode())
";
    let args = ["127.0.0.1", "0", "--per-datagram", "--sh", "tr a-z A-Z"];
    let tool = listen(&[&args, mode.flags()].concat());
    let port = tool.addr().port().to_string();
    let Some(mut client) = Python::run(CLIENT, &[&port, "hello", "hello again"]) else { return };
    assert_eq!(client.wait().expect(0).stdout, b"HELLO\nHELLO AGAIN\n");
}

modes!(we_are_the_udp_server);

/// A name server in one command: dig's question, with an address as its answer.
#[test]
fn dig_is_answered() {
    const SERVER: &str = r"
import os, sys
question = os.read(0, 65536)
end = question.index(b'\0', 12) + 5
head = question[:2] + b'\x81\x80\0\1\0\1\0\0\0\0'
sys.stdout.buffer.write(head + question[12:end] + b'\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\xc0\0\2\7')
";
    let (Some(dig), Some(_)) = (external("dig"), external("python3")) else { return };
    let tool = listen(&["127.0.0.1", "0", "-k", "--per-datagram", "--", "python3", "-c", SERVER]);
    let port = tool.addr().port().to_string();
    for _ in 0..2 {
        let args = ["@127.0.0.1", "-p", &port, "+short", "+tries=1", "+time=15", "fincat.example", "A"];
        let exit = Launch::new().start(&dig, args).wait().expect(0);
        assert_eq!(exit.stdout, b"192.0.2.7\n", "{exit}");
    }
}

/// syslog: a line for each, whoever sent it.
#[test]
fn logger_is_heard() {
    let Some(logger) = external("logger") else { return };
    let tool = listen(&["127.0.0.1", "0", "-k", "--lines"]);
    let port = tool.addr().port().to_string();
    for (number, word) in [(1, "first"), (2, "second")] {
        let args = ["--udp", "--server", "127.0.0.1", "--port", &port, "--rfc3164", "-t", "suite", word];
        Launch::new().start(&logger, args).wait().expect(0);
        let line = tool.wait_stdout_line(number);
        assert!(line.starts_with('<') && line.ends_with(&format!("suite: {word}")), "{line}");
    }
}
