"""A private PostgreSQL, on a Unix socket in a directory of its own, for as long as a block runs."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import psycopg

__all__ = ["PrivatePostgresql", "private_postgresql"]

_DEADLINE_S = 120.0
# What virtcim itself is content with is too short where a computer does everything very slowly, as
# when it looks through all of a large memory for what is not needed within a transaction.
_PATIENCE = "-c statement_timeout=120s -c idle_in_transaction_session_timeout=30s"
# It refuses to run as root; Debian's package makes this user.
_USER = "postgres"


class PrivatePostgresql:
    """A running PostgreSQL; whoever may use its socket is let in."""

    def __init__(self, directory: Path, user: str) -> None:
        self._directory = directory
        self._user = user

    def new_database(self) -> str:
        """The URL of a new, empty database, with more patience than virtcim has."""
        name = f"t{uuid.uuid4().hex}"
        self.execute(f"CREATE DATABASE {name}")
        return f"{self._url(name)}&options={quote(_PATIENCE)}"

    def with_usual_patience(self, url: str) -> str:
        """The URL of the same database that leaves all to virtcim."""
        return self._url(self._name(url))

    def drop_database(self, url: str) -> None:
        """Remove a database, whoever still uses it."""
        self.execute(f"DROP DATABASE {self._name(url)} WITH (FORCE)")

    def execute(self, statement: str, database: str = "postgres") -> list[tuple[object, ...]]:
        """Execute one statement as the administrator, and give its rows."""
        with psycopg.connect(
            host=str(self._directory), user=self._user, dbname=database, autocommit=True
        ) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def _url(self, name: str) -> str:
        return f"postgresql://{self._user}@/{name}?host={self._directory}"

    @staticmethod
    def _name(url: str) -> str:
        return url.partition("@/")[2].partition("?")[0]


@contextmanager
def private_postgresql() -> Iterator[PrivatePostgresql]:
    """PostgreSQL from Debian's package, with nothing in it; it is removed afterwards."""
    is_root = os.geteuid() == 0
    user = _USER if is_root else pwd.getpwuid(os.geteuid()).pw_name
    # Not below the directories of pytest, which only their owner may enter.
    directory = Path(tempfile.mkdtemp(prefix="virtcim-pg-"))
    process: subprocess.Popen[bytes] | None = None
    try:
        if is_root:
            shutil.chown(directory, user, pwd.getpwnam(user).pw_gid)
        installed = Path("/usr/lib/postgresql").glob("*/bin")
        programs = max(installed, key=lambda one: int(one.parts[-2]))
        cluster = directory / "cluster"
        subprocess.run(
            [programs / "initdb", "-D", cluster, "-U", user, "-A", "trust", "-N", "-E", "UTF8"],
            user=user if is_root else None,
            cwd=directory,
            env={"LC_ALL": "C.UTF-8", "PATH": os.environ["PATH"]},
            check=True,
            capture_output=True,
        )
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(directory),
            # It is thrown away when the computer stops.
            "fsync": "off",
            "shared_buffers": "16MB",
            "max_connections": "60",
        }
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        with (directory / "log").open("wb") as log:
            process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "QUIT", programs / "postgres", "-D", cluster, *options],
                user=user if is_root else None,
                cwd=directory,
                env={"LC_ALL": "C.UTF-8", "PATH": os.environ["PATH"]},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                process_group=0,
            )
        running = PrivatePostgresql(directory, user)
        _wait_until_it_answers(running, process, directory / "log")
        yield running
    finally:
        if process is not None:
            # At once, whoever is connected.
            process.send_signal(signal.SIGQUIT)
            process.wait(_DEADLINE_S)
        shutil.rmtree(directory)


def _wait_until_it_answers(
    running: PrivatePostgresql, process: subprocess.Popen[bytes], log: Path
) -> None:
    deadline = time.monotonic() + _DEADLINE_S
    while True:
        try:
            running.execute("SELECT 1")
        except psycopg.OperationalError:
            is_over = process.poll() is not None or time.monotonic() > deadline
            assert not is_over, log.read_text(errors="replace")
            time.sleep(0.02)
        else:
            return
