"""What a server and its workers give up: another user than root, new privileges, system calls, memory without end. The
kernel is asked as well as the program."""
import ctypes
import json
import os
import pathlib
import pwd
import shutil
import tempfile

from nodes import Node, end_all, wait_for
from world import Failure, Server, Skip, check

USER = "nobody"


def need_root():
    if os.geteuid() != 0:
        raise Skip("only root becomes another user")


def status(pid):
    """What the kernel says of a process; nothing where it is gone."""
    try:
        lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return {}
    return {word: rest.strip() for word, _, rest in (line.partition(":") for line in lines)}


def family(pid):
    """The process and all below it."""
    found = [pid]
    for one in found:
        for task in pathlib.Path(f"/proc/{one}/task").glob("*/children"):
            try:
                found += [int(word) for word in task.read_text().split()]
            except OSError:
                pass  # It has ended.
    return found


def check_family(pid, user=USER):
    """Nobody in it is root, may become it, or makes any system call it likes."""
    count = 0
    for one in family(pid):
        is_now = status(one)
        if not is_now or is_now["State"].startswith("Z"):
            continue
        count += 1
        number = str(pwd.getpwnam(user).pw_uid)
        check(set(is_now["Uid"].split()) == {number}, f"{is_now['Name']} runs as {is_now['Uid']}")
        check("0" not in is_now["Groups"].split() and is_now["Gid"].split()[1] != "0",
              f"{is_now['Name']} is in root's group: {is_now['Groups']}")
        check(is_now["NoNewPrivs"] == "1", f"{is_now['Name']} may get new privileges")
        check(is_now["Seccomp"] == "2", f"{is_now['Name']} makes any system call")
    return count


def has_landlock():
    """Whether the kernel hides files from who asks it to: what it answers to the question for its version."""
    return ctypes.CDLL(None, use_errno=True).syscall(444, None, ctypes.c_size_t(0), 1) > 0


def walls_of(server):
    return json.loads(server.request("GET", "/debug/state")[2])["walls"]


def workers_of(server):
    return json.loads(server.request("GET", "/debug/state")[2])["workers"]


def folder_of(world, name, warm=False):
    """A data folder of that user's, which gets to it."""
    place = pathlib.Path(tempfile.mkdtemp(prefix="canopy-walls-", dir="/var/tmp"))
    world.walls_folders = [*getattr(world, "walls_folders", []), place]
    place.chmod(0o755)
    folder = place / name
    if warm:
        shutil.copytree(world.warm_folder(name), folder)
        entry = pwd.getpwnam(USER)
        for path in [folder, *folder.rglob("*")]:
            os.chown(path, entry.pw_uid, entry.pw_gid, follow_symlinks=False)
    return folder


def end_folders(world):
    for place in getattr(world, "walls_folders", []):
        shutil.rmtree(place, ignore_errors=True)
    world.walls_folders = []


def functions_of(world):
    """One of each kind that this machine has, with what it is called with and answers."""
    made = [(world.built("examples/hello"), "t/cpp", "you", None)]
    hello = world.fresh_folder("hello-js") / "hello.js"
    hello.write_text("export default (name) => `Hello, ${name}!`;\n")
    made.append((hello, "t/js", "you", "Hello, you!"))
    if shutil.which("python3"):
        source = world.fresh_folder("hello-python") / "hello.py"
        source.write_text("import os\ndef handle(request):\n    return f'{request.text} {os.getuid()}'\n")
        made.append((source, "t/py", "you", None))
    return made


def deploy_all(world, server, functions):
    for path, name, _, _ in functions:
        world.must("deploy", path, f"--name={name}", url=server.url)


def call_all(world, server, functions):
    for _, name, body, answer in functions:
        out = world.must("invoke", name, "-d", body, url=server.url).out
        check("you" in out and (answer is None or answer in out), f"{name} answers {out!r}")
        code, _, body = server.request("POST", f"/async-function/{name}", None, body.encode())
        check(code == 202, f"a durable call of {name} is answered {code} {body}")
        id = json.loads(body)["id"]
        call = json.loads(server.request("GET", f"/v1/calls/{id}?wait=60s")[2])
        check(call["state"] == "COMPLETED", f"a durable call of {name} ended as {call}")


def python_in(functions):
    return any(name == "t/py" for _, name, _, _ in functions)


