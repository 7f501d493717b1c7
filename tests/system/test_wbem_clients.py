"""Each of the real clients does the main job: it reads, changes, makes, and learns why not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import pywbem
from boot_sectors import IDLE
from private_libvirt import PrivateLibvirt

from tests.system.cim import define, find_system
from tests.system.stack import Stack
from tests.system.wbem_clients import CLIENTS, ClientError, WbemClient

_RUNNING = "2"
_HALTED = "3"

MakeDisk = Callable[..., Path]


@pytest.fixture(params=CLIENTS)
def client(request: pytest.FixtureRequest, stack: Stack) -> WbemClient:
    return CLIENTS[request.param](stack)


def test_it_enumerates_virtual_systems_and_pools(
    cim: pywbem.WBEMConnection, client: WbemClient
) -> None:
    uuids = {define(cim, name): name for name in ("first", "second")}
    systems = client.enumerate("VirtCIM_ComputerSystem")
    assert {one["Name"]: one["ElementName"] for one in systems} == uuids
    pools = client.enumerate("CIM_ResourcePool")
    assert {"3", "4"} < {one["ResourceType"] for one in pools}


def test_it_gets_one_virtual_system(cim: pywbem.WBEMConnection, client: WbemClient) -> None:
    uuid = define(cim, "wanted")
    found = client.get(uuid)
    assert found["ElementName"] == "wanted"
    assert found["EnabledState"] == _HALTED


def test_it_follows_an_association(cim: pywbem.WBEMConnection, client: WbemClient) -> None:
    uuid = define(cim, "associated")
    [settings] = client.settings(uuid)
    assert settings["InstanceID"] == f"VirtCIM:{uuid}"
    assert settings["ElementName"] == "associated"


def test_it_changes_a_state(
    cim: pywbem.WBEMConnection, client: WbemClient, make_disk: MakeDisk
) -> None:
    uuid = define(cim, "changing", disks=[make_disk(IDLE)])
    client.request_state(uuid, "run")
    assert client.get(uuid)["EnabledState"] == _RUNNING
    client.request_state(uuid, "switch off")
    assert client.get(uuid)["EnabledState"] == _HALTED


def test_it_defines_a_virtual_system_that_runs(
    cim: pywbem.WBEMConnection, client: WbemClient, make_disk: MakeDisk
) -> None:
    disk = make_disk(IDLE)
    client.define('made "here" & now <1>', disk)
    [system] = client.enumerate("VirtCIM_ComputerSystem")
    assert system["ElementName"] == 'made "here" & now <1>'
    client.request_state(system["Name"], "run")
    disks = client.enumerate("VirtCIM_DiskResourceAllocationSettingData")
    assert [str(disk) in one["HostResource"] for one in disks] == [True]


def test_it_shows_why_a_start_failed(
    cim: pywbem.WBEMConnection, client: WbemClient, shared_libvirt: PrivateLibvirt
) -> None:
    missing = shared_libvirt.images / "missing.img"
    uuid = define(cim, "unbootable", disks=[missing])
    with pytest.raises(ClientError) as caught:
        client.request_state(uuid, "run")
    assert "ERR_CANNOT_ACCESS_DISK_FILE: " in str(caught.value)
    assert str(missing) in str(caught.value)


def test_it_shows_why_a_name_cannot_be_taken(
    cim: pywbem.WBEMConnection, client: WbemClient, make_disk: MakeDisk
) -> None:
    disk = make_disk(IDLE)
    define(cim, "taken", disks=[disk])
    with pytest.raises(ClientError) as caught:
        client.define("taken", disk)
    assert "ERR_ALREADY_EXIST: " in str(caught.value)
    assert find_system(cim, "taken") is not None


def test_it_shows_that_a_virtual_system_does_not_exist(
    cim: pywbem.WBEMConnection, client: WbemClient
) -> None:
    with pytest.raises(ClientError) as caught:
        client.get("00000000-0000-0000-0000-000000000000")
    assert "CIM_ERR_NOT_FOUND" in str(caught.value)
