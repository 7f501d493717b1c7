"""What others do with the hypervisor is seen soon, and never by halves."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event

import libvirt
import pywbem

from tests.system.cim import find_system
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


def read_until(stack: Stack, finished: Event) -> int:
    """Read and check all the time; give how many virtual machines were seen with their parts."""
    seen = 0
    with stack.connect() as cim:
        while not finished.is_set():
            parts = defaultdict(list)
            for settings in cim.EnumerateInstances("CIM_ResourceAllocationSettingData"):
                machine, _, part = settings["InstanceID"].removeprefix("VirtCIM:").partition("/")
                parts[machine].append(part.partition("/")[0])
                if part.startswith("disk/"):
                    assert settings["HostResource"], settings["InstanceID"]
                if part.startswith("network/"):
                    assert settings["PoolID"], settings["InstanceID"]
            for machine, kinds in parts.items():
                assert sorted(kinds) == _COMPLETE, machine
            seen += len(parts)
    return seen


@contextmanager
def checked_reading(stack: Stack) -> Iterator[None]:
    finished = Event()
    with ThreadPoolExecutor() as pool:
        reader = pool.submit(read_until, stack, finished)
        try:
            yield
        finally:
            finished.set()
        # Otherwise nothing was looked at.
        assert reader.result() > 0


def test_machines_that_others_make_and_remove_are_seen_whole_or_not_at_all(
    stack: Stack, cim: pywbem.WBEMConnection, qemu: libvirt.virConnect, stack_directory: Path
) -> None:
    with checked_reading(stack):
        for number in range(_ROUNDS):
            name = f"foreign-{number}"
            domain = qemu.defineXML(machine_xml(name, stack_directory))
            wait_for(lambda n=name: find_system(cim, n), bool, f"{name}, which libvirt has")
            domain.undefine()
            wait_for(
                lambda n=name: find_system(cim, n), lambda system: system is None, f"no {name}"
            )


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
