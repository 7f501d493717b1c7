"""Machines, devices, pools and images that are made while the CIM server dies: the next one tells
the client of the job what was made, as if nothing had happened.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import libvirt
import pytest
import pywbem
from daemons import Daemon
from private_libvirt import PrivateLibvirt

from tests.system.cim import NAMESPACE
from tests.system.machines import domain_xml
from tests.system.relay import Relay
from tests.system.waiting import wait_for

_JOB_STARTED = 4096
_COMPLETED, _EXCEPTION = 7, 10
_CREATE = 5
_SERVICE = "VirtCIM_VirtualSystemManagementService"
_POOLS = "VirtCIM_ResourcePoolConfigurationService"
# The machine that is given devices.
_CHANGED = "changed"
# What tells the server how a task ends.
_NEWS = ("event.from", "task.get_record", "task.destroy")

Ask = Callable[[pywbem.WBEMConnection], pywbem.CIMInstanceName]
# What a job made: classes and effects of its elements, and the instances themselves.
Elements = dict[pywbem.CIMInstanceName, list[int] | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A CIM server, and the line between it and the toolstack."""

    server: Daemon
    relay: Relay
    database: Path

    @contextmanager
    def connected(self) -> Iterator[pywbem.WBEMConnection]:
        with pywbem.WBEMConnection(self.server.url, None, default_namespace=NAMESPACE) as cim:
            yield cim


@pytest.fixture
def place(
    shared_libvirt: PrivateLibvirt,
    qemu: libvirt.virConnect,
    start_toolstack: Callable[..., tuple[Daemon, str]],
    start_cim_server: Callable[..., Daemon],
    short_path: Path,
) -> Iterator[Place]:
    assert qemu.listAllDomains() == []
    options = ("--domain-type", "qemu", "--image-directory", str(shared_libvirt.directory))
    _, url = start_toolstack(shared_libvirt.uri, *options)
    with Relay(short_path / "relay.sock", Path(url.removeprefix("xapi+unix://"))) as relay:
        state = short_path / "interrupted"
        url = f"xapi+unix://{relay.path}"
        server = start_cim_server(url, "--job-after", "0", "--state", str(state))
        yield Place(server=server, relay=relay, database=state / "virtcim.sqlite")
        server.stop()


def setting(class_name: str, **properties: object) -> pywbem.CIMInstance:
    return pywbem.CIMInstance(class_name, properties)


def storage_pool(cim: pywbem.WBEMConnection) -> pywbem.CIMInstance:
    pools = cim.EnumerateInstances("VirtCIM_StoragePool")
    return next(pool for pool in pools if pool["ElementName"] == "default")


def disk(cim: pywbem.WBEMConnection) -> pywbem.CIMInstance:
    return setting(
        "CIM_StorageAllocationSettingData",
        ResourceType=pywbem.Uint16(31),
        PoolID=storage_pool(cim)["PoolID"],
        VirtualQuantity=pywbem.Uint64(1 << 20),
        AllocationUnits="byte",
        ResourceSubType="raw",
    )


def port() -> pywbem.CIMInstance:
    return setting(
        "CIM_EthernetPortAllocationSettingData",
        ResourceType=pywbem.Uint16(10),
        NetworkType="user",
    )


def invoke(cim: pywbem.WBEMConnection, *call: str, **parameters: object) -> pywbem.CIMInstanceName:
    method, service = call
    status, output = cim.InvokeMethod(method, service, **parameters)
    assert status == _JOB_STARTED
    job: pywbem.CIMInstanceName = output["Job"]
    return job


def define(cim: pywbem.WBEMConnection) -> pywbem.CIMInstanceName:
    system = setting("CIM_VirtualSystemSettingData", ElementName=f"made-{uuid4().hex[:8]}")
    resources = [disk(cim), port()]
    return invoke(cim, "DefineSystem", _SERVICE, SystemSettings=system, ResourceSettings=resources)


