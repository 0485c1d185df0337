//! Standard output and error whose reader may be gone (`seqcast | head -1`): that ends no instance
//! and changes no exit code.
//!
//! Not here: what is said, and the log.

/// `println!`, which panics where nobody reads any more; this does not.
macro_rules! say {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stdout(), $($text)*);
    }};
}

/// `eprintln!`, the same way: one line of error, with the program's name.
macro_rules! complain {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), "seqcast: {}", format_args!($($text)*));
    }};
}

pub(crate) use {complain, say};
