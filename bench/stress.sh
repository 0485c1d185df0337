#!/usr/bin/env bash
# The stress program, and its control: the same with the ring's second check left out must find
# torn frames, or the first run's "none" proves nothing. Arguments go to the first run; without
# any it takes 8 s. Exits with 0 if the first run was clean and the control was not.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
target=${CARGO_TARGET_DIR:-target}
[ $# -gt 0 ] || set -- --seconds 8

build() {
    cargo build --release --locked --quiet --package bench --no-default-features --bin stress --target-dir "$1"
}
build "$target"
# Its own directory: the flag is part of every crate's build.
RUSTFLAGS="${RUSTFLAGS:-} --cfg shm_ring_unchecked" build "$target/unchecked"

echo "== checked: no torn frame may be accepted"
"$target/release/stress" "$@"
echo "== control, unchecked: torn frames must be found"
"$target/unchecked/release/stress" --expect-torn
