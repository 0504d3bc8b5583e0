"""The programs of FaaS Builders and the course that it comes from, by their command lines: each becomes the part of
Canopy that does its work.

    canopy-dispatcher -m push -p 5555         a server with the course's API, in place of its REST server,
                                              its dispatcher and its Redis
    canopy-push-worker 4 tcp://127.0.0.1:5555
    canopy-pull-worker 4 tcp://127.0.0.1:5555

Functions run with the Python that these run with, and import from its packages and from PYTHONPATH.
"""
from __future__ import annotations

import argparse
import fcntl
import importlib.util
import os
import pathlib
import shutil
import socket
import sys
import time
import urllib.parse
from typing import List, NoReturn, Optional, Sequence, Tuple

MODES = ("local", "pull", "push")
SERVER_DATA = ".canopy"
WORKER_DATA = ".canopy-workers"
WORKERS_MAX = 1000  # In one folder.
ASK_AGAIN = 0.2  # Seconds.


class Wrong(Exception):
    """What keeps it from starting, and what to do."""


def find_program() -> str:
    named = os.environ.get("CANOPY_PROGRAM")
    found = shutil.which(named or "canopy")
    if found:
        return os.path.abspath(found)
    if named:
        raise Wrong(f"CANOPY_PROGRAM says {named}, and there is no such program")
    raise Wrong("there is no program 'canopy' in PATH; install it, or set CANOPY_PROGRAM to where it is")


