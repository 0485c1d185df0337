#!/usr/bin/env python3
"""A camera over HTTP, for a server that takes one: `camera.py PORT FILE.jpg`.

The JPEG, numbered and timed anew (`stream.MARK`), 30 times a second, to one viewer after the other. What falls due while
a frame is still being taken is gone.

Not here: the one over V4L2 (`camera.c`).
"""

import contextlib
import pathlib
import socket
import struct
import sys
import time

from stream import MARK

FPS = 30


def feed(port, jpeg):
    picture = bytearray(pathlib.Path(jpeg).read_bytes())
    at = picture.find(MARK) + len(MARK)
    listener = socket.create_server(("127.0.0.1", port))
    began, number = time.monotonic(), 0
    while True:
        viewer, _ = listener.accept()
        viewer.recv(4096)
        with contextlib.suppress(OSError):
            viewer.sendall(b"HTTP/1.0 200 OK\r\nContent-Type: multipart/x-mixed-replace;boundary=feed\r\n\r\n--feed\r\n")
            while True:
                number = max(number + 1, int((time.monotonic() - began) * FPS))
                time.sleep(max(0, began + number / FPS - time.monotonic()))
                struct.pack_into("<QQ", picture, at, number, time.time_ns())
                viewer.sendall(b"Content-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%b\r\n--feed\r\n" % (len(picture), picture))


if __name__ == "__main__":
    feed(int(sys.argv[1]), sys.argv[2])
