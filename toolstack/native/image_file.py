"""Looking at disk images by path: only their size and format, and only on this host."""

from __future__ import annotations

import os
import stat
import struct
from dataclasses import dataclass
from pathlib import Path

from virtcim.toolstack.native.uris import is_uri

__all__ = ["ImageFile", "look_at_image", "probe_format"]

_SECTOR = 512
_QCOW2_MAGIC = b"QFI\xfb"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFile:
    """A disk image: what the guest sees, and what it takes."""

    format: str
    virtual_size_bytes: int
    allocated_bytes: int


def look_at_image(path: str) -> ImageFile | None:
    """Give the image at ``path``, or None where there is none that can be looked at."""
    if is_uri(path):
        return None
    try:
        status = Path(path).stat()
        if not (stat.S_ISREG(status.st_mode) or stat.S_ISBLK(status.st_mode)):
            return None
        header = _header(path)
    except (OSError, ValueError):
        return None
    size = _device_size(path) if stat.S_ISBLK(status.st_mode) else status.st_size
    # QCOW2 header: magic at 0, virtual size at 24 as a big-endian 64-bit number.
    if header[:4] == _QCOW2_MAGIC and len(header) >= 32:
        (virtual,) = struct.unpack(">Q", header[24:32])
        return ImageFile(
            format="qcow2", virtual_size_bytes=virtual, allocated_bytes=status.st_blocks * _SECTOR
        )
    return ImageFile(
        format="raw", virtual_size_bytes=size, allocated_bytes=status.st_blocks * _SECTOR
    )


def probe_format(path: str) -> str:
    """Give the format of the image at ``path``: raw unless it says otherwise."""
    image = look_at_image(path)
    return "raw" if image is None else image.format


def _header(path: str) -> bytes:
    """Read the first bytes; a file that may not be read is taken for raw."""
    try:
        with Path(path).open("rb") as file:
            return file.read(32)
    except PermissionError:
        return b""


def _device_size(path: str) -> int:
    try:
        with Path(path).open("rb") as file:
            return file.seek(0, os.SEEK_END)
    except OSError:
        return 0
