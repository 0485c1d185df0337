"""A viewer over HTTP, as a browser is one: takes each frame of a stream and does nothing with it. Fails where
it is cut off.

    python3 viewer.py URL [--seconds S]
"""

import argparse
import sys
import urllib.request

from lesson import Account


def parts(stream):
    """The headers of each part of a multipart stream, in lower case."""
    while True:
        headers = {}
        while (line := stream.readline()) not in (b"\r\n", b""):
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.lower()] = value.strip()
        if line == b"":
            sys.exit("cut off")
        if "content-length" in headers:
            stream.read(int(headers["content-length"]))
            yield headers


def main():
    parser = argparse.ArgumentParser(description="A viewer of a stream.")
    parser.add_argument("url")
    parser.add_argument("--seconds", type=float, default=15)
    asked = parser.parse_args()
    account = Account(asked.seconds)
    for headers in parts(urllib.request.urlopen(asked.url, timeout=10)):
        if "x-seqcast-frame" in headers:
            account.got(float(headers["x-timestamp"]), int(headers["x-seqcast-skipped"]))
        if account.is_over():
            account.end()


if __name__ == "__main__":
    main()
