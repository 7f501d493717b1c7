"""What others change without an event of libvirt's is seen within the time of `--reconcile`."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import libvirt
import pytest
from boot_sectors import IDLE
from daemons import Daemon
from private_libvirt import PrivateLibvirt

from tests.system.stack import xenapi_session
from tests.system.waiting import wait_for

_MIB = 1 << 20
_CONFIG = libvirt.VIR_DOMAIN_AFFECT_CONFIG
_LIVE = libvirt.VIR_DOMAIN_AFFECT_LIVE


@pytest.fixture(scope="module")
def looking(shared_libvirt: PrivateLibvirt, stack_directory: Path) -> Iterator[Any]:
    """The XenAPI of a toolstack that looks for changes every second."""
    socket = stack_directory / f"{uuid.uuid4().hex[:8]}.sock"
    with (
        Daemon(
            *("toolstack", "--libvirt", shared_libvirt.uri, "--listen", f"unix:{socket}"),
            *("--state", str(socket.with_suffix(".state")), "--reconcile", "1"),
            *("--domain-type", "qemu"),
            log=socket.with_suffix(".log"),
        ),
        xenapi_session(socket) as session,
    ):
        yield session.xenapi


def xml(name: str, disk: Path | str = "") -> str:
    disks = (
        f"<disk type='file'><driver name='qemu' type='raw'/><source file='{disk}'/>"
        "<target dev='vda' bus='virtio'/></disk>"
        if disk
        else ""
    )
    return (
        f"<domain type='qemu'><name>{name}</name><memory unit='MiB'>64</memory><vcpu>2</vcpu>"
        f"<os><type>hvm</type></os><devices>{disks}"
        "<disk type='file' device='cdrom'><target dev='sda' bus='sata'/></disk>"
        "<interface type='user'><mac address='52:54:00:12:34:56'/></interface></devices></domain>"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What somebody does with a domain, and how it looks in the XenAPI before and after."""

    make: Callable[[libvirt.virDomain], object]
    look: Callable[[Any, str], object]
    before: object
    after: object


def field(name: str) -> Callable[[Any, str], object]:
    return lambda api, vm: api.VM.get_record(vm)[name]


def locations(api: Any, vm: str) -> list[str]:
    vdis = (api.VBD.get_VDI(vbd) for vbd in api.VM.get_VBDs(vm))
    return [api.VDI.get_location(vdi) for vdi in vdis if vdi != "OpaqueRef:NULL"]


_EXTRA_DISK = (
    "<disk type='file'><driver name='qemu' type='raw'/><source file='/nowhere/extra.img'/>"
    "<target dev='vdc' bus='virtio'/></disk>"
)
_MEDIUM = (
    "<disk type='file' device='cdrom'><driver name='qemu' type='raw'/>"
    "<source file='/nowhere/medium.iso'/><target dev='sda' bus='sata'/></disk>"
)

HALTED = {
    "memory": Change(
        make=lambda domain: domain.setMemoryFlags(48 * 1024, _CONFIG),
        look=field("memory_dynamic_max"),
        before=str(64 * _MIB),
        after=str(48 * _MIB),
    ),
    "most-memory": Change(
        make=lambda domain: domain.setMemoryFlags(
            96 * 1024, _CONFIG | libvirt.VIR_DOMAIN_MEM_MAXIMUM
        ),
        look=field("memory_static_max"),
        before=str(64 * _MIB),
        after=str(96 * _MIB),
    ),
    "processors": Change(
        make=lambda domain: domain.setVcpusFlags(1, _CONFIG),
        look=field("VCPUs_at_startup"),
        before="2",
        after="1",
    ),
    "most-processors": Change(
        make=lambda domain: domain.setVcpusFlags(4, _CONFIG | libvirt.VIR_DOMAIN_VCPU_MAXIMUM),
        look=field("VCPUs_max"),
        before="2",
        after="4",
    ),
    "new-disk": Change(
        make=lambda domain: domain.attachDeviceFlags(_EXTRA_DISK, _CONFIG),
        look=lambda api, vm: len(api.VM.get_VBDs(vm)),
        before=1,
        after=2,
    ),
    "medium": Change(
        make=lambda domain: domain.updateDeviceFlags(_MEDIUM, _CONFIG),
        look=locations,
        before=[],
        after=["/nowhere/medium.iso"],
    ),
    "autostart": Change(
        make=lambda domain: domain.setAutostart(1),
        look=lambda api, vm: api.VM.get_other_config(vm)["auto_poweron"],
        before="false",
        after="true",
    ),
    "description": Change(
        make=lambda domain: domain.connect().defineXML(
            domain.XMLDesc().replace("<memory", "<description>by others</description><memory", 1)
        ),
        look=field("name_description"),
        before="",
        after="by others",
    ),
}


def vm_of(api: Any, name: str) -> str:
    [vm] = wait_for(lambda: api.VM.get_by_name_label(name), bool, name)
    return str(vm)


