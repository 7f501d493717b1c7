"""Our own providers through the interface of CIMProvider2 give what they give without it."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tests.cmpi.provider2.conftest import Load
from tests.cmpi.server import Answer, Server
from tests.cmpi.words import Path, Typed
from virtcim import providers
from virtcim.registration import all_registrations

NAMESPACE = "root/virt"
SYSTEM_CLASS = "VirtCIM_ComputerSystem"
FILE = f"{next(iter(providers.__path__))}/cim_provider2.py"
CLASSES = sorted(
    one.class_name for one in all_registrations((NAMESPACE,)) if NAMESPACE in one.namespaces
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Both:
    """Two servers over the same providers: in the bridge alone, and by the interface."""

    alone: Server
    by_interface: Server

    def read(self, operation: str, path: Path, *texts: str | None) -> tuple[Answer, Answer]:
        first, second = (
            server.read(0, operation, path, *texts) for server in (self.alone, self.by_interface)
        )
        return first, second


@pytest.fixture
def both(load: Load) -> Both:
    servers = load("Pegasus"), load("Pegasus", "tests_host.py", FILE)
    for server in servers:
        assert server.open() == 0
    return Both(alone=servers[0], by_interface=servers[1])


def _system() -> Path:
    uuid = "00000000-0000-0000-0000-000000000001"
    keys: dict[str, Typed] = {
        "CreationClassName": ("string", SYSTEM_CLASS),
        "Name": ("string", uuid),
    }
    return Path(namespace=NAMESPACE, class_name=SYSTEM_CLASS, keys=keys)


def test_every_class_has_the_same_instances(both: Both) -> None:
    seen = 0
    for name in CLASSES:
        path = Path(namespace=NAMESPACE, class_name=name)
        alone, by_interface = both.read("enumerateInstances", path)
        assert (by_interface.status, by_interface.message) == (alone.status, alone.message), name
        assert [one.path for one in by_interface.instances] == [
            one.path for one in alone.instances
        ], name
        for first, second in zip(alone.instances, by_interface.instances, strict=True):
            assert second == first, name
        seen += len(alone.instances)
    assert seen > 100


def test_one_instance_has_the_same_values(both: Both) -> None:
    alone, by_interface = both.read("getInstance", _system())
    assert alone.instances, alone.message
    assert by_interface.instances[0] == alone.instances[0]


def test_the_same_is_associated(both: Both) -> None:
    for operation in ("associatorNames", "referenceNames"):
        texts = (None,) * (4 if operation == "associatorNames" else 2)
        servers = both.alone, both.by_interface
        numbers = [server.open("association") for server in servers]
        alone, by_interface = (
            server.read(number, operation, _system(), *texts)
            for server, number in zip(servers, numbers, strict=True)
        )
        assert by_interface.status == 0, by_interface.message
        assert alone.paths
        assert sorted(map(repr, by_interface.paths)) == sorted(map(repr, alone.paths)), operation


def test_failures_have_the_same_status_and_text(both: Both) -> None:
    keys: dict[str, Typed] = {
        "CreationClassName": ("string", SYSTEM_CLASS),
        "Name": ("string", "nobody"),
    }
    nobody = Path(namespace=NAMESPACE, class_name=SYSTEM_CLASS, keys=keys)
    alone, by_interface = both.read("getInstance", nobody)
    assert (by_interface.status, by_interface.message) == (alone.status, alone.message)
    assert alone.status != 0


def test_a_method_gives_the_same(both: Both) -> None:
    given: dict[str, Typed]
    answers = {}
    for given in ({"RequestedState": ("uint16", 9999)}, {"Unknown": ("uint16", 1)}):
        for server in (both.alone, both.by_interface):
            number = server.open("method")
            answers[server] = server.invoke(number, _system(), "RequestStateChange", given)
        alone, by_interface = answers.values()
        assert by_interface.status == alone.status
        # The interface has the names of parameters in lower case.
        assert (by_interface.message or "").lower() == (alone.message or "").lower()
        assert by_interface.data == alone.data
        assert by_interface.arguments == alone.arguments
