"""What needs a program to show: signals, time, several processes, a terminal."""
import http.client
import json
import os
import pathlib
import pty
import shutil
import signal
import socket
import subprocess
import threading
import time

from world import START_TIME, Skip, check, wait_until
from containers.left import Containers  # (Beside the folders of the tests, which world has made known.)


def start(world, *arguments, url=None, **how):
    environment = world.environment(**({"CANOPY_URL": url} if url else {}))
    return subprocess.Popen([world.canopy, *map(str, arguments)], stdin=subprocess.DEVNULL, env=environment,
                            **({"cwd": world.folder} | how))


def test_sigterm_lets_calls_finish(world):
    server = world.own_server()
    world.must("deploy", world.built("tests/e2e/functions/rest.c"), "--name=t/rest", url=server.url)
    call = start(world, "invoke", "t/rest", "-d", "1500", url=server.url, stdout=subprocess.PIPE)
    wait_until(lambda: b"RUNNING" in server.request("GET", "/v1/calls?function=t/rest")[2], "the call to run")
    check(server.stop() == 0, f"canopy up ended with {server.process.returncode}:\n{server.text()}")
    out, _ = call.communicate(timeout=START_TIME)
    check(call.returncode == 0 and out == b"rested\n", f"the call answered {out!r} with {call.returncode}")


def test_second_signal_quits_at_once(world):
    server = world.own_server()
    world.must("deploy", world.built("tests/e2e/functions/rest.c"), "--name=t/rest", "--timeout=60s", url=server.url)
    call = start(world, "invoke", "t/rest", "-d", "50000", url=server.url, stderr=subprocess.DEVNULL)
    wait_until(lambda: b"RUNNING" in server.request("GET", "/v1/calls?function=t/rest")[2], "the call to run")
    server.process.send_signal(signal.SIGINT)
    wait_until(lambda: "a second Ctrl-C" in server.text(), "the server to drain")
    server.process.send_signal(signal.SIGINT)
    check(server.process.wait(START_TIME) == -signal.SIGINT, f"it ended with {server.process.returncode}")
    call.wait(START_TIME)


def test_drain_has_an_end(world):
    server = world.own_server("--drain-timeout=100ms")
    world.must("deploy", world.built("tests/e2e/functions/rest.c"), "--name=t/rest", "--timeout=60s", url=server.url)
    call = start(world, "invoke", "t/rest", "-d", "50000", url=server.url, stderr=subprocess.PIPE)
    wait_until(lambda: b"RUNNING" in server.request("GET", "/v1/calls?function=t/rest")[2], "the call to run")
    check(server.stop() == 1, "calls were cancelled, and it ended well")
    check("some calls had not ended within 100ms" in server.text(), server.text())
    call.communicate(timeout=START_TIME)
    check(call.returncode != 0, "the cancelled call ended well")


def test_one_data_folder_has_one_server(world):
    server = world.own_server()
    end = world.run("up", "--listen=127.0.0.1:0", f"--data={server.data}")
    check(end.returncode == 1 and str(server.process.pid) in end.err, f"{end.returncode}: {end.err}")


def test_settings_come_from_flags_variables_and_a_file(world):
    config = world.fresh("config.yaml")
    config.write_text("call-timeout: 3s\nbody-max: 2MiB\n")
    process = subprocess.Popen(
        [world.canopy, "up", "--listen=127.0.0.1:0", f"--data={world.fresh('data')}", f"--config={config}"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env=world.environment(CANOPY_BODY_MAX="3MiB", CANOPY_BODYMAX="1"))
    lines = []
    for line in process.stdout:  # Ends when it is ready, or with the program.
        lines.append(line)
        if line.startswith("ready"):
            break
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=START_TIME)
    text = "".join(lines)
    check("setting    body-max = 3MiB (from CANOPY_BODY_MAX)\n" in text, text)
    check(f"setting    call-timeout = 3s (from {config}:1:15)\n" in text, text)
    check("CANOPY_BODYMAX" in text and "did you mean" in text, text)


