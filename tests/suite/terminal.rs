//! A terminal as a test holds it: the keyboard and the screen on one side, the line that a child gets
//! as its standard input or output on the other; it knows nothing of who sits there.

use std::fs::File;
use std::io::Write;

use rustix::fs::{Mode, OFlags, open};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};

use crate::capture::Capture;

/// A pseudo-terminal in its usual state: it echoes, and it gives a line when the line is finished.
pub(crate) struct Terminal {
    keyboard: File,
    line: File,
}

impl Terminal {
    /// Opens one; it becomes nobody's controlling terminal.
    #[track_caller]
    pub(crate) fn open() -> Self {
        let keyboard = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).expect("openpt");
        grantpt(&keyboard).expect("grantpt");
        unlockpt(&keyboard).expect("unlockpt");
        let name = ptsname(&keyboard, Vec::new()).expect("ptsname");
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let line = open(name.as_c_str(), flags, Mode::empty()).expect("open the line");
        Self { keyboard: File::from(keyboard), line: File::from(line) }
    }

    /// Opens one that changes nothing on its way, in either direction.
    #[track_caller]
    pub(crate) fn raw() -> Self {
        let terminal = Self::open();
        let mut modes = tcgetattr(&terminal.line).expect("tcgetattr");
        modes.make_raw();
        tcsetattr(&terminal.line, OptionalActions::Now, &modes).expect("tcsetattr");
        terminal
    }

    /// The keys, for somebody who types without end.
    #[track_caller]
    pub(crate) fn keyboard(&self) -> File {
        self.keyboard.try_clone().expect("a second descriptor")
    }

    /// The child's side: `Stdin::File(terminal.line())`. All copies share one open file description.
    #[track_caller]
    pub(crate) fn line(&self) -> File {
        self.line.try_clone().expect("a second descriptor")
    }

    /// Types `keys`; `"\n"` finishes a line and `"\x04"` (Control-D), on an empty one, the input.
    #[track_caller]
    pub(crate) fn press(&self, keys: &str) {
        (&self.keyboard).write_all(keys.as_bytes()).expect("type");
    }

    /// Everything that appears on the screen, the echo of the keys included.
    #[track_caller]
    pub(crate) fn screen(&self) -> Capture {
        Capture::of(self.keyboard.try_clone().expect("a second descriptor"))
    }
}
