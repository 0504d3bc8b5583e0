"""Starts the units of deploy/systemd under a systemd of their own, process 1 of namespaces of its own: a server, a balancer and a
worker with certificates on both sides, and the same for functions in Python. Each says which walls it has."""
import contextlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import time

import live
import walls

DEPLOY = pathlib.Path(__file__).resolve().parent.parent
GROUPS = pathlib.Path("/sys/fs/cgroup")
SYSTEMD = "/lib/systemd/systemd"
PYTHON = "def handle(request):\n    return request.text.upper()\n"
ASK = ("import sys, urllib.request as web; "
       "print(web.urlopen(web.Request(sys.argv[1], headers={'Authorization': 'Bearer ' + sys.argv[2]}), timeout=60).read().decode())")
# The whole machine as it is, but for what is said here; nothing that is written stays.
MACHINE = """set -e
mount --make-rprivate /
mkdir over root
mount -t tmpfs tmpfs over
mkdir over/upper over/work
mount -t overlay overlay -o lowerdir=/,upperdir=over/upper,workdir=over/work root
mount -t proc proc root/proc
mount --rbind /dev root/dev
mount --bind console root/dev/console
mount -t sysfs sysfs root/sys
mount -t tmpfs -o mode=755 tmpfs root/run
mount -t tmpfs -o mode=755 tmpfs root/var/lib
mount -t tmpfs tmpfs root/tmp
%s
mkdir -p root/etc/canopy root/run/out root/run/old
mount --bind units root/etc/systemd/system
mount --bind canopy root/etc/canopy
mount --bind bin root/usr/local/bin
mount --bind out root/run/out
ip link set lo up
cd root
pivot_root . run/old
cd /
umount -l /run/old
mount --make-rshared /
exec env -i container=other PATH=/usr/local/bin:/usr/bin:/bin:/sbin %s --system --unit=check.target --show-status=0
"""


def own_groups():
    """(controllers, where they are mounted) of this process; controllers are "" of version 2."""
    for line in pathlib.Path("/proc/self/cgroup").read_text().splitlines():
        _, names, path = line.split(":", 2)
        at = GROUPS / (names.removeprefix("name=") if names else "unified" if (GROUPS / "unified").exists() else "")
        if at.exists():
            yield names, at, at / path.lstrip("/")


def mount_groups():
    lines = []
    if any(names for names, _, _ in own_groups()):
        lines.append("mount -t tmpfs tmpfs root/sys/fs/cgroup")
    for names, at, _ in own_groups():
        kind = "cgroup2 cgroup2" if not names else f"cgroup -o {'none,' if '=' in names else ''}{names} cgroup"
        lines += [f"mkdir -p root{at}", f"mount -t {kind} root{at}"]
    return "\n".join(lines)


