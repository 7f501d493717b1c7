"""Many requests, many at once, and what they leave behind."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path as File

import pytest

from tests.cim.everything import EVERYTHING
from tests.cmpi.conftest import Serve
from tests.cmpi.paths import of_class, one, system
from tests.cmpi.server import Server, running

THREADS = 16
# What the interpreter and the C library may grow by, having seen everything already.
MOST_GROWTH_BYTES = 4 << 20


@pytest.mark.parametrize("operation", ["getInstance", "enumerateInstances"])
def test_sixteen_threads_get_what_one_gets(server: Server, operation: str) -> None:
    path = one("id 1") if operation == "getInstance" else of_class(EVERYTHING)
    provider = server.interface("instance")
    alone = server.read(provider, operation, path)
    together = server.read(provider, operation, path, how=f"parallel {THREADS} 20")
    assert (together.status, together.different) == (0, 0)
    assert together.instances == alone.instances


def test_sixteen_threads_that_fail(server: Server) -> None:
    provider = server.interface("instance")
    answer = server.read(
        provider, "getInstance", one("coded ERR_FILE_IN_USE"), how=f"parallel {THREADS} 20"
    )
    assert (answer.status, answer.different) == (1, 0)


def test_memory_stays_as_it_is(serve: Serve, library: File) -> None:
    server = serve("Pegasus")
    server.load(library)
    instances, methods = server.open(), server.open("method")

    def ask(times: int) -> None:
        for operation, path, often in (
            ("getInstance", one("id 1"), times),
            ("getInstance", one("coded ERR_FILE_IN_USE"), times),
            ("getInstance", system(1), times),
            ("enumerateInstances", of_class(EVERYTHING, "root/many"), times // 50),
        ):
            server.read(instances, operation, path, how=f"repeat {often}")
        words = [one("id 1").words(), "-", "%45cho", "0"]
        server.run(methods, "invokeMethod", *words, how=f"repeat {times}")

    ask(100)
    before = server.resident_bytes()
    ask(1000)
    assert server.resident_bytes() - before < MOST_GROWTH_BYTES


@pytest.mark.skipif(shutil.which("valgrind") is None, reason="valgrind is not installed")
def test_valgrind_finds_nothing_in_the_bridge(
    broker: File, another_library: Callable[..., File], tmp_path: File
) -> None:
    log = tmp_path / "valgrind.log"
    command = ["valgrind", "--leak-check=no", "--error-limit=no", f"--log-file={log}"]
    with running(broker, tmp_path / "errors", "Pegasus", command=command) as server:
        server.load(another_library(host="tests.cmpi.hosts:small"))
        instances, methods = server.open(), server.open("method")
        assert server.read(instances, "getInstance", one("id 1")).status == 0
        assert server.read(instances, "getInstance", one("coded ERR_FILE_IN_USE")).status == 1
        assert server.read(instances, "getInstance", one("raise RuntimeError")).status == 1
        assert server.read(instances, "enumerateInstances", of_class(EVERYTHING)).status == 0
        assert server.invoke(methods, one("id 1"), "Echo", {"S_uint8": ("uint8", 1)}).status == 0
        for provider in (instances, methods):
            assert server.clean_up(provider, terminating=True).status == 0
    # Of Python itself it finds things; of ours nothing may be in it.
    reports = re.split(r"^==\d+== $", log.read_text(encoding="utf-8"), flags=re.MULTILINE)
    ours = re.compile(r"virtcim|broker/|objects\.c|words\.c|server\.c")
    faulty = [
        one for one in reports if re.search(r"Invalid|uninitialised", one) and _ours(one, ours)
    ]
    assert faulty == []


def _ours(report: str, ours: re.Pattern[str]) -> bool:
    """Whether it happened in our code: the first two frames that are there."""
    frames = re.findall(r"(?:at|by) 0x[0-9A-F]+: (.*)", report)
    return any(ours.search(frame) for frame in frames[:2])
