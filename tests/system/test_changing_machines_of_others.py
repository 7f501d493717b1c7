"""Machines that others made are changed by a CIM client: nothing is lost, nothing is mixed up."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import libvirt
import pytest
import pywbem

from tests.system.cim import NAMESPACE, find_system, service_path
from tests.system.waiting import wait_for
from tests.toolstack.documents import PERSISTENT, difference, document

DISK = "VirtCIM_DiskResourceAllocationSettingData"
PORT = "VirtCIM_NetworkPortResourceAllocationSettingData"


def define(cim: pywbem.WBEMConnection, qemu: libvirt.virConnect, devices: str) -> Any:
    """Define a machine as virsh would, and wait until the CIM server shows it."""
    domain = qemu.defineXML(document(f"others-{uuid.uuid4().hex[:8]}", devices))
    wait_shown(cim, domain)
    return domain


def wait_shown(cim: pywbem.WBEMConnection, domain: Any) -> None:
    name = domain.name()
    wait_for(lambda: find_system(cim, name), lambda found: found is not None, name)


def ports(*models: str, macs: tuple[str, ...] = ("0a", "0b", "0c")) -> str:
    return "".join(
        f"<interface type='user'><mac address='52:54:00:00:01:{mac}'/><model type='{model}'/>"
        "</interface>"
        for model, mac in zip(models, macs, strict=False)
    )


def setting(class_name: str, domain: Any, part: str, **values: Any) -> pywbem.CIMInstance:
    identity = f"VirtCIM:{domain.UUIDString()}/{part}"
    return pywbem.CIMInstance(class_name, {"InstanceID": identity, **values})


def modify(cim: pywbem.WBEMConnection, *settings: pywbem.CIMInstance) -> None:
    call = "ModifyResourceSettings"
    value, _ = cim.InvokeMethod(call, service_path(cim), ResourceSettings=list(settings))
    assert value == 0


def remove(cim: pywbem.WBEMConnection, domain: Any, part: str, class_name: str = PORT) -> None:
    keys = {"InstanceID": f"VirtCIM:{domain.UUIDString()}/{part}"}
    path = pywbem.CIMInstanceName(class_name, keys, namespace=NAMESPACE)
    value, _ = cim.InvokeMethod(
        "RemoveResourceSettings", service_path(cim), ResourceSettings=[path]
    )
    assert value == 0


def shown(cim: pywbem.WBEMConnection, domain: Any) -> dict[str, str]:
    """The models of the ports that the CIM server shows, by the end of their InstanceID."""
    start = f"VirtCIM:{domain.UUIDString()}/"
    return {
        found["InstanceID"].removeprefix(start): found["ResourceSubType"]
        for found in cim.EnumerateInstances(PORT)
        if found["InstanceID"].startswith(start)
    }


def test_a_disk_in_no_pool_keeps_everything_through_changes_and_refusals(
    cim: pywbem.WBEMConnection, qemu: libvirt.virConnect
) -> None:
    domain = define(
        cim,
        qemu,
        "<disk type='file' device='disk'><driver name='qemu' type='raw' cache='none'/>"
        "<source file='/srv/a.img'/><target dev='vdb' bus='virtio'/><serial>S</serial></disk>",
    )
    before = domain.XMLDesc(PERSISTENT)
    broken = {"HostResource": ["file:///srv/a.img"], "BusType": "nosuchbus"}
    with pytest.raises(pywbem.CIMError, match="ERR_BAD_PARAMETER"):
        modify(cim, setting(DISK, domain, "disk/vdb", **broken))
    assert domain.XMLDesc(PERSISTENT) == before
    modify(cim, setting(DISK, domain, "disk/vdb", Access=pywbem.Uint16(1)))
    assert difference(before, domain.XMLDesc(PERSISTENT)) == ["+ disk/readonly"]


def test_ports_are_what_they_were_called_whichever_go(
    cim: pywbem.WBEMConnection, qemu: libvirt.virConnect
) -> None:
    domain = define(cim, qemu, ports("virtio", "e1000", "rtl8139", macs=("01", "01", "02")))
    assert shown(cim, domain) == {
        "network/0": "virtio",
        "network/1": "e1000",
        "network/2": "rtl8139",
    }
    remove(cim, domain, "network/1")
    modify(cim, setting(PORT, domain, "network/0", ResourceSubType="pcnet"))
    assert shown(cim, domain) == {"network/0": "pcnet", "network/2": "rtl8139"}
    remove(cim, domain, "network/0")
    assert shown(cim, domain) == {"network/2": "rtl8139"}
    assert "rtl8139" in domain.XMLDesc(PERSISTENT)
    assert "e1000" not in domain.XMLDesc(PERSISTENT)


def test_a_machine_that_only_runs_is_not_made_persistent(
    cim: pywbem.WBEMConnection, qemu: libvirt.virConnect, make_disk: Callable[..., Path]
) -> None:
    domain = qemu.createXML(document(f"others-{uuid.uuid4().hex[:8]}", ports("virtio")))
    wait_shown(cim, domain)
    identity = f"VirtCIM:{domain.UUIDString()}"

    def change(**values: Any) -> None:
        settings = pywbem.CIMInstance(
            "VirtCIM_VirtualSystemSettingData", {"InstanceID": identity, **values}
        )
        cim.InvokeMethod("ModifySystemSettings", service_path(cim), SystemSettings=settings)

    with pytest.raises(pywbem.CIMError, match="ERR_WRONG_STATE_FOR_OP"):
        change(BootDevices=["network"])
    assert domain.isPersistent() == 0
    change(Description="hello")
    assert domain.isPersistent() == 0
    assert "<description>hello</description>" in domain.XMLDesc()
