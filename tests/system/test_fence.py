"""The fence over real libvirt: images of others, images in use, directories with content."""

from __future__ import annotations

import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import libvirt
import pytest
import pywbem
from boot_sectors import IDLE, write_disk
from private_libvirt import PrivateLibvirt

from tests.system.cim import define
from tests.system.machines import domain_xml
from tests.system.waiting import wait_for
from tests.toolstack.host import NULL, failure, running_host, vm_record

_MIB = 1 << 20
_OUTSIDE = "VIRTCIM_OUTSIDE_FENCE"


@pytest.fixture
def api(shared_libvirt: PrivateLibvirt, qemu: libvirt.virConnect) -> Iterator[Any]:
    """A toolstack whose fence is the pool that is there."""
    assert qemu.listAllDomains() == []
    with running_host(shared_libvirt.uri, domain_type="qemu", image_directories=()) as host:
        session = host.login()
        yield session.xenapi
        session("close")()


@pytest.fixture
def outside(shared_libvirt: PrivateLibvirt) -> Iterator[Path]:
    """The disk of a machine of others, in no pool."""
    path = shared_libvirt.directory / f"outside-{uuid.uuid4()}.img"
    yield shared_libvirt.give(write_disk(path, IDLE, size_bytes=3 * _MIB))
    path.unlink(missing_ok=True)


def theirs(api: Any, qemu: libvirt.virConnect, *disks: Path, disk_format: str = "raw") -> str:
    """Define a machine as somebody else would; gives its VM."""
    name = f"theirs-{uuid.uuid4()}"
    qemu.defineXML(domain_xml(name, disks=disks, disk_format=disk_format))
    [vm] = wait_for(lambda: api.VM.get_by_name_label(name), lambda found: found != [], name)
    return str(vm)


def volume(api: Any, name: str, **sm_config: str) -> str:
    [pool] = api.SR.get_by_name_label("default")
    record = {"SR": pool, "name_label": name, "virtual_size": str(_MIB), "type": "user"}
    vdi: str = api.VDI.create({**record, "sm_config": sm_config})
    return vdi


def scanned(api: Any, path: Path) -> str:
    [pool] = api.SR.get_by_name_label("default")
    api.SR.scan(pool)
    records = api.VDI.get_all_records()
    [vdi] = [ref for ref, vdi in records.items() if vdi["location"] == str(path)]
    return str(vdi)


def test_what_a_machine_of_others_has_outside_is_shown_with_the_size_that_libvirt_tells(
    api: Any, qemu: libvirt.virConnect, outside: Path
) -> None:
    vm = theirs(api, qemu, outside)
    [vbd] = api.VM.get_VBDs(vm)
    vdi = api.VBD.get_VDI(vbd)
    wait_for(lambda: api.VDI.get_virtual_size(vdi), lambda size: size == str(3 * _MIB), "its size")
    assert api.VDI.get_location(vdi) == str(outside)
    mine = api.VM.create(vm_record("mine", memory_static_max=str(32 * _MIB)))
    disk = {"VM": mine, "VDI": vdi, "type": "Disk", "mode": "RW"}
    assert failure(api.VBD.create, disk)[0] == _OUTSIDE
    # It can be started, changed and taken from its machine.
    api.VM.start(vm, True, False)
    assert failure(api.VDI.resize, vdi, str(4 * _MIB))[0] == _OUTSIDE
    assert outside.stat().st_size == 3 * _MIB
    api.VM.hard_shutdown(vm)
    api.virtcim.VM.modify(vm, {"changed_VBDs": [{"VBD": vbd, "mode": "RO"}]})
    assert api.VBD.get_mode(vbd) == "RO"
    assert api.VBD.get_VDI(vbd) == vdi
    api.VBD.destroy(vbd)
    assert vdi not in api.VDI.get_all()
    assert outside.exists()


def _named_by_a_halted_machine(api: Any, qemu: libvirt.virConnect, images: Path) -> str:
    vdi = volume(api, "halted.img", type="raw")
    theirs(api, qemu, images / "halted.img")
    return vdi


def _named_by_another_spelling(api: Any, qemu: libvirt.virConnect, images: Path) -> str:
    vdi = volume(api, "spelled.img", type="raw")
    (images.parent / "pictures").symlink_to(images)
    theirs(api, qemu, images.parent / "pictures" / "." / "spelled.img")
    return vdi


def _named_as_a_volume(api: Any, qemu: libvirt.virConnect, _images: Path) -> str:
    vdi = volume(api, "volume.img", type="raw")
    qemu.defineXML(
        domain_xml("by-volume").replace(
            "<devices>",
            "<devices><disk type='volume'><driver type='raw'/><source pool='default' "
            "volume='volume.img'/><target dev='vda' bus='virtio'/></disk>",
        )
    )
    return vdi


