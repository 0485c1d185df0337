#!/usr/bin/env python3
"""What viewers meet at µStreamer, mjpg-streamer and seqcast: a table, in Markdown, on standard output.

    cargo build --release && python3 bench/peers/viewers.py [--only seqcast] [--seqcast PATH]

The same 30 frames a second of the same 720p JPEG go into each: `camera.c`, preloaded, into the two that know V4L2 alone,
`camera.py`, over HTTP, into seqcast. Each frame bears its number and time (`seqcast1`, u64, u64 ns), by which loss and age are
told. What a viewer that is missing here would do is left out; OpenCV and requests are those of the Python that runs
this (tests/run makes one that has both). Everything is on loopback, takes some two minutes a server, and ends by itself;
only processes started here are ended, by their ids.

Not here: the servers and their cameras (`servers`), reading a stream (`stream`), and what a frame costs (`compare`).
"""

import argparse
import contextlib
import json
import os
import pathlib
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

from servers import FPS, MjpgStreamer, Seqcast, UStreamer, coded, free_port, listens, still, wait
from stream import MARK, Ended, Stream, Viewer, coding, find_all, http, leave


def curl(server):
    command = ["curl", "-sN", "-m", "3", f"http://127.0.0.1:{server.port}{server.stream}"]
    frames = subprocess.run(command, stdout=subprocess.PIPE).stdout.count(MARK)
    return verdict(frames >= 2 * FPS, f"{frames} frames in 3 s")


