//! The addresses a listener has, how others learn of them, and that nobody else has them; not who is
//! let in (`limits`).

use std::fs;
use std::io::Read as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs as _};

use tempfile::TempDir;

use super::{echoed, leave};
use crate::kernel::{has_ipv6, wait_until};
use crate::launch::{Launch, Stdin};
use crate::peers::{PeerListener, PeerStream};
use crate::tool::Tool;

/// A name means all of its addresses, on one port.
#[test]
fn a_name_is_served_on_all_its_addresses() {
    let tool = Tool::listen(["localhost", "0", "--thread", "--echo"]);
    let mut addrs = tool.addrs();
    let port = addrs[0].port();
    assert_ne!(port, 0);
    addrs.sort();
    let mut wanted: Vec<_> = ("localhost", port).to_socket_addrs().expect("localhost").collect();
    wanted.sort();
    wanted.dedup();
    assert_eq!(addrs, wanted);
    for (number, addr) in addrs.into_iter().enumerate() {
        echoed(&PeerStream::tcp(addr), number);
    }
}

/// Without HOST every address of the machine is served, both families on one port, a line for each.
#[test]
fn without_a_host_both_families_share_a_port() {
    for mode in ["--single", "--thread", "--fork"] {
        let tool = Tool::listen(["0", mode, "-k", "--echo"]);
        let port = tool.addr().port();
        let mut hosts: Vec<IpAddr> = vec![Ipv4Addr::UNSPECIFIED.into()];
        let mut peers: Vec<IpAddr> = vec![Ipv4Addr::LOCALHOST.into()];
        if has_ipv6() {
            hosts.push(Ipv6Addr::UNSPECIFIED.into());
            peers.push(Ipv6Addr::LOCALHOST.into());
        }
        let mut announced = tool.addrs();
        announced.sort();
        assert_eq!(announced, hosts.iter().map(|&host| SocketAddr::new(host, port)).collect::<Vec<_>>());
        for (number, host) in peers.into_iter().enumerate() {
            let peer = PeerStream::tcp(SocketAddr::new(host, port));
            echoed(&peer, number);
            leave(&peer);
        }
    }
}

/// `-4` and `-6` choose between them.
#[test]
fn one_family_can_be_chosen() {
    let tool = Tool::listen(["0", "-4", "--thread", "--echo"]);
    assert_eq!(tool.announced(), [format!("0.0.0.0:{}", tool.addr().port())]);
    if has_ipv6() {
        let tool = Tool::listen(["0", "-6", "--thread", "--echo"]);
        assert_eq!(tool.announced(), [format!("[::]:{}", tool.addr().port())]);
        echoed(&PeerStream::tcp(SocketAddr::from((Ipv6Addr::LOCALHOST, tool.addr().port()))), 1);
    }
}

/// IPv4 peers are shown as IPv4, whichever socket they came to.
#[test]
fn an_ipv4_peer_is_shown_as_ipv4() {
    let tool = Tool::listen(["0", "--thread", "--echo", "-v"]);
    let peer = PeerStream::tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, tool.addr().port())));
    echoed(&peer, 1);
    let shown = peer.addrs().0.to_string();
    tool.wait_line(|line| line.contains(&shown));
    leave(&peer);
    assert!(!tool.stderr().contains("::ffff:"), "{}", tool.stderr());
}

/// Two listeners on one port: the second is told whose it is.
#[test]
fn a_port_belongs_to_one() {
    let first = Tool::listen(["127.0.0.1", "0", "-k", "--echo"]);
    let port = first.addr().port().to_string();
    for more in [&[][..], &["-k"], &["--thread"], &["--fork"], &["--reuse-port"]] {
        let exit = Tool::run([&["listen", "127.0.0.1", &port, "--echo"], more].concat()).expect(8);
        let named = exit.stderr.starts_with("fincat: cannot ") && exit.stderr.contains(&port);
        assert!(named && exit.stderr.contains("in use"), "{exit}");
    }
    echoed(&PeerStream::tcp(first.addr()), 1);
}

/// Nor is an address of another machine ours.
#[test]
fn an_address_elsewhere_cannot_be_bound() {
    let exit = Tool::run(["listen", "192.0.2.1", "0", "--echo"]).expect(8);
    assert!(exit.stderr.contains("192.0.2.1"), "{exit}");
}

