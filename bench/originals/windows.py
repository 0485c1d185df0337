#!/usr/bin/env python3
"""Was it the server, or were it the windows? The server of 2017 with its clients of 2017, once
without and once with a window each, on an X server of their own (Debian: xvfb, python3-opencv), and
what each side spent.

    python3 windows.py [--clients 1,5,10,20] [--size 160x120] [--seconds 20]

A line a case: CPU in percent of one core of the server, of all clients, of the X server, and of
the machine how much was busy; then what the clients got: frames a second and latency, of the median
and of the worst of them.

Not here: other designs (the crate's `compare`).
"""

import argparse
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TICKS = os.sysconf("SC_CLK_TCK")
#: Until all clients have their stream and window.
WARM_UP = 3.0
SAID = re.compile(r"([\d.]+) fps.*latency p50 ([\d.]+)")


def cpu(processes):
    """CPU seconds of processes that live (proc(5), /proc/pid/stat fields 14 and 15)."""
    ticks = 0
    for process in processes:
        with open(f"/proc/{process.pid}/stat") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / TICKS


def machine():
    """Seconds that the machine's CPUs were idle, all together (proc(5), /proc/stat)."""
    with open("/proc/stat") as stat:
        fields = stat.readline().split()
    return (int(fields[4]) + int(fields[5])) / TICKS


def start(*command, **options):
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **options)


def case(clients, size, seconds, shown):
    processes, windows = [], []
    runtime = tempfile.TemporaryDirectory()  # Qt wants one
    environment = dict(os.environ, XDG_RUNTIME_DIR=runtime.name)
    try:
        if shown:
            windows.append(start("Xvfb", "-displayfd", "1", "-nolisten", "tcp", stderr=subprocess.DEVNULL))
            environment["DISPLAY"] = ":" + windows[0].stdout.readline().strip()
        server = start(sys.executable, f"{HERE}/threads.py", "-p", "0", "--size", size)
        processes.append(server)
        port = server.stdout.readline().rsplit(":", 1)[1].strip()
        command = [sys.executable, f"{HERE}/client.py", "-p", port] + ["--show"] * shown
        for _ in range(clients):
            processes.append(start(*command, env=environment))
        time.sleep(WARM_UP)
        sides = [[server], processes[1:], windows]
        before, idle, began = [cpu(side) for side in sides], machine(), time.monotonic()
        time.sleep(seconds)
        wall = time.monotonic() - began
        spent = [100 * (cpu(side) - then) / wall for side, then in zip(sides, before)]
        busy = 100 - 100 * (machine() - idle) / wall / os.cpu_count()
        for process in processes[1:]:
            process.send_signal(signal.SIGTERM)
        said = [SAID.search(process.communicate()[0]) for process in processes[1:]]
    finally:
        for process in processes + windows:
            process.terminate()
            process.wait()
        runtime.cleanup()
    if not all(said):
        sys.exit("a client got no frames: does it run by hand?")
    fps = [float(match[1]) for match in said]
    latency = [float(match[2]) for match in said]
    return spent, busy, (statistics.median(fps), min(fps)), (statistics.median(latency), max(latency))


def main():
    parser = argparse.ArgumentParser(description="The server of 2017, its clients and their windows.")
    parser.add_argument("--clients", default="1,5,10,20", metavar="N,...")
    parser.add_argument("--size", default="160x120", metavar="WxH")
    parser.add_argument("--seconds", type=float, default=20.0)
    asked = parser.parse_args()
    print("clients  windows  server %  clients %     X %  machine busy %     fps (worst)  latency ms (worst)")
    for clients in map(int, asked.clients.split(",")):
        for shown in (False, True):
            (server, viewers, x), busy, fps, latency = case(clients, asked.size, asked.seconds, shown)
            print(
                f"{clients:7}  {'yes' if shown else 'no':>7} {server:9.1f} {viewers:10.1f} {x:7.1f} {busy:15.0f}"
                f"  {fps[0]:7.1f} ({fps[1]:5.1f})    {latency[0]:8.1f} ({latency[1]:6.1f})",
                flush=True,
            )


if __name__ == "__main__":
    main()
