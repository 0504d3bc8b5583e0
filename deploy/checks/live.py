"""What only a running Canopy can tell: whether it takes every flag, and whether it has every metric."""
import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

import files

DEPLOY = files.DEPLOY
ROOT = DEPLOY.parent
PATIENCE = 300
CERTIFICATE_FLAGS = {"--node-ca": "ca.pem", "--node-cert": "server.pem", "--node-key": "server.key",
                     "--tls-cert": "server.pem", "--tls-key": "server.key"}
# A module whose _start does nothing: magic, one type () -> (), one function of it, its export, its body.
NOTHING = bytes.fromhex("0061736d01000000" "010401600000" "03020100" "070a01065f737461727400" "00" "0a040102000b")


def started(program, words, ready, folder, environment):
    """Starts it, waits for a line with one of `ready`, and stops it; what it has printed."""
    log = folder / "log"
    with log.open("wb") as out:
        process = subprocess.Popen([program, *words], stdout=out, stderr=out, cwd=folder, env=environment)
    try:
        end = time.monotonic() + PATIENCE
        while process.poll() is None and time.monotonic() < end:
            if any(word in log.read_text(errors="replace") for word in ready):
                return None
            time.sleep(0.05)
        return log.read_text(errors="replace").strip()[-600:] or "it says nothing"
    finally:
        stop(process)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def at_home(words, folder):
    """The same flags, with addresses and files of this machine for those of the file."""
    made = []
    for word in words:
        name, _, value = word.partition("=")
        if name in ("--listen", "--node-listen"):
            value = "127.0.0.1:0"
        elif name == "--join":
            value = "127.0.0.1:9"  # Nobody is there: it goes on trying.
        elif name == "--data":  # Nodes have one after the other the same, so an interpreter is compiled once.
            value = str(folder / "data" if words[0] == "up" else folder.parent / "node")
        elif name in ("--config", "--secret-key-file", "--token-file", "--node-token-file"):
            value = str(folder / "secrets" / pathlib.PurePath(value).name.replace("canopy-", ""))
        elif name in CERTIFICATE_FLAGS:  # Whose it is, certificates.py looks at.
            value = str(folder / "secrets" / CERTIFICATE_FLAGS[name])
        made.append(f"{name}={value}" if value else name)
    return made


def clean_environment(more=()):
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CANOPY_")}
    return dict(kept, **dict(more))


def known_flags(program, verb):
    text = subprocess.run([program, "help", verb], capture_output=True, text=True, check=True).stdout
    return set(re.findall(r"^ +(--[a-z-]+)", text, re.M))


def check_flags(program, documents, report):
    """Each command is started; a flag that is unknown, or a value that is refused, ends it at once."""
    if not shutil.which("redis-server"):
        report.skip("flags", "redis-server is missing, and the files have servers that share one: tools/deps")
        return
    sys.path.insert(0, str(ROOT / "tests"))
    from redis_server import RedisServer
    count = 0
    helps = {verb: known_flags(program, verb) for verb in ("up", "node")}
    started_before = set()
    with report.trying("flags"), tempfile.TemporaryDirectory(prefix="canopy-flags-") as name:
        redis = RedisServer(pathlib.Path(name) / "redis")
        secrets = files.make_secrets(program, pathlib.Path(name) / "secrets")
        try:
            settings = [values for _, values in files.variables(documents)]
            for where, words in files.all_commands(documents):
                verb = words[0]
                if wrong := [word for word in words[1:] if word.split("=")[0] not in helps[verb]]:
                    report.fail(f"flags {where}", f"canopy {verb} has no {wrong}")
                    continue
                folder = pathlib.Path(name) / str(count)
                alike = tuple(sorted(word for word in at_home(words, pathlib.Path(name) / "0") if not word.startswith("--name=")))
                if alike in started_before:
                    continue
                started_before.add(alike)
                shutil.copytree(secrets, folder / "secrets")
                config = f'store: "{redis.url}/{count % 16}"\n'
                if where.startswith("systemd"):
                    config = (DEPLOY / "systemd/server.yaml").read_text().replace(":8080", "127.0.0.1:0")
                (folder / "secrets/server.yaml").unlink()
                (folder / "secrets/server.yaml").write_text(config)
                more = settings[0] if "kubernetes" in where and verb == "up" else {}
                said = started(program, at_home(words, folder), ["ready in"] if verb == "up" else ["joining;", "nodes join"], folder,
                               clean_environment(more))
                if said:
                    report.fail(f"flags {where}", f"canopy {' '.join(words)}: {said}")
                count += 1
        finally:
            redis.end()
        report.say(f"{count} commands that differ, each with all its flags, started")


