"""The names of other files in the header of a disk image, as QEMU 7.2 reads them.

Headers come from anybody. No more of one is read than QEMU reads, and what QEMU could not read is
no name, or a HeaderError where there is one that cannot be told.
"""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Callable, Iterator
from typing import NamedTuple

from virtcim.toolstack.images.formats import BEGINNING_BYTES, looks_like

__all__ = ["HeaderError", "Named", "names_in"]

# Gives so many bytes at an offset, or fewer at the end.
Read = Callable[[int, int], bytes]

_VMDK = "vmdk"
# The longest name that QEMU takes (PATH_MAX of its block layer).
_LONGEST_NAME = 1023
_QCOW2_CLUSTER_BITS = range(9, 22)
_QCOW2_EXTERNAL_DATA_FILE = 0x44415441
_QED_BACKING_FILE = 1
_SECTOR = 512
# block/vmdk.c: where the descriptor is in a sparse image, how much of it is searched for a parent,
# and how much of a descriptor is read for extents.
_VMDK_DESCRIPTOR_OFFSET = 0x200
_VMDK_PARENT_BYTES = 20 * _SECTOR
_VMDK_DESCRIPTOR_BYTES = (1 << 20) - 1
_VMDK_SPARSE_MAGICS = (b"KDMV", b"COWD")
_VMDK_PARENT = b"parentFileNameHint"
_VMDK_PARENT_CID = re.compile(rb"parentCID=([0-9a-fA-F]{1,8})\b")
_VMDK_NO_PARENT = 0xFFFFFFFF
_VMDK_EXTENT = re.compile(rb'^[ \t]*\S+[ \t]+\d+[ \t]+(\w+)[ \t]+"([^"\r\n]{1,511})', re.MULTILINE)
# Extents of plain data; all others are images themselves.
_VMDK_PLAIN_EXTENTS = frozenset({b"FLAT", b"VMFS"})


class HeaderError(Exception):
    """An image is built on something that its header does not tell; half a sentence."""


class Named(NamedTuple):
    """A file that an image names: QEMU's text for it, and whether it can name others in turn."""

    text: str
    is_image: bool = True


def names_in(read: Read, image_format: str) -> list[Named]:
    """Give what an image names: backing, data and extent files.

    ``image_format`` is as what QEMU opens it: a descriptor of a vmdk may begin with anything.
    Raises HeaderError.
    """
    beginning = read(0, BEGINNING_BYTES)
    kind = looks_like(beginning)
    try:
        if kind in {"qcow", "qcow2"}:
            return list(_qcow_names(read, beginning, extended=kind == "qcow2"))
        if kind == "qed":
            return list(_qed_names(read, beginning))
        if kind == _VMDK or (not kind and image_format == _VMDK):
            return list(_vmdk_names(read, beginning))
    except struct.error:
        return []  # too short for QEMU, too
    return []


def _qcow_names(read: Read, beginning: bytes, *, extended: bool) -> Iterator[Named]:
    """Read the name of the backing file, and of an external data file.

    QEMU's docs/interop/qcow2.txt: offset and size of the name at 8, the number of bits of a cluster
    at 20, the length of the header at 100 (version 3), then extensions of type, length and data up
    to a multiple of eight, all in the first cluster.
    """
    version, offset, size = struct.unpack_from(">IQI", beginning, 4)
    yield from _name_at(read, offset, size)
    if not extended:
        return
    (bits,) = struct.unpack_from(">I", beginning, 20)
    cluster = read(0, 1 << bits) if bits in _QCOW2_CLUSTER_BITS else beginning
    at = 72
    if version >= 3:
        (at,) = struct.unpack_from(">I", beginning, 100)
    while at + 8 <= len(cluster):
        kind, length = struct.unpack_from(">II", cluster, at)
        if kind == 0:
            return
        if kind == _QCOW2_EXTERNAL_DATA_FILE:
            for named in _name_at(read, at + 8, length):
                yield Named(named.text, is_image=False)
        at += 8 + (length + 7) // 8 * 8


def _qed_names(read: Read, beginning: bytes) -> Iterator[Named]:
    """QEMU's docs/interop/qed_spec.txt: features at 16, offset and size of the name at 56."""
    (features,) = struct.unpack_from("<Q", beginning, 16)
    if features & _QED_BACKING_FILE:
        yield from _name_at(read, *struct.unpack_from("<II", beginning, 56))


def _name_at(read: Read, offset: int, size: int) -> Iterator[Named]:
    if not offset or not size:
        return
    if size > _LONGEST_NAME or offset > 1 << 62:
        raise HeaderError("the name of what it is built on is out of range")
    name = read(offset, size)
    if len(name) < size:
        raise HeaderError("the name of what it is built on lies behind its end")
    yield Named(os.fsdecode(name))


def _vmdk_names(read: Read, beginning: bytes) -> Iterator[Named]:
    """Read the parent and the extents, as ``vmdk_parent_open`` and ``vmdk_parse_extents`` do.

    A sparse image has its descriptor at 0x200; where its capacity (at 12) is 0, extents are in a
    descriptor whose sector is at 28. Otherwise the whole file is the descriptor.
    """
    if not beginning.startswith(_VMDK_SPARSE_MAGICS):
        yield from _vmdk_parents(read(0, _VMDK_PARENT_BYTES))
        yield from _vmdk_extents(read(0, _VMDK_DESCRIPTOR_BYTES))
        return
    yield from _vmdk_parents(read(_VMDK_DESCRIPTOR_OFFSET, _VMDK_PARENT_BYTES))
    if beginning.startswith(b"KDMV"):
        capacity, _grains, sector = struct.unpack_from("<QQQ", beginning, 12)
        if capacity == 0 and 0 < sector < 1 << 53:
            yield from _vmdk_extents(read(sector * _SECTOR, _VMDK_DESCRIPTOR_BYTES))


def _vmdk_parents(descriptor: bytes) -> Iterator[Named]:
    names = []
    for piece in descriptor.split(_VMDK_PARENT)[1:]:
        # QEMU takes two bytes for `="`, whatever they are.
        name, quote, _ = piece[2:].partition(b'"')
        if not quote or len(name) > _LONGEST_NAME:
            raise HeaderError("the name of its parent does not end")
        if name:
            names.append(Named(os.fsdecode(name)))
    parent = _VMDK_PARENT_CID.search(descriptor)
    if not names and parent is not None and int(parent[1], 16) != _VMDK_NO_PARENT:
        raise HeaderError("it has a parent that it does not name")
    yield from names


def _vmdk_extents(descriptor: bytes) -> Iterator[Named]:
    for kind, name in _VMDK_EXTENT.findall(descriptor):
        yield Named(os.fsdecode(name), is_image=kind not in _VMDK_PLAIN_EXTENTS)
