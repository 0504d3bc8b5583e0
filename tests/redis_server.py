"""A redis-server of a test's own: on a free port, with its append-only file on, in a folder of its own. It
touches no other that runs on the machine."""
import atexit
import signal
import socket
import subprocess
import time

from ports import free_port


class Asker:
    """One connection, as any program that looks into it has: commands and their replies, and messages."""

    def __init__(self, port, patience=60):
        self.socket = socket.create_connection(("127.0.0.1", port), patience)
        self.lines = self.socket.makefile("rb")

    def ask(self, *words):
        parts = [word if isinstance(word, bytes) else str(word).encode() for word in words]
        self.socket.sendall(b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts))
        return self.reply()

    def reply(self):
        """What comes next: text, a number, a list of those, or None."""
        line = self.lines.readline()
        if not line:
            raise EOFError("redis-server has closed the connection")
        kind, rest = line[:1], line[1:-2]
        if kind == b"-":
            raise RuntimeError(rest.decode())
        if kind == b":":
            return int(rest)
        if kind == b"*":
            return [self.reply() for _ in range(int(rest))]
        if kind == b"$":
            return None if rest == b"-1" else self.lines.read(int(rest) + 2)[:-2].decode()
        return rest.decode()

    def hash(self, key):
        flat = self.ask("HGETALL", key)
        return dict(zip(flat[::2], flat[1::2]))

    def close(self):
        self.lines.close()
        self.socket.close()


class RedisServer:
    """Stays on its port and in its folder however often it dies."""

    def __init__(self, folder, fsync="always"):
        self.folder, self.fsync = folder, fsync
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = 0
        self.process = None
        self.start()
        atexit.register(self.end)

    @property
    def url(self):
        return f"redis://127.0.0.1:{self.port}"

    def mend(self):
        """What docs/redis.md asks for before each start: Redis itself cuts a torn transaction in its middle."""
        manifest = self.folder / "appendonlydir" / "appendonly.aof.manifest"
        if manifest.exists():
            subprocess.run(["redis-check-aof", "--fix", str(manifest)], input=b"y\n" * 9, stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL, timeout=300, check=False)

    def start(self):
        self.mend()
        for _ in range(10):
            port = self.port or free_port()
            self.process = subprocess.Popen(
                ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--dir", str(self.folder), "--save", "",
                 "--appendonly", "yes", "--appendfsync", self.fsync, "--daemonize", "no", "--logfile", "redis.log"],
                stdin=subprocess.DEVNULL)
            if self._answers(port):
                self.port = port
                return
            self.end()
        raise RuntimeError(f"redis-server does not start: see {self.folder}/redis.log")

    def _answers(self, port):
        until = time.monotonic() + 300  # A large file takes long to read; who has no port ends at once.
        while time.monotonic() < until and self.process.poll() is None:
            try:
                with socket.create_connection(("127.0.0.1", port), 1) as asking:
                    asking.settimeout(1)
                    asking.sendall(b"PING\r\n")
                    if asking.recv(64).startswith(b"+PONG"):
                        return True
            except OSError:
                pass
            time.sleep(0.01)
        return False

    def signal(self, sign):
        self.process.send_signal(sign)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(30)

    def end(self):
        if self.process is not None and self.process.poll() is None:
            self.kill()