def test_walls_as_another_user_run_everything_and_stay(world):
    need_root()
    data = folder_of(world, "data", warm=True)
    flags = [f"--user={USER}", "--wall-memory=8GiB", "--wall-tasks=3000", "--container-engine=off", *world.up_flags]
    server = Server(world, data, flags)
    world._own.append(server)
    try:
        walls = walls_of(server)
        check(walls["user"] == USER and walls["capabilities"] == 0 and walls["no_new_privileges"], f"walls: {walls}")
        check(walls["seccomp"].startswith("allow-list of "), f"walls: {walls}")
        for word, limit in (("memory", 8 << 30), ("tasks", 3000)):
            wall = walls[word]
            check(wall["held"] and wall["limit"] <= limit or not wall["held"] and wall["reason"], f"walls: {walls}")
        check(bool(walls["missing"]) == (not (walls["memory"]["held"] and walls["tasks"]["held"])), f"walls: {walls}")
        check(f"walls      user {USER}" in server.text(), f"the start says nothing of walls:\n{server.text()}")
        functions = functions_of(world)
        deploy_all(world, server, functions)
        call_all(world, server, functions)
        count = check_family(server.process.pid)
        check(count > 1 or not python_in(functions), "no child was looked at")
        check(not any(path.stat().st_uid == 0 for path in data.rglob("*") if path.exists()), "root has files there")
        server.kill()
        server.restart()
        call_all(world, server, functions)
        check_family(server.process.pid)
    finally:
        server.end()
        end_folders(world)


def test_walls_of_worker_processes_are_told_of(world):
    server = world.own_server("--workers=2", "--container-engine=off")
    world.must("deploy", world.built("examples/hello"), "--name=t/cpp", url=server.url)
    world.must("invoke", "t/cpp", "-d", "you", url=server.url)
    for worker in workers_of(server):
        kernel = status(worker["pid"])
        walls = worker["walls"]
        check(kernel["Seccomp"] == "2" and walls["seccomp"].startswith("allow-list of "), f"{worker} {kernel}")
        check(kernel["NoNewPrivs"] == "1" and walls["no_new_privileges"], f"{worker} {kernel}")
        allowed = int(walls["seccomp"].split()[2])
        check(allowed < int(walls_of(server)["seccomp"].split()[2]), f"a worker may do as much as the server: {worker}")
    check("a worker goes on without a wall" not in server.text() or not has_landlock(), f"a worker sees files:\n{server.text()[-2000:]}")


def test_walls_without_a_user_are_said_to_be_missing(world):
    server = world.own_server("--container-engine=off")
    walls = walls_of(server)
    kernel = status(server.process.pid)
    check(walls["no_new_privileges"] and kernel["NoNewPrivs"] == "1", f"walls: {walls}")
    check(walls["seccomp"].startswith("allow-list of ") and kernel["Seccomp"] == "2", f"walls: {walls}")
    is_root = kernel["Uid"].split()[0] == "0"
    check(any("--user=NAME" in sentence for sentence in walls["missing"]) == is_root, f"walls: {walls}")


def test_walls_around_a_node_run_everything(world):
    need_root()
    server = world.own_server("--node-listen=127.0.0.1:0", "--dispatch=push")
    node = Node(world, server, "walled", f"--user={USER}", "--container-engine=off", "--wall-tasks=3000",
                data=folder_of(world, "node", warm=True))
    try:
        wait_for(server, {"walled": "ready"})
        functions = functions_of(world)
        deploy_all(world, server, functions)
        call_all(world, server, functions)
        worker = next(one for one in workers_of(server) if one["name"] == "walled")
        check(worker["walls"]["user"] == USER and worker["walls"]["no_new_privileges"], f"it says {worker}")
        check_family(node.process.pid)
    except Failure as failure:
        raise Failure(f"{failure}\n-- node\n{node.text()[-3000:]}\n-- server\n{server.text()[-3000:]}") from None
    finally:
        end_all([node])
        end_folders(world)


def test_walls_that_cannot_be_are_refused(world):
    need_root()
    try:
        for flags, words in (([f"--user={USER}", f"--data={world.fresh_folder('of-root')}"], "is not of that user; `chown -R"),
                             (["--user=no-such-user"], "this machine has no such user"),
                             (["--user=root"], "name one that may less"),
                             ([f"--user={USER}", f"--data={closed_folder(world)}"], "a folder above is closed")):
            end = world.run("up", "--listen=127.0.0.1:0", *flags)
            check(end.returncode == 1 and words in end.err, f"canopy up {flags} says {end.err!r}")
    finally:
        end_folders(world)


def closed_folder(world):
    folder = folder_of(world, "data")
    folder.parent.chmod(0o700)
    return folder
