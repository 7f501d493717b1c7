"""Domain XML in, ``DomainXml`` out."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping
from typing import Any
from xml.etree.ElementTree import Element, fromstring

from virtcim.toolstack.native.views import ConsoleView, DiskView, DomainXml, InterfaceView

__all__ = ["EXTRA_NAMESPACE", "EXTRA_TAG", "parse_domain"]

_log = logging.getLogger(__name__)

EXTRA_NAMESPACE = "urn:virtcim:toolstack:vm"
EXTRA_TAG = f"{{{EXTRA_NAMESPACE}}}record"
_ALIAS = re.compile(r"ua-vif(\d{1,4})")
_CONTROL_SOURCE = ("file", "dev", "dir", "name")
_UNITS = {"": 1024, "b": 1, "bytes": 1, "KiB": 1024, "k": 1024, "MiB": 2**20, "GiB": 2**30}


def parse_domain(xml: str) -> DomainXml:
    """Read a domain description (https://libvirt.org/formatdomain.html)."""
    root = fromstring(xml)  # noqa: S314 - libvirt wrote it
    vcpu = root.find("vcpu")
    vcpus_max = int(_text(root, "vcpu") or 1)
    return DomainXml(
        name=_text(root, "name"),
        description=_text(root, "description"),
        type=root.get("type", ""),
        os_type=_text(root, "os/type") or "hvm",
        arch=_attribute(root, "os/type", "arch"),
        machine=_attribute(root, "os/type", "machine"),
        boot=tuple(element.get("dev", "") for element in root.iterfind("os/boot")),
        kernel=_text(root, "os/kernel"),
        initrd=_text(root, "os/initrd"),
        cmdline=_text(root, "os/cmdline"),
        acpi=root.find("features/acpi") is not None,
        apic=root.find("features/apic") is not None,
        pae=root.find("features/pae") is not None,
        memory_max_bytes=_size_in_bytes(root.find("memory")),
        memory_current_bytes=_size_in_bytes(root.find("currentMemory")),
        vcpus_max=vcpus_max,
        vcpus_current=vcpus_max if vcpu is None else int(vcpu.get("current", vcpus_max)),
        on_poweroff=_text(root, "on_poweroff"),
        on_reboot=_text(root, "on_reboot"),
        on_crash=_text(root, "on_crash"),
        disks=tuple(_disk(element) for element in root.iterfind("devices/disk")),
        interfaces=_interfaces(root),
        consoles=_consoles(root),
        aliases={
            alias.get("name", ""): _attribute(element, "target", "dev")
            for element in root.iterfind("devices/disk")
            if (alias := element.find("alias")) is not None
        },
        extra=_extra(root),
    )


def _size_in_bytes(element: Element | None) -> int:
    """Read a scaled size such as ``<memory unit='KiB'>``; 0 when there is none."""
    if element is None or not element.text:
        return 0
    return int(element.text) * _UNITS[element.get("unit", "")]


def _text(root: Element, path: str) -> str:
    return root.findtext(path) or ""


def _attribute(root: Element, path: str, name: str) -> str:
    element = root.find(path)
    return "" if element is None else element.get(name, "")


def _disk(element: Element) -> DiskView:
    source = element.find("source")
    path = ""
    if source is not None and element.get("type") != "volume":
        path = next((source.get(name, "") for name in _CONTROL_SOURCE if source.get(name)), "")
        if element.get("type") == "network":
            path = f"{source.get('protocol', '')}:{path}"
    boot = element.find("boot")
    return DiskView(
        target=_attribute(element, "target", "dev"),
        device=element.get("device", "disk"),
        bus=_attribute(element, "target", "bus"),
        source=path,
        pool=_attribute(element, "source", "pool"),
        volume=_attribute(element, "source", "volume"),
        format=_attribute(element, "driver", "type"),
        read_only=element.find("readonly") is not None,
        boot_order=0 if boot is None else int(boot.get("order", 0)),
    )


_INTERFACE_SOURCES = {"network": "network", "bridge": "bridge", "direct": "dev"}


def _interfaces(root: Element) -> tuple[InterfaceView, ...]:
    """Number the interfaces: those with our alias keep theirs, others take the lowest free."""
    elements = list(root.iterfind("devices/interface"))
    numbers = [_ALIAS.fullmatch(_attribute(element, "alias", "name")) for element in elements]
    taken = {int(match[1]) for match in numbers if match}
    free = (number for number in range(len(elements) + len(taken)) if number not in taken)
    return tuple(
        InterfaceView(
            mac=_attribute(element, "mac", "address").lower(),
            number=int(match[1]) if match else next(free),
            kind=element.get("type", ""),
            source=_attribute(
                element, "source", _INTERFACE_SOURCES.get(element.get("type", ""), "")
            ),
            model=_attribute(element, "model", "type"),
            mtu=int(_attribute(element, "mtu", "size") or 0),
        )
        for element, match in zip(elements, numbers, strict=True)
    )


def _consoles(root: Element) -> tuple[ConsoleView, ...]:
    consoles = []
    for number, element in enumerate(root.iterfind("devices/graphics")):
        port = element.get("port", "")
        if element.get("type") == "vnc" and port.isdigit():
            host = element.get("listen") or "127.0.0.1"
            consoles.append(
                ConsoleView(id=f"vnc{number}", protocol="rfb", location=f"vnc://{host}:{port}")
            )
    for number, element in enumerate(root.iterfind("devices/serial")):
        path = _attribute(element, "source", "path")
        if path:
            consoles.append(
                ConsoleView(id=f"serial{number}", protocol="vt100", location=f"file://{path}")
            )
    return tuple(consoles)


def _extra(root: Element) -> Mapping[str, Any]:
    """Read our element in ``<metadata>``, which an administrator may have edited by hand."""
    element = root.find(f"metadata/{EXTRA_TAG}")
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
