"""Devices that a client wants a VM to have, put where nothing is yet."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from virtcim.toolstack.calltable import Context
from virtcim.toolstack.documents import Element
from virtcim.toolstack.machines.device_kinds import DeviceKind
from virtcim.toolstack.reading.identities import KnownDevice

__all__ = ["NewDevice", "PlacedDevice", "note_new_devices", "place_devices", "references"]


class NewDevice(Protocol):
    """A device that a client wants, with its image or network found."""

    @property
    def kind(self) -> DeviceKind:
        """The kind of device that it is."""

    @property
    def turn(self) -> int:
        """When it is served: what wants a certain place is before what takes any."""

    @property
    def notes(self) -> Mapping[str, object]:
        """What libvirt has no place for, by field."""

    def build(
        self, known: Collection[KnownDevice], names: Collection[str]
    ) -> tuple[str, int, Element]:
        """Give its id, number and element in a domain that has these devices.

        ``names`` are the targets or MAC addresses that are taken. Raises ``INVALID_DEVICE`` and
        ``DEVICE_ALREADY_EXISTS``.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedDevice:
    """A new device with the name and number that it shall keep."""

    new: NewDevice
    id: str
    number: int
    element: Element

    @property
    def known(self) -> KnownDevice:
        """What it is known by in the persistent description."""
        return KnownDevice(self.id, self.number, self.new.kind.key(self.element))


def place_devices(
    added: Sequence[NewDevice], known: Mapping[str, Iterable[KnownDevice]]
) -> list[PlacedDevice]:
    """Put devices beside those that are ``known`` (by tag), and give them in their order.

    Those that want a certain place are served first, in whatever order they are given.
    """
    taken = {tag: list(devices) for tag, devices in known.items()}
    placed: dict[int, PlacedDevice] = {}
    for index in sorted(range(len(added)), key=lambda index: added[index].turn):
        new = added[index]
        devices = taken.setdefault(new.kind.tag, [])
        names = {
            key.name for item in devices for key in (item.config, item.live) if key is not None
        }
        device_id, number, element = new.build(devices, names)
        placed[index] = PlacedDevice(new=new, id=device_id, number=number, element=element)
        devices.append(placed[index].known)
    return [placed[index] for index in range(len(added))]


def references(uuid: str, placed: Iterable[PlacedDevice]) -> dict[str, list[str]]:
    """Give the references of new devices of a domain, as calls of our own answer."""
    found: dict[str, list[str]] = {"VBDs": [], "VIFs": []}
    for device in placed:
        kind = device.new.kind
        found[f"{kind.class_name}s"].append(kind.reference(uuid, device.id))
    return found


def note_new_devices(context: Context, uuid: str, placed: Iterable[PlacedDevice]) -> None:
    """Keep what clients said of new devices that libvirt has no place for."""
    for device in placed:
        kind = device.new.kind
        for name, value in device.new.notes.items():
            ref = kind.reference(uuid, device.id)
            context.services.notes.set(kind.class_name, ref, name, value)
