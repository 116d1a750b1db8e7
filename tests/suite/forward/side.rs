//! The two sides that fincat stands between when it forwards: the client's, and the server's, over each
//! of the five transports. They are driven by the test itself, so nothing runs in the background.

use std::net::SocketAddr;
use std::os::unix::net::UnixDatagram;

use socket2::{Domain, Socket, Type};
use tempfile::TempDir;

use crate::capture::{deadline, readable_by};
use crate::datagram::{Packets, Peer};
use crate::peers::{PeerListener, PeerStream, unix_address};
use crate::tool::Tool;

/// A transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Tcp,
    Udp,
    Unix,
    Dgram,
    Seqpacket,
}

impl Kind {
    pub(super) const ALL: [Self; 5] = [Self::Tcp, Self::Udp, Self::Unix, Self::Dgram, Self::Seqpacket];
}

/// The client's side.
pub(super) enum Near {
    Stream(PeerStream),
    Packets(Packets),
    Udp(Peer),
    Dgram(Mailbox),
}

impl Near {
    /// A new client of `tool`.
    #[track_caller]
    pub(super) fn of(kind: Kind, tool: &Tool) -> Self {
        match kind {
            Kind::Tcp => Self::Stream(PeerStream::tcp(tool.addr())),
            Kind::Udp => Self::Udp(Peer::of(tool.addr())),
            Kind::Unix => Self::Stream(PeerStream::unix(tool.path(), Type::STREAM)),
            Kind::Seqpacket => {
                let socket = Socket::new(Domain::UNIX, Type::SEQPACKET, None).expect("a socket");
                socket.connect(&unix_address(tool.path())).expect("connect");
                Self::Packets(Packets(socket))
            }
            Kind::Dgram => {
                let mailbox = Mailbox::new();
                mailbox.socket.connect(tool.path()).expect("connect");
                Self::Dgram(mailbox)
            }
        }
    }

    #[track_caller]
    pub(super) fn say(&self, bytes: &[u8]) {
        match self {
            Self::Stream(stream) => stream.write(bytes),
            Self::Packets(packets) => packets.put(bytes),
            Self::Udp(peer) => peer.send(bytes),
            Self::Dgram(mailbox) => assert_eq!(mailbox.socket.send(bytes).expect("send"), bytes.len()),
        }
    }

    #[track_caller]
    pub(super) fn hear(&self, count: usize) -> Vec<u8> {
        match self {
            Self::Stream(stream) => stream.read(count),
            Self::Packets(packets) => packets.next().expect("a packet"),
            Self::Udp(peer) => peer.receive(),
            Self::Dgram(mailbox) => mailbox.receive().0,
        }
    }
}

/// A unix datagram socket with a name.
pub(super) struct Mailbox {
    socket: UnixDatagram,
    folder: TempDir,
}

impl Mailbox {
    #[track_caller]
    fn new() -> Self {
        let folder = TempDir::new().expect("a folder for the socket");
        let socket = UnixDatagram::bind(folder.path().join("peer")).expect("bind");
        Self { socket, folder }
    }

    #[track_caller]
    fn receive(&self) -> (Vec<u8>, Option<std::path::PathBuf>) {
        assert!(readable_by(&self.socket, deadline()), "no datagram came");
        let mut buffer = vec![0; 1 << 17];
        let (count, from) = self.socket.recv_from(&mut buffer).expect("receive");
        buffer.truncate(count);
        (buffer, from.as_pathname().map(Into::into))
    }
}

/// The server's side.
pub(super) struct Far {
    kind: Kind,
    place: Place,
    met: Option<Met>,
}

enum Place {
    Stream(PeerListener),
    Packets(Socket, TempDir),
    Udp(Peer),
    Dgram(Mailbox),
}

/// Who is answered.
enum Met {
    Stream(PeerStream),
    Packets(Packets),
    Udp(SocketAddr),
    Dgram(std::path::PathBuf),
}

impl Far {
    /// On an address of its own.
    #[track_caller]
    pub(super) fn new(kind: Kind) -> Self {
        let place = match kind {
            Kind::Tcp => Place::Stream(PeerListener::tcp()),
            Kind::Unix => Place::Stream(PeerListener::unix(Type::STREAM)),
            Kind::Seqpacket => {
                let folder = TempDir::new().expect("a folder for the socket");
                let socket = Socket::new(Domain::UNIX, Type::SEQPACKET, None).expect("a socket");
                socket.bind(&unix_address(&folder.path().join("peer"))).expect("bind");
                socket.listen(16).expect("listen");
                Place::Packets(socket, folder)
            }
            Kind::Udp => Place::Udp(Peer::new()),
            Kind::Dgram => Place::Dgram(Mailbox::new()),
        };
        Self { kind, place, met: None }
    }

    /// What `--to` is given.
    pub(super) fn endpoint(&self) -> String {
        match (&self.place, self.kind) {
            (Place::Stream(listener), Kind::Tcp) => format!("tcp:{}", listener.addr()),
            (Place::Stream(listener), _) => format!("unix:{}", listener.path()),
            (Place::Packets(_, folder), _) => format!("unix-seqpacket:{}", folder.path().join("peer").display()),
            (Place::Udp(peer), _) => format!("udp:{}", peer.addr()),
            (Place::Dgram(mailbox), _) => format!("unix-dgram:{}", mailbox.folder.path().join("peer").display()),
        }
    }

    /// Waits for a connection.
    #[track_caller]
    pub(super) fn accept(&self) -> PeerStream {
        let Place::Stream(listener) = &self.place else { panic!("{:?} accepts nobody", self.kind) };
        listener.accept()
    }

    /// Waits for this many bytes of a stream, or for a packet.
    #[track_caller]
    pub(super) fn hear(&mut self, count: usize) -> Vec<u8> {
        match &self.place {
            Place::Stream(listener) => {
                let met = self.met.take().unwrap_or_else(|| Met::Stream(listener.accept()));
                let Met::Stream(stream) = &met else { unreachable!("a listener of streams") };
                let bytes = stream.read(count);
                self.met = Some(met);
                bytes
            }
            Place::Packets(listener, _) => {
                let met = self.met.take().unwrap_or_else(|| {
                    assert!(readable_by(listener, deadline()), "nobody has connected");
                    Met::Packets(Packets(listener.accept().expect("accept").0))
                });
                let Met::Packets(packets) = &met else { unreachable!("a listener of packets") };
                let bytes = packets.next().expect("a packet");
                self.met = Some(met);
                bytes
            }
            Place::Udp(peer) => {
                let (bytes, from) = peer.receive_from();
                self.met = Some(Met::Udp(from));
                bytes
            }
            Place::Dgram(mailbox) => {
                let (bytes, from) = mailbox.receive();
                self.met = Some(Met::Dgram(from.expect("fincat has a name to be answered at")));
                bytes
            }
        }
    }

    /// Says this to whom it heard last.
    #[track_caller]
    pub(super) fn say(&self, bytes: &[u8]) {
        match (&self.place, self.met.as_ref().expect("it has heard somebody")) {
            (_, Met::Stream(stream)) => stream.write(bytes),
            (_, Met::Packets(packets)) => packets.put(bytes),
            (Place::Udp(peer), Met::Udp(to)) => peer.send_to(bytes, *to),
            (Place::Dgram(mailbox), Met::Dgram(to)) => {
                assert_eq!(mailbox.socket.send_to(bytes, to).expect("send"), bytes.len());
            }
            _ => unreachable!("who was heard was heard here"),
        }
    }
}
