"""Calls that look for any trace of another call, and then leave as many as they can.

Two functions share the slots: one starts with zeroed memory, one from a picture of initialised memory. Each call
checks that what it was given is the initial state to the last byte, then writes its number all over it: memory
beyond the data, memory it grows, tables, globals, dropped segments, /tmp. Some then trap, some are abandoned."""
import socket
import struct
import threading
import time

from harness import Place, expect, only_long, read_reply, wat

FINDS = {1: "the memory's size", 2: "memory", 3: "the picture", 4: "a global", 5: "the table's size", 6: "the table",
         7: "a dropped segment", 8: "/tmp", 9: "a descriptor's number", 10: "grown memory", 11: "a float global",
         12: "the grown table"}
CONNECTIONS = 8
WINDOW = 16
TRAPS_EVERY = 97

SOURCE = """(module
  (import "canopy" "input_read" (func $input_read (param i32 i32 i32) (result i32)))
  (import "canopy" "output_write" (func $output_write (param i32 i32)))
  (import "wasi_snapshot_preview1" "path_open"
    (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") PAGES 64)
  (table $table 32 64 funcref)
  (global $whole (mut i32) (i32.const 0))
  (global $long (mut i64) (i64.const 77))
  (global $float (mut f64) (f64.const 1.5))
  (data (i32.const 64) "tmp/canary")
  (data $passive "passive!")
  (elem $functions func $mark)
  (func $mark)

  ;; The first $from..$to in which a word is not $word, else 0.
  (func $differs (param $from i32) (param $to i32) (param $word i64) (result i32)
    (block $end (loop $next
      (br_if $end (i32.ge_u (local.get $from) (local.get $to)))
      (if (i64.ne (i64.load (local.get $from)) (local.get $word)) (then (return (local.get $from))))
      (local.set $from (i32.add (local.get $from) (i32.const 8)))
      (br $next)))
    (i32.const 0))
  (func $fill (param $from i32) (param $to i32) (param $word i64)
    (block $end (loop $next
      (br_if $end (i32.ge_u (local.get $from) (local.get $to)))
      (i64.store (local.get $from) (local.get $word))
      (local.set $from (i32.add (local.get $from) (i32.const 8)))
      (br $next))))

  (func $check (param $number i64) (result i32) (local $at i32)
    (if (i32.ne (memory.size) (i32.const PAGES)) (then (return (i32.const 1))))
    (if (call $differs (i32.const 256) (i32.const 65536) (i64.const 0)) (then (return (i32.const 2))))
    (if (call $differs (i32.const 65536) (i32.const 131072) (i64.const PICTURE)) (then (return (i32.const 3))))
    (if (call $differs (i32.const 131072) (i32.const BYTES) (i64.const 0)) (then (return (i32.const 2))))
    (if (i32.or (global.get $whole) (i64.ne (global.get $long) (i64.const 77))) (then (return (i32.const 4))))
    (if (f64.ne (global.get $float) (f64.const 1.5)) (then (return (i32.const 11))))
    (if (i32.ne (table.size $table) (i32.const 32)) (then (return (i32.const 5))))
    (loop $next
      (if (i32.eqz (ref.is_null (table.get $table (local.get $at)))) (then (return (i32.const 6))))
      (br_if $next (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 1))) (i32.const 32))))
    (memory.init $passive (i32.const 128) (i32.const 0) (i32.const 8))  ;; Traps where the drop has stayed.
    (if (i64.ne (i64.load (i32.const 128)) (i64.const 0x2165766973736170)) (then (return (i32.const 7))))
    (table.init $table $functions (i32.const 0) (i32.const 0) (i32.const 1))
    (if (call $path_open (i32.const 3) (i32.const 0) (i32.const 64) (i32.const 10) (i32.const 5)
              (i64.const 0x42) (i64.const 0) (i32.const 0) (i32.const 96)) (then (return (i32.const 8))))
    (if (i32.ne (i32.load (i32.const 96)) (i32.const 5)) (then (return (i32.const 9))))
    (local.set $at (i32.mul (memory.grow (i32.const 2)) (i32.const 65536)))
    (if (call $differs (local.get $at) (i32.add (local.get $at) (i32.const 131072)) (i64.const 0))
      (then (return (i32.const 10))))
    (i32.const 0))

  (func $spoil (param $number i64)
    (local $at i32)
    (call $fill (i32.const 256) (i32.mul (memory.size) (i32.const 65536)) (local.get $number))
    (global.set $whole (i32.wrap_i64 (local.get $number)))
    (global.set $long (local.get $number))
    (global.set $float (f64.convert_i64_u (local.get $number)))
    (drop (table.grow $table (ref.func $mark) (i32.const 8)))
    (loop $next
      (table.set $table (local.get $at) (ref.func $mark))
      (br_if $next (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 1))) (i32.const 40))))
    (data.drop $passive)
    (elem.drop $functions)
    (i32.store (i32.const 100) (i32.const 1024))
    (i32.store (i32.const 104) (i32.const 4096))
    (drop (call $fd_write (i32.load (i32.const 96)) (i32.const 100) (i32.const 1) (i32.const 108))))

  (func $run (result i32) (local $number i64)
    (drop (call $input_read (i32.const 0) (i32.const 16) (i32.const 0)))
    (local.set $number (i64.load (i32.const 0)))
    (i32.store (i32.const 8) (call $check (local.get $number)))
    (call $spoil (i64.add (local.get $number) (i64.const 0x0101010101010101)))
    (if (i32.load8_u (i32.const 15)) (then (unreachable)))
    (call $output_write (i32.const 0) (i32.const 12))
    (i32.const 0))
  ENTRY)"""
