"""The samples of HyperFaaS: samples.py ADDRESS NAME... Prints nothing but what went wrong."""
import base64
import json
import sys
from concurrent.futures import ThreadPoolExecutor

import grpc
from client import Leaf, check
from messages import schedule

# What Go's gob writes of {Size: 150}; and, around a picture of 32 by 16 points, that it shall be 8 by 4.
GOB_OF_150 = bytes.fromhex("267f030101075265717565737401ff80000102010453697a65010400010453656564010400000007ff8001fe012c00")
JPEG = base64.b64decode(
    "/9j/2wCEABsSFBcUERsXFhceHBsgKEIrKCUlKFE6PTBCYFVlZF9VXVtqeJmBanGQc1tdhbWGkJ6jq62rZ4C8ybqmx5moq6QBHB4eKCMoTisrTqRuXW6kpKSkpKSk"
    "pKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpP/AABEIABAAIAMBIgACEQEDEQH/xAGiAAABBQEBAQEBAQAAAAAAAAAAAQIDBAUGBwgJ"
    "CgsQAAIBAwMCBAMFBQQEAAABfQECAwAEEQUSITFBBhNRYQcicRQygZGhCCNCscEVUtHwJDNicoIJChYXGBkaJSYnKCkqNDU2Nzg5OkNERUZHSElKU1RVVldYWVpj"
    "ZGVmZ2hpanN0dXZ3eHl6g4SFhoeIiYqSk5SVlpeYmZqio6Slpqeoqaqys7S1tre4ubrCw8TFxsfIycrS09TV1tfY2drh4uPk5ebn6Onq8fLz9PX29/j5+gEAAwEB"
    "AQEBAQEBAQAAAAAAAAECAwQFBgcICQoLEQACAQIEBAMEBwUEBAABAncAAQIDEQQFITEGEkFRB2FxEyIygQgUQpGhscEJIzNS8BVictEKFiQ04SXxFxgZGiYnKCkq"
    "NTY3ODk6Q0RFRkdISUpTVFVWV1hZWmNkZWZnaGlqc3R1dnd4eXqCg4SFhoeIiYqSk5SVlpeYmZqio6Slpqeoqaqys7S1tre4ubrCw8TFxsfIycrS09TV1tfY2dri"
    "4+Tl5ufo6ery8/T19vf4+fr/2gAMAwEAAhEDEQA/AMpbb2qVbb2rRW29qmW29q0lWOaliDOW29qmW29q0FtvapltvasZVj06WIP/2Q==")

GOB_OF_PICTURE = (bytes.fromhex("30ff81030101035069630"
                                "1ff820001030105496d616765010a000105576964746801040001064865696768740104000000fe0285ff8201fe027a") + JPEG +
                  bytes.fromhex("0110010800"))


def size_of(jpeg):
    """Width and height, out of the frame's head."""
    check(jpeg.startswith(b"\xff\xd8"), f"no JPEG: {jpeg[:20]!r}")
    at = 2
    while jpeg[at + 1] not in (0xc0, 0xc2):
        at += 2 + int.from_bytes(jpeg[at + 2:at + 4], "big")
    return int.from_bytes(jpeg[at + 7:at + 9], "big"), int.from_bytes(jpeg[at + 5:at + 7], "big")


def main():
    leaf = Leaf(sys.argv[1])
    ids = {name: leaf.create(f"hyperfaas-{name}:latest") for name in sys.argv[2:]}

    def call(name, data):
        return leaf.call(ids[name], data)[0]

    def fails(name, data):
        code, words, _ = leaf.refused("/leaf.Leaf/ScheduleCall", schedule(ids[name], data))
        check(words, f"{name} fails without a word")
        return code

    with ThreadPoolExecutor(8) as pool:
        slept = pool.submit(call, "sleep", b"") if "sleep" in ids else None
        crashed = pool.submit(fails, "crash", b"")
        check(call("hello", b"whatever") == b"HELLO WORLD!", "hello")
        check(call("echo", b"\0\xffbytes") == b"\0\xffbytes" and call("echo", b"") == b"", "echo")
        check(call("simul", b"x") == b"", "simul")
        graph = json.loads(call("bfs-json", b'{"Size":150,"Seed":1}'))
        check(graph["Result"][0] == 0 and sorted(graph["Result"]) == list(range(150)), f"{graph}")
        check(set(graph["Measurement"]) == {"GraphGeneratingTimeMicroseconds", "ComputeTimeMicroseconds"}, f"{graph}")
        check(json.loads(call("bfs-json", b'{"Size":150,"Seed":1}'))["Result"] == graph["Result"], "a seed makes another graph")
        orders = {tuple(json.loads(call("bfs-json", b'{"Size":150}'))["Result"]) for _ in range(3)}
        check(len(orders) > 1, "without a seed each graph is the same")
        check(b"Measurement" in call("bfs", GOB_OF_150), "bfs")
        picture = {"image": base64.b64encode(JPEG).decode(), "width": 8, "height": 4}
        check(size_of(call("thumbnailer-json", json.dumps(picture).encode())) == (8, 4), "thumbnailer-json")
        check(size_of(call("thumbnailer", GOB_OF_PICTURE)) == (8, 4), "thumbnailer")
        for name in ("bfs", "bfs-json", "thumbnailer", "thumbnailer-json"):
            check(fails(name, b"no such thing") == grpc.StatusCode.UNKNOWN, f"{name} takes anything")
        check(call("bfs-json", b'{"Size":1}') != b"", "bad input has ended it")
        check(crashed.result() in (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN), f"{crashed.result()}")
        check(call("hello", b"") == b"HELLO WORLD!", "a crash has ended others")
        check(slept is None or slept.result() == b"Finished Sleeping", "sleep")


main()
