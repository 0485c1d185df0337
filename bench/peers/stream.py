"""Streams and replies as a viewer of ours reads them: part by part, with each frame's number and time.

Not here: where they come from (`servers`), and what is looked at (`viewers`).
"""

import contextlib
import socket
import struct
import threading
import time
import urllib.error
import urllib.request

# What each frame bears in its first bytes, before its number (u64) and its Unix time (u64, ns), little-endian.
MARK = b"seqcast1"
PATIENCE = 15


class Ended(Exception):
    """The other side closed, or said nothing for PATIENCE seconds."""


class Stream:
    """A multipart stream, part by part."""

    def __init__(self, port, target, timeout=PATIENCE, auth=None):
        self.began = time.monotonic()
        self.socket = socket.create_connection(("127.0.0.1", port), timeout)
        more = f"Authorization: Basic {auth}\r\n" if auth else ""
        self.socket.sendall(f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{more}\r\n".encode())
        self.buffer = b""
        self.head = self.until(b"\r\n\r\n").decode("latin1")
        self.code = int(self.head.split(" ")[1])

    def more(self):
        try:
            data = self.socket.recv(1 << 18)
        except OSError as error:
            raise Ended from error
        if not data:
            raise Ended
        self.buffer += data

    def until(self, end):
        while (at := self.buffer.find(end)) < 0:
            self.more()
        found, self.buffer = self.buffer[: at + len(end)], self.buffer[at + len(end) :]
        return found

    def part(self):
        """The headers and the picture of the next part."""
        while not (lines := self.until(b"\r\n\r\n").strip(b"\r\n-")):
            pass
        headers = dict(line.split(b": ", 1) for line in lines.lower().split(b"\r\n") if b": " in line)
        if b"content-length" not in headers:
            return self.part()
        length = int(headers[b"content-length"])
        while len(self.buffer) < length:
            self.more()
        picture, self.buffer = self.buffer[:length], self.buffer[length:]
        return headers, picture

    def frame(self):
        """Number and Unix time of the next frame; those of a placeholder are None."""
        return coding(self.part()[1])

    def close(self):
        self.socket.close()


def coding(picture):
    at = picture.find(MARK, 0, 256)
    if at < 0:
        return None, None
    number, ns = struct.unpack_from("<QQ", picture, at + len(MARK))
    return number, ns / 1e9


def http(port, target, method="GET", headers=()):
    """Code, headers and body of a reply."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}{target}", method=method, headers=dict(headers))
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as reply:
            return reply.status, reply.headers, reply.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, error.read()


class Viewer(threading.Thread):
    """Somebody who watches, and counts."""

    def __init__(self, port, target):
        super().__init__(daemon=True)
        self.stream = Stream(port, target)
        self.ids, self.placeholders, self.last, self.longest = [], 0, time.monotonic(), 0
        self.ended = False
        self.start()

    def run(self):
        try:
            while True:
                number, _ = self.stream.frame()
                now = time.monotonic()
                self.longest, self.last = max(self.longest, now - self.last), now
                if number is None:
                    self.placeholders += 1
                else:
                    self.ids.append(number)
        except (Ended, OSError, ValueError):
            self.ended = True

    def lost(self):
        return sum(max(0, b - a - 1) for a, b in zip(self.ids, self.ids[1:]))


def leave(viewers):
    for viewer in viewers:
        with contextlib.suppress(OSError):
            viewer.stream.socket.shutdown(socket.SHUT_RDWR)
    for viewer in viewers:
        viewer.join(PATIENCE)


def find_all(data, mark):
    at = -1
    while (at := data.find(mark, at + 1)) >= 0:
        yield at + len(mark)
