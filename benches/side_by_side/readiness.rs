//! When is a server there? Asked of the kernel, never of the server, which would take the question for a peer.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink::SOCK_DIAG, recv, send, socket_with,
};

use crate::child::Tool;
use crate::rounds::Failure;

/// How long a server may take; an interpreter on a busy machine is slow.
const PATIENCE: Duration = Duration::from_secs(5);

/// The kernel's answers about sockets.
pub(crate) struct Kernel {
    /// A netlink socket for exact questions; where there is none, lists are read.
    questions: Option<OwnedFd>,
}

impl Kernel {
    pub(crate) fn ask() -> Self {
        let raw = SocketType::RAW;
        Self { questions: socket_with(AddressFamily::NETLINK, raw, SocketFlags::CLOEXEC, Some(SOCK_DIAG)).ok() }
    }

    /// Whether somebody listens on that TCP port of 127.0.0.1.
    pub(crate) fn listens(&self, port: u16) -> bool {
        let answer = self.questions.as_ref().map(|socket| state_of_listener(socket, port));
        match answer {
            Some(Ok(is_listening)) => is_listening,
            _ => listed(&["/proc/net/tcp", "/proc/net/tcp6"], port, Some("0A")),
        }
    }
}

/// Asks for the one socket that a connection to 127.0.0.1:`port` would find.
fn state_of_listener(socket: &OwnedFd, port: u16) -> io::Result<bool> {
    const LENGTH: u8 = 72;
    const SOCK_DIAG_BY_FAMILY: u8 = 20;
    const LISTEN: u8 = 10;
    let mut question = [0_u8; LENGTH as usize];
    // nlmsghdr: length, type, NLM_F_REQUEST.
    (question[0], question[4], question[6]) = (LENGTH, SOCK_DIAG_BY_FAMILY, 1);
    // inet_diag_req_v2: AF_INET, IPPROTO_TCP, the state as a set.
    (question[16], question[17], question[21]) = (2, 6, 1 << (LISTEN - 8));
    question[24..26].copy_from_slice(&port.to_be_bytes());
    question[28..32].copy_from_slice(&[127, 0, 0, 1]);
    // No cookie is known.
    question[64..72].fill(0xff);
    send(socket, &question, SendFlags::empty())?;
    let mut answer = [0_u8; 1024];
    let (_, length) = recv(socket, &mut answer[..], RecvFlags::empty())?;
    Ok(length > 17 && answer[4] == SOCK_DIAG_BY_FAMILY && answer[17] == LISTEN)
}

/// Whether a list of the kernel's has `port` as a local one, in that state.
fn listed(files: &[&str], port: u16, state: Option<&str>) -> bool {
    let wanted = format!(":{port:04X}");
    let is_it = |line: &str| {
        let mut words = line.split_whitespace().skip(1);
        let local = words.next().is_some_and(|local| local.ends_with(&wanted));
        local && state.is_none_or(|state| words.nth(1) == Some(state))
    };
    files.iter().filter_map(|file| fs::read_to_string(file).ok()).any(|text| text.lines().skip(1).any(is_it))
}

fn wait_until(tool: &mut Tool, mut is_there: impl FnMut() -> bool) -> Result<(), Failure> {
    let deadline = Instant::now() + PATIENCE;
    while !is_there() {
        if tool.has_ended() {
            tool.wait(PATIENCE)?;
            return Err(Failure::Failed(tool.complaint()));
        }
        if Instant::now() > deadline {
            return Err(Failure::Failed(format!("never listened: {}", tool.complaint())));
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(())
}

/// Waits until `tool` serves that TCP port.
pub(crate) fn wait_for_listener(tool: &mut Tool, port: u16) -> Result<(), Failure> {
    let kernel = Kernel::ask();
    wait_until(tool, || kernel.listens(port))
}

/// Waits until `tool` has bound that UDP port.
pub(crate) fn wait_for_datagrams(tool: &mut Tool, port: u16) -> Result<(), Failure> {
    wait_until(tool, || listed(&["/proc/net/udp", "/proc/net/udp6"], port, None))
}

/// Waits until `tool` listens at `path`.
pub(crate) fn wait_for_path(tool: &mut Tool, path: &Path) -> Result<(), Failure> {
    // Flags: __SO_ACCEPTCON.
    const LISTENING: &str = "00010000";
    let path = path.display().to_string();
    let is_it = |line: &str| line.ends_with(&path) && line.split_whitespace().nth(3) == Some(LISTENING);
    wait_until(tool, || fs::read_to_string("/proc/net/unix").is_ok_and(|text| text.lines().any(is_it)))
}
