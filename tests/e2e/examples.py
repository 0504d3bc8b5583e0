"""The examples and the templates of `canopy new`: each is built, deployed and called with its own input."""
import struct
import zlib

from world import check


def check_reply(world, folder, name):
    server = world.shared_server()
    end = world.must("invoke", name, "-d", f"@{folder / 'input'}", url=server.url)
    expected = (folder / "expected").read_bytes()
    if expected.startswith(b"\x89PNG"):  # Compressors differ from version to version; pictures do not.
        check(pixels(end.stdout) == pixels(expected), "the picture is another")
    else:
        check(end.stdout == expected, f"the reply is {end.stdout[:500]!r}\n  instead of {expected[:500]!r}")


def check_example(world, folder):
    is_container = "runtime: container" in (folder / "canopy.yaml").read_text()
    if is_container:
        world.need_containers()
    if is_container or any(folder.glob("*.py")):  # Runs on a server alone.
        world.need_compiler(folder)
        world.must("deploy", folder, url=world.shared_server().url)
        return check_reply(world, folder, f"demo/{folder.name}")
    module = world.built(folder)
    server = world.shared_server()
    world.must("deploy", module, url=server.url)
    check_reply(world, folder, f"demo/{folder.name}")
    # And without a server.
    end = world.must("run", module, data=(folder / "input").read_bytes())
    expected = (folder / "expected").read_bytes()
    if not expected.startswith(b"\x89PNG"):
        check(end.stdout == expected, f"canopy run answers {end.stdout[:500]!r}\n  instead of {expected[:500]!r}")


def check_template(world, language):
    folder = world.fresh_folder("templates") / f"my-{language}"
    if language == "container":
        world.need_containers()
    world.must("new", language, folder)
    world.need_compiler(folder)
    world.must("deploy", folder, url=world.shared_server().url)
    check_reply(world, folder, f"default/my-{language}")


def pixels(png):
    """Width, height and the bytes of all points."""
    at, data, size = 8, b"", None
    while at < len(png):
        (length,), kind = struct.unpack(">I", png[at:at + 4]), png[at + 4:at + 8]
        content = png[at + 8:at + 8 + length]
        if kind == b"IHDR":
            size = struct.unpack(">IIBB", content[:10])
        elif kind == b"IDAT":
            data += content
        at += 12 + length
    width, height, depth, colour = size
    step = {0: 1, 2: 3, 4: 2, 6: 4}[colour] * depth // 8
    return size, unfiltered(zlib.decompress(data), width * step, height, step)


def unfiltered(raw, line, height, step):
    rows, above = [], bytes(line)
    for y in range(height):
        kind, row = raw[y * (line + 1)], bytearray(raw[y * (line + 1) + 1:(y + 1) * (line + 1)])
        for i in range(line):
            left, up, corner = (row[i - step], above[i], above[i - step]) if i >= step else (0, above[i], 0)
            guess = left + up - corner
            paeth = min((abs(guess - left), 0, left), (abs(guess - up), 1, up), (abs(guess - corner), 2, corner))[2]
            row[i] = (row[i] + (0, left, up, (left + up) // 2, paeth)[kind]) & 255
        rows.append(bytes(row))
        above = row
    return b"".join(rows)
