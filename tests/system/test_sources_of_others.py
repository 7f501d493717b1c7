"""Sources that are no files: what is shown of them is taken back, inside the fence only."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import libvirt
import pytest
import pywbem
from private_libvirt import PrivateLibvirt

from tests.system.cim import define, destroy, service_path, system_settings
from tests.system.others import (
    Machine,
    allocations,
    invoke,
    settings_path,
    somebody_elses,
)
from tests.system.stack import Stack, running_stack
from tests.system.waiting import wait_for
from tests.toolstack.test_network_pools import DISKS as NETWORK_DISKS

DISK = "VirtCIM_DiskResourceAllocationSettingData"
_SHARED = "<memoryBacking><source type='memfd'/><access mode='shared'/></memoryBacking>"
#: By target: the type of the disk, and its source, in which DIR is the directory inside.
SOURCES = {
    "vda": (
        "network",
        (
            "<source protocol='rbd' name='pool/image'><host name='mon1' port='6789'/>"
            "<host name='fd00::2'/><snapshot name='before the upgrade'/>"
            "<config file='DIR/b &amp; c.conf'/></source>"
        ),
    ),
    "vdb": (
        "network",
        "<source protocol='rbd' name='pool/other'><config file='DIR/b.conf'/></source>",
    ),
    "vdc": (
        "nvme",
        (
            "<source type='pci' managed='yes' namespace='1'>"
            "<address domain='0x0000' bus='0x01' slot='0x00' function='0x0'/></source>"
        ),
    ),
    "vdd": (
        "nvme",
        (
            "<source type='pci' managed='no' namespace='2'>"
            "<address domain='0x0000' bus='0x01' slot='0x00' function='0x0'/></source>"
        ),
    ),
    "vde": (
        "vhostuser",
        (
            "<source type='unix' path='DIR/blk.sock'><reconnect enabled='yes' timeout='10'/>"
            "</source>"
        ),
    ),
}


@pytest.fixture(scope="module")
def inside(stack_directory: Path) -> Path:
    """The only directory in which clients may name files; the configurations are not read."""
    directory = stack_directory / "inside"
    directory.mkdir()
    return directory


@pytest.fixture(scope="module")
def opened(shared_libvirt: PrivateLibvirt, stack_directory: Path, inside: Path) -> Iterator[Stack]:
    """A server whose administrator has opened some sources."""
    sources = ("rbd://mon1/pool", "rbd://[fd00::2]/pool", "rbd:///pool", "vhostuser://")
    with running_stack(
        shared_libvirt.uri,
        stack_directory,
        images=(inside,),
        sources=(*sources, "nvme:///0000:01:00.0"),
    ) as running:
        yield running


@pytest.fixture
def administrator(opened: Stack, qemu: libvirt.virConnect) -> Iterator[pywbem.WBEMConnection]:
    """A client of that server."""
    assert qemu.listAllDomains() == []
    with opened.connect() as cim:
        yield cim


def disks(inside: Path) -> str:
    return "".join(
        f"<disk type='{kind}'><driver name='qemu' type='raw'/>{source}"
        f"<target dev='{target}' bus='virtio'/></disk>"
        for target, (kind, source) in SOURCES.items()
    ).replace("DIR", str(inside))


def sources(machine: Machine) -> dict[str, str]:
    """The sources of the disks of a machine by target, in canonical form."""
    root = ElementTree.fromstring(machine.document())
    return {
        disk.find("target").get("dev", ""): ElementTree.canonicalize(  # type: ignore[union-attr]
            ElementTree.tostring(disk.find("source"), "unicode"),  # type: ignore[arg-type]
            strip_text=True,
        )
        for disk in root.iterfind("devices/disk")
    }


def new_disk(target: str, uris: list[str]) -> pywbem.CIMInstance:
    return pywbem.CIMInstance(
        DISK,
        {
            "ResourceType": pywbem.Uint16(31),
            "HostResource": uris,
            "ResourceSubType": "raw",
            "AddressOnParent": target,
            "BusType": "virtio",
        },
    )


def test_what_is_shown_gives_the_same_source_where_the_administrator_allows_it(
    administrator: pywbem.WBEMConnection, qemu: libvirt.virConnect, inside: Path
) -> None:
    cim = administrator
    with somebody_elses(qemu, disks(inside), rest=_SHARED) as theirs:
        shown = {
            target: list(each["HostResource"])
            for target, each in allocations(cim, theirs.uuid, "disk").items()
        }
        assert shown == {
            target: [uri.replace("DIR", str(inside)) for uri in uris]
            for target, uris in {
                "vda": [
                    f"rbd://{host}/pool/image?snapshot=before%20the%20upgrade"
                    "&config=DIR/b%20%26%20c.conf"
                    for host in ("mon1:6789", "[fd00::2]")
                ],
                "vdb": ["rbd:///pool/other?config=DIR/b.conf"],
                "vdc": ["nvme:///0000:01:00.0/1"],
                "vdd": ["nvme:///0000:01:00.0/2?managed=no"],
                "vde": ["vhostuser://DIR/blk.sock?reconnect=10"],
            }.items()
        }
        before = theirs.document()
        settings = list(allocations(cim, theirs.uuid, "disk").values())
        invoke(cim, "ModifyResourceSettings", ResourceSettings=settings)
        assert theirs.document() == before
        wanted = sources(theirs)
        with somebody_elses(qemu, "", rest=_SHARED) as other:
            allocations(cim, other.uuid, "disk")
            for target, uris in shown.items():
                invoke(
                    cim,
                    "AddResourceSettings",
                    AffectedConfiguration=settings_path(other.uuid),
                    ResourceSettings=[new_disk(target, uris)],
                )
            assert sources(other) == wanted
    wait_for(
        lambda: cim.EnumerateInstanceNames("VirtCIM_ComputerSystem"),
        lambda left: left == [],
        "the end of both",
    )
    # Nobody has these any more: the URIs alone tell what they are.
    status, output = cim.InvokeMethod(
        "DefineSystem",
        service_path(cim),
        SystemSettings=system_settings("mine"),
        # Without shared memory libvirt takes no vhost-user disk.
        ResourceSettings=[
            new_disk(target, uris) for target, uris in shown.items() if target != "vde"
        ],
    )
    assert status == 0
    uuid = output["ResultingSystem"]["Name"]
    mine = Machine(qemu.lookupByUUIDString(uuid), uuid)
    assert sources(mine) == {name: each for name, each in wanted.items() if name != "vde"}
    destroy(cim, uuid)


def test_what_a_machine_has_is_given_to_no_other_outside_the_fence(
    administrator: pywbem.WBEMConnection,
    cim: pywbem.WBEMConnection,
    qemu: libvirt.virConnect,
    inside: Path,
) -> None:
    def refusal(client: pywbem.WBEMConnection, uris: list[str]) -> str:
        with pytest.raises(pywbem.CIMError) as refused:
            invoke(
                client,
                "AddResourceSettings",
                AffectedConfiguration=settings_path(mine),
                ResourceSettings=[new_disk("vdx", uris)],
            )
        return str(refused.value.status_description)

    mine = define(cim, "mine")
    elsewhere = disks(Path("/etc/ceph")).replace("0x01", "0x02")
    with somebody_elses(qemu, elsewhere, rest=_SHARED) as theirs:
        for client, options in (
            (cim, {"--image-source"}),
            (administrator, {"--image-source", "--image-directory"}),
        ):
            allocations(client, mine, "disk")
            named = {}
            for target, each in allocations(client, theirs.uuid, "disk").items():
                told = refusal(client, list(each["HostResource"]))
                assert told.startswith("ERR_ACCESS_DENIED"), told
                named[target] = next(word for word in options if word in told)
            assert set(named.values()) == options, named
    destroy(cim, mine)


@pytest.mark.parametrize("pool", NETWORK_DISKS)
def test_what_a_volume_on_the_network_becomes_is_understood_by_qemus_driver(
    qemu: libvirt.virConnect, pool: str
) -> None:
    """There is no Ceph, gluster or iSCSI here: how far libvirt comes is all that can be seen."""
    kind, source, _ = NETWORK_DISKS[pool]
    disk = f"<disk type='{kind}'><driver name='qemu' type='raw'/>{source}<target dev='vda'/></disk>"
    with somebody_elses(qemu, disk) as machine:
        assert sources(machine) == {"vda": ElementTree.canonicalize(source, strip_text=True)}
        missing = {"ceph": libvirt.VIR_ERR_NO_SECRET, "targets": libvirt.VIR_ERR_NO_STORAGE_POOL}
        if pool in missing:
            # It looks for the secret that is referred to, and for the pool.
            with pytest.raises(libvirt.libvirtError) as refused:
                machine.domain.create()
            assert refused.value.get_error_code() == missing[pool]
