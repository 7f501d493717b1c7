"""Virtual machines for the system tests: libvirt's XML for real guests and for the test driver."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path

__all__ = ["domain_xml", "machine_name", "machine_uuid", "simulated_host_xml"]

_NAMESPACE = uuid.UUID("8f8a7cc0-7a2f-4f0e-9f0f-5a1c30a4d9a1")


def domain_xml(
    name: str,
    *,
    disks: tuple[Path, ...] = (),
    domain_type: str = "qemu",
    memory_bytes: int = 32 << 20,
    disk_format: str = "raw",
    on_crash: str = "preserve",
    watchdog: str = "",
    error_policy: str = "",
) -> str:
    """Describe a real virtual machine that boots from the first of its disks.

    It has ACPI, so that the guest can switch it off, and the pvpanic device; with an action, an
    ib700 watchdog.
    """
    policy = f" error_policy='{error_policy}'" if error_policy else ""
    devices = "".join(
        f"<disk type='file'><driver name='qemu' type='{disk_format}'{policy}/>"
        f"<source file='{disk}'/><target dev='vd{chr(ord('a') + number)}' bus='virtio'/></disk>"
        for number, disk in enumerate(disks)
    )
    if watchdog:
        devices += f"<watchdog model='ib700' action='{watchdog}'/>"
    return (
        f"<domain type='{domain_type}'><name>{name}</name>"
        f"<memory unit='b'>{memory_bytes}</memory><vcpu>1</vcpu>"
        "<os><type>hvm</type><boot dev='hd'/></os><features><acpi/></features>"
        f"<on_crash>{on_crash}</on_crash>"
        f"<devices>{devices}<panic model='isa'/></devices></domain>"
    )


def machine_name(number: int) -> str:
    """The name of a virtual machine of `simulated_host_xml`."""
    return f"machine-{number:05}"


def machine_uuid(number: int) -> str:
    """The UUID of a virtual machine of `simulated_host_xml`."""
    return str(uuid.uuid5(_NAMESPACE, machine_name(number)))


def simulated_host_xml(
    machines: int, *, running: Callable[[int], bool] = lambda number: number % 2 == 0
) -> str:
    """Describe a host for libvirt's test driver (`test:///FILE`).

    It has a network and a storage pool, both named `default`, and that many virtual machines with
    two vCPUs, 1 GiB of memory, two disks and two interfaces, numbered from 0.
    """
    return (
        "<node><cpu><mhz>2600</mhz><model>x86_64</model><active>16</active><nodes>1</nodes>"
        "<sockets>1</sockets><cores>16</cores><threads>1</threads></cpu><memory>1073741824</memory>"
        "<network><name>default</name><forward mode='nat'/><bridge name='virbr0'/>"
        "<ip address='192.168.122.1' netmask='255.255.255.0'/></network>"
        "<pool type='dir'><name>default</name><target><path>/images</path></target></pool>"
        + "".join(_test_machine_xml(number, running=running(number)) for number in range(machines))
        + "</node>"
    )


def _test_machine_xml(number: int, *, running: bool) -> str:
    name = machine_name(number)
    disks = "".join(
        f"<disk type='file'><source file='/images/{name}-{device}.qcow2'/>"
        f"<target dev='{device}' bus='virtio'/></disk>"
        for device in ("vda", "vdb")
    )
    interfaces = "".join(
        f"<interface type='network'><mac address='{_mac_address(2 * number + port)}'/>"
        "<source network='default'/><model type='virtio'/></interface>"
        for port in range(2)
    )
    # The numbers are libvirt's domain states: running and shut off.
    state = 1 if running else 5
    return (
        "<domain type='test' xmlns:test='http://libvirt.org/schemas/domain/test/1.0'>"
        f"<test:runstate>{state}</test:runstate>"
        f"<name>{name}</name><uuid>{machine_uuid(number)}</uuid>"
        "<memory unit='GiB'>1</memory><vcpu>2</vcpu><os><type>hvm</type></os>"
        f"<devices>{disks}{interfaces}</devices></domain>"
    )


def _mac_address(number: int) -> str:
    return f"52:54:00:{number >> 16 & 255:02x}:{number >> 8 & 255:02x}:{number & 255:02x}"
