"""A long, narrow, lossy wire between two network namespaces: a TUN device in each, and this process
copies packets from one to the other, late, not faster than so many bits a second, and without some.

    wire.py PID NAME DELAY_S LOSS BITS_PER_S SEED     from this namespace to that of PID; both devices are NAME

A packet waits at most 100 ms for those before it, else it is lost, as in a router's queue. Says "ready".
Not here: addresses and routes. The kernels that this runs on have no netem, which does the same.
"""
import collections
import ctypes
import fcntl
import os
import random
import select
import struct
import sys
import time

# linux/if_tun.h
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 1, 0x1000
CLONE_NEWNET = 0x40000000
QUEUE_S = 0.1


def tun(name):
    """A new TUN device in the namespace where this process is; it stays there."""
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN | IFF_NO_PI))
    return fd


def enter(pid):
    with open(f"/proc/{pid}/ns/net") as there:
        if ctypes.CDLL(None, use_errno=True).setns(there.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")


class Direction:
    def __init__(self, begin, end, delay, loss, rate, chance):
        self.begin, self.end, self.delay, self.loss, self.rate, self.chance = begin, end, delay, loss, rate, chance
        self.free = 0.0  # when the wire has sent what it was given
        self.flying = collections.deque()

    def take(self, now):
        try:
            while packet := os.read(self.begin, 65536):
                at = max(self.free, now)
                if at - now > QUEUE_S or self.chance.random() < self.loss:
                    continue
                self.free = at + len(packet) * 8 / self.rate
                self.flying.append((self.free + self.delay, packet))
        except BlockingIOError:
            pass

    def give(self, now):
        while self.flying and self.flying[0][0] <= now:
            try:
                os.write(self.end, self.flying.popleft()[1])
            except OSError:
                pass  # its device is down: the packet is lost


def main():
    pid, name = int(sys.argv[1]), sys.argv[2]
    delay, loss, rate = map(float, sys.argv[3:6])
    chance = random.Random(int(sys.argv[6]))
    here = tun(name)
    enter(pid)
    there = tun(name)
    ways = [Direction(here, there, delay, loss, rate, chance), Direction(there, here, delay, loss, rate, chance)]
    print("ready", flush=True)
    while True:
        due = [way.flying[0][0] for way in ways if way.flying]
        wait = max(0.0, min(due) - time.monotonic()) if due else None
        ready = select.select([here, there], [], [], wait)[0]
        now = time.monotonic()
        for way in ways:
            if way.begin in ready:
                way.take(now)
            way.give(now)


main()
