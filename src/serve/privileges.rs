//! Whom to become, and where to go, once everything that needs our privileges is done. It binds nothing and serves
//! nobody.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;

use anyhow::Result;

use crate::exit::{Failure, Status};
use crate::sys::account::{self, Account};
use crate::sys::process;
use crate::trace::reason;

/// A user and a directory, looked up and checked; either may be missing.
#[derive(Debug, Default)]
pub struct Privileges {
    user: Option<Identity>,
    folder: Option<PathBuf>,
}

/// Somebody else.
#[derive(Debug)]
struct Identity {
    typed: String,
    account: Account,
    gid: u32,
}

impl Privileges {
    /// Looks up the user and the directory. Fails, with nothing done yet, where there is no such user, group or
    /// directory, or where we may not become anybody.
    pub fn look_up(user: Option<String>, folder: Option<PathBuf>) -> Result<Self> {
        let folder = folder.map(|folder| match std::fs::metadata(&folder).and_then(|_| std::path::absolute(&folder)) {
            Ok(path) if path.is_dir() => Ok(path),
            Ok(_) => Err(cannot(&format!("go to {}", folder.display()), "not a directory")),
            Err(e) => Err(cannot(&format!("go to {}", folder.display()), &reason(&e))),
        });
        Ok(Self { user: user.map(Identity::look_up).transpose()?, folder: folder.transpose()? })
    }

    /// Whether there is nobody to become.
    pub fn are_kept(&self) -> bool {
        self.user.is_none()
    }

    /// Whether we go elsewhere.
    pub fn moves(&self) -> bool {
        self.folder.is_some()
    }

    /// What commands find in their environment instead of ours.
    pub fn variables(&self) -> Vec<(&'static str, OsString)> {
        let Some(Identity { account, .. }) = &self.user else { return Vec::new() };
        let name = account.name.as_ref().map(|name| OsString::from(name.to_string_lossy().into_owned()));
        let named = name.into_iter().flat_map(|name| [("USER", name.clone()), ("LOGNAME", name)]);
        named.chain([("HOME", account.home.clone())]).collect()
    }

    /// Becomes the user, for good, and goes to the directory. Who fails here must not serve.
    pub fn drop(self) -> Result<()> {
        if let Some(Identity { typed, account, gid }) = &self.user {
            account::assume(account, *gid).map_err(|e| cannot(&format!("become {typed}"), &reason(&e)))?;
        }
        if let Some(folder) = &self.folder {
            std::env::set_current_dir(folder)
                .map_err(|e| cannot(&format!("go to {}", folder.display()), &reason(&e)))?;
        }
        Ok(())
    }
}

impl Identity {
    fn look_up(typed: String) -> Result<Self> {
        let usage = |sentence: String| Failure::error(Status::Usage, sentence);
        let (user, group) = typed.split_once(':').map_or((typed.as_str(), None), |(user, group)| (user, Some(group)));
        let account = account::find(user).ok_or_else(|| usage(format!("'{user}' is no user here")))?;
        if account.uid == 0 {
            return Err(usage(format!("--user gives privileges up, and {user} has them all: name another user")));
        }
        let gid = match (group, account.gid) {
            (Some(group), _) => process::group(group).ok_or_else(|| usage(format!("'{group}' is no group here")))?,
            (None, Some(gid)) => gid,
            (None, None) => return Err(usage(format!("user {user} has no group here: give --user {user}:GROUP"))),
        };
        if !account::may_change() {
            let denied = io::Error::from(io::ErrorKind::PermissionDenied);
            return Err(cannot(
                &format!("become {typed}"),
                &format!("{} (only root may: see --user)", reason(&denied)),
            ));
        }
        Ok(Self { typed, account, gid })
    }
}

fn cannot(what: &str, why: &str) -> anyhow::Error {
    Failure::error(Status::Failure, format!("cannot {what}: {why}"))
}
