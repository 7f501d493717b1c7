"""The bridge as it is built, and servers that load it."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from itertools import count
from pathlib import Path

import pytest

from tests.cmpi.server import Server, running
from virtcim.cmpi.build import build
from virtcim.mof import ensure_schema

_ROOT = Path(__file__).resolve().parents[2]
_BROKER = Path(__file__).parent / "broker"
Serve = Callable[..., Server]
FLAVOURS = ("Pegasus", "sfcb")


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library over tests.cmpi.hosts.everything."""
    ensure_schema()
    into = tmp_path_factory.mktemp("cmpi")
    flags = ("-Werror", "-Wextra", "-Wno-unused-parameter", "-g")
    return build(into, host="tests.cmpi.hosts:everything", path=str(_ROOT), flags=flags)


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The server, compiled."""
    made = tmp_path_factory.mktemp("broker") / "broker"
    subprocess.run(broker_command(made), check=True)
    return made


def broker_command(made: Path, *flags: str) -> list[str]:
    """What compiles it."""
    command = ["cc", "-std=gnu11", "-g", "-Wall", "-Wextra", "-Werror"]
    command += ["-Wno-missing-field-initializers", f"-I{_ROOT / 'cmpi' / 'library'}", *flags]
    sources = [*map(str, sorted(_BROKER.glob("*.c")))]
    return [*command, *sources, "-o", str(made), "-ldl", "-lpthread"]


def copied(library: Path, into: Path, **settings: str) -> Path:
    """A copy of the library with other settings beside it."""
    shutil.copy(library, into)
    before = library.with_suffix(".conf").read_text(encoding="utf-8").splitlines()
    values = dict(line.split("=", 1) for line in before) | settings
    text = "".join(f"{name}={value}\n" for name, value in values.items() if value)
    (into / library.name).with_suffix(".conf").write_text(text, encoding="utf-8")
    return into / library.name


@pytest.fixture
def another_library(library: Path, tmp_path: Path) -> Callable[..., Path]:
    """Makes copies of the library with other settings."""
    numbers = count()

    def copy(**settings: str) -> Path:
        into = tmp_path / f"library-{next(numbers)}"
        into.mkdir()
        return copied(library, into, **settings)

    return copy


@pytest.fixture
def serve(broker: Path, tmp_path: Path) -> Iterator[Serve]:
    """Starts servers, which must end well at the end of the test."""
    numbers = count()
    with ExitStack() as stack:

        def start(flavour: str = "Pegasus", *arguments: str, **options: str) -> Server:
            errors = tmp_path / f"server-{next(numbers)}.log"
            return stack.enter_context(running(broker, errors, flavour, *arguments, **options))

        yield start


@pytest.fixture(scope="session")
def shared(
    broker: Path, library: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], Server]]:
    """Servers for all tests that change nothing in them, one of a kind."""
    with ExitStack() as stack:

        @cache
        def get(flavour: str) -> Server:
            errors = tmp_path_factory.mktemp("server") / "log"
            started = stack.enter_context(running(broker, errors, flavour))
            started.load(library)
            return started

        yield get


@pytest.fixture(params=FLAVOURS)
def server(request: pytest.FixtureRequest, shared: Callable[[str], Server]) -> Server:
    """A server of either kind that has loaded the library."""
    return shared(request.param)


@pytest.fixture
def pegasus(shared: Callable[[str], Server]) -> Server:
    return shared("Pegasus")


@pytest.fixture
def sfcb(shared: Callable[[str], Server]) -> Server:
    return shared("sfcb")
