"""The messages of HyperFaaS, by hand: enough of Protocol Buffers for a client without generated code."""


def varint(number):
    out = bytearray()
    while True:
        number, low = number >> 7, number & 127
        out.append(low | (128 if number else 0))
        if not number:
            return bytes(out)


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    value = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(value)) + value


def fields(data):
    """{number: [values]} of a message: numbers, doubles as 8 bytes, or bytes."""
    found, at = {}, 0

    def number():
        nonlocal at
        value, shift = 0, 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(data):
        key = number()
        if key & 7 == 0:
            value = number()
        else:
            size = 8 if key & 7 == 1 else number()
            value = data[at:at + size]
            at += size
        found.setdefault(key >> 3, []).append(value)
    return found


def first(data, number, default=b""):
    return fields(data).get(number, [default])[0]


def identity(text):
    return field(1, text)


def create(tag, memory=0, period=0, quota=0, timeout=0, concurrency=0):
    config = field(1, memory) + field(2, field(1, period) + field(2, quota)) + field(3, timeout) + field(4, concurrency)
    return field(1, field(1, tag)) + field(2, config)


def schedule(function, data, as_text=False):
    return field(1, function if as_text else identity(function)) + field(2, data)
