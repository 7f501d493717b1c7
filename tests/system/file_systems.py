"""A file system that is soon full."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["CannotMountError", "enlarge", "tiny_file_system"]

_SIZE_MIB = 4


class CannotMountError(RuntimeError):
    """Mounting is not permitted here, neither directly nor through sudo."""


@contextmanager
def tiny_file_system(place: Path) -> Iterator[Path]:
    """Mount 4 MiB of memory as a file system at `place`, writable for everybody."""
    place.mkdir(exist_ok=True)
    _as_root("mount", "-t", "tmpfs", "-o", f"size={_SIZE_MIB}m,mode=1777", "virtcim-test", place)
    try:
        yield place
    finally:
        # What still holds a file there must not keep the file system alive for ever.
        _as_root("umount", "--lazy", place)


def enlarge(place: Path, *, size_mib: int) -> None:
    """Give the file system more room."""
    _as_root("mount", "-o", f"remount,size={size_mib}m", place)


def _as_root(*command: str | Path) -> None:
    sudo = [] if os.geteuid() == 0 else ["sudo", "--non-interactive"]
    try:
        subprocess.run([*sudo, *command], check=True, capture_output=True, text=True)
    except FileNotFoundError as error:
        raise CannotMountError(str(error)) from error
    except subprocess.CalledProcessError as error:
        raise CannotMountError(error.stderr.strip()) from error
