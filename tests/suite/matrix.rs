//! One body per behaviour, run over role × transport × mode: the table of cases, the macro that
//! makes a test of each, and the pair of ends that a body is given; it asserts nothing itself.
//!
//! To grow by a transport: a variant of [`Transport`], its arms in `Case::listen`, `Case::meet` and
//! `Case::connect`, and its word in the macro.

use socket2::Type;

use crate::kernel::{wait_deserted, wait_refused};
use crate::launch::{Launch, Stdin};
use crate::peers::{PeerListener, PeerStream};
use crate::tool::Tool;

/// Which end fincat is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// `fincat listen`; the peer connects.
    Listen,
    /// `fincat connect`; the peer accepts.
    Connect,
}

/// Where the peer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    /// TCP over 127.0.0.1.
    Tcp,
    /// A unix stream socket, at a path.
    Unix,
    /// A unix socket of packets in sequence, at a path.
    Seqpacket,
}

/// How many conversations fincat holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// One, whose status is fincat's.
    OneShot,
    /// A server, one at a time.
    Single,
    /// A server, a thread for each.
    Thread,
    /// A server, a process for each.
    Fork,
}

impl Mode {
    /// What makes `listen` a server of this kind.
    pub(crate) fn flags(self) -> &'static [&'static str] {
        match self {
            Self::OneShot => &[],
            Self::Single => &["--single", "-k"],
            Self::Thread => &["--thread"],
            Self::Fork => &["--fork"],
        }
    }
}

/// One cell of the matrix.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    /// Which end fincat is.
    pub(crate) role: Role,
    /// Where the peer is.
    pub(crate) transport: Transport,
    /// How many conversations fincat holds.
    pub(crate) mode: Mode,
}

impl Case {
    /// A conversation that has just begun: fincat with this standard input and these arguments,
    /// and its peer. A server serves this one (`--count 1`) and then ends too.
    ///
    /// ```ignore
    /// let (mut tool, peer) = case.pair(Stdin::Silent, &["--on-eof", "close"]);
    /// ```
    #[track_caller]
    pub(crate) fn pair(self, stdin: Stdin, args: &[&str]) -> (Tool, PeerStream) {
        self.pair_with(Tool::with(stdin), args)
    }

    /// The same, for a launch with more to it than a standard input.
    #[track_caller]
    pub(crate) fn pair_with(self, launch: Launch, args: &[&str]) -> (Tool, PeerStream) {
        match self.role {
            Role::Listen => {
                let once: &[&str] = match self.mode {
                    Mode::OneShot => &[],
                    _ => &["--count", "1"],
                };
                let tool = self.listen(launch, &[once, args].concat());
                let peer = self.meet(&tool);
                (tool, peer)
            }
            Role::Connect => self.connect(launch, args),
        }
    }

    /// A server of this mode that goes on until it is stopped; [`Case::meet`] brings its peers.
    #[track_caller]
    pub(crate) fn serve(self, launch: Launch, args: &[&str]) -> Tool {
        assert_eq!(self.role, Role::Listen, "only `listen` serves");
        self.listen(launch, args)
    }

    /// A new peer of `tool`.
    #[track_caller]
    pub(crate) fn meet(self, tool: &Tool) -> PeerStream {
        match self.transport {
            Transport::Tcp => PeerStream::tcp(tool.addr()),
            Transport::Unix => PeerStream::unix(tool.path(), Type::STREAM),
            Transport::Seqpacket => PeerStream::unix(tool.path(), Type::SEQPACKET),
        }
    }

    /// Waits until nobody can come to `tool` any more.
    #[track_caller]
    pub(crate) fn wait_refused(self, tool: &Tool) {
        match self.transport {
            Transport::Tcp => wait_refused(tool.addr()),
            Transport::Unix => wait_deserted(tool.path(), Type::STREAM),
            Transport::Seqpacket => wait_deserted(tool.path(), Type::SEQPACKET),
        }
    }

    /// The exit status to expect after [`Case::pair`]: that of the conversation where there is only
    /// one, 0 from a server whatever became of it.
    pub(crate) fn status(self, conversation: i32) -> i32 {
        match self.mode {
            Mode::OneShot => conversation,
            Mode::Single | Mode::Thread | Mode::Fork => 0,
        }
    }

    #[track_caller]
    fn listen(self, launch: Launch, args: &[&str]) -> Tool {
        let flags = self.mode.flags();
        match self.transport {
            Transport::Tcp => launch.listen([&["127.0.0.1", "0"], flags, args].concat()),
            Transport::Unix => launch.listen_unix([flags, args].concat()),
            Transport::Seqpacket => launch.listen_unix([SEQPACKET, flags, args].concat()),
        }
    }

