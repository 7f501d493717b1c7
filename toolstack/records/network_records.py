"""The records of networks: those of libvirt, and what interfaces are on besides."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from virtcim.toolstack.database import Database
from virtcim.toolstack.reading.views import NetworkView
from virtcim.toolstack.records.host import network_values, pseudo_network_values
from virtcim.toolstack.records.identity import network_key, user_network_key
from virtcim.toolstack.refs import NULL, reference

__all__ = ["NetworkRecords"]

Publish = Callable[[str, str, dict[str, object]], None]


class NetworkRecords:
    """Which networks there are, and what is to be written of them by ``flush``.

    ``users`` are the VIFs of each network, by reference. All is called with the lock of the records
    held.
    """

    def __init__(self, database: Database, users: Mapping[str, set[str]], publish: Publish) -> None:
        self._database = database
        self._users = users
        self._publish = publish
        self._networks: dict[str, NetworkView] = {}
        self._keys: dict[str, str] = {}  # by reference
        self._dirty: set[str] = set()

    def host_known(self) -> None:
        """The network of user mode interfaces is always there."""
        self.reference_of("user", "")
        self._dirty.add(user_network_key())

    def changed(self, uuid: str, new: NetworkView | None) -> None:
        """Collect a network of libvirt that has changed, or (None) take it away."""
        self._networks.pop(uuid, None)
        ref = reference("network", uuid)
        if new is None:
            self._database.remove("network", ref)
        else:
            self._networks[uuid] = new
            self._keys[ref] = uuid
            self._dirty.add(uuid)

    def reference_of(self, kind: str, source: str) -> str:
        """Give the network that an interface is on, by libvirt's type and source of it."""
        if kind == "network":
            key = next((uuid for uuid, net in self._networks.items() if net.name == source), "")
        else:
            key = user_network_key() if kind == "user" else network_key(kind, source)
        if not key:
            return NULL  # libvirt defines domains with networks that do not exist
        ref = reference("network", key)
        self._keys[ref] = key
        return ref

    def source_of(self, ref: str) -> tuple[str, str]:
        """Give libvirt's type and source of an interface that shall be on a network."""
        key = self._keys.get(ref, "")
        known = self._networks.get(key)
        if known is not None:
            return "network", known.name
        kind, _, source = key.partition("/")
        return kind, source

    def holds(self, ref: str) -> bool:
        """Whether a reference is that of a network."""
        return ref in self._keys

    def users_changed(self, ref: str) -> None:
        """Collect a network whose users have changed."""
        self._dirty.add(self._keys[ref])

    def flush(self) -> None:
        """Publish what was collected."""
        for key in self._dirty:
            self._write(key)
        self._dirty.clear()

    def _write(self, key: str) -> None:
        ref = reference("network", key)
        vifs = sorted(self._users.get(ref, ()))
        network = self._networks.get(key)
        if network is not None:
            self._publish("network", ref, network_values(network, vifs))
        elif vifs or key == user_network_key():
            self._publish("network", ref, pseudo_network_values(key, vifs))
        else:
            self._database.remove("network", ref)
