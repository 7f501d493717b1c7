"""Reading everything, once for each connection and before anybody is served."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from virtcim.toolstack.native.connection import LibvirtConnection
from virtcim.toolstack.reading.listing import (
    ListedDomain,
    ListedObject,
    list_domains,
    list_networks,
    list_pools,
)
from virtcim.toolstack.reading.queries import read_network
from virtcim.toolstack.reading.storage_queries import read_pool

if TYPE_CHECKING:
    from virtcim.toolstack.following.inventory import Inventory
    from virtcim.toolstack.native.objects import ApiObject

__all__ = ["read_everything"]

_Native = TypeVar("_Native", bound="ApiObject")
_View = TypeVar("_View")

# So many domains are asked about by one thread in a row.
_LOT = 20
# So many threads ask: libvirtd works on five requests of a connection at a time.
_ASKING = 3


def read_everything(
    inventory: Inventory, connection: LibvirtConnection, mark_background: Callable[[], None]
) -> None:
    """Read all objects into the inventory; raises XapiFailure or libvirt.libvirtError.

    Of domains it takes what libvirt answers; the inventory understands that when it is wanted.
    ``mark_background`` is called in each thread that helps.
    """
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
    _ask_domains(inventory, connection, mark_background)


def _read_all(
    inventory: Inventory,
    known: Mapping[str, _View],
    listed: Iterable[ListedObject[_Native]] | None,
    read: Callable[[LibvirtConnection, _Native, ListedObject[_Native]], _View],
    put: Callable[[str, _View | None], None],
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


def _ask_domains(
    inventory: Inventory, connection: LibvirtConnection, mark_background: Callable[[], None]
) -> None:
    listed = list_domains(connection)
    connection.expect_domains(len(listed))
    lots = iter([listed[at : at + _LOT] for at in range(0, len(listed), _LOT)])

    def ask() -> None:
        for lot in lots:  # each is taken by one of those who ask
            _ask_lot(inventory, lot)
            connection.note_read(len(lot))

    asking = _ASKING if connection.is_remote else 1
    with ThreadPoolExecutor(asking, "ask-first", initializer=mark_background) as pool:
        for one in [pool.submit(ask) for _ in range(asking)]:
            one.result()
    inventory.keep_only({one.uuid for one in listed})


def _ask_lot(inventory: Inventory, lot: Sequence[ListedDomain]) -> None:
    with inventory.same_connection():
        answers = [(one.uuid, inventory.ask_domain(one.native, one)) for one in lot]
    with inventory.lock:
        inventory.expect_domains([each for _, each in answers if each is not None])
        for uuid, each in answers:
            if each is None:
                inventory.put_domain(uuid, None)
