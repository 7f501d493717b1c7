"""Machines that virsh and others made are changed by CIM clients, and keep everything else."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import libvirt
import pytest
import pywbem
from boot_sectors import IDLE

from tests.system.cim import destroy
from tests.system.others import (
    Machine,
    allocation,
    allocations,
    invoke,
    settings_path,
    somebody_elses,
)
from tests.system.waiting import wait_for

_DISK = "VirtCIM_DiskResourceAllocationSettingData"
_PORT = "VirtCIM_NetworkPortResourceAllocationSettingData"
_PORT_OF_OTHERS = (
    "<interface type='bridge'><mac address='52:54:00:00:00:09'/><source bridge='br0'/>"
    "<model type='virtio'/><link state='down'/><bandwidth><inbound average='1000'/></bandwidth>"
    "<boot order='1'/><driver name='qemu' queues='4'/><filterref filter='clean-traffic'/>"
    "<target dev='tapx'/></interface>"
)


@pytest.fixture
def networks(cim: pywbem.WBEMConnection, qemu: libvirt.virConnect) -> Iterator[dict[str, str]]:
    """Two networks of libvirt's, by name, which CIM shows; they never start."""
    made = [
        qemu.networkDefineXML(
            f"<network><name>{name}</name><forward mode='bridge'/><bridge name='{name}br'/>"
            "</network>"
        )
        for name in ("first", "second")
    ]
    found = {network.name(): network.UUIDString() for network in made}
    wait_for(
        lambda: {pool["PoolID"] for pool in cim.EnumerateInstances("VirtCIM_NetworkPool")},
        lambda pools: pools >= {f"VirtCIM:{each}/NetworkPool" for each in found.values()},
        "the networks",
    )
    yield found
    for network in made:
        network.undefine()


def disk_setting(machine: Machine, target: str, **values: Any) -> pywbem.CIMInstance:
    return pywbem.CIMInstance(
        _DISK, {"InstanceID": f"VirtCIM:{machine.uuid}/disk/{target}", **values}
    )


def port_setting(machine: Machine, number: str, **values: Any) -> pywbem.CIMInstance:
    return pywbem.CIMInstance(
        _PORT, {"InstanceID": f"VirtCIM:{machine.uuid}/network/{number}", **values}
    )


def refusal(call: Callable[[], object]) -> str:
    with pytest.raises(pywbem.CIMError) as refused:
        call()
    return str(refused.value.status_description)


def test_a_disk_in_no_pool_is_made_read_only_in_place(
    cim: pywbem.WBEMConnection, qemu: libvirt.virConnect
) -> None:
    disk = (
        "<disk type='file'><source file='/srv/elsewhere/a.img'/>"
        "<target dev='vdb' bus='virtio'/><serial>S-1</serial></disk>"
    )
    with somebody_elses(qemu, disk) as machine:
        allocations(cim, machine.uuid, "disk")
        before = machine.document()
        invoke(
            cim,
            "ModifyResourceSettings",
            ResourceSettings=[disk_setting(machine, "vdb", Access=pywbem.Uint16(1))],
        )
        # libvirt writes <readonly> after the target and the image's chain.
        assert machine.document().replace("<readonly></readonly>\n      ", "") == before
        assert "<readonly" in machine.part("devices/disk")
        assert allocation(cim, machine.uuid, "disk/vdb")["Access"] == 1


def test_a_refused_change_of_a_disk_leaves_the_machine_as_it_was(
    cim: pywbem.WBEMConnection, qemu: libvirt.virConnect, make_disk: Callable[..., Path]
) -> None:
    disk = (
        "<disk type='file'><source file='/srv/elsewhere/a.img'/>"
        "<target dev='vdb' bus='virtio'/></disk>"
    )
    other = make_disk(IDLE)
    with somebody_elses(qemu, disk) as machine:
        allocations(cim, machine.uuid, "disk")
        before = machine.document()
        told = refusal(
            lambda: invoke(
                cim,
                "ModifyResourceSettings",
                ResourceSettings=[
                    disk_setting(
                        machine, "vdb", HostResource=[f"file://{other}"], BusType="nosuchbus"
                    )
                ],
            )
        )
        assert told.startswith("ERR_BAD_PARAMETER"), told
        assert machine.document() == before