def add_resources(cim: pywbem.WBEMConnection) -> pywbem.CIMInstanceName:
    systems = cim.EnumerateInstances("VirtCIM_VirtualSystemSettingData")
    [settings] = [one.path for one in systems if one["ElementName"] == _CHANGED]
    resources = [port(), disk(cim), port()]
    return invoke(
        cim,
        "AddResourceSettings",
        _SERVICE,
        AffectedConfiguration=settings,
        ResourceSettings=resources,
    )


def create_image(cim: pywbem.WBEMConnection) -> pywbem.CIMInstanceName:
    image = disk(cim)
    image["ElementName"] = f"image-{uuid4().hex[:8]}.img"
    del image["PoolID"]
    pool = storage_pool(cim).path
    return invoke(cim, "CreateResourceInPool", _POOLS, Settings=image, Pool=pool)


def create_pool(cim: pywbem.WBEMConnection, directory: Path) -> pywbem.CIMInstanceName:
    name = f"pool-{uuid4().hex[:8]}"
    settings = [setting("CIM_ResourceAllocationSettingData", HostResource=[str(directory / name)])]
    return invoke(cim, "CreateChildResourcePool", _POOLS, ElementName=name, Settings=settings)


def made_by(cim: pywbem.WBEMConnection, job: pywbem.CIMInstanceName) -> Elements:
    """What a job that ends well has made, all of which is there."""
    instance = wait_for(
        lambda: cim.GetInstance(job),
        lambda found: found["JobState"] in (_COMPLETED, _EXCEPTION),
        "the end of the job",
    )
    assert (instance["JobState"], instance["ErrorCode"]) == (_COMPLETED, 0), instance.items()
    found = cim.References(job, ResultClass="CIM_AffectedJobElement")
    elements = {one["AffectedElement"]: one["ElementEffects"] for one in found}
    for element in elements:
        cim.GetInstance(element)
    return elements


def kinds(elements: Elements) -> list[tuple[str, list[int] | None]]:
    return sorted((path.classname, effects) for path, effects in elements.items())


def dies_during(place: Place, asked: Sequence[Ask]) -> list[pywbem.CIMInstanceName]:
    """Let the server die after it has begun tasks, and before it hears how any of them ended."""
    before = stored_tasks(place.database)
    with place.connected() as cim:
        place.relay.mute(*_NEWS)
        place.relay.wait_for_muted()
        jobs = [ask(cim) for ask in asked]
        wait_for(
            lambda: stored_tasks(place.database) - before - {""},
            lambda refs: len(refs) == len(asked),
            "the tasks in the state of the server",
        )
    place.server.kill()
    place.relay.mute()
    return jobs


def stored_tasks(database: Path) -> set[str]:
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        return {ref for (ref,) in connection.execute("select task_ref from job")}


def test_what_was_made_is_named_by_the_next_server_as_by_the_first(
    place: Place, qemu: libvirt.virConnect, shared_libvirt: PrivateLibvirt
) -> None:
    qemu.defineXML(domain_xml(_CHANGED))
    asked: Sequence[Ask] = (
        define,
        add_resources,
        create_image,
        lambda cim: create_pool(cim, shared_libvirt.directory),
    )
    with place.connected() as cim:
        wait_for(
            lambda: cim.EnumerateInstanceNames("VirtCIM_VirtualSystemSettingData"),
            lambda found: len(found) == 1,
            "the machine",
        )
        as_usual = [made_by(cim, ask(cim)) for ask in asked]
    jobs = dies_during(place, asked)
    place.server.start()
    with place.connected() as cim:
        elements = [made_by(cim, job) for job in jobs]
    assert list(map(kinds, elements)) == list(map(kinds, as_usual))
    for found, usual in zip(elements, as_usual, strict=True):
        created = {path for path, effects in found.items() if effects == [_CREATE]}
        assert created
        assert created.isdisjoint(usual)
