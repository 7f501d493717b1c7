"""The fence: the directories and network sources that a client may name paths in.

It is about paths that a client names, never about what a machine already has.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from virtcim.toolstack.images.paths import in_dev, lies_in, resolve_last, resolve_path
from virtcim.toolstack.images.source_url import SourceUrl, SourceUrlError, parse_source_url
from virtcim.toolstack.reading.views import PoolView

__all__ = ["Fence", "FenceError", "FenceLook", "is_local", "parse_fence"]

DIRECTORY_OPTION = "--image-directory"
SOURCE_OPTION = "--image-source"

# Pools whose target is a directory with images in it. The targets of the others are places such
# as /dev, where only the volumes that libvirt lists are theirs.
_DIRECTORY_POOLS = frozenset({"dir", "fs", "netfs", "vstorage"})


class FenceError(Exception):
    """An option cannot be used; the text is one sentence for the administrator."""


class FenceLook:
    """The fence at one moment: each directory is looked at once, each path when it is asked for."""

    def __init__(self, places: Iterable[str], *, local: bool) -> None:
        self._local = local
        self._places = [
            (directory, place)
            for place in places
            if (directory := resolve_path(place, local=local)) is not None
        ]
        # As ``lies_in`` compares them, for the thousands of paths of a start.
        inside = (str(PurePosixPath(directory)) for directory, _ in self._places)
        self._inside = [(inner, f"{inner.rstrip('/')}/") for inner in inside]
        self._directories: dict[str, str | None] = {}

    def holds(self, path: str) -> bool:
        """Whether a path lies inside."""
        resolved = self._resolve(path)
        if resolved is None:
            return False
        # /dev/vg/volume leads to /dev/dm-3; a link that leads out of /dev is no device.
        if in_dev(path) and lies_in(resolved, "/dev"):
            named = str(PurePosixPath(path))
            return any(lies_in(named, each) for places in self._places for each in places)
        return any(resolved == inner or resolved.startswith(below) for inner, below in self._inside)

    def _resolve(self, path: str) -> str | None:
        """Resolve a path; many have one directory."""
        directory, _, name = path.rpartition("/")
        if not directory or name in {"", ".", ".."} or "\0" in path:
            return resolve_path(path, local=self._local)
        if directory not in self._directories:
            self._directories[directory] = resolve_path(directory, local=self._local)
        resolved = self._directories[directory]
        return resolved and resolve_last(resolved, name, local=self._local)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fence:
    """Where images may be: ``directories``, or without any the targets of pools made by others.

    ``local`` is false for a libvirt on another host, whose symbolic links cannot be followed.
    """

    directories: tuple[str, ...] = ()
    sources: tuple[SourceUrl, ...] = ()
    local: bool = True

    @property
    def is_open(self) -> bool:
        """Whether the administrator opened everything."""
        return any(resolve_path(directory) == "/" for directory in self.directories)

    def holds(self, path: str, pools: Iterable[PoolView], made: Collection[str]) -> bool:
        """Whether a path lies inside.

        ``pools`` are all that there are, ``made`` the UUIDs of those that clients of ours made:
        they never widen the fence.
        """
        return self.look(pools, made).holds(path)

    def look(self, pools: Iterable[PoolView], made: Collection[str]) -> FenceLook:
        """Give the fence as it stands now, for many paths in a row; otherwise as ``holds``."""
        places = self.directories or tuple(
            pool.path
            for pool in pools
            if pool.uuid not in made and pool.type in _DIRECTORY_POOLS and pool.path
        )
        return FenceLook(places, local=self.local)

    def holds_pool(self, pool: PoolView, pools: Iterable[PoolView], made: Collection[str]) -> bool:
        """Whether what libvirt lists in a pool lies inside."""
        if not self.directories and pool.uuid not in made:
            return True
        if pool.source is not None:
            return all(map(self.allows_uri, pool.source.places)) and bool(pool.source.places)
        return bool(pool.path) and self.holds(pool.path, pools, made)

    def allows_uri(self, uri: str) -> bool:
        """Otherwise as ``allows``; what is no URL of an image is outside."""
        try:
            return self.allows(parse_source_url(uri))
        except SourceUrlError:
            return False

    def allows(self, url: SourceUrl) -> bool:
        """Whether a network source may be named, apart from the local files that it names."""
        return any(url.lies_under(prefix) for prefix in self.sources)


def is_local(libvirt_uri: str) -> bool:
    """Whether the files of a libvirt are those of this host: its URI names no other."""
    try:
        host = urlsplit(libvirt_uri).hostname
    except ValueError:
        return False
    return host in {None, "", "localhost", "127.0.0.1", "::1"}


def parse_fence(directories: Iterable[str], sources: Iterable[str], *, local: bool) -> Fence:
    """Read what the administrator gives; raises FenceError."""
    places = tuple(directories)
    for place in places:
        if resolve_path(place, local=local) is None:
            raise FenceError(f"{DIRECTORY_OPTION} {place}: must be an absolute path")
    prefixes = []
    for source in sources:
        try:
            prefix = parse_source_url(source)
            if prefix.has_options:
                raise SourceUrlError("is one image, and no place of images")
            prefixes.append(prefix)
        except SourceUrlError as error:
            raise FenceError(f"{SOURCE_OPTION} {source}: {error}") from error
    return Fence(directories=places, sources=tuple(prefixes), local=local)
