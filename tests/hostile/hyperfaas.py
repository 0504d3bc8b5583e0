"""Clients of HyperFaaS's gRPC that send what no stub would: messages that are none, bodies without an end, thousands at once."""
import struct

from harness import Place, expect, wat
from http2 import DATA, END_HEADERS, END_STREAM, HEADERS, PREFACE, RST, SETTINGS, frame, read_frames

OK, INVALID, NOT_FOUND, EXHAUSTED, UNIMPLEMENTED, INTERNAL = "0", "3", "5", "8", "12", "13"
SCHEDULE = b"/leaf.Leaf/ScheduleCall"
CREATE = b"/leaf.Leaf/CreateFunction"


def make_place():
    return Place("--head-timeout=2s", "--body-timeout=400ms", "--write-timeout=1s", "--idle-timeout=30s", "--body-max=64KiB",
                 "--hyperfaas=auto")


def literal(name, value):
    """A header that no table has."""
    return b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value


def head(path, authority=b"x", *more):
    fields = b"\x83\x86\x44" + bytes([len(path)]) + path + b"\x41" + bytes([len(authority)]) + authority
    return fields + literal(b"content-type", b"application/grpc") + literal(b"te", b"trailers") + b"".join(more)


def message(data, flag=0, size=None):
    return bytes([flag]) + struct.pack(">I", len(data) if size is None else size) + data


def field(number, value):
    return bytes([number << 3 | 2, len(value)]) + value


def statuses(server, requests, timeout=60):
    """How each of (head, pieces of its body, whether it ends) is answered: the status of gRPC, or what took its place."""
    with server.connect(timeout) as connection:
        data = PREFACE + frame(SETTINGS, 0, 0, struct.pack(">HI", 1, 0))  # No table: so headers come as they are.
        for number, (fields, pieces, ends) in enumerate(requests):
            stream = 2 * number + 1
            data += frame(HEADERS, END_HEADERS | (END_STREAM if ends and not pieces else 0), stream, fields)
            for index, piece in enumerate(pieces):
                data += frame(DATA, END_STREAM if ends and index + 1 == len(pieces) else 0, stream, piece)
        connection.sendall(data)
        found = {}
        for kind, flags, stream, payload in read_frames(connection):
            if kind == HEADERS and (said := status_of(payload)) is not None:
                found[stream] = said
            if kind == RST:
                found.setdefault(stream, "reset")
            if len(found) == len(requests):
                break
        return [found.get(2 * number + 1) for number in range(len(requests))]


CODED_NAME = bytes.fromhex("9acac8b21234da8f")  # "grpc-status", in Huffman's code.


def status_of(block):
    """The name stands there coded, and its value plain: of two digits the code is no shorter."""
    at = block.find(CODED_NAME)
    if at < 0:
        return None
    at += len(CODED_NAME)
    return block[at + 1:at + 1 + block[at]].decode(errors="replace")


def echo_function(server):
    """The id of a function that echoes."""
    with server.connect() as connection:
        body = message(field(1, field(1, b"neighbour/echo")))
        connection.sendall(PREFACE + frame(SETTINGS) + frame(HEADERS, END_HEADERS, 1, head(CREATE)) + frame(DATA, END_STREAM, 1, body))
        for kind, _, _, payload in read_frames(connection):
            if kind == DATA and payload:
                return payload[-36:]
    raise AssertionError("no function was made")


def call(function, data=b"hi"):
    return message(field(1, field(1, function)) + field(2, data))


def test_it_works_at_all(server):
    function = echo_function(server)
    expect(statuses(server, [(head(SCHEDULE), [call(function)], True)] * 20) == [OK] * 20, "an honest call failed")


def test_messages_that_are_none(server):
    good = call(echo_function(server))
    odd = {"nothing": (b"", INTERNAL), "a cut prefix": (good[:3], INTERNAL), "a cut message": (good[:-1], INTERNAL),
           "a length too great": (message(good[5:], size=len(good)), INTERNAL), "a giant length": (message(b"x", size=0xffffffff), EXHAUSTED),
           "a length too small": (message(good[5:], size=len(good) - 7), INTERNAL), "a compressed one": (message(good[5:], 1), UNIMPLEMENTED),
           "a flag that is none": (message(good[5:], 9), INTERNAL), "two": (good + good, INTERNAL),
           "no Protocol Buffers": (message(b"\xff" * 20), INVALID), "an id that is none": (call(b"../../etc"), NOT_FOUND),
           "nested without end": (message(field(1, field(1, field(1, field(1, b"x"))))), NOT_FOUND)}
    for name, (body, status) in odd.items():
        answers = statuses(server, [(head(SCHEDULE), [body] if body else [b""], True), (head(SCHEDULE), [good], True)])
        expect(answers == [status, OK], f"{name}: {answers} instead of {status}")


