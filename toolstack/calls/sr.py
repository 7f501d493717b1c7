"""Storage repositories and their connection to the host (XenAPI ``SR``, ``PBD``)."""

from __future__ import annotations

from virtcim.toolstack.calltable import CallTable, Context
from virtcim.toolstack.images.pools import find_pool, is_of_paths, require_pool

__all__ = ["SR_CALLS"]

SR_CALLS = CallTable()


@SR_CALLS.add("SR.scan", "SR sr", asynchronous=True)
def scan(context: Context, sr: str) -> None:
    """Look at the storage again: which volumes there are, and their sizes."""
    services = context.services
    record = context.record("SR", sr)
    if is_of_paths(record):
        services.publisher.look_at_paths()
        return
    services.connection.call(find_pool(context, record).refresh, 0)
    services.inventory.refresh_pool(record["uuid"])


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
    ref = context.record("PBD", pbd)["SR"]
    sr = context.record("SR", ref)
    if active and is_of_paths(sr):
        return
    require_pool(sr, ref)
    with services.inventory.changing(sr["uuid"]):
        pool = find_pool(context, sr)
        if bool(services.connection.call(pool.isActive)) != active:
            if active:
                services.connection.call(pool.create, 0)
            else:
                services.connection.call(pool.destroy)
        services.inventory.refresh_pool(sr["uuid"])
