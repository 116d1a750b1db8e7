//! `--pipes`: a command whose standard input and output are pipes, so that fincat sees the bytes and
//! each side's end is passed on to the other; not the policies of these ends (`half_close`).

use super::MUCH;
use crate::launch::Stdin;
use crate::matrix::{Case, matrix};
use crate::pattern::{assert_same, pattern};
use crate::peers::Ending;
use crate::tool::Tool;

matrix!(every over all:
    cat_is_an_echo,
    the_commands_end_is_passed_on_at_once,
    the_peers_end_is_passed_on_at_once,
    an_answer_comes_long_after_the_peers_end,
    a_command_that_reads_no_more_is_heard_out,
    an_answer_outlives_what_the_command_left_unread,
    data_ends_with_the_last_writer,
);

matrix!(many over all: a_command_holds_no_end_of_anothers_pipes);

/// 4 MiB there and back, at once.
fn cat_is_an_echo(case: Case) {
    let bytes = pattern(MUCH, 21);
    let (mut tool, peer) = case.pair(Stdin::Null, &["--pipes", "--", "cat"]);
    let sending = peer.send(bytes.clone());
    assert_same(&peer.read(MUCH), &bytes);
    sending.done().expect("cat takes everything");
    peer.shutdown();
    assert_eq!(peer.read_to_end(), b"");
    tool.wait().expect(0);
}

/// A command that closes its standard output and runs on: FIN at once, and it still hears the peer.
fn the_commands_end_is_passed_on_at_once(case: Case) {
    let line = "echo done; exec >&-; cat >&2";
    let (mut tool, peer) = case.pair(Stdin::Null, &["--pipes", "--sh", line]);
    assert_eq!(peer.read_to_end(), b"done\n");
    peer.write("heard later\n");
    tool.wait_line(|line| line == "heard later");
    peer.shutdown();
    tool.wait().expect(0);
}

/// The peer's FIN is the end of the command's standard input; what it says after that is heard.
fn the_peers_end_is_passed_on_at_once(case: Case) {
    let line = "cat >/dev/null; echo heard it; exec cat /dev/zero";
    let (_tool, peer) = case.pair(Stdin::Null, &["--pipes", "--sh", line]);
    peer.write("a question");
    peer.shutdown();
    assert_eq!(peer.read(9), b"heard it\n");
    assert!(peer.read(MUCH).iter().all(|&byte| byte == 0));
}

/// The same, when the answer takes its time.
fn an_answer_comes_long_after_the_peers_end(case: Case) {
    let line = "cat >/dev/null; sleep 1; echo answer";
    let (mut tool, peer) = case.pair(Stdin::Null, &["--pipes", "--sh", line]);
    let sending = peer.send(pattern(MUCH, 22));
    sending.done().expect("the command reads everything");
    peer.shutdown();
    assert_eq!(peer.read_to_end(), b"answer\n");
    tool.wait().expect(0);
}

/// A command that closes its standard input has not finished speaking.
fn a_command_that_reads_no_more_is_heard_out(case: Case) {
    let line = "read -r line; exec <&-; head -c 4194304 /dev/zero; echo \"$line\"";
    let (mut tool, peer) = case.pair(Stdin::Null, &["--pipes", "--sh", line]);
    peer.write("last\n");
    let sending = peer.send(pattern(MUCH, 23));
    let answer = [vec![0; MUCH], b"last\n".to_vec()].concat();
    assert_same(&peer.read(answer.len()), &answer);
    sending.done().expect("what nobody reads is taken all the same");
    peer.shutdown();
    assert_eq!(peer.read_to_end(), b"");
    tool.wait().expect(0);
}

/// A command that ends without having read: the client hears all of the answer, then a FIN.
fn an_answer_outlives_what_the_command_left_unread(case: Case) {
    let much = pattern(2 * MUCH, 24);
    let (mut tool, peer) = case.pair(Stdin::Null, &["--pipes", "--", "head", "-c", "100000", "/dev/zero"]);
    let sending = peer.send(much);
    sending.done().expect("what nobody reads is taken all the same");
    peer.shutdown();
    let (answer, ending) = peer.hear_out();
    assert_eq!((answer.len(), ending), (100_000, Ending::Fin));
    tool.wait().expect(0);
}

/// Data ends at EOF, never at the command's end: somebody else may still be writing.
fn data_ends_with_the_last_writer(case: Case) {
    let line = "(sleep 0.5; echo late) & echo early";
    let (mut tool, peer) = case.pair(Stdin::Null, &["--pipes", "--sh", line]);
    assert_eq!(peer.read_to_end(), b"early\nlate\n");
    tool.wait().expect(0);
}

/// The second command is started while the first one's pipes are open; the first one's end must not
/// wait for it.
fn a_command_holds_no_end_of_anothers_pipes(case: Case) {
    let tool = case.serve(Tool::with(Stdin::Null), &["--pipes", "--", "cat"]);
    let peers = [1, 2, 3].map(|_| {
        let peer = case.meet(&tool);
        peer.write("x");
        assert_eq!(peer.read(1), b"x");
        peer
    });
    for peer in &peers {
        peer.shutdown();
        assert_eq!(peer.read_to_end(), b"");
    }
}
