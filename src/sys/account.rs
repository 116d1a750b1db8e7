//! Accounts: users and groups by name or number, and becoming one of them for good. It decides neither who nor when.

use std::ffi::{CStr, CString, OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;

use rustix::thread::{CapabilitySet, CapabilitySets, capabilities, set_capabilities};

/// A user's entry (passwd(5)), or a bare number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The number.
    pub uid: u32,
    /// The user's own group; None without an entry.
    pub gid: Option<u32>,
    /// The name; None without an entry.
    pub name: Option<CString>,
    /// The home directory.
    pub home: OsString,
}

/// A user by name or as a number; None where there is no such user. The caller has one thread only.
pub fn find(name: &str) -> Option<Account> {
    let text = CString::new(name).ok()?;
    // Every bit set means "leave it as it is" to the system.
    let number = name.parse().ok().filter(|uid| *uid != u32::MAX);
    // SAFETY: the text outlives the call, and the entry is copied before any other call could change it; nobody else
    // calls in a process of one thread.
    let named = unsafe { entry(libc::getpwnam(text.as_ptr())) };
    // SAFETY: as above.
    let numbered = || number.and_then(|uid| unsafe { entry(libc::getpwuid(uid)) });
    let bare = || number.map(|uid| Account { uid, gid: None, name: None, home: "/".into() });
    named.or_else(numbered).or_else(bare)
}

/// Copies an entry.
///
/// # Safety
/// The pointer is null or what getpwnam(3) returned last.
unsafe fn entry(entry: *const libc::passwd) -> Option<Account> {
    // SAFETY: as the caller promises, it is null or a valid entry, whose strings end in NUL.
    unsafe {
        let entry = entry.as_ref()?;
        let home = CStr::from_ptr(entry.pw_dir).to_bytes();
        Some(Account {
            uid: entry.pw_uid,
            gid: Some(entry.pw_gid),
            name: Some(CStr::from_ptr(entry.pw_name).to_owned()),
            home: OsStr::from_bytes(home).to_owned(),
        })
    }
}

/// The user that we are.
pub fn ourselves() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Whether this process may become somebody else (capabilities(7)).
pub fn may_change() -> bool {
    let needed = CapabilitySet::SETUID | CapabilitySet::SETGID;
    capabilities(None).is_ok_and(|sets| sets.effective.contains(needed))
}

/// Becomes the user, with the group `gid` and the user's other groups, for good: all three user and group numbers are
/// changed and every capability is given up. Fails where that is not permitted, or where it could be taken back; who
/// goes on then may be anybody.
pub fn assume(account: &Account, gid: u32) -> io::Result<()> {
    let uid = account.uid;
    // SAFETY: the calls change numbers of this process (of all its threads, as the C library sees to) and read at most
    // one group and a string, both of which outlive them.
    unsafe {
        done(match &account.name {
            Some(name) => libc::initgroups(name.as_ptr(), gid),
            None => libc::setgroups(1, &raw const gid),
        })?;
        done(libc::setresgid(gid, gid, gid))?;
        done(libc::setresuid(uid, uid, uid))?;
    }
    let none = CapabilitySet::empty();
    set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })?;
    // SAFETY: both change numbers of this process only, and are expected to fail.
    let regained = unsafe { libc::setuid(0) == 0 || gid != 0 && libc::setgid(0) == 0 };
    let (mut users, mut groups) = ([0; 3], [0; 3]);
    // SAFETY: each call writes three numbers, for which there is room.
    unsafe {
        done(libc::getresuid(&raw mut users[0], &raw mut users[1], &raw mut users[2]))?;
        done(libc::getresgid(&raw mut groups[0], &raw mut groups[1], &raw mut groups[2]))?;
    }
    if regained || users != [uid; 3] || groups != [gid; 3] {
        return Err(io::Error::other("it could be taken back"));
    }
    Ok(())
}

fn done(result: libc::c_int) -> io::Result<()> {
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::find;

    #[test]
    fn users_are_names_or_numbers() {
        let root = find("root").expect("root");
        assert_eq!((root.uid, root.gid), (0, Some(0)));
        assert_eq!(find("0"), Some(root));
        let bare = find("3999999999").expect("any number is a user");
        assert_eq!((bare.uid, bare.gid, bare.name), (3_999_999_999, None, None));
        for word in ["", "no such user", "-1", "4294967295", "4294967296", "root\0"] {
            assert_eq!(find(word), None, "{word:?}");
        }
    }
}
