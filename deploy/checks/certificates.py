"""Whether the nodes of each file join each other with the certificates that deploy/secrets makes for it: they are started as
they stand there, each with the files that it is given and no others, and join each other by the names of the file."""
import base64
import contextlib
import dataclasses
import functools
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import time
import urllib.request

import files
import live

WITH_HOSTS = 'mount --bind "$0" /etc/hosts && exec "$@"'
NAMED_FILE = re.compile(r"^(/run/secrets|/etc/canopy[a-z-]*)/[^/]+$")


@dataclasses.dataclass
class Node:
    name: str
    words: list
    environment: dict
    given: dict  # Text by the path in its container.
    names: set  # By which others join it.
    parent: str = ""  # "": whoever has the name behind its --join.
    port: int = dataclasses.field(default_factory=live.free_port)

    def joins(self):
        return next((word.split("=", 1)[1].rsplit(":", 1)[0] for word in self.words if word.startswith("--join=")), "")


def of_services(document, made):
    """Of a file of Compose, or of a stack."""
    for name, service in document["services"].items():
        words = [str(word) for word in service["command"]]
        if not files.is_canopy(words):
            continue
        sources = [one["source"] if isinstance(one, dict) else one for one in service.get("secrets", ())]
        given = {f"/run/secrets/{source}": (made / source.removeprefix("canopy-")).read_text() for source in sources}
        yield Node(name, words, dict(service.get("environment", {})), given, {name, f"tasks.{name}"})


def of_manifests(documents):
    """Of what `kubectl kustomize` prints, with the Secrets in it."""
    def named(kind):
        return {one["metadata"]["name"]: one for one in documents if one["kind"] == kind}

    secrets, settings = named("Secret"), named("ConfigMap")
    for one in documents:
        if one["kind"] not in ("Deployment", "StatefulSet"):
            continue
        pods = one["spec"]["template"]
        container = pods["spec"]["containers"][0]
        variables = {}
        for source in container.get("envFrom", ()):
            variables |= settings[source["configMapRef"]["name"]]["data"]
        for variable in container.get("env", ()):
            reference = variable.get("valueFrom", {}).get("configMapKeyRef")
            variables[variable["name"]] = settings[reference["name"]]["data"][reference["key"]] if reference else variable["value"]
        words = [re.sub(r"\$\((\w+)\)", lambda match: variables[match[1]], word) for word in container.get("args", ())]
        if not files.is_canopy(words):
            continue
        folders = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
        given = {f"{folders[volume['name']]}/{name}": base64.b64decode(text).decode()
                 for volume in pods["spec"]["volumes"] if "secret" in volume
                 for name, text in secrets[volume["secret"]["secretName"]]["data"].items()}
        name, labels = one["metadata"]["name"], pods["metadata"]["labels"].items()
        if one["kind"] == "StatefulSet":
            for pod in (f"{name}-{i}" for i in range(one["spec"]["replicas"])):
                yield Node(pod, words, variables, given, {f"{pod}.{one['spec']['serviceName']}"})
        else:
            services = {service for service, found in named("Service").items() if found["spec"]["selector"].items() <= labels}
            yield Node(name, words, variables, given, services)


def of_roles(deployment, made):
    """Of a deployment in CUE, whose secrets are called after their files."""
    by_secret = {"canopy" + re.sub(r"[^a-z0-9]", "", path.name): path.read_text() for path in made.iterdir() if path.is_file()}
    service = deployment["service"]
    above = {link["from"]["role"]: link["to"]["role"] for link in service["connect"].values() if link["from"]["channel"] == "parent"}
    for name, role in service["roles"].items():
        if not files.is_canopy(role["code"]["args"]):
            continue
        given = {resource["path"]: by_secret[deployment["resources"][name][key]["secret"]]
                 for key, resource in role["config"]["resource"].items() if resource["kind"] == "secret"}
        yield Node(name, role["code"]["args"], dict(role["code"]["env"]), given, {"0.parent"}, above.get(name, ""))


class Tree:
    """The nodes of a file, as processes; what differs are ports, addresses of one's own, and folders."""

    def __init__(self, program, nodes, folder, warm):
        self.program, self.nodes, self.folder, self.warm = program, list(nodes), folder, warm
        self.processes = []
        (folder / "hosts").write_text("".join(f"127.0.0.1 {name}\n" for name in sorted({"localhost"}.union(*(node.names for node in self.nodes)))))
        # Its own namespace of mounts has names of its own; who is not root becomes it in there.
        self.wall = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--user", "--map-root-user"]), "sh", "-c", WITH_HOSTS, folder / "hosts"]

    def parent_of(self, node):
        return next(one for one in self.nodes if (one.name == node.parent if node.parent else node.joins() in one.names))

    def local(self, node, value):
        """The path of a file that it is given, as it is here."""
        if not NAMED_FILE.match(value):
            return value
        if value not in node.given:
            raise RuntimeError(f"{node.name} names {value}, and is given {sorted(node.given)}")
        path = self.folder / node.name / value.strip("/").replace("/", "_")
        path.parent.mkdir(exist_ok=True)
        if not path.exists():
            path.touch(0o600)
            path.write_text("log-level: info\n" if value.endswith("server.yaml") else node.given[value])
        return str(path)

    def words(self, node):
        for word in node.words:
            name, _, value = word.partition("=")
            if name == "--listen":
                value = "127.0.0.1:0" if node.words[0] == "up" else f"127.0.0.1:{node.port}"
            elif name == "--node-listen":
                value = f"127.0.0.1:{node.port}"
            elif name == "--join":
                value = f"{node.joins()}:{self.parent_of(node).port}"
            elif name == "--data":
                value = str(self.folder / node.name / "data")
            yield f"{name}={self.local(node, value)}" if value else name

    def start(self, node, ready):
        variables = {name: self.local(node, value) for name, value in node.environment.items() if name != "PATH"}
        if "--role=worker" in node.words and self.warm.exists():
            shutil.copytree(self.warm, self.folder / node.name / "data")
        words = [*self.wall, self.program, *self.words(node)]
        (self.folder / node.name).mkdir(exist_ok=True)
        process, said = live.running(words[0], words[1:], ready, self.folder, f"{node.name}", variables)
        self.processes.append(process)
        return said

    def log(self, node):
        return (self.folder / f"{node.name}.log").read_text(errors="replace")

    def stop(self):
        for process in reversed(self.processes):
            live.stop(process)


