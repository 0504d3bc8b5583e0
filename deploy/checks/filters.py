"""Whether the filter of system calls of the units lets through what the program's own does: it would meet two answers else."""
import pathlib
import re
import shutil
import subprocess

DEPLOY = pathlib.Path(__file__).resolve().parent.parent
LISTS = DEPLOY.parent / "src/wall/system_calls.cc"
# On the program's list for those of its children that start as root; a unit's program does not, and so has no use for them.
ROOTS = {"chown", "fchown", "fchownat", "lchown"}
# Which nothing of ours asks for, and @system-service does not have.
UNUSED = {"mincore"}


def program_lists():
    """Names of calls by the name of their list; what only sanitizers need is left out."""
    text = re.sub(r"#if __has_feature.*?#endif", "", LISTS.read_text(), flags=re.S)
    return {name: set(re.findall(r"\bSYS_(\w+)", body)) for name, body in re.findall(r"constexpr std::array (\w+) = \{(.*?)\n\};", text, re.S)}


def system_groups():
    """@name: its calls and other groups, as this machine's systemd has them."""
    done = subprocess.run(["systemd-analyze", "syscall-filter", "--no-pager"], capture_output=True, text=True, check=True)
    found, members = {}, set()
    for line in re.sub(r"\x1b\[[0-9;]*m", "", done.stdout).splitlines():
        if line.startswith("@"):
            found[line.strip()] = members = set()
        elif re.match(r" +[@a-z_]", line):
            members.add(line.strip())
    return found


def expand(word, groups):
    return set().union(*(expand(one, groups) for one in groups[word])) if word.startswith("@") else {word}


def unit_filter(names, groups):
    """What the lines SystemCallFilter= of a unit and its drop-ins let through, in order; an empty one begins anew."""
    allowed = expand("@default", groups)
    for name in names:
        for line in re.findall(r"^SystemCallFilter=(.*)$", (DEPLOY / "systemd" / name).read_text(), re.M):
            calls = set().union(*(expand(word, groups) for word in line.lstrip("~").split()))
            allowed = allowed - calls if line.startswith("~") else allowed | calls
    return allowed


def check(report):
    if not shutil.which("systemd-analyze"):
        report.skip("filters", "systemd-analyze is missing: tools/deps --deploy")
        return
    with report.trying("filters"):
        lists, groups = program_lists(), system_groups()
        program = lists["ordinary"] | lists["program_too"]
        for unit in ("canopy.service", "canopy-node@.service"):
            for drop_ins, wanted in (((), program), (("python.conf",), program | lists["python_too"])):
                if lacking := wanted - unit_filter([unit, *drop_ins], groups) - ROOTS - UNUSED:
                    raise RuntimeError(f"{unit} {' '.join(drop_ins)} refuses what the program's own filter allows: {sorted(lacking)}")
            if not lists["python_too"] - unit_filter([unit], groups):
                raise RuntimeError(f"{unit} allows without python.conf what only functions in Python need")
            if open_to := lists["never_of_containers"] & unit_filter([unit], groups):
                raise RuntimeError(f"{unit} allows what the program refuses whatever it runs: {sorted(open_to)}")
        report.say(f"{len(program)} calls of the program, {len(lists['python_too'])} more with Python")
