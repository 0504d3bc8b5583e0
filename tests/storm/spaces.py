"""A row of network namespaces, each with a link to the next that delays, loses, and can be cut.

    0 ── link 0 ── 1 ── link 1 ── 2        10.77.LINK.1 is the upper end of a link, 10.77.LINK.2 the lower one

The namespaces have no names, so there are none to remove: the kernel lets go of each with its last process, however
that ends. A packet goes from one TUN device to the other through relay.py, which ends when this program does."""
import atexit
import ctypes
import fcntl
import json
import os
import pathlib
import shutil
import struct
import subprocess
import sys

RELAY = pathlib.Path(__file__).resolve().parent / "relay.py"
NEW_NETWORK = 0x40000000
SET_INTERFACE = 0x400454CA
TUN_WITHOUT_HEADER = 0x1001
OWN = "/proc/thread-self/ns/net"

libc = ctypes.CDLL(None, use_errno=True)


def why_not():
    """Why there can be no such network here; nothing where there can."""
    if os.geteuid() != 0:
        return "it takes root"
    if not shutil.which("ip"):
        return "there is no program `ip`"
    try:
        os.close(os.open("/dev/net/tun", os.O_RDWR))
    except OSError as error:
        return f"/dev/net/tun cannot be used: {error.strerror}"
    return None


def must(result, what):
    if result != 0:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")


class Space:
    """One namespace. Inside `with space:` this thread is in it, and so is every process and thread that it starts."""

    def __init__(self):
        self.left = [os.open(OWN, os.O_RDONLY)]  # Where this thread was before, and before that.
        must(libc.unshare(NEW_NETWORK), "unshare")
        self.own = os.open(OWN, os.O_RDONLY)
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        self.__exit__()

    def __enter__(self):
        self.left.append(os.open(OWN, os.O_RDONLY))
        must(libc.setns(self.own, NEW_NETWORK), "setns")

    def __exit__(self, *_):
        home = self.left.pop()
        must(libc.setns(home, NEW_NETWORK), "setns")
        os.close(home)

    def add_end(self, link, address, other):
        """A TUN device in it; what comes out of that descriptor went in there."""
        with self:
            end = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
            fcntl.ioctl(end, SET_INTERFACE, struct.pack("16sH22x", f"link{link}".encode(), TUN_WITHOUT_HEADER))
            for words in (f"addr add {address} peer {other} dev link{link}", f"link set link{link} mtu 1400 up"):
                subprocess.run(["ip", *words.split()], check=True)
        return end

    def close(self):
        os.close(self.own)


class Row:
    """The namespaces, and who carries packets between them. It carries all of them at once until it is told otherwise."""

    def __init__(self, count, seed):
        self.spaces = [Space() for _ in range(count)]
        self.links = range(count - 1)
        ends = []
        for link in self.links:
            upper, lower = self.address(link, 1), self.address(link, 2)
            ends.append((self.spaces[link].add_end(link, upper, lower), self.spaces[link + 1].add_end(link, lower, upper)))
        flat = [end for pair in ends for end in pair]
        self.relay = subprocess.Popen(
            [sys.executable, RELAY, str(seed), *(f"{upper}:{lower}" for upper, lower in ends)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, pass_fds=flat, start_new_session=True)  # Ctrl-C is for us.
        for end in flat:
            os.close(end)
        atexit.register(self.close)

    @staticmethod
    def address(link, side):
        return f"10.77.{link}.{side}"

    def be(self, delay=0, loss=0, cut=()):
        """How the links are from now on; `cut` has (link, side) for what does not come through from there."""
        self.relay.stdin.write(json.dumps({"delay": delay, "loss": loss, "cut": list(cut)}).encode() + b"\n")
        self.relay.stdin.flush()

    def close(self):
        """What became of all packets."""
        if self.relay.returncode is not None:
            return {}
        told = self.relay.communicate(timeout=30)[0]
        for space in self.spaces:
            space.close()
        return json.loads(told)
