#!/usr/bin/env python3
"""The puzzle of 2019: CPU curves that climb slowly and fall suddenly every 20 to 30 s.

Runs a constant load and samples it as the author did, `ps -o pcpu=` about once a second, beside
the true curve. `ps` prints a lifetime average: CPU time over the time since the start. Until
procps-ng 4 that time was whole seconds (`ps/output.c`, `cook_etime`: seconds since boot minus
the start's seconds), while the CPU time above it went on in ticks. So between two whole seconds the
figure climbs; and since a loop of `ps` and `sleep 1` takes a little over a second, each sample sees a
slightly later part of its second, until a second is skipped and the figure falls. The period is
one second over what the loop takes beyond it: 1.04 s make 25 s. `ps` of today counts
hundredths and shows no teeth, so the old formula is computed here from the same counters.

    python3 sawtooth.py [SECONDS] [LOOP_SECONDS]     # a line a sample: time, old ps, ps, true
"""

import os
import subprocess
import sys
import time

TICKS = os.sysconf("SC_CLK_TCK")
#: Busy for 4 ms of each 10.
LOAD = """
import time
due = time.monotonic()
while True:
    due += 0.010
    end = time.thread_time() + 0.004
    while time.thread_time() < end:
        pass
    time.sleep(max(0, due - time.monotonic()))
"""


def counters(pid):
    """CPU time and start, in ticks (proc(5), /proc/pid/stat fields 14, 15 and 22)."""
    with open(f"/proc/{pid}/stat") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12]), int(fields[19])


def old_ps(used, start, uptime):
    """%CPU of procps-ng 3, in tenths as it printed them."""
    seconds = int(uptime) - start // TICKS
    return used * 1000 // TICKS // seconds / 10 if seconds else 0.0


def main():
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 90
    loop = float(sys.argv[2]) if len(sys.argv) > 2 else 1.04
    load = subprocess.Popen([sys.executable, "-c", LOAD])
    try:
        due = begin = time.monotonic()
        last_time, last_used = begin, counters(load.pid)[0]
        while due - begin < seconds:
            due += loop
            time.sleep(max(0, due - time.monotonic()))
            used, start = counters(load.pid)
            now = time.monotonic()
            with open("/proc/uptime") as file:
                uptime = float(file.read().split()[0])
            true = 100 * (used - last_used) / TICKS / (now - last_time)
            last_time, last_used = now, used
            asked = ["ps", "-o", "pcpu=", "-p", str(load.pid)]
            today = float(subprocess.run(asked, capture_output=True, text=True).stdout)
            print(f"{now - begin:6.1f} {old_ps(used, start, uptime):6.1f} {today:6.1f} {true:6.1f}", flush=True)
    finally:
        load.kill()
        load.wait()


if __name__ == "__main__":
    main()
