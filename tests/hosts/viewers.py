"""N viewers of a stream in one process, each on one connection that is never opened again:

    viewers.py HOST PORT N

Prints a line for what comes: `TIME VIEWER STAMP` for a picture (TIME when its last byte came, STAMP its
X-Timestamp, by which the same picture is known on all hosts), `TIME VIEWER none` for a placeholder,
`TIME VIEWER closed` for the end of a connection. `seqcast watch` checks more, but keeps no such list.
"""
import re
import selectors
import socket
import sys
import time

HEAD_END = b"\r\n\r\n"


def value(head, name):
    found = re.search(rb"\r\n" + name + rb": *([^\r]*)", b"\r\n" + head, re.IGNORECASE)
    return found and found[1].decode()


class Viewer:
    def __init__(self, number, sock):
        self.number, self.sock = number, sock
        self.head, self.left, self.what = b"", 0, None

    def take(self, data):
        """Yields what is complete with these bytes."""
        while data:
            if self.left:
                used = min(self.left, len(data))
                self.left -= used
                data = data[used:]
                if not self.left:
                    yield self.what
                continue
            self.head += data
            head, end, data = self.head.partition(HEAD_END)
            if not end:
                return
            self.head = b""
            # The response's own head has no length.
            if length := value(head, b"Content-Length"):
                self.left = int(length)
                self.what = value(head, b"X-Seqcast-Signal") or value(head, b"X-Timestamp")


def main():
    host, port, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    selector = selectors.DefaultSelector()
    for number in range(count):
        sock = socket.create_connection((host, port))
        sock.sendall(b"GET /stream HTTP/1.0\r\nHost: %b\r\n\r\n" % host.encode())
        selector.register(sock, selectors.EVENT_READ, Viewer(number, sock))
    while selector.get_map():
        for key, _ in selector.select():
            viewer = key.data
            data = viewer.sock.recv(1 << 18)
            now = time.time()
            for what in viewer.take(data):
                print(f"{now:.6f} {viewer.number} {what}")
            if not data:
                print(f"{now:.6f} {viewer.number} closed")
                selector.unregister(viewer.sock)
        sys.stdout.flush()


main()
