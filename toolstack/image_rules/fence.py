"""The fence: the directories and network sources that a client may name paths in.

It is about paths that a client names, never about what a machine already has.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from virtcim.toolstack.image_rules.paths import in_dev, lies_in, resolve_path
from virtcim.toolstack.image_rules.source_url import SourceUrl, SourceUrlError, parse_source_url
from virtcim.toolstack.native.views import PoolView

__all__ = ["Fence", "FenceError", "is_local", "parse_fence"]

DIRECTORY_OPTION = "--image-directory"
SOURCE_OPTION = "--image-source"

# Pools whose target is a directory with images in it. The targets of the others are places such
# as /dev, where only the volumes that libvirt lists are theirs.
_DIRECTORY_POOLS = frozenset({"dir", "fs", "netfs", "vstorage"})


class FenceError(Exception):
    """An option cannot be used; the text is one sentence for the administrator."""


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
        places = self.directories or tuple(
            pool.path
            for pool in pools
            if pool.uuid not in made and pool.type in _DIRECTORY_POOLS and pool.path
        )
        resolved = resolve_path(path, local=self.local)
        if resolved is None:
            return False
        # /dev/vg/volume leads to /dev/dm-3; a link that leads out of /dev is no device.
        named = path if in_dev(path) and lies_in(resolved, "/dev") else resolved
        return any(self._lies_in(named, place) for place in places)

    def _lies_in(self, path: str, place: str) -> bool:
        directory = resolve_path(place, local=self.local)
        if directory is None:
            return False
        return lies_in(path, directory) or (in_dev(path) and lies_in(path, place))

    def holds_pool(self, pool: PoolView, pools: Iterable[PoolView], made: Collection[str]) -> bool:
        """Whether what libvirt lists in a pool lies inside."""
        if not self.directories and pool.uuid not in made:
            return True
        return bool(pool.path) and self.holds(pool.path, pools, made)

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
            prefixes.append(parse_source_url(source))
        except SourceUrlError as error:
            raise FenceError(f"{SOURCE_OPTION} {source}: {error}") from error
    return Fence(directories=places, sources=tuple(prefixes), local=local)
