"""What the consumers of this lesson share: the matrix product that keeps a processor busy, and the
account of the frames that a consumer was given.

    python3 lesson.py SECONDS     prints the size of a product that takes so long here

Not here: where frames come from.
"""

import json
import os
import resource
import sys
import threading
import time

import numpy


class Product:
    """The product of an n×n matrix with itself. NumPy lets go of the GIL meanwhile."""

    def __init__(self, n):
        self.matrix = numpy.random.default_rng(1).random((n, n))

    def __call__(self):
        return float((self.matrix @ self.matrix)[0, 0])


class Account:
    """Frames as a consumer got them; times are Unix time, seconds."""

    def __init__(self, seconds):
        self._end = time.monotonic() + seconds
        self._lock = threading.Lock()
        #: Of each: when it was handed over, when it was captured, when its product was ready (or None).
        self.frames = []
        #: When, and what: "lost" (a connection) or "connected".
        self.events = []
        self.missed = 0
        #: The longest that an event loop did not come round.
        self.held = None

    def is_over(self):
        return time.monotonic() >= self._end

    def got(self, captured, missed=0):
        """A frame was handed over. Gives what `ready` asks for."""
        self.frames.append([time.time(), captured, None])
        self.missed += missed
        return self.frames[-1]

    def ready(self, frame):
        frame[2] = time.time()

    def event(self, what):
        self.events.append([time.time(), what])

    def end(self):
        """Prints all and ends the program, whatever products are due and connections are open."""
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        names = "frames", "events", "missed", "held"
        said = {name: getattr(self, name) for name in names} | {"memory": memory}
        print(json.dumps(said), flush=True)
        os._exit(0)


def fitting(seconds):
    """The n of a product that takes so long: it grows with n³."""
    n = 800
    product = Product(n)
    product()

    def took():
        began = time.perf_counter()
        product()
        return time.perf_counter() - began

    # The fastest: nothing else ran then.
    return round(n * (seconds / min(took() for _ in range(20))) ** (1 / 3))


if __name__ == "__main__":
    print(fitting(float(sys.argv[1])))
