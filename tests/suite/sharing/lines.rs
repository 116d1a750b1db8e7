//! `--lines` where peers share standard input and output: lines stay whole, whatever the reads; without it, reads do
//! (`fan_out`, `hub`).

use std::collections::BTreeMap;
use std::thread;

use super::joined_by_line;
use crate::launch::Stdin;
use crate::matrix::{Case, matrix};
use crate::peers::PeerStream;
use crate::tool::Tool;

matrix!(threads over streams:
    lines_are_never_torn,
    lines_are_never_torn_in_a_hub,
    a_line_that_was_not_finished_is_one,
    one_who_comes_late_starts_with_a_line,
    lines_too_long_arrive_all_the_same,
    crlf_is_sent_where_it_is_asked_for,
);

/// The lines of a peer, of all lengths, in pieces that are cut anywhere.
fn lines_of(number: usize) -> String {
    let line = |line: usize| format!("{number}:{line}:{}\n", "x".repeat(line * 37 % 3000));
    (0..200).map(line).collect::<Vec<_>>().concat()
}

fn say_in_pieces(peer: &PeerStream, text: &str) {
    for piece in text.as_bytes().chunks(611) {
        peer.write(piece);
    }
}

/// Demands that `heard` is made of whole lines, those of each of `speakers` in their order.
#[track_caller]
fn expect_lines(heard: &str, speakers: &[usize]) {
    let mut lines: BTreeMap<usize, String> = BTreeMap::new();
    for line in heard.split_inclusive('\n') {
        let speaker = line.split(':').next().and_then(|number| number.parse().ok());
        let speaker = speaker.unwrap_or_else(|| panic!("a torn line: {line:?}"));
        lines.entry(speaker).or_default().push_str(line);
    }
    assert_eq!(lines.keys().copied().collect::<Vec<_>>(), speakers);
    for (number, said) in lines {
        assert!(said == lines_of(number), "the lines of {number} are not what was said");
    }
}

fn lines_are_never_torn(case: Case) {
    let tool = case.serve(Tool::with(Stdin::Silent), &["--fan-out", "--lines"]);
    let peers: Vec<_> = (0..6).map(|_| case.meet(&tool)).collect();
    thread::scope(|scope| {
        for (number, peer) in peers.iter().enumerate() {
            scope.spawn(move || say_in_pieces(peer, &lines_of(number)));
        }
    });
    let total: usize = (0..6).map(|number| lines_of(number).len()).sum();
    let shown = String::from_utf8(tool.wait_stdout(total)).expect("text");
    expect_lines(&shown, &[0, 1, 2, 3, 4, 5]);
}

fn lines_are_never_torn_in_a_hub(case: Case) {
    let tool = case.serve(Tool::with(Stdin::Silent), &["--hub", "--lines", "--hub-queue", "16M"]);
    let peers = joined_by_line(case, &tool, 6);
    let total: usize = (0..6).map(|number| lines_of(number).len()).sum();
    thread::scope(|scope| {
        for (number, peer) in peers.iter().enumerate() {
            scope.spawn(move || say_in_pieces(peer, &lines_of(number)));
            scope.spawn(move || {
                let heard = peer.read(total - lines_of(number).len());
                let others: Vec<_> = (0..6).filter(|other| *other != number).collect();
                expect_lines(&String::from_utf8(heard).expect("text"), &others);
            });
        }
    });
    let shown = String::from_utf8(tool.wait_stdout(12 + total)).expect("text");
    expect_lines(&shown[12..], &[0, 1, 2, 3, 4, 5]);
}

/// Where others speak after it, it is given its newline; what a fan-out sends is sent as it is.
fn a_line_that_was_not_finished_is_one(case: Case) {
    let mut tool = case.serve(Tool::with(Stdin::Pipe), &["--fan-out", "--lines"]);
    let (first, second) = (case.meet(&tool), case.meet(&tool));
    first.write("one\ntw");
    assert_eq!(tool.wait_stdout(4), b"one\n");
    second.write("three\n");
    assert_eq!(tool.wait_stdout(10), b"one\nthree\n");
    first.shutdown();
    assert_eq!(tool.wait_stdout(13), b"one\nthree\ntw\n");
    tool.write("four\nfi");
    tool.close_stdin();
    assert_eq!(first.read_to_end(), b"four\nfi");
    assert_eq!(second.read_to_end(), b"four\nfi");
    // An end that is no end in order ends the line as well.
    second.write("si");
    second.settle();
    second.reset();
    let tail = tool.wait_stdout(13);
    assert!(tail.starts_with(b"one\nthree\ntw\n"));
}

fn one_who_comes_late_starts_with_a_line(case: Case) {
    let tool = case.serve(Tool::with(Stdin::Pipe), &["--fan-out", "--lines"]);
    let early = case.meet(&tool);
    tool.write("aaa\nbb");
    assert_eq!(early.read(4), b"aaa\n");
    let late = case.meet(&tool);
    late.write("*\n");
    tool.wait_stdout(2);
    tool.write("b\nccc\n");
    assert_eq!(early.read(8), b"bbb\nccc\n");
    assert_eq!(late.read(8), b"bbb\nccc\n");
}

fn lines_too_long_arrive_all_the_same(case: Case) {
    let tool = case.serve(Tool::with(Stdin::Silent), &["--fan-out", "--lines"]);
    let peer = case.meet(&tool);
    let long = format!("{}\nshort\n", "x".repeat(3 << 20));
    let sending = peer.send(long.clone().into_bytes());
    assert_eq!(tool.wait_stdout(long.len()), long.as_bytes());
    sending.done().expect("everything is taken");
}

fn crlf_is_sent_where_it_is_asked_for(case: Case) {
    for sharing in ["--fan-out", "--hub"] {
        let tool = case.serve(Tool::with(Stdin::Pipe), &[sharing, "-C", "--lines"]);
        let peer = case.meet(&tool);
        tool.write("a\nb\r\n");
        assert_eq!(peer.read(6), b"a\r\nb\r\n");
        peer.write("c\n");
        assert_eq!(tool.wait_stdout(2), b"c\n");
    }
}
