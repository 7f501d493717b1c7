"""One source of indications without its thread, over a database that outlives it."""

from __future__ import annotations

from typing import Any

from tests.providers.indications.reading import CREATION, DELETION, previous, source
from tests.providers.indications.recording_sink import RecordingSink
from tests.providers.simulated_endpoint import SimulatedEndpoint
from virtcim.cim.records import ObjectPath, Record
from virtcim.hypervisor.model import Inventory
from virtcim.mof import Schema
from virtcim.providers import IMPLEMENTATION_CLASSES, Indication, StateError
from virtcim.providers.indications.differences import TOLD_CLASSES
from virtcim.providers.indications.namespace_source import Source
from virtcim.providers.namespace import Namespace
from virtcim.providers.state.job_store import JobStore

__all__ = ["Server", "replay", "shown"]


class Server:
    """The source of one namespace, in the thread of the test; its database outlives it."""

    def __init__(self, schema: Schema) -> None:
        self.store = JobStore()
        self.endpoint = SimulatedEndpoint(systems=0)
        self.namespace = Namespace(
            "root/virt", schema, IMPLEMENTATION_CLASSES, endpoint=self.endpoint, jobs=self.store
        )
        self.sink = RecordingSink(self.store.database, schema)
        # How often the source asked to be called again.
        self.woken = 0
        self.source = self._source()

    def _source(self) -> Source:
        return Source(self.namespace, self.store, wake=self._wake, leads=lambda: True)

    def _wake(self) -> None:
        self.woken += 1

    def restart(self) -> None:
        """A new source that knows nothing, as after a kill; it sees at once what there is."""
        self.source = self._source()

    def work(self, *, until_done: bool = True) -> None:
        while True:
            try:
                self.source.work(self.sink)
            except StateError:
                if until_done:
                    continue
            return


def shown(namespace: Namespace, state: Inventory) -> dict[ObjectPath, dict[str, Any]]:
    view = namespace.view_of(state)
    records = [namespace.former_record(node) for each in TOLD_CLASSES for node in each.all(view)]
    return {path: dict(record.values) for record in records if (path := record.path) is not None}


def replay(state: dict[ObjectPath, Any], told: list[Indication]) -> None:
    """Do to the state what was told, which must fit it."""
    for each in told:
        if "SourceInstance" not in each.record.values:
            continue
        instance: Record = source(each)
        assert instance.path is not None
        if each.record.class_name == CREATION:
            assert instance.path not in state, f"{instance.path} came twice"
            state[instance.path] = dict(instance.values)
        elif each.record.class_name == DELETION:
            assert state.pop(instance.path) == dict(instance.values)
        else:
            assert state[instance.path] == dict(previous(each).values)
            assert dict(previous(each).values) != dict(instance.values)
            state[instance.path] = dict(instance.values)