def python_flags() -> List[str]:
    """This Python, and where it imports from what it does not have by itself."""
    dill = importlib.util.find_spec("dill")
    if dill is None or not dill.origin:
        raise Wrong(f"functions need dill, and this Python has none; {sys.executable} -m pip install dill")
    folders = [pathlib.Path(dill.origin).parent.parent]
    folders += [pathlib.Path(entry) for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
    there = dict.fromkeys(str(folder.resolve()) for folder in folders if folder.is_dir())
    odd = [folder for folder in there if ":" in folder]
    if odd:
        raise Wrong(f"a folder that functions import from may not have a colon in its name: {odd[0]}")
    return [f"--python={sys.executable}", f"--python-path={':'.join(there)}"]


def positive(text: str) -> int:
    number = int(text)
    if not 1 <= number <= 1000:
        raise ValueError(text)
    return number


def port(text: str) -> int:
    number = int(text)
    if not 1 <= number <= 65535:
        raise ValueError(text)
    return number


positive.__name__, port.__name__ = "number from 1 to 1000", "port"  # As argparse says what it is not.


def address(host: str, number: int) -> str:
    return f"[{host}]:{number}" if ":" in host else f"{host}:{number}"


def split_more(words: Sequence[str]) -> Tuple[List[str], List[str]]:
    """What follows `--` is the part's own."""
    words = list(words)
    at = words.index("--") if "--" in words else len(words)
    return words[:at], words[at + 1:]


# -- the dispatcher

def dispatcher_command(words: Sequence[str]) -> List[str]:
    words, more = split_more(words)
    parser = argparse.ArgumentParser(
        prog="canopy-dispatcher", description="Serves the course's API, and has tasks run here (local) or in workers that "
                                              "join (pull, push).", epilog="What follows -- goes to `canopy up`.")
    parser.add_argument("-m", "--mode", choices=MODES, required=True)
    parser.add_argument("-p", "--port", type=port, help="where workers join, for pull and push")
    parser.add_argument("-w", "--workers", type=positive, metavar="N", help="how many tasks run at once, for local")
    parser.add_argument("--listen", metavar="HOST:PORT", default=os.environ.get("CANOPY_LISTEN", "127.0.0.1:8000"),
                        help="where the API is served (%(default)s)")
    parser.add_argument("--bind", metavar="HOST", default="127.0.0.1", help="the address that workers reach (%(default)s)")
    parser.add_argument("--data", default=SERVER_DATA, help="the server's folder (%(default)s)")
    said = parser.parse_args(words)
    if said.mode != "local" and said.port is None:
        parser.error(f"-m {said.mode} needs -p PORT, where workers join")
    command = [find_program(), "up", f"--listen={said.listen}", f"--data={said.data}", "--builders=on",
               f"--dispatch={said.mode}", *python_flags()]
    if said.mode != "local":
        command.append(f"--node-listen={address(said.bind, said.port)}")
    elif said.workers is not None:  # What each core may have is rounded up.
        command += [f"--python-calls={said.workers}", f"--cores={min(said.workers, os.cpu_count() or 1)}"]
    return command + more


# -- workers

def read_url(text: str) -> Tuple[str, int]:
    parts = urllib.parse.urlsplit(text)
    try:
        host, number = parts.hostname, parts.port
    except ValueError:
        host, number = None, None
    if parts.scheme != "tcp" or not host or not number:
        raise Wrong(f"{text} is no address of a dispatcher; it is like tcp://127.0.0.1:5555")
    return host, number


def why_not(host: str, number: int) -> str:
    """Why no dispatcher can be reached there; "" where one can."""
    try:
        socket.create_connection((host, number), 2).close()
        return ""
    except OSError as error:
        return error.strerror or str(error)


def wait_for_dispatcher(url: str, token: Optional[pathlib.Path], patience: float) -> None:
    """Workers may be started before it."""
    host, number = read_url(url)
    until = time.monotonic() + patience
    told = False
    while True:
        why = why_not(host, number)
        if not why and (token is None or token.is_file()):
            return
        if time.monotonic() >= until:
            break
        if not told:
            print(f"waiting for the dispatcher at {url}", file=sys.stderr, flush=True)
            told = True
        time.sleep(ASK_AGAIN)
    if why:
        raise Wrong(f"no dispatcher answers at {url}: {why}; start `canopy-dispatcher -m pull -p {number}`, or -m push, first")
    raise Wrong(f"the dispatcher's join token is not in {token}; start this where the dispatcher was started, or say "
                "--token-file=FILE with a copy of node.token of its data folder, or put its text into CANOPY_JOIN_TOKEN")


def own_folder(base: pathlib.Path) -> pathlib.Path:
    """The first that no other worker has. It is this process's until it ends, whatever program it becomes."""
    base.mkdir(parents=True, exist_ok=True)
    for number in range(1, WORKERS_MAX + 1):
        lock = os.open(base / f"{number}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
            continue
        os.set_inheritable(lock, True)
        return base / str(number)
    raise Wrong(f"{WORKERS_MAX} workers have their folders in {base} already; name another with --data")


def worker_command(words: Sequence[str], kind: str) -> List[str]:
    words, more = split_more(words)
    parser = argparse.ArgumentParser(
        prog=f"canopy-{kind}-worker", description="Runs tasks for a dispatcher. Whether they are pushed or pulled, its -m says.",
        epilog="What follows -- goes to `canopy node`.")
    parser.add_argument("num_worker_processors", type=positive, help="how many tasks it runs at once")
    parser.add_argument("dispatcher_url", help="tcp://HOST:PORT, with the dispatcher's -p")
    parser.add_argument("--token-file", type=pathlib.Path, metavar="FILE", help="a copy of the dispatcher's node.token "
                        f"({SERVER_DATA}/node.token, if CANOPY_JOIN_TOKEN has none)")
    parser.add_argument("--data", type=pathlib.Path, default=pathlib.Path(WORKER_DATA),
                        help="where each worker has a folder of its own (%(default)s)")
    parser.add_argument("--wait", type=float, default=30, metavar="SECONDS",
                        help="how long the dispatcher may take to be there (%(default)s)")
    said = parser.parse_args(words)
    program, python = find_program(), python_flags()
    host, number = read_url(said.dispatcher_url)
    token = said.token_file
    if token is None and not os.environ.get("CANOPY_JOIN_TOKEN"):
        token = pathlib.Path(SERVER_DATA) / "node.token"
    wait_for_dispatcher(said.dispatcher_url, token, said.wait)
    folder = own_folder(said.data)
    return [program, "node", "--role=worker", f"--join={address(host, number)}", *([f"--token-file={token}"] if token else []),
            f"--name={socket.gethostname()}-{folder.name}", f"--data={folder}", f"--slots={said.num_worker_processors}", *python, *more]


# -- what is started

def become(make, *arguments) -> NoReturn:
    try:
        command = make(sys.argv[1:], *arguments)
        os.environ.pop("CANOPY_PROGRAM", None)  # It is none of the program's own settings.
        os.execv(command[0], command)
    except Wrong as wrong:
        sys.exit(f"{pathlib.Path(sys.argv[0]).name}: {wrong}")
    except OSError as error:
        sys.exit(f"{pathlib.Path(sys.argv[0]).name}: {error}")


def dispatcher() -> NoReturn:
    become(dispatcher_command)


def pull_worker() -> NoReturn:
    become(worker_command, "pull")


def push_worker() -> NoReturn:
    become(worker_command, "push")