def test_changes_for_the_next_start_are_seen(looking: Any, qemu: libvirt.virConnect) -> None:
    domains = {name: qemu.defineXML(xml(name)) for name in HALTED}
    vms = {name: vm_of(looking, name) for name in HALTED}
    for name, change in HALTED.items():
        assert change.look(looking, vms[name]) == change.before, name
        change.make(domains[name])
    for name, change in HALTED.items():
        wait_for(
            lambda change=change, name=name: change.look(looking, vms[name]),  # type: ignore[misc]
            lambda seen, change=change: seen == change.after,  # type: ignore[misc]
            f"what others changed of the {name}",
        )


@pytest.fixture
def running(
    qemu: libvirt.virConnect, make_disk: Callable[..., Path], looking: Any
) -> tuple[libvirt.virDomain, str, Path]:
    """A running domain, its VM and the image of its disk."""
    disk = make_disk(IDLE)
    domain = qemu.defineXML(xml("runs", disk))
    domain.create()
    vm = vm_of(looking, "runs")
    wait_for(lambda: looking.VM.get_power_state(vm), lambda state: state == "Running", "its start")
    return domain, vm, disk


def test_changes_of_a_running_machine_are_seen(
    running: tuple[libvirt.virDomain, str, Path], looking: Any
) -> None:
    domain, vm, disk = running
    domain.setMemoryFlags(32 * 1024, _CONFIG)
    domain.updateDeviceFlags(
        "<interface type='user'><mac address='52:54:00:12:34:56'/><link state='down'/></interface>",
        _LIVE,
    )
    domain.blockResize("vda", 4 * _MIB, libvirt.VIR_DOMAIN_BLOCK_RESIZE_BYTES)
    wait_for(
        lambda: looking.VM.get_memory_dynamic_max(vm),
        lambda size: size == str(32 * _MIB),
        "the memory of the next start",
    )
    [vif] = looking.VM.get_VIFs(vm)
    wait_for(
        lambda: looking.VIF.get_runtime_properties(vif).get("link"),
        lambda link: link == "down",
        "the link that others cut",
    )
    # What the running one says of itself is something else than what the next start will say.
    metrics = looking.VM.get_metrics(vm)
    for kind in (libvirt.VIR_DOMAIN_METADATA_DESCRIPTION, libvirt.VIR_DOMAIN_METADATA_TITLE):
        domain.setMetadata(kind, "as it runs", None, None, _LIVE)
    texts = {"live-title": "as it runs", "live-description": "as it runs"}
    wait_for(
        lambda: looking.VM_metrics.get_other_config(metrics),
        lambda seen: texts.items() <= seen.items(),
        "what the running machine says of itself",
    )
    assert looking.VM.get_name_description(vm) == ""
    assert locations(looking, vm) == [str(disk)]
    overlay = disk.with_name(f"{uuid.uuid4()}.overlay")
    domain.snapshotCreateXML(
        "<domainsnapshot><disks><disk name='vda' snapshot='external'>"
        f"<source file='{overlay}'/></disk></disks></domainsnapshot>",
        libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY
        | libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_NO_METADATA,
    )
    wait_for(
        lambda: locations(looking, vm),
        lambda seen: seen == [str(overlay)],
        "the image that is written now",
    )


def test_sizes_of_volumes_are_seen_and_no_pool_is_refreshed(
    qemu: libvirt.virConnect, looking: Any, shared_libvirt: PrivateLibvirt
) -> None:
    pool = qemu.storagePoolLookupByName("default")
    volume = pool.createXML(
        f"<volume><name>{uuid.uuid4()}.qcow2</name><capacity>{_MIB}</capacity>"
        "<target><format type='qcow2'/></target></volume>"
    )
    [vdi] = wait_for(lambda: looking.VDI.get_by_name_label(volume.name()), bool, "the volume")
    assert looking.VDI.get_virtual_size(vdi) == str(_MIB)
    volume.resize(3 * _MIB)
    wait_for(
        lambda: looking.VDI.get_virtual_size(vdi),
        lambda size: size == str(3 * _MIB),
        "the new size of the volume",
    )
    # libvirt does not know of a file until somebody refreshes the pool: that is not for us to do.
    stranger = shared_libvirt.images / f"{uuid.uuid4()}.img"
    shutil.copy(volume.path(), stranger)
    shared_libvirt.give(stranger)
    volume.resize(5 * _MIB)
    wait_for(
        lambda: looking.VDI.get_virtual_size(vdi),
        lambda size: size == str(5 * _MIB),
        "a look that came later",
    )
    assert stranger.name not in pool.listVolumes()
    assert looking.VDI.get_by_name_label(stranger.name) == []
    volume.delete()
    wait_for(
        lambda: looking.VDI.get_by_name_label(volume.name()), lambda seen: seen == [], "its end"
    )


def test_a_saved_state_that_others_remove_is_seen(
    running: tuple[libvirt.virDomain, str, Path], looking: Any
) -> None:
    domain, vm, _disk = running
    domain.managedSave()
    wait_for(lambda: looking.VM.get_power_state(vm), lambda state: state == "Suspended", "saved")
    domain.managedSaveRemove()
    wait_for(lambda: looking.VM.get_power_state(vm), lambda state: state == "Halted", "removed")
