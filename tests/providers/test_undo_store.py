"""What takes operations back, in the state database."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from virtcim.hypervisor.undo import UndoLogError, UndoStep, UnfinishedOperation
from virtcim.providers.state.database import StateDatabase
from virtcim.providers.state.undo_store import UndoStore

STEPS = (
    UndoStep(
        does="VDI.create",
        call="VDI.destroy",
        found_by={"name_label": "an image", "other_config": {"mark": "ä"}},
        tasks=("OpaqueRef:task",),
    ),
    UndoStep(
        does="VBD.destroy",
        call="VBD.create",
        params=({"VM": "OpaqueRef:vm", "empty": False, "other_config": {}},),
        replaces="OpaqueRef:vbd",
        suspects=(),
        done=True,
    ),
    UndoStep(does="VM.set_x", call="VM.set_x", params=("OpaqueRef:vm", 7), expects={"x": 8}),
)


def operation(identity: str, *steps: UndoStep, second: int = 0) -> UnfinishedOperation:
    begun = datetime(2026, 11, 29, 12, 0, second, tzinfo=UTC)
    return UnfinishedOperation(
        id=identity, name="VM.modify", subject="vm", begun=begun, steps=steps
    )


@pytest.fixture(params=["in memory", "in a directory", "in PostgreSQL"])
def anywhere(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "in PostgreSQL":
        url: str = request.getfixturevalue("postgresql_url")
        return url
    return "" if request.param == "in memory" else str(tmp_path)


def test_operations_are_kept_as_they_are(anywhere: str) -> None:
    database = StateDatabase(anywhere)
    store = UndoStore(database, "root/virt")
    first, second = operation("1", *STEPS, second=2), operation("2", STEPS[2], second=1)
    store.put(first)
    store.put(second)
    assert store.unfinished() == (second, first)
    changed = replace(first, steps=STEPS[:1])
    store.put(changed)
    store.remove("2")
    store.remove("unknown")
    assert store.unfinished() == (changed,)
    database.close()


def test_the_next_process_finds_them_and_another_hypervisor_does_not(state: str) -> None:
    database = StateDatabase(state)
    UndoStore(database, "root/virt/a").put(operation("1", *STEPS))
    database.close()
    database = StateDatabase(state)
    successor = UndoStore(database, "root/virt/a")
    assert successor.adopt() is database.is_shared
    assert successor.unfinished() == (operation("1", *STEPS),)
    assert UndoStore(database, "root/virt/b").unfinished() == ()
    database.close()


def test_a_server_that_has_let_go_of_its_state_writes_nothing_any_more(state: str) -> None:
    database = StateDatabase(state)
    store = UndoStore(database, "root/virt")
    store.put(operation("1", *STEPS))
    database.close()
    for write in (lambda: store.put(operation("2")), lambda: store.remove("1"), store.unfinished):
        with pytest.raises(UndoLogError, match="stopping"):
            write()
    database = StateDatabase(state)
    successor = UndoStore(database, "root/virt")
    successor.adopt()
    assert len(successor.unfinished()) == 1
    database.close()


def test_a_database_that_cannot_be_written_is_said_in_one_sentence(state: str) -> None:
    database = StateDatabase(state)
    store = UndoStore(database, "root/virt")
    with database.engine.begin() as connection:
        connection.exec_driver_sql("drop table undo")
    with pytest.raises(UndoLogError, match=r"no such table|\"undo\" does not exist") as raised:
        store.put(operation("1"))
    assert "\n" not in str(raised.value)
    database.close()
