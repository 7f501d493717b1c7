"""What others do with the hypervisor is seen soon, and never by halves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event

import libvirt
import pywbem

from tests.system.cim import find_system
from tests.system.parts import parts_by_system
from tests.system.stack import Stack
from tests.system.waiting import wait_for

_ROUNDS = 25
_COMPLETE = ["disk", "disk", "memory", "network", "processor"]


def machine_xml(name: str, images: Path) -> str:
    disks = "".join(
        f"<disk type='file'><source file='{images}/{name}-{target}.img'/>"
        f"<target dev='{target}' bus='virtio'/></disk>"
        for target in ("vda", "vdb")
    )
    return (
        f"<domain type='qemu'><name>{name}</name><memory unit='MiB'>32</memory><vcpu>1</vcpu>"
        f"<os><type>hvm</type></os><devices>{disks}<interface type='user'/></devices></domain>"
    )


def read_until(stack: Stack, finished: Event, seen: set[str]) -> None:
    """Read and check all the time; notes in `seen` which virtual machines were there."""
    with stack.connect() as cim:
        while not finished.is_set():
            settings = cim.EnumerateInstances("CIM_ResourceAllocationSettingData")
            parts = parts_by_system(one["InstanceID"] for one in settings)
            for machine, kinds in parts.items():
                assert kinds == _COMPLETE, machine
            for one in settings:
                if "/disk/" in one["InstanceID"]:
                    assert one["HostResource"], one["InstanceID"]
                if "/network/" in one["InstanceID"]:
                    assert one["PoolID"], one["InstanceID"]
            seen.update(parts)


@contextmanager
def checked_reading(stack: Stack) -> Iterator[Callable[[str], bool]]:
    """Gives a function that tells whether the reader has seen a virtual machine, or has failed."""
    finished = Event()
    seen: set[str] = set()
    with ThreadPoolExecutor() as pool:
        reader = pool.submit(read_until, stack, finished, seen)
        try:
            yield lambda uuid: uuid in seen or reader.done()
        finally:
            finished.set()
        reader.result()


def test_machines_that_others_make_and_remove_are_seen_whole_or_not_at_all(
    stack: Stack, cim: pywbem.WBEMConnection, qemu: libvirt.virConnect, stack_directory: Path
) -> None:
    with checked_reading(stack) as was_seen:
        for number in range(_ROUNDS):
            xml = machine_xml(f"foreign-{number}", stack_directory)
            come_and_go(cim, qemu, xml, was_seen)


def come_and_go(
    cim: pywbem.WBEMConnection,
    qemu: libvirt.virConnect,
    xml: str,
    was_seen: Callable[[str], bool],
) -> None:
    domain = qemu.defineXML(xml)
    name, uuid = domain.name(), domain.UUIDString()
    wait_for(lambda: find_system(cim, name), bool, f"{name}, which libvirt has")
    wait_for(lambda: was_seen(uuid), bool, "the other client's look")
    domain.undefine()
    wait_for(lambda: find_system(cim, name), lambda system: system is None, f"no {name}")


def test_a_new_name_is_seen_and_the_path_stays(
    cim: pywbem.WBEMConnection, qemu: libvirt.virConnect, stack_directory: Path
) -> None:
    domain = qemu.defineXML(machine_xml("before", stack_directory))
    before = wait_for(lambda: find_system(cim, "before"), bool, "the first name")
    domain.rename("after")
    after = wait_for(lambda: find_system(cim, "after"), bool, "the second name")
    assert before is not None
    assert after is not None
    assert after.path == before.path
    assert find_system(cim, "before") is None
