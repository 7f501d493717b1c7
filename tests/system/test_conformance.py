"""The model keeps what its classes declare, over a simulated host and over real QEMU."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import libvirt
import pytest
import pywbem
from boot_sectors import IDLE

from tests.system.cim import NAMESPACE, define, request_state
from tests.system.conformance import (
    INTEROP,
    SUBSCRIPTION,
    Model,
    check_associations,
    check_instances,
    read_model,
)
from tests.system.stack import Stack, running_stack
from tests.system.varied import varied_host_xml

_MACHINES = 50

MakeDisk = Callable[..., Path]


@pytest.fixture(scope="module")
def varied(stack_directory: Path) -> Iterator[Stack]:
    """The daemons over a simulated host with machines of many shapes."""
    description = stack_directory / "varied.xml"
    description.write_text(varied_host_xml(_MACHINES))
    with running_stack(f"test://{description}", stack_directory) as running:
        yield running


@pytest.fixture(scope="module")
def varied_model(varied: Stack) -> Model:
    with varied.connect() as cim:
        for namespace in (NAMESPACE, INTEROP):
            subscribe(cim, namespace)
        return read_model(cim, NAMESPACE)


def subscribe(cim: pywbem.WBEMConnection, namespace: str) -> None:
    """Create one of everything that clients create, and subscribe with all of it."""

    def create(class_name: str, **values: Any) -> pywbem.CIMInstanceName:
        return cim.CreateInstance(pywbem.CIMInstance(class_name, values), namespace=namespace)

    query = {"Query": "SELECT * FROM CIM_AlertIndication", "QueryLanguage": "WQL"}
    filtered = create("CIM_IndicationFilter", Name="f", **query)
    handlers = [
        create(name, Name="h", Destination="http://127.0.0.1:1")
        for name in ("CIM_ListenerDestinationCIMXML", "CIM_IndicationHandlerCIMXML")
    ]
    for handler in handlers:
        create(SUBSCRIPTION, Filter=filtered, Handler=handler)
    if namespace == INTEROP:
        [collection] = cim.EnumerateInstanceNames("CIM_FilterCollection", namespace=INTEROP)
        create("CIM_FilterCollectionSubscription", Filter=collection, Handler=handlers[0])


def test_every_class_is_tried(varied_model: Model) -> None:
    for (namespace, class_name), instances in varied_model.items():
        # Nothing has been asked of the simulated host that takes long.
        assert bool(instances) == ("Job" not in class_name), (namespace, class_name)
    assert len(varied_model[NAMESPACE, "VirtCIM_ComputerSystem"]) == _MACHINES


def test_instances_fit_their_classes(varied: Stack, varied_model: Model) -> None:
    with varied.connect() as cim:
        check_instances(cim, varied_model)


def test_associations_are_the_same_from_both_ends(varied: Stack, varied_model: Model) -> None:
    with varied.connect() as cim:
        check_associations(cim, varied_model)


def test_the_same_holds_over_qemu(
    cim: pywbem.WBEMConnection, qemu: libvirt.virConnect, make_disk: MakeDisk
) -> None:
    running = define(cim, "running", disks=[make_disk(IDLE), make_disk(IDLE)], processors=2)
    paused = define(cim, "paused", disks=[make_disk(IDLE)])
    define(cim, "halted", memory_bytes=64 << 20)
    for uuid in (running, paused):
        request_state(cim, uuid, "run")
    request_state(cim, paused, "pause")
    model = read_model(cim, NAMESPACE)
    assert len(model[NAMESPACE, "VirtCIM_Processor"]) == 4
    check_instances(cim, model)
    check_associations(cim, model)


def test_pywbem_finds_the_server_its_namespaces_and_its_profiles(varied: Stack) -> None:
    with varied.connect() as cim:
        server = pywbem.WBEMServer(cim)
        assert server.interop_ns == INTEROP
        assert set(server.namespaces) == {INTEROP, NAMESPACE}
        assert server.brand == "virtcim"
        assert server.version
        profiles = {
            profile["RegisteredName"]: server.get_central_instances(profile.path)
            for profile in server.get_selected_profiles("DMTF")
        }
        assert {path.classname for path in profiles["System Virtualization"]} == {
            "VirtCIM_HostSystem"
        }
        assert len(profiles["Virtual System"]) == _MACHINES
        assert {path.classname for path in profiles["Processor Resource Virtualization"]} == {
            "VirtCIM_ProcessorPool"
        }
        for paths in profiles.values():
            for path in paths:
                assert cim.GetInstance(path).path.keybindings == path.keybindings
