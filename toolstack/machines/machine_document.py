"""One of the two descriptions of a domain, with its devices by the names that they keep."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import libvirt

from virtcim.toolstack.documents import Document, Element
from virtcim.toolstack.documents.document import remove
from virtcim.toolstack.faults import handle_invalid
from virtcim.toolstack.machines.device_kinds import KINDS, Device, DeviceKind
from virtcim.toolstack.reading.identities import KnownDevice

if TYPE_CHECKING:
    from virtcim.toolstack.calltable import Context
    from virtcim.toolstack.machines.domains import Machine

__all__ = ["MachineDocument", "expected_devices", "read_documents"]


class MachineDocument:
    """The persistent (or, with ``live``, the running) description, secrets included.

    ``text`` is how libvirt gave it. Read it with the domain's lock held.
    """

    def __init__(self, context: Context, machine: Machine, *, live: bool) -> None:
        flags = libvirt.VIR_DOMAIN_XML_SECURE | (0 if live else libvirt.VIR_DOMAIN_XML_INACTIVE)
        self.text: str = context.services.connection.call(machine.domain.XMLDesc, flags)
        self.document = Document(self.text)
        self._devices: dict[str, dict[str, Element]] = {}
        for kind in KINDS.values():
            elements = self.document.devices(kind.tag)
            keys = kind.keys(elements)
            ids = context.services.devices.ids(machine.uuid, kind.tag, keys, live=live)
            self._devices[kind.tag] = dict(zip(ids, elements, strict=True))

    def devices(self, kind: DeviceKind) -> Mapping[str, Element]:
        """Give the devices of one kind by id, in their order."""
        return self._devices[kind.tag]

    def find(self, device: Device) -> Element | None:
        """Give a device's element, or None where this description does not have it."""
        return self._devices[device.kind.tag].get(device.id)

    def require(self, device: Device) -> Element:
        """Give a device's element; raises ``HANDLE_INVALID`` where it is not there."""
        element = self.find(device)
        if element is None:
            raise handle_invalid(device.kind.class_name, device.ref)
        return element

    def add(self, kind: DeviceKind, device_id: str, element: Element) -> None:
        """Add a device under the name that it shall keep."""
        self.document.add_device(element)
        self._devices[kind.tag][device_id] = element

    def remove(self, device: Device) -> None:
        """Take a device out, if it is there."""
        element = self._devices[device.kind.tag].pop(device.id, None)
        if element is not None:
            remove(element)


def read_documents(
    context: Context, machine: Machine
) -> tuple[MachineDocument | None, MachineDocument | None]:
    """Give the persistent description and the running one, None for what the VM does not have."""
    config = MachineDocument(context, machine, live=False) if machine.view.persistent else None
    live = MachineDocument(context, machine, live=True) if machine.view.live is not None else None
    return config, live


def expected_devices(
    kind: DeviceKind, known: Iterable[KnownDevice], config: MachineDocument | None
) -> list[KnownDevice]:
    """Give what the devices of one kind are known by once libvirt has this description.

    What is plugged stays so until it is seen to be gone; without a persistent description that is
    all there is.
    """
    devices = {device.id: device for device in known}
    if config is None:
        return list(devices.values())
    expected = [
        devices.pop(id_)._replace(config=kind.key(element))
        for id_, element in config.devices(kind).items()
    ]
    expected += [device._replace(config=None) for device in devices.values() if device.live]
    return expected
