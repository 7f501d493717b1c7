"""Names over real libvirt: what each kind may have at most, and that a bad one harms nobody."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import libvirt
import pytest
import pywbem
import XenAPI
from private_libvirt import PrivateLibvirt

from tests.system.cim import define, destroy, resource_settings, service_path, system_settings
from tests.system.machines import domain_xml
from tests.toolstack.host import failure, only, running_host, vm_record
from virtcim.toolstack.names import LIMITS, MACHINE, POOL, SNAPSHOT, VOLUME

_MIB = 1 << 20


@pytest.fixture
def api(shared_libvirt: PrivateLibvirt, qemu: libvirt.virConnect) -> Iterator[Any]:
    assert qemu.listAllDomains() == []
    with running_host(shared_libvirt.uri, domain_type="qemu") as host:
        session = host.login()
        yield session.xenapi
        session("close")()


def _sr_arguments(api: Any, name: str, directory: Path) -> tuple[Any, ...]:
    [host] = api.host.get_all()
    return (host, {"location": str(directory)}, "0", name, "", "dir", "user", False, {})


def test_a_name_as_long_as_allowed_works_and_one_more_byte_would_not(
    api: Any, qemu: libvirt.virConnect, shared_libvirt: PrivateLibvirt
) -> None:
    machine = "é" * (LIMITS[MACHINE] // 2) + "m"
    vm = api.VM.create(vm_record(machine, other_config={"auto_poweron": "true"}))
    api.VM.start(vm, False, False)
    api.VM.suspend(vm)
    api.VM.resume(vm, False, False)
    api.VM.hard_shutdown(vm)
    other = "n" * LIMITS[MACHINE]
    api.VM.set_name_label(vm, other)
    assert [domain.name() for domain in qemu.listAllDomains()] == [other]
    api.VM.destroy(vm)

    [pool] = api.SR.get_by_name_label("default")
    volume = {"SR": pool, "virtual_size": str(_MIB), "type": "user"}
    for image_format in ("raw", "qcow2"):
        name = image_format[0] * LIMITS[VOLUME]
        options = {"type": image_format}
        vdi = api.VDI.create({**volume, "name_label": name, "sm_config": options})
        assert (shared_libvirt.images / name).is_file()
        api.VDI.destroy(vdi)
    with pytest.raises(libvirt.libvirtError):
        qemu.storagePoolLookupByName("default").createXML(
            f"<volume><name>{'v' * (LIMITS[VOLUME] + 1)}</name><capacity>1</capacity></volume>"
        )

    place = shared_libvirt.images / "pool-of-names"
    sr = api.SR.create(*_sr_arguments(api, "p" * LIMITS[POOL], place))
    [plug] = api.SR.get_PBDs(sr)
    api.PBD.unplug(plug)
    api.SR.destroy(sr)
    with pytest.raises(libvirt.libvirtError):
        qemu.storagePoolDefineXML(
            f"<pool type='dir'><name>{'p' * (LIMITS[POOL] + 1)}</name>"
            f"<target><path>{place}</path></target></pool>"
        )


def test_a_snapshot_name_as_long_as_allowed_works(
    qemu: libvirt.virConnect, shared_libvirt: PrivateLibvirt
) -> None:
    [pool] = qemu.listAllStoragePools()
    volume = pool.createXML(
        f"<volume><name>{uuid4()}</name><capacity>{_MIB}</capacity>"
        "<target><format type='qcow2'/></target></volume>"
    )
    domain = qemu.defineXML(
        domain_xml("snapped", disks=(Path(volume.path()),), disk_format="qcow2")
    )
    for length, works in ((LIMITS[SNAPSHOT], True), (LIMITS[SNAPSHOT] + 1, False)):
        xml = f"<domainsnapshot><name>{'s' * length}</name></domainsnapshot>"
        try:
            domain.snapshotCreateXML(xml)
        except libvirt.libvirtError:
            assert not works
        else:
            assert works
    assert len(domain.snapshotListNames()) == 1


def _tree(directory: Path) -> dict[str, bytes | None]:
    """Everything below a directory, with what is in it."""
    return {
        str(path.relative_to(directory)): path.read_bytes() if path.is_file() else None
        for path in sorted(directory.rglob("*"))
        if not path.is_socket()
    }


def test_no_name_reaches_the_files_of_other_machines(
    api: Any, shared_libvirt: PrivateLibvirt, qemu: libvirt.virConnect
) -> None:
    """libvirt 9.0 deletes the tree ``snapshot/..`` while it refuses the name ``..``."""
    configuration = shared_libvirt.directory / "config" / "libvirt"
    kept = [configuration / "qemu" / kind / "other" for kind in ("nvram", "save", "channel")]
    for path in kept:
        if not path.parent.exists():
            path.parent.mkdir()
            shared_libvirt.give(path.parent)
        path.write_text("of another machine")
        shared_libvirt.give(path)
    qemu.defineXML(domain_xml("other"))
    before = _tree(configuration)
    assert "qemu/other.xml" in before
    assert "qemu/nvram/other" in before
    attacks = ("..", ".", "../..", "../other", "other/..", "/", "..\n", "..\u202e", "\x7f..")
    for name in attacks:
        assert failure(api.VM.create, vm_record(name))[0] == "VIRTCIM_NAME_REFUSED"
        place = shared_libvirt.images / "more"
        refused = failure(api.SR.create, *_sr_arguments(api, name, place))
        assert refused[0] == "VIRTCIM_NAME_REFUSED"
    vm = api.VM.create(vm_record("renamed"))
    before_rename = _tree(configuration)
    for name in attacks:
        assert failure(api.VM.set_name_label, vm, name)[0] == "VIRTCIM_NAME_REFUSED"
    assert _tree(configuration) == before_rename
    api.VM.destroy(vm)
    assert _tree(configuration) == before
    for path in kept:
        path.unlink()


def test_a_machine_that_others_gave_an_odd_name_is_shown_escaped_and_renamed(
    shared_libvirt: PrivateLibvirt, qemu: libvirt.virConnect
) -> None:
    qemu.defineXML(domain_xml("gpj\u202e\u2028\x85"))
    newline = qemu.storagePoolLookupByName("default").createXML(
        "<volume><name>two&#10;lines</name><capacity>1024</capacity></volume>"
    )
    assert newline.name() == "two\nlines"
    with running_host(shared_libvirt.uri) as host:
        session: XenAPI.Session = host.login()
        vm = only(session, "VM", "gpj\\u202e\\u2028\\u0085")
        session.xenapi.VM.set_name_label(vm, "readable")
        assert [each.name() for each in qemu.listAllDomains()] == ["readable"]
        vdi = only(session, "VDI", "two\\nlines")
        session.xenapi.VDI.destroy(vdi)
        session("close")()
    assert not (shared_libvirt.images / "two\nlines").exists()


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("..", "ERR_BAD_PARAMETER"),
        ("a/b", "ERR_BAD_PARAMETER"),
        ("a\u202eb", "ERR_BAD_PARAMETER"),
        ("n" * (LIMITS[MACHINE] + 1), "ERR_NAME_TOO_LONG"),
    ],
)
def test_a_cim_client_hears_the_rule(cim: pywbem.WBEMConnection, name: str, code: str) -> None:
    with pytest.raises(pywbem.CIMError) as caught:
        define(cim, name)
    assert str(caught.value.status_description).startswith(f"{code}: ")
    assert cim.EnumerateInstanceNames("VirtCIM_ComputerSystem") == []


def test_a_long_name_of_a_machine_makes_no_name_of_its_images_too_long(
    cim: pywbem.WBEMConnection, qemu: libvirt.virConnect, shared_libvirt: PrivateLibvirt
) -> None:
    name = "é" * (LIMITS[MACHINE] // 2)
    [pool] = qemu.listAllStoragePools()
    disk = pywbem.CIMInstance(
        "VirtCIM_DiskResourceAllocationSettingData",
        {
            "ResourceType": pywbem.Uint16(31),
            "PoolID": f"VirtCIM:{pool.UUIDString()}/StoragePool",
            "VirtualQuantity": pywbem.Uint64(_MIB),
            "AllocationUnits": "byte",
        },
    )
    status, output = cim.InvokeMethod(
        "DefineSystem",
        service_path(cim),
        SystemSettings=system_settings(name),
        ResourceSettings=[*resource_settings(), disk],
    )
    assert status == 0
    [image] = [path.name for path in shared_libvirt.images.iterdir()]
    assert image.startswith("é" * 100)
    destroy(cim, output["ResultingSystem"]["Name"])
