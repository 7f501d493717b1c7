"""Reading everything, once for each connection and before anybody is served."""

from __future__ import annotations

import gc
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from virtcim.toolstack.native.connection import LibvirtConnection
from virtcim.toolstack.reading.listing import (
    ListedDomain,
    ListedObject,
    list_domains,
    list_networks,
    list_pools,
)
from virtcim.toolstack.reading.queries import descriptions, read_network
from virtcim.toolstack.reading.storage_queries import read_pool

if TYPE_CHECKING:
    from virtcim.toolstack.following.inventory import Inventory

__all__ = ["read_everything"]

# So many domains become visible together, and so many lots of them are asked for ahead, by so many
# threads: libvirtd works on five requests of a connection at a time.
_BATCH = 100
_AHEAD = 6
_ASKING = 3
# Who waits for libvirt waits for the interpreter too: it has to change threads as often as
# libvirt answers.
_SWITCH_S = 1e-4


def read_everything(
    inventory: Inventory, connection: LibvirtConnection, mark_background: Callable[[], None]
) -> None:
    """Read all objects into the inventory; raises XapiFailure or libvirt.libvirtError.

    ``mark_background`` is called in each thread that helps.
    """
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
        _read_domains(inventory, connection, mark_background)
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
        inventory.flush_first()


def _read_domains(
    inventory: Inventory, connection: LibvirtConnection, mark_background: Callable[[], None]
) -> None:
    listed = list_domains(connection)
    for asked in _asked_ahead(connection, listed, mark_background):
        with inventory.same_connection():
            batch = [
                (one.uuid, inventory.read_domain(one.native, one, texts)) for one, texts in asked
            ]
        with inventory.lock:
            for uuid, view in batch:
                inventory.put_domain(uuid, view)
    with inventory.lock:
        for uuid in inventory.domains.keys() - {one.uuid for one in listed}:
            inventory.put_domain(uuid, None)
        inventory.flush_first()
    inventory.keep_only({one.uuid for one in listed})


def _asked_ahead(
    connection: LibvirtConnection,
    listed: Sequence[ListedDomain],
    mark_background: Callable[[], None],
) -> Iterator[list[tuple[ListedDomain, tuple[str, ...]]]]:
    """Give the domains with their descriptions: libvirt writes the next while we read the last."""
    before_s = sys.getswitchinterval()
    with ThreadPoolExecutor(_ASKING, "ask-ahead", initializer=mark_background) as pool:
        sys.setswitchinterval(_SWITCH_S)
        try:
            batches = [listed[at : at + _BATCH] for at in range(0, len(listed), _BATCH)]
            asked = deque(pool.submit(_ask, connection, batch) for batch in batches[:_AHEAD])
            for batch in batches[_AHEAD:]:
                yield asked.popleft().result()
                asked.append(pool.submit(_ask, connection, batch))
            while asked:
                yield asked.popleft().result()
        finally:
            sys.setswitchinterval(before_s)


def _ask(
    connection: LibvirtConnection, batch: Sequence[ListedDomain]
) -> list[tuple[ListedDomain, tuple[str, ...]]]:
    return [(one, descriptions(connection, one)) for one in batch]