def test_logs_are_followed_live(world):
    server = world.shared_server()
    world.must("deploy", world.built("tests/e2e/functions/rest.c"), "--name=t/live", url=server.url)
    follower = start(world, "logs", "t/live", "-f", url=server.url, stdout=subprocess.PIPE)
    lines = []
    reader = threading.Thread(target=lambda: lines.extend(iter(follower.stdout.readline, b"")), daemon=True)
    reader.start()

    def seen():
        world.must("invoke", "t/live", "-d", "1", url=server.url)
        return any(b"resting 1 ms" in line for line in lines)

    try:
        wait_until(seen, "a line of the log to come")
        # Before its call has ended.
        call = start(world, "invoke", "t/live", "-d", "8000", url=server.url, stdout=subprocess.DEVNULL)
        wait_until(lambda: any(b"resting 8000 ms" in line for line in lines), "the line of a running call to come")
        check(call.poll() is None, "the line came after the call had ended")
        call.kill()
        call.wait(START_TIME)
    finally:
        follower.kill()
        follower.wait(START_TIME)
    reader.join(START_TIME)


def test_cancel_ends_a_call(world):
    server = world.shared_server()
    world.must("deploy", world.built("tests/e2e/functions/rest.c"), "--name=t/cancel", "--timeout=60s", url=server.url)
    call = start(world, "invoke", "t/cancel", "-d", "50000", url=server.url, stderr=subprocess.PIPE)
    running = wait_until(lambda: world.must("calls", "t/cancel", "--state=RUNNING", "--json", url=server.url).out
                         if "RUNNING" in world.must("calls", "t/cancel", url=server.url).out else None, "the call to run")
    call_id = running.split('"id":"', 1)[1][:32]
    end = world.must("calls", "cancel", call_id, url=server.url)
    check(end.out == f"cancelled {call_id}\n", end.out)
    call.communicate(timeout=START_TIME)
    check(call.returncode == 1, f"the cancelled call ended with {call.returncode}")
    end = world.run("calls", "wait", call_id, url=server.url)
    check(end.returncode == 1 and "CANCELLED" in end.out, end.out + end.err)


def test_the_result_of_a_durable_call_is_printed(world):
    server = world.shared_server()
    world.must("deploy", world.built("tests/e2e/functions/rest.c"), "--name=t/later", "--timeout=60s", url=server.url)
    call_id = world.must("invoke", "--async", "t/later", "-d", "30000", url=server.url).out.strip()
    early = world.run("calls", "result", call_id, url=server.url)
    check(early.returncode == 1 and f"canopy calls wait {call_id}" in early.err, early.err)
    world.must("calls", "cancel", call_id, url=server.url)
    call_id = world.must("invoke", "--async", "t/later", "-d", "1", url=server.url).out.strip()
    world.must("calls", "wait", call_id, url=server.url)
    now = world.must("invoke", "t/later", "-d", "1", url=server.url).out
    result = world.must("calls", "result", call_id, url=server.url)
    check(now != "" and result.out == now, f"{result.out!r} instead of {now!r}")


