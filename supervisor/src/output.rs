//! Standard output whose reader may be gone (`seqcast | head -1`), which ends no instance.
//!
//! Not here: what is said, and the log.

/// `println!`, which panics where nobody reads any more; this does not.
macro_rules! say {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stdout(), $($text)*);
    }};
}

pub(crate) use say;
