//! `--auth-file`: the file with the users, read once, at the start.
//!
//! Not here: what is in a line (`sender::auth`).

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use sender::auth::Users;

use crate::Usage;

/// The most bytes of the file: a thousand users with long names have less.
const MAX_LEN: u64 = 1 << 20;

/// Reads the file. One that others can read is said in the log.
///
/// # Errors
/// [`Usage`]: it cannot be read, or with each of its bad lines.
pub fn read(path: &Path) -> Result<Users, Usage> {
    let shown = path.display();
    let failed = |why: std::io::Error| Usage(format!("--auth-file {shown}: {why}"));
    let file = File::open(path).map_err(failed)?;
    let mode = file.metadata().map_err(failed)?.permissions().mode();
    let mut text = Vec::new();
    file.take(MAX_LEN + 1)
        .read_to_end(&mut text)
        .map_err(failed)?;
    if text.len() as u64 > MAX_LEN {
        return Err(Usage(format!("--auth-file {shown}: it is over 1 MiB")));
    }
    let users = Users::parse(&text).map_err(|e| Usage(format!("--auth-file {shown}: {e}")))?;
    if mode & 0o004 != 0 {
        tracing::warn!(
            "every user of this machine can read {shown} and try passwords on its hashes: chmod o= {shown}"
        );
    }
    Ok(users)
}
