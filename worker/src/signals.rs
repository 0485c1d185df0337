//! A worker's signals: SIGTERM asks it to stop, the terminal's signals are the supervisor's.
//!
//! Not here: the signals of the supervisor, which reads them from a descriptor.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, SigmaskHow, Signal, sigprocmask};

use crate::Error;

static STOPPING: AtomicBool = AtomicBool::new(false);

extern "C" fn stop(_: libc::c_int) {
    STOPPING.store(true, Relaxed); // an atomic store: all that a handler may do
}

/// Whether SIGTERM was seen. System calls that it interrupts return `EINTR`; whoever may have
/// looked just before it came must not sleep for more than a fraction of a second.
pub fn stopping() -> bool {
    STOPPING.load(Relaxed)
}

/// Gives a forked worker its signals and unblocks them. The supervisor blocked them all across
/// the fork, so none was lost and none ran a handler of the parent's.
///
/// # Errors
/// [`Error::Os`].
pub fn install() -> Result<(), Error> {
    let action = |handler| SigAction::new(handler, SaFlags::empty(), SigSet::empty());
    let all = [
        (Signal::SIGTERM, SigHandler::Handler(stop)),
        // A terminal sends these to the whole group; the supervisor drains its workers itself.
        (Signal::SIGINT, SigHandler::SigIgn),
        (Signal::SIGHUP, SigHandler::SigIgn),
        // A viewer that left shows as EPIPE.
        (Signal::SIGPIPE, SigHandler::SigIgn),
    ];
    for (signal, handler) in all {
        crate::sys::sigaction(signal, &action(handler))
            .map_err(|e| Error::os(format!("sigaction {signal}"), e))?;
    }
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None)
        .map_err(|e| Error::os("sigprocmask", e))
}
