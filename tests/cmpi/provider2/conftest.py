"""The bridge over providers that were written for CIMProvider2."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cmpi.conftest import FLAVOURS, Serve
from tests.cmpi.server import Server

WRITTEN = Path(__file__).parent / "written"
Load = Callable[..., Server]


@pytest.fixture(params=FLAVOURS)
def flavour(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def load(serve: Serve, another_library: Callable[..., Path]) -> Load:
    """A server of a flavour that has loaded the bridge over some files."""

    def start(flavour: str, *files: str | Path) -> Server:
        library = another_library()
        with library.with_suffix(".conf").open("a", encoding="utf-8") as settings:
            settings.writelines(f"provider={WRITTEN / one}\n" for one in files)
        started = serve(flavour)
        started.load(library)
        return started

    return start


@pytest.fixture
def shelf(flavour: str, load: Load) -> Server:
    return load(flavour, "shelf.py")


@pytest.fixture
def pegasus_shelf(load: Load) -> Server:
    return load("Pegasus", "shelf.py")
