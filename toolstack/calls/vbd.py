"""Disks and drives of VMs (XenAPI ``VBD``)."""

from __future__ import annotations

import re
from collections.abc import Container, Mapping
from dataclasses import dataclass
from xml.etree.ElementTree import Element, SubElement

import libvirt

from virtcim.toolstack.calls.devices import (
    Device,
    DeviceClass,
    add_device,
    device_calls,
    find_device,
)
from virtcim.toolstack.calls.domains import change_machine, redefine
from virtcim.toolstack.calls.fields import GivenRecord
from virtcim.toolstack.calls.images import Image, find_image, find_path
from virtcim.toolstack.calls.new_images import NewImages
from virtcim.toolstack.calltable import CallTable, Context
from virtcim.toolstack.faults import XapiFailure
from virtcim.toolstack.image_rules import RAW
from virtcim.toolstack.native.domain_writer import DiskXml, build_disk, find_disk, to_xml
from virtcim.toolstack.refs import reference

__all__ = ["VBD_CALLS", "NewDisk", "note_fields", "read_disk"]

VBD_CALLS = CallTable()

# XenAPI vbd_type: libvirt's device, and the prefix and bus of targets that are given by number.
_DEVICES = {"Disk": ("disk", "vd"), "CD": ("cdrom", "sd"), "Floppy": ("floppy", "fd")}
_MODES = {"RW": "", "RO": "yes"}
_TARGET = re.compile(r"(vd|sd|hd|fd|xvd)[a-z]{1,3}")
_ANY_PLACE = frozenset({"", "autodetect"})
# Fields of a VBD that a VDI has too, with another meaning.
_DISK_FIELDS = frozenset({"type", "other_config", "uuid"})
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_MOST_TARGETS = 26 * 27

_VBD = DeviceClass(name="VBD", key_field="userdevice", find=find_disk)
for _call in device_calls(_VBD):
    VBD_CALLS.enter(_call)


@VBD_CALLS.add("VBD.create", "record args", asynchronous=True)
def create(context: Context, args: dict[str, object]) -> str:
    """Give a VM a disk or drive, from its next start or (``VBD.plug``) at once.

    ``userdevice`` is a target (``vda``), a number or ``autodetect``. Raises
    ``DEVICE_ALREADY_EXISTS`` for one that is taken.
    """
    given = GivenRecord("VBD", args)
    vm = given.required_reference(context, "VM", "VM")
    disk = read_disk(context, args)
    with change_machine(context, vm, "attach") as machine:
        target = disk.target({one.target for one in machine.view.config.disks})
        add_device(context, machine, disk.build(target))
    ref = reference("VBD", f"{machine.uuid}/{target}")
    note_fields(context, ref, given)
    return ref


def note_fields(context: Context, ref: str, given: GivenRecord) -> None:
    """Keep what a client gave for a disk that libvirt has no place for."""
    for field in ("other_config", "bootable", "unpluggable"):
        if value := given.get(field):
            context.services.publisher.set_note("VBD", ref, field, value)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDisk:
    """A disk or drive that a client wants; no ``image`` is an empty drive."""

    given: GivenRecord
    device: str
    prefix: str
    read_only: bool
    image: Image | None

    @property
    def is_named(self) -> bool:
        """Whether the client wants a certain place for it."""
        return self.given.text("userdevice") not in _ANY_PLACE

    def target(self, taken: Container[str]) -> str:
        """Choose libvirt's target. Raises ``DEVICE_ALREADY_EXISTS``."""
        return _target(self.given.text("userdevice"), self.prefix, taken)

    def build(self, target: str) -> Element:
        """Build ``<disk>``."""
        image = self.image
        return build_disk(
            DiskXml(
                target=target,
                device=self.device,
                source=image.path if image else "",
                format=image.format if image else "raw",
                block=bool(image and image.block),
                read_only=self.read_only,
                bus=self.given.map("other_config").get("bus", ""),
            )
        )


