//! Readiness: telling whoever started us that the listeners are bound, and where. It says nothing to people.

use std::fs::Permissions;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::exit::{Failure, Status};
use crate::net::address::Address;
use crate::net::listen::Listener;
use crate::sys::{self, Manner};
use crate::trace::reason;

/// Whom to tell.
#[derive(Debug, Default)]
pub struct Readiness {
    descriptor: Option<(i32, OwnedFd)>,
    file: Option<PathBuf>,
}

impl Readiness {
    /// Takes over the descriptor, if one was named: before anything else is opened, so that its number is still what
    /// our caller meant. Fails with the status of usage where it is not open for writing.
    pub fn new(descriptor: Option<i32>, file: Option<PathBuf>) -> Result<Self> {
        let adopt = |fd| match sys::adopt(fd) {
            Ok(own) => Ok((fd, own)),
            Err(_) => Err(Failure::error(Status::Usage, format!("--ready-fd {fd} is not open for writing"))),
        };
        Ok(Self { descriptor: descriptor.map(adopt).transpose()?, file })
    }

    /// Writes the port file.
    pub fn publish(&self, listeners: &[Listener]) -> Result<()> {
        let port = listeners.iter().find_map(|listener| match &listener.local {
            Address::Inet(inet) => Some(inet.port()),
            Address::Unix(_) => None,
        });
        if let (Some(file), Some(port)) = (&self.file, port) {
            replace(file, port).map_err(|e| cannot(&file.display().to_string(), &e))?;
        }
        Ok(())
    }

    /// Tells the bound addresses, a line each, and closes the descriptor.
    pub fn announce(self, listeners: &[Listener]) -> Result<()> {
        if let Some((fd, own)) = self.descriptor {
            let lines: Vec<String> = listeners.iter().map(|listener| format!("{}\n", listener.local)).collect();
            write_all(&own, lines.concat().as_bytes()).map_err(|e| cannot(&format!("--ready-fd {fd}"), &e))?;
            if fd == 1 {
                sys::vacate(sys::stdout()).map_err(|e| cannot("--ready-fd 1", &e))?;
            }
        }
        Ok(())
    }
}

fn cannot(object: &str, error: &io::Error) -> anyhow::Error {
    Failure::error(Status::Failure, format!("cannot write {object}: {}", reason(error)))
}

fn write_all(to: &OwnedFd, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        let n = sys::write(to.as_fd(), Manner::Plain, bytes)?;
        bytes = &bytes[n..];
    }
    Ok(())
}

/// Puts the port in the place of `file` in one step: nobody ever reads half a number.
fn replace(file: &Path, port: u16) -> io::Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut new = tempfile::Builder::new().permissions(Permissions::from_mode(0o666)).tempfile_in(folder)?;
    writeln!(new, "{port}")?;
    new.persist(file)?;
    Ok(())
}
