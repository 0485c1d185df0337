"""The frames of a seqcast camera, from its ring in shared memory. One file to copy; needs nothing
but Python 3.9 and 64-bit Linux.

    import seqcast

    for frame, info in seqcast.frames("cam0"):
        print(info.id, info.width, info.height, len(frame), info.missed)

Any number of programs may do so at once: none can slow down or hurt the camera or another one.
They outlive it, too: the loop goes on when capture was killed and succeeded, and when the ring
was made anew with another size. `python3 seqcast.py cam0` prints a line a second.

What the steps below do, and why in this order, is in LAYOUT.md beside the crate `shm-ring`.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import platform
import re
import stat
import struct
import sys
import time
import weakref
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone

__all__ = ["Frames", "Info", "NotARing", "Signal", "WrongVersion", "frames"]

VERSION = 1
#: A silent ring is looked after so often (seconds): whether it is still the one of its name.
LOOK = 0.2


class NotARing(Exception):
    """There is something else under the name, or a ring that is not finished yet."""


class WrongVersion(Exception):
    """The ring has a layout that this file does not know: take the one that came with it."""


def frames(name="cam0", offset="last", *, copy=True, lag=10, timeout=None) -> Frames:
    """Follows the camera `seqcast --name NAME`, or any ring `/dev/shm/NAME`, frame by frame.

    `offset` says where to begin, in the words of RabbitMQ Streams: "first" (the oldest frame that
    is still there), "last" (the newest), "next" (the one to come), an id, or a `datetime` (the
    first frame published then or later). An id or a time that is overwritten begins with the
    oldest frame, one to come with the next.

    `copy=True` gives `bytes`: a private copy that was verified, so always one whole frame. It is
    the default because what can be forgotten otherwise is the question after the use.
    `copy=False` lends a read-only `memoryview` of the ring itself. The camera may overwrite it at
    any moment: believe nothing that you took from it before `info.intact()` said True
    *afterwards*, and give it to no code that trips over bytes that change under it, as decoders
    may. It stays mapped as long as you hold it.

    Who falls more than `lag` frames behind goes on with the newest, as viewers of seqcast do;
    None: with the next that is still there. It counts from when the newest was first reached.
    What was passed over is in `info.missed`.

    `timeout`: TimeoutError when so many seconds brought no frame; the object may be asked again.
    Raises FileNotFoundError, PermissionError, NotARing, WrongVersion.
    """
    return Frames(name, offset, copy, lag, timeout)


@dataclass
class Info:
    """What the ring knows of a frame."""

    #: Rises by one a frame, over restarts of capture too; begins anew with a new ring.
    id: int
    #: Which run of capture published it; rises.
    epoch: int
    #: Unix time of publication and of capture, nanoseconds.
    published_ns: int
    captured_ns: int
    #: Pixels.
    width: int
    height: int
    #: A fourcc as V4L2 names formats: "MJPG" is one JPEG.
    format: str
    #: The publisher's own bits and count (of the driver, for instance).
    flags: int
    sequence: int
    #: Frames between the one before (or the id asked for) and this that you did not get.
    missed: int
    #: The first frame of a ring that was made anew.
    recreated: bool
    _ring: _Ring | None = field(repr=False)

    def intact(self) -> bool:
        """Whether all that you took from a lent frame until now was that frame's."""
        return self._ring is None or self._ring.intact(self.id)


@dataclass
class Signal:
    """What the ring says of its picture."""

    #: "starting", "live", "no signal", "ended" or "resting".
    state: str
    #: A sentence for a person; may be empty.
    reason: str
    #: Unix time of the change, nanoseconds.
    since_ns: int