def ask(program, folder, url, *words):
    done = subprocess.run([program, *words, f"--url={url}"], cwd=folder, env=live.clean_environment(), capture_output=True, text=True,
                          timeout=live.PATIENCE, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise RuntimeError(f"canopy {' '.join(words)}: {done.stderr}{done.stdout}")


def try_tree(tree):
    """All of them join, and a call goes down to a worker."""
    program, folder = tree.program, tree.folder
    servers = [node for node in tree.nodes if node.words[0] == "up"]
    below = sorted((node for node in tree.nodes if node.joins()), key=lambda node: "--role=worker" in node.words)
    assert servers and below, "there is no node to start"
    (folder / "nothing.wasm").write_bytes(live.NOTHING)
    urls = []
    for node in servers:
        urls.append(re.search(r"^address +(\S+)", tree.start(node, "ready in"), re.M)[1])
    for node in below:
        tree.start(node, "has joined")
    for url in urls:
        ask(program, folder, url, "deploy", "nothing.wasm", "--name=check/nothing")
        ask(program, folder, url, "invoke", "check/nothing")
        with urllib.request.urlopen(url + "/metrics", timeout=60) as reply:
            if 'canopy_dispatch{way="push"} 1\n' not in reply.read().decode():
                raise RuntimeError("calls do not go to workers")
    return len(tree.nodes)


def try_strangers(tree):
    """Who shows nothing, or joins one by a name that its certificate does not have, does not get in."""
    worker = next(node for node in tree.nodes if "--role=worker" in node.words)
    parent = tree.parent_of(worker)
    tree.warm = tree.folder / worker.name / "data"  # Nobody needs to compile what the worker has.
    for name, changes, says in (("clear", {"environment": {}}, "CANOPY_JOIN_CA"),
                                ("nameless", {"environment": {"CANOPY_JOIN_CA": worker.environment["CANOPY_JOIN_CA"]}}, "CANOPY_JOIN_CERT"),
                                ("misled", {"words": [word.replace(worker.joins(), "localhost") for word in worker.words],
                                            "parent": parent.name}, "not trusted")):
        stranger = dataclasses.replace(worker, name=name, **changes)
        tree.start(stranger, says)
        if "has joined" in tree.log(stranger):
            raise RuntimeError(f"{name} has joined: {tree.log(stranger)}")


def may_mount(folder):
    tree = Tree("true", [], folder, folder / "none")
    return shutil.which("unshare") and subprocess.run([*map(str, tree.wall), "true"], capture_output=True).returncode == 0


def all_trees(program, documents, folder, kustomized, only):
    """(file, its nodes) of each that has nodes; the manifests and CUE where there is what makes them."""
    made = functools.cache(lambda kind: files.make_secrets(program, folder / kind, f"--for={kind}"))
    for path, kind in (("compose/medium.yaml", "compose"), ("compose/large.yaml", "compose"), ("swarm/stack.yaml", "swarm")):
        if only in (None, path):
            yield path, of_services(documents[pathlib.Path(path)][0], made(kind))
    if kustomized:
        yield "kubernetes", of_manifests(kustomized)
    if large := documents.get(pathlib.Path("cue/large")):
        yield "cue/large", of_roles(large[0], made("kumori"))


def check(program, documents, kustomized, report, *, only=None):
    with tempfile.TemporaryDirectory(prefix="canopy-trees-") as name:
        folder = pathlib.Path(name)
        if not may_mount(folder):
            report.skip("certificates", "names of one's own take unshare(1) and a namespace of mounts, as root or as one's user")
            return
        warm = folder / "warm"
        for path, nodes in all_trees(program, documents, folder, kustomized, only):
            (own := folder / path.replace("/", "-")).mkdir()
            with report.trying(f"certificates {path}"), contextlib.ExitStack() as ends:
                tree = Tree(program, nodes, own, warm)
                ends.callback(tree.stop)
                count = try_tree(tree)
                if path == "compose/medium.yaml":
                    try_strangers(tree)
                report.say(f"{count} nodes, each joined by certificates on both sides, and a call to each server")
            data = next(own.glob("*worker*/data"), None)
            if data and not warm.exists():  # So an interpreter is compiled once.
                shutil.copytree(data, warm)
