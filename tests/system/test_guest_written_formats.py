"""A guest that writes itself a host file as its disk: nobody may open it (CVE-2008-2004).

Its disk is raw. It writes the header of a qcow2 image over the beginning, with a file of the host
as backing file, and switches itself off. Whatever a client does afterwards, without saying that
the image is qcow2, QEMU must not open that file.
"""

from __future__ import annotations

import json
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import libvirt
import pytest
import XenAPI
from boot_sectors import IDLE, REWRITE_BYTES, REWRITE_FROM_BYTES, REWRITE_START, write_disk
from private_libvirt import PrivateLibvirt

from tests.system.machines import domain_xml
from tests.system.qemu_processes import qemu_process
from tests.system.waiting import wait_for
from tests.toolstack.host import failure, only, running_host, vm_record

_MIB = 1 << 20
_SECRET = b"what only the host may read".ljust(_MIB, b"!")
_QCOW2 = b"QFI\xfb"


@pytest.fixture
def secret(shared_libvirt: PrivateLibvirt) -> Iterator[Path]:
    """A file of the host outside all pools, which QEMU could open."""
    path = shared_libvirt.directory / f"secret-{uuid.uuid4()}"
    path.write_bytes(_SECRET)
    yield shared_libvirt.give(path)
    path.unlink()


@pytest.fixture
def api(shared_libvirt: PrivateLibvirt, qemu: libvirt.virConnect) -> Iterator[Any]:
    assert qemu.listAllDomains() == []
    with running_host(shared_libvirt.uri, domain_type="qemu", image_directories=()) as host:
        session = host.login()
        yield session.xenapi
        session("close")()


def _header(tmp_path: Path, secret: Path) -> bytes:
    """A whole qcow2 image that is built on the secret: small clusters make it small."""
    path = tmp_path / "header.qcow2"
    options = ("-o", "cluster_size=512", "-F", "raw", "-b", str(secret))
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", *options, path], check=True)
    content = path.read_bytes()
    assert len(content) <= REWRITE_BYTES
    return content.ljust(REWRITE_BYTES, b"\0")


@pytest.fixture
def poisoned(
    api: Any, shared_libvirt: PrivateLibvirt, qemu: libvirt.virConnect, secret: Path, tmp_path: Path
) -> Path:
    """The raw disk of a machine of ours, after its guest has written the header."""
    path = write_disk(shared_libvirt.images / f"{uuid.uuid4()}.img", REWRITE_START, size_bytes=_MIB)
    with path.open("r+b") as image:
        image.seek(REWRITE_FROM_BYTES)
        image.write(_header(tmp_path, secret))
    shared_libvirt.give(path)
    vm = api.VM.create(vm_record("guest", memory_static_max=str(32 * _MIB)))
    api.VBD.create(disk_record(vm, image_at(api, path)))
    # Its guest may have switched it off before libvirt has seen it run: that is a failed start.
    with suppress(XenAPI.Failure):
        api.VM.start(vm, False, False)
    wait_for(lambda: api.VM.get_power_state(vm), lambda state: state == "Halted", "the guest's end")
    assert path.read_bytes().startswith(_QCOW2)
    qemu.storagePoolLookupByName("default").refresh()
    volume = qemu.storageVolLookupByPath(str(path))
    # libvirt itself has fallen for it.
    assert "<format type='qcow2'/>" in volume.XMLDesc()
    assert str(secret) in volume.XMLDesc()
    return path


def image_at(api: Any, path: Path) -> str:
    """The VDI of a volume."""
    [pool] = api.SR.get_by_name_label("default")
    api.SR.scan(pool)
    [vdi] = [ref for ref, vdi in api.VDI.get_all_records().items() if vdi["location"] == str(path)]
    return str(vdi)


def disk_record(vm: str, vdi: str, **fields: Any) -> dict[str, Any]:
    return {"VM": vm, "VDI": vdi, "type": "Disk", "mode": "RW", "userdevice": "autodetect"} | fields


def machine(api: Any, **fields: Any) -> str:
    vm: str = api.VM.create(
        vm_record(f"m-{uuid.uuid4()}", memory_static_max=str(32 * _MIB), **fields)
    )
    return vm


def opened(libvirt_: PrivateLibvirt, uuid_: str) -> set[Path]:
    """The files that the emulator of a machine has open."""
    files = Path(f"/proc/{qemu_process(libvirt_, uuid_)}/fd").iterdir()
    return {file.readlink() for file in files}