def _a_kernel(api: Any, qemu: libvirt.virConnect, images: Path) -> str:
    vdi = volume(api, "kernel", type="raw")
    xml = domain_xml("boots").replace("<boot ", f"<kernel>{images / 'kernel'}</kernel><boot ")
    qemu.defineXML(xml)
    return vdi


def _only_for_the_next_start(api: Any, qemu: libvirt.virConnect, images: Path) -> str:
    vdi = volume(api, "next.img", type="raw")
    domain = qemu.defineXML(domain_xml("runs"))
    domain.create()
    domain.attachDeviceFlags(
        f"<disk type='file'><driver type='raw'/><source file='{images / 'next.img'}'/>"
        "<target dev='vdb' bus='virtio'/></disk>",
        libvirt.VIR_DOMAIN_AFFECT_CONFIG,
    )
    return vdi


def _only_while_it_runs(api: Any, qemu: libvirt.virConnect, images: Path) -> str:
    vdi = volume(api, "live.img", type="raw")
    domain = qemu.defineXML(domain_xml("live"))
    domain.create()
    domain.attachDeviceFlags(
        f"<disk type='file'><driver type='raw'/><source file='{images / 'live.img'}'/>"
        "<target dev='vdb' bus='virtio'/></disk>",
        libvirt.VIR_DOMAIN_AFFECT_LIVE,
    )
    return vdi


def _base_of_an_overlay(api: Any, qemu: libvirt.virConnect, images: Path) -> str:
    vdi = volume(api, "base.img", type="raw")
    for name, below, kind in (
        ("middle.qcow2", "base.img", "raw"),
        ("top.qcow2", str(images / "middle.qcow2"), "qcow2"),
    ):
        command = ("qemu-img", "create", "-q", "-f", "qcow2", "-F", kind, "-b", below, name)
        subprocess.run(command, check=True, cwd=images)
    theirs(api, qemu, images / "top.qcow2", disk_format="qcow2")
    return vdi


def _parent_of_a_vmdk(api: Any, qemu: libvirt.virConnect, images: Path) -> str:
    vmdk = ("qemu-img", "create", "-q", "-f", "vmdk")
    subprocess.run((*vmdk, "parent.vmdk", "1M"), check=True, cwd=images)
    below = images / "parent.vmdk"
    for name in ("child.vmdk", "grandchild.vmdk"):
        command = (*vmdk, "-F", "vmdk", "-b", below, name)
        subprocess.run(command, check=True, cwd=images)
        below = images / name
    theirs(api, qemu, below, disk_format="vmdk")
    return scanned(api, images / "parent.vmdk")


def _piece_of_a_vmdk(api: Any, qemu: libvirt.virConnect, images: Path) -> str:
    options = ("-f", "vmdk", "-o", "subformat=monolithicFlat", "flat.vmdk", "1M")
    subprocess.run(("qemu-img", "create", "-q", *options), check=True, cwd=images)
    theirs(api, qemu, images / "flat.vmdk", disk_format="vmdk")
    return scanned(api, images / "flat-flat.vmdk")


def _in_a_saved_state(api: Any, qemu: libvirt.virConnect, images: Path) -> str:
    vdi = volume(api, "saved.img", type="raw")
    domain = qemu.defineXML(domain_xml("saved", disks=(images / "saved.img",)))
    domain.create()
    domain.managedSave()
    _without_disks(qemu, domain)
    return vdi


def _in_a_snapshot(api: Any, qemu: libvirt.virConnect, images: Path) -> str:
    vdi = volume(api, "remembered.qcow2", type="qcow2")
    image = images / "remembered.qcow2"
    domain = qemu.defineXML(domain_xml("remembers", disks=(image,), disk_format="qcow2"))
    domain.snapshotCreateXML("<domainsnapshot><name>then</name></domainsnapshot>")
    _without_disks(qemu, domain)
    return vdi


def _without_disks(qemu: libvirt.virConnect, domain: libvirt.virDomain) -> None:
    root = ElementTree.fromstring(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))
    devices = root.find("devices")
    assert devices is not None
    for disk in devices.findall("disk"):
        devices.remove(disk)
    qemu.defineXML(ElementTree.tostring(root, "unicode"))


def _as_an_argument_of_qemu(api: Any, qemu: libvirt.virConnect, images: Path) -> str:
    vdi = volume(api, "argument.img", type="raw")
    namespace = "xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'"
    arguments = (
        "<qemu:commandline><qemu:arg value='-drive'/>"
        f"<qemu:arg value='file={images / 'argument.img'},if=none'/></qemu:commandline></domain>"
    )
    xml = domain_xml("arguments").replace("<domain ", f"<domain {namespace} ")
    qemu.defineXML(xml.replace("</domain>", arguments))
    return vdi


