"""Keeps the database true to the inventory: every view that changes becomes records.

What refers to many objects (the host's resident VMs, an SR's disks, a network's interfaces) is
collected and written by ``flush``, so that reading a thousand domains does not write it as often.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

from virtcim.toolstack.database import Database
from virtcim.toolstack.datamodel import CLASSES, Record
from virtcim.toolstack.images.image_file import ImageFile
from virtcim.toolstack.images.known import KnownImages
from virtcim.toolstack.reading.views import DiskView, DomainView, HostView, NetworkView, PoolView
from virtcim.toolstack.records.departed import DepartedImages
from virtcim.toolstack.records.devices import console_values, vbd_values, vif_values
from virtcim.toolstack.records.host import (
    host_cpu_values,
    host_metrics_values,
    host_values,
    network_values,
    pool_values,
    pseudo_network_values,
)
from virtcim.toolstack.records.identity import (
    console_identity,
    network_key,
    pool_uuid,
    user_network_key,
    vbd_identity,
    vif_identity,
    vm_ref,
)
from virtcim.toolstack.records.storage_index import StorageIndex
from virtcim.toolstack.records.storage_records import StorageRecords
from virtcim.toolstack.records.vm import vm_metrics_values, vm_values
from virtcim.toolstack.refs import NULL, reference, uuid_of
from virtcim.toolstack.state import State

__all__ = ["Publisher", "TogetherLock"]

_NOTHING: Mapping[str, Any] = MappingProxyType({})

# What makes the values of a record, of what cannot change any more.
Values = Callable[[], dict[str, object]]
# By class and reference, with the UUID.
Objects = dict[tuple[str, str], tuple[str, Values]]


class TogetherLock:
    """A re-entrant lock: what is published while it is held is seen together, when it is let go."""

    def __init__(self, database: Database) -> None:
        self._lock = threading.RLock()
        self._database = database

    def __enter__(self) -> None:
        self._lock.acquire()
        self._database.begin_batch()

    def __exit__(self, *_: object) -> None:
        self._database.end_batch()
        self._lock.release()


class Publisher:
    """The observer of the inventory; all methods are called with the inventory's lock held."""

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
        self._database = database
        self._state = state
        self._uri = uri
        self._notes = state.all_notes()
        # Held while a note is written, by those alone who write notes.
        self._note_lock = threading.Lock()
        self._introducing = threading.Lock()
        self._note_in_progress: tuple[str, str] | None = None
        self._host: HostView | None = None
        self._domains: dict[str, DomainView] = {}
        self._networks: dict[str, NetworkView] = {}
        self._objects: dict[str, set[tuple[str, str]]] = {}  # of each domain
        self._links: dict[str, dict[str, str]] = {}  # of each domain: VBD and VIF to what they use
        self._users: defaultdict[str, set[str]] = defaultdict(set)  # VDI or network to users
        self._disks: dict[str, tuple[str, DiskView]] = {}  # by VBD, with the UUID of the domain
        self._resident: set[str] = set()
        self._operations: defaultdict[str, dict[str, str]] = defaultdict(dict)
        self._network_keys: dict[str, str] = {}  # by reference
        self._dirty_networks: set[str] = set()
        self._dirty_host = False
        self._images = images
        self._departed = DepartedImages()
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

    @property
    def storage(self) -> StorageIndex:
        """Where the disks are."""
        return self._storage

    @property
    def departed(self) -> DepartedImages:
        """The images outside pools that no machine names any more."""
        return self._departed

    @property
    def host_uuid(self) -> str:
        """The UUID of the host, known as soon as libvirt was reached once."""
        return "" if self._host is None else self._host.uuid

    # The observer

    def host_changed(self, host: HostView) -> None:
        """Publish the host and what is part of it."""
        first, moved = self._host is None, self._host and self._host.hostname != host.hostname
        self._host = host
        self._publish(
            "host_metrics", reference("host_metrics", host.uuid), host_metrics_values(host)
        )
        for ref, values in host_cpu_values(host):
            self._publish("host_cpu", ref, values)
        self._dirty_host = True
        if first:
            self._storage_records.host_known(host.uuid)
            self._network_of("user", "")
            self._dirty_networks.add(user_network_key())
        if moved:
            for uuid in tuple(self._domains):
                self._publish_domain(uuid)  # their consoles are at its name

    def domain_changed(self, uuid: str, _old: DomainView | None, new: DomainView | None) -> None:
        """Publish a domain, its devices and whatever these use."""
        if new is None:
            self._domains.pop(uuid, None)
            self._operations.pop(uuid, None)
            self._database.remove("VM", vm_ref(uuid))  # also where it was only expected
        else:
            self._domains[uuid] = new
            self._images.note_raw_disks(self.host_uuid, new, self._storage.path_of_volume)
        resident = new is not None and new.live is not None
        if resident != (uuid in self._resident):
            (self._resident.add if resident else self._resident.discard)(uuid)
            self._dirty_host = True
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
        self._dirty_host = True

    def network_changed(self, uuid: str, old: NetworkView | None, new: NetworkView | None) -> None:
        """Publish a network, and the interfaces that are connected to it now."""
        names = {network.name for network in (old, new) if network is not None}
        self._networks.pop(uuid, None)
        if new is None:
            self._database.remove("network", reference("network", uuid))
        else:
            self._networks[uuid] = new
            self._network_keys[reference("network", uuid)] = uuid
            self._dirty_networks.add(uuid)
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
        for key in self._dirty_networks:
            self._publish_network(key)
        self._dirty_networks.clear()
        self._storage_records.flush()
        if self._dirty_host:
            self._dirty_host = False
            self._publish_host(self._host)

    # What handlers need

    def set_note(self, class_name: str, ref: str, field: str, value: object) -> None:
        """Keep a field that a client sets on an object that libvirt has no place for."""
        self.change_note(class_name, ref, field, lambda _: value)

    def change_note(
        self, class_name: str, ref: str, field: str, change: Callable[[Any], Any]
    ) -> None:
        """Keep what ``change`` makes of the present value of a field that a client sets.

        It is shown when it is kept. Nobody but those who keep notes waits for the disk meanwhile,
        so ``lock`` must not be held. Raises what ``change`` raises, and StateError.
        """
        with self._note_lock:
            with self.lock:
                record = self._database.get(class_name, ref)
                if record is None:
                    return
                key = (class_name, record["uuid"])
                value = change(record[field])
                self._note_in_progress = key
                kept = self._state.set_notes(*key, {**self._notes.get(key, {}), field: value})
            failure = kept.exception()
            with self.lock:
                # An object that was forgotten meanwhile took the note with it.
                is_there, self._note_in_progress = self._note_in_progress == key, None
                record = self._database.get(class_name, ref)
                if failure is None and is_there and record is not None:
                    self._notes[key] = {**self._notes.get(key, {}), field: value}
                    self._database.publish(class_name, ref, {**record, field: value})
        if failure is not None:
            raise failure

    def forget(self, class_name: str, ref: str) -> None:
        """Remove an object that is gone for good, with what clients noted on it."""
        with self.lock:
            self._forget(class_name, ref)

    def set_operation(self, uuid: str, key: str, operation: str | None) -> None:
        """Show an operation on a VM as in progress, or (None) as ended."""
        with self.lock:
            operations = dict(self._operations.get(uuid, {}))
            if operation is None:
                operations.pop(key, None)
            else:
                operations[key] = operation
            if operations:
                self._operations[uuid] = operations
            else:
                self._operations.pop(uuid, None)
            record = self._database.get("VM", vm_ref(uuid))
            if record is not None:
                self._database.publish(
                    "VM", vm_ref(uuid), {**record, "current_operations": operations}
                )

    def volume_name(self, vdi_uuid: str) -> str:
        """Give the name in its pool of a VDI, which clients may have labelled otherwise."""
        ref = self._database.by_uuid("VDI", vdi_uuid)
        return self._storage_records.volume_name(ref or "")

    def interface_source(self, network: str) -> tuple[str, str]:
        """Give libvirt's type and source of an interface that shall be on a network."""
        key = self._network_keys.get(network, "")
        known = self._networks.get(key)
        if known is not None:
            return "network", known.name
        kind, _, source = key.partition("/")
        return kind, source

    def introduce(self, path: str, fields: Mapping[str, object] | None) -> str:
        """Note (or, with None, forget) a path as a disk; gives the reference of its VDI."""
        with self._introducing:
            # A slow disk keeps nobody from seeing what happens meanwhile.
            self._storage_records.keep_introduced(path, fields)
            with self.lock:
                ref = self._storage_records.introduce(path, fields)
                self.flush()
                if fields is None:
                    self._departed.forget(ref)
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

    def _noted(self, key: tuple[str, str]) -> Mapping[str, Any]:
        return self._notes.get(key, _NOTHING)

    def _publish(self, class_name: str, ref: str, values: dict[str, object]) -> None:
        notes = self._noted((class_name, str(values["uuid"])))
        self._database.publish(class_name, ref, _record(class_name, values, notes))

    def _announce(self, objects: Objects) -> None:
        """Publish what there are thousands of: at the start nobody has to wait for all of it."""
        if not self.announcing:
            for (class_name, ref), (_, values) in objects.items():
                self._publish(class_name, ref, values())
            return
        self._database.announce(
            (class_name, ref, uuid, partial(self._make, class_name, uuid, values, self._noted(key)))
            for (class_name, ref), (uuid, values) in objects.items()
            if (key := (class_name, uuid))
        )

    def _make(self, class_name: str, uuid: str, values: Values, notes: Mapping[str, Any]) -> Record:
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
            links[ref] = network = self._network_of(interface.kind, interface.source)
            add("VIF", ref, partial(vif_values, domain, interface, network))
        for console in () if domain.live is None else domain.live.consoles:
            ref = reference("console", console_identity(uuid, console.id))
            add("console", ref, partial(console_values, domain, console, host.hostname))
        metrics = reference("VM_metrics", uuid)
        add("VM_metrics", metrics, partial(vm_metrics_values, domain, host))
        operations = self._operations.get(uuid, _NOTHING)
        objects["VM", vm_ref(uuid)] = uuid, partial(vm_values, domain, host.uuid, operations)
        return objects

    def _forget(self, class_name: str, ref: str) -> None:
        record = self._database.get(class_name, ref)
        if record is not None:
            key = (class_name, record["uuid"])
            if self._notes.pop(key, {}) or self._note_in_progress == key:
                self._note_in_progress = None
                self._state.forget_notes(*key)
        self._database.remove(class_name, ref)

    def _depart(self, vdi: str) -> None:
        record = self._database.get("VDI", vdi)
        if record is not None:
            self._departed.put(vdi, record)
        self._database.remove("VDI", vdi)

    def _relink(self, uuid: str, links: dict[str, str]) -> None:
        """Note who uses which disks and networks, and collect those whose users changed."""
        old = self._links.pop(uuid, {})
        if links:
            self._links[uuid] = links
        changed: set[str] = set()
        for user, used in old.items() - links.items():
            self._users[used].discard(user)
            changed.add(used)
        for user, used in links.items() - old.items() if old else links.items():
            self._users[used].add(user)
            changed.add(used)
        # Also where only the format changed that the machine states of an image.
        images = []
        for ref in changed.union(links.values()):
            if ref in self._network_keys:
                if ref in changed:
                    self._dirty_networks.add(self._network_keys[ref])
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

    def _network_of(self, kind: str, source: str) -> str:
        if kind == "network":
            key = next((uuid for uuid, net in self._networks.items() if net.name == source), "")
        else:
            key = user_network_key() if kind == "user" else network_key(kind, source)
        if not key:
            return NULL  # libvirt defines domains with networks that do not exist
        ref = reference("network", key)
        self._network_keys[ref] = key
        return ref

    def _publish_network(self, key: str) -> None:
        ref = reference("network", key)
        vifs = sorted(self._users[ref])
        network = self._networks.get(key)
        if network is not None:
            self._publish("network", ref, network_values(network, vifs))
        elif vifs or key == user_network_key():
            self._publish("network", ref, pseudo_network_values(key, vifs))
        else:
            self._database.remove("network", ref)

    def _publish_host(self, host: HostView) -> None:
        vms = sorted(vm_ref(uuid) for uuid in self._resident)
        srs = self._storage_records.sr_uuids()
        default = self._storage.pool_named("default")
        default_sr = "" if default is None else reference("SR", default.uuid)
        pool = pool_uuid(host.uuid)
        self._announce(
            {
                ("host", reference("host", host.uuid)): (
                    host.uuid,
                    partial(host_values, host, self._uri, vms, srs),
                ),
                ("pool", reference("pool", pool)): (pool, partial(pool_values, host, default_sr)),
            }
        )


def _record(class_name: str, values: dict[str, object], notes: Mapping[str, Any]) -> Record:
    """Give a record, with what clients noted on the object."""
    for name, value in notes.items():
        own = values.get(name)
        values[name] = {**own, **value} if isinstance(own, dict) else value
    return CLASSES[class_name].record(values)