def test_methods_that_are_none(server):
    paths = [b"/", b"//", b"/leaf.Leaf", b"/leaf.Leaf/", b"/leaf.Leaf/Nothing", b"/a" * 50, b"/%00/\xff", b"/grpc.reflection.v1/X"]
    answers = statuses(server, [(head(path), [message(b"")], True) for path in paths])
    expect(answers == [UNIMPLEMENTED] * len(paths), f"{answers}")


def test_a_message_past_the_limit(server):
    function = echo_function(server)
    pieces = [message(b"", size=1 << 20)] + [b"x" * 16384] * 8
    answers = statuses(server, [(head(SCHEDULE), pieces, True), (head(SCHEDULE), [call(function)], True)])
    expect(answers == [EXHAUSTED, OK], f"{answers}")


def test_bodies_without_an_end(server):
    """Each is given up in time, in gRPC's words, and the next one is served."""
    good = call(echo_function(server))
    requests = [(head(SCHEDULE), [good], False)] * 30 + [(head(SCHEDULE), [good[:7]], False)] * 30
    answers = statuses(server, requests)
    expect(answers == ["4"] * 60, f"{answers}")
    expect(statuses(server, [(head(SCHEDULE), [good], True)]) == [OK], "nobody is served any more")


def test_trailers_of_a_client(server):
    """They mean nothing in a request, and do no harm."""
    good = call(echo_function(server))
    with server.connect() as connection:
        connection.sendall(PREFACE + frame(SETTINGS, 0, 0, struct.pack(">HI", 1, 0)) + frame(HEADERS, END_HEADERS, 1, head(SCHEDULE)) +
                           frame(DATA, 0, 1, good) + frame(HEADERS, END_HEADERS | END_STREAM, 1, literal(b"grpc-status", b"0")))
        said = [status_of(payload) for kind, _, stream, payload in read_frames_until_end(connection, 1) if kind == HEADERS and stream == 1]
        expect(said[-1:] == [OK], f"{said}")


def read_frames_until_end(connection, wanted):
    for kind, flags, stream, payload in read_frames(connection):
        yield kind, flags, stream, payload
        if stream == wanted and (kind == RST or flags & END_STREAM and kind in (DATA, HEADERS)):
            return


def test_headers_that_are_odd(server):
    good = call(echo_function(server))
    odd = [literal(b"grpc-timeout", value) for value in (b"soon", b"-1S", b"999999999S", b"1s", b"\xff")]
    answers = statuses(server, [(head(SCHEDULE, b"x", one), [good], True) for one in odd])
    expect(answers == [INVALID] * len(odd), f"{answers}")
    fine = [literal(b"grpc-timeout", b"99999999H"), literal(b"grpc-encoding", b"gzip"), literal(b"x-bin", b"!!"), literal(b"grpc-status", b"7")]
    answers = statuses(server, [(head(SCHEDULE, b"x", one), [good], True) for one in fine])
    expect(answers == [OK] * len(fine), f"{answers}")


def test_authorities_that_are_none(server):
    strangers = [b"0f8fad5b-d9cb-469f-a165-70867728950e", b"0f8fad5b-d9cb-469f-a165-70867728950e:50053"]
    answers = statuses(server, [(head(b"/a.B/C", one), [message(b"")], True) for one in strangers])
    expect(answers == [NOT_FOUND] * 2, f"{answers}")
    others = [b"", b":", b"../x", b"neighbour", b"0F8FAD5B-D9CB-469F-A165-70867728950E", b"[::1]:1"]
    answers = statuses(server, [(head(b"/a.B/C", one), [message(b"")], True) for one in others])
    expect(all(one in (UNIMPLEMENTED, "reset") for one in answers), f"{answers}")


