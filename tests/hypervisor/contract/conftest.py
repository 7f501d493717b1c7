"""Every contract test is asked of every subject; what a test has made is gone after it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from tests.hypervisor.contract.subjects import SUBJECTS, Subject
from tests.hypervisor.contract.systems import network_of, specification
from virtcim.errormap import HypervisorError
from virtcim.hypervisor import DiskSpec, Endpoint, NetworkPortSpec

Define = Callable[..., str]


@pytest.fixture(scope="session", params=SUBJECTS)
def subject(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Subject]:
    with SUBJECTS[request.param](tmp_path_factory.mktemp("host")) as subject:
        yield subject


@pytest.fixture
def endpoint(subject: Subject) -> Endpoint:
    return subject.endpoint


@pytest.fixture
def define(endpoint: Endpoint) -> Iterator[Define]:
    """``define(**fields)`` makes a virtual system and gives its UUID; it is gone after the test."""
    made: list[str] = []

    def make(**fields: object) -> str:
        made.append(endpoint.define(specification(**fields)))
        return made[-1]

    yield make
    for uuid in made:
        with suppress(HypervisorError):
            endpoint.destroy(uuid)


@pytest.fixture
def uuid(define: Define, subject: Subject) -> str:
    """A halted virtual system with a disk to boot from and a network port."""
    return define(
        disks=(DiskSpec(id="vda", path=subject.new_image(), format="raw"),),
        network_ports=(NetworkPortSpec(network_uuid=network_of(subject.endpoint)),),
    )
