"""Which volume a disk of a domain is: by path, or by the names of pool and volume."""

from __future__ import annotations

from virtcim.toolstack.reading.views import DiskView, PoolView, VolumeView

__all__ = ["DiskSource", "StorageIndex", "VolumeKey", "volume_place"]

VolumeKey = tuple[str, str]  # pool UUID, volume name
# What can name a volume in a domain: its path, or the names of its pool and itself.
DiskSource = str | tuple[str, str]


class StorageIndex:
    """All pools by UUID, and their volumes by what disks call them."""

    def __init__(self) -> None:
        self.pools: dict[str, PoolView] = {}
        self._by_path: dict[str, VolumeKey] = {}
        self._by_name: dict[tuple[str, str], VolumeKey] = {}
        self._volumes: dict[VolumeKey, VolumeView] = {}

    def put_pool(self, uuid: str, pool: PoolView | None) -> set[DiskSource]:
        """Replace a pool (None: it is gone); gives the names whose volume appeared or went."""
        old = self.pools.pop(uuid, None)
        for volume in () if old is None else old.volumes:
            self._volumes.pop((uuid, volume.name), None)
        before, after = _sources(old), _sources(pool)
        if pool is not None:
            self.pools[uuid] = pool
        for source in before - after:
            if isinstance(source, str):
                self._by_path.pop(source, None)
            else:
                self._by_name.pop(source, None)
        for volume in () if pool is None else pool.volumes:
            key = (uuid, volume.name)
            self._volumes[key] = volume
            if pool is not None:
                self._by_path[volume_place(pool, volume)] = key
                self._by_name[pool.name, volume.name] = key
        return before ^ after

    def find(self, disk: DiskView) -> VolumeKey | None:
        """Give the volume that a disk is on, or None if it is in no pool."""
        if disk.volume:
            return self._by_name.get((disk.pool, disk.volume))
        return self._by_path.get(disk.source)

    def place_of(self, disk: DiskView) -> str:
        """Give the path or first URI of the volume that a disk is on; empty if it is in no pool."""
        key = self.find(disk)
        pool = None if key is None else self.pools.get(key[0])
        volume = None if key is None else self._volumes.get(key)
        return "" if pool is None or volume is None else volume_place(pool, volume)

    def volume(self, key: VolumeKey) -> VolumeView | None:
        """Give a volume of a known pool."""
        return self._volumes.get(key)

    def volume_at(self, path: str) -> VolumeView | None:
        """Give the volume that is at a path."""
        key = self._by_path.get(path)
        return None if key is None else self.volume(key)

    def holds_path(self, path: str) -> bool:
        """Whether a path is a volume of a pool."""
        return path in self._by_path

    def pool_of_path(self, path: str) -> PoolView | None:
        """Give the pool that a path is a volume of."""
        key = self._by_path.get(path)
        return None if key is None else self.pools.get(key[0])

    def path_of_volume(self, pool: str, volume: str) -> str:
        """Give the path of a volume by the names of its pool and itself; empty if it is unknown."""
        key = self._by_name.get((pool, volume))
        found = None if key is None else self.volume(key)
        return "" if found is None else found.path

    def pool_named(self, name: str) -> PoolView | None:
        """Give the pool of that name."""
        return next((pool for pool in self.pools.values() if pool.name == name), None)


def _sources(pool: PoolView | None) -> set[DiskSource]:
    if pool is None:
        return set()
    return {volume_place(pool, volume) for volume in pool.volumes} | {
        (pool.name, volume.name) for volume in pool.volumes
    }


def volume_place(pool: PoolView, volume: VolumeView) -> str:
    """Give what a disk on a volume has for its source: the path, or on the network the first URI.

    A path there (``pool/image``) is not even unique.
    """
    uris = () if pool.source is None else pool.source.uris(volume.name)
    return uris[0] if uris else volume.path
