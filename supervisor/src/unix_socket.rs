//! A listening UNIX socket as a file: whether its place is free, who may connect, and its removal.
//!
//! Not here: what is answered there (`sender`).

use std::fmt;
use std::fs;
use std::io::{self, ErrorKind};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{
    FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _,
};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};
use nix::sys::stat::{Mode, umask};

/// How long the workers of a killed instance may take to die.
const DYING: Duration = Duration::from_secs(1);

/// Where it is to be, and who may connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnixPlace {
    /// The file.
    pub path: PathBuf,
    /// Its mode: connecting takes the right to write.
    mode: u32,
}

impl FromStr for UnixPlace {
    type Err = String;

    /// Reads `PATH` or `PATH,mode=0660`.
    fn from_str(text: &str) -> Result<Self, String> {
        let (path, mode) = match text.rsplit_once(",mode=") {
            Some((path, mode)) => {
                let octal = u32::from_str_radix(mode, 8).ok();
                let octal = octal.filter(|&octal| octal <= 0o777);
                (
                    path,
                    octal.ok_or(format!("{mode:?} is no mode: use one as 0660"))?,
                )
            }
            None => (text, 0o600),
        };
        if path.is_empty() {
            return Err("a UNIX socket needs a path, as unix:/run/cam0.sock".into());
        }
        let path = std::path::absolute(path).map_err(|e| e.to_string())?;
        Ok(UnixPlace { path, mode })
    }
}

/// Why it cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum UnixError {
    /// Something else is there.
    #[error(
        "something is there that is no socket, and is left as it is: choose another path, or remove it"
    )]
    NoSocket,
    /// Another program holds the directory's lock.
    #[error("its directory is locked by another program (flock): stop that, or choose another")]
    Locked,
    /// A program answers there.
    #[error("is in use: stop the program that listens there, or choose another path")]
    InUse,
    /// The directory does not let this user in.
    #[error("no right to listen there: choose a directory that this user may write to")]
    NoRight,
    /// There is no such directory.
    #[error("there is no such directory: make it, or choose another")]
    NoDirectory,
    /// Another failure.
    #[error(transparent)]
    Failed(#[from] io::Error),
}

/// The file of a listening socket, removed with this. A forked process leaves without dropping it.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    /// Itself: while it is open, another that was put in its place is not mistaken for it.
    file: fs::File,
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let id = |found: fs::Metadata| (found.dev(), found.ino());
        let [ours, there] = [self.file.metadata(), fs::symlink_metadata(&self.path)];
        if let (Ok(ours), Ok(there)) = (ours.map(id), there.map(id))
            && ours == there
        {
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl fmt::Display for UnixPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unix:{}", self.path.display())
    }
}

/// Listens there. A socket that nobody listens on any more is replaced.
///
/// # Errors
/// [`UnixError`].
pub fn bind(place: &UnixPlace) -> Result<(UnixListener, SocketFile), UnixError> {
    let path = place.path.as_path();
    let began = Instant::now();
    loop {
        match bind_once(path, place.mode) {
            // The workers of an instance that was killed hold its listener until they are dead, too,
            // and another that starts here is soon done.
            Err(UnixError::InUse | UnixError::Locked) if began.elapsed() < DYING => {
                std::thread::sleep(Duration::from_millis(100));
            }
            bound => return bound,
        }
    }
}

fn bind_once(path: &Path, mode: u32) -> Result<(UnixListener, SocketFile), UnixError> {
    let directory = path.parent().unwrap_or(Path::new("/"));
    let directory = fs::File::open(directory).map_err(explained)?;
    // Two that start at once would both find a dead one's, and the later remove the earlier's.
    let _alone = Flock::lock(directory, FlockArg::LockExclusiveNonblock).map_err(
        |(_, errno)| match errno {
            Errno::EWOULDBLOCK => UnixError::Locked,
            _ => UnixError::Failed(errno.into()),
        },
    )?;
    match fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => return Err(UnixError::NoSocket),
        Ok(_) => match knock(path) {
            Err(Errno::ECONNREFUSED) => fs::remove_file(path).map_err(explained)?,
            Err(Errno::EACCES | Errno::EPERM) => return Err(UnixError::NoRight),
            // EAGAIN, too: its queue is full.
            _ => return Err(UnixError::InUse),
        },
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(explained(error)),
    }
    // Nobody else connects before the mode is as asked.
    let before = umask(Mode::from_bits_truncate(0o177));
    let bound = UnixListener::bind(path);
    umask(before);
    let listener = bound.map_err(explained)?;
    let mut itself = fs::File::options();
    let itself = itself
        .read(true)
        .custom_flags(libc::O_PATH | libc::O_NOFOLLOW);
    let file = SocketFile {
        path: path.to_owned(),
        file: itself.open(path)?,
    };
    fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
    Ok((listener, file))
}

/// Connects, and does not wait where the queue of a program that hangs is full.
fn knock(path: &Path) -> Result<(), Errno> {
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let knocking = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
    connect(knocking.as_raw_fd(), &UnixAddr::new(path)?)
}

fn explained(error: io::Error) -> UnixError {
    match error.kind() {
        ErrorKind::PermissionDenied => UnixError::NoRight,
        ErrorKind::NotFound | ErrorKind::NotADirectory => UnixError::NoDirectory,
        _ => UnixError::Failed(error),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::symlink_metadata(path).unwrap().mode() & 0o777
    }

    #[test]
    fn a_path_and_a_mode() {
        let read = |text: &str| text.parse::<UnixPlace>();
        let found = read("/run/x.sock,mode=0660").unwrap();
        assert_eq!(
            (found.path.to_str(), found.mode),
            (Some("/run/x.sock"), 0o660)
        );
        assert_eq!(read("/run/x.sock").unwrap().mode, 0o600);
        assert!(read("x.sock").unwrap().path.is_absolute());
        for bad in ["", ",mode=600", "/x,mode=", "/x,mode=9", "/x,mode=1777"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_dead_ones_is_replaced_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("http");
        let place = UnixPlace {
            path: path.clone(),
            mode: 0o660,
        };
        let (listener, file) = bind(&place).unwrap();
        assert_eq!(mode(&path), 0o660);
        assert!(matches!(bind(&place), Err(UnixError::InUse)));
        assert!(UnixStream::connect(&path).is_ok(), "it is still there");
        // Nobody takes what is in its queue: it hangs.
        while knock(&path).is_ok() {}
        assert!(matches!(bind(&place), Err(UnixError::InUse)));
        let directory = fs::File::open(dir.path()).unwrap();
        let locked = Flock::lock(directory, FlockArg::LockExclusive).unwrap();
        assert!(matches!(bind(&place), Err(UnixError::Locked)));
        drop(locked);
        drop(listener);
        let (_second, successor) = bind(&place).unwrap();
        drop(file);
        assert!(
            UnixStream::connect(&path).is_ok(),
            "that was the successor's"
        );
        drop(successor);
        assert!(!path.exists());
        fs::write(&path, "mine").unwrap();
        assert!(matches!(bind(&place), Err(UnixError::NoSocket)));
        assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
        let nowhere = dir.path().join("none/x").to_str().unwrap().parse().unwrap();
        assert!(matches!(bind(&nowhere), Err(UnixError::NoDirectory)));
        let long = dir
            .path()
            .join("x".repeat(200))
            .to_str()
            .unwrap()
            .parse()
            .unwrap();
        assert!(matches!(bind(&long), Err(UnixError::Failed(_))));
    }
}
