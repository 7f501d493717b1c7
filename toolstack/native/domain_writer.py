"""Domain XML out: built and edited as a document, never as text, whatever the input contains."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from xml.etree.ElementTree import (
    Element,
    SubElement,
    fromstring,
    register_namespace,
    tostring,
)

from virtcim.toolstack.faults import value_not_supported
from virtcim.toolstack.native.domain_reader import EXTRA_NAMESPACE, EXTRA_TAG

__all__ = [
    "DiskXml",
    "DomainPlan",
    "InterfaceXml",
    "build_disk",
    "build_domain",
    "build_interface",
    "child_of",
    "domain_element",
    "edit",
    "extra_text",
    "find_disk",
    "find_interface",
    "set_text",
    "to_xml",
]

register_namespace("virtcim", EXTRA_NAMESPACE)

_UNCARRIABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
# The bus that a target name stands for, unless another is asked for.
_BUS_BY_PREFIX = {"vd": "virtio", "xvd": "xen", "sd": "sata", "hd": "ide", "fd": "fdc"}


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainPlan:
    """A domain to be defined; sizes in bytes, libvirt's words."""

    type: str
    name: str
    uuid: str = ""
    description: str = ""
    memory_max_bytes: int
    memory_current_bytes: int
    vcpus_max: int
    vcpus_current: int
    machine: str = ""
    arch: str = ""
    boot: tuple[str, ...] = ("hd",)
    kernel: str = ""
    initrd: str = ""
    cmdline: str = ""
    features: tuple[str, ...] = ("acpi", "apic")
    on_poweroff: str = ""
    on_reboot: str = ""
    on_crash: str = ""
    vnc: bool = False
    serial: bool = False
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskXml:
    """A ``<disk>`` to be made; no ``source`` is an empty drive."""

    target: str
    device: str
    source: str = ""
    format: str = ""
    block: bool = False
    read_only: bool = False
    bus: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class InterfaceXml:
    """An ``<interface>`` to be made."""

    kind: str
    source: str
    mac: str
    number: int
    model: str = "virtio"
    mtu: int = 0


def to_xml(element: Element) -> str:
    """Write a document for libvirt."""
    return tostring(element, encoding="unicode")


def extra_text(extra: Mapping[str, Any]) -> str:
    """Write the content of our element in ``<metadata>``: JSON in ASCII carries any text."""
    return json.dumps(extra, sort_keys=True)


def build_domain(plan: DomainPlan) -> str:
    """Build a domain description without devices for disks and networks."""
    return to_xml(domain_element(plan))


def domain_element(plan: DomainPlan) -> Element:
    """Build ``<domain>`` without devices for disks and networks."""
    root = Element("domain", type=plan.type)
    set_text(root, "name", plan.name, field="name_label")
    if plan.uuid:
        set_text(root, "uuid", plan.uuid, field="uuid")
    if plan.description:
        set_text(root, "description", plan.description, field="name_description")
    metadata = SubElement(root, "metadata")
    SubElement(metadata, EXTRA_TAG).text = extra_text(plan.extra)
    _size(root, "memory", plan.memory_max_bytes)
    _size(root, "currentMemory", plan.memory_current_bytes)
    SubElement(root, "vcpu", current=str(plan.vcpus_current)).text = str(plan.vcpus_max)
    _add_os(root, plan)
    features = SubElement(root, "features")
    for name in plan.features:
        SubElement(features, name)
    for tag in ("on_poweroff", "on_reboot", "on_crash"):
        if value := getattr(plan, tag):
            SubElement(root, tag).text = value
    devices = SubElement(root, "devices")
    if plan.serial:
        SubElement(SubElement(devices, "serial", type="pty"), "target", port="0")
    if plan.vnc:
        SubElement(devices, "graphics", type="vnc", autoport="yes", listen="127.0.0.1")
    return root


