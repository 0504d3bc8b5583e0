# A function that dill has serialised: how its warmed process (zygote.py) loads it, once, and what its calls take
# and give. Only processes behind the walls of that function run this.
#
#   input    the arguments, (args, kwargs), as dill writes them; or that in base64, as a text
#   output   the result, in the same form; and of a call that fails the exception, as dill writes it
import codecs
import functools
import opcode
import sys
import traceback
import types

FIRST_BYTE = b"\x80"  # Of each pickle, and of no text.
TEXT_MAX = 16 * 1024
dill = None  # Imported with the first function.


class Missing(Exception):
    """The machine lacks something; the function may be good."""


def load(path):
    """The function at that path, as a handler."""
    global dill
    # Functions of a client's main module look for theirs, and shall not find the one that runs here.
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        import dill
    except ImportError:
        raise Missing(
            "the function is serialised with dill, which Python %d.%d cannot import here: install it for that "
            "Python (`%s -m pip install dill`), or name a folder that has it with --python-path"
            % (*sys.version_info[:2], sys.executable)
        ) from None
    with open(path, "rb") as file:
        function = dill.load(file)
    if not callable(function):
        raise TypeError("Payload is not callable")
    check_code(function)
    return functools.partial(run, function)


def run(function, request, context):
    body = request.body
    is_text = body[:1] != FIRST_BYTE
    args, kwargs = dill.loads(codecs.decode(body, "base64") if is_text else body)
    result = dill.dumps(function(*args, **kwargs))
    if is_text:
        return codecs.encode(result, "base64"), [("Content-Type", "text/plain")]
    return result, [("Content-Type", "application/x-pickle")]


def raised(error, size_max):
    """The exception, if it comes back from being serialised; else b""."""
    try:
        data = dill.dumps(error)
        if len(data) <= size_max and isinstance(dill.loads(data), BaseException):
            return data
    except BaseException:
        pass
    return b""


def traceback_of(error):
    """As Python prints it, but from the function's first line on."""
    frames = error.__traceback__
    while frames is not None and frames.tb_frame.f_code.co_filename.startswith("/canopy/"):
        frames = frames.tb_next
    try:
        lines = traceback.format_exception(type(error), error, frames)
    except Exception:
        lines = [type(error).__name__ + "\n"]
    return "".join(lines)[-TEXT_MAX:]


def check_code(function):
    """Refuses the instructions of another version of Python, as far as they differ from those of this one."""
    code = getattr(getattr(function, "__func__", function), "__code__", None)
    if isinstance(code, types.CodeType) and not is_of_this_python(code):
        raise ValueError(
            "the function was serialised by another version of Python, whose instructions Python %d.%d, which "
            "functions run with here, does not know" % sys.version_info[:2]
        )


def is_of_this_python(code):
    caches = getattr(opcode, "_inline_cache_entries", None)
    resume = opcode.opmap.get("RESUME")
    units = code.co_code
    at, seen = 0, set()
    while at < len(units):
        number = units[at]
        name = opcode.opname[number]
        if name.startswith("<") or name == "CACHE":
            return False
        seen.add(number)
        count = caches.get(name, 0) if isinstance(caches, dict) else caches[number] if caches else 0
        at += 2
        if any(units[at : at + 2 * count : 2]) or at + 2 * count > len(units):
            return False
        at += 2 * count
    if resume is not None and resume not in seen:
        return False
    inner = (value for value in code.co_consts if isinstance(value, types.CodeType))
    return all(map(is_of_this_python, inner))
