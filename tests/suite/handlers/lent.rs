//! A command whose standard input and output are the socket itself; not what else it finds there
//! (`around`).

use std::time::Duration;

use super::MUCH;
use crate::kernel::Stranger;
use crate::launch::Stdin;
use crate::matrix::{Case, matrix};
use crate::pattern::{assert_same, pattern};
use crate::peers::Ending;

matrix!(every over streams:
    cat_is_an_echo,
    the_socket_is_blocking_while_it_is_lent,
    an_answer_comes_long_after_the_peers_end,
    sort_answers_at_the_peers_end,
    an_answer_outlives_what_the_command_left_unread,
    a_short_answer_ends_with_a_fin_though_the_peer_goes_on,
    the_end_is_the_commands_own,
    words_stay_words,
    a_line_is_for_the_shell,
);

/// cat(1) treats the socket as if nobody else had it: it waits for bytes, and for room.
fn cat_is_an_echo(case: Case) {
    let bytes = pattern(MUCH, 11);
    let (mut tool, peer) = case.pair(Stdin::Null, &["--", "cat"]);
    peer.hears_nothing_for(Duration::from_millis(100));
    let sending = peer.send(bytes.clone());
    assert_same(&peer.read(MUCH), &bytes);
    sending.done().expect("cat takes everything");
    peer.shutdown();
    assert_eq!(peer.read_to_end(), b"");
    tool.wait().expect(0);
}

/// `O_NONBLOCK` is a property of the open socket, not of a descriptor: fincat must not set it again.
fn the_socket_is_blocking_while_it_is_lent(case: Case) {
    let line = r#"
        look() { flags=$(sed -n "s/^flags:[^0-9]*//p" /proc/self/fdinfo/0); echo $((flags & 04000)); }
        look; read -r go; look"#;
    let (mut tool, peer) = case.pair(Stdin::Null, &["--sh", line]);
    assert_eq!(peer.read(2), b"0\n");
    peer.write("go\n");
    assert_eq!(peer.read_to_end(), b"0\n");
    drop(peer);
    tool.wait().expect(0);
}

/// The client half-closes, and the answer takes its time.
fn an_answer_comes_long_after_the_peers_end(case: Case) {
    let line = "cat >/dev/null; sleep 1; echo answer";
    let (mut tool, peer) = case.pair(Stdin::Null, &["--sh", line]);
    let sending = peer.send(pattern(MUCH, 12));
    sending.done().expect("the command reads everything");
    peer.shutdown();
    assert_eq!(peer.read_to_end(), b"answer\n");
    tool.wait().expect(0);
}

/// A command that can only answer when it has heard everything.
fn sort_answers_at_the_peers_end(case: Case) {
    let (mut tool, peer) = case.pair(Stdin::Null, &["--", "sort", "-r"]);
    peer.write("a\nc\nb\n");
    peer.shutdown();
    assert_eq!(peer.read_to_end(), b"c\nb\na\n");
    tool.wait().expect(0);
}

/// Closing a socket with unread bytes in it sends RST, which destroys what is still on its way. The
/// client says all it has before it listens.
fn an_answer_outlives_what_the_command_left_unread(case: Case) {
    let much = pattern(2 * MUCH, 13);
    let (mut tool, peer) = case.pair(Stdin::Null, &["--", "head", "-c", "100000", "/dev/zero"]);
    let sending = peer.send(much);
    sending.done().expect("what nobody reads is taken all the same");
    peer.shutdown();
    let (answer, ending) = peer.hear_out();
    assert_eq!((answer.len(), ending), (100_000, Ending::Fin));
    tool.wait().expect(0);
}

/// The answer and its end come at once, whatever the client still has to say.
fn a_short_answer_ends_with_a_fin_though_the_peer_goes_on(case: Case) {
    let (mut tool, peer) = case.pair(Stdin::Null, &["--sh", "read -r line; echo \"$line\""]);
    peer.write("one line\nand what nobody reads\n");
    assert_eq!(peer.read_to_end(), b"one line\n");
    peer.write("or hears\n");
    tool.wait().expect(0);
}

/// What a command leaves behind holds the socket, but not the conversation.
fn the_end_is_the_commands_own(case: Case) {
    let line = "sleep 1000 2>/dev/null & echo $!";
    let (mut tool, peer) = case.pair(Stdin::Null, &["--sh", line]);
    let said = String::from_utf8(peer.read_to_end()).expect("a number");
    let _left_behind = Stranger::of(said.trim().parse().expect("a process number"));
    drop(peer);
    tool.wait().expect(0);
}

/// No shell reads what stands after `--`.
fn words_stay_words(case: Case) {
    let (mut tool, peer) = case.pair(Stdin::Null, &["--", "printf", "%s|", "a  b", "$HOME", "*", "", "--", "-k"]);
    assert_eq!(peer.read_to_end(), b"a  b|$HOME|*||--|-k|");
    drop(peer);
    tool.wait().expect(0);
}

/// `-c` and `--sh` are the same, and they are a shell's.
fn a_line_is_for_the_shell(case: Case) {
    for flag in ["-c", "--sh"] {
        let (mut tool, peer) = case.pair(Stdin::Null, &[flag, "echo $((6 * 7)) | tr 4 x"]);
        assert_eq!(peer.read_to_end(), b"x2\n", "{flag}");
        drop(peer);
        tool.wait().expect(0);
    }
}
