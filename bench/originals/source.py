"""What stands in for the webcam of the two originals: a picture that moves, at a steady rate, with
its frame id and the time coded into its first pixels, so that loss and latency can be measured
where frames carry neither. And the account of a client that reads the coding.

The coding: the first 24 bytes of a frame (the first 8 pixels of its top row, in BGR) are

    8 bytes  MARK, b"seqcast1": this frame has the coding
    u64      id: 1, 2, 3, ... of the frames that were grabbed, little-endian
    u64      when it was grabbed, Unix nanoseconds, little-endian

`watch::raw::Stamp` reads it, too.

Not here: sockets, and the header before a frame, which is each design's own.
"""

import json
import signal
import struct
import time

MARK = b"seqcast1"
STAMP = struct.Struct("<8sQQ")
#: Rows of the bar that moves down the picture.
BAR = 8


def stamp(frame):
    """The id and the time coded into a frame (an array), or None where there is no coding."""
    if frame.nbytes < STAMP.size:
        return None
    mark, number, ns = STAMP.unpack_from(frame)
    return (number, ns) if mark == MARK else None


class Camera:
    """Blocks in `read` until the next frame is due, as a webcam does; frames that fell due
    meanwhile are gone, and have no ids. Raw BGR; anything from 8 pixels by 1 carries the coding."""

    channels = 3

    def __init__(self, width, height, fps):
        self.width, self.height = width, height
        self.row = width * self.channels
        self.gray = bytes(64 + 128 * y // height for y in range(height) for _ in range(self.row))
        self.period = 1 / fps
        self.due = time.monotonic()
        self.number = 0

    def read(self):
        now = time.monotonic()
        while self.due <= now:
            self.due += self.period
        time.sleep(self.due - now)
        self.number += 1
        frame = bytearray(self.gray)
        top = self.number * 4 % self.height
        bar = frame[top * self.row : (top + BAR) * self.row]
        frame[top * self.row : top * self.row + len(bar)] = b"\xff" * len(bar)
        if len(frame) >= STAMP.size:
            STAMP.pack_into(frame, 0, MARK, self.number, time.time_ns())
        return bytes(frame)


class Account:
    """What a client got, by the coding."""

    def __init__(self):
        self.frames, self.repeated, self.lost, self.last = 0, 0, 0, None
        #: Of each frame with the coding: id, when it was grabbed, when it came; Unix nanoseconds.
        self.arrivals = []
        self.began = None

    def take(self, frame):
        now = time.monotonic()
        self.began = self.began or now
        self.ended = now
        self.frames += 1
        coded = stamp(frame)
        if coded is None:
            return
        number, ns = coded
        self.arrivals.append((number, ns, time.time_ns()))
        if self.last is not None and number <= self.last:
            self.repeated += 1
            return
        self.lost += 0 if self.last is None else number - self.last - 1
        self.last = number

    def __str__(self):
        said = f"{self.frames} frames"
        if self.frames > 1:
            said += f", {(self.frames - 1) / (self.ended - self.began):.1f} fps"
        if self.arrivals:
            ordered = sorted((came - grabbed) / 1e6 for _, grabbed, came in self.arrivals)
            p50, p99 = (ordered[int((len(ordered) - 1) * p)] for p in (0.5, 0.99))
            said += f", {self.lost} lost, {self.repeated} repeated"
            said += f", latency p50 {p50:.1f} p99 {p99:.1f} ms"
        return said

    def json(self):
        """All arrivals, for a program that keeps the account of many."""
        return json.dumps(self.arrivals)


def size(text):
    """WxH of the command line: 16 bits each, as the headers have them."""
    width, height = (int(number) for number in text.lower().split("x"))
    if not (0 < width < 1 << 16 and 0 < height < 1 << 16):
        raise ValueError(text)
    return width, height


def rate(text):
    """Frames a second of the command line."""
    if not 0 < float(text) <= 1000:
        raise ValueError(text)
    return float(text)


def end_by_signal():
    """SIGTERM and SIGINT (which a shell's background has ignored) raise KeyboardInterrupt, so that
    the counts are printed."""
    ends = (signal.SIGINT, signal.SIGTERM)

    def end(_number, _frame):
        for number in ends:
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    for number in ends:
        signal.signal(number, end)


def show(title, frame):
    """Shows a frame (an array) in a window, as the originals did; needs OpenCV."""
    import cv2
    import numpy

    cv2.imshow(title, numpy.asarray(frame))
    cv2.waitKey(1)