@contextmanager
def started(api: Any, vm: str) -> Iterator[str]:
    api.VM.start(vm, True, False)
    yield str(api.VM.get_uuid(vm))
    api.VM.hard_shutdown(vm)


def detached(api: Any, path: Path) -> str:
    """Take the poisoned disk from its machine: from now on nobody states its format."""
    guest = only_machine(api)
    for vbd in api.VM.get_VBDs(guest):
        api.VBD.destroy(vbd)
    return image_at(api, path)


def only_machine(api: Any) -> str:
    [vm] = api.VM.get_by_name_label("guest")
    return str(vm)


def same_machine(api: Any, path: Path) -> str:
    vdi = detached(api, path)
    api.VBD.create(disk_record(only_machine(api), vdi))
    return only_machine(api)


def while_another_has_it(api: Any, path: Path) -> str:
    vm = machine(api)
    api.VBD.create(disk_record(vm, image_at(api, path)))
    return vm


def another_machine(api: Any, path: Path) -> str:
    vm = machine(api)
    api.VBD.create(disk_record(vm, detached(api, path)))
    return vm


def _defined(api: Any, **disk: Any) -> str:
    record = vm_record(f"m-{uuid.uuid4()}", memory_static_max=str(32 * _MIB))
    disks = [{"type": "Disk", "mode": "RW", "userdevice": "autodetect", **disk}]
    made = json.loads(api.virtcim.VM.define({**record, "VBDs": disks, "VIFs": []}))
    return str(made["VM"])


def whole_definition(api: Any, path: Path) -> str:
    return _defined(api, VDI=detached(api, path))


def definition_by_path(api: Any, path: Path) -> str:
    detached(api, path)
    return _defined(api, location=str(path))


def definition_by_another_spelling(api: Any, path: Path) -> str:
    detached(api, path)
    return _defined(api, location=f"{path.parent}/./../{path.parent.name}//{path.name}")


def added_in_place(api: Any, path: Path) -> str:
    vm, vdi = machine(api), detached(api, path)
    added = [{"VDI": vdi, "type": "Disk", "mode": "RW", "userdevice": "autodetect"}]
    api.virtcim.VM.modify(vm, {"added_VBDs": added})
    return vm


def exchanged_in_place(api: Any, path: Path) -> str:
    vdi = detached(api, path)
    vm = machine(api)
    [pool] = api.SR.get_by_name_label("default")
    record = {"SR": pool, "name_label": str(uuid.uuid4()), "virtual_size": str(_MIB)}
    other = api.VDI.create({**record, "type": "user", "sm_config": {"type": "qcow2"}})
    vbd = api.VBD.create(disk_record(vm, other))
    assert api.VBD.get_runtime_properties(vbd)["type"] == "qcow2"
    api.virtcim.VM.modify(vm, {"changed_VBDs": [{"VBD": vbd, "VDI": vdi}]})
    return vm


def medium(api: Any, path: Path) -> str:
    vdi, vm = detached(api, path), machine(api)
    drive = api.VBD.create(disk_record(vm, "OpaqueRef:NULL", type="CD", mode="RO", empty=True))
    api.VBD.insert(drive, vdi)
    return vm


def drive_with_medium(api: Any, path: Path) -> str:
    vdi, vm = detached(api, path), machine(api)
    api.VBD.create(disk_record(vm, vdi, type="CD", mode="RO"))
    return vm


WAYS = (
    same_machine,
    while_another_has_it,
    another_machine,
    whole_definition,
    definition_by_path,
    definition_by_another_spelling,
    added_in_place,
    exchanged_in_place,
    medium,
    drive_with_medium,
)


def test_no_way_of_giving_the_disk_to_a_machine_opens_the_host_file(
    api: Any, poisoned: Path, secret: Path, shared_libvirt: PrivateLibvirt
) -> None:
    for way in WAYS:
        vm = way(api, poisoned)
        with started(api, vm) as identity:
            files = opened(shared_libvirt, identity)
            assert poisoned in files, way.__name__
            assert secret not in files, way.__name__
        for vbd in api.VM.get_VBDs(vm):
            api.VBD.destroy(vbd)
        if vm != only_machine(api):
            api.VM.destroy(vm)


