//! An upstream that is restarted while clients come: with `--retry-for` nobody is lost; ways that fail are in `onward`.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use socket2::{Domain, SockAddr, Socket, Type};
use tempfile::TempDir;

use super::forward;
use super::side::Kind;
use crate::capture::{deadline, readable_by};
use crate::datagram::modes;
use crate::matrix::Mode;
use crate::peers::{PeerStream, silence};
use crate::tool::Tool;

/// All clients there are.
const CLIENTS: usize = 500;

modes!(nobody_is_lost_while_it_is_down, nobody_is_lost_under_traffic);

/// Asks, half-closes, and demands the whole answer.
#[track_caller]
fn ask(tool: &Tool, number: usize) {
    let near = PeerStream::tcp(tool.addr());
    near.write(format!("question {number}"));
    near.shutdown();
    assert_eq!(String::from_utf8_lossy(&near.read_to_end()), format!("answer to question {number}"));
}

/// Answers whoever has been accepted.
fn answer(mut client: Socket) {
    let mut question = String::new();
    client.read_to_string(&mut question).expect("a question");
    client.write_all(format!("answer to {question}").as_bytes()).expect("answer");
}

/// Answers everybody until `over`, then whoever waits still, and closes.
fn serve(listener: &Socket, answered: &AtomicUsize, over: impl Fn() -> bool) {
    let take = || {
        let soon = std::time::Instant::now() + Duration::from_millis(20);
        if readable_by(listener, soon) {
            listener.accept().ok().map(|(client, _)| answer(client)).map(|()| answered.fetch_add(1, Ordering::SeqCst))
        } else {
            None
        }
    };
    while !over() {
        take();
    }
    // Between unix sockets: who comes now is refused, who has come before is served.
    let _ = listener.shutdown(Shutdown::Read);
    while listener.accept().map(|(client, _)| answer(client)).is_ok() {
        answered.fetch_add(1, Ordering::SeqCst);
    }
}

/// 200 clients, then a stop; 150 come while nobody is there, and 150 while it comes back on the same port.
fn nobody_is_lost_while_it_is_down(mode: Mode) {
    // A second socket keeps the port from others.
    let bound = |at: SocketAddr| {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        socket.set_reuse_address(true).expect("SO_REUSEADDR");
        socket.bind(&at.into()).expect("bind");
        socket
    };
    let kept = bound(SocketAddr::from(([127, 0, 0, 1], 0)));
    let place = kept.local_addr().ok().and_then(|addr| addr.as_socket()).expect("an address");
    let listening = || {
        let socket = bound(place);
        socket.listen(1024).expect("listen");
        TcpListener::from(socket)
    };
    let tool = forward(Kind::Tcp, &[mode.flags(), &["--retry-for", "20s"]].concat(), &place.to_string());
    let answers = |listener: &TcpListener, count: usize| {
        for _ in 0..count {
            assert!(readable_by(listener, deadline()), "nobody has connected");
            answer(listener.accept().expect("accept").0.into());
        }
    };
    thread::scope(|scope| {
        let first = listening();
        scope.spawn(move || answers(&first, 200));
        (0..200).for_each(|number| ask(&tool, number));
    });
    thread::scope(|scope| {
        let tool = &tool;
        for each in 0..10 {
            scope.spawn(move || {
                for number in 0..30 {
                    ask(tool, 200 + each * 30 + number);
                }
            });
        }
        let waiting: Vec<PeerStream> = (0..50).map(|_| PeerStream::tcp(tool.addr())).collect();
        waiting.iter().enumerate().for_each(|(number, near)| {
            near.write(format!("question {}", CLIENTS + number));
            near.shutdown();
        });
        silence(Duration::from_millis(300));
        let second = listening();
        scope.spawn(move || answers(&second, 350));
        for (number, near) in waiting.iter().enumerate() {
            let wanted = format!("answer to question {}", CLIENTS + number);
            assert_eq!(String::from_utf8_lossy(&near.read_to_end()), wanted);
        }
    });
    assert!(tool.is_running());
}

/// The same at a path, restarted twice while ten clients at a time go on asking.
fn nobody_is_lost_under_traffic(mode: Mode) {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("upstream");
    let listening = |path: &Path| {
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None).expect("a socket");
        socket.set_nonblocking(true).expect("a flag");
        socket.bind(&SockAddr::unix(path).expect("a short path")).expect("bind");
        socket.listen(128).expect("listen");
        socket
    };
    let to = path.to_str().expect("a path in UTF-8");
    let tool = forward(Kind::Tcp, &[mode.flags(), &["--retry-for", "20s"]].concat(), to);
    let (answered, over) = (AtomicUsize::new(0), AtomicBool::new(false));
    let (done, finished) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(|| {
            for until in [150, 300, usize::MAX] {
                let listener = listening(&path);
                serve(&listener, &answered, || over.load(Ordering::SeqCst) || answered.load(Ordering::SeqCst) >= until);
                std::fs::remove_file(&path).expect("remove the path");
                silence(Duration::from_millis(100));
            }
        });
        for each in 0..10 {
            let (tool, done) = (&tool, done.clone());
            scope.spawn(move || {
                (0..CLIENTS / 10).for_each(|number| ask(tool, each * 100 + number));
                let _ = done.send(());
            });
        }
        drop(done);
        let all = finished.iter().count();
        over.store(true, Ordering::SeqCst);
        assert_eq!(all, 10);
    });
    assert_eq!(answered.load(Ordering::SeqCst), CLIENTS);
}
