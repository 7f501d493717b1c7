"""What an image is built on: the files that QEMU opens with a qcow, qcow2, qed or vmdk image.

Those are the formats of which QEMU 7.2 and libvirt 9.0 open other files; QEMU opens no parent of a
vdi, vpc, vhdx or parallels image. Images come from anybody: what is read of one is bounded.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath
from typing import NamedTuple

from virtcim.toolstack.images.header_names import HeaderError, Named, names_in
from virtcim.toolstack.images.image_file import opened_image
from virtcim.toolstack.images.paths import canonical_path, resolve_path

__all__ = ["ChainError", "image_chain"]

# More than anybody has: a large vmdk in pieces of 2 GiB has some hundreds.
_MOST_FILES = 2000
_LOCAL_PREFIX, _JSON_PREFIX = "file:", "json:"
# No image can be at such a path.
_NO_PATH = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG})


class ChainError(Exception):
    """What an image is built on cannot be determined; ``path`` is the image that does not tell."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason


class _Image(NamedTuple):
    path: str
    format: str  # as what it is opened, empty where that is not stated
    # A client could have named it: whether it is there, and can be read, is not told.
    silent: bool


def image_chain(
    path: str, image_format: str = "", *, inside: Callable[[str], bool] = lambda _: True
) -> Iterator[str]:
    """Give the local files below an image, resolved; the image itself is none.

    Only for images that QEMU opens as what they say they are; ``image_format`` is what the machine
    states. ``inside`` tells whether a client may name a path: what an image in there says of
    files elsewhere is followed, but a file elsewhere that cannot be read counts as one that is not
    there. Raises ChainError.
    """
    left = [_Image(path, image_format, silent=False)]
    seen = {(path, path)}
    count = 0
    while left:
        here = left.pop()
        count += 1
        if count > _MOST_FILES:
            raise ChainError(path, f"it is built on more than {_MOST_FILES} files")
        for named in _names(here):
            below = _beside(here.path, named.text)
            real = canonical_path(below)
            if (below, real) in seen:
                continue
            seen.add((below, real))
            yield real
            if named.is_image:
                silent = here.silent or (not inside(below) and inside(here.path))
                left.append(_Image(below, "", silent))


def _beside(image: str, name: str) -> str:
    """Give the path of a file that an image names, in a directory without detours."""
    directory, _, last = os.path.join(os.path.dirname(image), name).rpartition("/")  # noqa: PTH118, PTH120
    resolved = resolve_path(directory or "/") or directory
    return str(PurePosixPath(resolved, last))


def _names(image: _Image) -> list[Named]:
    """Give the local files that an image names. Raises ChainError."""
    try:
        with opened_image(image.path) as file:
            found = names_in(lambda offset, size: os.pread(file, size, offset), image.format)
            return [local for named in found for local in _local(named)]
    except HeaderError as error:
        reason = str(error)
    except OSError as error:
        if error.errno in _NO_PATH:
            return []
        reason = error.strerror or type(error).__name__
    except ValueError:
        return []  # no path has such characters
    if image.silent:
        return []
    raise ChainError(image.path, reason)


def _local(named: Named) -> Iterator[Named]:
    """Give the files of this host that a name of QEMU's stands for. Raises HeaderError."""
    if named.text.startswith(_JSON_PREFIX):
        for text in _json_names(named.text.removeprefix(_JSON_PREFIX)):
            yield Named(text.removeprefix(_LOCAL_PREFIX), named.is_image)
    elif named.text and "\0" not in named.text:
        yield Named(named.text.removeprefix(_LOCAL_PREFIX), named.is_image)


def _json_names(text: str) -> Iterator[str]:
    """Give every file that QEMU's description of a block device names."""
    try:
        left = [json.loads(text)]
    except (ValueError, RecursionError) as error:
        raise HeaderError("the description of what it is built on cannot be read") from error
    while left:
        value = left.pop()
        if isinstance(value, dict):
            left.extend(value.values())
            for key, name in value.items():
                if key.rpartition(".")[2] == "filename" and isinstance(name, str):
                    yield name
        elif isinstance(value, list):
            left.extend(value)
