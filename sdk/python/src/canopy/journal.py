"""What was asked for and has not been seen to end, in a small file: so that another process can go on where this one
died. A line for each call before it is sent, and one when its end is known; a half-written last line is passed over.

Threads: any. One process at a time: the file is locked."""
from __future__ import annotations

import fcntl
import json
import os
import threading
from typing import IO, Any, Dict


def _lock(path: str) -> IO[str]:
    """The file at `path`, locked; not one that another process put a new one in place of meanwhile."""
    while True:
        file = open(path, "a+", encoding="utf-8")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.close()
            raise ValueError(f"{path} is in use by another process; give each a journal of its own") from None
        try:
            if os.fstat(file.fileno()).st_ino == os.stat(path).st_ino:
                return file
        except FileNotFoundError:
            pass
        file.close()


def _read(file: IO[str]) -> Dict[str, Dict[str, Any]]:
    entries: Dict[str, Dict[str, Any]] = {}
    file.seek(0)
    for line in file:
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if "ended" in entry:
            entries.pop(entry["ended"], None)
        elif "key" in entry:
            entries[entry["key"]] = entry
    return entries


class Journal:
    def __init__(self, path: "os.PathLike[str] | str") -> None:
        place = os.fspath(path)
        old = _lock(place)
        self._lock = threading.Lock()
        self._open = _read(old)
        # What has ended is left out, in a new file that takes the place of the old one at once.
        self._file = _lock(place + ".new")
        self._file.truncate(0)
        for entry in self._open.values():
            self._file.write(json.dumps(entry) + "\n")
        self._file.flush()
        os.replace(place + ".new", place)
        old.close()

    def unfinished(self) -> "list[Dict[str, Any]]":
        with self._lock:
            return list(self._open.values())

    def begin(self, entry: Dict[str, Any]) -> None:
        """Before it is sent; `entry` has a "key"."""
        with self._lock:
            self._open[entry["key"]] = entry
            self._write(entry)

    def end(self, key: str) -> None:
        with self._lock:
            if self._open.pop(key, None) is not None and not self._file.closed:
                self._write({"ended": key})

    def _write(self, entry: Dict[str, Any]) -> None:
        self._file.write(json.dumps(entry) + "\n")
        self._file.flush()

    def close(self) -> None:
        with self._lock:
            self._file.close()
