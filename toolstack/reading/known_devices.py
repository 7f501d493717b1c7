"""The remembered devices of all domains: what keeps the name of each one the same for its life."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from virtcim.toolstack.reading.device_keys import DeviceKey
from virtcim.toolstack.reading.identities import (
    KnownDevice,
    Naming,
    identify,
    ids_in,
    name_disks,
    name_interfaces,
)
from virtcim.toolstack.reading.views import DiskView, DomainXml, InterfaceView
from virtcim.toolstack.state import StateDatabase, StateError

__all__ = ["DISK", "INTERFACE", "KnownDevices"]

_log = logging.getLogger(__name__)

# How long the end of the process waits for a disk that is slow.
_LAST_WRITE_S = 10.0

DISK, INTERFACE = "disk", "interface"

_NAMINGS: Mapping[str, Naming] = MappingProxyType({DISK: name_disks, INTERFACE: name_interfaces})

_Devices = Mapping[str, tuple[KnownDevice, ...]]  # by kind


class KnownDevices:
    """All domains' devices by UUID, in memory and in the state database.

    Safe to use from many threads. A thread of its own writes: a disk that is slow keeps nobody
    waiting who reads a domain.
    """

    def __init__(self, database: StateDatabase) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._unsaved: set[str] = set()
        self._to_write = threading.Event()
        self._writing = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._keep, name="known-devices", daemon=True)
        kept = database.readable(
            "what the devices are called",
            database.query("select vm, fields from device_identity"),
            lambda text: _from_fields(json.loads(text)),
        )
        self._domains: dict[str, _Devices] = {str(vm): devices for vm, devices in kept.items()}

    def name(
        self, uuid: str, config: DomainXml, live: DomainXml | None, *, whole: bool = True
    ) -> None:
        """Fill in the ids and numbers of the devices of a domain that was read just now.

        ``whole``: whether everything could be read, so that what is missing is gone.
        """
        with self._lock:
            known = self._domains.get(uuid, {})
            disks = identify(
                known.get(DISK, ()),
                _disk_keys(config),
                None if live is None else _disk_keys(live),
                name_disks,
            )
            interfaces = identify(
                known.get(INTERFACE, ()),
                _interface_keys(config),
                None if live is None else _interface_keys(live),
                name_interfaces,
            )
            found = {DISK: disks.known, INTERFACE: interfaces.known}
            if not whole:
                found = {
                    kind: _with_missing(items, known.get(kind, ())) for kind, items in found.items()
                }
            self._put(uuid, found)
        _name(config.disks, disks.config)
        _name(config.interfaces, interfaces.config)
        if live is not None and live is not config:
            _name(live.disks, disks.live)
            _name(live.interfaces, interfaces.live)

    def ids(self, uuid: str, kind: str, keys: Sequence[DeviceKey], *, live: bool) -> list[str]:
        """Give the ids of the devices of one kind in a description at hand; notes nothing."""
        with self._lock:
            known = self._domains.get(uuid, {}).get(kind, ())
        return ids_in(known, keys, _NAMINGS[kind], live=live)

    def expect(self, uuid: str, kind: str, devices: Sequence[KnownDevice]) -> Sequence[KnownDevice]:
        """Say what the devices of one kind will be known by; gives what they were.

        What is changed through us stays the same device, whatever it is known by afterwards.
        """
        with self._lock:
            known = self._domains.get(uuid, {})
            self._put(uuid, {**known, kind: tuple(devices)})
            return known.get(kind, ())

    def known(self, uuid: str, kind: str) -> tuple[KnownDevice, ...]:
        """Give the remembered devices of one kind."""
        with self._lock:
            return self._domains.get(uuid, {}).get(kind, ())

    def forget(self, uuid: str) -> None:
        """A domain is gone, and its devices with it."""
        with self._lock:
            if self._domains.pop(uuid, None) is not None:
                self._unsaved.add(uuid)
        self.flush()

    def keep_only(self, uuids: Collection[str]) -> None:
        """Forget the domains that were removed while nobody looked."""
        for uuid in self._domains.keys() - set(uuids):
            self.forget(uuid)

    def start(self) -> None:
        """Begin to write what is new into the state database."""
        self._thread.start()

    def flush(self) -> None:
        """Let what is new be written; at once where no thread was started for it."""
        if self._thread.is_alive():
            self._to_write.set()
        else:
            self._write()

    def close(self) -> None:
        """Write what is new, and nothing after that."""
        self._closed = True
        self._to_write.set()
        if self._thread.is_alive():
            self._thread.join(_LAST_WRITE_S)
        self._write()

    def _keep(self) -> None:
        while not self._closed:
            self._to_write.wait()
            self._to_write.clear()
            self._write()

    def _write(self) -> None:
        """What cannot be written is written with what comes next."""
        with self._writing:
            with self._lock:
                domains = {uuid: self._domains.get(uuid) for uuid in self._unsaved}
                self._unsaved.clear()
            if not domains:
                return
            try:
                with self._database.transaction() as query:
                    for uuid, devices in domains.items():
                        if devices is None:
                            query("delete from device_identity where vm = ?", uuid)
                            continue
                        fields = json.dumps(_to_fields(devices))
                        query("insert or replace into device_identity values (?, ?)", uuid, fields)
            except StateError as error:
                _log.error("the devices of %d domains are not kept yet: %s", len(domains), error)
                with self._lock:
                    self._unsaved.update(domains)

    def _put(self, uuid: str, devices: _Devices) -> None:
        if self._domains.get(uuid) != devices:
            self._domains[uuid] = devices
            self._unsaved.add(uuid)


def _with_missing(
    found: tuple[KnownDevice, ...], known: Sequence[KnownDevice]
) -> tuple[KnownDevice, ...]:
    ids = {device.id for device in found}
    return (*found, *(device for device in known if device.id not in ids))


def _disk_keys(xml: DomainXml) -> list[DeviceKey]:
    return [DeviceKey(disk.alias, disk.address, disk.target) for disk in xml.disks]


def _interface_keys(xml: DomainXml) -> list[DeviceKey]:
    return [DeviceKey(item.alias, item.address, item.mac) for item in xml.interfaces]


def _name(devices: Sequence[DiskView | InterfaceView], known: Sequence[KnownDevice]) -> None:
    """Fill in what devices are called.

    They were read just now and nobody else has them: to make them anew took longer than all the
    rest, for thousands of domains at the start.
    """
    for device, named in zip(devices, known, strict=True):
        object.__setattr__(device, "id", named.id)
        object.__setattr__(device, "number", named.number)


def _to_fields(devices: _Devices) -> dict[str, Any]:
    return {
        kind: [(item.id, item.number, _side(item.config), _side(item.live)) for item in items]
        for kind, items in devices.items()
    }


def _side(key: DeviceKey | None) -> tuple[str, str, str] | None:
    return None if key is None else (key.alias, key.address, key.name)


def _from_fields(fields: Mapping[str, Any]) -> _Devices:
    return {
        kind: tuple(
            KnownDevice(id_, number, config and DeviceKey(*config), live and DeviceKey(*live))
            for id_, number, config, live in items
        )
        for kind, items in fields.items()
    }
