"""Looking at disk images by path: only their size and beginning, and only on this host."""

from __future__ import annotations

import errno
import os
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

__all__ = ["Beginning", "ImageFile", "look_at_image", "opened_image", "read_beginning"]

_SECTOR = 512
# What formats are recognised by: QEMU looks at 2048 bytes.
_BEGINNING_BYTES = 4096
_MAY_SAY_SIZE = frozenset({"", "qcow2"})
_QCOW2_MAGIC = b"QFI\xfb"
# A file that was exchanged for a pipe must not hold us up.
_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFile:
    """A disk image: what the guest sees, and what it takes."""

    virtual_size_bytes: int
    allocated_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Beginning:
    """The first bytes of an image, None where they cannot be read; ``inode`` is 0 for a device."""

    content: bytes | None
    inode: int = 0


def look_at_image(path: str, image_format: str) -> ImageFile | None:
    """Give the image at ``path``, or None where there is none that can be looked at.

    Only an image that is opened as qcow2, or that nobody knows the format of, says its own size:
    in another one the same bytes are the guest's.
    """
    try:
        status = os.stat(path)  # noqa: PTH116 - text that may hold anything
        if not _is_image(status):
            return None
        size = status.st_size if stat.S_ISREG(status.st_mode) else _device_size(path)
    except (OSError, ValueError):
        return None
    content = read_beginning(path).content if image_format in _MAY_SAY_SIZE else None
    # QCOW2 header: magic at 0, virtual size at 24 as a big-endian 64-bit number.
    if content is not None and content[:4] == _QCOW2_MAGIC and len(content) >= 32:
        (size,) = struct.unpack(">Q", content[24:32])
    return ImageFile(virtual_size_bytes=size, allocated_bytes=status.st_blocks * _SECTOR)


def read_beginning(path: str, size_bytes: int = _BEGINNING_BYTES) -> Beginning:
    """Read the beginning of an image, as far as it may be read."""
    try:
        with opened_image(path) as file:
            status = os.fstat(file)
            inode = status.st_ino if stat.S_ISREG(status.st_mode) else 0
            return Beginning(content=os.pread(file, size_bytes, 0), inode=inode)
    except (OSError, ValueError):
        return Beginning(content=None)


def _device_size(path: str) -> int:
    try:
        with opened_image(path) as file:
            return os.lseek(file, 0, os.SEEK_END)
    except OSError:
        return 0


def _is_image(status: os.stat_result) -> bool:
    return stat.S_ISREG(status.st_mode) or stat.S_ISBLK(status.st_mode)


@contextmanager
def opened_image(path: str) -> Iterator[int]:
    """Open a file or block device for reading, and nothing else.

    Raises OSError, which is FileNotFoundError for what is neither, and ValueError for what is no
    path.
    """
    # Opening can do something by itself: /dev/watchdog restarts the host some time later.
    if not _is_image(os.stat(path)):  # noqa: PTH116 - text that may hold anything
        raise FileNotFoundError(errno.ENOENT, "neither a file nor a block device", path)
    file = os.open(path, _FLAGS)
    try:
        if not _is_image(os.fstat(file)):
            raise FileNotFoundError(errno.ENOENT, "neither a file nor a block device", path)
        yield file
    finally:
        os.close(file)
