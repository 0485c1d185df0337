"""The servers, each with its camera, started as its manual says, with one switch to pull the camera out.

Not here: what is looked at (`viewers`).
"""

import base64
import contextlib
import os
import pathlib
import socket
import subprocess
import sys
import time

from camera import FPS
from stream import MARK, PATIENCE, coding, http

HERE = pathlib.Path(__file__).resolve().parent
SIZE = "1280x720"


class Server:
    """One of them with its camera, in a directory of its own."""

    stream, snapshot, status = "/stream", "/snapshot", "/state"
    user = ("user", "secret")

    def __init__(self, dir, binary, jpeg):
        self.dir, self.binary, self.jpeg = dir, binary, jpeg
        self.gone = dir / "gone"
        self.process = None

    def begin(self, auth=False):
        self.port = free_port()
        command, environment = self.command(auth)
        self.process = subprocess.Popen(
            [str(part) for part in command],
            env=os.environ | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=open(self.dir / "log", "wb"),
            start_new_session=True,
        )
        wait(f"{self.name} to serve", self.serves)

    def serves(self):
        try:
            return coding(http(self.port, self.snapshot, headers=self.credentials())[2])[0] is not None
        except OSError:
            return False

    def credentials(self):
        word = base64.b64encode(":".join(self.user).encode()).decode()
        return {"Authorization": f"Basic {word}"}

    def end(self):
        process, self.process = self.process, None
        if process and process.poll() is None:
            process.terminate()
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.gone.unlink(missing_ok=True)

    def pids(self):
        """All processes of it."""
        found = [self.process.pid]
        for pid in found:
            for task in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
                found += [int(child) for child in task.read_text().split()]
        return found

    def pss(self):
        """MiB."""
        total = 0
        for pid in self.pids():
            with contextlib.suppress(OSError):
                for line in open(f"/proc/{pid}/smaps_rollup"):
                    if line.startswith("Pss:"):
                        total += int(line.split()[1])
        return total / 1024

    def unplug(self):
        self.gone.touch()

    def plug(self):
        self.gone.unlink()

    def preloaded(self):
        library, node = self.dir / "camera.so", self.dir / "n"
        if not library.exists():
            subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", library, HERE / "camera.c", "-ldl"], check=True)
        node.touch()
        camera = {"NODE": node, "GONE": self.gone, "JPEG": self.jpeg, "FPS": FPS}
        return node, {f"CAMERA_{name}": str(value) for name, value in camera.items()} | {"LD_PRELOAD": str(library)}

    def feature(self, _):
        """The target of something that only some have."""
        return None


class UStreamer(Server):
    name, program = "µStreamer", "ustreamer"

    def command(self, auth):
        node, environment = self.preloaded()
        command = [self.binary, "-d", node, "-r", SIZE, "-m", "MJPEG", "-c", "HW", "-f", FPS, "--log-level", 0]
        command += ["-s", "127.0.0.1", "-p", self.port]
        return command + (["--user", self.user[0], "--passwd", self.user[1]] if auth else []), environment

    def version(self):
        return said(self.binary, "--version")


class MjpgStreamer(Server):
    name, program = "mjpg-streamer", "mjpg_streamer"
    stream, snapshot, status = "/?action=stream", "/?action=snapshot", "/input.json"

    def command(self, auth):
        node, environment = self.preloaded()
        environment["LD_LIBRARY_PATH"] = "/usr/local/lib/mjpg-streamer"
        password = f" -c {':'.join(self.user)}" if auth else ""
        source = f"input_uvc.so -d {node} -r {SIZE} -f {FPS}"
        sink = f"output_http.so -l 127.0.0.1 -p {self.port}{password}"
        return [self.binary, "-i", source, "-o", sink], environment

    def version(self):
        return said(self.binary, "--version")


class Seqcast(Server):
    name, program = "seqcast", "seqcast"
    status, camera = "/status", None

    def begin(self, auth=False):
        self.source = free_port()
        self.instance = f"viewers-{os.getpid()}"
        self.plug()
        super().begin(auth)

    def command(self, auth):
        command = [self.binary, "--name", self.instance, "--http", f"127.0.0.1:{self.port}"]
        command += ["--source", f"http://127.0.0.1:{self.source}/"]
        if auth:
            made = subprocess.run([self.binary, "password", self.user[0]], input=self.user[1] + "\n", text=True, capture_output=True)
            if made.returncode != 0:
                raise NotImplementedError
            (self.dir / "auth").write_text(made.stdout)
            (self.dir / "auth").chmod(0o600)
            command += ["--auth-file", self.dir / "auth"]
        return command, {}

    def plug(self):
        self.camera = subprocess.Popen([sys.executable, HERE / "camera.py", str(self.source), self.jpeg])

    def unplug(self):
        self.camera.kill()
        self.camera.wait()

    def end(self):
        super().end()
        if self.camera:
            self.unplug()

    def version(self):
        return said(self.binary, "--version")

    def feature(self, name):
        return {"fps": "/stream?fps=5", "past": "/stream?from=-3s"}.get(name)


def still(binary):
    """A 720p JPEG: seqcast's test picture."""
    port, name = free_port(), f"still-{os.getpid()}"
    command = [binary, "--source", "test", "--size", SIZE, "--quality", "90", "--name", name, "--http", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait("the test picture", lambda: listens(port))
        return http(port, "/snapshot")[2]
    finally:
        process.terminate()
        process.wait()


def coded(jpeg):
    """With room for number and time, in a comment right behind the SOI (ITU T.81 B.2.4.5)."""
    return jpeg[:2] + b"\xff\xfe\x00\x1a" + MARK + bytes(16) + jpeg[2:]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def listens(port):
    with contextlib.suppress(OSError):
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True


def wait(what, found):
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if value := found():
            return value
        time.sleep(0.05)
    raise TimeoutError(f"waited in vain for {what}")


def said(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    lines = (done.stdout + done.stderr).strip().splitlines() or ["?"]
    return lines[-1].split()[-1]
