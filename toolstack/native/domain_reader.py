"""Domain XML in, ``DomainXml`` out."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Any
from xml.etree.ElementTree import Element, fromstring

from virtcim.toolstack.native.console_reader import read_consoles
from virtcim.toolstack.native.device_reader import read_disk, read_interfaces
from virtcim.toolstack.native.elements import NONE, Children, children_of
from virtcim.toolstack.native.views import DomainXml

__all__ = ["EXTRA_NAMESPACE", "EXTRA_TAG", "parse_domain"]

_log = logging.getLogger(__name__)

EXTRA_NAMESPACE = "urn:virtcim:toolstack:vm"
EXTRA_TAG = f"{{{EXTRA_NAMESPACE}}}record"
_UNITS = {"": 1024, "b": 1, "bytes": 1, "KiB": 1024, "k": 1024, "MiB": 2**20, "GiB": 2**30}


def parse_domain(xml: str) -> DomainXml:
    """Read a domain description (https://libvirt.org/formatdomain.html).

    Thousands of them are read in a row: each element is looked at once.
    """
    domain = fromstring(xml)  # noqa: S314 - libvirt wrote it
    root = children_of(domain)
    os_element = root.get("os", NONE)
    os_children = children_of(os_element)
    os_type = os_children.get("type", NONE)
    features = {feature.tag for feature in root.get("features", NONE)}
    vcpu = root.get("vcpu", NONE)
    vcpus_max = int(vcpu.text or 1)
    devices: dict[str, list[Element]] = {}
    for device in root.get("devices", NONE):
        devices.setdefault(device.tag, []).append(device)
    disks = devices.get("disk", [])
    views = tuple(map(read_disk, disks))
    return DomainXml(
        name=_text(root, "name"),
        title=_text(root, "title"),
        description=_text(root, "description"),
        type=domain.get("type", ""),
        os_type=os_type.text or "hvm",
        arch=os_type.get("arch", ""),
        machine=os_type.get("machine", ""),
        boot=tuple(child.get("dev", "") for child in os_element if child.tag == "boot"),
        kernel=_text(os_children, "kernel"),
        initrd=_text(os_children, "initrd"),
        cmdline=_text(os_children, "cmdline"),
        acpi="acpi" in features,
        apic="apic" in features,
        pae="pae" in features,
        memory_max_bytes=_size_in_bytes(root.get("memory", NONE)),
        memory_current_bytes=_size_in_bytes(root.get("currentMemory", NONE)),
        vcpus_max=vcpus_max,
        vcpus_current=int(vcpu.get("current", vcpus_max)),
        on_poweroff=_text(root, "on_poweroff"),
        on_reboot=_text(root, "on_reboot"),
        on_crash=_text(root, "on_crash"),
        disks=views,
        interfaces=read_interfaces(devices.get("interface", [])),
        consoles=read_consoles(devices),
        aliases={
            alias.get("name", ""): view.target
            for element, view in zip(disks, views, strict=True)
            if (alias := element.find("alias")) is not None
        },
        extra=_extra(root),
    )


def _text(children: Children, tag: str) -> str:
    return children.get(tag, NONE).text or ""


def _size_in_bytes(element: Element) -> int:
    """Read a scaled size such as ``<memory unit='KiB'>``; 0 when there is none."""
    return int(element.text) * _UNITS[element.get("unit", "")] if element.text else 0


def _extra(root: Children) -> Mapping[str, Any]:
    """Read our element in ``<metadata>``, which an administrator may have edited by hand."""
    element = root.get("metadata", NONE).find(EXTRA_TAG)
    if element is None:
        return {}
    try:
        extra = json.loads(element.text or "{}")
    except ValueError:
        extra = None
    if not isinstance(extra, dict):
        _log.warning("domain %s: its virtcim metadata is no JSON object", _text(root, "name"))
        return {}
    return extra
