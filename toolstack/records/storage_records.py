"""Publishing SRs, PBDs and VDIs: volumes of pools, and disks given by a path outside all pools."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from virtcim.toolstack.images.fence import FenceLook
from virtcim.toolstack.images.image_file import ImageFile
from virtcim.toolstack.images.known import KnownImages
from virtcim.toolstack.reading.uris import is_uri
from virtcim.toolstack.reading.views import DiskView, PoolView
from virtcim.toolstack.records.identity import path_identity, path_sr_uuid, volume_identity
from virtcim.toolstack.records.storage import (
    path_sr_values,
    path_vdi_values,
    pbd_values,
    pool_sr_values,
    volume_vdi_values,
)
from virtcim.toolstack.records.storage_index import (
    DiskSource,
    StorageIndex,
    VolumeKey,
    volume_place,
)
from virtcim.toolstack.refs import NULL, reference, uuid_of
from virtcim.toolstack.state import State

__all__ = ["StorageRecords"]

Publish = Callable[[str, str, dict[str, object]], None]
Remove = Callable[[str, str], None]
# By class and reference: the UUID, and what makes the values of the record.
Announced = dict[tuple[str, str], tuple[str, Callable[[], dict[str, object]]]]
Announce = Callable[[Announced], None]


class StorageRecords:
    """The storage part of the publisher; ``users`` gives the VBDs of each VDI by reference.

    ``remove`` keeps what clients noted on an object, for when it is back; ``forget`` does not.
    ``depart`` removes a VDI outside pools whose reference stays good for a while.
    ``hidden`` gives the names of the volumes of a pool that are shown only while a VBD has them.
    """

    def __init__(
        self,
        index: StorageIndex,
        users: Mapping[str, set[str]],
        state: State,
        images: KnownImages,
        stated_format: Callable[[str], str],
        ask_size: Callable[[str, str], None],
        publish: Publish,
        announce: Announce,
        remove: Remove,
        forget: Remove,
        depart: Callable[[str], None],
        hidden: Callable[[str], Collection[str]],
    ) -> None:
        self._index = index
        self._users = users
        self._state = state
        self._known = images
        self._stated_format = stated_format
        self._ask_size = ask_size
        self._fence: FenceLook | None = None  # during one flush
        self._told: dict[
            str, ImageFile | None
        ] = {}  # by path: what libvirt says, once it was asked
        self._publish = publish
        self._announce = announce
        self._announced: Announced = {}  # during one flush
        self._remove = remove
        self._forget = forget
        self._depart = depart
        self._hidden = hidden
        self._host = ""
        self._introduced: dict[str, dict[str, Any]] = {}
        self._taken_back: set[str] = set()  # VDIs that clients want to know no more
        self._paths: dict[str, str] = {}  # of the VDIs outside pools, by reference
        self._uris: dict[str, tuple[str, ...]] = {}  # of those that are no files or devices here
        self._images: dict[tuple[str, str], ImageFile | None] = {}  # by path and format
        self._volumes: dict[str, VolumeKey] = {}  # of the VDIs in pools, by reference
        self._dirty_pools: set[str] = set()
        self._dirty_vdis: set[str] = set()
        self._dirty_paths = False

    def host_known(self, host_uuid: str) -> None:
        """The host's UUID is known: its introduced disks can be read."""
        self._host = host_uuid
        self._introduced = self._state.introduced(host_uuid)
        for path, fields in self._introduced.items():
            # Databases of before formats were recorded have it here.
            if stated := fields.get("sm_config", {}).get("type", ""):
                self._known.keep_first(host_uuid, path, stated)
            self._dirty_vdis.add(self._path_ref(path))
        self._dirty_paths = True

    def sr_uuids(self) -> list[str]:
        """Give the UUIDs of all SRs."""
        return [*sorted(self._index.pools), path_sr_uuid(self._host)]

    def vdi_of(self, disk: DiskView) -> str:
        """Give the reference of the VDI that a disk is on; NULL without a medium."""
        key = self._index.find(disk)
        if key is not None:
            return self._volume_ref(key)
        if not disk.sources:
            return NULL
        # A volume of a pool that is not active is known by the names of both alone.
        ref = self._path_ref(disk.source)
        if is_uri(disk.source) and self._uris.get(ref) != disk.sources:
            self._uris[ref] = disk.sources
            self._dirty_vdis.add(ref)
        return ref

    def volume_name(self, ref: str) -> str:
        """Give the name of a VDI in its pool, empty if it is in none."""
        return self._volumes.get(ref, ("", ""))[1]

    def pool_changed(self, uuid: str, moved: set[DiskSource]) -> None:
        """Collect what a changed pool makes out of date."""
        pool = self._index.pools.get(uuid)
        known = {ref for ref, key in self._volumes.items() if key[0] == uuid}
        for name in () if pool is None else (volume.name for volume in pool.volumes):
            known.add(self._volume_ref((uuid, name)))
        self._dirty_vdis |= known
        self._dirty_pools.add(uuid)
        for source in moved:
            if not isinstance(source, str):
                continue
            if source in self._introduced:
                self._dirty_vdis.add(self._path_ref(source))
            if pool is not None and pool.active and not self._index.holds_path(source):
                self._known.forget(self._host, source)  # deleted: the next one is another image

    def users_changed(self, refs: Iterable[str]) -> None:
        """Other VBDs use these VDIs now."""
        for ref in refs:
            self._dirty_vdis.add(ref)
            key = self._volumes.get(ref)
            if key is not None and key[1] in self._hidden(key[0]):
                self._dirty_pools.add(key[0])  # it comes or goes with them

    def keep_introduced(self, path: str, fields: Mapping[str, object] | None) -> None:
        """Write down that a path is a VDI, or (None) no more; waits for the disk."""
        if fields is None:
            self._state.forget(self._host, path)
        else:
            self._state.introduce(self._host, path, fields)

    def introduce(self, path: str, fields: Mapping[str, object] | None) -> str:
        """Add a path as a VDI, or (None) take that back; gives its reference."""
        ref = self._path_ref(path)
        if fields is None:
            self._introduced.pop(path, None)
            self._taken_back.add(ref)
        else:
            self._introduced[path] = dict(fields)
        self._images.clear()
        self._dirty_vdis.add(ref)
        return ref

    def look_again(self) -> None:
        """Look at the files of all paths again."""
        self._images.clear()
        self._told.clear()
        self._dirty_vdis.update(self._paths)

    def size_told(self, path: str, image: ImageFile) -> None:
        """Libvirt tells the size of an image that only it may look at."""
        if path in self._told:
            self._told[path] = image
            self._dirty_vdis.add(self._path_ref(path))

    def flush(self) -> None:
        """Publish what was collected."""
        self._fence = None
        for ref in self._dirty_vdis:
            if ref in self._volumes:
                self._publish_volume(ref, self._volumes[ref])
            elif ref in self._paths:
                self._publish_path(ref, self._paths[ref])
        self._dirty_vdis.clear()
        self._taken_back.clear()
        self._announce(self._announced)
        self._announced = {}
        for uuid in self._dirty_pools:
            self._publish_pool(uuid, self._index.pools.get(uuid))
        self._dirty_pools.clear()
        if self._dirty_paths:
            self._dirty_paths = False
            uuid = path_sr_uuid(self._host)
            self._publish("SR", reference("SR", uuid), path_sr_values(self._host, self._paths))
            self._publish(
                "PBD",
                reference("PBD", uuid),
                pbd_values(uuid, self._host, attached=True, device_config={}),
            )

    def _volume_ref(self, key: VolumeKey) -> str:
        ref = reference("VDI", volume_identity(*key))
        self._volumes[ref] = key
        return ref

    def _path_ref(self, path: str) -> str:
        ref = reference("VDI", path_identity(self._host, path))
        if ref not in self._paths:
            self._paths[ref] = path
            self._dirty_paths = True
        return ref

    def _publish_volume(self, ref: str, key: VolumeKey) -> None:
        pool, volume = self._index.pools.get(key[0]), self._index.volume(key)
        if pool is None or volume is None:
            del self._volumes[ref]
            # The volumes of a pool that was stopped come back; others are another disk then.
            (self._forget if pool is not None and pool.active else self._remove)("VDI", ref)
            return
        if not self._is_shown(key):
            self._remove("VDI", ref)
            return
        image_format = self._format(ref, volume_place(pool, volume))
        values = partial(volume_vdi_values, pool, volume, image_format, sorted(self._vbds(ref)))
        self._announced["VDI", ref] = uuid_of(ref), values

    def _is_shown(self, key: VolumeKey) -> bool:
        """Whether a volume is to be seen: what is made for a machine is seen with the machine."""
        return key[1] not in self._hidden(key[0]) or bool(self._vbds(self._volume_ref(key)))

    def _publish_path(self, ref: str, path: str) -> None:
        vbds = self._vbds(ref)
        introduced = self._introduced.get(path)
        # A volume's path can have been introduced before its pool was there.
        if not vbds and (introduced is None or self._index.holds_path(path)):
            del self._paths[ref]
            self._uris.pop(ref, None)
            self._told.pop(path, None)
            self._dirty_paths = True
            if ref in self._taken_back or self._index.holds_path(path):
                self._remove("VDI", ref)
            else:
                self._depart(ref)
            return
        image_format = self._format(ref, path)
        uris = self._uris.get(ref, (path,)) if is_uri(path) else ()
        if self._fence is None:
            self._fence = self._known.fence(self._index.pools.values())
        looked = not uris and self._fence.holds(path)
        image = None
        if looked:
            key = (path, image_format)
            if key not in self._images:
                self._images[key] = self._known.look(*key)
            image = self._images[key]
        elif vbds and not uris:
            if path not in self._told:
                self._told[path] = None
                self._ask_size(ref, path)
            image = self._told[path]
        values = partial(
            path_vdi_values,
            *(self._host, path, uris, image, image_format, introduced or {}, sorted(vbds)),
            missing=looked and image is None,
        )
        self._announced["VDI", ref] = uuid_of(ref), values

    def _format(self, ref: str, path: str) -> str:
        """Give the format that machines state, or that was recorded."""
        return self._stated_format(ref) or self._known.recorded(self._host, path)

    def _vbds(self, ref: str) -> set[str]:
        return self._users.get(ref, set())

    def _publish_pool(self, uuid: str, pool: PoolView | None) -> None:
        if pool is None:
            self._remove("SR", reference("SR", uuid))
            self._remove("PBD", reference("PBD", uuid))
            return
        if self._hidden(uuid):
            shown = (volume for volume in pool.volumes if self._is_shown((uuid, volume.name)))
            pool = replace(pool, volumes=tuple(shown))
        vdis = [self._volume_ref((uuid, volume.name)) for volume in pool.volumes]
        self._publish("SR", reference("SR", uuid), pool_sr_values(pool, vdis))
        config = {"location": pool.path} if pool.path else {}
        self._publish(
            "PBD",
            reference("PBD", uuid),
            pbd_values(uuid, self._host, attached=pool.active, device_config=config),
        )
