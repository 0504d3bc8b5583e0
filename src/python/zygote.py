# The warmed process of one version of a function, and the calls that are forked from it. It runs as process 1
# of a sandbox that src/python/sandbox.cc built, and speaks with the server as src/wire/python_frames.h says.
#
# It is the function's own process: what the function does while it is imported happens here. Calls do not: each
# leaves this process behind before it reads the first byte of what a client sent.
import _thread
import ctypes
import errno
import gc
import importlib.util
import inspect
import json
import os
import resource
import select
import signal
import socket
import struct
import sys
import time
import traceback
import urllib.parse

NEW_MOUNT, NEW_UTS, NEW_IPC = 0x00020000, 0x04000000, 0x08000000
NEW_USER, NEW_PID, NEW_NET = 0x10000000, 0x20000000, 0x40000000
NO_SUID, NO_DEVICES, NO_EXEC = 2, 4, 8
PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP = 24, 38, 22
MEBIBYTE = 1 << 20
SLACK = 64 * MEBIBYTE  # Of address space: stacks of threads, mapped libraries.
CALL_SOCKET, WALLS_SOCKET = 3, 4
SWEEPS = 4  # At once.
# While the function is imported. Later more: see sandbox.cc.
FILES_MAX = 4096
PROCESSES_MAX = 256  # And threads.
TEXT_MAX = 16 * 1024  # Of a traceback or a message.
TRACEBACK = "Traceback (most recent call last):\n"
HANDLERS = ("handle", "handler", "main")
SOURCE = "/function/handler.py"
SERIALISED = "/canopy/serialised.py"

serialised = None  # That module, where the function is one that dill has serialised.
libc = ctypes.CDLL(None, use_errno=True)


def check(result, what):
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)


def encoded(text):
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # Half of a pair, which no file name or variable has.
        return text.encode("utf-8", "backslashreplace")


def pack(fields):
    parts = [struct.pack("<I", len(fields))]
    for field in fields:
        data = field if isinstance(field, bytes) else encoded(str(field))
        parts.append(struct.pack("<I", len(data)))
        parts.append(data)
    return b"".join(parts)


def unpack(data):
    count = struct.unpack_from("<I", data)[0]
    at, fields = 4, []
    for _ in range(count):
        size = struct.unpack_from("<I", data, at)[0]
        fields.append(bytes(data[at + 4 : at + 4 + size]))
        at += 4 + size
    return fields


def text_of(data):
    return data.decode("utf-8", "surrogateescape")


class Setup:
    def __init__(self, fields):
        (_, name, version, memory, output, tmp, files, processes, network, keeps, self.filter) = fields[:11]
        self.name, self.version = text_of(name), int(version)
        self.memory, self.output, self.tmp = int(memory), int(output), int(tmp)
        self.files, self.processes, self.network = int(files), int(processes), network == b"1"
        self.keeps = keeps == b"1"
        self.env = dict(zip(map(text_of, fields[11::2]), map(text_of, fields[12::2])))


class Headers(dict):
    """Headers of the request by name, however that is written; of several of one name, the last."""

    def __init__(self, pairs):
        super().__init__((name.lower(), value) for name, value in pairs)

    def __getitem__(self, name):
        return super().__getitem__(name.lower())

    def __contains__(self, name):
        return super().__contains__(name.lower())

    def get(self, name, default=None):
        return super().get(name.lower(), default)


class Request:
    """What a client asks."""

    def __init__(self, fields, body):
        (call, method, path, query) = map(text_of, fields[:4])
        self.id, self.method, self.path, self.query_string = call, method, path, query
        self.attempt = int(fields[4])
        self._left = int(fields[5]) / 1e6
        self._began = time.monotonic()
        rest = [field.decode("latin-1") for field in fields[6:]]
        self.headers = Headers(zip(rest[::2], rest[1::2]))
        self.body = body

    @property
    def text(self):
        return self.body.decode("utf-8")

    def json(self):
        return json.loads(self.body)

    @property
    def query(self):
        return dict(urllib.parse.parse_qsl(self.query_string, keep_blank_values=True))

    def time_left(self):
        """Seconds until the call is ended."""
        return max(0.0, self._left - (time.monotonic() - self._began))