def ffmpeg(server):
    command = ["ffmpeg", "-v", "error", "-i", f"http://127.0.0.1:{server.port}{server.stream}"]
    command += ["-frames:v", "300", "-fps_mode", "passthrough", "-f", "framemd5", "-"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    frames = sum(not line.startswith("#") for line in done.stdout.splitlines())
    complaints = len(done.stderr.splitlines())
    return verdict(frames == 300 and not complaints, f"{frames} decoded, {complaints} complaints")


def opencv(server):
    import cv2

    capture = cv2.VideoCapture(f"http://127.0.0.1:{server.port}{server.stream}")
    frames = sum(capture.read()[0] for _ in range(60))
    capture.release()
    return verdict(frames == 60, f"{frames} of 60")


def requests_(server):
    import requests

    data, numbers = b"", set()
    with requests.get(f"http://127.0.0.1:{server.port}{server.stream}", stream=True, timeout=10) as reply:
        for chunk in reply.iter_content(4096):
            data += chunk
            begin, end = data.find(b"\xff\xd8"), data.find(b"\xff\xd9")
            if 0 <= begin < end:
                numbers.add(coding(data[begin:end])[0])
                data = data[end + 2 :]
                if len(numbers) == 60:
                    break
    return verdict(len(numbers) == 60, f"{len(numbers)} of 60")


def chromium(server):
    """The bare address, as an `<img>` has it."""
    port = free_port()
    driver = subprocess.Popen(["chromedriver", f"--port={port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def call(method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data, {"Content-Type": "application/json"}, method=method)
        with urllib.request.urlopen(request, timeout=60) as reply:
            return json.load(reply)["value"]

    session = None
    try:
        wait("chromedriver", lambda: listens(port))
        arguments = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", f"--user-data-dir={server.dir}/chromium"]
        options = {"browserName": "chrome", "pageLoadStrategy": "none", "goog:chromeOptions": {"args": arguments}}
        session = "/session/" + call("POST", "/session", {"capabilities": {"alwaysMatch": options}})["sessionId"]
        call("POST", session + "/url", {"url": f"http://127.0.0.1:{server.port}{server.stream}"})
        width = {"script": "return document.images.length && document.images[0].naturalWidth", "args": []}
        shown = wait("a picture in Chromium", lambda: call("POST", session + "/execute/sync", width))
        return verdict(shown == 1280, f"{shown} pixels wide")
    finally:
        if session:
            call("DELETE", session)
        driver.terminate()
        driver.wait()


VIEWERS = {
    "curl, 3 s": curl,
    "ffmpeg, 300 frames, `-v error`": ffmpeg,
    "OpenCV `VideoCapture`, 60 frames": opencv,
    "Python `requests`, 60 frames": requests_,
    "Chromium, the bare stream": chromium,
}


def head(server):
    codes = [http(server.port, target, "HEAD")[0] for target in (server.stream, server.snapshot)]
    return f"stream {codes[0]}, snapshot {codes[1]}"


def first_byte(server):
    """200 one after the other, each on a rested server: connecting, asking, and the first byte of a picture."""
    took = []
    for _ in range(200):
        stream = Stream(server.port, server.stream)
        while b"\xff\xd8" not in stream.buffer:
            stream.more()
        took.append((time.monotonic() - stream.began) * 1000)
        stream.close()
        time.sleep(0.1)
    return f"{statistics.median(took):.1f} / {sorted(took)[197]:.1f} ms"


def stale_and_lost(server):
    """One of four is stopped (SIGSTOP) for 8 s."""
    others = [Viewer(server.port, server.stream) for _ in range(3)]
    file = server.dir / "stalled"
    url = f"http://127.0.0.1:{server.port}{server.stream}"
    stalled = subprocess.Popen(["curl", "-sN", "-m", "30", "-o", file, url])
    time.sleep(2)
    stalled.send_signal(signal.SIGSTOP)
    time.sleep(8)
    before, resumed = file.stat().st_size, time.time()
    stalled.send_signal(signal.SIGCONT)
    time.sleep(3)
    stalled.kill()
    stalled.wait()
    # What came after it went on, and was taken by the camera long before.
    data = file.read_bytes()[before:]
    stale = sum(resumed - coding(data[at - 8 :])[1] > 0.5 for at in find_all(data, MARK) if at + 24 < len(data))
    lost = sum(viewer.lost() for viewer in others)
    longest = max(viewer.longest for viewer in others) * 1000
    leave(others)
    return f"{lost}, longest gap {longest:.0f} ms; {stale} stale frames for the one"


def status_under_load(server):
    """Four that ask 50 times a second each, beside three viewers."""
    viewers = [Viewer(server.port, server.stream) for _ in range(3)]
    took, until = [], time.monotonic() + 5

    def ask():
        while (began := time.monotonic()) < until:
            assert http(server.port, server.status)[0] == 200
            took.append((time.monotonic() - began) * 1000)
            time.sleep(max(0, 0.02 - (time.monotonic() - began)))

    askers = [threading.Thread(target=ask) for _ in range(4)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    lost = sum(viewer.lost() for viewer in viewers)
    leave(viewers)
    p50, p99 = statistics.median(took), sorted(took)[int(len(took) * 0.99)]
    return f"{lost} frames lost; {len(took) / 5:.0f} a second, {p50:.1f} / {p99:.1f} ms"


def memory_of_stalled(server):
    sockets, before = [], server.pss()
    for _ in range(5):
        stalled = socket.create_connection(("127.0.0.1", server.port))
        stalled.sendall(f"GET {server.stream} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        sockets.append(stalled)
    time.sleep(10)
    after = server.pss()
    for stalled in sockets:
        stalled.close()
    return f"{before:.0f} → {after:.0f} MiB"


def eleventh(server):
    streams, served, last = [], 0, ""
    for _ in range(12):
        stream = Stream(server.port, server.stream, 5)
        streams.append(stream)
        with contextlib.suppress(Ended, ValueError):
            if stream.code == 200 and stream.frame()[0]:
                served += 1
                continue
        last = f", then {stream.code}"
    for stream in streams:
        stream.close()
    return f"{served} of 12 served{last}"


def snapshots(server):
    """How old a snapshot is when it is there, and whether it is newer than its request."""
    ages, newer = [], 0
    for _ in range(30):
        asked = time.time()
        taken = coding(http(server.port, server.snapshot)[2])[1]
        ages.append((time.time() - taken) * 1000)
        newer += taken >= asked
        time.sleep(0.05)
    return f"{statistics.median(ages):.0f} ms old; {newer} of 30 newer than their request"


def at_five(server):
    if not (target := server.feature("fps")):
        return "none"
    stream = Stream(server.port, target)
    if stream.code != 200:
        return f"{stream.code}"
    stream.frame()
    began, frames = time.monotonic(), 0
    while time.monotonic() < began + 4:
        stream.frame()
        frames += 1
    stream.close()
    return f"{frames / (time.monotonic() - began):.1f} a second"


def past(server):
    if not (target := server.feature("past")):
        return "none"
    stream = Stream(server.port, target)
    if stream.code != 200:
        return f"{stream.code}"
    age = time.time() - stream.frame()[1]
    stream.close()
    return f"begins {age:.1f} s ago"


def unplugged(server):
    """Five seconds without the camera."""
    viewers = [Viewer(server.port, server.stream) for _ in range(3)]
    time.sleep(2)
    server.unplug()
    time.sleep(5)
    closed = sum(viewer.ended for viewer in viewers)
    placeholders = sum(viewer.placeholders > 0 for viewer in viewers)
    frozen = 3 - closed - placeholders
    code = server.process.poll()
    server.plug()
    plugged = time.monotonic()
    counts = [len(viewer.ids) for viewer in viewers]
    back = None
    while time.monotonic() < plugged + 10 and back is None:
        if all(len(viewer.ids) > count for viewer, count in zip(viewers, counts)):
            back = time.monotonic() - plugged
        time.sleep(0.02)
    leave(viewers)
    seen = [(placeholders, "NO SIGNAL"), (frozen, "a frozen picture"), (closed, "their stream closed")]
    seen = ", ".join(f"{count} see {what}" for count, what in seen if count)
    again = f"live again {back:.1f} s after" if back else "not live in 10 s"
    return f"{seen}; {'the server ended' if code is not None else again}"


def killed(server):
    """SIGKILL to a process that serves a viewer."""
    viewers = [Viewer(server.port, server.stream) for _ in range(4)]
    time.sleep(1)
    serving = server.process.pid
    if isinstance(server, Seqcast):
        status = json.loads(http(server.port, "/status")[2])
        serving = next(w["pid"] for w in status["workers"] if w["role"] == "sender" and w["viewer"])
    os.kill(serving, signal.SIGKILL)
    began, back = time.monotonic(), None
    while time.monotonic() < began + 5 and back is None:
        with contextlib.suppress(OSError, Ended):
            stream = Stream(server.port, server.stream, 1)
            back = time.monotonic() - began if stream.frame()[0] else None
            stream.close()
        time.sleep(0.01)
    ended = sum(viewer.ended for viewer in viewers)
    leave(viewers)
    again = f"the next one is served after {back * 1000:.0f} ms" if back else "nobody is served again"
    return f"{ended} of 4 cut off; {again}"


def capture_killed(server):
    """SIGKILL to what reads the camera."""
    if not isinstance(server, Seqcast):
        return "the same process"
    viewers = [Viewer(server.port, server.stream) for _ in range(4)]
    time.sleep(1)
    for viewer in viewers:
        viewer.longest = 0
    status = json.loads(http(server.port, "/status")[2])
    os.kill(next(w["pid"] for w in status["workers"] if w["role"] == "capture"), signal.SIGKILL)
    time.sleep(3)
    ended, longest = sum(viewer.ended for viewer in viewers), max(viewer.longest for viewer in viewers)
    leave(viewers)
    return f"{ended} of 4 cut off; no frame for {longest * 1000:.0f} ms"


BEHAVIOURS = {
    "HEAD": head,
    "request to first byte of a picture, p50 / p99 of 200": first_byte,
    "a viewer stopped for 8 s: frames lost by the three others": stale_and_lost,
    "status, asked 200 times a second for 5 s, three viewers; p50 / p99": status_under_load,
    "memory with 5 viewers that read nothing, after 10 s": memory_of_stalled,
    "12 viewers, nothing configured": eleventh,
    "snapshot": snapshots,
    "`?fps=5`": at_five,
    "`?from=-3s`": past,
    "camera unplugged for 5 s, three viewers": unplugged,
    "what reads the camera is killed": capture_killed,
    "what serves a viewer is killed": killed,
}


def password(server):
    """Started anew, with a password."""
    server.end()
    try:
        server.begin(auth=True)
    except NotImplementedError:
        return "none"
    without = Stream(server.port, server.stream).code
    word = server.credentials()["Authorization"].split()[1]
    wrong = Stream(server.port, server.stream, auth="d3Jvbmc6d3Jvbmc=").code
    right = Stream(server.port, server.stream, auth=word).code
    return f"without {without}, wrong {wrong}, right {right}"


def verdict(good, what):
    return "yes" if good else f"**no**: {what}"


def column(kind, binary, jpeg, only):
    """What one server does, by row."""
    with short_directory() as dir:
        server = kind(dir, binary, jpeg)
        found = {"version": server.version()}
        try:
            for name, look in (VIEWERS | BEHAVIOURS | {"with a password": password}).items():
                if only and only not in name:
                    continue
                found[name] = row(server, look)
                print(f"{server.name}: {name}: {found[name]}", file=sys.stderr)
        finally:
            server.end()
        return found


def row(server, look):
    """One of them; with a server of its own, where it does not survive it."""
    try:
        if look is not password and server.process is None:
            server.begin()
        return look(server)
    except ImportError as error:
        return f"not tried: {error}"
    except Exception as error:  # one row is not worth the table
        return f"**fails**: {type(error).__name__} {error}"
    finally:
        if look in (unplugged, killed, capture_killed, password, chromium):
            server.end()


@contextlib.contextmanager
def short_directory():
    """mjpg-streamer cuts a device's name to 14 bytes: /tmp/c12345/n has 13."""
    dir = pathlib.Path(f"/tmp/c{os.getpid() % 100_000}")
    dir.mkdir()
    try:
        yield dir
    finally:
        shutil.rmtree(dir, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    root = pathlib.Path(__file__).resolve().parents[2]
    parser.add_argument("--seqcast", default=root / "target/release/seqcast")
    parser.add_argument("--only", help="one server: ustreamer, mjpg_streamer, seqcast")
    parser.add_argument("--row", help="rows whose name has this")
    args = parser.parse_args()

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    columns = {}
    with tempfile.TemporaryDirectory() as dir:
        jpeg = pathlib.Path(dir) / "frame.jpg"
        jpeg.write_bytes(coded(still(args.seqcast)))
        for kind in UStreamer, MjpgStreamer, Seqcast:
            binary = args.seqcast if kind is Seqcast else shutil.which(kind.program)
            if args.only in (None, kind.program) and binary:
                columns[kind.name] = column(kind, binary, jpeg, args.row)
    rows = [name for name in next(iter(columns.values()))]
    print("| | " + " | ".join(columns) + " |")
    print("|---" * (len(columns) + 1) + "|")
    for row in rows:
        print(f"| {row} | " + " | ".join(column.get(row, "") for column in columns.values()) + " |")


if __name__ == "__main__":
    main()
