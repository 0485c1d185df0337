"""Hosts that are namespaces: each has a network and a /dev/shm of its own, and a link to the router,
which is the namespace of the script itself. Broker, instances of seqcast and viewers on them.

Not here: what is asserted or measured.
"""
import os
import pathlib
import signal
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
ROUTER = "10.77.0.254"
AMQP, HTTP = 5672, 8080


class Unable(Exception):
    """This machine does not allow it."""


def call(*command):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))}: {done.stderr.strip() or done.returncode}")
    return done.stdout


def wait_for(what, seconds, condition):
    """Gives how long it took."""
    began = time.time()
    while not condition():
        if time.time() - began > seconds:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.02)
    return time.time() - began


def enter_namespaces():
    """Goes on in a user, network, mount and PID namespace: whatever happens, all ends with this process."""
    if os.environ.get("SEQCAST_HOSTS") == "inside":
        return
    unshare = ["unshare", "--user", "--map-root-user", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    tried = subprocess.run(unshare + ["ip", "link", "add", "seqcast-a", "type", "veth", "peer", "name", "seqcast-b"],
                           capture_output=True, text=True)
    if tried.returncode:
        raise Unable(f"no namespace with a veth pair: {tried.stderr.strip()}")
    os.environ["SEQCAST_HOSTS"] = "inside"
    os.execvp("unshare", unshare + [sys.executable, *sys.argv])


def prepare_router():
    call("ip", "link", "set", "lo", "up")
    call("ip", "addr", "add", f"{ROUTER}/32", "dev", "lo")
    pathlib.Path("/proc/sys/net/ipv4/ip_forward").write_text("1")


class Host:
    serving = {"beam.smp"}  # programs whose cost counts; the binary's is put here, too

    def __init__(self, name, number):
        self.name, self.address = name, f"10.77.0.{number}"
        # /dev/shm of its own: that nothing is shared needs no other proof.
        self.holder = subprocess.Popen(["unshare", "--net", "--mount", "sh", "-c",
                                        "mount -t tmpfs none /dev/shm && echo && exec sleep infinity"], stdout=subprocess.PIPE)
        if not self.holder.stdout.readline():
            raise Unable("no tmpfs in a namespace")
        call("ip", "link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", self.holder.pid)
        self.ip("link", "set", "lo", "up")
        self.ip("addr", "add", f"{self.address}/32", "dev", "lo")
        self.ip("link", "set", "eth0", "up")
        self.join()
        self.ip("route", "add", "default", "via", ROUTER, "dev", "eth0", "onlink", "src", self.address)

    def command(self, *words):
        return ["nsenter", "--target", str(self.holder.pid), "--net", "--mount", "--", *map(str, words)]

    def ip(self, *words):
        return call(*self.command("ip", *words))

    def start(self, *words, **options):
        return subprocess.Popen(self.command(*words), stdin=subprocess.DEVNULL, **options)

    def cut(self):
        call("ip", "link", "set", self.name, "down")

    def join(self):
        """Also after a cut: a route ends with its link."""
        call("ip", "link", "set", self.name, "up")
        call("ip", "route", "replace", self.address, "dev", self.name)

    def lengthen(self, delay, loss, rate, seed):
        """Puts the wire of wire.py between the router and this host, in both directions. Gives its process."""
        if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
            raise Unable("no /dev/net/tun")
        words = [HERE / "wire.py", self.holder.pid, "far", delay, loss, rate, seed]
        wire = subprocess.Popen([sys.executable, *map(str, words)], stdout=subprocess.PIPE)
        if not wire.stdout.readline():
            raise Unable("no TUN device")
        call("ip", "link", "set", "far", "up")
        self.ip("link", "set", "far", "up")
        call("ip", "route", "replace", self.address, "dev", "far")
        self.ip("route", "replace", "default", "dev", "far", "src", self.address)
        return wire

    def sent(self):
        """Bytes that left over whichever link."""
        rows = pathlib.Path(f"/proc/{self.holder.pid}/net/dev").read_text().splitlines()[2:]
        rows = [row.replace(":", " ").split() for row in rows]
        return sum(int(row[9]) for row in rows if row[0] != "lo")

    def processes(self):
        """PIDs of those that serve: without viewers, shells and what holds the host."""
        where = os.readlink(f"/proc/{self.holder.pid}/ns/net")
        for entry in filter(str.isdigit, os.listdir("/proc")):
            try:
                words = pathlib.Path(f"/proc/{entry}/cmdline").read_bytes().decode().split("\0")
                program = os.path.basename(os.readlink(f"/proc/{entry}/exe"))
                if os.readlink(f"/proc/{entry}/ns/net") == where and program in self.serving and "watch" not in words:
                    yield int(entry)
            except OSError:
                pass  # it has ended meanwhile

    def cpu(self):
        """Seconds that they ran, all threads."""
        total = 0
        for pid in self.processes():
            for schedstat in pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat"):
                try:
                    total += int(schedstat.read_text().split()[0])
                except OSError:
                    pass
        return total / 1e9

    def memory(self):
        """MiB that are theirs alone, and how many they are. Pages of the ring are not: they fill once."""
        total, count = 0, 0
        for pid in self.processes():
            try:
                rows = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            except OSError:
                continue
            total += sum(int(row.split()[1]) for row in rows if row.startswith("Pss_Anon:"))
            count += 1
        return total / 1024, count


class Broker:
    """bench/originals/broker.sh, on a host."""

    def __init__(self, host, folder):
        self.host = host
        self.conf = folder / "broker.conf"
        # Its only user may come from this machine alone, else; and nobody else is in these networks.
        self.conf.write_text("loopback_users = none\n")
        self.start()

    def start(self):
        self.script = self.host.start(ROOT / "bench/originals/broker.sh", AMQP, self.conf, self.host.address,
                                      stdout=subprocess.PIPE, text=True)
        said = self.script.stdout.readline()
        if not said.startswith("ready"):
            raise RuntimeError("the broker does not start")
        self.node = int(said.split()[-1])

    def kill(self):
        os.kill(self.node, signal.SIGKILL)
        self.script.wait(20)

    def depths(self):
        """Messages that wait, of each queue."""
        control, = pathlib.Path("/usr/lib/rabbitmq/lib").glob("rabbitmq_server-*/sbin/rabbitmqctl")
        told = pathlib.Path(f"/proc/{self.node}/environ").read_text().split("\0")
        told = [one for one in told if one.startswith(("HOME=", "RABBITMQ_", "ERL_"))]
        said = call(*self.host.command("env", *told, control, "-q", "list_queues", "--no-table-headers", "messages"))
        return [int(line) for line in said.split()]

    def stop(self):
        self.script.terminate()
        self.script.wait(30)


class Instance:
    """seqcast, on a host."""

    def __init__(self, host, binary, folder, *words):
        self.host, self.log = host, folder / f"{host.name}.log"
        with open(self.log, "a") as log:
            self.process = host.start(
                binary, "--http", f"0.0.0.0:{HTTP}", "--name", host.name, "--clients", 12, "--read-only", *words,
                stdout=log, stderr=log, env={**os.environ, "SEQCAST_AMQP_AUTH": "guest:guest"})

    def stop(self):
        self.process.terminate()
        return self.process.wait(20)


class Viewers:
    """viewers.py, on a host, and what it has seen: (time, viewer, capture time or a word)."""

    def __init__(self, host, count, folder):
        self.host, self.count, self.seen = host, count, []
        self.path = folder / f"{host.name}.seen"
        with open(self.path, "w") as out:
            self.process = host.start(sys.executable, HERE / "viewers.py", "127.0.0.1", HTTP, count, stdout=out)
        self.lines = open(self.path)
        self.part = ""

    def look(self):
        """Reads what is new, and gives all."""
        *lines, self.part = (self.part + self.lines.read()).split("\n")
        for line in lines:
            when, viewer, what = line.split()
            self.seen.append((float(when), int(viewer), what if what in ("none", "closed") else float(what)))
        return self.seen

    def between(self, begin, end=float("inf")):
        return [row for row in self.look() if begin <= row[0] < end]

    def have(self, begin, word=None):
        """How many of them got that, or without a word a picture that was captured since then."""
        return len({viewer for _, viewer, what in self.between(begin)
                    if (what == word if word else isinstance(what, float) and what >= begin)})

    def stop(self):
        self.process.terminate()
        self.process.wait(10)
