//! `--hub`: what one says all others hear, standard input and output included, and nobody waits for one who does not
//! read; not how it ends (`ends`).

use std::io::{Read as _, Seek as _};
use std::thread;
use std::time::Duration;

use super::{joined, joined_by_line};
use crate::launch::{Stdin, Stdout};
use crate::matrix::{Case, matrix};
use crate::pattern::{assert_same, pattern};
use crate::peers::PeerStream;
use crate::tool::Tool;

matrix!(threads over streams:
    what_one_says_all_others_hear,
    one_who_does_not_read_loses_its_own_copy_only,
    the_queue_is_as_long_as_one_likes,
    output_that_nobody_reads_slows_nobody,
    what_output_has_lost_is_told_in_the_end,
    output_to_a_file_loses_nothing,
    input_waits_for_the_first_peer,
    all_hear_the_same_order,
    a_hundred_and_fifty_take_part,
);

const HUB: &[&str] = &["--hub"];

/// A round of a conversation of many: each says so many bytes, and hears those of the others, each in its order.
fn exchange(peers: &[PeerStream], bytes: usize) {
    let said: Vec<Vec<u8>> = (0u8..)
        .zip(peers)
        .map(|(number, _)| pattern(bytes, number.into()).into_iter().map(|byte| byte >> 4 | number << 4).collect())
        .collect();
    thread::scope(|scope| {
        for (number, peer) in peers.iter().enumerate() {
            let said = &said;
            scope.spawn(move || {
                let sending = peer.send(said[number].clone());
                let heard = peer.read(bytes * (peers.len() - 1));
                sending.done().expect("everything is taken");
                let mut rest: Vec<&[u8]> = said.iter().map(Vec::as_slice).collect();
                for (at, byte) in heard.iter().enumerate() {
                    let of = &mut rest[usize::from(byte >> 4)];
                    assert_eq!(of.first(), Some(byte), "at {at}");
                    *of = &of[1..];
                }
                assert_eq!(rest[number].len(), bytes, "nobody hears himself");
            });
        }
    });
}

/// The same, and only how much it is counts.
fn shout(peers: &[PeerStream], bytes: usize) {
    thread::scope(|scope| {
        for peer in peers {
            scope.spawn(move || {
                let sending = peer.send(vec![b'x'; bytes]);
                peer.read(bytes * (peers.len() - 1));
                sending.done().expect("everything is taken");
            });
        }
    });
}

fn what_one_says_all_others_hear(case: Case) {
    let tool = case.serve(Tool::with(Stdin::Pipe), HUB);
    let mut heard = 0;
    let peers = joined(case, &tool, 4, &mut heard, true);
    for (number, speaker) in peers.iter().enumerate() {
        let text = format!("peer {number} says hello\n");
        speaker.write(&text);
        for (_, other) in peers.iter().enumerate().filter(|(other, _)| *other != number) {
            assert_eq!(String::from_utf8_lossy(&other.read(text.len())), text);
        }
        heard += text.len();
        assert!(tool.wait_stdout(heard).ends_with(text.as_bytes()));
    }
    tool.write("and so do we\n");
    for peer in &peers {
        assert_eq!(peer.read(13), b"and so do we\n");
    }
    for peer in &peers {
        peer.hears_nothing_for(Duration::from_millis(50));
    }
    assert_eq!(tool.wait_stdout(heard).len(), heard, "our own words do not come back");
}

/// Eight exchange more than is kept for anybody, and the ninth reads nothing: what was kept is there in the end.
fn one_who_does_not_read_loses_its_own_copy_only(case: Case) {
    let tool = case.serve(Tool::with(Stdin::Silent), &["--hub", "--hub-queue", "2M", "--on-fin", "close"]);
    let peers = joined(case, &tool, 9, &mut 0, true);
    let (deaf, others) = peers.split_last().expect("nine");
    let (rounds, bytes) = (12, 200 << 10);
    for _ in 0..rounds {
        shout(others, bytes);
    }
    // Our own reader of standard output may have been slow too.
    let is_a_peers = |line: &&str| line.contains("does not read") && !line.contains("standard output");
    let losses = || tool.stderr().lines().filter(is_a_peers).count();
    assert_eq!(losses(), 1, "{}", tool.stderr());
    deaf.shutdown();
    let kept = deaf.read_to_end().len();
    assert!(kept > 2 << 20, "only {kept} bytes were kept");
    assert!(kept < rounds * 8 * bytes, "it has lost nothing");
    exchange(others, 32 << 10);
    assert_eq!(losses(), 1, "{}", tool.stderr());
}

