"""Reading everything, once for each connection and before anybody is served."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from virtcim.toolstack.native.connection import LibvirtConnection
from virtcim.toolstack.native.listing import (
    ListedObject,
    list_domains,
    list_networks,
    list_pools,
)
from virtcim.toolstack.native.queries import read_network
from virtcim.toolstack.native.storage_queries import read_pool

if TYPE_CHECKING:
    from virtcim.toolstack.native.inventory import Inventory

__all__ = ["read_everything"]

# So many domains become visible together.
_BATCH = 250


def read_everything(inventory: Inventory, connection: LibvirtConnection) -> None:
    """Read all objects into the inventory; raises XapiFailure or libvirt.libvirtError."""
    # Everything that is made now stays: looking for garbage among it takes longer than reading.
    gc.disable()
    try:
        _read_all(
            inventory,
            inventory.networks,
            inventory.listed(list_networks, "networks"),
            read_network,
            inventory.put_network,
        )
        _read_all(
            inventory,
            inventory.pools,
            inventory.listed(list_pools, "storage pools"),
            read_pool,
            inventory.put_pool,
        )
        _read_domains(inventory, connection)
    finally:
        gc.enable()
    gc.freeze()
    inventory.tell_what_is_left_out()


def _read_all(
    inventory: Inventory,
    known: Mapping[str, Any],
    listed: Iterable[ListedObject] | None,
    read: Callable[..., Any],
    put: Callable[[str, Any], None],
) -> None:
    if listed is None:
        return
    with inventory.same_connection():
        found = {one.uuid: inventory.gone_is_none(read, one.native, one) for one in listed}
    with inventory.lock:
        for uuid, view in found.items():
            put(uuid, view)
        for uuid in known.keys() - found.keys():
            put(uuid, None)
        inventory.flush()


def _read_domains(inventory: Inventory, connection: LibvirtConnection) -> None:
    listed = list_domains(connection)
    for first in range(0, len(listed), _BATCH):
        with inventory.same_connection():
            batch = [
                (one.uuid, inventory.read_domain(one.native, one))
                for one in listed[first : first + _BATCH]
            ]
        with inventory.lock:
            for uuid, view in batch:
                inventory.put_domain(uuid, view)
    with inventory.lock:
        for uuid in inventory.domains.keys() - {one.uuid for one in listed}:
            inventory.put_domain(uuid, None)
        inventory.flush()
    inventory.keep_only({one.uuid for one in listed})