/// `--reuse-port`, by both: the kernel deals the peers out, and nobody is lost.
#[test]
fn a_port_can_be_shared_by_those_who_ask_for_it() {
    let first = Tool::listen(["127.0.0.1", "0", "--thread", "--echo", "--reuse-port"]);
    let port = first.addr().port().to_string();
    let second = Tool::listen(["127.0.0.1", &port, "--thread", "--echo", "--reuse-port"]);
    assert_eq!(second.addr(), first.addr());
    for number in 0..20 {
        echoed(&PeerStream::tcp(first.addr()), number);
    }
}

/// A server that closed its conversations first can be started again at once: what is left in TIME-WAIT
/// is no listener. (On an address of its own, where nobody else is given this port meanwhile.)
#[test]
fn a_server_can_be_started_again_at_once() {
    let mut port = "0".to_owned();
    for _ in 0..3 {
        let mut tool = Tool::listen(["127.8.0.1", &port, "--count", "1", "--send", "bye"]);
        assert_eq!(PeerStream::tcp(tool.addr()).read_to_end(), b"bye");
        port = tool.addr().port().to_string();
        tool.wait().expect(0);
    }
}

/// `--ready-fd 1`: standard output is free where a handler leaves it so, and closed when all is said.
#[test]
fn standard_output_can_be_the_ready_descriptor() {
    for handler in [&["--echo"][..], &["--", "cat"], &["--send", "x"]] {
        let line = [&["listen", "127.0.0.1", "0", "--thread", "--ready-fd", "1"], handler].concat();
        let tool = Launch::new().fincat(line);
        let said = String::from_utf8(tool.wait_stdout_end()).expect("UTF-8");
        let addr = said.strip_suffix('\n').and_then(|line| line.parse::<SocketAddr>().ok());
        let addr = addr.unwrap_or_else(|| panic!("an address and a newline: {said:?}"));
        let peer = PeerStream::tcp(addr);
        peer.write("x");
        assert_eq!(peer.read(1), b"x");
    }
}

/// It is checked before anything is opened.
#[test]
fn a_ready_descriptor_must_be_there_and_free() {
    let taken = PeerListener::tcp();
    let port = taken.addr().port().to_string();
    let stdio = [&["--ready-fd", "1"][..], &["--ready-fd", "0"]];
    let missing = [&["--ready-fd", "77"][..], &["--ready-fd", "-1"], &["--ready-fd", "three"]];
    for args in [&stdio[..], &missing].concat() {
        Tool::run([&["listen", "127.0.0.1", &port], args].concat()).expect(2);
    }
}

/// The bare port number, in a file that appears whole, in the place of an older one.
#[test]
fn the_port_is_in_a_file() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("port");
    fs::write(&path, "stale").expect("write a file");
    let mut old = fs::File::open(&path).expect("open it");
    let tool = Tool::listen(["0", "--thread", "--echo", "--port-file", path.to_str().expect("a path in UTF-8")]);
    let port = format!("{}\n", tool.addr().port());
    wait_until("the file is new", || fs::read_to_string(&path).expect("it is always there") != "stale");
    assert_eq!(fs::read_to_string(&path).expect("read it"), port);
    let mut text = String::new();
    old.read_to_string(&mut text).expect("read the old one");
    assert_eq!(text, "stale", "the old file was replaced, not written to");
    assert_eq!(fs::read_dir(folder.path()).expect("the folder").count(), 1, "nothing else is left there");
}

/// A port that nobody would learn of is no success.
#[test]
fn a_port_file_that_cannot_be_written_is_named() {
    let line = ["listen", "127.0.0.1", "0", "--echo", "--port-file", "/nonexistent/port"];
    let exit = Tool::run(line).expect(1);
    assert!(exit.stderr.starts_with("fincat: cannot ") && exit.stderr.contains("/nonexistent/port"), "{exit}");
}

/// Ports of 0, names of services, and `HOST:PORT` in one word.
#[test]
fn an_address_may_be_one_word() {
    for word in ["127.0.0.1:0", "[::1]:0"] {
        let expected: SocketAddr = word.parse().expect("an address");
        if TcpListener::bind(expected).is_ok() {
            let tool = Tool::with(Stdin::Null).listen([word, "--thread", "--echo"]);
            assert_eq!(tool.addr().ip(), expected.ip());
            echoed(&PeerStream::tcp(tool.addr()), 1);
        }
    }
}
