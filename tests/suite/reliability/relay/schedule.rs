//! What may happen to a conversation, as data that is made at random and made smaller when it fails; it plays nothing.

use fincat::relay::closing::{OnEof, OnFin};
use proptest::prelude::*;

/// What stands behind standard input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Input {
    /// It is not read (`--recv-only`).
    Unread,
    Pipe,
    Socket,
    /// A regular file with so many bytes.
    File(usize),
    /// A text of so many bytes, instead of standard input (`--send`).
    Text(usize),
}

/// What stands behind standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Output {
    Pipe,
    Socket,
    File,
    Null,
    Full,
    /// What the peer sends is dropped.
    Dropped,
    /// What the peer sends goes back to it (`--echo`).
    Back,
}

/// How the peer is joined to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Peer {
    Tcp,
    Unix,
}

/// A short time after which something is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Timer {
    Quit,
    HalfClose,
    Idle,
    Deadline,
}

/// Where and under which policy.
#[derive(Clone, Copy, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is something by itself")]
pub(super) struct Setup {
    pub(super) peer: Peer,
    pub(super) input: Input,
    pub(super) output: Output,
    pub(super) on_eof: OnEof,
    pub(super) on_fin: OnFin,
    pub(super) send_only: bool,
    /// `--no-splice`.
    pub(super) copies: bool,
    /// Pipes of one page, socket buffers as small as they get: nearly every read and write is short.
    pub(super) tight: bool,
    /// Output stays open at the end (`-k`).
    pub(super) stays: bool,
    pub(super) timer: Option<Timer>,
}

/// Something that happens.
#[derive(Clone, Copy, Debug)]
pub(super) enum Act {
    /// The relay has its turn, so many times.
    Step(u8),
    /// So many bytes for standard input, or as many as it takes.
    Feed(usize),
    /// The peer sends so many, or as many as its socket takes.
    Send(usize),
    /// The peer reads so many, or what there is.
    Hear(usize),
    /// So many are read from standard output, or what there is.
    Take(usize),
    /// Somebody else who shares standard input takes so many.
    Steal(usize),
    EndInput,
    /// Reading standard input fails.
    BreakInput,
    /// The peer's FIN; it goes on reading.
    Fin,
    /// The peer closes, having read what there is.
    Close,
    /// The peer aborts.
    Reset,
    /// Whoever reads standard output is gone.
    LeaveOutput,
    /// A signal ends it.
    CallOff,
    /// Everybody reads until nothing comes any more; then the rules of the model must hold to the byte.
    Settle,
    /// Nothing happens until the timer is due.
    Wait,
}

fn bytes() -> impl Strategy<Value = usize> {
    prop_oneof![5 => 1..200usize, 3 => 200..6000usize, 3 => 6000..150_000usize]
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        10 => (1..6u8).prop_map(Act::Step),
        7 => bytes().prop_map(Act::Feed),
        7 => bytes().prop_map(Act::Send),
        5 => bytes().prop_map(Act::Hear),
        5 => bytes().prop_map(Act::Take),
        4 => Just(Act::Settle),
        2 => Just(Act::EndInput),
        2 => Just(Act::Fin),
        1 => Just(Act::Close),
        1 => Just(Act::Reset),
        1 => Just(Act::LeaveOutput),
        1 => Just(Act::BreakInput),
        1 => Just(Act::Wait),
        1 => prop_oneof![Just(Act::CallOff), bytes().prop_map(Act::Steal)],
    ]
}

fn setup() -> impl Strategy<Value = Setup> {
    let input = prop_oneof![
        6 => Just(Input::Pipe),
        3 => Just(Input::Socket),
        2 => bytes().prop_map(Input::File),
        1 => bytes().prop_map(Input::Text),
        1 => Just(Input::Unread),
    ];
    let output = prop_oneof![
        8 => Just(Output::Pipe),
        4 => Just(Output::Socket),
        2 => Just(Output::File),
        1 => Just(Output::Null),
        1 => Just(Output::Dropped),
        1 => Just(Output::Full),
        3 => Just(Output::Back),
    ];
    let peer = prop_oneof![Just(Peer::Tcp), Just(Peer::Unix)];
    let on_eof = prop_oneof![
        3 => Just(OnEof::HalfClose),
        1 => Just(OnEof::Close),
        1 => Just(OnEof::Hold),
        1 => Just(OnEof::Reset),
    ];
    let on_fin = prop_oneof![Just(OnFin::Auto), Just(OnFin::Drain), Just(OnFin::Close)];
    let timers = prop_oneof![Just(Timer::Quit), Just(Timer::HalfClose), Just(Timer::Idle), Just(Timer::Deadline)];
    let timer = prop_oneof![14 => Just(None), 1 => timers.prop_map(Some)];
    let words = (any::<bool>(), any::<bool>(), prop::bool::weighted(0.1), prop::bool::weighted(0.15));
    (peer, input, output, on_eof, on_fin, timer, words).prop_map(
        |(peer, input, output, on_eof, on_fin, timer, (copies, tight, send_only, stays))| {
            Setup { peer, input, output, on_eof, on_fin, send_only, copies, tight, stays, timer }.sensible()
        },
    )
}

impl Setup {
    /// What the plan would not refuse.
    fn sensible(mut self) -> Self {
        if self.output == Output::Back {
            self.input = Input::Unread;
        }
        if self.input == Input::Unread {
            (self.send_only, self.on_eof) = (false, OnEof::HalfClose);
        }
        if self.send_only {
            (self.output, self.on_eof) = (Output::Dropped, OnEof::HalfClose);
        }
        if self.peer == Peer::Unix && self.on_eof == OnEof::Reset {
            self.on_eof = OnEof::Close;
        }
        self
    }
}

/// A schedule.
pub(super) fn schedules() -> impl Strategy<Value = (Setup, Vec<Act>)> {
    (setup(), prop::collection::vec(act(), 1..40))
}
