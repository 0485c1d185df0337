"""OpenCV as the README says it: 60 different frames of the stream, and a snapshot."""

import sys

import cv2

url = sys.argv[1]
capture = cv2.VideoCapture(url + "/stream")
assert capture.isOpened(), "not opened"
frames = set()
for _ in range(60):
    good, frame = capture.read()
    assert good, "no frame"
    assert frame.shape == (240, 320, 3), frame.shape
    frames.add(frame.tobytes())
assert len(frames) == 60, f"{len(frames)} of 60 differ"
backend = capture.getBackendName()
capture.release()

capture = cv2.VideoCapture(url + "/snapshot")
good, frame = capture.read()
assert good and frame.shape == (240, 320, 3), "no snapshot"
print(f"OpenCV {cv2.__version__} ({backend}): 60 frames, a snapshot")
