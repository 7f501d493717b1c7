"""A worker that serves nothing, for the tests of its parent: it does what it is told to.

    bare_worker.py SOCKET

It writes down what it hears, in a file named after its number. It is one file that imports nothing
of ours: tests start it many times.
"""

from __future__ import annotations

import json
import os
import socket
import struct
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_HEAD = struct.Struct("!IQ?")
_FOR_EVER_S = 600.0


def _say(sock: socket.socket, kind: str) -> None:
    values = json.dumps({"kind": kind}).encode()
    sock.sendall(_HEAD.pack(len(values), 0, False) + values)


def _heard(sock: socket.socket) -> Iterator[dict[str, Any]]:
    with sock.makefile("rb") as said:
        while head := said.read(_HEAD.size):
            size, body_size, _ = _HEAD.unpack(head)
            yield json.loads(said.read(size))
            said.read(body_size)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def main() -> None:
    told = json.load(sys.stdin)
    number, place = told["number"], Path(told["place"])
    behaviour = told["behaviours"][number - 1]
    sock = socket.socket(fileno=int(sys.argv[1]))
    with (place / f"{number}.pids").open("a", encoding="utf-8") as pids:
        pids.write(f"{os.getpid()}\n")
    if behaviour == "fails":
        sys.exit("error: it cannot be")
    if behaviour == "hangs":
        time.sleep(_FOR_EVER_S)
    _say(sock, "ready")
    with (place / str(number)).open("a", encoding="utf-8") as notes:
        for message in _heard(sock):
            kind = message["kind"]
            if kind == "died":
                first, *_ = (place / "1.pids").read_text().split()
                kind = f"died, alive: {_is_alive(int(first))}"
            notes.write(f"{kind}\n")
            notes.flush()
            if kind == "refresh" and behaviour == "is deaf":
                sock.shutdown(socket.SHUT_RDWR)
                time.sleep(_FOR_EVER_S)
            if kind == "stop" and behaviour != "goes on":
                return


if __name__ == "__main__":
    main()
