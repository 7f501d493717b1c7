"""Domain XML in, ``DomainXml`` out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import count
from typing import Any, NamedTuple, TypeVar
from xml.etree.ElementTree import Element

from virtcim.toolstack.reading.common import (
    ReadingError,
    parse_xml,
    size_in_bytes,
    unreadable,
    whole,
)
from virtcim.toolstack.reading.console_reader import read_consoles
from virtcim.toolstack.reading.device_patterns import read_disk_text, read_interface_text
from virtcim.toolstack.reading.device_reader import read_disk, read_interfaces
from virtcim.toolstack.reading.domain_parts import Parts, split
from virtcim.toolstack.reading.elements import NONE, Children, boot_order, children_of
from virtcim.toolstack.reading.extra import EXTRA_NAMESPACE, EXTRA_TAG, read_extra
from virtcim.toolstack.reading.views import ConsoleView, DomainXml, InterfaceView

__all__ = ["EXTRA_NAMESPACE", "EXTRA_TAG", "parse_domain"]

# More than any machine has: what says more is no number of processors.
_MOST_VCPUS = 2**16 - 1
# Devices besides disks and interfaces that can have a place in the boot order.
_PASSED_DEVICES = ("hostdev", "redirdev")
_Device = TypeVar("_Device")
# What is said of a domain apart from its name and devices, by the names in DomainXml.
_Head = tuple[Mapping[str, Any], tuple[str, ...]]


class _Others(NamedTuple):
    """What is said of the devices besides disks and interfaces."""

    consoles: tuple[ConsoleView, ...]
    passed_boots: tuple[tuple[int, str], ...]
    problems: Sequence[str]


def parse_domain(xml: str) -> DomainXml:
    """Read a domain description (https://libvirt.org/formatdomain.html).

    Thousands of them are read in a row: each element is looked at once, and what is the same in
    many of them is read once.
    """
    parts = split(xml)
    found = None if parts is None else _from_parts(parts)
    return _whole(parse_xml(xml)) if found is None else found


def _from_parts(parts: Parts) -> DomainXml | None:
    """Read the parts of a description; None where something in them is odd, or told together."""
    try:
        fields, head_problems = _known_head(parts.head)
        others = _known_others(parts.others)
        disks = [read_disk_text(text) for text in parts.disks]
        interfaces = tuple(map(read_interface_text, parts.interfaces, count()))
    except Exception:  # noqa: BLE001 - reading it whole tells what is odd
        return None
    if others is None or any(interface.alias for interface in interfaces):
        return None
    problems = (*head_problems, *others.problems)
    return DomainXml(
        name=parts.name,
        disks=tuple(view for view, _ in disks),
        interfaces=interfaces,
        consoles=others.consoles,
        passed_boots=others.passed_boots,
        aliases={alias: view.target for view, alias in disks if alias is not None},
        problem="; ".join(problems) if problems else "",
        **fields,
    )


@lru_cache(maxsize=1 << 8)
def _known_head(xml: str) -> _Head:
    return _head(parse_xml(xml))


@lru_cache(maxsize=1 << 8)
def _known_others(xml: str) -> _Others | None:
    """Read the devices besides disks and interfaces; None where there are some of these, too."""
    devices = _by_tag(parse_xml(f"<devices>{xml}</devices>"))
    return None if devices.keys() & {"disk", "interface"} else _others(devices)


def _by_tag(elements: Iterable[Element]) -> Mapping[str, Sequence[Element]]:
    devices: dict[str, list[Element]] = {}
    for device in elements:
        devices.setdefault(device.tag, []).append(device)
    return devices


def _others(devices: Mapping[str, Sequence[Element]]) -> _Others:
    problems: list[str] = []
    return _Others(
        consoles=_consoles(problems, devices),
        passed_boots=_passed_boots(problems, devices),
        problems=problems,
    )


def _whole(root: Element) -> DomainXml:
    fields, head_problems = _head(root)
    problems = [*head_problems]
    devices = _by_tag(root.iterfind("devices/*"))
    disks = _devices(problems, "a disk", read_disk, devices.get("disk", ()))
    interfaces = _interfaces(problems, devices.get("interface", ()))
    others = _others(devices)
    return DomainXml(
        name=root.findtext("name") or "",
        disks=tuple(view for _, view in disks),
        interfaces=interfaces,
        consoles=others.consoles,
        passed_boots=others.passed_boots,
        aliases={
            alias.get("name", ""): view.target
            for element, view in disks
            if (alias := element.find("alias")) is not None
        },
        problem="; ".join([*problems, *others.problems]),
        **fields,
    )


def _head(domain: Element) -> _Head:
    problems: list[str] = []
    root = children_of(domain)
    os_element = root.get("os", NONE)
    os_children = children_of(os_element)
    os_type = os_children.get("type", NONE)
    features = {feature.tag for feature in root.get("features", NONE)}
    vcpu = root.get("vcpu", NONE)
    vcpus_max = _number(problems, vcpu.text, 1, "its number of processors", _MOST_VCPUS)
    extra = root.get("metadata", NONE).find(EXTRA_TAG)
    fields = {
        "title": _text(root, "title"),
        "description": _text(root, "description"),
        "type": domain.get("type", ""),
        "os_type": os_type.text or "hvm",
        "arch": os_type.get("arch", ""),
        "machine": os_type.get("machine", ""),
        "boot": tuple(child.get("dev", "") for child in os_element if child.tag == "boot"),
        "kernel": _text(os_children, "kernel"),
        "initrd": _text(os_children, "initrd"),
        "cmdline": _text(os_children, "cmdline"),
        "acpi": "acpi" in features,
        "apic": "apic" in features,
        "pae": "pae" in features,
        "memory_max_bytes": _size(problems, root.get("memory", NONE), "its memory"),
        "memory_current_bytes": _size(
            problems, root.get("currentMemory", NONE), "its present memory"
        ),
        "vcpus_max": vcpus_max,
        "vcpus_current": _number(
            problems, vcpu.get("current"), vcpus_max, "its present processors", _MOST_VCPUS
        ),
        "on_poweroff": _text(root, "on_poweroff"),
        "on_reboot": _text(root, "on_reboot"),
        "on_crash": _text(root, "on_crash"),
        "extra": {} if extra is None else read_extra(extra.text or "", problems),
    }
    return fields, tuple(problems)


def _text(children: Children, tag: str) -> str:
    return children.get(tag, NONE).text or ""


def _number(problems: list[str], text: str | None, default: int, what: str, most: int) -> int:
    if not text:
        return default
    try:
        number = whole(text, what)
    except ReadingError as error:
        problems.append(str(error))
        return default
    if number > most:
        problems.append(f"{what} is {number}, which is out of range")
        return default
    return number


def _size(problems: list[str], element: Element, what: str) -> int:
    """Read a scaled size such as ``<memory unit='KiB'>``; 0 when there is none."""
    if not element.text:
        return 0
    try:
        return size_in_bytes(element.text, element.get("unit", "KiB"), what)
    except ReadingError as error:
        problems.append(str(error))
        return 0


def _devices(
    problems: list[str], what: str, read: Callable[[Element], _Device], elements: Iterable[Element]
) -> list[tuple[Element, _Device]]:
    """Read devices one by one: an odd one costs only itself."""
    found = []
    for element in elements:
        try:
            found.append((element, read(element)))
        except Exception as error:  # noqa: BLE001 - one odd device costs only itself
            problems.append(f"{what} is left out: it {unreadable(error)}")
    return found


def _interfaces(problems: list[str], elements: Sequence[Element]) -> tuple[InterfaceView, ...]:
    try:
        return read_interfaces(elements)  # all of them, as they are numbered together
    except Exception:  # noqa: BLE001 - one odd device costs only itself
        good = _devices(problems, "an interface", _interface, elements)
        return read_interfaces([element for element, _ in good])


def _interface(element: Element) -> InterfaceView:
    return read_interfaces([element])[0]


def _passed_boots(
    problems: list[str], devices: Mapping[str, Sequence[Element]]
) -> tuple[tuple[int, str], ...]:
    found = []
    for tag in _PASSED_DEVICES:
        if tag in devices:
            orders = _devices(
                problems,
                f"the place of a {tag} in the boot order",
                lambda element: boot_order(children_of(element)),
                devices[tag],
            )
            found += [(order, tag) for _, order in orders if order]
    return tuple(found)


def _consoles(
    problems: list[str], devices: Mapping[str, Sequence[Element]]
) -> tuple[ConsoleView, ...]:
    try:
        return read_consoles(devices)
    except Exception as error:  # noqa: BLE001 - odd consoles cost only themselves
        problems.append(f"its consoles are left out: one {unreadable(error)}")
        return ()
