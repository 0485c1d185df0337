"""The table and the chart of what `run` measured.

    python3 report.py DIRECTORY CHART.svg
"""

import json
import math
import os
import pathlib
import sys
from datetime import datetime

#: The files of consumers, in the order shown, and what each is.
SHOWN = {
    "blocking": "RbFly, the product in the event loop",
    "threaded": "RbFly, the product in a thread, one after the other",
    "pool": "RbFly, products queue for the pool of asyncio, {threads} threads",
    "ring": "seqcast’s ring, the product in the reading loop",
    "viewer": "beside the ring’s consumer: a viewer over HTTP",
    "idle": "beside the ring’s consumer: a reader of the bridge’s stream",
}


class Run:
    """What a consumer said. Times in seconds since its first frame."""

    def __init__(self, name, said, closed):
        self.name = name
        frames = said["frames"]
        if len(frames) < 3:
            sys.exit(f"{name}: {len(frames)} frames are too few")
        begin = frames[0][0]
        self.missed, self.memory, self.held = said["missed"], said["memory"], said["held"]
        self.got = [got - begin for got, _, _ in frames]
        self.gaps = [later - earlier for earlier, later in zip(self.got, self.got[1:])]
        self.products = sum(ready is not None for _, _, ready in frames)
        # Of what it has to show: the result where there is a product, the frame where there is none.
        if self.products:
            done = [(ready, ready - captured) for _, captured, ready in frames if ready]
        else:
            done = [(got, got - captured) for got, captured, _ in frames]
        self.ages = [(at - begin, age) for at, age in sorted(done)]
        self.waiting = len(frames) - self.products if self.products else 0
        self.lost = [at - begin for at, what in said["events"] if what == "lost"]
        end = self.got[-1]
        self.closed = [at - begin for at in closed if begin < at < begin + end + 1]

    def quantile(self, q):
        return sorted(self.gaps)[min(int(len(self.gaps) * q), len(self.gaps) - 1)]

    def row(self):
        ms = [f"{1000 * gap:.0f}" for gap in (self.quantile(0.5), self.quantile(0.99), max(self.gaps))]
        return [
            self.name,
            f"{len(self.gaps) / self.got[-1]:.1f}",
            *ms,
            f"{self.products / self.got[-1]:.1f}" if self.products else "–",
            f"{self.ages[-1][1]:.2f}",
            str(self.waiting) if self.products else "–",
            "–" if self.held is None else f"{1000 * self.held:.0f}",
            str(len(self.closed)) if self.held is not None else "–",
            str(self.missed),
            f"{self.memory / 1e6:.0f}",
        ]


COLUMNS = [
    "",
    "arrivals/s",
    "gap p50 ms",
    "p99 ms",
    "max ms",
    "products/s",
    "age at end s",
    "products due",
    "loop held ms",
    "cut off",
    "skipped",
    "memory MB",
]


def table(runs):
    rows = [COLUMNS, *(run.row() for run in runs)]
    widths = [max(len(row[at]) for row in rows) for at in range(len(COLUMNS))]
    rows.insert(1, ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])])
    for row in rows:
        print("| " + " | ".join(cell.rjust(width) for cell, width in zip(row, widths)) + " |")


def closings(log):
    """When the broker cut somebody off for a missed heartbeat, Unix time."""
    lines = [line for line in log.splitlines() if "Heartbeat timeout, closing connection" in line]
    return [datetime.fromisoformat(" ".join(line.split(" ")[:2])).timestamp() for line in lines]


def bridge(texts):
    """What the camera said of itself meanwhile."""
    statuses = [json.loads(text) for text in texts]
    bridges = [row for status in statuses for row in status["workers"] if row["role"] == "bridge"]
    first, last = bridges[0], bridges[-1]
    silent = max(status["supervisor"]["silent_s"] for status in statuses)
    print(
        f"\nMeanwhile, in {len(statuses)} looks at the camera: restarts "
        f"{statuses[-1]['totals']['restarts']}; the bridge was"
        f" {', '.join(sorted({row['condition'] for row in bridges}))}, in {len({row['pid'] for row in bridges})}"
        f" process, with {last['frames'] - first['frames']} frames confirmed and"
        f" {last['skipped'] - first['skipped']} skipped; the supervisor was silent for {silent:.1f} s at most."
    )


# From here on: the chart. Coordinates are pixels.

