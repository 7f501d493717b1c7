"""What an image is built on: the files that QEMU opens with a qcow2 or qed image."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Iterator

from virtcim.toolstack.images.image_file import read_beginning

__all__ = ["image_chain"]

# More than anybody has; a chain that leads in a circle ends, too.
_MOST_FILES = 200
_QCOW2_MAGIC, _QED_MAGIC = b"QFI\xfb", b"QED\0"
_DATA_FILE = 0x44415441
_LOCAL_PREFIX, _JSON_PREFIX = "file:", "json:"
# The name of a backing file lies in the first cluster, of 64 KiB by default.
_HEADER_BYTES = 1 << 16


def image_chain(path: str) -> Iterator[str]:
    """Give the local files below an image, as far as they can be read; the image itself is none.

    Only for images that QEMU opens as what they say they are.
    """
    seen = {path}
    left = [path]
    while left and len(seen) < _MOST_FILES:
        here = left.pop()
        content = read_beginning(here, _HEADER_BYTES).content or b""
        for name in _names(content):
            below = os.path.normpath(os.path.join(os.path.dirname(here), name))  # noqa: PTH118, PTH120
            if below not in seen:
                seen.add(below)
                left.append(below)
                yield below


def _names(content: bytes) -> Iterator[str]:
    try:
        if content.startswith(_QCOW2_MAGIC):
            yield from _qcow2_names(content)
        elif content.startswith(_QED_MAGIC):
            offset, size = struct.unpack_from("<II", content, 56)
            yield from _decoded(content, offset, size)
    except struct.error:
        return


def _qcow2_names(content: bytes) -> Iterator[str]:
    """Read the name of the backing file, and of an external data file.

    QEMU's docs/interop/qcow2.txt: offset and size of the name at 8, the length of the header at
    100 (version 3), then extensions of type, length and data up to a multiple of eight.
    """
    version, offset, size = struct.unpack_from(">IQI", content, 4)
    yield from _decoded(content, offset, size)
    at = 72
    if version >= 3:
        (at,) = struct.unpack_from(">I", content, 100)
    while at + 8 <= len(content):
        kind, length = struct.unpack_from(">II", content, at)
        if kind == 0:
            return
        if kind == _DATA_FILE:
            yield from _decoded(content, at + 8, length)
        at += 8 + (length + 7) // 8 * 8


def _decoded(content: bytes, offset: int, size: int) -> Iterator[str]:
    name = os.fsdecode(content[offset : offset + size]) if offset else ""
    if name.startswith(_JSON_PREFIX):
        yield from _json_names(name.removeprefix(_JSON_PREFIX))
    elif name and "\0" not in name:
        yield name.removeprefix(_LOCAL_PREFIX)


def _json_names(text: str) -> Iterator[str]:
    """Give every file that QEMU's description of a block device names."""
    try:
        left = [json.loads(text)]
    except ValueError:
        return
    while left:
        value = left.pop()
        if isinstance(value, dict):
            left.extend(value.values())
            for key, name in value.items():
                if key.rpartition(".")[2] == "filename" and isinstance(name, str):
                    yield name
        elif isinstance(value, list):
            left.extend(value)
