"""The loop that is found everywhere: requests, markers of JPEG, no headers; and one by the headers."""

import sys

import requests

url = sys.argv[1]


def by_markers(reply):
    """Searches the bytes for SOI and EOI."""
    data = b""
    for chunk in reply.iter_content(1024):
        data += chunk
        begin, end = data.find(b"\xff\xd8"), data.find(b"\xff\xd9")
        if 0 <= begin < end:
            yield data[begin : end + 2]
            data = data[end + 2 :]


def by_headers(reply):
    """Takes the parts apart by their headers."""
    while True:
        line = reply.raw.readline()
        assert line in (b"\r\n", b"--boundarydonotcross\r\n"), line
        if line == b"\r\n":
            continue
        headers = {}
        while (line := reply.raw.readline()) != b"\r\n":
            name, value = line.decode().split(":", 1)
            headers[name.lower()] = value.strip()
        length = int(headers["content-length"])
        data = b""
        while len(data) < length:
            data += reply.raw.read(length - len(data))
        yield data


for parse in by_markers, by_headers:
    with requests.get(url + "/stream", stream=True, timeout=10) as reply:
        reply.raise_for_status()
        frames = set()
        for frame in parse(reply):
            assert frame[:2] == b"\xff\xd8" and frame[-2:] == b"\xff\xd9", frame[:40]
            frames.add(frame)
            if len(frames) == 60:
                break

# With one session, as programs that poll do.
session = requests.Session()
for n in range(20):
    reply = session.get(f"{url}/snapshot?{n}", timeout=5)
    assert reply.headers["content-type"] == "image/jpeg"
    assert len(reply.content) == int(reply.headers["content-length"])
assert requests.head(url + "/stream", timeout=5).status_code == 200
print(f"requests {requests.__version__}: 60 frames by markers, 60 by headers, 20 snapshots")
