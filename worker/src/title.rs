//! The title under which `ps` and `pkill -f` know a process.
//!
//! The kernel shows what lies between `arg_start` and `arg_end`, and, where the last byte of that
//! is not zero, goes on into the environment behind it (`fs/proc/base.c`, `get_mm_cmdline`): the
//! convention of BSD's `setproctitle`. So the environment is first moved away, and then both
//! areas hold the title.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use crate::sys;

/// Where arguments and environment were at the start.
#[derive(Debug, PartialEq, Eq)]
struct Area {
    /// Address.
    start: usize,
    /// Bytes of the arguments.
    arguments: usize,
    /// Bytes of both, or of the arguments alone where the environment lies elsewhere.
    len: usize,
}

static AREA: OnceLock<Area> = OnceLock::new();

/// Moves the environment to the heap and remembers where the title goes. To be called once, by
/// `main`, before there is any other thread. Where /proc cannot be read, titles stay as they are.
pub fn init() {
    let Ok(stat) = std::fs::read_to_string("/proc/self/stat") else {
        return;
    };
    if let Some(area) = area(&stat) {
        sys::move_environment();
        let _ = AREA.set(area);
    }
}

/// Sets the title, cut to the room there is.
pub fn set(text: &str) {
    /// Bytes that the last title took.
    static LAST: AtomicUsize = AtomicUsize::new(0);
    if let Some(area) = AREA.get() {
        let last = LAST.swap(text.len(), Relaxed);
        // The zero behind the text, too, or the environment would follow it.
        let dirty = area.arguments.max(last).max(text.len()) + 1;
        sys::write_title(area.start, area.len, text.as_bytes(), dirty);
    }
}

/// Fields 48 to 51 of /proc/PID/stat (proc(5)): `arg_start`, `arg_end`, `env_start`, `env_end`.
/// The second field may hold blanks and brackets, so counting begins behind its last bracket.
fn area(stat: &str) -> Option<Area> {
    let fields: Vec<usize> = stat[stat.rfind(')')? + 1..]
        .split_ascii_whitespace()
        .skip(48 - 3)
        .take(4)
        .map_while(|field| field.parse().ok())
        .collect();
    let &[arg_start, arg_end, env_start, env_end] = fields.as_slice() else {
        return None;
    };
    let end = if env_start == arg_end {
        env_end
    } else {
        arg_end
    };
    (arg_start != 0 && arg_end > arg_start && end >= arg_end).then(|| Area {
        start: arg_start,
        arguments: arg_end - arg_start,
        len: end - arg_start,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_area_is_found_behind_any_name() {
        let zeros = "0 ".repeat(44);
        let stat = format!("1 (a) b) S {zeros}1000 1010 1010 1100 0");
        let found = |len| {
            Some(Area {
                start: 1000,
                arguments: 10,
                len,
            })
        };
        assert_eq!(area(&stat), found(100));
        let apart = format!("1 (a) S {zeros}1000 1010 2000 2100 0");
        assert_eq!(area(&apart), found(10));
        assert_eq!(area("1 (a) S 0"), None);
    }
}
