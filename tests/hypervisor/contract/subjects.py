"""The endpoints that keep one contract: in memory, over libvirt's test driver, and over QEMU."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Protocol
from uuid import uuid4

import libvirt
from boot_sectors import IDLE, write_disk
from private_libvirt import PrivateLibvirt

from tests.hypervisor.contract.systems import MIB
from tests.hypervisor.xenapi_server import endpoint_at, endpoint_of
from tests.providers.simulated_endpoint import SimulatedEndpoint
from tests.system.relay import Relay
from tests.toolstack.host import ignore_shutdown, running_host, write_host
from virtcim.hypervisor import Endpoint

__all__ = ["SUBJECTS", "Another", "Line", "Subject"]


class Line(Protocol):
    """The way to the hypervisor that one endpoint has for itself."""

    @property
    def lost(self) -> bool:
        """Whether nothing passes."""

    def lose(self) -> None:
        """Let nothing pass any more."""

    def restore(self) -> None:
        """Let everything pass again."""

    def lose_at(self, others: int, *, arrives: bool) -> None:
        """Lose it at a call that changes something, after so many others that do.

        That call never arrives, or its answer is lost.
        """


Another = AbstractContextManager[tuple[Endpoint, Line]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """An endpoint, and what is peculiar to its host. No guest follows when asked to shut down.

    ``another`` connects a second endpoint to the same host. ``new_image`` gives the path of an
    image outside its storage pools, ``new_directory`` one of a directory for a storage pool;
    ``resizes_images`` and ``keeps_files``: whether its storage does that.
    """

    endpoint: Endpoint
    another: Callable[[], Another]
    new_image: Callable[[], str]
    new_directory: Callable[[], str]
    resizes_images: bool = True
    keeps_files: bool = True


def _path() -> str:
    return f"/elsewhere/{uuid4()}.img"


def _pool_directory() -> str:
    return f"/pools/{uuid4()}"


class _SimulatedLine:
    def __init__(self, endpoint: SimulatedEndpoint) -> None:
        self._endpoint = endpoint

    @property
    def lost(self) -> bool:
        return self._endpoint.disconnected

    def lose(self) -> None:
        self._endpoint.lose_connection()

    def restore(self) -> None:
        self._endpoint.restore_connection()

    def lose_at(self, others: int, *, arrives: bool) -> None:
        if others == 0:  # every operation is one step
            self._endpoint.lose_at_next_change(arrives=arrives)


@contextmanager
def _simulated(_directory: Path) -> Iterator[Subject]:
    endpoint = SimulatedEndpoint()
    endpoint.host.guests_are_deaf = True

    @contextmanager
    def another() -> Iterator[tuple[Endpoint, Line]]:
        other = SimulatedEndpoint(host=endpoint.host)
        with closing(other):
            yield other, _SimulatedLine(other)

    yield Subject(
        endpoint=endpoint, another=another, new_image=_path, new_directory=_pool_directory
    )


def _changes_something(method: str) -> bool:
    class_name, _, verb = method.removeprefix("Async.").rpartition(".")
    return class_name not in {"session", "event", "task"} and not verb.startswith("get_")


class _RelayedLine:
    def __init__(self, relay: Relay) -> None:
        self._relay = relay

    @property
    def lost(self) -> bool:
        return not self._relay.listening

    def lose(self) -> None:
        self._relay.lose()

    def restore(self) -> None:
        self._relay.restore()

    def lose_at(self, others: int, *, arrives: bool) -> None:
        self._relay.lose_at(others, _changes_something, arrives=arrives)


@contextmanager
def _over_libvirt(
    uri: str, new_image: Callable[[], str], new_directory: Callable[[], str], **options: bool
) -> Iterator[Subject]:
    simulated = uri.startswith("test:")

    @contextmanager
    def another() -> Iterator[tuple[Endpoint, Line]]:
        with (
            Relay(Path(sockets) / f"{uuid4().hex[:8]}.sock", port) as relay,
            endpoint_at(f"xapi+unix://{relay.path}", **options) as endpoint,
        ):
            yield endpoint, _RelayedLine(relay)

    with (
        # Paths of sockets are short.
        tempfile.TemporaryDirectory(prefix="virtcim-") as sockets,
        running_host(uri, domain_type="test" if simulated else "qemu") as host,
    ):
        if simulated:
            ignore_shutdown(host)
        port = int(host.url.rpartition(":")[2])
        with endpoint_of(port, **options) as endpoint:
            yield Subject(
                endpoint=endpoint,
                another=another,
                new_image=new_image,
                new_directory=new_directory,
                resizes_images=not simulated,
                keeps_files=not simulated,
            )


@contextmanager
def _test_driver(directory: Path) -> Iterator[Subject]:
    uri = write_host(directory / "host.xml")
    with _over_libvirt(uri, _path, _pool_directory) as subject:
        yield subject


@contextmanager
def _step_by_step(directory: Path) -> Iterator[Subject]:
    """By those calls alone that a XenServer has, too."""
    uri = write_host(directory / "host.xml")
    with _over_libvirt(uri, _path, _pool_directory, own_calls=False) as subject:
        yield subject


@contextmanager
def _qemu(_directory: Path) -> Iterator[Subject]:
    libvirt.registerErrorHandler(lambda *_: None, None)
    with PrivateLibvirt() as private:

        def new_image() -> str:
            path = private.directory / f"{uuid4()}.img"
            return str(private.give(write_disk(path, IDLE, size_bytes=MIB)))

        def new_directory() -> str:
            path = private.directory / f"pool-{uuid4()}"
            path.mkdir()
            return str(private.give(path))

        with _over_libvirt(private.uri, new_image, new_directory) as subject:
            yield subject


#: By name, how each is set up in an empty directory.
SUBJECTS: Mapping[str, Callable[[Path], AbstractContextManager[Subject]]] = MappingProxyType(
    {
        "simulated": _simulated,
        "test driver": _test_driver,
        "step by step": _step_by_step,
        "QEMU": _qemu,
    }
)