COMMAND = """(func (export "canopy_handle") (result i32) (call $run))"""
PICTURED = """(func (export "canopy_init") (call $fill (i32.const 65536) (i32.const 131072) (i64.const PICTURE)))
  (func (export "canopy_handle") (result i32) (call $run))"""


def make_place():
    # A call may wait long where the machine has other work: what is looked for is not speed.
    return Place("--records-max=1000", "--records-bytes=8MiB", "--call-timeout=5m")


def canary_module(entry, pages, picture):
    text = SOURCE.replace("ENTRY", entry).replace("PAGES", str(pages)).replace("BYTES", str(pages << 16))
    return wat(text.replace("PICTURE", str(picture)))


class Sender:
    """One connection that keeps WINDOW calls under way."""

    def __init__(self, server, first, count):
        self.server, self.first, self.count = server, first, count
        self.wrong = None
        self.thread = threading.Thread(target=self.work)

    def request(self, number):
        name = b"zeroed" if number % 3 else b"pictured"
        trap = 1 if number % TRAPS_EVERY == 0 else 0
        body = struct.pack("<QI3xB", number, 0, trap)
        return b"POST /function/canary/%s HTTP/1.1\r\nHost: c\r\nContent-Length: 16\r\n\r\n%s" % (name, body)

    def check(self, number, reply):
        expect(reply is not None, f"call {number}: the connection was closed")
        if number % TRAPS_EVERY == 0:
            return expect(reply.status == 502, f"call {number} was to trap: {reply}")
        expect(reply.status == 200 and len(reply.body) == 12, f"call {number}: {reply}")
        answered, find = struct.unpack("<QI", reply.body)
        expect(answered == number, f"call {number} was answered as {answered}")
        expect(find == 0, f"call {number} found another call's trace in {FINDS.get(find, find)}")

    def work(self):
        try:
            with self.server.connect(400) as connection, connection.makefile("rb", 1 << 16) as file:
                for begin in range(self.first, self.first + self.count, WINDOW):
                    numbers = range(begin, min(begin + WINDOW, self.first + self.count))
                    connection.sendall(b"".join(map(self.request, numbers)))
                    for number in numbers:
                        self.check(number, read_reply(file))
        except Exception as error:
            self.wrong = error


def abandon(server, ended):
    """Calls that are left while they run, at any moment of it."""
    number = 1 << 40
    while not ended.is_set():
        with server.connect() as connection:
            body = struct.pack("<QI3xB", number, 0, 0)
            connection.sendall(b"POST /function/canary/pictured HTTP/1.1\r\nHost: c\r\nContent-Length: 16\r\n\r\n%s" % body)
        number += 1
        time.sleep(0.002)


def reuse_slots(server, count):
    server.deployed("canary/zeroed", canary_module(COMMAND, 6, 0))
    server.deployed("canary/pictured", canary_module(PICTURED, 4, 0x1122334455667788))
    each = count // CONNECTIONS
    senders = [Sender(server, 1 + i * each, each) for i in range(CONNECTIONS)]
    ended = threading.Event()
    leaver = threading.Thread(target=abandon, args=(server, ended))
    leaver.start()
    for sender in senders:
        sender.thread.start()
    for sender in senders:
        sender.thread.join()
    ended.set()
    leaver.join()
    for sender in senders:
        if sender.wrong:
            raise sender.wrong


def test_the_checker_checks(server):
    """A call that is told to expect another picture than there is must find it."""
    module = canary_module(COMMAND, 4, 5)
    server.deployed("canary/wrong", module)
    reply = server.call("canary/wrong", struct.pack("<QI4x", 1, 0))
    expect(reply.status == 200 and struct.unpack("<QI", reply.body)[1] == 3, f"{reply}")


def test_twenty_thousand_calls(server):
    reuse_slots(server, 20_000)


@only_long
def test_a_million_calls(server):
    reuse_slots(server, 1_000_000)
