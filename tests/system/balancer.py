"""HAProxy in front of CIM servers, on a port of its own."""

from __future__ import annotations

import csv
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from daemons import Daemon

from tests.system.waiting import wait_for

__all__ = ["Balancer", "balanced"]

_CONFIGURATION = """\
global
    stats socket {statistics} mode 600
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    option redispatch
    retry-on conn-failure
frontend cim
    bind fd@{descriptor}
    default_backend servers
backend servers
    balance {balance}
    option httpchk GET /readyz
    default-server check inter 200ms fall 2 rise 1
{servers}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Balancer:
    """A running HAProxy at a URL."""

    url: str
    statistics: Path

    def served(self) -> list[int]:
        """How many requests each server has got."""
        return [int(row["stot"]) for row in self._rows()]

    def up(self) -> list[bool]:
        """Which servers get requests."""
        return [row["status"].startswith("UP") for row in self._rows()]

    def _rows(self) -> list[dict[str, str]]:
        with socket.socket(socket.AF_UNIX) as asking:
            asking.connect(str(self.statistics))
            asking.sendall(b"show stat\n")
            with asking.makefile() as said:
                rows = list(csv.DictReader(said))
        return [row for row in rows if row["svname"].startswith("server")]


@contextmanager
def balanced(
    servers: Sequence[Daemon], directory: Path, *, balance: str = "roundrobin"
) -> Iterator[Balancer]:
    """HAProxy before the servers, with what it needs in a directory.

    ``balance`` is how it chooses one: each in turn, or by the address of the client (``source``).
    """
    configuration, statistics = directory / "haproxy.cfg", directory / "haproxy.sock"
    with socket.create_server(("127.0.0.1", 0)) as listening:
        lines = (
            f"    server server{number} {urlsplit(server.url).netloc}"
            for number, server in enumerate(servers)
        )
        configuration.write_text(
            _CONFIGURATION.format(
                statistics=statistics,
                descriptor=listening.fileno(),
                balance=balance,
                servers="\n".join(lines),
            )
        )
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "haproxy", "-db", "-f", configuration],
            pass_fds=[listening.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            wait_for(lambda: statistics.exists() or process.poll() is not None, bool, "HAProxy")
            assert process.poll() is None
            port = listening.getsockname()[1]
            balancer = Balancer(url=f"http://127.0.0.1:{port}", statistics=statistics)
            wait_for(balancer.up, all, "all servers to be up")
            yield balancer
        finally:
            process.kill()
            process.wait()
