"""OpenCV in three processes from one camera, which none of them opens: motion, brightness, and a
snapshot once a second. Each prints a line a second.

    seqcast --name cam0 &
    python3 three_programs.py cam0 [DIRECTORY for snapshot.jpg]

Kill capture (`pkill -9 -f "seqcast: capture"`) and all three go on: their ids rise by one still,
only `run`, which counts the runs of capture that they saw, goes up. Needs seqcast.py beside it,
and OpenCV (Debian: python3-opencv).
"""

import multiprocessing
import os
import signal
import sys
import time

import cv2
import numpy

import seqcast


def follow(title, name, analyse):
    """Follows the camera until the parent is gone; `analyse(picture, jpeg)` gives a text."""
    cv2.setNumThreads(1)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    parent = multiprocessing.parent_process()
    stream = seqcast.frames(name, timeout=1)
    epochs, count, missed, due, text = set(), 0, 0, time.monotonic() + 1, ""
    while parent.is_alive():
        try:
            jpeg, info = next(stream)
            # A private, verified copy: a decoder must not be given bytes that may change.
            picture = cv2.imdecode(numpy.frombuffer(jpeg, numpy.uint8), cv2.IMREAD_GRAYSCALE)
            text = analyse(picture, jpeg)
            epochs.add(info.epoch)
            count, missed = count + 1, missed + info.missed
        except TimeoutError:
            text = stream.signal().reason or "no frame"
        if time.monotonic() >= due:
            shown = f"id {info.id} run {len(epochs)}" if epochs else "id 0 run 0"
            print(f"{title} {shown} frames {count} missed {missed} {text}", flush=True)
            count, missed, due = 0, 0, time.monotonic() + 1


def motion(name, _directory):
    last = None

    def analyse(picture, _jpeg):
        nonlocal last
        small = cv2.resize(picture, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
        before, last = last, small
        if before is None or before.shape != small.shape:
            return "moving ?"
        moved = cv2.countNonZero(cv2.compare(cv2.absdiff(before, small), 16, cv2.CMP_GT))
        return f"moving {100 * moved / small.size:.1f} %"

    follow("motion", name, analyse)


def brightness(name, _directory):
    follow("brightness", name, lambda picture, _jpeg: f"mean {cv2.mean(picture)[0]:.1f}")


def snapshot(name, directory):
    path, due = os.path.join(directory, "snapshot.jpg"), 0

    def analyse(picture, jpeg):
        nonlocal due
        if time.monotonic() >= due:
            due = time.monotonic() + 1
            with open(path + ".part", "wb") as file:
                file.write(jpeg)
            os.replace(path + ".part", path)  # whoever looks finds a whole picture
        height, width = picture.shape
        return f"{width}x{height} in {path}"

    follow("snapshot", name, analyse)


def main():
    name = sys.argv[1] if len(sys.argv) > 1 else "cam0"
    directory = sys.argv[2] if len(sys.argv) > 2 else "."
    context = multiprocessing.get_context("spawn")
    programs = [
        context.Process(target=program, args=(name, directory), name=program.__name__)
        for program in (motion, brightness, snapshot)
    ]
    for program in programs:
        program.start()
    print("pids", *(program.pid for program in programs), flush=True)
    try:
        for program in programs:
            program.join()
    except KeyboardInterrupt:
        pass
    finally:
        for program in programs:
            program.terminate()
    return max(abs(program.exitcode or 0) for program in programs)


if __name__ == "__main__":
    sys.exit(main())
