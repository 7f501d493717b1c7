"""Storage repositories and their connection to the host (XenAPI ``SR``, ``PBD``)."""

from __future__ import annotations

from typing import Any

from virtcim.toolstack.calltable import CallTable, Context
from virtcim.toolstack.faults import XapiFailure, handle_invalid

__all__ = ["SR_CALLS"]

SR_CALLS = CallTable()

_PATH = "path"


def _uuid(context: Context, sr: str) -> str | None:
    """Give the UUID of the storage pool of an SR; None for the SR of paths."""
    record = context.services.database.get("SR", sr)
    if record is None:
        raise handle_invalid("SR", sr)
    return None if record["type"] == _PATH else record["uuid"]


def _pool(context: Context, uuid: str) -> Any:
    connection = context.services.connection
    return connection.call(connection.handle.storagePoolLookupByUUIDString, uuid)


@SR_CALLS.add("SR.scan", "SR sr", asynchronous=True)
def scan(context: Context, sr: str) -> None:
    """Look at the storage again: which volumes there are, and their sizes."""
    services = context.services
    uuid = _uuid(context, sr)
    if uuid is None:
        services.publisher.look_at_paths()
        return
    services.connection.call(_pool(context, uuid).refresh, 0)
    services.inventory.refresh_pool(uuid)


@SR_CALLS.add("SR.update", "SR sr", asynchronous=True)
def update(context: Context, sr: str) -> None:
    """Look at the storage again."""
    scan(context, sr)


@SR_CALLS.add("PBD.plug", "PBD self", asynchronous=True)
def plug(context: Context, pbd: str) -> None:
    """Start a storage pool; one that runs already stays as it is."""
    _switch(context, pbd, active=True)


@SR_CALLS.add("PBD.unplug", "PBD self", asynchronous=True)
def unplug(context: Context, pbd: str) -> None:
    """Stop a storage pool; what it holds stays."""
    _switch(context, pbd, active=False)


def _switch(context: Context, pbd: str, *, active: bool) -> None:
    services = context.services
    record = services.database.get("PBD", pbd)
    if record is None:
        raise handle_invalid("PBD", pbd)
    uuid = _uuid(context, record["SR"])
    if uuid is None:
        if active:
            return
        raise XapiFailure("SR_OPERATION_NOT_SUPPORTED", record["SR"])
    with services.inventory.changing(uuid):
        pool = _pool(context, uuid)
        if bool(services.connection.call(pool.isActive)) != active:
            if active:
                services.connection.call(pool.create, 0)
            else:
                services.connection.call(pool.destroy)
        services.inventory.refresh_pool(uuid)