def test_a_disk_or_medium_given_to_a_running_machine_opens_no_host_file(
    api: Any, poisoned: Path, secret: Path, shared_libvirt: PrivateLibvirt
) -> None:
    vdi = detached(api, poisoned)
    vm = machine(api)
    boot = shared_libvirt.images / f"{uuid.uuid4()}.img"
    shared_libvirt.give(write_disk(boot, IDLE, size_bytes=_MIB))
    api.VBD.create(disk_record(vm, image_at(api, boot)))
    drive = api.VBD.create(disk_record(vm, "OpaqueRef:NULL", type="CD", mode="RO", empty=True))
    with started(api, vm) as identity:
        api.VBD.insert(drive, vdi)
        inserted = opened(shared_libvirt, identity)
        api.VBD.eject(drive)
        assert poisoned not in opened(shared_libvirt, identity)
        api.VBD.plug(api.VBD.create(disk_record(vm, vdi)))
        for files in (inserted, opened(shared_libvirt, identity)):
            assert poisoned in files
            assert secret not in files


def test_a_host_file_is_only_opened_where_a_client_says_that_the_image_is_qcow2(
    api: Any, poisoned: Path, secret: Path, shared_libvirt: PrivateLibvirt
) -> None:
    """What the other tests look at would show it."""
    vm = machine(api)
    api.VBD.create(disk_record(vm, detached(api, poisoned), other_config={"type": "qcow2"}))
    with started(api, vm) as identity:
        assert secret in opened(shared_libvirt, identity)


def test_what_a_guest_had_as_a_raw_disk_is_no_qcow2_for_having_been_made_as_one(
    api: Any, secret: Path, qemu: libvirt.virConnect, tmp_path: Path
) -> None:
    [pool] = api.SR.get_by_name_label("default")
    record = {"SR": pool, "virtual_size": str(_MIB), "type": "user"}
    for number, state in enumerate(("type='raw'", "")):
        vdi = api.VDI.create({**record, "name_label": f"{uuid.uuid4()}.img"})
        path = Path(api.VDI.get_location(vdi))
        vm = machine(api)
        # As somebody has it who took it for a raw one, or did not say what it is.
        name = f"theirs-{number}"
        xml = domain_xml(name, disks=(path,), disk_format="raw").replace("type='raw'", state)
        domain = qemu.defineXML(xml)
        wait_for(lambda name=name: api.VM.get_by_name_label(name), bool, name)  # type: ignore[misc]
        domain.undefine()
        # In the meantime the guest could write what it wants.
        with path.open("r+b") as image:
            image.write(_header(tmp_path, secret))
        refused = failure(api.VBD.create, disk_record(vm, vdi))
        assert refused == ["VIRTCIM_UNSTATED_FORMAT", str(path), "qcow2"]


def test_where_nobody_remembers_the_disk_it_is_refused_by_what_it_looks_like(
    api: Any, poisoned: Path, qemu: libvirt.virConnect, shared_libvirt: PrivateLibvirt
) -> None:
    detached(api, poisoned)
    # Another toolstack, which has never seen the disk.
    with running_host(shared_libvirt.uri, domain_type="qemu", image_directories=()) as host:
        session = host.login()
        other = session.xenapi
        vdi = image_at(other, poisoned)
        # Nor does it pass libvirt's guess on as a format that a client might send back.
        assert other.VDI.get_sm_config(vdi) == {"probed-type": "qcow2"}
        vm = only(session, "VM", "guest")
        refused = ["VIRTCIM_UNSTATED_FORMAT", str(poisoned), "qcow2"]
        assert failure(other.VBD.create, disk_record(vm, vdi)) == refused
        definition = {
            **vm_record("m"),
            "VBDs": [{"type": "Disk", "location": str(poisoned)}],
            "VIFs": [],
        }
        assert failure(other.virtcim.VM.define, definition) == refused
        added = {"added_VBDs": [{"type": "Disk", "location": str(poisoned)}]}
        assert failure(other.virtcim.VM.modify, vm, added) == refused
        assert other.VM.get_VBDs(vm) == []
        # The machine of somebody else states it: that counts.
        qemu.defineXML(domain_xml("theirs", disks=(poisoned,), disk_format="raw"))
        wait_for(
            lambda: other.VM.get_by_name_label("theirs"), lambda found: found != [], "their machine"
        )
        vbd = other.VBD.create(disk_record(vm, vdi))
        assert other.VBD.get_runtime_properties(vbd)["type"] == "raw"
        session("close")()
