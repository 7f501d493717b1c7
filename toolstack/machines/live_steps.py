"""Changes of the devices of a running machine, each with what takes it back."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

import libvirt

from virtcim.toolstack.documents import Document, Element, parse_element, to_xml
from virtcim.toolstack.documents.document import items_of, remove_children
from virtcim.toolstack.faults import XapiFailure
from virtcim.toolstack.machines.device_kinds import KINDS, DeviceKind
from virtcim.toolstack.native.connection import LibvirtConnection

if TYPE_CHECKING:
    from virtcim.toolstack.native.objects import Domain

__all__ = [
    "LiveStep",
    "Verb",
    "attach",
    "controllers",
    "detach",
    "remove_new_controllers",
    "without_address",
]

_log = logging.getLogger(__name__)

# A guest that lets go of a device does so within this time; libvirt itself waits five seconds.
_DETACH_S = 20.0
_DETACH_LOOK_S = 0.25
# How libvirt says that it cannot change this in a running machine.
_CANNOT_LIVE = frozenset(
    {
        libvirt.VIR_ERR_NO_SUPPORT,
        libvirt.VIR_ERR_ARGUMENT_UNSUPPORTED,
        libvirt.VIR_ERR_OPERATION_UNSUPPORTED,
    }
)


class Verb(Enum):
    """What is done with a device."""

    UPDATE = "update"
    ATTACH = "attach"
    DETACH = "detach"


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveStep:
    """One device of the running machine: its element before and after, empty where it is not."""

    verb: Verb
    kind: DeviceKind
    device_id: str
    before: str = ""
    after: str = ""

    @classmethod
    def update(cls, kind: DeviceKind, device_id: str, before: str, after: str) -> LiveStep:
        """Change a device in place."""
        return cls(verb=Verb.UPDATE, kind=kind, device_id=device_id, before=before, after=after)

    @classmethod
    def attach(cls, kind: DeviceKind, device_id: str, after: str) -> LiveStep:
        """Add a device."""
        return cls(verb=Verb.ATTACH, kind=kind, device_id=device_id, after=after)

    @classmethod
    def detach(cls, kind: DeviceKind, device_id: str, before: str) -> LiveStep:
        """Take a device away, once its guest lets go of it."""
        return cls(verb=Verb.DETACH, kind=kind, device_id=device_id, before=before)

    @property
    def setting(self) -> str:
        """How CIM's InstanceIDs call the device, after the machine."""
        return f"{self.kind.setting}/{self.device_id}"

    @property
    def description(self) -> str:
        """What remains of the step where it cannot be taken back."""
        return f"{self.verb.value} of {self.setting} in the running machine"

    def make(
        self,
        connection: LibvirtConnection,
        domain: Domain,
        refusal: Callable[[str], XapiFailure],
    ) -> None:
        """Do it.

        ``refusal`` gives the failure for a property that only the next start can take. Raises
        ``DEVICE_DETACH_TIMEOUT`` when the guest keeps a device.
        """
        if self.verb is Verb.UPDATE:
            try:
                _update(connection, domain, self.after)
            except libvirt.libvirtError as error:
                if error.get_error_code() in _CANNOT_LIVE:
                    raise refusal(self.kind.place_property) from error
                raise
        elif self.verb is Verb.ATTACH:
            attach(connection, domain, self.after)
        else:
            self._detach(connection, domain, self.before)

    def take_back(self, connection: LibvirtConnection, domain: Domain) -> None:
        """Undo it, as far as it is done, by the element that was there before."""
        present = find_live(connection, domain, self.kind, parse_element(self.before or self.after))
        if self.verb is Verb.UPDATE:
            if present is not None and items_of(present) != items_of(parse_element(self.before)):
                _update(connection, domain, self.before)
        elif self.verb is Verb.ATTACH:
            if present is not None:
                self._detach(connection, domain, to_xml(present))
        elif present is None:
            attach(connection, domain, self.before)

    def _detach(self, connection: LibvirtConnection, domain: Domain, xml: str) -> None:
        ref = self.kind.reference(domain.UUIDString(), self.device_id)
        detach(connection, domain, self.kind, xml, ref)

    def to_fields(self) -> dict[str, str]:
        """Give it for the state database."""
        return {
            "verb": self.verb.value,
            "kind": self.kind.class_name,
            "id": self.device_id,
            "before": self.before,
            "after": self.after,
        }

    @classmethod
    def from_fields(cls, fields: dict[str, str]) -> LiveStep:
        """Read what ``to_fields`` gave."""
        return cls(
            verb=Verb(fields["verb"]),
            kind=KINDS[fields["kind"]],
            device_id=fields["id"],
            before=fields["before"],
            after=fields["after"],
        )


def _update(connection: LibvirtConnection, domain: Domain, xml: str) -> None:
    connection.call(domain.updateDeviceFlags, xml, libvirt.VIR_DOMAIN_AFFECT_LIVE)


def attach(connection: LibvirtConnection, domain: Domain, xml: str) -> None:
    """Attach a device to the running machine."""
    connection.call(domain.attachDeviceFlags, xml, libvirt.VIR_DOMAIN_AFFECT_LIVE)


def controllers(connection: LibvirtConnection, domain: Domain) -> dict[tuple[str, str], str]:
    """Give the controllers of the running machine, by type and index."""
    document = Document(connection.call(domain.XMLDesc, libvirt.VIR_DOMAIN_XML_SECURE))
    return {
        (element.get("type", ""), element.get("index", "")): to_xml(element)
        for element in document.devices("controller")
    }


def remove_new_controllers(
    connection: LibvirtConnection, domain: Domain, before: Collection[tuple[str, str]]
) -> None:
    """Ask for the controllers that libvirt has added for devices which are gone again.

    A guest that does not let go of one keeps it until it restarts; nothing is on it.
    """
    for key, xml in controllers(connection, domain).items():
        if key not in before:
            try:
                connection.call(domain.detachDeviceFlags, xml, libvirt.VIR_DOMAIN_AFFECT_LIVE)
            except libvirt.libvirtError as error:
                _log.warning("controller %s %s stays in %s: %s", *key, domain.name(), error)


def without_address(element: Element) -> str:
    """Give a configured device for the running machine, where its slot may be another one's."""
    copy = parse_element(to_xml(element))
    remove_children(copy, "address")
    return to_xml(copy)


def detach(
    connection: LibvirtConnection, domain: Domain, kind: DeviceKind, xml: str, ref: str
) -> None:
    """Detach a device from the running machine.

    libvirt calls it a success when the guest was asked: here it is one when the device is gone.
    Raises ``DEVICE_DETACH_TIMEOUT`` when the guest keeps it.
    """
    deadline = time.monotonic() + _DETACH_S
    connection.call(domain.detachDeviceFlags, xml, libvirt.VIR_DOMAIN_AFFECT_LIVE)
    gone = parse_element(xml)
    while find_live(connection, domain, kind, gone) is not None:
        if time.monotonic() > deadline:
            raise XapiFailure("DEVICE_DETACH_TIMEOUT", kind.class_name, ref)
        time.sleep(_DETACH_LOOK_S)


def find_live(
    connection: LibvirtConnection, domain: Domain, kind: DeviceKind, like: Element
) -> Element | None:
    """Find a device of the running machine by its element; one without an address by its name."""
    flags = libvirt.VIR_DOMAIN_XML_SECURE
    document = Document(connection.call(domain.XMLDesc, flags))
    wanted = kind.key(like)
    for element in document.devices(kind.tag):
        key = kind.key(element)
        if key.name == wanted.name and wanted.address in {"", key.address}:
            return element
    return None