class Frames:
    """An iterator over frames, made by `frames`. One thread at a time."""

    def __init__(self, name, offset, copy, lag, timeout):
        self._path = _path(name)
        self._copy, self._lag, self._timeout = copy, lag, timeout
        self._ring = _Ring(self._path)
        # The frame due next, and the one to be tried for it: above it after a gap.
        self._due, self._want = self._ring.locate(offset)
        # Whether the newest was reached: only then is there a lag.
        self._reached = offset in ("last", "next")
        self._recreated = False

    def __iter__(self):
        return self

    def __next__(self) -> tuple[bytes | memoryview, Info]:
        deadline = None if self._timeout is None else time.monotonic() + self._timeout
        while True:
            ring = self._ring
            ticket = ring.ticket()  # before looking, or a change in between is slept through
            oldest, head = ring.bounds()
            if self._want <= head:
                found = self._take(oldest, head)
                if found:
                    return found
            rest = LOOK if deadline is None else deadline - time.monotonic()
            if rest <= 0:
                raise TimeoutError(f"no frame in {self._path} for {self._timeout} s")
            if self._want > head:
                ring.wait(ticket, min(rest, LOOK))
                if ring.ticket() == ticket and ring.is_removed():
                    self._attach_anew()

    def signal(self) -> Signal:
        """What the ring says of its picture now."""
        return self._ring.signal()

    def _take(self, oldest, head):
        ring, want = self._ring, max(self._want, oldest)
        if self._reached and self._lag is not None and head - want > self._lag:
            want = head
        self._reached |= want >= head
        self._want = want
        if want > head:
            return None
        found = ring.find(want)
        frame = None
        if found:
            at, length = found[1] % ring.arena + ring.start, found[2]
            frame = ring.bytes[at : at + length]
            frame = bytes(frame) if self._copy else frame
        if not ring.intact(want):
            self._want = want + 1
            return None
        if not found:
            # No writer of rings leaves that. Nothing that lies there is believed.
            self._want = head + 1
            return None
        _, _, _, format, flags, width, height, sequence, captured_ns, published_ns, epoch = found
        info = Info(
            id=want,
            epoch=epoch,
            published_ns=published_ns,
            captured_ns=captured_ns,
            width=width,
            height=height,
            format=format.decode("latin-1").rstrip("\0 "),
            flags=flags,
            sequence=sequence,
            missed=want - self._due,
            recreated=self._recreated,
            _ring=None if self._copy else ring,
        )
        self._due = self._want = want + 1
        self._recreated = False
        return frame, info

    def _attach_anew(self):
        try:
            ring = _Ring(self._path)
        except (FileNotFoundError, PermissionError, NotARing):
            return  # not there, not yet for its group, or not finished
        self._ring = ring
        self._due, self._want = ring.locate("first")
        self._recreated = True


# From here on: the ring as LAYOUT.md has it. All numbers are offsets and types from there.

_FIXED = struct.Struct("=8sII4Q2B")  # magic, version, -, slots, table, start, arena, latch
_RECORD = struct.Struct("=3Q4s3I4Q")  # id, position, len, then META
_SLOT = 128
_TABLE = _PAGE = 4096


