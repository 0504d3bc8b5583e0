"""What of deploy/ can be read with nothing but Python: YAML without doubled keys, JSON, and the commands of Canopy in them."""
import json
import pathlib
import re
import shlex
import subprocess
import tempfile

DEPLOY = pathlib.Path(__file__).resolve().parent.parent


def yaml_files():
    return sorted(path for path in DEPLOY.rglob("*.yaml") if "secrets" not in path.parts)


def strict_loader():
    """None where there is no PyYAML."""
    try:
        import yaml
    except ImportError:
        return None

    class Strict(yaml.SafeLoader):
        pass

    def mapping(loader, node, deep=False):
        names = [key.value for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
        if doubled := {name for name in names if names.count(name) > 1}:
            raise yaml.constructor.ConstructorError(None, None, f"{sorted(doubled)} twice", node.start_mark)
        loader.flatten_mapping(node)
        return yaml.SafeLoader.construct_mapping(loader, node, deep)

    Strict.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, mapping)
    return lambda text: list(yaml.load_all(text, Loader=Strict))


def read_all(report):
    """Each YAML file's documents, by its path; None where they cannot be read."""
    load = strict_loader()
    if not load:
        report.skip("yaml and flags", "Python has no module yaml: tools/deps, or pip install pyyaml")
        return None
    documents = {}
    with report.trying("yaml"):
        for path in yaml_files():
            try:
                documents[path.relative_to(DEPLOY)] = load(path.read_text())
            except Exception as error:
                report.fail(f"yaml {path.relative_to(DEPLOY)}", " ".join(str(error).split()))
        try:
            load("a: 1\na: 2\n")
        except Exception:
            pass
        else:
            report.fail("yaml", "a key that stands there twice was not seen")
        report.say(f"{len(documents)} files")
    return documents


def check_json(report):
    with report.trying("json"):
        for path in sorted(DEPLOY.rglob("*.json")):
            json.loads(path.read_text())


def make_secrets(program, folder, *flags):
    """What deploy/secrets makes, in the folder that it is given."""
    done = subprocess.run([DEPLOY / "secrets", f"--canopy={program}", *flags, folder], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"deploy/secrets {' '.join(flags)}: {done.stderr}")
    return folder


def contents(folder):
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def check_closed(folder):
    for path in (folder, folder / "authority", *folder.rglob("*.key")):
        if path.stat().st_mode & 0o077:
            raise RuntimeError(f"others can read {path.name}: {path.stat().st_mode & 0o777:o}")
    if [path.name for path in folder.rglob("ca.key")] != ["ca.key"] or (folder / "ca.key").exists():
        raise RuntimeError("the authority's key lies among those that are handed out")


def check_secrets(program, report):
    """Made once, kept, closed to others; renewed where that is asked for; and never in a folder that is open."""
    with report.trying("secrets"), tempfile.TemporaryDirectory(prefix="canopy-secrets-") as name:
        folder = pathlib.Path(name, "secrets")
        made, kept, renewed = (contents(make_secrets(program, folder, *flags)) for flags in ((), (), ("--renew",)))
        check_closed(folder)
        if made != kept:
            raise RuntimeError(f"a second time has not kept all files: {sorted(made)}, {sorted(kept)}")
        new = {path for path in renewed if renewed[path] != made.get(path)}
        certificates = {path for path in made if re.match(r"(server|balancer|worker)\S*\.(pem|key)$", path)}
        if new != certificates or set(renewed) != set(made):
            raise RuntimeError(f"--renew has made {sorted(new)} anew, not {sorted(certificates)}")
        (folder / "authority/ca.key").unlink()
        renewed.pop("authority/ca.key")
        done = subprocess.run([DEPLOY / "secrets", f"--canopy={program}", "--renew", folder], capture_output=True, text=True)
        if done.returncode == 0 or "bring it back" not in done.stderr or contents(folder) != renewed:
            raise RuntimeError(f"without the authority's key --renew says {done.stderr!r}")
        (open_folder := pathlib.Path(name, "open")).mkdir(mode=0o755)
        open_folder.chmod(0o755)
        done = subprocess.run([DEPLOY / "secrets", open_folder], capture_output=True, text=True)
        if done.returncode == 0 or "chmod 700" not in done.stderr or list(open_folder.iterdir()):
            raise RuntimeError(f"a folder that is open to others is not refused: {done.stderr}")
        done = subprocess.run([DEPLOY / "secrets", "--redi=other:1", pathlib.Path(name, "new")], capture_output=True, text=True)
        if done.returncode == 0 or "--redi" not in done.stderr or pathlib.Path(name, "new").exists():
            raise RuntimeError(f"half an option's name is not refused: {done.stderr}")


def is_canopy(words):
    return isinstance(words, list) and words and words[0] in ("up", "node")


def commands_in(thing, where):
    """Every list of words after `command` or `args` that starts Canopy."""
    if isinstance(thing, dict):
        for key, value in thing.items():
            if key in ("command", "args") and is_canopy(value):
                yield where, [str(word) for word in value]
            else:
                yield from commands_in(value, f"{where}: {key}" if key in ("services",) or where.endswith("services") else where)
    elif isinstance(thing, list):
        for one in thing:
            yield from commands_in(one, where)


def unit_commands():
    """What systemd would start, with the settings of the unit and of its environment file, %-words and all."""
    for unit, settings, drop_in in (("canopy.service", "", ""), ("canopy.service", "", "nodes.conf"),
                                    ("canopy-node@.service", "worker.env", "certificates.conf"),
                                    ("canopy-node@.service", "balancer.env", ""), ("canopy-node@.service", "balancer.env", "balancer.conf")):
        text = "\n".join((DEPLOY / "systemd" / name).read_text() for name in (unit, drop_in) if name).replace("\\\n", " ")
        started = re.search(r"^ExecStart=\S+ (.*)$", text, re.M)[1]
        variables = dict(word.split("=", 1) for line in re.findall(r"^Environment=(.*)$", text, re.M) for word in shlex.split(line))
        if settings:
            lines = (DEPLOY / "systemd" / settings).read_text().splitlines()
            variables.update(line.split("=", 1) for line in lines if line and not line.startswith("#"))
        words = shlex.split(re.sub(r"\$\{?(\w+)\}?", lambda match: variables[match[1]], started).replace("%i", pathlib.Path(settings).stem))
        if unit == "canopy.service":  # A setting's variable is as good as its flag.
            words += [f"--{name.removeprefix('CANOPY_').lower().replace('_', '-')}={value}" for name, value in variables.items()]
        yield f"systemd/{unit} {settings} {drop_in}".strip(), words


def all_commands(documents):
    """(where, words) of every command of Canopy in any file, each wording once."""
    seen = set()
    found = [(str(path), text) for path, text in documents.items()]
    for where, words in [pair for path, text in found for pair in commands_in(text, path)] + list(unit_commands()):
        if tuple(words) not in seen:
            seen.add(tuple(words))
            yield where, words


def variables(documents):
    """Settings that files give by their variables: of the ConfigMap and of the units."""
    for one in documents.get(pathlib.Path("kubernetes/kustomization.yaml"), []):
        for generator in one["configMapGenerator"]:
            yield "kubernetes/kustomization.yaml", dict(word.split("=", 1) for word in generator["literals"])