    #[track_caller]
    fn connect(self, launch: Launch, args: &[&str]) -> (Tool, PeerStream) {
        let (listener, tool) = match self.transport {
            Transport::Tcp => {
                let listener = PeerListener::tcp();
                let tool = launch.connect(listener.addr(), args);
                (listener, tool)
            }
            Transport::Unix => {
                let listener = PeerListener::unix(Type::STREAM);
                let tool = launch.connect_unix(&listener.path(), args);
                (listener, tool)
            }
            Transport::Seqpacket => {
                let listener = PeerListener::unix(Type::SEQPACKET);
                let tool = launch.connect_unix(&listener.path(), [SEQPACKET, args].concat());
                (listener, tool)
            }
        };
        (tool, listener.accept())
    }
}

/// What makes `unix` a matter of packets.
const SEQPACKET: &[&str] = &["--type", "seqpacket"];

/// Makes tests of bodies, each a `fn(Case)` beside the macro's use, named `body::transport::cell`.
///
/// * `one_shot`: both roles, one conversation: for what only stdio can do;
/// * `served`: `listen` in its three modes: for handlers, and servers that meet many peers;
/// * `many`: `listen` in the two of them that hold several at once;
/// * `threads`: `listen --thread` alone: for what peers share;
/// * `every`: one-shot and served.
///
/// Each over TCP alone, where it is about addresses, RST or acknowledgements, or over more:
///
/// * `over streams`: TCP and unix streams;
/// * `over all`: those, and packets in sequence.
///
/// ```ignore
/// matrix!(one_shot over all: our_end_comes_first, the_peers_end_comes_first);
///
/// fn our_end_comes_first(case: Case) { ... }
/// ```
macro_rules! matrix {
    ($cells:ident: $($body:ident),+ $(,)?) => { $(mod $body {
        matrix!(@transport $cells $body tcp Tcp);
        use crate::matrix::matrix;
    })+ };
    ($cells:ident over streams: $($body:ident),+ $(,)?) => { $(mod $body {
        matrix!(@transport $cells $body tcp Tcp);
        matrix!(@transport $cells $body unix Unix);
        use crate::matrix::matrix;
    })+ };
    ($cells:ident over all: $($body:ident),+ $(,)?) => { $(mod $body {
        matrix!(@transport $cells $body tcp Tcp);
        matrix!(@transport $cells $body unix Unix);
        matrix!(@transport $cells $body seqpacket Seqpacket);
        use crate::matrix::matrix;
    })+ };
    (@transport one_shot $body:ident $name:ident $transport:ident) => { mod $name {
        matrix!(@cell $body listen Listen $transport OneShot);
        matrix!(@cell $body connect Connect $transport OneShot);
        use crate::matrix::matrix;
    } };
    (@transport served $body:ident $name:ident $transport:ident) => { mod $name {
        matrix!(@cell $body listen_single Listen $transport Single);
        matrix!(@cell $body listen_thread Listen $transport Thread);
        matrix!(@cell $body listen_fork Listen $transport Fork);
        use crate::matrix::matrix;
    } };
    (@transport many $body:ident $name:ident $transport:ident) => { mod $name {
        matrix!(@cell $body listen_thread Listen $transport Thread);
        matrix!(@cell $body listen_fork Listen $transport Fork);
        use crate::matrix::matrix;
    } };
    (@transport threads $body:ident $name:ident $transport:ident) => { mod $name {
        matrix!(@cell $body listen_thread Listen $transport Thread);
        use crate::matrix::matrix;
    } };
    (@transport every $body:ident $name:ident $transport:ident) => { mod $name {
        matrix!(@cell $body listen Listen $transport OneShot);
        matrix!(@cell $body connect Connect $transport OneShot);
        matrix!(@cell $body listen_single Listen $transport Single);
        matrix!(@cell $body listen_thread Listen $transport Thread);
        matrix!(@cell $body listen_fork Listen $transport Fork);
        use crate::matrix::matrix;
    } };
    (@cell $body:ident $name:ident $role:ident $transport:ident $mode:ident) => {
        #[test]
        fn $name() {
            super::super::$body(crate::matrix::Case {
                role: crate::matrix::Role::$role,
                transport: crate::matrix::Transport::$transport,
                mode: crate::matrix::Mode::$mode,
            });
        }
    };
}

pub(crate) use matrix;
