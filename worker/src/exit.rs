//! Exit codes of `serve` and `status`, by kind. `--help` lists them; scripts rely on them.
//!
//! Not here: those of `watch`, which are its own.

/// A clean stop.
pub const OK: i32 = 0;
/// Something failed that none of the others names.
pub const FAILURE: i32 = 1;
/// What was asked can never become right: an unknown source, a size out of range (clap's own code).
pub const USAGE: i32 = 2;
/// `status`: no instance runs.
pub const NONE_RUNS: i32 = 3;
/// The name is taken by a living instance.
pub const TAKEN: i32 = 4;
/// The address cannot be had.
pub const ADDRESS: i32 = 5;
/// The input came to its end.
pub const INPUT_ENDED: i32 = 6;
/// /dev/shm is too small, or shared memory cannot be had.
pub const MEMORY: i32 = 7;
/// A worker panicked (the code of `std`).
pub const PANIC: i32 = 101;