def test_another_image_changes_the_source_and_nothing_else(
    cim: pywbem.WBEMConnection, qemu: libvirt.virConnect, make_disk: Callable[..., Path]
) -> None:
    disk = (
        "<disk type='file' device='disk'><driver name='qemu' type='raw' cache='none' io='native'"
        " discard='unmap' iothread='1' error_policy='stop'/>"
        "<source file='/srv/elsewhere/a.img'/><target dev='vdb' bus='virtio'/>"
        "<iotune><total_bytes_sec>1000000</total_bytes_sec></iotune><serial>WD-1</serial>"
        "<boot order='1'/></disk>"
    )
    other = make_disk(IDLE)
    with somebody_elses(qemu, disk, rest="<iothreads>1</iothreads>") as machine:
        allocations(cim, machine.uuid, "disk")
        before = machine.document()
        invoke(
            cim,
            "ModifyResourceSettings",
            ResourceSettings=[disk_setting(machine, "vdb", HostResource=[f"file://{other}"])],
        )
        assert machine.document() == before.replace("/srv/elsewhere/a.img", str(other))
        assert allocation(cim, machine.uuid, "disk/vdb")["HostResource"] == [f"file://{other}"]


def test_another_network_keeps_the_filter_and_the_link_of_a_port(
    cim: pywbem.WBEMConnection, qemu: libvirt.virConnect, networks: dict[str, str]
) -> None:
    with somebody_elses(qemu, _PORT_OF_OTHERS) as machine:
        [number] = allocations(cim, machine.uuid, "network")
        before = machine.part("devices/interface")
        invoke(
            cim,
            "ModifyResourceSettings",
            ResourceSettings=[
                port_setting(machine, number, PoolID=f"VirtCIM:{networks['first']}/NetworkPool")
            ],
        )
        assert machine.part("devices/interface") == before.replace(
            'type="bridge"', 'type="network"'
        ).replace('<source bridge="br0">', '<source network="first">')
        assert list(allocations(cim, machine.uuid, "network")) == [number]


def test_of_two_ports_with_one_address_the_one_that_is_named_is_meant(
    cim: pywbem.WBEMConnection, qemu: libvirt.virConnect
) -> None:
    addresses = [("01", "virtio"), ("01", "e1000"), ("02", "rtl8139")]
    devices = "".join(
        f"<interface type='user'><mac address='52:54:00:00:00:{last}'/><model type='{model}'/>"
        "</interface>"
        for last, model in addresses
    )
    with somebody_elses(qemu, devices) as machine:
        found = allocations(cim, machine.uuid, "network")
        assert {key: each["ResourceSubType"] for key, each in found.items()} == {
            "0": "virtio",
            "1": "e1000",
            "2": "rtl8139",
        }
        invoke(cim, "RemoveResourceSettings", ResourceSettings=[found["1"].path])
        assert machine.macs() == [
            ("52:54:00:00:00:01", "virtio"),
            ("52:54:00:00:00:02", "rtl8139"),
        ]
        invoke(
            cim,
            "ModifyResourceSettings",
            ResourceSettings=[port_setting(machine, "2", ResourceSubType="pcnet")],
        )
        assert machine.macs() == [
            ("52:54:00:00:00:01", "virtio"),
            ("52:54:00:00:00:02", "pcnet"),
        ]


def test_ports_keep_their_identity_when_others_before_them_are_removed(
    cim: pywbem.WBEMConnection, qemu: libvirt.virConnect
) -> None:
    devices = "".join(
        f"<interface type='user'><mac address='52:54:00:00:02:{last}'/><model type='virtio'/>"
        "</interface>"
        for last in ("0a", "0b", "0c")
    )
    with somebody_elses(qemu, devices) as machine:
        found = allocations(cim, machine.uuid, "network")
        before = machine.document()
        invoke(cim, "RemoveResourceSettings", ResourceSettings=[found["0"].path])
        invoke(cim, "RemoveResourceSettings", ResourceSettings=[found["1"].path])
        assert machine.macs() == [("52:54:00:00:02:0c", "virtio")]
        assert list(allocations(cim, machine.uuid, "network")) == ["2"]
        assert "ua-" not in machine.document(), "an identity was written into the machine"
        assert "52:54:00:00:02:0a" in before