def read_disk(
    context: Context, args: Mapping[str, object], images: NewImages | None = None
) -> NewDisk:
    """Read a VBD.create record.

    Where ``images`` are given it may hold, instead of ``VDI``, a ``location`` with ``sm_config``,
    or ``SR`` and ``virtual_size`` with what else VDI.create takes: a new image is then made.
    """
    given = GivenRecord("VBD", args)
    kind = given.text("type") or "Disk"
    device, prefix = given.choice("type", _DEVICES, "Disk")
    image = None if given.get("empty") else _image(context, given, args, images)
    if image is None and kind == "Disk":
        raise XapiFailure("HANDLE_INVALID", "VDI", given.text("VDI"))
    return NewDisk(
        given=given,
        device=device,
        prefix=prefix,
        read_only=bool(given.choice("mode", _MODES, "RO" if kind == "CD" else "RW")),
        image=image,
    )


def _image(
    context: Context, given: GivenRecord, args: Mapping[str, object], images: NewImages | None
) -> Image | None:
    vdi = given.reference(context, "VDI", "VDI")
    # A medium is what a drive reads: raw, unless somebody states something else.
    usual_format = "" if (given.text("type") or "Disk") == "Disk" else RAW
    wanted_format = given.map("other_config").get("type") or usual_format
    if vdi is not None:
        return find_image(context, vdi, wanted_format, vm=given.text("VM"))
    if images is None:
        return None
    storage = GivenRecord("VDI", args)
    if path := storage.text("location"):
        return find_path(context, path, storage.map("sm_config").get("type", "") or wanted_format)
    # What is an option of the disk is none of its image.
    image_args = {name: value for name, value in args.items() if name not in _DISK_FIELDS}
    return images.make(image_args) if storage.text("SR") else None


def _target(wanted: str, prefix: str, taken: Container[str]) -> str:
    if wanted in _ANY_PLACE:
        return next(
            name for number in range(_MOST_TARGETS) if (name := _name(prefix, number)) not in taken
        )
    target = wanted
    if wanted.isascii() and wanted.isdigit() and int(wanted) < _MOST_TARGETS:
        target = _name(prefix, int(wanted))
    if not _TARGET.fullmatch(target):
        raise XapiFailure("INVALID_DEVICE", wanted)
    if target in taken:
        raise XapiFailure("DEVICE_ALREADY_EXISTS", wanted)
    return target


def _name(prefix: str, number: int) -> str:
    """Give the n-th target: vda ... vdz, vdaa ..."""
    high, low = divmod(number, len(_LETTERS))
    return prefix + (_LETTERS[high - 1] if high else "") + _LETTERS[low]


@VBD_CALLS.add("VBD.insert", "VBD vbd, VDI vdi", asynchronous=True)
def insert(context: Context, vbd: str, vdi: str) -> None:
    """Put a medium into an empty drive."""
    device = _find_drive(context, vbd)
    if not device.record["empty"]:
        raise XapiFailure("VBD_NOT_EMPTY", vbd)
    _change_medium(context, device, find_image(context, vdi, RAW, vm=device.record["VM"]))


@VBD_CALLS.add("VBD.eject", "VBD vbd", asynchronous=True)
def eject(context: Context, vbd: str) -> None:
    """Take the medium out of a drive."""
    device = _find_drive(context, vbd)
    if device.record["empty"]:
        raise XapiFailure("VBD_IS_EMPTY", vbd)
    _change_medium(context, device, None)


def _find_drive(context: Context, vbd: str) -> Device:
    device = find_device(context, _VBD, vbd)
    if device.record["type"] == "Disk":
        raise XapiFailure("VBD_NOT_REMOVABLE_MEDIA", vbd)
    return device


def _change_medium(context: Context, device: Device, image: Image | None) -> None:
    def change_disk(disk: Element) -> None:
        for source in disk.findall("source"):
            disk.remove(source)
        disk.set("type", "block" if image and image.block else "file")
        if image is not None:
            SubElement(disk, "source", {"dev" if image.block else "file": image.path})

    def change(root: Element) -> None:
        disk = device.find(root)
        if disk is not None:
            change_disk(disk)

    call = context.services.connection.call
    with change_machine(context, device.record["VM"], "attach") as machine:
        if machine.view.live is not None and device.record["currently_attached"]:
            disk = device.element(context, machine, live=True)
            change_disk(disk)
            call(machine.domain.updateDeviceFlags, to_xml(disk), libvirt.VIR_DOMAIN_AFFECT_LIVE)
        if machine.view.persistent:
            redefine(context, machine, change)
