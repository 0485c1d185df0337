"""A consumer of seqcast's ring that computes a matrix product for each frame it takes.

    python3 ring_consumer.py NAME [-n SIZE] [--seconds S]

It has no connection, no event loop and no heartbeat: capture, senders and bridge beat theirs in
processes of their own. What came during a product is skipped, and counted.
"""

import argparse
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "shm-ring/examples"))

import seqcast  # noqa: E402
from lesson import Account, Product  # noqa: E402


def main():
    parser = argparse.ArgumentParser(description="The ring and a matrix product a frame.")
    parser.add_argument("name", help="the camera's")
    parser.add_argument("-n", type=int, default=1000, help="rows and columns of the matrix")
    parser.add_argument("--seconds", type=float, default=15)
    asked = parser.parse_args()
    product = Product(asked.n)
    account = Account(asked.seconds)
    # lag=0: always the newest.
    for _, info in seqcast.frames(asked.name, "last", lag=0):
        frame = account.got(info.captured_ns / 1e9, info.missed)
        product()
        account.ready(frame)
        if account.is_over():
            account.end()


if __name__ == "__main__":
    main()
