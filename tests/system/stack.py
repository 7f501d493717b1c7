"""The whole way: libvirt, toolstack and CIM server, with relays that watch the lines between them.

CIM client -> CIM server -> relay -> toolstack -> relay -> libvirtd
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pywbem
import XenAPI
from daemons import Daemon
from wbemcli_client import WbemcliClient

from tests.system.cim import NAMESPACE
from tests.system.relay import Relay, libvirt_calls
from tests.system.waiting import DEADLINE_S, wait_for

__all__ = [
    "Stack",
    "events_from",
    "libvirt_through",
    "running_stack",
    "toolstack_counters",
    "wait_until_connected",
    "xenapi_session",
]

#: Nothing here takes that long: methods answer with their outcome, not with a job.
_NO_JOBS = ("--job-after", "600")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """Running daemons, and how to reach them."""

    directory: Path
    toolstack: Daemon
    toolstack_socket: Path
    relay: Relay
    server: Daemon

    @property
    def hypervisor_url(self) -> str:
        """What `virtcim serve --hypervisor` takes."""
        return f"xapi+unix://{self.toolstack_socket}"

    def connect(self) -> pywbem.WBEMConnection:
        """A pywbem client of the CIM server."""
        return pywbem.WBEMConnection(
            self.server.url, None, default_namespace=NAMESPACE, timeout=int(DEADLINE_S)
        )

    def wbemcli(self) -> WbemcliClient:
        """Debian's wbemcli for the CIM server."""
        return WbemcliClient(self.server.url, namespace=NAMESPACE)

    @contextmanager
    def another_server(self, *options: str) -> Iterator[Daemon]:
        """One more CIM server on the same toolstack; without options it makes no jobs."""
        with _cim_server(self.directory, self.hypervisor_url, *(options or _NO_JOBS)) as server:
            wait_until_connected(server)
            yield server


@contextmanager
def running_stack(
    libvirt_uri: str,
    directory: Path,
    *,
    images: tuple[str | Path, ...] = (),
    sources: tuple[str, ...] = (),
) -> Iterator[Stack]:
    """Run toolstack and CIM server over that libvirt until the end of the block.

    `images` are the directories in which clients may name images beside those of the pools,
    `sources` the beginnings of URLs.
    """
    identity = uuid.uuid4().hex[:8]
    toolstack_socket = directory / f"{identity}.sock"
    with ExitStack() as parts:
        toolstack = parts.enter_context(
            Daemon(
                "toolstack",
                "--libvirt",
                libvirt_uri,
                "--listen",
                f"unix:{toolstack_socket}",
                "--state",
                str(directory / f"{identity}-toolstack"),
                # Emulation: the same on every machine.
                "--domain-type",
                "qemu",
                *(part for each in images for part in ("--image-directory", str(each))),
                *(part for each in sources for part in ("--image-source", each)),
                log=directory / f"{identity}-toolstack.log",
            )
        )
        relay = parts.enter_context(Relay(directory / f"{identity}-relay.sock", toolstack_socket))
        server = parts.enter_context(_cim_server(directory, f"xapi+unix://{relay.path}", *_NO_JOBS))
        wait_until_connected(server)
        yield Stack(
            directory=directory,
            toolstack=toolstack,
            toolstack_socket=toolstack_socket,
            relay=relay,
            server=server,
        )
    for daemon in (toolstack, server):
        # Whatever happened to it was foreseen.
        assert "Traceback" not in (said := daemon.log.read_text()), said


def wait_until_connected(server: Daemon, login: tuple[str, str] | None = None) -> None:
    """Wait until a CIM server has read its hypervisor.

    It is ready before, where that takes long, and says so to whoever reads.
    """
    with pywbem.WBEMConnection(
        server.url, login, default_namespace=NAMESPACE, timeout=int(DEADLINE_S)
    ) as connection:

        def refusal() -> str:
            try:
                connection.EnumerateInstanceNames("VirtCIM_ComputerSystem")
            except pywbem.CIMError as error:
                return str(error.status_description)
            return ""

        wait_for(refusal, lambda said: said == "", "the hypervisor of a CIM server")


@contextmanager
def _cim_server(directory: Path, hypervisor_url: str, *options: str) -> Iterator[Daemon]:
    identity = uuid.uuid4().hex[:8]
    with Daemon(
        "serve",
        "--hypervisor",
        hypervisor_url,
        "--listen",
        "http://127.0.0.1:0",
        "--auth",
        "none",
        "--state",
        str(directory / f"{identity}-serve"),
        *options,
        log=directory / f"{identity}-serve.log",
    ) as server:
        yield server


@contextmanager
def libvirt_through(libvirt_directory: Path, relay_path: Path) -> Iterator[Relay]:
    """A relay in front of a private libvirtd."""
    with Relay(relay_path, libvirt_directory / "run" / "libvirt-sock", find=libvirt_calls) as relay:
        yield relay


@contextmanager
def xenapi_session(socket: Path) -> Iterator[XenAPI.Session]:
    """A session of the official XenAPI module on a Unix socket."""
    # The module writes a path with underscores instead of slashes.
    assert "_" not in str(socket), f"{socket} cannot be written so"
    session = XenAPI.Session(
        f"http://{str(socket).replace('/', '_')}/", transport=XenAPI.UDSTransport()
    )
    try:
        session.login_with_password("root", "", "1.0", "virtcim tests")
        yield session
        session.logout()
    finally:
        session("close")()


def events_from(
    session: XenAPI.Session, classes: list[str], token: str, timeout_s: float
) -> dict[str, Any]:
    """What happened since the token (XenAPI `event.from`, a name that Python cannot spell)."""
    events: dict[str, Any] = getattr(session.xenapi.event, "from")(classes, token, timeout_s)
    return events


def toolstack_counters(session: XenAPI.Session) -> dict[str, Any]:
    """What the toolstack was asked, and what it asked libvirt, since it started."""
    [host] = session.xenapi.host.get_all()
    counters: dict[str, Any] = json.loads(
        session.xenapi.host.call_plugin(host, "virtcim-statistics", "get", {})
    )
    return counters
