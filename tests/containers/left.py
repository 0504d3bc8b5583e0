"""What there is of a server's or a node's containers, whatever else runs on this machine."""
import pathlib


class Containers:
    """Those of the process with that data folder. The process beside each names the folder; and the control groups of one
    seen so have a name that begins as those of all others of that process."""

    def __init__(self, data):
        self.folder = str(pathlib.Path(data).resolve())
        self.prefixes = set()

    def processes(self):
        """The numbers of the processes that stand beside containers: one for each."""
        found = []
        for entry in pathlib.Path("/proc").iterdir():
            try:
                words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0") if entry.name.isdigit() else []
            except OSError:
                continue
            if "run-container" in words and any(word.startswith(self.folder) for word in words):
                self.prefixes.add(words[5].rsplit("-", 1)[0])
                found.append(int(entry.name))
        return found

    def left(self):
        """Processes, control groups and mounts."""
        left = [f"process {number}" for number in self.processes()]
        for prefix in self.prefixes:
            left += [str(path) for path in pathlib.Path("/sys/fs/cgroup").glob(f"*/canopy-{prefix}-*")]
        with open("/proc/mounts") as mounts:
            left += [line.split()[1] for line in mounts if "/containers/" in line and self.folder in line]
        return left
