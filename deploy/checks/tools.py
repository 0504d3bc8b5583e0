"""Checks by programs that others have made, each the strictest for its files; and that each refuses what is wrong."""
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

import files

DEPLOY = pathlib.Path(__file__).resolve().parent.parent
OF_ONE_UNIT = {"nodes.conf": "canopy.service", "certificates.conf": "canopy-node@.service", "balancer.conf": "canopy-node@.service"}
CANARIES = {  # What `cue vet` has to say of each.
    "misspelt": "argz: field not allowed",
    "latest": "out of bound",
    "root": "user: invalid value 0",
    "loose": "_loose",
    "nowhere": "_strays",
}


def run(*command, text=None, cwd=DEPLOY, **more):
    return subprocess.run([str(word) for word in command], input=text, capture_output=True, text=True, cwd=cwd,
                          env=dict(os.environ, **more), timeout=1200)


def must(*command, **more):
    done = run(*command, **more)
    if done.returncode:
        raise RuntimeError(f"'{' '.join(map(str, command))}': {(done.stdout + done.stderr).strip()[-1500:]}")
    return done.stdout


def must_refuse(what, says, *command, **more):
    done = run(*command, **more)
    if done.returncode == 0 or says not in done.stdout + done.stderr:
        raise RuntimeError(f"{what} is not refused as it has to be ({says!r}): {(done.stdout + done.stderr).strip()[-600:]}")


def missing(report, name, *tools):
    for tool in tools:
        if not shutil.which(tool):
            report.skip(name, f"{tool} is missing: tools/deps --deploy")
            return True
    return False


def broken(folder, path, old, new):
    """A copy of a file with something wrong in it."""
    text = (DEPLOY / path).read_text()
    assert old in text, f"{path} has no {old!r} to break"
    made = pathlib.Path(folder) / pathlib.PurePath(path).name
    made.write_text(text.replace(old, new))
    return made


def check_yamllint(report):
    if missing(report, "yamllint", "yamllint"):
        return
    with report.trying("yamllint"):
        must("yamllint", "--strict", "--config-file=.yamllint.yaml", ".")


def check_compose(report):
    if missing(report, "compose", "docker-compose"):
        return
    with report.trying("compose"), tempfile.TemporaryDirectory() as folder:
        for path in ("compose/small.yaml", "compose/medium.yaml", "compose/large.yaml", "swarm/stack.yaml"):
            if path.startswith("compose"):  # It does not know all of a stack.
                must("docker-compose", f"--file={path}", "config", "--quiet", CANOPY_IMAGE="canopy:check")
            text = (DEPLOY / path).read_text()
            for word in ("privileged", ":latest", "network_mode", "/var/run/docker.sock"):
                if word in text:
                    raise RuntimeError(f"{path} has {word}")
        wrong = broken(folder, "compose/small.yaml", "mem_limit", "mem_limt")
        must_refuse("a field that is misspelt", "mem_limt", "docker-compose", f"--file={wrong}", "config", "--quiet",
                    CANOPY_IMAGE="canopy:check")


def check_stack(report):
    if missing(report, "stack", "docker"):
        return
    if "config" not in run("docker", "stack", "--help").stdout:
        report.skip("stack", "this docker has no `stack config`")
        return
    with report.trying("stack"), tempfile.TemporaryDirectory() as folder:
        must("docker", "stack", "config", "--compose-file=swarm/stack.yaml", CANOPY_IMAGE="canopy:check")
        wrong = broken(folder, "swarm/stack.yaml", "endpoint_mode", "endpoint_mod")
        must_refuse("a field that is misspelt", "endpoint_mod", "docker", "stack", "config", f"--compose-file={wrong}",
                    CANOPY_IMAGE="canopy:check")


def check_kubernetes(program_of_ours, report):
    """What the manifests come to, "" where nothing here makes it."""
    made = ""
    if missing(report, "kubernetes", "kubectl", "go"):
        return made
    with report.trying("kubernetes"), tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        shutil.copytree(DEPLOY / "kubernetes", folder / "manifests", ignore=shutil.ignore_patterns("check", "secrets"))
        files.make_secrets(program_of_ours, folder / "manifests/secrets", "--for=kubernetes")
        made = must("kubectl", "kustomize", folder / "manifests")
        program = folder / "check"
        must("go", "build", "-o", program, ".", cwd=DEPLOY / "kubernetes/check")
        report.say(must(program, text=made).strip())
        for what, says, old, new in (
                ("a field that is misspelt", 'unknown field "spec.template.spec.containers[0].readinesProbe"', "readinessProbe:", "readinesProbe:"),
                ("a field with another case", "readOnlyRootFileSystem", "readOnlyRootFilesystem:", "readOnlyRootFileSystem:"),
                ("an image without a version", "names no version", "image: canopy:1.0", "image: canopy:latest"),
                ("a probe at a port that is not there", "no port of it", "port: http\n", "port: htp\n"),
                ("a secret that is not there", "is not there", "secretName: canopy-join", "secretName: canopy-jion"),
                ("a namespace that is not there", "Namespace/canopi is not there", "namespace: canopy\n", "namespace: canopi\n"),
                ("a key that is not in its secret", "has no node.key", "  node.key: ", "  node.kei: "),
                ("a key that others may read", "others may read", "defaultMode: 288", "defaultMode: 292"),
                ("a number that is a word", "cannot unmarshal string", "minReplicas: 2", "minReplicas: two")):
            assert old in made, f"there is no {old!r} to break"
            must_refuse(what, says, program, text=made.replace(old, new))
    return made