def test_an_image_that_any_machine_uses_in_any_way_is_not_deleted(
    api: Any, qemu: libvirt.virConnect, shared_libvirt: PrivateLibvirt
) -> None:
    uses = (
        _named_by_a_halted_machine,
        _named_by_another_spelling,
        _named_as_a_volume,
        _a_kernel,
        _only_for_the_next_start,
        _only_while_it_runs,
        _base_of_an_overlay,
        _parent_of_a_vmdk,
        _piece_of_a_vmdk,
        _in_a_saved_state,
        _in_a_snapshot,
        _as_an_argument_of_qemu,
    )
    images = shared_libvirt.images
    used = {use.__name__: use(api, qemu, images) for use in uses}
    for name, vdi in used.items():
        location = Path(api.VDI.get_location(vdi))
        assert failure(api.VDI.destroy, vdi) == ["VDI_IN_USE", vdi, "destroy"], name
        assert location.exists(), name
    for domain in qemu.listAllDomains():
        if domain.isActive():
            domain.destroy()
        domain.undefineFlags(
            libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE
            | libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
        )
    for name, vdi in used.items():
        location = Path(api.VDI.get_location(vdi))
        api.VDI.destroy(vdi)
        assert not location.exists(), name
    (images.parent / "pictures").unlink()


def test_what_cannot_be_determined_is_no_reason_to_delete(
    api: Any, qemu: libvirt.virConnect, shared_libvirt: PrivateLibvirt
) -> None:
    images = shared_libvirt.images
    vdi = volume(api, "base.img", type="raw")
    odd = images / "odd.vmdk"
    odd.write_text("# Disk DescriptorFile\nversion=1\nparentCID=0badcafe\n")
    theirs(api, qemu, odd, disk_format="vmdk")
    [domain] = qemu.listAllDomains()
    code, told = failure(api.VDI.destroy, vdi)
    assert code == "OPERATION_NOT_ALLOWED"
    for word in (str(odd), domain.name(), "it has a parent that it does not name"):
        assert word in told
    assert (images / "base.img").exists()
    domain.undefine()
    api.VDI.destroy(vdi)
    assert not (images / "base.img").exists()
    odd.unlink()


def test_a_parent_outside_tells_nothing_by_what_can_be_deleted(
    api: Any, qemu: libvirt.virConnect, shared_libvirt: PrivateLibvirt, outside: Path
) -> None:
    odd = outside.with_suffix(".vmdk")
    odd.write_text("# Disk DescriptorFile\nversion=1\nparentCID=0badcafe\n")
    for parent in (outside, odd, Path("/nonexistent/parent"), Path("/proc/self/mem"), Path("/etc")):
        child = shared_libvirt.images / "child.vmdk"
        child.write_text(f'# Disk DescriptorFile\nversion=1\nparentFileNameHint="{parent}"\n')
        theirs(api, qemu, child, disk_format="vmdk")
        api.VDI.destroy(volume(api, "free.img"))
        [domain] = qemu.listAllDomains()
        domain.undefine()
        child.unlink()
    odd.unlink()


def test_a_guest_cannot_keep_images_of_others_from_being_deleted(
    api: Any, qemu: libvirt.virConnect, shared_libvirt: PrivateLibvirt
) -> None:
    """What a raw disk holds is no chain."""
    vdi = volume(api, "other.img", type="raw")
    guests = shared_libvirt.images / "guests.img"
    command = ("qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", "other.img", guests)
    subprocess.run(command, check=True)
    theirs(api, qemu, guests, disk_format="raw")
    api.VDI.destroy(vdi)


def test_a_pool_is_removed_without_what_is_in_its_directory(
    api: Any, shared_libvirt: PrivateLibvirt
) -> None:
    place = shared_libvirt.images / "pool"
    [host] = api.host.get_all()
    arguments = (host, {"location": str(place)}, "0", "pool", "", "dir", "user", False, {})
    sr = api.SR.create(*arguments)
    kept = place / "kept"
    kept.write_text("somebody's")
    [plug] = api.SR.get_PBDs(sr)
    api.PBD.unplug(plug)
    assert failure(api.SR.destroy, sr)[0] == "LIBVIRT_ERROR"
    assert kept.read_text() == "somebody's"
    kept.unlink()
    api.SR.destroy(sr)
    assert not place.exists()


