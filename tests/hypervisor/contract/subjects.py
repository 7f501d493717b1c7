"""The endpoints that keep one contract: in memory, over libvirt's test driver, and over QEMU."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from uuid import uuid4

import libvirt
from boot_sectors import IDLE, write_disk
from private_libvirt import PrivateLibvirt

from tests.hypervisor.contract.systems import MIB
from tests.hypervisor.xenapi_server import endpoint_of
from tests.providers.simulated_endpoint import SimulatedEndpoint
from tests.toolstack.host import running_host, write_host
from virtcim.hypervisor import Endpoint

__all__ = ["SUBJECTS", "Subject"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """An endpoint, and what is peculiar to its host.

    ``new_image`` gives the path of an image outside its storage pools; ``resizes_images``: whether
    its storage can do that.
    """

    endpoint: Endpoint
    new_image: Callable[[], str]
    resizes_images: bool = True


def _path() -> str:
    return f"/elsewhere/{uuid4()}.img"


@contextmanager
def _simulated(_directory: Path) -> Iterator[Subject]:
    yield Subject(endpoint=SimulatedEndpoint(), new_image=_path)


@contextmanager
def _over_libvirt(uri: str, new_image: Callable[[], str], **options: bool) -> Iterator[Subject]:
    simulated = uri.startswith("test:")
    with running_host(uri, domain_type="test" if simulated else "qemu") as host:
        port = int(host.url.rpartition(":")[2])
        with endpoint_of(port, **options) as endpoint:
            yield Subject(endpoint=endpoint, new_image=new_image, resizes_images=not simulated)


@contextmanager
def _test_driver(directory: Path) -> Iterator[Subject]:
    with _over_libvirt(write_host(directory / "host.xml"), _path) as subject:
        yield subject


@contextmanager
def _step_by_step(directory: Path) -> Iterator[Subject]:
    """By those calls alone that a XenServer has, too."""
    with _over_libvirt(write_host(directory / "host.xml"), _path, own_calls=False) as subject:
        yield subject


@contextmanager
def _qemu(_directory: Path) -> Iterator[Subject]:
    libvirt.registerErrorHandler(lambda *_: None, None)
    with PrivateLibvirt() as private:

        def new_image() -> str:
            path = private.directory / f"{uuid4()}.img"
            return str(private.give(write_disk(path, IDLE, size_bytes=MIB)))

        with _over_libvirt(private.uri, new_image) as subject:
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
