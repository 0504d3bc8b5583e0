"""What all scenarios share: the real binary, and waiting for what it shows."""
import atexit
import http.client
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent))
from ports import free_port  # noqa: E402  (It is beside the folders of the tests.)

HERE = pathlib.Path(__file__).resolve().parent
EXAMPLES = HERE.parent.parent / "examples"


class KeptConnection:
    """GET after GET on one connection: a sixth of the time of a new one for each."""

    def __init__(self, port, patience):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=patience)
        self.connect()

    def connect(self):
        self.connection.connect()
        self.connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, target):
        try:
            self.connection.request("GET", target)
            response = self.connection.getresponse()
        except (ConnectionError, http.client.RemoteDisconnected):  # It was idle for too long.
            self.connection.close()
            self.connect()
            self.connection.request("GET", target)
            response = self.connection.getresponse()
        return response.status, response.read()


class Server:
    """The real binary on a port and a folder that stay the same however often it dies."""

    def __init__(self, canopy, folder, *flags):
        self.canopy, self.folder, self.flags = canopy, folder, flags
        self.environment = {}
        self.port = free_port()
        self.process = None
        self.starts = []
        self.log = open(folder / "server.log", "ab")
        atexit.register(self.end)  # Where a check ends the program.

    def start(self):
        began = time.monotonic()
        self.process = subprocess.Popen(
            [self.canopy, "up", f"--listen=127.0.0.1:{self.port}", f"--data={self.folder}/data", *self.flags],
            stdout=self.log, stderr=subprocess.STDOUT, env=dict(os.environ, **self.environment))
        while True:
            if self.process.poll() is not None:
                sys.exit(f"the server ended with {self.process.returncode}: see {self.folder}/server.log")
            try:
                if self.ask("GET", "/readyz", patience=1)[0] == 200:
                    break
            except OSError:
                pass
            if time.monotonic() - began > 300:  # A busy machine is no failure.
                sys.exit("the server is not ready after five minutes")
            time.sleep(0.005)
        self.starts.append(time.monotonic() - began)

    def kill(self, sign=signal.SIGKILL):
        self.process.send_signal(sign)
        return self.process.wait(timeout=60)

    def end(self):
        if self.process is not None and self.process.poll() is None:
            self.kill()

    def ask(self, method, target, body=None, headers=None, patience=40):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=patience)
        try:
            connection.request(method, target, body=body, headers=headers or {})
            response = connection.getresponse()
            return response.status, response.read()
        except http.client.HTTPException as error:
            raise OSError(str(error)) from error
        finally:
            connection.close()

    def kept(self, patience=40):
        return KeptConnection(self.port, patience)

    def json(self, method, target, **rest):
        status, body = self.ask(method, target, **rest)
        return status, json.loads(body)

    def deploy(self, path, name):
        run = subprocess.run([self.canopy, "deploy", str(path), f"--name={name}"], text=True,
                             env=dict(os.environ, CANOPY_URL=f"http://127.0.0.1:{self.port}"),
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if run.returncode != 0:
            sys.exit(f"cannot deploy {path}: {run.stdout}")


def check(condition, what):
    if not condition:
        sys.exit(f"BROKEN: {what}")

def wait_until(what, condition, patience=60):
    until = time.monotonic() + patience
    while not condition():
        check(time.monotonic() < until, f"it never came so far: {what}")
        time.sleep(0.01)

def wait_for_state(server, call, states, patience=60):
    until = time.monotonic() + patience
    while time.monotonic() < until:
        status, record = server.json("GET", f"/v1/calls/{call}")
        if status == 200 and record["state"] in states:
            return record
        time.sleep(0.02)
    sys.exit(f"BROKEN: the call did not become one of {states}: {record}")

def sleeper(folder):
    """A module that sleeps for the seconds of its input, and says so."""
    source = folder / "sleeper.c"
    source.write_text('#include <canopy.h>\n#include <stdlib.h>\n#include <unistd.h>\n'
                      'int main(void) { char text[16] = {0}; ssize_t size = read(0, text, 15); (void)size;\n'
                      '  for (int left = atoi(text); left > 0; --left) sleep(1);\n'
                      '  write(1, "slept", 5); return 0; }\n')
    return source