def test_a_link_in_the_place_of_a_volume_is_not_that_volume(
    api: Any, qemu: libvirt.virConnect, shared_libvirt: PrivateLibvirt, outside: Path
) -> None:
    vdi = volume(api, "exchanged.img", type="raw")
    place = Path(api.VDI.get_location(vdi))
    place.unlink()
    place.symlink_to(outside)
    vm = api.VM.create(vm_record("mine", memory_static_max=str(32 * _MIB)))
    disk = {"VM": vm, "VDI": vdi, "type": "Disk", "mode": "RW"}
    assert failure(api.VBD.create, disk)[:2] == [_OUTSIDE, "a disk image"]
    assert failure(api.VM.set_PV_kernel, vm, str(place))[0] == _OUTSIDE
    # When libvirt has looked, and lists the link as a volume, that is the administrator's.
    qemu.storagePoolLookupByName("default").refresh()
    wait_for(lambda: api.VDI.get_virtual_size(vdi), lambda size: size == str(3 * _MIB), "the look")
    api.VBD.create(disk)


def test_a_link_to_a_directory_that_libvirt_lists_is_no_way_out(
    api: Any, qemu: libvirt.virConnect, shared_libvirt: PrivateLibvirt
) -> None:
    link = shared_libvirt.images / "way-out"
    link.symlink_to("/etc")
    qemu.storagePoolLookupByName("default").refresh()
    wait_for(lambda: api.VDI.get_by_name_label("way-out"), bool, "the link as a volume")
    [host] = api.host.get_all()
    for place in (link, link / "libvirt"):
        made = (host, {"location": str(place)}, "0", "out", "", "dir", "user", False, {})
        assert failure(api.SR.create, *made)[:2] == [_OUTSIDE, "a storage pool"]
    assert [pool.name() for pool in qemu.listAllStoragePools()] == ["default"]


def test_a_link_that_appears_between_looking_and_using_is_seen_when_it_is_used(
    api: Any, shared_libvirt: PrivateLibvirt, outside: Path
) -> None:
    path = shared_libvirt.images / "exchanged"
    [sr] = [ref for ref, sr in api.SR.get_all_records().items() if sr["type"] == "path"]
    vdi = api.VDI.introduce(
        "", "", "", sr, "user", False, False, {}, str(path), {}, {"type": "raw"}
    )
    vm = api.VM.create(vm_record("mine", memory_static_max=str(32 * _MIB)))
    path.symlink_to(outside)
    disk: dict[str, Any] = {"VM": vm, "VDI": vdi, "type": "Disk", "mode": "RW"}
    assert failure(api.VBD.create, disk)[:2] == [_OUTSIDE, "a disk image"]
    drive = api.VBD.create({**disk, "VDI": NULL, "type": "CD", "mode": "RO", "empty": True})
    assert failure(api.VBD.insert, drive, vdi)[0] == _OUTSIDE
    api.VDI.update(vdi)
    record = api.VDI.get_record(vdi)
    assert (record["virtual_size"], record["missing"]) == ("0", False)


def test_a_cim_client_hears_what_would_allow_it(
    cim: pywbem.WBEMConnection, shared_libvirt: PrivateLibvirt
) -> None:
    """The shared toolstack has directories of its own; /etc is none of them."""
    for secret in ("/etc/shadow", "/etc/there-is-no-such-file", "/nowhere/../etc/shadow"):
        with pytest.raises(pywbem.CIMError) as caught:
            define(cim, "reads-the-host", disks=[Path(secret)])
        said = str(caught.value.status_description)
        assert said.startswith("ERR_ACCESS_DENIED: ")
        assert "--image-directory" in said
    for source in ("https://images.example/a.iso", "nbd+unix:///a?socket=/etc/shadow"):
        with pytest.raises(pywbem.CIMError) as caught:
            define(cim, "reads-the-network", disks=[source])
        said = str(caught.value.status_description)
        assert said.startswith("ERR_ACCESS_DENIED: ")
        assert "--image-source" in said
    [service] = cim.EnumerateInstanceNames("VirtCIM_ResourcePoolConfigurationService")

    def make_pool(place: str) -> str:
        settings = pywbem.CIMInstance("CIM_StorageAllocationSettingData", {"HostResource": [place]})
        with pytest.raises(pywbem.CIMError) as caught:
            cim.InvokeMethod(
                "CreateChildResourcePool", service, ElementName="taken", Settings=[settings]
            )
        return str(caught.value.status_description).partition(":")[0]

    assert make_pool("/etc") == "ERR_ACCESS_DENIED"
    assert make_pool(f"{shared_libvirt.images}/../images/") == "ERR_ALREADY_EXIST"
    assert cim.EnumerateInstanceNames("VirtCIM_ComputerSystem") == []