def test_streams_that_nobody_follows(server):
    """Many are opened and reset, and many left open when their connection goes."""
    for _ in range(5):
        with server.connect() as connection:
            data = PREFACE + frame(SETTINGS)
            for number in range(300):
                path = b"/leaf.Leaf/State" if number % 2 else b"/grpc.health.v1.Health/Watch"
                data += frame(HEADERS, END_HEADERS, 2 * number + 1, head(path)) + frame(DATA, END_STREAM, 2 * number + 1, message(b""))
                if number % 3 == 0:
                    data += frame(RST, 0, 2 * number + 1, b"\0\0\0\x08")
            connection.sendall(data)
            next(read_frames(connection))
    expect(statuses(server, [(head(b"/grpc.health.v1.Health/Check"), [message(b"")], True)]) == [OK], "its health is not told")


def test_functions_that_do_not_answer_well(server):
    server.deployed("victim/trap", wat("""(module (memory (export "memory") 1) (func (export "_start") unreachable))"""))
    with server.connect() as connection:
        body = message(field(1, field(1, b"victim/trap")))
        connection.sendall(PREFACE + frame(SETTINGS) + frame(HEADERS, END_HEADERS, 1, head(CREATE)) + frame(DATA, END_STREAM, 1, body))
        function = next(payload[-36:] for kind, _, _, payload in read_frames(connection) if kind == DATA and payload)
    answers = statuses(server, [(head(SCHEDULE), [call(function)], True)] * 50)
    expect(answers == [INTERNAL] * 50, f"{answers}")


def wide(number, value):
    """A field of any size."""
    size, length = b"", len(value)
    while True:
        size += bytes([length & 0x7f | (0x80 if length > 0x7f else 0)])
        length >>= 7
        if not length:
            return bytes([number << 3 | 2]) + size + value


def create(server, tag):
    """The status of CreateFunction for that tag."""
    return statuses(server, [(head(CREATE), [message(wide(1, wide(1, tag)))], True)])[0]


def test_tags_that_are_none(server):
    odd = [b"neighbour/echo:\xff", b"neighbour/echo:a\nb", b"neighbour/echo:\0", b"neighbour/echo: x", b"../..", b"", b"/", b":", b"@", b"neighbour/echo\x7f",
           b"x" * 5000]
    answers = [create(server, tag) for tag in odd]
    expect(answers == [INVALID] * len(odd), f"{answers}")
    expect(create(server, b"neighbour/echo:1.0") == OK, "a good one is refused")
    listed = server.request("GET", "/v1/functions")
    expect(listed.status == 200 and b"\\u0000" not in listed.body, "an odd tag is in the list")


def test_starts_without_a_stop(server):
    """Instances are names here: thousands of them cost little, are in turns, and end when nobody calls them."""
    function = echo_function(server)
    start, stop = b"/controller.Controller/Start", b"/controller.Controller/Stop"
    body = message(field(1, function))
    for _ in range(10):
        answers = statuses(server, [(head(start), [body], True)] * 100)
        expect(answers == [OK] * 100, f"{set(answers)}")
    controlled = message(wide(3, b"hi") + field(4, field(1, function)))
    expect(statuses(server, [(head(b"/controller.Controller/Call"), [controlled], True)] * 20) == [OK] * 20, "they cannot be called")
    odd = [b"", b"\xff" * 12, b"a" * 12, b"0" * 5000, b"../../etc", function]
    expect(statuses(server, [(head(stop), [message(wide(1, one))], True) for one in odd]) == [NOT_FOUND] * len(odd), "one that is none was stopped")


test_starts_without_a_stop.rss_margin = 64 << 20


def test_listeners_without_end(server):
    """More than may be are told so; none is in the way of calls; and when they go, all their places are free."""
    status, state = b"/controller.Controller/Status", b"/leaf.Leaf/State"
    function = echo_function(server)
    for _ in range(2):
        open_ones, refused = [], 0
        try:
            for _ in range(4):
                connection = server.connect(30)
                open_ones.append(connection)
                data = PREFACE + frame(SETTINGS, 0, 0, struct.pack(">HI", 1, 0))
                for number in range(90):
                    path = status if number % 2 else state
                    data += frame(HEADERS, END_HEADERS, 2 * number + 1, head(path)) + frame(DATA, END_STREAM, 2 * number + 1, message(field(1, b"leaf")))
                connection.sendall(data)
                begun = set()
                for kind, _, stream, payload in read_frames(connection):
                    if kind in (HEADERS, RST) and stream and stream not in begun:
                        begun.add(stream)
                        refused += status_of(payload) == EXHAUSTED
                    if len(begun) == 90:
                        break
            expect(refused <= 4 * 90 - 2 * 64, f"{refused} of 360 were refused")
            answers = statuses(server, [(head(SCHEDULE), [call(function)], True)] * 50)
            expect(answers == [OK] * 50, f"{answers}")
        finally:
            for connection in open_ones:
                connection.close()


