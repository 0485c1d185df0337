#!/usr/bin/env python3
"""The design of 2017: a thread that writes frames into a list, and a thread for each client that
reads them from there and sends them. No locks: assignment is atomic under the GIL.

    python3 threads.py [-p 8080] [--size 160x120] [--fps 30]

Each client gets, as soon as it connects, [u64: height << 32 | width << 16 | channels][pixels, BGR]
again and again. SIGTERM or Ctrl-C ends it; it then prints the payloads that it delivered.

Not here: the picture (source.py).
"""

import argparse
import socket
import struct
import sys
import threading
import time

from source import Camera, end_by_signal, rate, size

PAYLOADS = 11
LAG_THRESHOLD = 10
FRAMES_PER_PAYLOAD = 1


class Writer(threading.Thread):
    def __init__(self, camera):
        super().__init__(daemon=True)
        self.camera = camera
        # In the machine's own byte order, as then.
        self.header = struct.pack("=Q", camera.height << 32 | camera.width << 16 | camera.channels)
        self.payloads = [b""] * PAYLOADS
        self.last_written_index = 0

    def run(self):
        index = 0
        while True:
            frames = [self.header + self.camera.read() for _ in range(FRAMES_PER_PAYLOAD)]
            self.payloads[index] = b"".join(frames)
            self.last_written_index = index
            index = (index + 1) % PAYLOADS


class Reader(threading.Thread):
    def __init__(self, writer, connection):
        super().__init__(daemon=True)
        self.writer = writer
        self.connection = connection
        self.delivered = 0

    def run(self):
        index = self.writer.last_written_index
        with self.connection:
            while True:
                if index == self.writer.last_written_index:
                    time.sleep(FRAMES_PER_PAYLOAD / 10.0)
                    continue
                lag = (self.writer.last_written_index - index) % PAYLOADS
                if lag >= LAG_THRESHOLD:
                    index = self.writer.last_written_index
                try:
                    self.connection.sendall(self.writer.payloads[index])
                except OSError:  # the client has gone
                    return
                self.delivered += 1
                index = (index + 1) % PAYLOADS


def main():
    parser = argparse.ArgumentParser(description="The threaded broadcaster of 2017.")
    parser.add_argument("--host", default="127.0.0.1", help="where to listen")
    parser.add_argument("-p", "--port", type=int, default=8080, help="0: any free one")
    parser.add_argument("--size", type=size, default=(160, 120), metavar="WxH")
    parser.add_argument("--fps", type=rate, default=30.0)
    asked = parser.parse_args()
    end_by_signal()
    try:
        server = socket.create_server((asked.host, asked.port))
    except OSError as error:
        sys.exit(f"cannot listen on {asked.host}:{asked.port}: {error}")
    readers = []
    try:
        with server:
            writer = Writer(Camera(*asked.size, asked.fps))
            writer.start()
            print("listening on %s:%d" % server.getsockname()[:2], flush=True)
            while True:
                connection, _ = server.accept()
                readers.append(Reader(writer, connection))
                readers[-1].start()
    except KeyboardInterrupt:
        print(f"{sum(reader.delivered for reader in readers)} payloads delivered")


if __name__ == "__main__":
    main()
