//! What an error of a device means, as a sentence that says what to do.
//!
//! Not here: errors of anything but a device.

use std::io;
use std::path::Path;

use nix::errno::Errno;

/// The way to a camera whose pipeline somebody must set up first.
pub(super) const LIBCAMERA: &str = "`rpicam-vid -t 0 -n --codec mjpeg -o - | seqcast --source -`";

/// `doing` is what was tried ("setting the format"), for errors that have no sentence of their own.
pub(super) fn sentence(path: &Path, doing: &str, error: &io::Error) -> String {
    let node = path.display();
    let errno = Errno::from_raw(error.raw_os_error().unwrap_or(0));
    match errno {
        Errno::ENOENT => format!(
            "{node} is not there: plug the camera in, or pick one of `ls /dev/video*` with --source"
        ),
        Errno::EACCES => format!(
            "no rights to {node}: add yourself to group video: `sudo usermod -aG video $USER`, \
             then log in again"
        ),
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
    fn an_error_without_a_number_is_told_as_it_is() {
        let error = io::Error::other("odd");
        assert!(sentence(Path::new("/dev/video7"), "opening it", &error).contains("odd"));
    }
}
