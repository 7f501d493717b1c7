"""A disk or drive that a client wants a VM to have."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from virtcim.toolstack.calltable import Context
from virtcim.toolstack.documents import Element
from virtcim.toolstack.documents.disk import build_disk
from virtcim.toolstack.faults import XapiFailure, value_not_supported
from virtcim.toolstack.fields import GivenRecord
from virtcim.toolstack.images.choice import find_image, find_path
from virtcim.toolstack.images.formats import RAW
from virtcim.toolstack.images.image import Image
from virtcim.toolstack.machines.device_kinds import VBD, DeviceKind
from virtcim.toolstack.machines.new_images import NewImages
from virtcim.toolstack.reading.device_keys import DeviceKey
from virtcim.toolstack.reading.identities import KnownDevice, name_disks, target_index
from virtcim.toolstack.records.storage import URIS

__all__ = ["MODES", "NewDisk", "given_image", "read_new_disk"]

# XenAPI vbd_type: libvirt's device, and the prefix of targets that are given by number.
_DEVICES = {"Disk": ("disk", "vd"), "CD": ("cdrom", "sd"), "Floppy": ("floppy", "fd")}
# XenAPI vbd_mode: whether it is read-only.
MODES: Mapping[str, bool] = MappingProxyType({"RW": False, "RO": True})
_NOTES = ("other_config", "bootable", "unpluggable")
_ANY_PLACE = frozenset({"", "autodetect"})
# Fields of a VBD that a VDI has too, with another meaning.
_DISK_FIELDS = frozenset({"type", "other_config", "uuid"})
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_MOST_TARGETS = 26 * 27


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDisk:
    """A disk or drive to be made; ``userdevice`` is a number, a target or ``autodetect``."""

    userdevice: str
    device: str
    prefix: str
    image: Image | None
    read_only: bool
    bus: str
    notes: Mapping[str, object]

    @property
    def kind(self) -> DeviceKind:
        """The kind of device that it is."""
        return VBD

    @property
    def turn(self) -> int:
        """When it is served: numbers come before targets.

        The number of a disk stands for a target (0 for ``vda``): a disk that wants that one is
        refused, whichever of the two was given first. The number of a target is where it is free.
        """
        if self.userdevice in _ANY_PLACE:
            return 2
        return int(not self.userdevice.isdigit())

    def build(
        self, known: Collection[KnownDevice], names: Collection[str]
    ) -> tuple[str, int, Element]:
        """Make its element where nothing of ``known`` is; gives its id and number, too.

        ``names`` are the targets that are taken. Raises ``INVALID_DEVICE`` and
        ``DEVICE_ALREADY_EXISTS``.
        """
        target, number = self._place({device.number for device in known}, names)
        [(device_id, free)] = name_disks([DeviceKey(name=target)], known)
        element = build_disk(
            target=target,
            device=self.device,
            source=self.image.source if self.image else None,
            image_format=self.image.format if self.image else "raw",
            read_only=self.read_only,
            bus=self.bus,
        )
        return device_id, free if number is None else number, element

    def _place(self, numbers: Collection[int], names: Collection[str]) -> tuple[str, int | None]:
        """Give the target, and the number if one was asked for."""
        wanted = self.userdevice
        if wanted in _ANY_PLACE:
            return self._free_target(names), None
        if wanted.isascii() and wanted.isdigit() and int(wanted) < _MOST_TARGETS:
            number = int(wanted)
            if number in numbers:
                raise XapiFailure("DEVICE_ALREADY_EXISTS", wanted)
            own = _target(self.prefix, number)
            # A disk of another kind can have the number of that target.
            return (self._free_target(names) if own in names else own), number
        if target_index(wanted) is None:
            raise XapiFailure("INVALID_DEVICE", wanted)
        if wanted in names:
            raise XapiFailure("DEVICE_ALREADY_EXISTS", wanted)
        return wanted, None

    def _free_target(self, names: Collection[str]) -> str:
        targets = (_target(self.prefix, index) for index in range(_MOST_TARGETS))
        return next(target for target in targets if target not in names)


def _target(prefix: str, index: int) -> str:
    """Give the n-th target: vda ... vdz, vdaa ..."""
    high, low = divmod(index, len(_LETTERS))
    return prefix + (_LETTERS[high - 1] if high else "") + _LETTERS[low]


def read_new_disk(
    context: Context, args: Mapping[str, object], images: NewImages | None = None
) -> NewDisk:
    """Read a VBD.create record, and find the image of the disk.

    Where ``images`` are given it may hold, instead of ``VDI``, a ``location`` with ``sm_config``
    (``type``, and ``uris`` where several hosts have it),
    or ``SR`` and ``virtual_size`` with what else VDI.create takes: a new image is then made.

    Raises ``HANDLE_INVALID`` for a disk without an image.
    """
    given = GivenRecord("VBD", args)
    kind = given.text("type") or "Disk"
    device, prefix = given.choice("type", _DEVICES, "Disk")
    read_only = given.choice("mode", MODES, "RO" if kind == "CD" else "RW")
    other_config = given.map("other_config")
    # A medium is what a drive reads: raw, unless somebody states something else.
    wanted_format = other_config.get("type") or ("" if kind == "Disk" else RAW)
    vm = given.text("VM")
    image = None
    if not given.get("empty"):
        image = given_image(context, args, wanted_format, images, vm=vm)
    if image is None and kind == "Disk":
        raise XapiFailure("HANDLE_INVALID", "VDI", given.text("VDI"))
    return NewDisk(
        userdevice=given.text("userdevice"),
        device=device,
        prefix=prefix,
        image=image,
        read_only=read_only,
        bus=other_config.get("bus", ""),
        notes={name: value for name in _NOTES if (value := given.get(name))},
    )


def given_image(
    context: Context,
    args: Mapping[str, object],
    wanted_format: str,
    images: NewImages | None = None,
    *,
    vm: str = "",
) -> Image | None:
    """Find, or make, the image that a client names; None where it names none.

    ``vm`` is the machine that gets it, if it is there already.
    """
    vdi = GivenRecord("VBD", args).reference(context, "VDI", "VDI")
    if vdi is not None:
        return find_image(context, vdi, wanted_format, vm=vm)
    if images is None:
        return None
    storage = GivenRecord("VDI", args)
    if path := storage.text("location"):
        stated = storage.map("sm_config").get("type", "") or wanted_format
        uris = storage.map("sm_config").get(URIS, "").split()
        if uris and uris[0] != path:
            raise value_not_supported(f"sm_config:{URIS}", uris[0], "must begin with the location")
        return find_path(context, path, stated, others=uris[1:], vm=vm)
    # What is an option of the disk is none of its image.
    image_args = {name: value for name, value in args.items() if name not in _DISK_FIELDS}
    return images.make(image_args) if storage.text("SR") else None