def test_the_first_of_two_ports_is_moved(
    cim: pywbem.WBEMConnection, qemu: libvirt.virConnect, networks: dict[str, str]
) -> None:
    devices = "".join(
        f"<interface type='user'><mac address='52:54:00:00:01:{last}'/><model type='{model}'/>"
        "</interface>"
        for last, model in (("0a", "virtio"), ("0b", "e1000"))
    )
    with somebody_elses(qemu, devices) as machine:
        allocations(cim, machine.uuid, "network")
        invoke(
            cim,
            "ModifyResourceSettings",
            ResourceSettings=[
                port_setting(machine, "0", PoolID=f"VirtCIM:{networks['second']}/NetworkPool")
            ],
        )
        assert machine.macs() == [("52:54:00:00:01:0a", "virtio"), ("52:54:00:00:01:0b", "e1000")]
        found = allocations(cim, machine.uuid, "network")
        assert found["0"]["PoolID"] == f"VirtCIM:{networks['second']}/NetworkPool"
        assert found["0"]["Address"] == "52:54:00:00:01:0a"


def test_a_machine_that_exists_only_while_it_runs_is_never_defined(
    cim: pywbem.WBEMConnection, qemu: libvirt.virConnect
) -> None:
    domain = qemu.createXML(
        f"<domain type='qemu'><name>transient-{uuid.uuid4().hex[:8]}</name>"
        "<memory unit='MiB'>32</memory><os><type>hvm</type></os></domain>",
        libvirt.VIR_DOMAIN_START_PAUSED,
    )
    system = domain.UUIDString()
    allocations(cim, system, "disk")
    settings = cim.GetInstance(settings_path(system))
    settings["BootDevices"] = ["network"]
    told = refusal(lambda: invoke(cim, "ModifySystemSettings", SystemSettings=settings))
    assert told.startswith("ERR_WRONG_STATE_FOR_OP")
    assert not domain.isPersistent()
    # With its run it is gone, and that is what was asked for.
    destroy(cim, system)
    assert qemu.listAllDomains() == []


def test_a_disk_of_a_pool_that_is_not_active_is_changed_and_shown(
    cim: pywbem.WBEMConnection, qemu: libvirt.virConnect
) -> None:
    pool = qemu.storagePoolDefineXML(
        "<pool type='dir'><name>asleep</name><target><path>/srv/asleep</path></target></pool>"
    )
    disk = (
        "<disk type='volume'><driver name='qemu' type='qcow2'/>"
        "<source pool='asleep' volume='pv.qcow2'/><target dev='vda' bus='virtio'/></disk>"
    )
    with somebody_elses(qemu, disk) as machine:
        setting = allocations(cim, machine.uuid, "disk")["vda"]
        assert all(name in setting["HostResource"][0] for name in ("asleep", "pv.qcow2"))
        assert setting["ResourceSubType"] == "qcow2"
        before = machine.document()
        invoke(
            cim,
            "ModifyResourceSettings",
            ResourceSettings=[disk_setting(machine, "vda", Access=pywbem.Uint16(1))],
        )
        assert machine.document().replace("<readonly></readonly>\n      ", "") == before
    pool.undefine()


def test_equal_names_on_two_servers_are_two_images(
    cim: pywbem.WBEMConnection, qemu: libvirt.virConnect
) -> None:
    disks = "".join(
        f"<disk type='network' device='disk'><driver name='qemu' type='raw'/>"
        f"<source protocol='http' name='images/a.img'><host name='{host}.example' port='80'/>"
        f"</source><target dev='{target}' bus='virtio'/><readonly/></disk>"
        for host, target in (("alpha", "vda"), ("beta", "vdb"))
    )
    with somebody_elses(qemu, disks) as machine:
        found = allocations(cim, machine.uuid, "disk")
        assert found["vda"]["HostResource"] == ["http://alpha.example:80/images/a.img"]
        assert found["vdb"]["HostResource"] == ["http://beta.example:80/images/a.img"]
        images = [
            image["DeviceID"]
            for each in found.values()
            for image in cim.AssociatorNames(each.path, ResultClass="VirtCIM_DiskImage")
        ]
        assert len(set(images)) == len(images)


