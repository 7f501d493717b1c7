"""A listener that counts what it is told: what came, which numbers are missing, what came twice.

As a program it prints its port and obeys the lines of its standard input: `count` prints a JSON
object, `down` closes its port and all connections, `up` opens the port again. Its argument is how
many milliseconds it takes to answer.
"""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from exports import ANSWER, Export, ExportConnection

__all__ = ["NumberedListener", "Told", "numbered_listener"]

_CONTEXT = re.compile(rb'NAME="SequenceContext" TYPE="string"><VALUE>([^<]*)<')
_NUMBER = re.compile(rb'NAME="SequenceNumber" TYPE="sint64"><VALUE>(\d+)<')
_CLASS = re.compile(rb'<INSTANCE CLASSNAME="([^"]+)"')
_SYSTEM = re.compile(
    rb'NAME="SourceInstanceModelPath" TYPE="string"><VALUE>[^<]*ComputerSystem\.[^<]*'
    rb"\bName=[^<]*?([0-9a-f-]{36})"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What came at one path."""

    path: str
    arrived: int
    missing: int  # sequence numbers between the first and the last of their context
    twice: int
    contexts: int
    systems: dict[str, dict[str, int]]  # how often each class told of a computer system, by UUID


class NumberedListener:
    """A listener in a process of its own."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._input, self._output = process.stdin, process.stdout
        self.pid = process.pid
        self.port = int(self._output.readline())

    def told(self) -> dict[str, Told]:
        """What came so far, by its path."""
        self._command("count")
        found: list[dict[str, Any]] = json.loads(self._output.readline())
        return {one["path"]: Told(**one) for one in found}

    def close_port(self) -> None:
        """Refuse all connections from now on, and break those that there are."""
        self._command("down")

    def open_port(self) -> None:
        """Listen again, on the same port."""
        self._command("up")

    def _command(self, line: str) -> None:
        self._input.write(f"{line}\n")
        self._input.flush()


@contextmanager
def numbered_listener(answers_after_ms: int = 0) -> Iterator[NumberedListener]:
    """Start one, until the block ends."""
    with subprocess.Popen(
        [sys.executable, __file__, str(answers_after_ms)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield NumberedListener(process)
        finally:
            process.kill()


@dataclass(slots=True)
class _Numbers:
    """The numbers of one context: all up to ``upto`` came, but for ``missing``."""

    upto: int
    missing: set[int] = field(default_factory=set)


@dataclass(slots=True)
class _Path:
    arrived: int = 0
    twice: int = 0
    contexts: dict[bytes, _Numbers] = field(default_factory=dict)
    systems: dict[str, Counter[str]] = field(default_factory=dict)

    def take(self, body: bytes) -> None:
        self.arrived += 1
        self._take_number(_found(_CONTEXT, body), int(_found(_NUMBER, body)))
        if system := _SYSTEM.search(body):
            classes = self.systems.setdefault(system[1].decode(), Counter())
            classes[_found(_CLASS, body).decode()] += 1

    def _take_number(self, context: bytes, number: int) -> None:
        numbers = self.contexts.setdefault(context, _Numbers(number - 1))
        if number > numbers.upto:
            numbers.missing.update(range(numbers.upto + 1, number))
            numbers.upto = number
        elif number in numbers.missing:
            numbers.missing.remove(number)
        else:
            self.twice += 1


def _found(pattern: re.Pattern[bytes], body: bytes) -> bytes:
    found = pattern.search(body)
    assert found is not None, body
    return found[1]


class _Listener:
    """The port, and all that came through it."""

    def __init__(self, answers_after_s: float) -> None:
        self.answers_after_s = answers_after_s
        self.paths: dict[str, _Path] = {}
        self.open: set[asyncio.WriteTransport] = set()
        self._server: asyncio.Server | None = None
        self.port = 0

    async def up(self) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    def down(self) -> None:
        assert self._server is not None
        self._server.close()
        for transport in list(self.open):
            transport.abort()

    def count(self) -> list[dict[str, object]]:
        return [
            {
                "path": name,
                "arrived": path.arrived,
                "missing": sum(len(one.missing) for one in path.contexts.values()),
                "twice": path.twice,
                "contexts": len(path.contexts),
                "systems": path.systems,
            }
            for name, path in self.paths.items()
        ]


class _Connection(ExportConnection):
    """One connection of the server."""

    def __init__(self, listener: _Listener) -> None:
        super().__init__()
        self._listener = listener

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._listener.open.add(self.transport)

    def connection_lost(self, _error: Exception | None) -> None:
        self._listener.open.discard(self.transport)

    def take(self, export: Export) -> None:
        self._listener.paths.setdefault(export.path, _Path()).take(export.body)
        asyncio.get_running_loop().call_later(self._listener.answers_after_s, self._answer)

    def _answer(self) -> None:
        if not self.transport.is_closing():
            self.transport.write(ANSWER)


async def _serve(answers_after_ms: int) -> None:
    listener = _Listener(answers_after_ms / 1e3)
    await listener.up()
    print(listener.port, flush=True)
    loop = asyncio.get_running_loop()
    while command := (await loop.run_in_executor(None, sys.stdin.readline)).strip():
        if command == "count":
            print(json.dumps(listener.count()), flush=True)
        elif command == "down":
            listener.down()
        else:
            await listener.up()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))