class Context:
    """Where the call runs: the second argument of a handler that has one."""

    def __init__(self, setup, request):
        self.call_id, self.attempt, self.time_left = request.id, request.attempt, request.time_left
        self.function, self.version = setup.name, setup.version


def load_module(name, path):
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def load_function():
    global serialised
    with open(SOURCE, "rb") as file:
        if file.read(1) == b"\x80":  # The first byte of a pickle, and of no text.
            serialised = load_module("canopy_serialised", SERIALISED)
            return serialised.load(SOURCE)
    module = load_module("handler", SOURCE)
    for name in HANDLERS:
        found = getattr(module, name, None)
        if callable(found):
            return adapt(found, name)
    raise LookupError("there is no handler: write `def handle(request):`")


def adapt(function, name):
    """The handler as a function of (request, context), whatever it takes."""
    if inspect.iscoroutinefunction(function):
        raise TypeError(name + "() is async, and handlers are not: call asyncio.run() in it")
    try:
        kinds = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return lambda request, context: function(request)
    plain = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    needed = sum(p.kind in plain and p.default is p.empty for p in kinds)
    offered = sum(p.kind in plain for p in kinds)
    if needed > 2:
        raise TypeError("%s() wants %d arguments, and gets the request and the context" % (name, needed))
    if needed == 2 or any(p.kind == inspect.Parameter.VAR_POSITIONAL for p in kinds):
        return function
    if offered == 0:
        return lambda request, context: function()
    return lambda request, context: function(request)


def own_traceback(error):
    """As Python prints it, but from the function's first line on."""
    frames = error.__traceback__
    while frames is not None and not frames.tb_frame.f_code.co_filename.startswith(("/function", "/site")):
        frames = frames.tb_next
    try:
        lines = traceback.format_exception(type(error), error, frames)
    except Exception:
        lines = [type(error).__name__ + "\n"]
    return "".join(lines)[-TEXT_MAX:]


def headed(trace):
    """With the line that tells it from the message before it, which no frame of the function's or a cut at the front
    leaves out."""
    return trace if trace.startswith(TRACEBACK) else TRACEBACK + trace


def message_of(error):
    try:
        return str(error)[:TEXT_MAX]
    except Exception:
        return "(its message cannot be read)"


def status_of(value):
    if isinstance(value, bool) or not isinstance(value, int) or not 200 <= value <= 599:
        raise ValueError("a status is a whole number from 200 to 599, not %.100r" % (value,))
    return int(value)


def header_list(headers):
    pairs = headers.items() if hasattr(headers, "items") else headers
    found = []
    for name, value in pairs:
        for one in value if isinstance(value, (list, tuple)) else (value,):
            found.append((str(name), str(one)))
    return found


def json_of(value):
    """Python's own words for what JSON has none for, NaN and Infinity, no other reader takes."""
    try:
        return json.dumps(value, allow_nan=False).encode()
    except ValueError as error:
        if not str(error).startswith("Out of range float"):
            raise
    raise ValueError("the result holds a NaN or an infinity, which JSON cannot say; return None or a text for it")


def answer_of(result):
    """Status, headers and body of what a handler returned."""
    status, headers = 200, []
    if isinstance(result, tuple):
        if not 2 <= len(result) <= 3:
            raise TypeError("a tuple is (body, status), (body, headers) or (body, status, headers)")
        body, rest = result[0], result[1:]
        if len(rest) == 2 or not isinstance(rest[0], (dict, list)):
            status, rest = status_of(rest[0]), rest[1:]
        if rest and rest[0] is not None:
            headers = header_list(rest[0])
    elif isinstance(result, dict) and "statusCode" in result:
        status = status_of(result["statusCode"])
        headers = header_list(result.get("headers") or {})
        body = result.get("body")
    else:
        body = result
    kind = None
    if body is None:
        data = b""
    elif isinstance(body, (bytes, bytearray, memoryview)):
        data = bytes(body)
    elif isinstance(body, str):
        data, kind = body.encode("utf-8", "replace"), "text/plain; charset=utf-8"
    elif isinstance(body, (dict, list, int, float, tuple)):
        data, kind = json_of(body), "application/json"
    else:
        raise TypeError("a handler returns str, bytes, what JSON can say, or None; not " + type(body).__name__)
    if kind and not any(name.lower() == "content-type" for name, _ in headers):
        headers.append(("Content-Type", kind))
    return status, headers, data


