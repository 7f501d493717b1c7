"""Keeps the database true to the inventory: every view that changes becomes records.

What refers to many objects (the host's resident VMs, an SR's disks, a network's interfaces) is
collected and written by ``flush``, so that reading a thousand domains does not write it as often.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial

from virtcim.toolstack.database import Database
from virtcim.toolstack.datamodel import CLASSES, Record
from virtcim.toolstack.images.image_file import ImageFile
from virtcim.toolstack.images.known import KnownImages
from virtcim.toolstack.reading.views import DiskView, DomainView, HostView, NetworkView, PoolView
from virtcim.toolstack.records.current_operations import CurrentOperations
from virtcim.toolstack.records.departed import DepartedImages
from virtcim.toolstack.records.devices import console_values, vbd_values, vif_values
from virtcim.toolstack.records.host_records import HostRecords
from virtcim.toolstack.records.identity import (
    console_identity,
    vbd_identity,
    vif_identity,
    vm_ref,
)
from virtcim.toolstack.records.lookup import Lookup
from virtcim.toolstack.records.network_records import NetworkRecords
from virtcim.toolstack.records.notes import Notes
from virtcim.toolstack.records.storage_index import StorageIndex
from virtcim.toolstack.records.storage_records import StorageRecords
from virtcim.toolstack.records.together_lock import TogetherLock
from virtcim.toolstack.records.vm import vm_metrics_values, vm_values
from virtcim.toolstack.refs import NULL, reference, uuid_of
from virtcim.toolstack.state import State

__all__ = ["Publisher"]

# What makes the values of a record, of what cannot change any more.
Values = Callable[[], dict[str, object]]
# By class and reference, with the UUID.
Objects = dict[tuple[str, str], tuple[str, Values]]


class Publisher:
    """The observer of the inventory; all methods are called with the inventory's lock held.

    Handlers of calls have ``notes``, ``current_operations`` and ``lookup`` for what they need.
    """

    def __init__(
        self,
        database: Database,
        state: State,
        images: KnownImages,
        uri: str,
        lock: TogetherLock,
        *,
        hidden: Callable[[str], Collection[str]] = lambda _: (),
    ) -> None:
        """``hidden`` gives the volumes of a pool that are seen with a machine that has them only.

        It is given the UUID of the pool, and gives their names.
        """
        self.lock = lock
        self.on_size_wanted: Callable[[str, str, str], None] = lambda *_: None
        self.announcing = False
        self.on_unmade: Callable[[str, str, Exception], None] = lambda *_: None
        self.notes = Notes(database, state, lock)
        self.current_operations = CurrentOperations(database, lock)
        self._database = database
        self._introducing = threading.Lock()
        self._host: HostView | None = None
        self._domains: dict[str, DomainView] = {}
        self._objects: dict[str, set[tuple[str, str]]] = {}  # of each domain
        self._links: dict[str, dict[str, str]] = {}  # of each domain: VBD and VIF to what they use
        self._users: defaultdict[str, set[str]] = defaultdict(set)  # VDI or network to users
        self._disks: dict[str, tuple[str, DiskView]] = {}  # by VBD, with the UUID of the domain
        self._images = images
        departed = DepartedImages()
        self._storage = StorageIndex()
        self._storage_records = StorageRecords(
            self._storage,
            self._users,
            state,
            images,
            self._stated_format,
            self._ask_size,
            self._publish,
            self._announce,
            database.remove,
            self._forget,
            self._depart,
            hidden,
        )
        self._hosts = HostRecords(
            *(database, uri, self._storage, self._storage_records),
            *(self._publish, self._announce, self._maker),
        )
        self._networks = NetworkRecords(database, self._users, self._publish)
        self.lookup = Lookup(
            database, self._storage, self._storage_records, self._networks, departed
        )

    # The observer

    def host_changed(self, host: HostView) -> None:
        """Publish the host and what is part of it."""
        first, moved = self._host is None, self._host and self._host.hostname != host.hostname
        self._host = host
        self.lookup.host_uuid = host.uuid
        self._hosts.host_changed(host)
        if first:
            self._storage_records.host_known(host.uuid)
            self._networks.host_known()
        if moved:
            for uuid in tuple(self._domains):
                self._publish_domain(uuid)  # their consoles are at its name

    def domain_changed(self, uuid: str, _old: DomainView | None, new: DomainView | None) -> None:
        """Publish a domain, its devices and whatever these use."""
        if new is None:
            self._domains.pop(uuid, None)
            self.current_operations.forget(uuid)
            self._database.remove("VM", vm_ref(uuid))  # also where it was only expected
        else:
            self._domains[uuid] = new
            self._images.note_raw_disks(self.lookup.host_uuid, new, self._storage.path_of_volume)
        self._hosts.set_resident(uuid, resident=new is not None and new.live is not None)
        self._publish_domain(uuid)

    def domains_expected(self, uuids: Iterable[str]) -> None:
        """Show that these domains are there."""
        self._database.expect("VM", {vm_ref(uuid): uuid for uuid in uuids})

    def all_domains_known(self) -> None:
        """Expect no domain any more."""
        self._database.expect_nothing()

    def pool_changed(self, uuid: str, _old: PoolView | None, new: PoolView | None) -> None:
        """Publish a storage pool and its volumes, and the disks that are found in it now."""
        moved = self._storage.put_pool(uuid, new)
        self._storage_records.pool_changed(uuid, moved)
        if moved:
            for domain_uuid, domain in tuple(self._domains.items()):
                if any(
                    disk.source in moved or (disk.pool, disk.volume) in moved
                    for disk in domain.config.disks
                ):
                    self._publish_domain(domain_uuid)
        self._hosts.changed()

    def network_changed(self, uuid: str, old: NetworkView | None, new: NetworkView | None) -> None:
        """Publish a network, and the interfaces that are connected to it now."""
        names = {network.name for network in (old, new) if network is not None}
        self._networks.changed(uuid, new)
        if (old and old.name) != (new and new.name):
            for domain_uuid, domain in tuple(self._domains.items()):
                if any(
                    item.kind == "network" and item.source in names
                    for item in domain.config.interfaces
                ):
                    self._publish_domain(domain_uuid)

    def domain_rebooted(self) -> None:
        """Let those look who wait for a restart."""
        self._database.wake()

    def flush(self) -> None:
        """Publish what was collected."""
        if self._host is None:
            return
        self._networks.flush()
        self._storage_records.flush()
        self._hosts.flush()

    def pause_s(self) -> float | None:
        """In how many seconds ``flush`` has something to tell that waits; None: nothing waits."""
        return self._hosts.pause_s()

    # What handlers need

    def forget(self, class_name: str, ref: str) -> None:
        """Remove an object that is gone for good, with what clients noted on it."""
        with self.lock:
            self._forget(class_name, ref)

    def introduce(self, path: str, fields: Mapping[str, object] | None) -> str:
        """Note (or, with None, forget) a path as a disk; gives the reference of its VDI."""
        with self._introducing:
            # A slow disk keeps nobody from seeing what happens meanwhile.
            self._storage_records.keep_introduced(path, fields)
            with self.lock:
                ref = self._storage_records.introduce(path, fields)
                self.flush()
                if fields is None:
                    self.lookup.departed.forget(ref)
        return ref

    def size_told(self, path: str, image: ImageFile) -> None:
        """Show the size of an image that libvirt has told for the machine that has it."""
        with self.lock:
            self._storage_records.size_told(path, image)
            self.flush()

    def _ask_size(self, vdi: str, path: str) -> None:
        for ref in sorted(self._users.get(vdi, ())):
            if ref in self._disks:
                uuid, disk = self._disks[ref]
                self.on_size_wanted(uuid, disk.target, path)
                return

    def look_at_paths(self) -> None:
        """Look again at all files outside pools."""
        with self.lock:
            self._storage_records.look_again()
            self.flush()

    # Publishing

    def _publish(self, class_name: str, ref: str, values: dict[str, object]) -> None:
        notes = self.notes.of(class_name, str(values["uuid"]))
        self._database.publish(class_name, ref, _record(class_name, values, notes))

    def _announce(self, objects: Objects) -> None:
        """Publish what there are thousands of: at the start nobody has to wait for all of it."""
        if not self.announcing:
            for (class_name, ref), (_, values) in objects.items():
                self._publish(class_name, ref, values())
            return
        self._database.announce(
            (class_name, ref, uuid, self._maker(class_name, uuid, values))
            for (class_name, ref), (uuid, values) in objects.items()
        )

    def _maker(self, class_name: str, uuid: str, values: Values) -> Callable[[], Record]:
        """Give what makes a record, with what clients have noted on the object by now."""
        return partial(self._make, class_name, uuid, values, self.notes.of(class_name, uuid))

    def _make(
        self, class_name: str, uuid: str, values: Values, notes: Mapping[str, object]
    ) -> Record:
        try:
            return _record(class_name, values(), notes)
        except Exception as error:
            self.on_unmade(class_name, uuid, error)
            raise

    def _publish_domain(self, uuid: str) -> None:
        domain, host = self._domains.get(uuid), self._host
        if host is None:
            return
        objects: Objects = {}
        links: dict[str, str] = {}
        if domain is not None:
            objects = self._domain_objects(domain, host, links)
        for key in self._objects.pop(uuid, set()) - objects.keys():
            self._forget(*key)
            self._disks.pop(key[1], None)
        self._announce(objects)
        if objects:
            self._objects[uuid] = set(objects)
        self._relink(uuid, links)

    def _domain_objects(self, domain: DomainView, host: HostView, links: dict[str, str]) -> Objects:
        uuid = domain.uuid
        objects: Objects = {}

        def add(class_name: str, ref: str, values: Values) -> None:
            objects[class_name, ref] = uuid_of(ref), values

        for disk in domain.config.disks:
            ref = reference("VBD", vbd_identity(uuid, disk))
            links[ref] = vdi = self._storage_records.vdi_of(disk)
            self._disks[ref] = (uuid, disk)
            add("VBD", ref, partial(vbd_values, domain, disk, vdi))
        for interface in domain.config.interfaces:
            ref = reference("VIF", vif_identity(uuid, interface))
            links[ref] = network = self._networks.reference_of(interface.kind, interface.source)
            add("VIF", ref, partial(vif_values, domain, interface, network))
        for console in () if domain.live is None else domain.live.consoles:
            ref = reference("console", console_identity(uuid, console.id))
            add("console", ref, partial(console_values, domain, console, host.hostname))
        metrics = reference("VM_metrics", uuid)
        add("VM_metrics", metrics, partial(vm_metrics_values, domain, host))
        operations = self.current_operations.of(uuid)
        objects["VM", vm_ref(uuid)] = uuid, partial(vm_values, domain, host.uuid, operations)
        return objects

    def _forget(self, class_name: str, ref: str) -> None:
        record = self._database.get(class_name, ref)
        if record is not None:
            self.notes.forget(class_name, record["uuid"])
        self._database.remove(class_name, ref)

    def _depart(self, vdi: str) -> None:
        record = self._database.get("VDI", vdi)
        if record is not None:
            self.lookup.departed.put(vdi, record)
        self._database.remove("VDI", vdi)

    def _relink(self, uuid: str, links: dict[str, str]) -> None:
        """Note who uses which disks and networks, and collect those whose users changed."""
        old = self._links.pop(uuid, {})
        if links:
            self._links[uuid] = links
        changed: set[str] = set()
        for user, used in old.items() - links.items():
            self._users[used].discard(user)
            if not self._users[used]:
                del self._users[used]
            changed.add(used)
        for user, used in links.items() - old.items() if old else links.items():
            self._users[used].add(user)
            changed.add(used)
        # Also where only the format changed that the machine states of an image.
        images = []
        for ref in changed.union(links.values()):
            if self._networks.holds(ref):
                if ref in changed:
                    self._networks.users_changed(ref)
            elif ref != NULL:
                images.append(ref)
        self._storage_records.users_changed(images)

    def _stated_format(self, vdi: str) -> str:
        """Give the format that the machines state that have an image; empty where they differ."""
        stated = {
            self._disks[ref][1].format for ref in self._users.get(vdi, ()) if ref in self._disks
        }
        stated.discard("")
        return stated.pop() if len(stated) == 1 else ""


def _record(class_name: str, values: dict[str, object], notes: Mapping[str, object]) -> Record:
    """Give a record, with what clients noted on the object."""
    for name, value in notes.items():
        values[name] = _merged(values.get(name), value)
    return CLASSES[class_name].record(values)


def _merged(own: object, noted: object) -> object:
    if isinstance(own, dict) and isinstance(noted, dict):
        return {**own, **noted}
    return noted
