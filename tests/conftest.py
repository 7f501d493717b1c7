"""What holds for every test: reproducible, in English, with no daemon nobody asked for."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

if TYPE_CHECKING:
    from tests.postgresql import PrivatePostgresql

os.environ["LC_ALL"] = "C"
# A libvirt client that runs as an ordinary user starts a daemon where it finds none: never here.
os.environ["LIBVIRT_AUTOSTART"] = "0"

hypothesis.settings.register_profile(
    "virtcim",
    derandomize=True,
    deadline=None,
    database=None,
    # How fast examples come says more of what else the computer does than of the test.
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("virtcim")


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PrivatePostgresql]:
    """A PostgreSQL of our own, started by the first test that needs it."""
    # What does not need it runs without its driver, too.
    from tests.postgresql import private_postgresql

    with private_postgresql() as running:
        yield running


@pytest.fixture
def postgresql_url(postgresql: PrivatePostgresql) -> Iterator[str]:
    """A new database in it, as `--state` names it."""
    url = postgresql.new_database()
    yield url
    postgresql.drop_database(url)


@pytest.fixture(params=["SQLite", "PostgreSQL"])
def state(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where the state is kept, new for each test: on disk, by each kind of database."""
    if request.param == "SQLite":
        return str(tmp_path / "state")
    url: str = request.getfixturevalue("postgresql_url")
    return url


@pytest.fixture(params=["SQLite", "PostgreSQL"])
def shared_state(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database that several servers can use at the same time, of each kind."""
    if request.param == "SQLite":
        return f"sqlite:///{tmp_path / 'shared.sqlite'}"
    url: str = request.getfixturevalue("postgresql_url")
    return url