class _Timespec(ctypes.Structure):
    _fields_ = [("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long)]


# CDLL lets go of the GIL during a call, PyDLL does not.
_libc = ctypes.CDLL(None, use_errno=True)
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
_libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
_futex = _libc["syscall"]  # a function object of its own each time it is asked for by index
_futex.argtypes = [ctypes.c_long, ctypes.c_void_p, ctypes.c_int, ctypes.c_uint32, ctypes.c_void_p]
_membarrier = _libc["syscall"]
_membarrier.argtypes = [ctypes.c_long, ctypes.c_int, ctypes.c_uint, ctypes.c_int]

# The kernel's numbers of (futex, membarrier): one pair for all newer architectures
# (asm-generic/unistd.h), others for older ones (arch/*/*/syscall*.tbl).
_NUMBERS = {"aarch64": (98, 283), "riscv64": (98, 283), "loongarch64": (98, 283)}
_NUMBERS |= {"x86_64": (202, 324), "ppc64le": (221, 365), "s390x": (238, 356)}
_MACHINE = platform.machine()
if sys.platform != "linux" or ctypes.sizeof(ctypes.c_void_p) != 8 or _MACHINE not in _NUMBERS:
    raise ImportError(f"seqcast.py needs 64-bit Linux on one of {', '.join(_NUMBERS)}")
_SYS_FUTEX, _SYS_MEMBARRIER = _NUMBERS[_MACHINE]
_FUTEX_WAIT = 0  # linux/futex.h; without FUTEX_PRIVATE_FLAG, since another process wakes
_MEMBARRIER_CMD_QUERY, _MEMBARRIER_CMD_GLOBAL_EXPEDITED = 0, 2  # linux/membarrier.h


def _find_fence():
    """An acquire fence: loads before it are done before loads after it begin.

    Python has none, and processors but x86 do reorder loads, so that the question whether a frame
    was overwritten could be answered before its last bytes were copied. That Python itself keeps
    to the order written is no question: each load is a call into C, and so is this.
    """
    try:
        # C11's, exported as a function by gcc's support library (Debian: libatomic1).
        fence = ctypes.PyDLL("libatomic.so.1").atomic_thread_fence
        fence.restype, fence.argtypes = None, [ctypes.c_int]
        return lambda: fence(2)  # memory_order_acquire
    except (OSError, AttributeError):
        pass
    if _MACHINE == "x86_64":
        # Loads are not reordered with loads (Intel SDM 3A, "Memory Ordering"; AMD APM 2, 7.2).
        return lambda: None
    # membarrier(2) is a full barrier for its caller, too: kernel/sched/membarrier.c has smp_mb()
    # at both ends of this command, and says that the call pairs with smp_mb() elsewhere. (On one
    # online processor it returns at once; there is no order to lose there.)
    known = _membarrier(_SYS_MEMBARRIER, _MEMBARRIER_CMD_QUERY, 0, 0)
    if known > 0 and known & _MEMBARRIER_CMD_GLOBAL_EXPEDITED:
        return lambda: _membarrier(_SYS_MEMBARRIER, _MEMBARRIER_CMD_GLOBAL_EXPEDITED, 0, 0)
    raise ImportError("seqcast.py needs libatomic.so.1 here (Debian: libatomic1)")


_fence = _find_fence()


def _path(name):
    if not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}", name):
        raise ValueError(f"{name!r} names no camera and no ring")
    camera, ring = f"/dev/shm/seqcast.{name}.ring", f"/dev/shm/{name}"
    return ring if os.path.exists(ring) and not os.path.exists(camera) else camera


def _geometry(fixed, size):
    """Slots, the arena's start and the arena's bytes, from a header that may be anybody's."""
    if len(fixed) < _FIXED.size:
        raise NotARing("it is too short")
    magic, version, _, slots, table, start, arena, ready, auto = _FIXED.unpack_from(fixed)
    if magic != b"SEQRING\0":
        raise NotARing("it does not begin with SEQRING")
    if version != VERSION:
        raise WrongVersion(f"the ring's layout is version {version}, seqcast.py reads {VERSION}")
    if not 1 << 16 <= arena <= 1 << 40 or arena % _PAGE:
        raise NotARing(f"its arena of {arena} bytes is out of range")
    # All follows from the arena's size, so nothing else is believed.
    expected = min(max(arena // 4096, 64), 65536)
    begin = -(-(_TABLE + expected * _SLOT) // _PAGE) * _PAGE
    if (slots, table, start, size) != (expected, _TABLE, begin, begin + arena):
        raise NotARing("its parts do not lie where they must")
    if (ready, auto) != (1, 0):
        raise NotARing("its creation was not finished")
    return slots, start, arena


def _release(base, size, fd):
    _libc.munmap(base, size)
    os.close(fd)


class _Ring:
    """A ring, mapped for reading and checked.

    Its owner (and root, nobody else) could cut the file short and so end this process with SIGBUS:
    Python has no cure for that, and seqcast never does it.
    """

    def __init__(self, path):
        # A FIFO in its place must not make anybody wait, and a link lead nowhere else.
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
        try:
            status = os.fstat(fd)
            if not stat.S_ISREG(status.st_mode):
                raise NotARing(f"{path} is no regular file")
            # Read once, into private memory: what is checked here cannot change afterwards.
            self.slots, self.start, self.arena = _geometry(os.pread(fd, 64, 0), status.st_size)
            _fence()
            size = self.start + self.arena
            # Not mmap.mmap, which keeps the address to itself that the futex is known by.
            base = _libc.mmap(None, size, mmap.PROT_READ, mmap.MAP_SHARED, fd, 0)
            if base == ctypes.c_void_p(-1).value:
                raise OSError(ctypes.get_errno(), f"cannot map {path}")
        except BaseException:
            os.close(fd)
            raise
        memory = (ctypes.c_ubyte * size).from_address(base)
        # Whoever holds a view of the memory holds it, and what is held stays mapped; also at the
        # end of the program, where other threads may still read.
        weakref.finalize(memory, _release, base, size, fd).atexit = False
        self._fd = fd
        self.bytes = memoryview(memory).cast("B").toreadonly()
        # Each `.value` is one aligned load, and so never half a number.
        self._oldest = ctypes.c_uint64.from_buffer(memory, 64)
        self._head = ctypes.c_uint64.from_buffer(memory, 128)
        self._word = ctypes.c_uint32.from_buffer(memory, 192)
        self._signal = ctypes.c_uint64.from_buffer(memory, 320)

    def ticket(self):
        ticket = self._word.value
        _fence()
        return ticket

    def wait(self, ticket, seconds):
        """Until a change since the ticket; or a signal, or the time; the caller looks."""
        rest = _Timespec(int(seconds), int(seconds % 1 * 1e9))
        word = ctypes.byref(self._word)
        _futex(_SYS_FUTEX, word, _FUTEX_WAIT, ticket, ctypes.byref(rest))

    def bounds(self):
        """The readable ids: oldest to head; none is oldest = head + 1."""
        head = self._head.value
        _fence()
        return min(self._oldest.value, head + 1), head

    def intact(self, id):
        _fence()
        return 0 < self._oldest.value <= id  # 0: the ring was cut short

    def find(self, id):
        """The descriptor of a frame up to head, or None; only `intact` can tell if it is its."""
        found = _RECORD.unpack_from(self.bytes, _TABLE + id % self.slots * _SLOT)
        position, length = found[1:3]
        fits = 0 < length <= self.arena // 4 and position % self.arena + length <= self.arena
        return found if found[0] == id and fits else None

    def is_removed(self):
        return os.fstat(self._fd).st_nlink == 0

    def locate(self, offset):
        """The id that an offset means, and the one to begin with: above it after a gap."""
        oldest, head = self.bounds()
        if offset == "first":
            return oldest, oldest
        if offset == "last":
            return max(head, oldest), max(head, oldest)
        if offset == "next":
            return head + 1, head + 1
        if isinstance(offset, int):
            due = min(max(offset, 1), head + 1)
            return due, max(due, oldest)
        if isinstance(offset, datetime):
            since = offset.astimezone(timezone.utc) - datetime.fromtimestamp(0, timezone.utc)
            since_ns = since // timedelta(microseconds=1) * 1000
            low, high = oldest, head + 1
            while low < high:
                middle = (low + high) // 2
                found = self.find(middle)
                # What was overwritten meanwhile is older than all that was not.
                if not self.intact(middle) or not found or found[9] < since_ns:
                    low = middle + 1
                else:
                    high = middle
            return low, low
        raise ValueError(f"offset {offset!r}: 'first', 'last', 'next', an id or a datetime")

    def signal(self):
        states = {1: "live", 2: "no signal", 3: "ended", 4: "resting"}
        for _ in range(32):
            word = self._signal.value
            _fence()
            slot = 328 + (word >> 8) % 2 * 176
            since_ns, length = struct.unpack_from("=QI", self.bytes, slot)
            text = bytes(self.bytes[slot + 12 : slot + 12 + min(length, 160)])
            _fence()
            if self._signal.value == word:
                reason = "".join(filter(str.isprintable, text.decode(errors="replace")))
                return Signal(states.get(word & 255, "starting"), reason, since_ns)
        return Signal("starting", "", 0)


def _main():
    if len(sys.argv) > 2:
        sys.exit("usage: python3 seqcast.py [NAME]")
    name = sys.argv[1] if len(sys.argv) == 2 else "cam0"
    try:
        stream = frames(name, timeout=1)
    except (OSError, ValueError, NotARing, WrongVersion) as error:
        sys.exit(f"{name}: {error}")
    began = time.monotonic()
    count = missed = size = 0
    info = None
    while True:
        try:
            frame, info = next(stream)
            count, missed, size = count + 1, missed + info.missed, size + len(frame)
        except TimeoutError:
            pass
        took = time.monotonic() - began
        if took < 1:
            continue
        line = f"{name}: {count / took:.1f} fps, missed {missed}, {size} bytes"
        if count:
            line += f", id {info.id}, {info.width}x{info.height} {info.format}"
        else:
            signal = stream.signal()
            line += f", {signal.state} {signal.reason}"
        print(line.rstrip(), flush=True)
        began, count, missed, size = time.monotonic(), 0, 0, 0


if __name__ == "__main__":
    try:
        _main()
    except (KeyboardInterrupt, BrokenPipeError):
        pass
