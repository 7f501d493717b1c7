"""The undo log as a state machine: whatever was begun, and wherever it died, all is as before."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from virtcim.errormap import HypervisorError, from_transport, from_xapi
from virtcim.hypervisor.change import RolledBackError
from virtcim.hypervisor.undo import UndoLog, UnfinishedOperation
from virtcim.hypervisor.xenapi.rollback import Rollback
from virtcim.hypervisor.xenapi.session import XenApiSession
from virtcim.hypervisor.xenapi.undoing import take_back
from virtcim.providers.state.database import StateDatabase
from virtcim.providers.state.undo_store import UndoStore

VM = "OpaqueRef:vm"


class Death(BaseException):
    """The process ends here."""


@dataclass
class World:
    """What a management API holds; it counts the calls down until the process dies."""

    tables: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    calls_left: int = -1
    dies_before: bool = False
    made: int = 0
    log: list[str] = field(default_factory=list)

    def call(self, method: str, *params: Any) -> Any:
        class_name, _, verb = method.partition(".")
        if verb.startswith("get_"):
            return self._read(class_name, verb, *params)
        dies = self.calls_left == 0
        self.calls_left -= 1
        if dies and self.dies_before:
            raise Death
        self.log.append(method)
        value = getattr(self, f"_{verb.partition('_')[0]}")(class_name, verb, *params)
        if dies:
            raise Death
        return value

    def _read(self, class_name: str, verb: str, *params: Any) -> Any:
        table = self.tables.get(class_name, {})
        if verb == "get_all_records":
            return copy.deepcopy(table)
        record = copy.deepcopy(self._of(class_name, params[0]))
        return record if verb == "get_record" else record[verb.removeprefix("get_")]

    def _of(self, class_name: str, ref: str) -> dict[str, Any]:
        try:
            return self.tables[class_name][ref]
        except KeyError:
            raise _refusal("HANDLE_INVALID", class_name, ref) from None

    def _create(self, class_name: str, _verb: str, record: dict[str, Any]) -> str:
        places = [one.get("userdevice") for one in self.tables[class_name].values()]
        if "userdevice" in record and record["userdevice"] in places:
            raise _refusal("DEVICE_ALREADY_EXISTS", record["userdevice"])
        self.made += 1
        ref = f"OpaqueRef:{class_name}-{self.made}"
        self.tables[class_name][ref] = {"other_config": {}, "attached": False, **record}
        return ref

    def _destroy(self, class_name: str, _verb: str, ref: str) -> str:
        self._of(class_name, ref)
        del self.tables[class_name][ref]
        return ""

    def _set(self, class_name: str, verb: str, ref: str, value: Any) -> str:
        self._of(class_name, ref)[verb.removeprefix("set_")] = value
        return ""

    def _remove(self, class_name: str, _verb: str, ref: str, key: str) -> str:
        self._of(class_name, ref)["other_config"].pop(key, None)
        return ""

    def _plug(self, class_name: str, verb: str, ref: str) -> str:
        record = self._of(class_name, ref)
        if record["attached"] == (verb == "plug"):
            raise _refusal("DEVICE_ALREADY_" + ("ATTACHED" if verb == "plug" else "DETACHED"), ref)
        record["attached"] = verb == "plug"
        return ""

    _unplug = _plug

    def content(self) -> dict[str, list[Any]]:
        """Everything, whatever its references are."""
        return {
            name: sorted(repr(sorted(record.items())) for record in table.values())
            for name, table in self.tables.items()
        }


def _refusal(*description: str) -> HypervisorError:
    return HypervisorError(from_xapi(list(description), operation="test"))


def world() -> World:
    def disk(place: str, *, attached: bool) -> dict[str, Any]:
        fields = {"VM": VM, "VDI": f"image-{place}", "userdevice": place}
        return {**fields, "other_config": {}, "attached": attached}

    return World(
        {
            "VM": {VM: {"name_label": "before", "other_config": {}}},
            "VBD": {
                f"OpaqueRef:{place}": disk(place, attached=place != "a")
                for place in ("a", "b", "c")
            },
            "VDI": {},
            "task": {},
        }
    )


def do(world: World, rollback: Rollback, kinds: list[str]) -> None:
    """Do steps of these kinds, each on what is left to be worked on."""
    present = [f"OpaqueRef:{place}" for place in ("a", "b", "c")]
    for number, kind in enumerate(kinds):
        if kind == "set":
            before, after = world.call("VM.get_name_label", VM), f"name-{number}"
            with rollback.step("VM.set_name_label", VM, before, expects={"name_label": after}):
                world.call("VM.set_name_label", VM, after)
        elif kind == "make image":
            name = {"name_label": f"image-{number}"}
            with rollback.making("VDI", name) as step:
                step.made(world.call("VDI.create", name))
        elif kind == "make disk":
            record = {"VM": VM, "VDI": f"new-{number}", "userdevice": f"n{number}"}
            with rollback.making("VBD") as step:
                step.made(world.call("VBD.create", step.marked(record)))
        elif kind == "remove disk" and present:
            ref = present.pop()
            record = world.call("VBD.get_record", ref)
            if record["attached"]:
                with rollback.step("VBD.plug", ref, does="VBD.unplug"):
                    world.call("VBD.unplug", ref)
            place = {key: record[key] for key in ("VM", "VDI", "userdevice")}
            again = {**record, "attached": False}
            with rollback.step(
                "VBD.create", again, does="VBD.destroy", replaces=ref, found_by=place
            ):
                world.call("VBD.destroy", ref)
        elif kind == "refused":
            with rollback.step("VBD.plug", "OpaqueRef:none", does="VBD.unplug"):
                world.call("VBD.unplug", "OpaqueRef:none")
        elif kind == "unknown":
            with rollback.step(
                "VM.set_name_label",
                VM,
                world.call("VM.get_name_label", VM),
                expects={"name_label": "x"},
            ):
                if number % 2:
                    world.call("VM.set_name_label", VM, "x")
                raise HypervisorError(from_transport(phase="after_send", exception="ReadTimeout"))


KINDS = st.lists(
    st.sampled_from(["set", "make image", "make disk", "remove disk", "refused", "unknown"]),
    min_size=1,
    max_size=7,
)


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Iterator[UndoLog]:
    directory: Path = tmp_path_factory.mktemp("state")
    database = StateDatabase(str(directory))
    yield UndoStore(database, "root/virt")
    database.close()


@settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    kinds=KINDS,
    dies_at=st.integers(min_value=-1, max_value=14),
    dies_before=st.booleans(),
    undo_dies_at=st.lists(st.integers(min_value=0, max_value=8), max_size=3),
)
def test_whatever_was_begun_is_whole_or_taken_back_once(
    log: UndoLog, kinds: list[str], dies_at: int, dies_before: bool, undo_dies_at: list[int]
) -> None:
    present = world()
    before = present.content()
    present.calls_left, present.dies_before = dies_at, dies_before
    session = cast("XenApiSession", present)
    operation = UnfinishedOperation(
        id="operation", name="VM.modify", subject="vm", begun=datetime.now(UTC)
    )
    rollback = Rollback(session, log, operation)
    whole = False
    try:
        with rollback.all_or_nothing():
            do(present, rollback, kinds)
        whole = True
    except RolledBackError:
        assert log.unfinished() == ()
    except HypervisorError:
        pass  # whether the last step was done is not known; it was taken back as well
    except Death:
        # Also while what marked it was removed: then it is whole.
        whole = log.unfinished() == () and present.content() != before
    for calls in [*undo_dies_at, -1]:
        present.calls_left = calls
        for left in log.unfinished():
            try:
                failed = take_back(session, log, left, begun_elsewhere=True)
            except Death:
                continue
            assert failed == []
    assert log.unfinished() == ()
    if not whole:
        assert present.content() == before
    # Nothing was taken back twice: what was removed is there once.
    places = [record["userdevice"] for record in present.tables["VBD"].values()]
    assert len(places) == len(set(places))
