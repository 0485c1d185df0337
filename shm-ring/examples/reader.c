/* Follows a ring from its newest frame, a line a frame: "ID LEN MISSED SUM" (FNV-1a, 64 bits).
 * C11 and libc, 64-bit Linux; what is done here, and why, is in ../LAYOUT.md.
 *     cc -std=c11 -O2 reader.c -o reader && ./reader seqcast.cam0.ring 100
 * Ends with 0 after so many frames, 1 when none came for 5 s, 2 if there is no such ring. */
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static char *map; /* read-only: a store faults */
#define LOAD(type, at, order) atomic_load_explicit((_Atomic type *)(map + (at)), order)
#define U64(at) LOAD(uint64_t, at, memory_order_relaxed)

int main(int argc, char **argv) {
    if (argc != 3) errx(2, "usage: reader NAME FRAMES");
    setvbuf(stdout, NULL, _IOLBF, 0);
    int fd = shm_open(argv[1], O_RDONLY | O_NONBLOCK, 0);
    struct stat st;
    if (fd < 0 || fstat(fd, &st)) err(2, "%s", argv[1]);
    uint64_t fixed[8] = {0}; /* attach: read once, into private memory, then checked */
    if (pread(fd, fixed, sizeof fixed, 0) < 0) err(2, "%s", argv[1]);
    uint64_t arena = fixed[5], slots = arena / 4096;
    slots = slots < 64 ? 64 : slots > 65536 ? 65536 : slots;
    uint64_t start = (4096 + slots * 128 + 4095) / 4096 * 4096;
    if (memcmp(fixed, "SEQRING", 8) || (uint32_t)fixed[1] != 1) errx(2, "no ring of version 1");
    if (arena < 1 << 16 || arena > (uint64_t)1 << 40 || arena % 4096 || fixed[2] != slots ||
        fixed[3] != 4096 || fixed[4] != start || (uint64_t)st.st_size != start + arena)
        errx(2, "a ring's header, and wrong");
    if (memcmp(&fixed[6], "\1", 2)) errx(2, "not finished yet: try again");
    atomic_thread_fence(memory_order_acquire);
    map = mmap(NULL, start + arena, PROT_READ, MAP_SHARED, fd, 0);
    uint64_t *copy = malloc(arena / 4);
    if (map == MAP_FAILED || !copy) err(2, "map %s", argv[1]);

    uint64_t want = 0, missed = 0; /* 0: the newest, whichever that is */
    struct timespec t, last = {0, 0}, second = {1, 0};
    for (long left = atol(argv[2]); left > 0;) {
        clock_gettime(CLOCK_MONOTONIC, &t);
        if (last.tv_sec == 0) last = t;
        if (t.tv_sec - last.tv_sec > 5) errx(1, fstat(fd, &st) || st.st_nlink ? "silence" : "gone");
        uint32_t ticket = LOAD(uint32_t, 192, memory_order_acquire); /* before looking */
        uint64_t head = LOAD(uint64_t, 128, memory_order_acquire), oldest = U64(64);
        if (want == 0) want = head ? head : 1;
        if (want < oldest) missed += oldest - want, want = oldest;
        if (want > head) {
            syscall(SYS_futex, map + 192, FUTEX_WAIT, ticket, &second, NULL, 0);
            continue;
        }
        uint64_t slot = 4096 + want % slots * 128, id = U64(slot), at = U64(slot + 8);
        uint64_t len = U64(slot + 16), from = start + at % arena, whole = id == want && len > 0;
        whole = whole && len <= arena / 4 && at % 64 == 0 && at % arena + len <= arena;
        for (uint64_t i = 0; whole && i < len; i += 8) copy[i / 8] = U64(from + i);
        atomic_thread_fence(memory_order_acquire); /* copy first, ask afterwards */
        if (!whole || U64(64) - 1 >= want) { missed++, want++; continue; }
        uint64_t sum = 0xcbf29ce484222325;
        for (uint64_t i = 0; i < len; i++) sum = (sum ^ ((uint8_t *)copy)[i]) * 0x100000001b3;
        printf("%ju %ju %ju %016jx\n", (uintmax_t)want, (uintmax_t)len, (uintmax_t)missed, sum);
        missed = 0, want++, left--, last = t;
    }
}
