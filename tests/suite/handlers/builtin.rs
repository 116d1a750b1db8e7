//! What is built in: `--echo`, `--discard`, `--send`, `--send-file`, and `--crlf`, which is a matter of
//! standard input; not the words of the refusals (`messages`).

use std::fs;

use tempfile::TempDir;

use super::MUCH;
use crate::launch::Stdin;
use crate::matrix::{Case, Mode, matrix};
use crate::pattern::{assert_same, pattern};
use crate::tool::Tool;

matrix!(every over all:
    echo_says_what_it_hears,
    discard_says_nothing,
    send_says_a_text_and_hears_the_peer_out,
    send_file_says_a_file_and_hears_the_peer_out,
    an_empty_text_is_a_fin,
);

/// RFC 862.
fn echo_says_what_it_hears(case: Case) {
    let bytes = pattern(MUCH, 31);
    let (mut tool, peer) = case.pair(Stdin::Null, &["--echo"]);
    let sending = peer.send(bytes.clone());
    assert_same(&peer.read(MUCH), &bytes);
    sending.done().expect("the echo takes everything");
    peer.shutdown();
    assert_eq!(peer.read_to_end(), b"");
    assert_eq!(tool.wait().expect(0).stdout, b"");
}

/// RFC 863.
fn discard_says_nothing(case: Case) {
    let (mut tool, peer) = case.pair(Stdin::Null, &["--discard"]);
    let sending = peer.send(pattern(MUCH, 32));
    sending.done().expect("everything is taken");
    peer.shutdown();
    assert_eq!(peer.read_to_end(), b"");
    assert_eq!(tool.wait().expect(0).stdout, b"");
}

/// What the peer says goes to standard output; a server drops it.
fn expect_answer(case: Case, got: &[u8], answer: &[u8]) {
    match case.mode {
        Mode::OneShot => assert_same(got, answer),
        Mode::Single | Mode::Thread | Mode::Fork => assert_eq!(got, b""),
    }
}

/// The text, its escapes and a FIN; then the peer's answer.
fn send_says_a_text_and_hears_the_peer_out(case: Case) {
    let (mut tool, peer) = case.pair(Stdin::Null, &["--send", r"caf\xC3\xa9\r\n\t\0\\n é"]);
    assert_eq!(peer.read_to_end(), b"caf\xc3\xa9\r\n\t\0\\n \xc3\xa9");
    let answer = pattern(MUCH, 33);
    let sending = peer.send(answer.clone());
    sending.done().expect("the answer is taken");
    peer.shutdown();
    expect_answer(case, &tool.wait().expect(0).stdout, &answer);
}

/// The same with a file, here one that fills every buffer.
fn send_file_says_a_file_and_hears_the_peer_out(case: Case) {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("text");
    let text = pattern(MUCH, 34);
    fs::write(&path, &text).expect("write a file");
    let (mut tool, peer) = case.pair(Stdin::Null, &["--send-file", path.to_str().expect("a path in UTF-8")]);
    assert_same(&peer.read_to_end(), &text);
    let answer = pattern(MUCH, 35);
    let sending = peer.send(answer.clone());
    sending.done().expect("the answer is taken");
    peer.shutdown();
    expect_answer(case, &tool.wait().expect(0).stdout, &answer);
}

/// Nothing to say is said at once.
fn an_empty_text_is_a_fin(case: Case) {
    let (mut tool, peer) = case.pair(Stdin::Null, &["--send", ""]);
    assert_eq!(peer.read_to_end(), b"");
    peer.write("an answer");
    peer.shutdown();
    expect_answer(case, &tool.wait().expect(0).stdout, b"an answer");
}

/// Each peer of a server gets all of it.
fn every_peer_gets_the_whole_file(case: Case) {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("text");
    let text = pattern(MUCH, 36);
    fs::write(&path, &text).expect("write a file");
    let tool = case.serve(Tool::with(Stdin::Null), &["--send-file", path.to_str().expect("a path in UTF-8")]);
    let peers = [1, 2, 3].map(|_| case.meet(&tool));
    for peer in peers {
        assert_same(&peer.read_to_end(), &text);
    }
}

matrix!(served over all: every_peer_gets_the_whole_file);

/// Known before anybody has come.
#[test]
fn what_cannot_be_sent_is_named() {
    for command in [&["listen", "127.0.0.1", "0"], &["connect", "127.0.0.1", "9"]] {
        for path in ["/nonexistent/file", "/proc"] {
            let exit = Tool::run([&command[..], &["--send-file", path]].concat()).expect(1);
            let named = exit.stderr.starts_with("fincat: cannot ") && exit.stderr.contains(path);
            assert!(named && exit.stderr.lines().count() == 1, "{exit}");
        }
    }
}

/// An escape that means nothing is no text.
#[test]
fn an_unknown_escape_is_refused() {
    for text in [r"\q", r"\x4", r"\xgg", "\\"] {
        let exit = Tool::run(["listen", "127.0.0.1", "0", "--send", text]).expect(2);
        assert!(exit.stderr.contains('\\'), "{exit}");
    }
}

matrix!(one_shot over all: crlf_across_pieces, crlf_across_buffers);

/// Each LF that no CR precedes becomes CRLF, wherever the pieces of standard input are cut.
fn crlf_across_pieces(case: Case) {
    for flag in ["-C", "--crlf"] {
        let (mut tool, peer) = case.pair(Stdin::Pipe, &[flag]);
        let pieces: [(&[u8], &[u8]); 6] = [
            (b"a\nb\r\n\n", b"a\r\nb\r\n\r\n"),
            (b"\n", b"\r\n"),
            (b"c\r", b"c\r"),
            (b"\nd\r", b"\nd\r"),
            (b"e\n", b"e\r\n"),
            (b"\r\r\n\r", b"\r\r\n\r"),
        ];
        for (said, heard) in pieces {
            tool.write(said);
            assert_eq!(peer.read(heard.len()), heard, "after {}", said.escape_ascii());
        }
        tool.close_stdin();
        assert_eq!(peer.read_to_end(), b"");
        peer.write("x\ny\r\n");
        peer.shutdown();
        assert_eq!(tool.wait().expect(0).stdout, b"x\ny\r\n", "what comes is left alone");
    }
}

/// The same where fincat itself cuts the input: the file says `\r\n` at even and odd offsets, then
/// only `\n`, of which every buffer becomes two.
fn crlf_across_buffers(case: Case) {
    let (ends, lone) = (b"\r\n".repeat(MUCH / 4), b"\n".repeat(MUCH / 4));
    let input = [&ends, &b"x"[..], &ends, b"x", &lone].concat();
    let output = [&ends, &b"x"[..], &ends, b"x", &ends].concat();
    let file = {
        let mut file = tempfile::tempfile().expect("a file");
        std::io::Write::write_all(&mut file, &input).expect("write it");
        std::io::Seek::rewind(&mut file).expect("go back to its beginning");
        file
    };
    for stdin in [Stdin::Bytes(input), Stdin::File(file)] {
        let (mut tool, peer) = case.pair(stdin, &["-C"]);
        assert_same(&peer.read_to_end(), &output);
        peer.shutdown();
        tool.wait().expect(0);
    }
}

/// What no standard input reaches has no line ends to translate.
#[test]
fn crlf_is_for_standard_input_alone() {
    for handler in [&["--echo"][..], &["--send", "x"], &["--recv-only"], &["--", "cat"]] {
        Tool::run([&["listen", "127.0.0.1", "0", "-C"], handler].concat()).expect(2);
    }
}
