//! Exit codes, by kind. `--help` lists them; scripts rely on them.

/// A clean stop.
pub const OK: i32 = 0;
/// Something failed that none of the others names.
pub const FAILURE: i32 = 1;
/// What was asked can never become right: an unknown source, a size out of range (clap's own code).
pub const USAGE: i32 = 2;
/// `status`: no instance runs. `watch`: something invalid was received.
pub const NONE_OR_INVALID: i32 = 3;
/// The name is taken by a living instance. `watch`: the stream was cut off.
pub const TAKEN_OR_CUT: i32 = 4;
/// The address cannot be had. `watch`: could not connect, or got no 200.
pub const ADDRESS: i32 = 5;
/// The input came to its end.
pub const INPUT_ENDED: i32 = 6;
/// /dev/shm is too small, or shared memory cannot be had.
pub const MEMORY: i32 = 7;
/// A worker panicked (the code of `std`).
pub const PANIC: i32 = 101;
