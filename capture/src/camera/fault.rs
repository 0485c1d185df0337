//! What an error of a device means: a title for viewers, and a sentence that says what to do.
//!
//! Not here: errors of anything but a device.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use nix::errno::Errno;
use worker::Fault;

use super::{holder, timings};
use crate::source::SourceError;

/// The way to a camera whose pipeline somebody must set up first.
pub(super) const LIBCAMERA: &str = "`rpicam-vid -t 0 -n --codec mjpeg -o - | seqcast --source -`";

/// The failure of a source that the error is. `doing` as in [`sentence`].
pub(super) fn lost(path: &Path, doing: &str, error: &io::Error) -> SourceError {
    if let Some(why) = timings::nothing(error) {
        let why = format!("{}: {why}", path.display());
        return SourceError::NoSignal(Fault::NoSignal, why);
    }
    let errno = Errno::from_raw(error.raw_os_error().unwrap_or(0));
    let holder = (errno == Errno::EBUSY).then(|| holder::of(path)).flatten();
    let (fault, why) = match (errno, holder) {
        (_, Some(by)) => (
            Fault::Busy(Some(by.pid)),
            format!(
                "{} is busy: {} (pid {}) has it",
                path.display(),
                by.name,
                by.pid
            ),
        ),
        (Errno::EBUSY, None) => (Fault::Busy(None), sentence(path, doing, error)),
        (Errno::ENOENT | Errno::ENODEV | Errno::ENXIO, _) => {
            (Fault::NoCamera, sentence(path, doing, error))
        }
        _ => (Fault::Device, sentence(path, doing, error)),
    };
    SourceError::NoSignal(fault, why)
}

/// `doing` is what was tried ("setting the format"), for errors that have no sentence of their own.
pub(super) fn sentence(path: &Path, doing: &str, error: &io::Error) -> String {
    let node = path.display();
    let errno = Errno::from_raw(error.raw_os_error().unwrap_or(0));
    match errno {
        Errno::ENOENT => format!(
            "{node} is not there: plug the camera in, or pick one of `ls /dev/video*` with --source"
        ),
        Errno::EACCES => format!("no rights to {node}: {}", rights(path)),
        Errno::EPERM => {
            format!("not allowed to open {node}: in a container, pass it in with --device {node}")
        }
        Errno::EBUSY => {
            format!("{node} is busy: another program has it open (`fuser {node}` names it)")
        }
        Errno::ENODEV | Errno::ENXIO => {
            format!("{node} is gone: unplugged or switched off; plug the camera in again")
        }
        Errno::ENOTTY => format!("{node} is no video device: see `ls /dev/video*`"),
        Errno::ENOSPC => format!(
            "{node}: no USB bandwidth is left for it: try another port, a smaller --size, or \
             unplug other cameras"
        ),
        Errno::EPIPE => format!("{node} needs libcamera to set its pipeline up: try {LIBCAMERA}"),
        Errno::EIO | Errno::EPROTO => format!(
            "{node} stopped with an error while {doing} ({error}): check its cable, or plug it in \
             again"
        ),
        _ => format!("{node} failed while {doing}: {error}; plugging it in again may help"),
    }
}

/// What gives this user the right to a node: its group, or, where it has none to be in, udev's rule.
fn rights(path: &Path) -> String {
    // Debian's /etc/group has it so, and udev's rules (50-udev-default.rules) give nodes to it.
    let group = |gid| match nix::unistd::Group::from_gid(nix::unistd::Gid::from_raw(gid)) {
        Ok(Some(group)) => group.name,
        _ => gid.to_string(),
    };
    match std::fs::metadata(path) {
        Ok(node) if node.gid() == 0 || node.mode() & 0o060 != 0o060 => {
            r#"no group has any: `echo 'SUBSYSTEM=="video4linux", GROUP="video", MODE="0660"' | sudo tee /etc/udev/rules.d/70-video.rules`, then plug it in again"#.to_owned()
        }
        node => {
            let group = node.map_or("video".to_owned(), |node| group(node.gid()));
            format!("add yourself to group {group}: `sudo usermod -aG {group} $USER`, then log in again")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(errno: Errno) -> String {
        let error = io::Error::from(errno);
        sentence(Path::new("/dev/video7"), "starting the stream", &error)
    }

    #[test]
    fn each_says_which_node_and_what_to_do() {
        for (errno, advice) in [
            (Errno::ENOENT, "plug the camera in"),
            (Errno::EACCES, "group video"),
            (Errno::EPERM, "--device /dev/video7"),
            (Errno::EBUSY, "`fuser /dev/video7`"),
            (Errno::ENODEV, "plug the camera in again"),
            (Errno::ENOTTY, "no video device"),
            (Errno::ENOSPC, "smaller --size"),
            (Errno::EPIPE, "rpicam-vid"),
            (Errno::EIO, "starting the stream"),
            (Errno::EINVAL, "starting the stream: Invalid argument"),
        ] {
            let said = of(errno);
            assert!(said.contains("/dev/video7"), "{said}");
            assert!(said.contains(advice), "{said}");
            assert!(!said.contains('\n'), "{said}");
        }
    }

    #[test]
    fn each_has_its_title() {
        for (errno, fault) in [
            (Errno::ENOENT, Fault::NoCamera),
            (Errno::ENODEV, Fault::NoCamera),
            (Errno::EBUSY, Fault::Busy(None)),
            (Errno::ENOLINK, Fault::NoSignal),
            (Errno::EIO, Fault::Device),
            (Errno::EACCES, Fault::Device),
        ] {
            let lost = lost(Path::new("/dev/video-none"), "streaming", &errno.into());
            assert!(
                matches!(lost, SourceError::NoSignal(title, _) if title == fault),
                "{lost}"
            );
        }
    }

    #[test]
    fn an_error_without_a_number_is_told_as_it_is() {
        let error = io::Error::other("odd");
        assert!(sentence(Path::new("/dev/video7"), "opening it", &error).contains("odd"));
    }
}