def _add_os(root: Element, plan: DomainPlan) -> None:
    os_element = SubElement(root, "os")
    os_type = SubElement(os_element, "type")
    os_type.text = "hvm"
    for name in ("arch", "machine"):
        if value := getattr(plan, name):
            os_type.set(name, _carriable(value, f"platform[{name}]"))
    for tag, field_name in (
        ("kernel", "PV_kernel"),
        ("initrd", "PV_ramdisk"),
        ("cmdline", "PV_args"),
    ):
        if value := getattr(plan, tag):
            set_text(os_element, tag, value, field=field_name)
    for device in plan.boot:
        SubElement(os_element, "boot", dev=device)


def _size(root: Element, tag: str, size_bytes: int) -> None:
    # libvirt counts memory in KiB; a guest gets at least what was asked for.
    SubElement(root, tag, unit="KiB").text = str(-(-size_bytes // 1024))


def child_of(parent: Element, tag: str) -> Element:
    """Give a child element, which is made if need be."""
    child = parent.find(tag)
    return SubElement(parent, tag) if child is None else child


def set_text(parent: Element, tag: str, text: str, *, field: str) -> None:
    """Set the text of a child element, which is made if need be, or removed when empty."""
    if text:
        child_of(parent, tag).text = _carriable(text, field)
    elif (child := parent.find(tag)) is not None:
        parent.remove(child)


def _carriable(text: str, field: str) -> str:
    if _UNCARRIABLE.search(text):
        raise value_not_supported(field, text, "contains characters that XML cannot carry")
    return text


def build_disk(disk: DiskXml) -> Element:
    """Build ``<disk>``."""
    element = Element("disk", type="block" if disk.block else "file", device=disk.device)
    if disk.format:
        SubElement(element, "driver", name="qemu", type=disk.format)
    if disk.source:
        attribute = "dev" if disk.block else "file"
        SubElement(element, "source", {attribute: _carriable(disk.source, "VDI.location")})
    prefix = next((known for known in _BUS_BY_PREFIX if disk.target.startswith(known)), "")
    bus = disk.bus or _BUS_BY_PREFIX.get(prefix, "")
    target = SubElement(element, "target", dev=_carriable(disk.target, "userdevice"))
    if bus:
        target.set("bus", bus)
    if disk.read_only:
        SubElement(element, "readonly")
    return element


def build_interface(interface: InterfaceXml) -> Element:
    """Build ``<interface>``; its alias keeps its number when others come and go."""
    element = Element("interface", type=interface.kind)
    SubElement(element, "mac", address=_carriable(interface.mac, "MAC"))
    sources: dict[str, dict[str, str]] = {
        "network": {"network": interface.source},
        "bridge": {"bridge": interface.source},
        "direct": {"dev": interface.source, "mode": "bridge"},
    }
    if interface.kind in sources:
        SubElement(element, "source", sources[interface.kind])
    if interface.model:
        SubElement(element, "model", type=_carriable(interface.model, "other_config[model]"))
    if interface.mtu:
        SubElement(element, "mtu", size=str(interface.mtu))
    SubElement(element, "alias", name=f"ua-vif{interface.number}")
    return element


def edit(xml: str, change: Callable[[Element], None]) -> str:
    """Apply ``change`` to a domain description of libvirt's."""
    root = fromstring(xml)  # noqa: S314 - libvirt wrote it
    change(root)
    return to_xml(root)


def find_disk(root: Element, target: str) -> Element | None:
    """Find ``<disk>`` by its target."""
    return _find(root.iterfind("devices/disk"), "target", "dev", target)


def find_interface(root: Element, mac: str) -> Element | None:
    """Find ``<interface>`` by its MAC address."""
    return _find(root.iterfind("devices/interface"), "mac", "address", mac)


def _find(elements: Iterable[Element], tag: str, attribute: str, value: str) -> Element | None:
    for element in elements:
        child = element.find(tag)
        if child is not None and child.get(attribute, "").lower() == value.lower():
            return element
    return None
