"""A new ``<domain>``, from what a client wants: https://libvirt.org/formatdomain.html."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from lxml import etree

from virtcim.toolstack.documents.document import Document, Element, carriable, set_text
from virtcim.toolstack.reading.domain_reader import EXTRA_NAMESPACE, EXTRA_TAG

__all__ = ["DomainPlan", "build_domain", "extra_text"]

_PREFIX = "virtcim"


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
    extra: Mapping[str, object] = field(default_factory=dict)


def extra_text(extra: Mapping[str, object]) -> str:
    """Write the content of our element in ``<metadata>``: JSON in ASCII carries any text."""
    return json.dumps(extra, sort_keys=True)


def build_domain(plan: DomainPlan) -> Document:
    """Build a domain description without devices for disks and networks."""
    root = etree.Element("domain", type=plan.type)
    set_text(root, "name", plan.name, field="name_label")
    if plan.uuid:
        set_text(root, "uuid", plan.uuid, field="uuid")
    if plan.description:
        set_text(root, "description", plan.description, field="name_description")
    metadata = etree.SubElement(root, "metadata")
    extra = etree.SubElement(metadata, EXTRA_TAG, nsmap={_PREFIX: EXTRA_NAMESPACE})
    extra.text = extra_text(plan.extra)
    _size(root, "memory", plan.memory_max_bytes)
    _size(root, "currentMemory", plan.memory_current_bytes)
    etree.SubElement(root, "vcpu", current=str(plan.vcpus_current)).text = str(plan.vcpus_max)
    _add_os(root, plan)
    features = etree.SubElement(root, "features")
    for name in plan.features:
        etree.SubElement(features, name)
    for tag in ("on_poweroff", "on_reboot", "on_crash"):
        if value := getattr(plan, tag):
            etree.SubElement(root, tag).text = value
    devices = etree.SubElement(root, "devices")
    if plan.serial:
        etree.SubElement(etree.SubElement(devices, "serial", type="pty"), "target", port="0")
    if plan.vnc:
        etree.SubElement(devices, "graphics", type="vnc", autoport="yes", listen="127.0.0.1")
    return Document.of(root)


def _add_os(root: Element, plan: DomainPlan) -> None:
    os_element = etree.SubElement(root, "os")
    os_type = etree.SubElement(os_element, "type")
    os_type.text = "hvm"
    for name in ("arch", "machine"):
        if value := getattr(plan, name):
            os_type.set(name, carriable(value, f"platform[{name}]"))
    for tag, field_name in (
        ("kernel", "PV_kernel"),
        ("initrd", "PV_ramdisk"),
        ("cmdline", "PV_args"),
    ):
        if value := getattr(plan, tag):
            set_text(os_element, tag, value, field=field_name)
    for device in plan.boot:
        etree.SubElement(os_element, "boot", dev=device)


def _size(root: Element, tag: str, size_bytes: int) -> None:
    # libvirt counts memory in KiB; a guest gets at least what was asked for.
    etree.SubElement(root, tag, unit="KiB").text = str(-(-size_bytes // 1024))
