//! The path of a unix listener: whoever holds it is not robbed of it, a stale one is replaced, and ours is removed in
//! the end. It listens to nobody.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use socket2::{Domain, SockAddr, Socket, Type};

use crate::sys;

/// Who may use a path (`--mode`, `--owner`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// The permissions; None for what the umask leaves.
    pub mode: Option<u32>,
    /// The owner and the group; None where they stay ours.
    pub owner: Option<(u32, Option<u32>)>,
}

/// A path that is ours. Dropping it removes the path, if it is ours still.
#[derive(Debug)]
pub struct OwnPath {
    path: PathBuf,
    identity: (u64, u64),
    process: u32,
}

/// Binds `socket` to `path`. The directory is locked (flock(2)) while we look, remove and bind. Fails with `AddrInUse`
/// where a live socket holds it, with `AlreadyExists` where it is no socket.
pub(super) fn bind(socket: &Socket, path: &Path, access: &Access) -> io::Result<OwnPath> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // A directory that we may use but not read cannot be locked; there the probe alone has to do.
    let lock = File::open(folder).ok();
    lock.as_ref().map_or(Ok(()), File::lock)?;
    match std::fs::symlink_metadata(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
        Err(e) => return Err(e),
        Ok(there) => clear(path, &there)?,
    }
    let address = SockAddr::unix(path)?;
    if access == &Access::default() {
        socket.bind(&address)?;
    } else {
        // Nobody can use it before it is whose it is to be.
        let mask = sys::set_umask(0o777);
        let bound = socket.bind(&address);
        sys::set_umask(mask);
        bound?;
        grant(path, access, !mask & 0o777).inspect_err(|_| drop(std::fs::remove_file(path)))?;
    }
    let identity = identity(&std::fs::symlink_metadata(path)?);
    // Whoever changes the directory still removes this one.
    let path = std::path::absolute(path)?;
    Ok(OwnPath { path, identity, process: std::process::id() })
}

/// Binds `socket` to a private name in the directory for temporary files, at which anybody may answer.
pub(super) fn bind_privately(socket: &Socket) -> io::Result<OwnPath> {
    let everybody = Access { mode: Some(0o666), owner: None };
    let bound = tempfile::Builder::new().prefix("fincat-").suffix(".sock").make(|path| {
        socket.bind(&SockAddr::unix(path)?)?;
        grant(path, &everybody, 0o666)
    })?;
    // From here on it is removed as every path of ours is: by the process that made it, if it is the same still.
    let path = bound.into_temp_path().keep().map_err(io::Error::from)?;
    let identity = identity(&std::fs::symlink_metadata(&path)?);
    Ok(OwnPath { path, identity, process: std::process::id() })
}

fn grant(path: &Path, access: &Access, usual: u32) -> io::Result<()> {
    if let Some((user, group)) = access.owner {
        std::os::unix::fs::lchown(path, Some(user), group)?;
    }
    std::fs::set_permissions(path, PermissionsExt::from_mode(access.mode.unwrap_or(usual)))
}

/// Removes a stale socket; fails where it is not one.
fn clear(path: &Path, there: &Metadata) -> io::Result<()> {
    if !there.file_type().is_socket() {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, "it exists and is no socket"));
    }
    // Of another type than any listener's may be, the probe disturbs nobody: it is only told whether somebody is there.
    let probe = Socket::new(Domain::UNIX, Type::DGRAM, None)?;
    match probe.connect(&SockAddr::unix(path)?) {
        Err(e) if e.kind() == io::ErrorKind::ConnectionRefused => std::fs::remove_file(path),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(e) if e.kind() == io::ErrorKind::PermissionDenied => Err(e),
        _ => Err(io::Error::new(io::ErrorKind::AddrInUse, "a live listener holds it")),
    }
}

impl OwnPath {
    /// Whether we are not permitted to remove it (unlink(2)).
    pub(super) fn will_stay(&self) -> bool {
        const STICKY: u32 = 0o1000;
        let folder = self.path.parent().unwrap_or(Path::new("/"));
        let (Ok(there), Ok(own)) = (std::fs::metadata(folder), std::fs::symlink_metadata(&self.path)) else {
            return true;
        };
        let who = sys::account::ourselves();
        let is_ours = who == 0 || [there.uid(), own.uid()].contains(&who);
        !sys::is_writable(folder) || (there.mode() & STICKY != 0 && !is_ours)
    }
}

fn identity(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

impl Drop for OwnPath {
    fn drop(&mut self) {
        // A forked conversation drops its copy too: the path is the server's.
        let ours = self.process == std::process::id();
        let same = std::fs::symlink_metadata(&self.path).is_ok_and(|there| identity(&there) == self.identity);
        if ours && same {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}