def test_listeners_that_never_read(server):
    """Events without end for one that takes none: it is let go of, and what waits for it has an end."""
    function = echo_function(server)
    with server.connect(30, receive_buffer=4096) as deaf:
        deaf.sendall(PREFACE + frame(SETTINGS, 0, 0, struct.pack(">HIHI", 1, 0, 4, 0)) + frame(HEADERS, END_HEADERS, 1, head(b"/controller.Controller/Status")) +
                     frame(DATA, END_STREAM, 1, message(field(1, b"deaf"))))
        for _ in range(5):
            answers = statuses(server, [(head(b"/controller.Controller/Start"), [message(field(1, function))], True)] * 100)
            expect(answers == [OK] * 100, f"{set(answers)}")


def test_deadlines_that_are_over(server):
    good = call(echo_function(server))
    zero = [literal(b"grpc-timeout", value) for value in (b"0n", b"0H", b"00000000S")]
    answers = statuses(server, [(head(SCHEDULE, b"x", one), [good], True) for one in zero])
    expect(answers == ["4"] * len(zero), f"{answers}")
    odd = [literal(b"grpc-timeout", value) for value in (b"n", b"", b"1", b"+1S", b" 1S", b"1 S", b"0x1S", b"123456789n", b"1.5S")]
    answers = statuses(server, [(head(SCHEDULE, b"x", one), [good], True) for one in odd])
    expect(all(one in (INVALID, "reset") or one == OK and header == odd[1] for one, header in zip(answers, odd)), f"{answers}")


def test_metadata_without_end(server):
    """It has the limit that all headers have, and the next one is served."""
    good = call(echo_function(server))
    many = [literal(b"x-%d" % number, b"v" * 100) for number in range(100)]
    answers = statuses(server, [(head(SCHEDULE, b"x", *many), [good], True)])
    expect(answers[0] in (OK, "reset", EXHAUSTED), f"{answers}")
    with server.connect(30) as connection:
        block = head(SCHEDULE) + b"".join(literal(b"x-%d" % number, b"v" * 120) for number in range(2000))
        data = PREFACE + frame(SETTINGS) + frame(HEADERS, 0, 1, block[:16000])
        for at in range(16000, len(block), 16000):
            data += frame(9, END_HEADERS if at + 16000 >= len(block) else 0, 1, block[at:at + 16000])
        try:
            connection.sendall(data)
            for kind, flags, stream, _ in read_frames(connection):
                if stream == 1 and (kind == RST or flags & END_STREAM):
                    break
        except OSError:
            pass
    expect(statuses(server, [(head(SCHEDULE), [good], True)]) == [OK], "nobody is served any more")


def test_functions_that_answer_with_headers_of_grpcs(server):
    """What a function says of its own status is believed as far as there is one, and breaks no answer."""
    for at, (headers, status) in enumerate((('"grpc-status": "7", "grpc-message": "%zz%00%0a"', "7"), ('"grpc-status": "99"', OK), ('"grpc-status": "-1"', OK),
                                            ('"connection": "close", "transfer-encoding": "chunked", "content-length": "9999"', OK))):
        source = "export default () => new Response('x', {headers: {%s}})" % headers
        server.deployed(f"victim/answers-{at}", source.encode(), "?runtime=js")
        with server.connect() as connection:
            body = message(field(1, field(1, b"victim/answers-%d" % at)))
            connection.sendall(PREFACE + frame(SETTINGS) + frame(HEADERS, END_HEADERS, 1, head(CREATE)) + frame(DATA, END_STREAM, 1, body))
            function = next(payload[-36:] for kind, _, _, payload in read_frames(connection) if kind == DATA and payload)
        answers = statuses(server, [(head(b"/a.B/C", function), [message(b"")], True)])
        expect(answers == [status], f"{headers}: {answers}")
