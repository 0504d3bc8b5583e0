#!/usr/bin/env python3
"""Checks that #include lines follow the arrows in src/CMakeLists.txt, and no others.

  tools/layers.py          fails on an include without an arrow, an arrow without an include, or a map that shows others
  tools/layers.py --graph  prints the map for docs/architecture.md (Mermaid)
"""
import pathlib
import re
import sys

SRC = pathlib.Path(__file__).resolve().parent.parent / "src"
MAP = SRC.parent / "docs/architecture.md"
# Libraries that only some folders may see, by the header they are known by.
# The longest prefix that fits an include decides.
FENCED = {
    "boost/": {"net"},
    "boost/asio": {"net", "exec"},
    "boost/asio/ssl": {"net"},
    "boost/json": {"wire", "api", "cli", "store"},
    "yaml-cpp/": {"wire"},
    "wasmtime": {"wasm"},
    "sqlite3.h": {"store"},
    "hiredis": {"store"},
    "sodium": {"crypto"},
}


def declared():
    text = re.sub(r"#.*", "", (SRC / "CMakeLists.txt").read_text())
    arrows = {}
    for body in re.findall(r"canopy_module\(([^)]*)\)", text):
        name, *rest = body.split()
        deps = rest[rest.index("DEPS") + 1 :] if "DEPS" in rest else []
        arrows[name] = set(deps[: deps.index("USES")] if "USES" in deps else deps)
    return arrows


def check(arrows):
    used = {name: set() for name in arrows}
    for path in sorted(SRC.glob("*/*.[hc]*")):
        module = path.parent.name
        if module not in arrows:
            yield f"{path.relative_to(SRC.parent)}: folder is not a canopy_module"
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            where = f"{path.relative_to(SRC.parent)}:{number}"
            if own := re.match(r'#include "(\w+)/', line):
                target = own[1]
                used[module].add(target)
                if target != module and target not in arrows[module]:
                    yield f"{where}: {module} -> {target} is not an arrow in src/CMakeLists.txt"
            elif other := re.match(r"#include <([^>]+)>", line):
                prefix = max((fence for fence in FENCED if other[1].startswith(fence)), key=len, default=None)
                if prefix and module not in FENCED[prefix]:
                    yield f"{where}: only {', '.join(sorted(FENCED[prefix]))} may include <{prefix}...>"
    for module, deps in arrows.items():
        for dep in sorted(deps - used[module]):
            yield f"src/CMakeLists.txt: {module} -> {dep} is an arrow that no include needs"
    if graph(arrows) not in MAP.read_text():
        yield "docs/architecture.md: its map is not what `tools/layers.py --graph` prints"


def graph(arrows):
    lines = ["```mermaid", "flowchart BT"]
    for module, deps in arrows.items():
        lines += [f"  {module} --> {dep}" for dep in sorted(deps)] or [f"  {module}"]
    return "\n".join([*lines, "```"])


def main():
    arrows = declared()
    if sys.argv[1:] == ["--graph"]:
        print(graph(arrows))
        return 0
    errors = list(check(arrows))
    print("\n".join(errors) if errors else f"{len(arrows)} modules, every include follows an arrow")
    return bool(errors)


sys.exit(main())
