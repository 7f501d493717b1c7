"""How many threads may wait for one virtual machine."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from virtcim.toolstack.calls import all_calls
from virtcim.toolstack.calltable import Gate
from virtcim.toolstack.database import Database
from virtcim.toolstack.datamodel import CLASSES
from virtcim.toolstack.faults import XapiFailure
from virtcim.toolstack.gates import Gates

ONE, OTHER = "OpaqueRef:one", "OpaqueRef:other"
CALLS = {call.name: call for call in all_calls()}


@pytest.fixture
def database() -> Database:
    database = Database(1)
    operations = {"OpaqueRef:task": "pause"}
    records: dict[tuple[str, str], dict[str, object]] = {
        ("VM", ONE): {"uuid": "one", "current_operations": operations},
        ("VM", OTHER): {"uuid": "other"},
        ("VBD", "OpaqueRef:vbd"): {"uuid": "vbd", "VM": ONE, "currently_attached": True},
        ("VDI", "OpaqueRef:vdi"): {"uuid": "vdi", "VBDs": ["OpaqueRef:vbd"]},
        ("VDI", "OpaqueRef:free"): {"uuid": "free"},
    }
    for (class_name, ref), values in records.items():
        database.publish(class_name, ref, CLASSES[class_name].record(values))
    return database


async def refused(gate: Gate) -> list[str]:
    """What a call is told that cannot pass; nothing if it can."""
    try:
        async with gate():
            return []
    except XapiFailure as failure:
        return list(failure.description)


def outcome(database: Database, name: str, ref: str) -> list[str]:
    """What a call is told while two others wait for the machine ``ONE``."""

    async def run() -> list[str]:
        gates = Gates(database, patience_s=0.01)
        async with AsyncExitStack() as waiting:
            for _ in range(2):
                await waiting.enter_async_context(gates.of(CALLS["VM.pause"], [ONE])())
            return await refused(gates.of(CALLS[name], [ref]))

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("name", "ref"),
    [("VM.pause", ONE), ("VBD.plug", "OpaqueRef:vbd"), ("VDI.resize", "OpaqueRef:vdi")],
)
def test_a_call_that_waits_too_long_for_others_is_told_which(
    database: Database, name: str, ref: str
) -> None:
    assert outcome(database, name, ref) == [
        "OTHER_OPERATION_IN_PROGRESS",
        "VM",
        ONE,
        "pause",
        "OpaqueRef:task",
    ]


@pytest.mark.parametrize(
    ("name", "ref"),
    [("VM.pause", OTHER), ("VM.hard_shutdown", ONE), ("VDI.resize", "OpaqueRef:free")],
)
def test_what_waits_for_nobody_passes(database: Database, name: str, ref: str) -> None:
    assert outcome(database, name, ref) == []


def test_who_waits_passes_when_another_one_has_ended(database: Database) -> None:
    async def run() -> list[str]:
        gates = Gates(database)
        pause = gates.of(CALLS["VM.pause"], [ONE])
        async with pause():
            async with pause():
                waiting = asyncio.ensure_future(refused(pause))
                await asyncio.sleep(0)
                assert not waiting.done()
            return await waiting

    assert asyncio.run(run()) == []


def test_a_long_queue_that_moves_is_no_machine_that_hangs(database: Database) -> None:
    async def run() -> list[list[str]]:
        gates = Gates(database, patience_s=1.0)
        pause = gates.of(CALLS["VM.pause"], [ONE])

        async def work() -> list[str]:
            try:
                async with pause():
                    await asyncio.sleep(0.1)
            except XapiFailure as failure:
                return list(failure.description)
            return []

        return await asyncio.gather(*(work() for _ in range(24)))

    assert asyncio.run(run()) == [[]] * 24