def send(kind, fields, output=b""):
    head = pack(fields)
    first = struct.pack("<cIQ", kind, len(head), len(output)) + head
    if len(output) < 1 << 16:
        first, output = first + output, b""
    for left in (memoryview(first), memoryview(output)):
        while left:
            left = left[os.write(CALL_SOCKET, left[: 1 << 20]) :]


def grown(data, size):
    """`data` and what follows it, `size` bytes together."""
    whole = bytearray(size)
    whole[: len(data)] = data
    left = memoryview(whole)[len(data) :]
    while left:
        got = os.readv(CALL_SOCKET, [left[: 1 << 20]])
        if got == 0:
            os._exit(0)  # Nobody wants to know any more.
        left = left[got:]
    return whole


def receive_call():
    data = os.read(CALL_SOCKET, 1 << 16)  # Nothing comes after it: most calls are whole then.
    if len(data) < 12:
        data = grown(data, 12)
    head_size, input_size = struct.unpack_from("<IQ", data)
    body_at = 12 + head_size
    if len(data) < body_at + input_size:
        data = grown(data, body_at + input_size)
    view = memoryview(data)
    return Request(unpack(view[12:body_at]), bytes(view[body_at:]))


def limit_of(error):
    """Which of the call's limits an exception is about; "" for none."""
    if isinstance(error, MemoryError):
        return "memory"
    if isinstance(error, RuntimeError) and "can't start new thread" in message_of(error):
        return "processes"
    if isinstance(error, OSError):
        return {
            errno.EMFILE: "open_files",
            errno.ENOMEM: "memory",
            errno.ENOSPC: "tmp",
            errno.EFBIG: "tmp",
            errno.EAGAIN: "processes" if not isinstance(error, TimeoutError) else "",
        }.get(error.errno, "")
    return ""


def flush():
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:
            pass
    libc.fflush(None)


def end_others():
    """Ends all processes that a call has started, from the first one of its namespace, which goes on."""
    if os.getpid() != 1:
        return
    try:
        os.kill(-1, signal.SIGKILL)
        while True:
            os.waitpid(-1, 0)
    except (ProcessLookupError, ChildProcessError):
        pass


def run_call(handler, setup):
    request = receive_call()
    try:
        status, headers, output = answer_of(handler(request, Context(setup, request)))
        flush()
        if setup.keeps:
            end_others()
        flat = [part.encode("latin-1", "replace") for pair in headers for part in pair]
        if len(output) > setup.output:
            return send(b"L", ["output", "", "", ""])
        send(b"R", [status] + flat, output)
    except SystemExit as error:
        flush()
        code = error.code if isinstance(error.code, int) else 0 if error.code is None else 1
        if code != 0 and not isinstance(error.code, int):
            os.write(2, (message_of(error) + "\n").encode("utf-8", "replace"))
        os._exit(code & 255)
    except BaseException as error:
        limit = limit_of(error)
        trace = headed(serialised.traceback_of(error) if serialised else own_traceback(error))
        try:
            sys.stderr.write(trace)
        except Exception:
            pass
        flush()
        fields = [type(error).__name__, message_of(error), trace]
        if limit:
            return send(b"L", [limit] + fields)
        send(b"E", fields, serialised.raised(error, setup.output) if serialised else b"")