def metrics_in_files():
    """Every name of a metric of Canopy that a file has, with the file."""
    for path in (DEPLOY / "grafana/canopy.json", DEPLOY / "prometheus/rules.yaml", DEPLOY / "prometheus/rules_test.yaml",
                 DEPLOY / "prometheus/adapter.yaml", DEPLOY / "kubernetes/cell/scale.yaml"):
        text = path.read_text()
        if path.suffix == ".json":
            panels = json.loads(text)
            text = "\n".join([target["expr"] for panel in panels["panels"] for target in panel.get("targets", [])] +
                             [one["definition"] for one in panels["templating"]["list"] if "definition" in one])
        for name in set(re.findall(r"\bcanopy_[a-z_]+", text)):
            yield name, path.relative_to(DEPLOY)


def running(program, words, ready, folder, name, environment=()):
    """A process that has said `ready`, and what it has said."""
    log = folder / f"{name}.log"
    with log.open("wb") as out:
        process = subprocess.Popen([program, *words], stdout=out, stderr=out, cwd=folder, env=clean_environment(environment))
    end = time.monotonic() + PATIENCE
    while ready not in log.read_text(errors="replace"):
        if process.poll() is not None or time.monotonic() > end:
            stop(process)
            raise RuntimeError(log.read_text(errors="replace")[-600:])
        time.sleep(0.05)
    return process, log.read_text()


def stop(process):
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(60)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def scrape(program, folder):
    """/metrics of a server with a worker that has run a call, and with a balancer that has joined."""
    with contextlib.ExitStack() as processes:
        server, said = running(program, ["up", "--listen=127.0.0.1:0", "--node-listen=127.0.0.1:0", "--data=data", "--workers=1",
                                         "--python=off", "--container-engine=off"], "ready in", folder, "server")
        processes.callback(stop, server)
        url = re.search(r"^address +(\S+)", said, re.M)[1]
        (folder / "nothing.wasm").write_bytes(NOTHING)
        for words in (["deploy", "nothing.wasm", "--name=check/nothing"], ["invoke", "check/nothing"]):
            done = subprocess.run([program, *words, f"--url={url}"], cwd=folder, env=clean_environment(), capture_output=True,
                                  text=True, timeout=PATIENCE, stdin=subprocess.DEVNULL)
            if done.returncode:
                raise RuntimeError(f"canopy {' '.join(words)}: {done.stderr}{done.stdout}")
        join = re.search(r"^workers +join at (\S+)", said, re.M)[1]
        balancer, _ = running(program, ["node", "--role=balancer", f"--join={join}", "--listen=127.0.0.1:0",
                                        "--token-file=data/node.token", "--name=leaf", "--data=leaf"], "has joined", folder, "leaf")
        processes.callback(stop, balancer)
        with urllib.request.urlopen(url + "/metrics", timeout=60) as reply:
            return reply.read().decode()


def check_metrics(program, report):
    with report.trying("metrics"), tempfile.TemporaryDirectory(prefix="canopy-metrics-") as name:
        text = scrape(program, pathlib.Path(name))
        there = set(re.findall(r"^(canopy_[a-z_]+)", text, re.M))
        labels = set(re.findall(r'[{,]([a-z_]+)="', text)) | {"instance", "job", "namespace", "pod"}
        asked = list(metrics_in_files())
        for metric, path in asked:
            if metric not in there:
                report.fail(f"metrics {path}", f"{metric} is not in /metrics of a server that runs")
        for path in ("grafana/canopy.json", "prometheus/rules.yaml"):
            content = (DEPLOY / path).read_text().replace('\\"', '"')
            for selector in re.findall(r"canopy_[a-z_]+\{([^}]*)\}", content):
                for label in re.findall(r"([a-z_]+)(?:=~|!~|!=|=)", selector):
                    if label not in labels:
                        report.fail(f"metrics {path}", f"no metric has a label {label}")
        report.say(f"{len({metric for metric, _ in asked})} names in {len({path for _, path in asked})} files, of {len(there)} in /metrics")
