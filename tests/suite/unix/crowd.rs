//! Many senders of datagrams at one path: each is a conversation, hears its own words and nobody
//! else's; and senders that have no name; not where a datagram begins and ends (`bounds`).

use std::os::unix::net::UnixDatagram;

use tempfile::TempDir;

use super::{AT_ONCE, named, receive};
use crate::capture::readable_by;
use crate::launch::{Launch, Stdin};
use crate::process::Signal;
use crate::tool::Tool;

/// So many senders at once.
const SENDERS: usize = 20;

/// A listener for datagrams.
#[track_caller]
fn listen(args: &[&str]) -> Tool {
    Launch::new().listen_unix([&["--type", "dgram"], args].concat())
}

/// Those who send, each with a name.
fn senders(folder: &TempDir, count: usize) -> Vec<UnixDatagram> {
    (0..count).map(|number| named(folder, &format!("sender {number}"))).collect()
}

/// What must be the same when a sender hears itself again.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Same {
    /// Each datagram, one after the other.
    Datagrams,
    /// Each datagram: those who answer are as many as datagrams, and one may be the faster.
    Set,
    /// The bytes: a pipe keeps no boundaries.
    Bytes,
}

/// All speak at once, in rounds; each gets its own back, in order, the first included.
#[track_caller]
fn each_hears_its_own(same: Same, args: &[&str]) {
    let folder = TempDir::new().expect("a folder");
    let tool = listen(args);
    let senders = senders(&folder, SENDERS);
    for round in 0..10 {
        for (number, sender) in senders.iter().enumerate() {
            let text = format!("{round} of sender {number}");
            sender.send_to(text.as_bytes(), tool.path()).expect("send");
        }
    }
    for (number, sender) in senders.iter().enumerate() {
        let mut wanted: Vec<_> = (0..10).map(|round| format!("{round} of sender {number}")).collect();
        let (mut heard, mut missing) = (Vec::new(), wanted.concat().len());
        while missing > 0 {
            let (text, from) = receive(sender);
            assert_eq!(from.as_deref(), tool.path().to_str(), "the answer comes from where it was asked");
            missing = missing.saturating_sub(text.len());
            heard.push(String::from_utf8(text).expect("text"));
        }
        match same {
            Same::Datagrams => {}
            Same::Set => heard.sort(),
            Same::Bytes => (heard, wanted) = (vec![heard.concat()], vec![wanted.concat()]),
        }
        assert_eq!(heard, wanted, "{args:?}");
    }
    let more = senders.iter().any(|sender| readable_by(sender, std::time::Instant::now()));
    assert!(!more, "a datagram too many");
}

#[test]
fn each_hears_its_own_in_threads() {
    each_hears_its_own(Same::Datagrams, &["--thread", "--echo"]);
}

#[test]
fn each_hears_its_own_in_processes() {
    each_hears_its_own(Same::Datagrams, &["--fork", "--echo"]);
}

#[test]
fn each_hears_its_own_from_commands() {
    each_hears_its_own(Same::Bytes, &["--thread", "--", "cat", "-u"]);
    each_hears_its_own(Same::Bytes, &["--fork", "--", "cat", "-u"]);
}

#[test]
fn each_hears_its_own_one_datagram_at_a_time() {
    each_hears_its_own(Same::Datagrams, &["--per-datagram", "--echo", "-k"]);
    for mode in ["--thread", "--fork"] {
        each_hears_its_own(Same::Set, &["--per-datagram", "--echo", mode]);
    }
}

/// One at a time: a conversation ends with its silence, the others wait with all they said.
#[test]
fn each_hears_its_own_one_at_a_time() {
    each_hears_its_own(Same::Datagrams, &["--single", "-k", "--idle-timeout", "50ms", "--echo"]);
}

/// Without `-k` there is one conversation, the first one's; and nobody else gets into it.
#[test]
fn one_shot_is_the_first_ones() {
    let folder = TempDir::new().expect("a folder");
    let mut tool = Tool::with(Stdin::Pipe).listen_unix(["--type", "dgram", "--datagrams", "3"]);
    let (first, second) = (named(&folder, "first"), named(&folder, "second"));
    first.send_to(b"one ", tool.path()).expect("send");
    assert_eq!(tool.wait_stdout(4), b"one ");
    assert!(second.send_to(b"intrusion ", tool.path()).is_err(), "the system refuses it");
    tool.write("answer");
    assert_eq!(receive(&first).0, b"answer");
    first.send_to(b"two ", tool.path()).expect("send");
    first.send_to(b"three", tool.path()).expect("send");
    assert_eq!(tool.wait_within(AT_ONCE).expect(0).stdout, b"one two three");
    assert!(!tool.path().exists(), "the path is left behind");
}

/// Who has no name cannot be answered: each of its datagrams is a conversation, and harms nobody.
#[test]
fn a_sender_without_a_name_is_heard_one_datagram_at_a_time() {
    let folder = TempDir::new().expect("a folder");
    for mode in ["--thread", "--fork"] {
        let tool = listen(&[mode, "--sh", "read -r line; echo \"heard $line\" >&2; echo answer"]);
        let nobody = UnixDatagram::unbound().expect("a socket");
        for number in 0..3 {
            nobody.send_to(format!("{number}\n").as_bytes(), tool.path()).expect("send");
            tool.wait_line(|line| line == format!("heard {number}"));
        }
        let somebody = named(&folder, mode);
        somebody.send_to(b"somebody\n", tool.path()).expect("send");
        assert_eq!(receive(&somebody).0, b"answer\n");
        assert!(tool.is_running());
    }
}

/// `-k` without a handler hears everybody, named or not, and nobody waits for anybody.
#[test]
fn everybody_is_heard() {
    let folder = TempDir::new().expect("a folder");
    let mut tool = listen(&["-k", "--lines"]);
    let (one, two) = (named(&folder, "one"), named(&folder, "two"));
    let nobody = UnixDatagram::unbound().expect("a socket");
    let mut heard = String::new();
    for round in 0..3 {
        for (who, sender) in [("one", &one), ("two", &two), ("nobody", &nobody)] {
            let text = format!("{who} says {round}");
            sender.send_to(text.as_bytes(), tool.path()).expect("send");
            heard.push_str(&text);
            heard.push('\n');
        }
    }
    assert_eq!(String::from_utf8_lossy(&tool.wait_stdout(heard.len())), heard);
    tool.signal(Signal::TERM);
    let exit = tool.wait_within(AT_ONCE).expect_signal(Signal::TERM);
    assert_eq!(exit.stderr, "");
    assert!(!tool.path().exists());
}

/// Two talk with a server at `-m 1`: the second one's words wait, and none are lost.
#[test]
fn nothing_is_lost_at_the_limit() {
    let folder = TempDir::new().expect("a folder");
    let tool = listen(&["--thread", "-m", "1", "--idle-timeout", "200ms", "--echo"]);
    let senders = senders(&folder, 3);
    for round in 0..3 {
        for sender in &senders {
            sender.send_to(format!("{round}").as_bytes(), tool.path()).expect("send");
        }
    }
    for sender in &senders {
        for round in 0..3 {
            assert_eq!(receive(sender).0, format!("{round}").into_bytes());
        }
    }
}
