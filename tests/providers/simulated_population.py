"""What the endpoint in memory begins with: a host, storage, networks and varied virtual systems."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache

from virtcim.hypervisor.model import (
    Console,
    DiskKind,
    Host,
    Inventory,
    Network,
    PowerState,
    StorageRepository,
    VirtualDisk,
    VirtualDiskImage,
    VirtualNetworkPort,
    VirtualSystem,
)
from virtcim.hypervisor.xenapi.words import console_kind

__all__ = [
    "GIB",
    "HOST",
    "NETWORK",
    "REPOSITORY",
    "STARTED",
    "USER_NETWORK",
    "consoles",
    "identity",
    "image",
    "inventory",
    "virtual_system",
]

NAMES = uuid.UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8")
STARTED = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)
GIB = 2**30


def identity(*names: object) -> str:
    """A UUID that is the same in every run."""
    return str(uuid.uuid5(NAMES, "/".join(map(str, names))))


HOST = Host(
    ref="ref-host",
    uuid=identity("host"),
    name_label="hv1",
    hostname="hv1.example",
    address="192.0.2.1",
    memory_total_bytes=64 * GIB,
    memory_free_bytes=48 * GIB,
    cpu_count=16,
    cpu_model="EPYC",
    cpu_vendor="AMD",
    software_version={"libvirt": "9.0.0"},
)
REPOSITORY = StorageRepository(
    ref="ref-sr",
    uuid=identity("sr"),
    name_label="default",
    type="dir",
    location="/images",
    physical_size_bytes=100 * GIB,
    physical_utilisation_bytes=30 * GIB,
)
NETWORK = Network(ref="ref-net", uuid=identity("network"), name_label="default", bridge="virbr0")
USER_NETWORK = Network(
    ref="ref-user", uuid=identity("user"), name_label="each for itself", user_mode=True
)

_STATES = (PowerState.RUNNING, PowerState.HALTED, PowerState.PAUSED, PowerState.SUSPENDED)


@cache
def image(name: str) -> VirtualDiskImage:
    return VirtualDiskImage(
        ref=f"ref-{name}",
        uuid=identity("image", name),
        name_label=name,
        sr_uuid=REPOSITORY.uuid,
        virtual_size_bytes=10 * GIB,
        location=f"/images/{name}",
        format="qcow2",
    )


def consoles(number: int) -> tuple[Console, ...]:
    return tuple(
        Console(
            ref=f"ref-console-{number}-{protocol}",
            uuid=identity("console", number, protocol),
            id=f"{protocol}-0",
            kind=console_kind(protocol),
            protocol=protocol,
            location=f"{protocol}://127.0.0.1:{5900 + number}",
        )
        for protocol in ("rfb", "vt100")
    )


def virtual_system(number: int) -> VirtualSystem:
    """One of a varied population: state, size, disks and ports depend on ``number``."""
    disks = tuple(
        VirtualDisk(
            ref=f"ref-disk-{number}-{position}",
            uuid=identity("disk", number, position),
            id=f"vd{chr(ord('a') + position)}",
            number=str(position),
            image=image(f"vm{number}-{position}.qcow2"),
            read_only=position == 1,
        )
        for position in range(number % 3)
    )
    drive = VirtualDisk(
        ref=f"ref-cd-{number}",
        uuid=identity("cd", number),
        id="sda",
        number="2",
        kind=DiskKind.CD,
        empty=True,
        read_only=True,
    )
    floppy = VirtualDisk(
        ref=f"ref-floppy-{number}",
        uuid=identity("floppy", number),
        id="fda",
        kind=DiskKind.FLOPPY,
        image=image(f"vm{number}-floppy.img"),
        attached=True,
    )
    inserted = replace(drive, empty=False, image=image("tools.iso"), attached=True)
    drives = {0: (drive,), 3: (inserted, floppy)}.get(number % 5, ())
    ports = tuple(
        VirtualNetworkPort(
            ref=f"ref-port-{number}-{position}",
            uuid=identity("port", number, position),
            id=str(position),
            mac_address=f"52:54:00:00:{number % 256:02x}:{position:02x}",
            network_uuid=NETWORK.uuid if position == 0 else "",
            model="virtio",
        )
        for position in range(number % 4 % 3)
    )
    state = _STATES[number % 4]
    return VirtualSystem(
        ref=f"ref-vm-{number}",
        uuid=identity("vm", number),
        name_label=f"vm{number}",
        name_description="" if number % 2 else f"Number {number}, <&\"'> \u00e9\u4e2d",
        power_state=state,
        memory_static_max_bytes=2 * GIB,
        memory_dynamic_max_bytes=GIB,
        vcpus_max=4,
        vcpus_at_startup=1 + number % 4,
        disks=(*disks, *drives),
        network_ports=ports,
        consoles=consoles(number) if state is PowerState.RUNNING else (),
        resident_on=HOST.uuid if state in {PowerState.RUNNING, PowerState.PAUSED} else "",
        start_time=STARTED if state in {PowerState.RUNNING, PowerState.PAUSED} else None,
        state_since=STARTED if state is PowerState.RUNNING else None,
        os_type="hvm",
        boot_order="cdn",
        auto_start=number % 2 == 0,
        actions_after_crash="restart",
    )


def inventory(systems: int) -> Inventory:
    population = [virtual_system(number) for number in range(systems)]
    images = [disk.image for each in population for disk in each.disks if disk.image]
    return Inventory(
        generation=1,
        hosts={HOST.uuid: HOST},
        virtual_systems={each.uuid: each for each in population},
        storage_repositories={REPOSITORY.uuid: REPOSITORY},
        disk_images={each.uuid: each for each in images},
        networks={each.uuid: each for each in (NETWORK, USER_NETWORK)},
    )
