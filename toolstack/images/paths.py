"""Paths as the kernel would follow them, without opening anything."""

from __future__ import annotations

import os
import stat
from pathlib import PurePosixPath

__all__ = ["canonical_path", "in_dev", "lies_in", "link_target", "resolve_last", "resolve_path"]

# As many symbolic links as Linux follows.
_MOST_LINKS = 40
# What lies in /dev and is no device: ordinary files, and what a process has open.
_NO_DEVICES = frozenset({"fd", "hugepages", "mqueue", "shm", "stderr", "stdin", "stdout"})


def resolve_path(path: str, *, local: bool = True) -> str | None:
    """Give an absolute path without ``.``, ``..``, ``//`` and symbolic links.

    What is missing at its end may still be made. None where nobody can say where it leads: it is
    relative, its links lead in a circle, a directory may not be looked into, or ``..`` follows
    something that is missing. ``local`` is false for the file system of another host, whose links
    are not known.
    """
    if not path.startswith("/") or "\0" in path:
        return None
    rest = [part for part in reversed(path.split("/")) if part not in {"", "."}]
    resolved: list[str] = []
    links, missing = 0, False
    while rest:
        part = rest.pop()
        if part == "..":
            if missing or not local:
                return None
            if resolved:
                resolved.pop()
            continue
        here = "/" + "/".join([*resolved, part])
        target = _link(here) if local and not missing else _MISSING
        if target is None:
            return None
        if target is _MISSING:
            missing = True
        if target not in {_MISSING, _PLAIN}:
            links += 1
            if links > _MOST_LINKS:
                return None
            if target.startswith("/"):
                resolved.clear()
            rest.extend(piece for piece in reversed(target.split("/")) if piece not in {"", "."})
            continue
        resolved.append(part)
    return "/" + "/".join(resolved)


def resolve_last(directory: str, name: str, *, local: bool) -> str | None:
    """Resolve a name in a directory that is resolved already; otherwise as ``resolve_path``."""
    path = f"{directory.rstrip('/')}/{name}"
    if not local:
        return path
    target = _link(path)
    return path if target in {_MISSING, _PLAIN} else resolve_path(path)


# Neither can be the target of a link.
_MISSING, _PLAIN = "\0missing", "\0plain"


def _link(path: str) -> str | None:
    """Give where a symbolic link leads, or that there is none; None where that cannot be seen."""
    try:
        if not stat.S_ISLNK(os.lstat(path).st_mode):
            return _PLAIN
        return os.readlink(path)  # noqa: PTH115 - text that may hold anything
    except (FileNotFoundError, NotADirectoryError):
        return _MISSING
    except (OSError, ValueError):
        return None


def link_target(path: str) -> str:
    """Give where a symbolic link of this host leads, as it says; empty for all else."""
    target = _link(path)
    return "" if target in {None, _MISSING, _PLAIN} else target


def canonical_path(path: str, *, local: bool = True) -> str:
    """Give the one spelling of a path that can be resolved, else the path as it is.

    A path in /dev stays as it is named.
    """
    if in_dev(path):
        return str(PurePosixPath(path))
    return resolve_path(path, local=local) or path


def in_dev(path: str) -> bool:
    """Whether a path lies in /dev as it is named: no ``..`` leads out of it again."""
    if not path.startswith("/dev/"):
        return False
    parts = PurePosixPath(path).parts
    return (
        parts[:2] == ("/", "dev")
        and len(parts) > len(("/", "dev"))
        and ".." not in parts
        and parts[2] not in _NO_DEVICES
    )


def lies_in(path: str, directory: str) -> bool:
    """Whether a path is a directory or below it; both are resolved, or compared as named.

    The path has no ``..`` in it.
    """
    inner = str(PurePosixPath(directory))
    return path == inner or path.startswith(inner if inner == "/" else f"{inner}/")