def find(tool):
    """The one that tools/deps --deploy has put into its cache, or one in PATH."""
    cache = os.environ.get("CANOPY_CACHE") or os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "canopy")
    own = pathlib.Path(cache) / tool / "current" / tool
    return str(own) if own.exists() else shutil.which(tool)


def check_cue(report):
    cue = find("cue")
    if not cue:
        report.skip("cue", "cue is missing: tools/deps --deploy")
        return
    folder = DEPLOY / "cue"
    with report.trying("cue"):
        must(cue, "vet", "--concrete", "./...", cwd=folder)
        must(cue, "fmt", "--check", "./...", cwd=folder)
        for path in sorted((folder / "_canary").glob("*.cue")):
            must_refuse(path.name, CANARIES[path.stem], cue, "vet", "--concrete", f"./_canary/{path.name}", cwd=folder)
        report.say(f"{len(CANARIES)} canaries, each refused for its own reason")


def cue_documents(load):
    """What the CUE modules make, for the check of flags."""
    cue = find("cue")
    if not cue:
        return {}
    return {pathlib.Path("cue", name): load(must(cue, "export", "./deployments", f"--expression={name}", cwd=DEPLOY / "cue"))
            for name in ("small", "large")}


def check_prometheus(report):
    promtool = find("promtool")
    if not promtool:
        report.skip("prometheus", "promtool is missing: tools/deps --deploy")
        return
    with report.trying("prometheus"), tempfile.TemporaryDirectory() as folder:
        key = pathlib.Path(folder) / "canopy.key"
        key.write_text("cnp_check\n")
        shutil.copy(DEPLOY / "prometheus/rules.yaml", folder)
        shutil.copy(DEPLOY / "prometheus/rules_test.yaml", folder)
        must(promtool, "check", "rules", "rules.yaml", cwd=folder)
        must(promtool, "test", "rules", "rules_test.yaml", cwd=folder)
        settings = broken(folder, "prometheus/prometheus.yaml", "/etc/prometheus/canopy.key", str(key))
        must(promtool, "check", "config", settings, cwd=folder)
        rules = (DEPLOY / "prometheus/rules.yaml").read_text()
        alerts = re.findall(r"alert: (\w+)", rules)
        tests = (DEPLOY / "prometheus/rules_test.yaml").read_text()
        if untested := [alert for alert in alerts if f"name: {alert}\n" not in tests]:
            raise RuntimeError(f"no test fires {untested}")
        if len(alerts) != rules.count("runbook:"):
            raise RuntimeError("an alert has no runbook")
        wrong = broken(folder, "prometheus/rules_test.yaml", "'up{instance=\"a:8080\", job=\"canopy\"}'\n        values: \"1 0x10\"",
                       "'up{instance=\"a:8080\", job=\"canopy\"}'\n        values: \"1x11\"")
        must_refuse("an alert that does not come", "CanopyDown", promtool, "test", "rules", wrong, cwd=folder)


def check_systemd(program, report):
    if missing(report, "systemd", "systemd-analyze"):
        return
    with report.trying("systemd"), tempfile.TemporaryDirectory(prefix="canopy-units-") as folder:
        folder = pathlib.Path(folder)
        units = ("canopy.service", "canopy-node@.service")
        for drop_in in (None, "python.conf", "containers.conf", "nodes.conf", "certificates.conf", "balancer.conf"):
            for unit in units:
                # The program is where it is now, not where it will be.
                broken(folder, f"systemd/{unit}", "/usr/local/bin/canopy", str(program))
                if drop_in and OF_ONE_UNIT.get(drop_in, unit) == unit:
                    (folder / f"{unit}.d").mkdir(exist_ok=True)
                    shutil.copy(DEPLOY / "systemd" / drop_in, folder / f"{unit}.d/{drop_in}")
            done = run("systemd-analyze", "verify", "--man=no", *(folder / unit for unit in units), cwd=folder,
                       SYSTEMD_UNIT_PATH=f"{folder}:/lib/systemd/system")
            if said := done.stderr.strip():
                raise RuntimeError(f"systemd-analyze verify, {drop_in or 'no drop-in'}: {said}")
            if drop_in:
                for unit in units:
                    (folder / f"{unit}.d/{drop_in}").unlink(missing_ok=True)
        broken(folder, "systemd/canopy.service", "NoNewPrivileges", "NoNewPriviliges")
        must_say = run("systemd-analyze", "verify", "--man=no", folder / "canopy.service", cwd=folder,
                       SYSTEMD_UNIT_PATH=f"{folder}:/lib/systemd/system").stderr
        if "NoNewPriviliges" not in must_say:
            raise RuntimeError("a setting that is misspelt is not seen")


def check_exposure(report):
    """`systemd-analyze security`: 0 is walled in, 10 is open."""
    if missing(report, "exposure", "systemd-analyze"):
        return
    with report.trying("exposure"):
        for unit in ("canopy.service", "canopy-node@.service"):
            said = must("systemd-analyze", "security", "--offline=true", "--threshold=15", f"systemd/{unit}", "--no-pager")
            figure = re.search(r"exposure level for \S+: ([0-9.]+)", said)[1]
            report.say(f"{unit}: {figure} of 10")