def seal(setup, number):
    """Leaves all that belongs to the warmed process, for good."""
    spaces = NEW_MOUNT | NEW_IPC | NEW_UTS | (0 if setup.network else NEW_NET)
    check(libc.unshare(spaces), "namespaces")
    room = ("size=%d,nr_inodes=%d,mode=1777" % (setup.tmp, 1024 + setup.tmp // 4096)).encode()
    check(libc.mount(b"tmpfs", b"/tmp", b"tmpfs", NO_SUID | NO_DEVICES, room), "/tmp")
    check(libc.mount(b"proc", b"/proc", b"proc", NO_SUID | NO_DEVICES | NO_EXEC, None), "/proc")
    show_walls(number)
    check(libc.unshare(NEW_USER), "user namespace")
    for name, value in (("setgroups", b"deny"), ("uid_map", b"1000 0 1"), ("gid_map", b"1000 0 1")):
        file = os.open("/proc/self/" + name, os.O_WRONLY)
        os.write(file, value)
        os.close(file)
    set_limits(setup)
    header = struct.pack("<II", 0x20080522, 0)
    check(libc.capset(header, bytes(24)), "capabilities")
    program = ctypes.create_string_buffer(setup.filter, len(setup.filter))
    described = struct.pack("@HP", len(setup.filter) // 8, ctypes.addressof(program))
    check(libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no new privileges")
    check(libc.prctl(PR_SET_SECCOMP, 2, described, 0, 0), "filter of system calls")
    os.chdir("/function")


def set_limits(setup):
    page = os.sysconf("SC_PAGE_SIZE")
    with open("/proc/self/statm", "rb") as file:
        sizes = file.read().split()
    mapped, data = int(sizes[0]) * page, int(sizes[5]) * page
    for name, value in (
        (resource.RLIMIT_DATA, data + setup.memory),
        (resource.RLIMIT_AS, mapped + setup.memory + SLACK),
        (resource.RLIMIT_NOFILE, setup.files),
        (resource.RLIMIT_NPROC, setup.processes),
        (resource.RLIMIT_FSIZE, max(setup.tmp, 1)),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_MSGQUEUE, 0),
    ):
        resource.setrlimit(name, (value, value))


def show_walls(number):
    """Gives the warmed process a hold on this one's mounts, if it can: see Zygote.let_go()."""
    with socket.socket(fileno=WALLS_SOCKET) as to:
        walls = os.open("/proc/self/ns/mnt", os.O_RDONLY)
        try:
            socket.send_fds(to, [number], [walls], socket.MSG_DONTWAIT)
        except OSError:
            pass
        os.close(walls)


def be_call(handler, setup, number, walls, call, log):
    """The whole life of a call's process."""
    code = 0
    try:
        os.setsid()  # Else a signal to its group would end the warmed process, and other calls.
        for output in (1, 2):
            os.dup2(log, output)
        os.dup2(call, CALL_SOCKET)
        os.dup2(walls, WALLS_SOCKET)
        os.closerange(WALLS_SOCKET + 1, 1 << 16)
        numpy = sys.modules.get("numpy.random")
        if numpy is not None:
            numpy.seed()  # All calls would draw the same numbers.
        try:
            seal(setup, number)
        except BaseException as error:
            send(b"P", [message_of(error)])
            os._exit(1)
        run_call(handler, setup)
        while setup.keeps and os.getpid() == 1:  # Whoever is not to go on is killed.
            run_call(handler, setup)
    except BaseException:
        code = 1
    os._exit(code)


def sweep(own):
    while True:
        data, files, _, _ = socket.recv_fds(own, 1, 1)
        if not data:
            os._exit(0)
        for file in files:
            os.close(file)
        own.send(data)


def start_sweeper():
    """A process that closes what it is sent, some at once, since each waits, and says so."""
    to, own = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    if os.fork() == 0:
        os.dup2(own.fileno(), CALL_SOCKET)
        os.closerange(CALL_SOCKET + 1, 1 << 16)
        own = socket.socket(fileno=CALL_SOCKET)
        for _ in range(SWEEPS - 1):
            _thread.start_new_thread(sweep, (own,))
        sweep(own)
    own.close()
    return to


class Zygote:
    def __init__(self, control, setup, handler):
        self.control, self.setup, self.handler = control, setup, handler
        self.own_space = os.open("/proc/self/ns/pid", os.O_RDONLY)
        self.sweeper, self.sweeping = start_sweeper(), 0
        self.shown, self.show = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.poll = select.epoll()
        self.poll.register(control.fileno(), select.EPOLLIN)
        self.poll.register(self.shown.fileno(), select.EPOLLIN)
        self.calls = {}  # By pidfd: process and number.
        self.walls = {}  # By number: a hold on the mounts of one that lives; None before it has shown them.

    def serve(self):
        while True:
            for number, _ in self.poll.poll():
                if number == self.shown.fileno():
                    self.hold()
                elif number != self.control.fileno():
                    self.bury(number)
                elif not self.begin():
                    return

    def hold(self):
        number, files, _, _ = socket.recv_fds(self.shown, 64, 1)
        for file in files:
            if number in self.walls:
                self.walls[number] = file
            else:
                self.let_go(file)

    def let_go(self, walls):
        """Who is the last to let go of mounts takes them down, for milliseconds: that is to be neither the call's last
        process, whose end is waited for, nor this one. But there are not to be many: in them are files of calls."""
        try:
            while self.sweeping and self.sweeper.recv(1, socket.MSG_DONTWAIT):
                self.sweeping -= 1
        except BlockingIOError:
            pass
        try:
            if self.sweeping < 2 * SWEEPS:
                socket.send_fds(self.sweeper, [b"."], [walls], socket.MSG_DONTWAIT)
                self.sweeping += 1
        except OSError:
            pass
        os.close(walls)

    def begin(self):
        data, files, _, _ = socket.recv_fds(self.control, 4096, 2)
        if not data:
            return False
        number = unpack(data)[1]
        try:
            check(libc.unshare(NEW_PID), "process namespace")
            try:
                process = os.fork()
            except OSError:
                process = -1
            if process == 0:
                be_call(self.handler, self.setup, number, self.show.fileno(), *files)
            check(libc.setns(self.own_space, NEW_PID), "own process namespace")
        finally:
            for file in files:
                os.close(file)
        if process < 0:
            self.control.send(pack(["ended", number, -1, 0, 0]))
            return True
        handle = os.pidfd_open(process)
        self.calls[handle] = (process, number)
        self.walls[number] = None
        self.poll.register(handle, select.EPOLLIN)
        try:
            socket.send_fds(self.control, [pack(["begun", number])], [handle])
        except OSError as error:  # Others of this user have too many descriptors on their way.
            if error.errno != errno.ETOOMANYREFS:
                raise
            os.kill(process, signal.SIGKILL)
        return True

    def bury(self, handle):
        process, number = self.calls.pop(handle)
        self.poll.unregister(handle)
        os.close(handle)
        _, status, usage = os.wait4(process, 0)
        spent = int((usage.ru_utime + usage.ru_stime) * 1e6)
        self.control.send(pack(["ended", number, status, spent, usage.ru_maxrss * 1024]))
        walls = self.walls.pop(number)
        if walls is not None:
            self.let_go(walls)


def main():
    hard = resource.getrlimit(resource.RLIMIT_STACK)[1]
    resource.setrlimit(resource.RLIMIT_STACK, (8 * MEBIBYTE if hard < 0 else min(hard, 8 * MEBIBYTE), hard))
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, FILES_MAX), hard))
    hard = resource.getrlimit(resource.RLIMIT_NPROC)[1]
    resource.setrlimit(resource.RLIMIT_NPROC, (PROCESSES_MAX if hard < 0 else min(hard, PROCESSES_MAX), hard))
    control = socket.socket(fileno=3)
    setup = Setup(unpack(control.recv(1 << 20)))
    os.environ.update(setup.env)
    folders = sorted(os.listdir("/path"), key=int) if os.path.isdir("/path") else []
    sys.path[:0] = ["/function", "/site"] + ["/path/" + name for name in folders]
    sys.stdout.reconfigure(line_buffering=True, errors="backslashreplace")
    try:
        handler = load_function()
    except BaseException as error:
        if serialised and isinstance(error, serialised.Missing):
            control.send(pack(["broken", message_of(error)]))
            os._exit(1)
        text = own_traceback(error) if error.__traceback__ else message_of(error)
        control.send(pack(["failed", text]))
        os._exit(1)
    logging = sys.modules.get("logging")
    if logging is not None and not logging.root.handlers:
        logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    for name in (resource.RLIMIT_NOFILE, resource.RLIMIT_NPROC):
        hard = resource.getrlimit(name)[1]
        resource.setrlimit(name, (hard, hard))
    gc.collect()
    gc.freeze()
    control.send(pack(["ready", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024]))
    Zygote(control, setup, handler).serve()
    os._exit(0)


main()