class Machine:
    """A systemd with the units, and what lies in /etc/canopy; it ends with the block."""

    def __init__(self, folder, program, drop_ins):
        self.folder, self.name = folder, f"canopy-check-{os.getpid()}"
        for part in ("units", "canopy", "bin", "out"):
            (folder / part).mkdir()
        (folder / "canopy").chmod(0o700)
        (folder / "out").chmod(0o755)
        (folder / "console").touch()
        shutil.copy(program, folder / "bin/canopy")
        for unit in ("canopy.service", "canopy-node@.service"):
            shutil.copy(DEPLOY / "systemd" / unit, folder / "units")
            self.write(f"units/{unit}.d/output.conf", "[Service]\nStandardOutput=append:/run/out/%p%i.log\nStandardError=inherit\n")
        for where, name in drop_ins:
            self.write(f"units/{where}.d/{name}", (DEPLOY / "systemd" / name).read_text())
        wanted = "canopy.service canopy-node@leaf.service canopy-node@one.service"
        self.write("units/check.target", f"[Unit]\nWants={wanted}\n")
        self.write("machine", MACHINE % (mount_groups(), SYSTEMD))
        self.make_settings(program)

    def write(self, path, text, mode=0o644):
        (self.folder / path).parent.mkdir(exist_ok=True)
        (self.folder / path).write_text(text)
        (self.folder / path).chmod(mode)

    def make_settings(self, program):
        """As docs/deploy.md has it."""
        for words in (["authority"], ["server", "127.0.0.1"], ["balancer", "leaf", "127.0.0.1"], ["worker", "one"]):
            subprocess.run([program, "cert", *words, f"--folder={self.folder}/certs"], check=True, capture_output=True)
        for path in (self.folder / "certs").iterdir():
            if path.name != "ca.key":
                self.write(f"canopy/{path.name}", path.read_text(), 0o600)
        self.write("canopy/join.token", os.urandom(32).hex() + "\n", 0o600)
        self.write("canopy/server.yaml", (DEPLOY / "systemd/server.yaml").read_text(), 0o600)
        for name, example in (("leaf", "balancer.env"), ("one", "worker.env")):
            text = (DEPLOY / "systemd" / example).read_text()
            self.write(f"canopy/{name}.env", text if name == "leaf" else text.replace(":9090", ":9091"), 0o600)

    def __enter__(self):
        self.groups = [group / self.name for _, _, group in own_groups()]
        inner = []
        for group in self.groups:
            group.mkdir()
            for name in ("cpuset.cpus", "cpuset.mems"):  # Of version 1: empty at first, and then nobody may enter.
                if (group / name).exists() and not (group / name).read_text().strip():
                    (group / name).write_text((group.parent / name).read_text())
            inner.append(f"echo $$ >{group}/cgroup.procs")
        script = "\n".join([*inner, "exec unshare --pid --mount --uts --ipc --net --cgroup --fork --kill-child sh machine"])
        self.process = subprocess.Popen(["sh", "-c", script], cwd=self.folder, stdout=(self.folder / "log").open("wb"), stderr=subprocess.STDOUT)
        return self

    def __exit__(self, *_):
        self.process.kill()  # And with it process 1, and so all of them.
        self.process.wait()
        for group in self.groups:
            for path in sorted([*(one for one in group.rglob("*") if one.is_dir()), group], key=lambda one: -len(one.parts)):
                self.remove(path)

    @staticmethod
    def remove(group):
        for _ in range(200):  # The end of processes takes a moment.
            with contextlib.suppress(OSError):
                group.rmdir()
                return
            time.sleep(0.05)

    def said(self, name):
        path = self.folder / "out" / f"{name}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def everything(self):
        names = ("canopy", "canopy-nodeleaf", "canopy-nodeone")
        return "\n".join([(self.folder / "log").read_text(), *(f"-- {name}\n{self.said(name)[-1500:]}" for name in names)])

    def wait(self, name, words):
        end = time.monotonic() + live.PATIENCE
        while words not in self.said(name):
            if time.monotonic() > end or self.process.poll() is not None:
                raise RuntimeError(f"{name} did not say {words!r}:\n{self.everything()}")
            time.sleep(0.1)
        return self.said(name)

    def run(self, *words, **more):
        """In its network."""
        first = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()[0]
        done = subprocess.run(["nsenter", f"--target={first}", "--net", *words], cwd=self.folder, capture_output=True, text=True,
                              timeout=live.PATIENCE, stdin=subprocess.DEVNULL, env=live.clean_environment(more))
        if done.returncode:
            raise RuntimeError(f"{' '.join(map(str, words))}: {done.stderr}{done.stdout}\n{self.everything()}")
        return done.stdout


def try_units(program, folder, more):
    drop_ins = [("canopy.service", "nodes.conf"), ("canopy-node@.service", "certificates.conf"), ("canopy-node@leaf.service", "balancer.conf")]
    drop_ins += [(unit, name) for name in more for unit in ("canopy.service", "canopy-node@.service")]
    with Machine(folder, program, drop_ins) as machine:
        machine.wait("canopy", "ready in")
        key = re.search(r"admin key +(cnp_\S+)", machine.said("canopy"))[1]
        for node in ("leaf", "one"):
            machine.wait(f"canopy-node{node}", "has joined")
        ours = {"CANOPY_URL": "http://127.0.0.1:8080", "CANOPY_KEY": key}
        (folder / "nothing.wasm").write_bytes(live.NOTHING)
        (folder / "upper.py").write_text(PYTHON)
        machine.run(program, "deploy", "nothing.wasm", "--name=check/nothing", **ours)
        machine.run(program, "invoke", "check/nothing", **ours)
        if "python.conf" in more:
            machine.run(program, "deploy", "upper.py", "--name=check/upper", **ours)
            reply = machine.run(program, "invoke", "check/upper", "-d", "hello", **ours)
            if "HELLO" not in reply:
                raise RuntimeError(f"a function in Python answers {reply!r}")
        walls.check(lambda: json.loads(machine.run("python3", "-c", ASK, "http://127.0.0.1:8080/debug/state", key)), count=3)


def check(program, report):
    for tool in ("unshare", "nsenter", "ip", "pivot_root", SYSTEMD):
        if not shutil.which(tool):
            report.skip("units", f"{tool} is missing: tools/deps --deploy")
            return
    for more in ((), ("python.conf",)):
        name = " ".join(["units", *more])
        with report.trying(name), tempfile.TemporaryDirectory(prefix="canopy-units-") as folder:
            try_units(program, pathlib.Path(folder), more)
            report.say(f"{name}: server, balancer and worker started by systemd, joined by certificates, all walls there; called")
