"""Formats of disk images, and what the beginning of one looks like.

What a beginning looks like never decides what QEMU opens: a guest can write it into its raw disk,
with a file of the host as backing file. It only makes an image that nobody stated the format of a
refusal instead of a guess.
"""

from __future__ import annotations

import re
from collections.abc import Callable

__all__ = ["BEGINNING_BYTES", "DISK_FORMATS", "RAW", "looks_like"]

RAW = "raw"

# The formats of QEMU's block drivers that are one image with a guest's disk in it: neither its
# protocols, nor vvfat, which makes a disk of a directory.
DISK_FORMATS = frozenset(
    {
        RAW,
        "qcow2",
        "qcow",
        "qed",
        "vmdk",
        "vdi",
        "vpc",
        "vhdx",
        "parallels",
        "bochs",
        "cloop",
        "dmg",
    }
)

# What `looks_like` wants to see. QEMU itself looks at 2048 bytes (BLOCK_PROBE_BUF_SIZE).
BEGINNING_BYTES = 4096

_QCOW = b"QFI\xfb"
# QEMU's block/vmdk.c: comments and blank lines, then the version.
_VMDK_TEXT = re.compile(rb"(?:#[^\n]*\n|[ ]*\r?\n)*version=[0-9]")


def _at(offset: int, *signatures: bytes) -> Callable[[bytes], bool]:
    return lambda beginning: beginning[offset:].startswith(signatures)


# Each as QEMU 7.2 and libvirt 9.0 recognise them.
_LOOKS: tuple[tuple[str, Callable[[bytes], bool]], ...] = (
    ("qcow", _at(0, _QCOW + b"\0\0\0\1")),
    ("qcow2", _at(0, _QCOW)),
    ("qed", _at(0, b"QED\0")),
    ("vmdk", _at(0, b"KDMV", b"COWD")),
    ("vmdk", lambda beginning: _VMDK_TEXT.match(beginning) is not None),
    ("vdi", _at(0x40, b"\x7f\x10\xda\xbe")),
    # A dynamic one: one of fixed size has its mark at the end, and is a raw disk before that.
    ("vpc", _at(0, b"conectix")),
    ("vhdx", _at(0, b"vhdxfile")),
    ("parallels", _at(0, b"WithoutFreeSpace", b"WithouFreSpacExt")),
    ("bochs", _at(0, b"Bochs Virtual HD Image")),
    ("cloop", _at(0, b"#!/bin/sh\n#V2.0 Format\nmodprobe cloop")),
    ("cow", _at(0, b"OOOM")),
)


def looks_like(beginning: bytes) -> str:
    """Give the format that an image with this beginning looks like; empty for none.

    Boot sectors, partition tables, file systems, ISO 9660 and LUKS are what a guest's disk holds,
    and no formats of images.
    """
    return next((name for name, is_it in _LOOKS if is_it(beginning)), "")
