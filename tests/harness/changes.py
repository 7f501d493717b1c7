"""Changes: how each is asked of CIM, and the edit by hand that it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pywbem

from tests.harness.client import PORT, SystemClient
from tests.harness.documents import Edit, Element
from tests.harness.edits import find_port

__all__ = [
    "Change",
    "Kind",
    "World",
    "modify",
    "modify_port",
    "modify_system",
    "port_part",
    "ports",
    "remove_part",
    "remove_port",
    "targets",
    "uint16",
    "uint64",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What there is beside the machine: images in a pool, a network, another machine."""

    image: str
    medium: str
    own_image: str  # for a machine to begin with
    network: str
    network_uuid: str
    other_machine: str

    @property
    def pool_id(self) -> str:
        """The PoolID of the network."""
        return f"VirtCIM:{self.network_uuid}/NetworkPool"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One change: what is asked, and the edit; without an edit it must be refused.

    ``autostart`` is what libvirt keeps beside the document, where that shall be another.
    """

    what: str
    ask: Callable[[SystemClient], None]
    edit: Edit | None
    autostart: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of change, and those of it that a document has a place for."""

    name: str
    changes: Callable[[Element, World], Iterator[Change]]


def targets(root: Element, *devices: str) -> Iterator[tuple[Element, str]]:
    """The disks of these devices with their targets."""
    for disk in root.iterfind("devices/disk"):
        target = disk.find("target")
        if disk.get("device", "disk") in devices and target is not None:
            yield disk, target.get("dev", "")


def ports(root: Element) -> Iterator[tuple[int, Element]]:
    """The interfaces with their places."""
    yield from enumerate(root.findall("devices/interface"))


def modify(part: str, **values: Any) -> Callable[[SystemClient], None]:
    """Ask for other values of one setting."""
    return lambda client: client.modify((part, values))


def modify_system(**values: Any) -> Callable[[SystemClient], None]:
    """Ask for other values of the settings of the system."""
    return lambda client: client.modify_system(**values)


def _mac(port: Element) -> str:
    mac = port.find("mac")
    return "" if mac is None else mac.get("address", "").lower()


def port_part(client: SystemClient, root: Element, at: int) -> str:
    """The setting of the interface at a place: of those with its MAC the one in its turn."""
    wanted = _mac(find_port(root, at))
    turn = [_mac(port) for _, port in ports(root)][:at].count(wanted)
    found = [
        part
        for part, each in client.settings().items()
        if part.startswith("network/") and str(each["Address"]).lower() == wanted
    ]
    return sorted(found, key=lambda part: int(part.partition("/")[2]))[turn]


def modify_port(root: Element, at: int, **values: Any) -> Callable[[SystemClient], None]:
    """Ask for other values of an interface's setting."""

    def ask(client: SystemClient) -> None:
        client.modify((port_part(client, root, at), values))

    return ask


def remove_part(class_name: str, part: str, client: SystemClient) -> None:
    """Ask for a device less."""
    client.remove(class_name, part)


def remove_port(root: Element, at: int, client: SystemClient) -> None:
    """Ask for an interface less."""
    client.remove(PORT, port_part(client, root, at))


def uint16(value: int) -> Any:
    """A CIM uint16."""
    return pywbem.Uint16(value)


def uint64(value: int) -> Any:
    """A CIM uint64."""
    return pywbem.Uint64(value)
