"""Test cases as data. A case is lines of text:

  # what it shows; a comment
  deploy examples/echo --name=t/echo    deploys an example, or a source of tests/e2e/functions; flags as of canopy deploy
  server --call-timeout=1s              this case has a server of its own, with these flags
  kill                                  ends that server as a power cut would, and starts it again

  > POST /function/t/echo?status=201    a request: its first line, its headers, and after an empty `>` its body
  > X-Echo: hi
  >
  > some text
  < 201                                 the response: its status, headers that it has, after an empty `<` its body
  < X-Echo: hi
  <
  < some text

  $ canopy invoke t/echo -d hi          a command, in an empty folder; words as of a shell; `canopy` is the program
  | hi                                  its whole standard output
  ! canopy: something                   its whole standard error
  ? 1                                   its exit status; 0 if it is not said

An expected line /.../ is a regular expression; a line ... stands for any number of lines. @FILE as a body is
that file's content. {url}, {port}, {root} and {last} (the last call's id) are filled in. What a request or
a command does not expect is not looked at."""
import json
import re
import shlex
import subprocess

from world import Failure, check


def run(world, path):
    steps = list(read(path))
    own = [step for step in steps if step[0] == "server"]
    server = world.own_server(*own[0][1]) if own else world.shared_server()
    values = {"url": server.url, "port": str(server.port), "root": str(world.root), "last": "?"}
    folder = world.fresh_folder(path.stem)
    for kind, content, line in steps:
        try:
            if kind == "deploy":
                deploy(world, server, [fill(word, values) for word in content])
            elif kind == "kill":
                server.kill()
                server.restart()
            elif kind == "request":
                do_request(world, server, content, values)
            elif kind == "command":
                do_command(world, server, folder, content, values)
        except Failure as failure:
            raise Failure(f"{path.relative_to(world.root)}:{line}: {failure}") from None


def read(path):
    """(kind, content, line number) of each step."""
    lines = path.read_text().splitlines()
    at = 0
    while at < len(lines):
        line, begin = lines[at], at + 1
        word = line.split(" ", 1)[0]
        if not line.strip() or line.startswith("#"):
            at += 1
        elif word in ("deploy", "server", "kill"):
            yield word, shlex.split(line)[1:], begin
            at += 1
        elif word == ">":
            sent, at = block(lines, at, ">")
            wanted, at = block(lines, at, "<")
            yield "request", (sent, wanted), begin
        elif word == "$":
            at += 1
            wanted = {}
            for mark in "|!?":
                wanted[mark], at = block(lines, at, mark)
            yield "command", (line[2:], wanted), begin
        else:
            raise Failure(f"{path}:{begin}: what is '{line}'?")


def block(lines, at, mark):
    """The lines that begin with `mark`, without it; None where there are none."""
    found = []
    while at < len(lines) and (lines[at] == mark or lines[at].startswith(mark + " ")):
        found.append(lines[at][2:])
        at += 1
    return found or None, at


def fill(text, values):
    return re.sub(r"\{(\w+)\}", lambda found: values.get(found[1], found[0]), text)


def deploy(world, server, words):
    source, *flags = words
    world.must("deploy", world.built(source), *flags, url=server.url)


def split_body(lines):
    """Head lines and body lines (None for no body)."""
    if "" in lines:
        at = lines.index("")
        return lines[:at], lines[at + 1:]
    return lines, None


def body_bytes(world, lines):
    if lines is None:
        return None
    if len(lines) == 1 and lines[0].startswith("@"):
        return (world.root / lines[0][1:]).read_bytes()
    return "\n".join(lines).encode()


def do_request(world, server, content, values):
    sent, wanted = content
    head, body = split_body([fill(line, values) for line in sent])
    method, target = head[0].split(" ", 1)
    headers = dict(line.split(": ", 1) for line in head[1:])
    status, got_headers, got_body = server.request(method, target, headers, body_bytes(world, body))
    values["last"] = got_headers.get("X-Call-Id", values["last"])
    if wanted is None:
        return
    head, body = split_body([fill(line, values) for line in wanted])
    shown = f"{sent[0]}\n  answered {status}\n{got_headers}{got_body[:2000]!r}"
    check(matches(head[0], str(status)), f"{shown}\n  instead of {head[0]}")
    for line in head[1:]:
        name, value = line.split(": ", 1)
        got = got_headers.get(name)
        check(got is not None and matches(value, got), f"{shown}\n  with {name}: {got} instead of {value}")
    if body is None:
        return
    if len(body) == 1 and body[0].startswith("@"):
        check(got_body == body_bytes(world, body), f"{shown}\n  instead of what is in {body[0][1:]}")
    elif len(body) == 1 and body[0].startswith("{") and "\n" not in got_body.decode(errors="replace").strip():
        check_json(body[0], got_body, shown)
    else:
        check_lines(body, got_body.decode(errors="replace"), shown)


def check_json(wanted, got, shown):
    """All that `wanted` has is in `got`; regular expressions in texts."""
    def covers(want, have):
        if isinstance(want, dict):
            return isinstance(have, dict) and all(key in have and covers(want[key], have[key]) for key in want)
        if isinstance(want, list):
            return isinstance(have, list) and len(want) == len(have) and all(map(covers, want, have))
        if isinstance(want, str) and isinstance(have, str):
            return matches(want, have)
        return want == have

    try:
        answer = json.loads(got)
    except ValueError:
        raise Failure(f"{shown}\n  is not JSON") from None
    check(covers(json.loads(wanted), answer), f"{shown}\n  does not have {wanted}")


def do_command(world, server, folder, content, values):
    line, wanted = content
    words = [str(world.canopy) if word == "canopy" else word for word in shlex.split(fill(line, values))]
    end = subprocess.run(words, capture_output=True, cwd=folder, stdin=subprocess.DEVNULL, timeout=300,
                         env=world.environment(CANOPY_URL=server.url))
    out, err = end.stdout.decode(errors="replace"), end.stderr.decode(errors="replace")
    shown = f"$ {line}\n{out}{err}? {end.returncode}"
    status = wanted["?"][0] if wanted["?"] else "0"
    check(status == str(end.returncode), f"{shown}\n  instead of ? {status}")
    for mark, text in (("|", out), ("!", err)):
        if wanted[mark] is not None:
            check_lines([fill(one, values) for one in wanted[mark]], text, shown)


def matches(wanted, got):
    if len(wanted) > 1 and wanted.startswith("/") and wanted.endswith("/"):
        return re.fullmatch(wanted[1:-1], got) is not None
    return wanted == got


def check_lines(wanted, text, shown):
    lines = text.splitlines()
    if not lines_match(wanted, lines):
        raise Failure(f"{shown}\n  instead of\n" + "\n".join(wanted))


def lines_match(wanted, lines):
    if not wanted:
        return not lines
    if wanted[0] == "...":
        return any(lines_match(wanted[1:], lines[at:]) for at in range(len(lines) + 1))
    return bool(lines) and matches(wanted[0], lines[0]) and lines_match(wanted[1:], lines[1:])