def test_sending_back_everything_that_was_read_changes_nothing(
    cim: pywbem.WBEMConnection, qemu: libvirt.virConnect
) -> None:
    devices = (
        "<disk type='file'><source file='/srv/else where/ä%23.img'/>"
        "<target dev='vda' bus='virtio'/></disk>"
        "<disk type='network'><driver name='qemu' type='raw'/><source protocol='nbd'>"
        "<host name='::1' port='10809'/></source><target dev='vdb' bus='virtio'/></disk>"
        "<disk type='nvme'><driver name='qemu' type='raw'/><source type='pci' managed='yes'"
        " namespace='1'><address domain='0x0000' bus='0x01' slot='0x00' function='0x0'/></source>"
        "<target dev='vdc' bus='virtio'/></disk>"
        "<disk type='file' device='cdrom'><target dev='sda' bus='sata'/><readonly/></disk>"
        "<interface type='network'><source network='nowhere'/><model type='virtio'/></interface>"
        + _PORT_OF_OTHERS.replace("<boot order='1'/>", "")
    )
    with somebody_elses(qemu, devices) as machine:
        read = [
            *allocations(cim, machine.uuid, "disk").values(),
            *allocations(cim, machine.uuid, "network").values(),
        ]
        assert len(read) == 6
        before = machine.document()
        invoke(cim, "ModifyResourceSettings", ResourceSettings=read)
        invoke(
            cim,
            "ModifySystemSettings",
            SystemSettings=cim.GetInstance(settings_path(machine.uuid)),
        )
        assert machine.document() == before


_PASSED_THROUGH = """\
<disk type='file'><driver name='qemu' type='raw'/><source file='/srv/elsewhere/b.img'/>
<target dev='vda' bus='virtio'/><boot order='2'/></disk>
<controller type='usb' model='qemu-xhci'/>
<hostdev mode='subsystem' type='usb'><source><vendor id='0x1234'/><product id='0xbeef'/></source>
<boot order='1'/></hostdev>
<redirdev bus='usb' type='tcp'><source mode='connect' host='localhost' service='4000'/>
<boot order='3'/></redirdev>"""


def test_what_is_passed_through_and_booted_from_is_shown_and_never_left_out(
    cim: pywbem.WBEMConnection, qemu: libvirt.virConnect
) -> None:
    def change(*devices: str) -> None:
        settings = cim.GetInstance(settings_path(machine.uuid))
        settings["BootDevices"] = list(devices)
        invoke(cim, "ModifySystemSettings", SystemSettings=settings)

    def order() -> list[str]:
        found = ElementTree.fromstring(machine.document()).findall("devices/*")
        boots = [
            (boot.get("order"), each) for each in found if (boot := each.find("boot")) is not None
        ]
        return [each.tag for _, each in sorted(boots, key=lambda pair: str(pair[0]))]

    with somebody_elses(qemu, _PASSED_THROUGH) as machine:
        allocations(cim, machine.uuid, "disk")
        shown = cim.GetInstance(settings_path(machine.uuid))["BootDevices"]
        assert shown == ["hostdev", "hd", "redirdev"]
        before = machine.document()
        for left_out in (["hd"], ["network", "hd", "hostdev"], ["redirdev", "hd"]):
            told = refusal(lambda left_out=left_out: change(*left_out))  # type: ignore[misc]
            assert told.startswith("ERR_BAD_PARAMETER"), told
            assert "leaves out" in told
            assert machine.document() == before
        change("hd", "redirdev", "hostdev")
        assert order() == ["disk", "redirdev", "hostdev"]
        shown = cim.GetInstance(settings_path(machine.uuid))["BootDevices"]
        assert shown == ["hd", "redirdev", "hostdev"]


def test_what_no_machine_boots_from_yet_is_no_boot_device(
    cim: pywbem.WBEMConnection, qemu: libvirt.virConnect
) -> None:
    with somebody_elses(qemu, "") as machine:
        allocations(cim, machine.uuid, "disk")
        settings = cim.GetInstance(settings_path(machine.uuid))
        settings["BootDevices"] = ["hostdev", "hd"]
        told = refusal(lambda: invoke(cim, "ModifySystemSettings", SystemSettings=settings))
        assert told.startswith("ERR_BAD_PARAMETER")
        assert "hostdev" in told
