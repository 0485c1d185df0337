"""What the tests have seqcast.py do: follow a ring and hold every byte to what the test
publishes. Prints what it sees; any disagreement is an exception and an exit code.

    follow.py MODE NAME
"""

import array
import random
import sys
import threading
import time
from datetime import datetime, timezone

import seqcast


def body(id, length):
    """The same as in main.rs: words that no other frame has, nor this one elsewhere."""
    words = array.array("Q", range(id << 32, (id << 32) + length // 8 + 1))
    return words.tobytes()[:length]


def check(frame, info):
    assert bytes(frame) == body(info.id, len(frame)), f"frame {info.id} is not itself"
    assert (info.width, info.height, info.format) == (len(frame), 7, "TEST"), info
    assert (info.sequence, info.captured_ns, info.flags) == (info.id, info.id * 1000, 5), info


def say(*words):
    print(*words, flush=True)


def follow(name):
    """Each frame by its id, until one of a single byte."""
    last = 0
    for frame, info in seqcast.frames(name, "first", lag=None, timeout=60):
        check(frame, info)
        assert type(frame) is bytes and info.intact()
        if info.recreated:
            last = 0
        assert info.id == last + 1 + info.missed, (last, info)
        last = info.id
        say("frame", info.id, info.missed, info.epoch, int(info.recreated), len(frame))
        if len(frame) == 1:
            return


def race(name, lend):
    """Reads under a writer at full speed, which laps all the time."""
    accepted = refused = missed = 0
    end = time.monotonic() + 2
    while time.monotonic() < end:
        # Mostly the oldest, which is the next to be overwritten.
        offset = random.choice(["first", "first", "last"])
        stream = seqcast.frames(name, offset, copy=not lend, lag=None, timeout=60)
        for frame, info in stream:
            missed += info.missed
            if not lend:
                check(frame, info)
                accepted += 1
            else:
                assert type(frame) is memoryview and frame.readonly
                taken = bytes(frame)
                if info.intact():
                    check(taken, info)
                    accepted += 1
                else:
                    refused += 1
            if accepted % 50 == 49 or time.monotonic() > end:
                break
    say("accepted", accepted, "refused", refused, "missed", missed)


def offsets(name):
    """Against a ring that stands still. Says the first id of each, and what was missed."""

    def first(offset, **more):
        frame, info = next(seqcast.frames(name, offset, timeout=60, **more))
        check(frame, info)
        return info

    oldest, newest = first("first").id, first("last").id
    say("bounds", oldest, newest)
    assert 1 < oldest < newest - 20
    middle = first(oldest + 3)
    assert (middle.id, middle.missed) == (oldest + 3, 0)
    assert (first(1).id, first(1).missed) == (oldest, oldest - 1)
    assert (first(0).id, first(0).missed) == (oldest, oldest - 1)
    at = datetime.fromtimestamp(middle.published_ns // 1000 / 1e6, timezone.utc)
    assert oldest <= first(at).id <= middle.id
    assert first(datetime.fromtimestamp(0, timezone.utc)).id == oldest
    for offset in ("next", newest + 9, datetime.now(timezone.utc)):
        stream = seqcast.frames(name, offset, timeout=0.01)
        for _ in range(2):
            try:
                next(stream)
                raise AssertionError("there is no such frame")
            except TimeoutError:
                pass
    # Who starts in the past is given the past; the lag counts from when it reached the newest.
    stream = seqcast.frames(name, "first", lag=2)
    ids = list(range(oldest, newest + 1))
    assert [next(stream)[1].id for _ in ids] == ids
    stream = seqcast.frames(name, "last", lag=2, timeout=60)
    assert next(stream)[1].id == newest
    say("publish")
    signal = stream.signal()
    assert (signal.state, signal.reason) == ("no signal", "unplugged"), signal
    sys.stdin.readline()
    info = next(stream)[1]
    assert (info.id, info.missed) == (newest + 9, 8), info
    for wrong in ("newest", None, 1.5):
        try:
            seqcast.frames(name, wrong)
            raise AssertionError("no offset")
        except ValueError:
            pass


def wait(name):
    """While it waits for a frame, other threads run: it is published once one of them ran."""
    seqcast.LOOK = 60
    waiting = threading.Event()

    def work():
        waiting.wait()
        for _ in range(1_000_000):
            pass
        say("publish")

    threading.Thread(target=work).start()
    stream = seqcast.frames(name, "next", timeout=50)
    waiting.set()
    _, info = next(stream)
    say("frame", info.id)


def hostile(name):
    """A ring full of noise: nothing comes, nothing breaks, and the time is kept."""
    for copy in (True, False):
        for offset in ("first", "last", "next", 3, 1 << 70, datetime.now()):
            try:
                stream = seqcast.frames(name, offset, copy=copy, lag=None, timeout=0.05)
                stream.signal()
                _, info = next(stream)
                say("frame", info.id)
            except TimeoutError:
                say("timeout")
            except seqcast.NotARing:
                say("refused")
            except seqcast.WrongVersion:
                say("version")


if __name__ == "__main__":
    mode, name = sys.argv[1:]
    modes = {"copy": lambda n: race(n, False), "lend": lambda n: race(n, True)}
    modes.get(mode, globals().get(mode))(name)
