"""What was told of last, as the database keeps it, and as inventories to compare with.

Domain objects are kept, not instances: what an instance showed is computed from them again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import Any, TypeVar

from virtcim.hypervisor.model import (
    Host,
    Inventory,
    Network,
    StorageRepository,
    VirtualSystem,
)
from virtcim.providers.indications.known_objects import (
    KINDS,
    changed_objects,
    nothing_known,
    objects,
)
from virtcim.providers.indications.stored_objects import (
    object_of,
    packed,
    stored_text,
    unpacked,
)
from virtcim.providers.state.job import Job, job_from_row, row_of_job
from virtcim.providers.state.told_store import ToldKey

__all__ = [
    "Told",
    "changed_rows",
    "connection_row",
    "every_row",
    "job_key",
    "job_row",
    "recalled_host",
    "recalled_inventory",
    "recalled_jobs",
    "was_lost",
]

# What the database keeps.
Told = Mapping[ToldKey, bytes]
T = TypeVar("T")

_log = logging.getLogger(__name__)

_CLASSES: Mapping[str, type] = MappingProxyType(
    {
        "hosts": Host,
        "storage_repositories": StorageRepository,
        "networks": Network,
        "virtual_systems": VirtualSystem,
    }
)
_MEMORY = "memory_in_use"
_JOB = "job"
_UNREAD = "unread"
_CONNECTION = ToldKey("connection", "")


def changed_rows(
    before: Inventory, after: Inventory, systems: Iterable[str]
) -> dict[ToldKey, bytes | None]:
    """The rows of what has changed, of the virtual systems of ``systems``; None: it is gone."""
    rows: dict[ToldKey, bytes | None] = {}
    for kind in KINDS:
        former, present = objects(before, kind) or {}, objects(after, kind) or {}
        of_systems = kind == "virtual_systems"
        for uuid in systems if of_systems else changed_objects(former, present):
            found = present.get(uuid)
            rows[ToldKey(kind, uuid)] = None if found is None else stored_text(found)
        if objects(before, kind) is None and objects(after, kind) is not None:
            rows[ToldKey(_UNREAD, kind)] = None
    memory = after.memory_in_use
    for uuid in before.memory_in_use.keys() | memory.keys():
        if before.memory_in_use.get(uuid) != memory.get(uuid):
            rows[ToldKey(_MEMORY, uuid)] = packed(memory[uuid]) if uuid in memory else None
    return rows


def every_row(
    inventory: Inventory | None, jobs: Mapping[str, Job], *, lost: bool | None
) -> Iterator[tuple[ToldKey, bytes]]:
    """The rows of everything."""
    if lost is not None:
        yield connection_row(lost=lost)
    for job in jobs.values():
        yield ToldKey(_JOB, job.uuid), job_row(job)[1]
    for kind in KINDS:
        found = None if inventory is None else objects(inventory, kind)
        if found is None:
            yield ToldKey(_UNREAD, kind), packed(True)
        for uuid, one in (found or {}).items():
            yield ToldKey(kind, uuid), stored_text(one)
    memory = {} if inventory is None else inventory.memory_in_use
    for uuid, in_use in memory.items():
        yield ToldKey(_MEMORY, uuid), packed(in_use)


def connection_row(*, lost: bool) -> tuple[ToldKey, bytes]:
    """The row that says whether there is a connection."""
    return _CONNECTION, packed(lost)


def was_lost(told: Told) -> bool | None:
    """Whether the connection had been lost; None where nobody knows."""
    stored = told.get(_CONNECTION)
    return None if stored is None else _read(_CONNECTION, partial(_flag, stored), None)


def _flag(text: bytes) -> bool | None:
    flag = unpacked(text)
    if not isinstance(flag, bool):
        raise ValueError(f"{flag!r} is neither true nor false")
    return flag


def job_row(job: Job) -> tuple[ToldKey, bytes]:
    """The row of a job."""
    return ToldKey(_JOB, job.uuid), packed(row_of_job(job))


def job_key(uuid: str) -> ToldKey:
    """What tells the row of a job apart."""
    return ToldKey(_JOB, uuid)


def recalled_jobs(told: Told, present: Mapping[str, Job]) -> dict[str, Job]:
    """The jobs that were told of last, by UUID; one that cannot be read is the present one."""
    jobs: dict[str, Job] = {}
    for of, text in told.items():
        if of.kind == _JOB:
            job = _read(of, partial(_job, text), present.get(of.key))
            if job is not None:
                jobs[of.key] = job
    return jobs


def _job(text: bytes) -> Job:
    return job_from_row(unpacked(text))


def recalled_host(told: Told) -> str:
    """The UUID of the host that stands for all; empty where there was none."""
    return min((of.key for of in told if of.kind == "hosts"), default="")


def recalled_inventory(told: Told, present: Inventory) -> Inventory:
    """The inventory that was told of last.

    An object that is as it was is the present one, so that only what differs is read. One that
    cannot be read is the present one, too: nobody knows what has changed.
    """
    kinds: dict[str, dict[str, Any]] = {kind: {} for kind in KINDS}
    memory: dict[str, int] = {}
    now = {kind: objects(present, kind) or {} for kind in KINDS}
    for of, text in told.items():
        if of.kind in kinds:
            found = now[of.kind].get(of.key)
            if found is None or stored_text(found) != text:
                found = _read(of, partial(object_of, _CLASSES[of.kind], text), found)
            if found is not None:
                kinds[of.kind][of.key] = found
        elif of.kind == _MEMORY:
            in_use = present.memory_in_use.get(of.key, 0)
            memory[of.key] = _read(of, partial(_number, text), in_use)
    unread = {of.key for of in told if of.kind == _UNREAD}
    never = nothing_known(present)
    parts: dict[str, Any] = {
        kind: getattr(never, kind) if kind in unread else _in_order(kinds[kind], now[kind])
        for kind in KINDS
    }
    return replace(present, memory_in_use=MappingProxyType(memory), **parts)


def _number(text: bytes) -> int:
    return int(unpacked(text))


def _read(of: ToldKey, read: Callable[[], T], otherwise: T) -> T:
    """What was told of; ``otherwise`` where that cannot be read: a bad row costs only itself."""
    try:
        found = read()
    except (ValueError, KeyError, TypeError) as error:
        _log.warning("what was told of %s %s cannot be read: %s", of.kind, of.key, error)
        return otherwise
    # Unchanged objects are the same objects.
    return otherwise if found == otherwise else found


def _in_order(recalled: dict[str, T], present: Mapping[str, T]) -> Mapping[str, T]:
    """In the order of what is there now: then unchanged ones are found at once."""
    ordered = {uuid: recalled[uuid] for uuid in present if uuid in recalled}
    return MappingProxyType({**ordered, **recalled})
