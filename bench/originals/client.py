#!/usr/bin/env python3
"""The client of 2017: reads a header and a frame, makes an array of it, shows it, sleeps 20 ms.

    python3 client.py [--host 127.0.0.1] [-p 8080] [--frames N] [--show]

Without --show it does all but show. At the end (Ctrl-C, SIGTERM, N frames, or the server's end) it
prints the frames, the socket operations, and, where the pixels carry id and time, what was lost.

Not here: the coding in the pixels (source.py).
"""

import argparse
import socket
import struct
import sys
import time

from source import Account, end_by_signal, show


class Client:
    def __init__(self, connection):
        self.connection = connection
        self.operations = 0

    def read(self, length):
        """Exactly so many bytes; EOFError where the server has gone."""
        data = bytearray()
        while len(data) < length:
            piece = self.connection.recv(length - len(data))
            self.operations += 1
            if not piece:
                raise EOFError
            data += piece
        return data

    def frame(self):
        """The next frame, as an array of height x width x channels bytes."""
        (packed,) = struct.unpack("=Q", self.read(8))
        channels, width, height = (packed >> shift & 0xFFFF for shift in (0, 16, 32))
        return memoryview(self.read(height * width * channels)).cast("B", (height, width, channels))


def main():
    parser = argparse.ArgumentParser(description="The client of 2017.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("-p", "--port", type=int, default=8080)
    parser.add_argument("--frames", type=int, help="so many; without it until the end")
    parser.add_argument("--show", action="store_true", help="in a window; needs OpenCV")
    asked = parser.parse_args()
    end_by_signal()
    account = Account()
    try:
        connection = socket.create_connection((asked.host, asked.port))
    except OSError as error:
        sys.exit(f"no server on {asked.host}:{asked.port}: {error}")
    with connection:
        client = Client(connection)
        try:
            while asked.frames is None or account.frames < asked.frames:
                frame = client.frame()
                account.take(frame)
                if asked.show:
                    show("client", frame)
                time.sleep(0.02)
        except (KeyboardInterrupt, EOFError, ConnectionError):
            pass
    print(f"{account}, {client.operations} socket operations")


if __name__ == "__main__":
    main()