/// What does not fit is left out in whole lines, and `-v` tells in the end how much it was.
fn the_queue_is_as_long_as_one_likes(case: Case) {
    let options = ["--hub", "--hub-queue", "10k", "--lines", "-v", "--on-fin", "close"];
    let tool = case.serve(Tool::with(Stdin::Silent), &options);
    let mut peers = joined_by_line(case, &tool, 3);
    let deaf = peers.pop().expect("three");
    let (rounds, each) = (2048, 8);
    for round in 0..rounds {
        let lines: Vec<String> = (0..each).map(|line| format!("{:01023}\n", round * each + line)).collect();
        let lines = lines.concat();
        peers[0].write(&lines);
        assert_eq!(peers[1].read(lines.len()), lines.as_bytes());
    }
    deaf.shutdown();
    let heard = String::from_utf8(deaf.read_to_end()).expect("text");
    let numbers: Vec<usize> = heard.lines().map(|line| line.parse().expect("a whole line")).collect();
    assert!(numbers.is_sorted() && numbers.len() < rounds * each, "{} lines", numbers.len());
    let lost = format!("has lost {} bytes", (rounds * each - numbers.len()) * 1024);
    tool.wait_line(|line| line.contains(&lost));
}

fn output_that_nobody_reads_slows_nobody(case: Case) {
    let mut tool = case.serve(Tool::with(Stdin::Silent).stdout(Stdout::Held), &["--hub", "--hub-queue", "1M"]);
    let mut output = tool.take_stdout();
    let mut peers: Vec<PeerStream> = Vec::new();
    for _ in 0..4 {
        let peer = case.meet(&tool);
        peer.write("*");
        assert_eq!(output.read(1), b"*");
        for other in &peers {
            assert_eq!(other.read(1), b"*");
        }
        peers.push(peer);
    }
    for _ in 0..8 {
        shout(&peers, 200 << 10);
    }
    exchange(&peers, 200 << 10);
    tool.wait_line(|line| line.contains("standard output does not read"));
    assert_eq!(tool.stderr().lines().count(), 1, "{}", tool.stderr());
}

/// Under `-v`, and to the byte: what came out and what was lost are what was said.
fn what_output_has_lost_is_told_in_the_end(case: Case) {
    let options = ["--hub", "--hub-queue", "10k", "--count", "1", "-v"];
    let mut tool = case.serve(Tool::with(Stdin::Null).stdout(Stdout::Held), &options);
    let mut output = tool.take_stdout();
    let peer = case.meet(&tool);
    let said = 1 << 20;
    peer.send(vec![b'x'; said]).done().expect("everything is taken");
    tool.wait_line(|line| line.contains("standard output does not read"));
    peer.shutdown();
    let out = output.read_to_end().len();
    tool.wait().expect(0);
    let lost = format!("fincat: standard output has lost {} bytes of what others sent", said - out);
    assert!(out < said && tool.stderr().lines().any(|line| line == lost), "{lost}: {}", tool.stderr());
}

/// A file takes everything in time, and is waited for.
fn output_to_a_file_loses_nothing(case: Case) {
    let mut file = tempfile::tempfile().expect("a file");
    let stdout = Stdout::File(file.try_clone().expect("a second descriptor"));
    let mut tool = case.serve(Tool::with(Stdin::Null).stdout(stdout), &["--hub", "--count", "2", "--hub-queue", "1k"]);
    let peers = [case.meet(&tool), case.meet(&tool)];
    let bytes = pattern(8 << 20, 83);
    let sending = peers[0].send(bytes.clone());
    sending.done().expect("everything is taken");
    peers[0].shutdown();
    peers[1].shutdown();
    for peer in &peers {
        peer.hear_out();
    }
    tool.wait().expect(0);
    let mut written = Vec::new();
    file.rewind().expect("rewind");
    file.read_to_end(&mut written).expect("read the file");
    assert_same(&written, &bytes);
}

fn input_waits_for_the_first_peer(case: Case) {
    let tool = case.serve(Tool::with(Stdin::Pipe), HUB);
    let bytes = pattern(512 << 10, 81);
    tool.write(&bytes);
    assert_same(&case.meet(&tool).read(bytes.len()), &bytes);
}

/// Each hears what standard output shows, but for its own words.
fn all_hear_the_same_order(case: Case) {
    let tool = case.serve(Tool::with(Stdin::Silent), &["--hub", "--lines"]);
    let peers = joined_by_line(case, &tool, 4);
    let count = 500;
    let said = |number: usize, line: usize| format!("{number} {line:05}\n");
    thread::scope(|scope| {
        for (number, peer) in peers.iter().enumerate() {
            scope.spawn(move || (0..count).for_each(|line| peer.write(said(number, line))));
        }
    });
    let bytes = said(0, 0).len() * count;
    let shown = tool.wait_stdout(8 + 4 * bytes);
    let shown = String::from_utf8(shown[8..].to_vec()).expect("text");
    for (number, peer) in peers.iter().enumerate() {
        let own = format!("{number} ");
        let wanted: String = shown.split_inclusive('\n').filter(|line| !line.starts_with(&own)).collect();
        assert_same(&peer.read(3 * bytes), wanted.as_bytes());
    }
}

fn a_hundred_and_fifty_take_part(case: Case) {
    let tool = case.serve(Tool::with(Stdin::Silent), HUB);
    let mut heard = 0;
    let peers = joined(case, &tool, 150, &mut heard, true);
    for speaker in [0, 75, 149] {
        let bytes = pattern(64 << 10, 82);
        peers[speaker].write(&bytes);
        for (_, other) in peers.iter().enumerate().filter(|(other, _)| *other != speaker) {
            assert_same(&other.read(bytes.len()), &bytes);
        }
    }
}
