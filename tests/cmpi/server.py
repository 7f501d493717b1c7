"""A CIM server of ours (broker/) that loads the bridge, in a process of its own: it may crash."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path as File
from typing import Any

from tests.cmpi.words import (
    Instance,
    Path,
    Typed,
    read_entries,
    read_instance,
    read_path,
    read_text,
    read_value,
    text,
    write_entries,
)

__all__ = ["KINDS", "Answer", "Crash", "Server", "running"]

KINDS = ("instance", "association", "method", "indication")
DEADLINE_S = 300.0


class Crash(Exception):  # noqa: N818 - what a test looks for
    """The server ended: its status, and what it had to say."""


@dataclass
class Answer:
    """What a provider gave for one request."""

    status: int = -1
    message: str | None = None
    instances: list[Instance] = field(default_factory=list)
    paths: list[Path] = field(default_factory=list)
    data: list[Typed] = field(default_factory=list)
    arguments: dict[str, Typed] = field(default_factory=dict)
    errors: list[dict[str, Typed]] = field(default_factory=list)
    indications: list[tuple[str | None, Instance]] = field(default_factory=list)
    is_done: bool = False
    different: int = 0
    contexts: int = 0
    counted: int = 0
    provider: int = -1
    versions: tuple[int, int] = (0, 0)
    name: str | None = None

    def take(self, line: str) -> None:
        words = iter(line.split(" "))
        kind = next(words)
        if kind in _LISTS:
            name, read = _LISTS[kind]
            getattr(self, name).append(read(words))
        else:
            getattr(self, f"_take_{kind}")(words)
        assert next(words, None) is None, f"more than expected: {line}"

    def _take_status(self, words: Iterator[str]) -> None:
        self.status, self.message = int(next(words)), read_text(next(words))

    def _take_arguments(self, words: Iterator[str]) -> None:
        self.arguments = read_entries(words)

    def _take_done(self, _words: Iterator[str]) -> None:
        self.is_done = True

    def _take_different(self, words: Iterator[str]) -> None:
        self.different = int(next(words))

    def _take_counted(self, words: Iterator[str]) -> None:
        self.counted = int(next(words))

    def _take_contexts(self, words: Iterator[str]) -> None:
        self.contexts = int(next(words))

    def _take_provider(self, words: Iterator[str]) -> None:
        self.provider = int(next(words))
        self.versions = int(next(words)), int(next(words))
        self.name = read_text(next(words))

    def _take_loaded(self, _words: Iterator[str]) -> None:
        self.status = 0

    def _take_failed(self, words: Iterator[str]) -> None:
        self.message = read_text(next(words))


_LISTS: Mapping[str, tuple[str, Callable[[Iterator[str]], Any]]] = {
    "instance": ("instances", read_instance),
    "path": ("paths", read_path),
    "data": ("data", read_value),
    "error": ("errors", read_entries),
    "indication": ("indications", lambda words: (read_text(next(words)), read_instance(words))),
}


class Server:
    """Commands for a broker that runs; ``errors`` is the file with its standard error."""

    def __init__(self, process: subprocess.Popen[bytes], errors: File) -> None:
        self.process = process
        self._errors = errors
        self._opened: dict[str, int] = {}

    @property
    def log(self) -> str:
        return self._errors.read_text(encoding="utf-8", errors="replace")

    def command(self, words: str) -> Answer:
        """Have it done. Raises Crash."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        answer = Answer()
        try:
            self.process.stdin.write(words.encode() + b"\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass
        for line in self.process.stdout:
            if line == b"end\n":
                return answer
            answer.take(line.decode().rstrip("\n"))
        raise Crash(self.process.wait(DEADLINE_S), self.log)

    def load(self, library: File, *, is_global: bool = True) -> Answer:
        return self.command(f"load {int(is_global)} {text(str(library))}")

    def open(self, kind: str = "instance", name: str = "VirtCIM") -> int:
        """Open an interface; its number."""
        answer = self.try_open(kind, name)
        assert answer.status == 0, answer.message
        return answer.provider

    def interface(self, kind: str) -> int:
        """The number of an interface that is opened once."""
        if kind not in self._opened:
            self._opened[kind] = self.open(kind)
        return self._opened[kind]

    def try_open(self, kind: str = "instance", name: str = "VirtCIM") -> Answer:
        return self.command(f"open {KINDS.index(kind)} {text(name)}")

    def run(self, provider: int, operation: str, *words: str, **options: Any) -> Answer:
        return self.command(self.request(provider, operation, *words, **options))

    def request(
        self,
        provider: int,
        operation: str,
        *words: str,
        principal: str | None = "root",
        language: str | None = None,
        how: str = "run",
    ) -> str:
        head = f"{how} {provider} {operation} {text(principal)} {text(language)}"
        return " ".join([head, *words])

    def read(
        self,
        provider: int,
        operation: str,
        path: Path,
        *texts: str | None,
        properties: Sequence[str] | None = None,
        **options: Any,
    ) -> Answer:
        """An operation on a path, with the texts that it takes."""
        return self.command(
            self.reading(provider, operation, path, *texts, properties=properties, **options)
        )

    def reading(
        self,
        provider: int,
        operation: str,
        path: Path,
        *texts: str | None,
        properties: Sequence[str] | None = None,
        **options: Any,
    ) -> str:
        listed = "-"
        if properties is not None:
            listed = " ".join([str(len(properties)), *map(text, properties)])
        words = [path.words(), listed, *map(text, texts)]
        return self.request(provider, operation, *words, **options)

    def invoke(
        self,
        provider: int,
        path: Path,
        method: str,
        parameters: Mapping[str, Typed],
        **options: Any,
    ) -> Answer:
        words = [path.words(), "-", text(method), write_entries(parameters)]
        return self.run(provider, "invokeMethod", *words, **options)

    def clean_up(self, provider: int, *, terminating: bool) -> Answer:
        return self.run(provider, "cleanup", str(int(terminating)))

    def mapped(self) -> str:
        """What is mapped into its memory."""
        return File(f"/proc/{self.process.pid}/maps").read_text(encoding="utf-8")

    def resident_bytes(self) -> int:
        """The memory that it has now."""
        statm = File(f"/proc/{self.process.pid}/statm").read_text(encoding="ascii")
        return int(statm.split()[1]) * 4096


def _where_the_schema_is() -> dict[str, str]:
    names = ("HOME", "VIRTCIM_CACHE", "XDG_CACHE_HOME")
    return {name: os.environ[name] for name in names if name in os.environ}


@contextmanager
def running(
    broker: File, errors: File, *arguments: str, command: Sequence[str] = (), **environment: str
) -> Iterator[Server]:
    """A server, which must end well: 0, and nothing unexpected."""
    with errors.open("wb") as log:
        process = subprocess.Popen(
            [*command, str(broker), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env={"PATH": "/usr/bin:/bin", **_where_the_schema_is(), **environment},
        )
    try:
        server = Server(process, errors)
        yield server
        if process.poll() is None:
            server.command("quit")
            assert process.wait(DEADLINE_S) == 0, server.log
    finally:
        process.kill()
        process.wait()
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        process.stdout.close()