def test_dev_deploys_again_on_change(world):
    server = world.shared_server()
    folder = world.fresh_folder("dev") / "live"
    world.must("new", "c", folder)
    session = start(world, "dev", folder, url=server.url, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    text = []
    reader = threading.Thread(target=lambda: text.extend(iter(session.stdout.readline, b"")), daemon=True)
    reader.start()

    def has(part):
        return lambda: part in b"".join(text)

    def reply():
        return world.run("invoke", "live", "-d", "you", url=server.url).out

    try:
        wait_until(has(b"watching"), "the first deployment", 120)
        check(reply() == "Hello, you!\n", reply())
        wait_until(lambda: reply() and has(b"greeting 3 bytes")(), "the log of a call")
        source = folder / "live.c"
        good = source.read_text()
        source.write_text(good.replace("int main(void) {", "int main(void) { nonsense;"))
        wait_until(has(b"undeclared identifier 'nonsense'"), "the compiler's words", 120)
        check(reply() == "Hello, you!\n", "what does not compile has changed what is deployed")
        source.write_text(good.replace("Hello,", "Goodbye,"))
        wait_until(lambda: reply() == "Goodbye, you!\n", "the change to be deployed", 120)
        check(session.poll() is None, "canopy dev has ended")
    finally:
        session.send_signal(signal.SIGINT)
        check(session.wait(START_TIME) == 0, f"it ended with {session.returncode}")
    reader.join(START_TIME)


def test_dev_without_a_server_brings_its_own(world):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", 8080))
        except OSError:
            raise Skip("port 8080 is taken") from None
    source = world.fresh_folder("own") / "own.c"
    shutil.copy(world.root / "examples/hello-c/hello.c", source)
    session = start(world, "dev", source, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    text = []
    reader = threading.Thread(target=lambda: text.extend(iter(session.stdout.readline, b"")), daemon=True)
    reader.start()
    try:
        wait_until(lambda: b"watching" in b"".join(text) or session.poll() is not None, "the first deployment", 120)
        check(b"so one runs here until you end this" in b"".join(text), b"".join(text).decode())
        end = world.must("invoke", "own", "-d", "you")
        check(end.out == "Hello, you!\n", end.out)
    finally:
        session.send_signal(signal.SIGINT)
        check(session.wait(START_TIME) == 0, f"it ended with {session.returncode}: {b''.join(text).decode()}")
    reader.join(START_TIME)
    check(world.run("list").returncode == 1, "its server still runs")


def test_progress_and_colour_are_for_terminals(world):
    """What takes a while says so on a terminal, and takes it back; colours only without NO_COLOR."""
    server = world.shared_server()
    world.must("deploy", world.built("tests/e2e/functions/rest.c"), "--name=t/slow", url=server.url)

    def on_terminal(*arguments, no_color):
        main, side = pty.openpty()
        environment = world.environment(CANOPY_URL=server.url, TERM="xterm") | {"NO_COLOR": no_color}
        process = subprocess.Popen([world.canopy, *arguments], stdin=subprocess.DEVNULL, stdout=side, stderr=side,
                                   env=environment)
        os.close(side)
        seen = b""
        while True:
            try:
                piece = os.read(main, 4096)
            except OSError:  # The other side is closed.
                break
            if not piece:
                break
            seen += piece
        os.close(main)
        check(process.wait(START_TIME) == 0, seen.decode(errors="replace"))
        return seen.decode()

    seen = on_terminal("invoke", "t/slow", "-d", "1600", no_color="")
    check("calling t/slow… 1 s" in seen and seen.endswith("\r\x1b[Krested\r\n"), repr(seen))
    check("\x1b[2mFUNCTION" in on_terminal("list", no_color=""), "no colour on a terminal")
    check("\x1b" not in on_terminal("list", no_color="1"), "colour in spite of NO_COLOR")


def test_many_functions_do_not_slow_the_start(world):
    server = world.own_server()
    module = world.built("tests/e2e/functions/spin.c").read_bytes()
    for i in range(200):
        status, _, body = server.request("PUT", f"/v1/functions/many/f{i}", {"Content-Type": "application/wasm"}, module)
        check(status == 201, body)
    server.kill()
    began = time.monotonic()
    server.restart()
    check("functions  200\n" in server.text(), server.text())
    check(time.monotonic() - began < START_TIME, "the start took too long")
    end = world.must("list", "many", "--names", url=server.url)
    check(len(end.out.split()) == 200, end.out)


def test_an_installed_program_needs_nothing_of_the_source(world):
    """A copy of the program, alone in a folder, builds with its own SDK."""
    folder = world.fresh_folder("installed")
    copy = folder / "canopy"
    copy.write_bytes(pathlib.Path(world.canopy).read_bytes())
    copy.chmod(0o755)
    for arguments in (["new", "cpp", "fresh"], ["build", "fresh"], ["run", "fresh.wasm"]):
        end = subprocess.run([copy, *arguments], cwd=folder, capture_output=True, stdin=subprocess.DEVNULL,
                             env=world.environment(), timeout=START_TIME * 3)
        check(end.returncode == 0, f"{arguments}: {end.stderr.decode()}")
    check(end.stdout == b"Hello, world!\n", end.stdout)


def test_users_keys_and_secrets_by_command(world):
    server = world.own_server("--auth=on")
    admin = {"CANOPY_KEY": next(line.split()[2] for line in server.text().splitlines() if line.startswith("admin key"))}
    denied = world.run("list", url=server.url)
    check(denied.returncode == 1 and "CANOPY_KEY" in denied.err, f"{denied.returncode}: {denied.err}")
    made = world.must("user", "add", "bob", "--quota=calls_per_minute=3", url=server.url, **admin)
    check("its key, shown once: cnp_" in made.out, made.out)
    key = world.must("key", "create", "--user=bob", "--label=laptop", url=server.url, **admin)
    check(key.out.startswith("cnp_") and key.out.count("\n") == 1, key.out)
    check("warning" not in key.err, key.err)
    typo = world.must("key", "create", "--namespace=bpb", url=server.url, **admin)
    check("warning: there is no namespace bpb" in typo.err and typo.out.count("\n") == 1, f"{typo.out} {typo.err}")
    bob = {"CANOPY_KEY": key.out.strip()}
    module = world.built("examples/hello-c")
    world.must("deploy", module, "--name=bob/hello", url=server.url, **bob)
    foreign = world.run("deploy", module, "--name=alice/hello", url=server.url, **bob)
    check(foreign.returncode == 1 and "there is no function alice/hello" in foreign.err, foreign.err)
    nameless = world.run("deploy", module, url=server.url, **bob)
    check("; deploy it as bob/" in nameless.err and "with --name=bob/" in nameless.err, nameless.err)
    world.must("secret", "set", "bob/TOKEN", data=b"words\n", url=server.url, **bob)
    from_file = world.folder / "token.txt"
    from_file.write_text("words\n")
    world.must("secret", "set", "bob/OTHER", "-d", f"@{from_file}", url=server.url, **bob)
    listed = world.must("secret", "list", url=server.url, **bob)
    check("TOKEN" in listed.out and "OTHER" in listed.out and listed.out.count("5 B") == 2, listed.out)
    ends = [world.run("invoke", "bob/hello", url=server.url, **bob).returncode for _ in range(5)]
    check(ends == [0, 0, 0, 1, 1], f"{ends}")
    usage = world.must("user", "usage", "bob", url=server.url, **admin)
    check("bob/hello" in usage.out, usage.out)
    world.must("key", "revoke", bob["CANOPY_KEY"][4:20], url=server.url, **bob)
    check(world.run("list", url=server.url, **bob).returncode == 1, "a revoked key opens")
    audit = world.must("audit", url=server.url, **admin)
    check("key.revoke" in audit.out and "words" not in audit.out, audit.out)
    check("CORE" in world.must("top", url=server.url, **admin).out, "top shows no cores")


def test_a_python_that_is_not_there_is_told_of(world):
    server = world.own_server("--python=no-such-python")
    check("--python names no-such-python, which is no program" in server.text(), server.text())
    source = world.folder / "none.py"
    source.write_text("def handler(request):\n    return b''\n")
    refused = world.run("deploy", source, "--name=t/none", url=server.url)
    check(refused.returncode == 1 and "'no-such-python' is none" in refused.err and "--python" in refused.err, refused.err)


def test_commands_follow_the_pages_of_a_list(world):
    """A page has a thousand at the most; a list has them all, and --limit as many as it says."""
    server = world.own_server()
    world.must("deploy", world.built("examples/hello-c"), "--name=t/hello", url=server.url)
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=START_TIME)
    for _ in range(1100):
        connection.request("POST", "/function/t/hello")
        connection.getresponse().read()
    connection.close()

    def count(*more):
        return len(json.loads(world.must("calls", "--json", *more, url=server.url).out)["calls"])

    check(count("--limit=5000") == 1100, f"{count('--limit=5000')} of 1100 calls")
    check(count("--limit=1050") == 1050, f"{count('--limit=1050')} calls where 1050 were asked for")
    check(count() == 20, f"{count()} calls where nothing was said")


def test_worker_processes_run_calls(world):
    server = world.own_server("--workers=2")
    world.must("deploy", world.root / "examples/echo", "--name=t/echo", url=server.url)
    world.must("deploy", world.built("tests/e2e/functions/rest.c"), "--name=t/rest", url=server.url)
    check(world.must("invoke", "t/echo", "-d", "far away", url=server.url).out == "far away", "the echo is wrong")

    def workers():
        return [node for node in json.loads(server.request("GET", "/v1/nodes")[2])["nodes"] if node["role"] == "worker"]

    check([node["state"] for node in workers()] == ["ready", "ready"], f"the workers are {workers()}")
    call = start(world, "invoke", "t/rest", "-d", "50000", url=server.url, stderr=subprocess.PIPE)
    wait_until(lambda: any(node["running"] == 1 for node in workers()), "the call to run")
    os.kill(next(node["pid"] for node in workers() if node["running"] == 1), signal.SIGKILL)
    _, words = call.communicate(timeout=START_TIME)
    check(call.returncode == 1 and b"ended by signal 9 (SIGKILL)" in words, f"{call.returncode}: {words}")
    wait_until(lambda: [node["state"] for node in workers()] == ["ready", "ready"], "the worker to be back")
    check(sorted(node["restarts"] for node in workers()) == [0, 1], f"the workers are {workers()}")
    check(b"canopy_workers{state=\"ready\"} 2" in server.request("GET", "/metrics")[2], "the metrics say otherwise")
    check("worker-1" in world.must("top", url=server.url).out, "top does not show workers")
    # Each inherits its connections alone, and may do no more than run calls.
    pid = workers()[0]["pid"]
    links = {os.readlink(f"/proc/{pid}/fd/{fd}").split(":")[0] for fd in os.listdir(f"/proc/{pid}/fd")}
    check(not any("calls.db" in link or "canopy.db" in link for link in links), f"a worker has open {links}")
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    check("NoNewPrivs:\t1" in status and "Seccomp:\t2" in status, f"a worker is not confined:\n{status}")
    pids = [node["pid"] for node in workers()]
    check(server.stop() == 0, f"canopy up ended with {server.process.returncode}:\n{server.text()}")
    check(not any(pathlib.Path(f"/proc/{pid}").exists() for pid in pids), "a worker outlived its server")


def container_server(world):
    world.need_containers()
    if not shutil.which("cc"):
        raise Skip("there is no C compiler")
    return world.root / "tests/containers/server.c"


def test_containers_serve_scale_and_end(world):
    source = container_server(world)
    server = world.own_server()
    manifest = world.fresh_folder("container") / "canopy.yaml"
    manifest.write_text(f"name: t/box\nruntime: container\ncode: {source}\nmemory: 32MiB\nenv: {{GREETING: hello}}\n"
                        "container: {concurrency: 1, instances: 2, idle: 300ms}\n")
    world.must("deploy", manifest, url=server.url)
    containers = Containers(server.data)
    check(containers.left() == [], "there is a container before the first call")
    status, headers, body = server.request("POST", "/function/t/box/env/GREETING")
    check((status, body) == (200, b"hello"), f"{status} {body}")
    containers.left()  # So that it is known by name.
    status, headers, body = server.request("GET", "/function/t/box/print/words")
    check(b"words" in world.must("logs", "t/box", url=server.url).stdout, "what it prints is not in the log")
    wait_until(lambda: containers.left() == [], "the idle container to end")
    status, headers, body = server.request("POST", "/function/t/box/echo", body=b"from zero")
    check((status, body) == (200, b"from zero"), f"{status} {body}")
    containers.left()  # So that it is known by name.
    check(server.stop() == 0, f"canopy up ended with {server.process.returncode}:\n{server.text()}")
    check(containers.left() == [], f"after the server's end there is {containers.left()}")


def test_a_killed_server_leaves_no_container(world):
    source = container_server(world)
    server = world.own_server()
    world.must("deploy", source, "--name=t/box", "--runtime=container", url=server.url)
    check(server.request("POST", "/function/t/box/echo", body=b"hi")[2] == b"hi", "it does not answer")
    containers = Containers(server.data)
    check(containers.left() != [], "there is no container")
    server.kill()
    wait_until(lambda: containers.left() == [], "its containers to end")
    server.restart()
    check(server.request("POST", "/function/t/box/echo", body=b"hi")[2] == b"hi", "it does not answer after a restart")


def test_commands_run_in_a_container_each(world):
    source = container_server(world)
    server = world.own_server()
    manifest = world.fresh_folder("command") / "canopy.yaml"
    manifest.write_text(f"name: t/command\nruntime: container\ncode: {source}\nmemory: 32MiB\n"
                        "container: {contract: command}\n")
    world.must("deploy", manifest, url=server.url)
    for words in (b"one", b"x" * 300_000):
        status, _, body = server.request("POST", "/function/t/command", body=words)
        check((status, body) == (200, b"command: " + words), f"{status} {body[:200]}")
    status, _, body = server.request("POST", "/function/t/command", body=b"exit")
    check(status == 424 and b"status 3" in body, f"{status} {body}")
    containers = Containers(server.data)
    wait_until(lambda: containers.left() == [], "the containers to end")
