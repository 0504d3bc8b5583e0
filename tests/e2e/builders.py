"""FaaS Builders' API as its clients use it, with real dill on both sides (course/client.py)."""
import functools
import json
import os
import pathlib
import shutil
import subprocess

from world import RUN_TIME, Skip, check

COURSE = pathlib.Path(__file__).parent / "course"


@functools.cache
def dill_folder(root):
    """Where `make deps` has put it."""
    printed = subprocess.run([root / "tools/deps", "--print"], capture_output=True, text=True, check=True).stdout
    folder = pathlib.Path(dict(line.split("=", 1) for line in printed.splitlines())["DILL"])
    if not (folder / "dill").is_dir():
        raise Skip(f"there is no dill in {folder}; `make deps` fetches it")
    return folder.resolve()


@functools.cache
def python():
    """The Python on both sides, its path and version: that of the course, else the machine's."""
    pyenv = pathlib.Path(os.environ.get("PYENV_ROOT", pathlib.Path.home() / ".pyenv"))
    for name in ("python3.12", *sorted(pyenv.glob("versions/3.12.*/bin/python3.12")), "python3"):
        asked = shutil.which(name)
        # What is found may be a shim that has no such version.
        said = asked and subprocess.run([asked, "-c", "import sys; print(sys.executable, *sys.version_info[:3])"],
                                        capture_output=True, text=True)
        if said and said.returncode == 0:
            path, *version = said.stdout.split()
            return path, ".".join(version)
    raise Skip("python3 is not installed")


def builders_server(world, *flags):
    return world.own_server(f"--python={python()[0]}", f"--python-path={dill_folder(world.root)}:{COURSE}", *flags)


def run_client(world, server, suite, *arguments):
    """What the client prints; all that it asserts holds."""
    path = os.pathsep.join([str(dill_folder(world.root)), str(COURSE)])
    end = subprocess.run([python()[0], COURSE / "client.py", server.url, suite, *arguments], capture_output=True,
                         text=True, timeout=RUN_TIME,
                         env=world.environment(PYTHONPATH=path, PYTHONDONTWRITEBYTECODE="1"))
    check(end.returncode == 0, f"the suite {suite} ended with {end.returncode}:\n{end.stdout}{end.stderr}")
    return end.stdout


def test_builders_suite_of_the_course(world):
    run_client(world, builders_server(world), "course")


def test_builders_own_suite(world):
    server = builders_server(world, "--builders-status-word=complete")
    run_client(world, server, "course", "COMPLETE")
    run_client(world, server, "own", "COMPLETE")


def test_builders_suites_beside_worker_processes(world):
    server = builders_server(world, "--workers=2")
    run_client(world, server, "course")
    run_client(world, server, "own")


def test_builders_exceptions_are_objects(world):
    run_client(world, builders_server(world, "--builders-failures=exceptions", "--builders-time-limit=1s"),
               "exceptions")


def test_builders_functions_and_values(world):
    run_client(world, builders_server(world), "values")
    server = builders_server(world, "--builders-keep-warm=0")
    run_client(world, server, "values")
    run_client(world, server, "apart")


def test_builders_clear_errors(world):
    run_client(world, builders_server(world), "wrong")


def test_builders_tasks_survive_a_kill(world):
    server = builders_server(world)
    tasks = run_client(world, server, "leave")
    server.kill()
    server.restart()
    run_client(world, server, "left", "COMPLETED", tasks)


def test_builders_without_dill_says_what_to_do(world):
    dill_folder(world.root)
    server = world.own_server()
    if subprocess.run(["python3", "-I", "-c", "import dill"], stderr=subprocess.DEVNULL).returncode == 0:
        raise Skip("the machine's Python has dill")
    status, _, body = server.request("POST", "/register_function", {"Content-Type": "application/json"},
                                     json.dumps({"name": "f", "payload": "gAJjYnVpbHRpbnMKbGVuCi4="}))
    check(status == 503 and b"-m pip install dill" in body and b"--python-path" in body, f"{status} {body!r}")


def test_builders_python_path_holds_no_data(world):
    folder = world.fresh_folder("checkout")
    end = world.run("up", "--listen=127.0.0.1:0", f"--data={folder}/.canopy", f"--python-path={folder}")
    check(end.returncode == 1 and "--data" in end.err and "server's own data" in end.err, f"{end.out}{end.err}")
    end = world.run("up", "--listen=127.0.0.1:0", f"--data={folder}/data", f"--python-path={folder}/nowhere")
    check(end.returncode == 1 and "there is no such folder" in end.err, f"{end.out}{end.err}")
    environment = {"PYTHONPATH": str(folder)}
    end = world.run("up", "--listen=127.0.0.1:0", "--builders=on", f"--data={folder}/data", **environment)
    check(end.returncode == 1 and "server's own data" in end.err, f"{end.out}{end.err}")