WIDTH, LEFT, PANEL, BETWEEN = 1000, 56, 424, 56
HEAD, ROW, HEIGHT = 96, 122, 72
SPAN = 20  # seconds, from left to right
#: Seconds, of gaps (by their logarithm) and ages: the lowest, the highest, and lines between.
GAP = 0.0005, 20, {0.001: "1 ms", 0.01: "", 0.1: "0.1 s", 1: "", 10: "10 s"}
AGE = 0, 20, {0: "0 s", 5: "", 10: "10 s", 15: "", 20: "20 s"}

STYLE = """
svg { --paper: #fff; --ink: #222; --soft: #666; --line: #ddd; --rbfly: #b4490f; --ours: #0b6bcb; --cut: #c00 }
@media (prefers-color-scheme: dark) {
svg { --paper: #14171a; --ink: #e6e6e6; --soft: #a0a4a8; --line: #363b40; --rbfly: #f0935a; --ours: #62aef5; --cut: #ff6b6b }
}
text { fill: var(--ink); font: 12px sans-serif } .soft { fill: var(--soft) } .title { font-size: 18px }
.line { stroke: var(--line) } .rbfly, .ours { stroke-width: 3.2; stroke-linecap: round; fill: none }
.rbfly { stroke: var(--rbfly) } .ours { stroke: var(--ours) }
.cut, .lost { stroke: var(--cut); stroke-width: 1.5 } .lost { stroke-dasharray: 3 3 } .red { fill: var(--cut) }
"""


def x(seconds, left):
    return left + PANEL * seconds / SPAN


def y(value, top, axis):
    low, high, _ = axis
    value = min(max(value, low), high)
    share = math.log(value / low) / math.log(high / low) if low else value / high
    return top + HEIGHT * (1 - share)


def text(at, top, said, more=""):
    return f'<text x="{at:.0f}" y="{top:.0f}"{more}>{said}</text>'


def panel(left, top, points, kind, axis):
    for value, name in axis[2].items():
        at = y(value, top, axis)
        yield f'<path class="line" d="M{left} {at:.1f}h{PANEL}"/>'
        if name:
            yield text(left - 6, at + 4, name, ' text-anchor="end" class="soft"')
    path = "".join(f"M{x(at, left):.1f} {y(value, top, axis):.1f}h0" for at, value in points if at <= SPAN)
    yield f'<path class="{kind}" d="{path}"/>'


def chart(runs):
    height = HEAD + ROW * len(runs) + 28
    yield f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}">'
    yield f'<title>Frames of six consumers over time</title><style>{STYLE}</style>'
    yield f'<rect width="{WIDTH}" height="{height}" style="fill: var(--paper)"/>'
    yield text(16, 30, "A matrix product of 0.5 s for each frame, a frame each 0.05 s", ' class="title"')
    red = "the broker cuts off who missed heartbeats (line), the client sees that (dashed)"
    yield text(16, 52, f'Heartbeat: 1 s. <tspan class="red">Red: {red}.</tspan>', ' class="soft"')
    right = LEFT + PANEL + BETWEEN
    yield text(LEFT, 80, "Time since the frame before")
    yield text(right, 80, "Age of the result; of the frame, where there is no product")
    for row, run in enumerate(runs):
        top = HEAD + ROW * row + 20
        kind = "rbfly" if run.name in ("blocking", "threaded", "pool") else "ours"
        what = SHOWN[run.name].format(threads=min(32, (os.cpu_count() or 1) + 4))
        yield text(LEFT, top - 8, f"<tspan font-weight=\"bold\">{run.name}</tspan>: {what}")
        yield from panel(LEFT, top, zip(run.got[1:], run.gaps), kind, GAP)
        yield from panel(right, top, run.ages, kind, AGE)
        for times, mark in ((run.closed, "cut"), (run.lost, "lost")):
            for at in (at for at in times if at <= SPAN):
                for left in (LEFT, right):
                    yield f'<path class="{mark}" d="M{x(at, left):.1f} {top}v{HEIGHT}"/>'
        for left in (LEFT, right):
            for second in range(0, SPAN + 1, 5):
                said = f"{second} s" if second == SPAN else second
                yield text(x(second, left), top + HEIGHT + 16, said, ' text-anchor="middle" class="soft"')
    yield "</svg>"


def main():
    directory = pathlib.Path(sys.argv[1])
    closed = closings((directory / "broker.log").read_text())
    said = {name: json.loads((directory / f"{name}.json").read_text()) for name in SHOWN}
    runs = [Run(name, said[name], closed if said[name]["held"] is not None else []) for name in SHOWN]
    table(runs)
    bridge((directory / "status").read_text().splitlines())
    pathlib.Path(sys.argv[2]).write_text("\n".join(chart(runs)) + "\n")


if __name__ == "__main__":
    main()
