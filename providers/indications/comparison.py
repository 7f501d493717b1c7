"""What was told last of one namespace, and what is to be told when something else is heard."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType

from virtcim.cim.value_maps import JobState
from virtcim.errormap import ENGLISH, Fault
from virtcim.hypervisor.model import Inventory, VirtualSystem
from virtcim.providers.indications.connection_events import connection_lost, connection_regained
from virtcim.providers.indications.contract import Indication
from virtcim.providers.indications.differences import Difference, differences
from virtcim.providers.indications.known_objects import (
    comparable,
    known_inventory,
    nothing_known,
    objects,
)
from virtcim.providers.indications.life_cycle import identifier_of, life_cycle_indication
from virtcim.providers.indications.news import JobNews, News
from virtcim.providers.indications.operation_events import operation_alert
from virtcim.providers.indications.system_events import system_alerts
from virtcim.providers.indications.told_objects import (
    Told,
    changed_rows,
    connection_row,
    every_row,
    job_key,
    job_row,
    recalled_host,
    recalled_inventory,
    recalled_jobs,
    was_lost,
)
from virtcim.providers.jobs.concrete_job import CONCRETE_JOB, OfJob
from virtcim.providers.namespace import Namespace
from virtcim.providers.state.job import Job
from virtcim.providers.state.told_store import ToldKey
from virtcim.providers.virtual_system.computer_system import COMPUTER_SYSTEM

__all__ = ["Comparison", "State", "Step"]

# Not more systems than these differ in what is told at once.
_MOST_SYSTEMS = 500


@dataclass(slots=True, kw_only=True)
class State:
    """What there is. ``lost``: whether there is no connection; None where nobody knows."""

    inventory: Inventory | None = None
    jobs: dict[str, Job] = field(default_factory=dict)
    lost: Fault | bool | None = None

    def note(self, news: News) -> None:
        """Take what was heard."""
        match news:
            case Inventory():
                self.inventory, self.lost = news, False
            case Fault():
                self.lost = news
            case JobNews(uuid, None):
                self.jobs.pop(uuid, None)
            case JobNews(uuid, Job() as job):
                self.jobs[uuid] = job

    def news(self, before: State) -> Iterator[News]:
        """What would have been heard by whoever knew only of what was ``before``."""
        for uuid in {**before.jobs, **self.jobs}:
            yield JobNews(uuid, self.jobs.get(uuid))
        if self.inventory is not None:
            yield self.inventory
        if isinstance(self.lost, Fault):
            yield self.lost


@dataclass(slots=True, kw_only=True)
class Step:
    """What is told at once, the rows of what it tells of, and whether that was all of the news."""

    indications: list[Indication] = field(default_factory=list)
    rows: dict[ToldKey, bytes | None] = field(default_factory=dict)
    complete: bool = True


class Comparison:
    """Compares what is heard with what was told, in one thread.

    ``state`` is what was told last, ``stored`` what an earlier server told of, as long as nothing
    was there to compare it with.
    """

    def __init__(self, namespace: Namespace, clock: Callable[[], datetime], state: State) -> None:
        self.state = state
        self._namespace = namespace
        self._clock = clock
        self._stored: Told | None = None

    @classmethod
    def going_on(
        cls, namespace: Namespace, clock: Callable[[], datetime], stored: Told, present: State
    ) -> Comparison:
        """Go on from what an earlier server told of; ``present`` is what there is now."""
        told = State(jobs=recalled_jobs(stored, present.jobs), lost=was_lost(stored))
        comparison = cls(namespace, clock, told)
        comparison._stored = stored
        return comparison

    @property
    def host(self) -> str:
        """The UUID of the host that stands for all; empty where none is known."""
        if self._stored is not None:
            return recalled_host(self._stored)
        inventory = self.state.inventory
        return min(objects(inventory, "hosts") or (), default="") if inventory else ""

    def rows(self) -> Iterator[tuple[ToldKey, bytes]]:
        """The rows of everything."""
        state = self.state
        return every_row(
            state.inventory, state.jobs, lost=None if state.lost is None else bool(state.lost)
        )

    def compare(self, news: News) -> Step:
        """What is to be told of the news, or of a part of it: then to be called again.

        What it gives counts as told from now on.
        """
        match news:
            case Inventory():
                return self._inventory(news)
            case Fault():
                return self._lost(news)
            case JobNews(uuid, job):
                return self._job(uuid, job)
            case _:
                return Step()

    def give_up(self, news: News) -> None:
        """Go on from the news without having told of it."""
        self._stored = None
        self.state.note(news)

    def _lost(self, fault: Fault) -> Step:
        step = Step(rows=dict([connection_row(lost=True)]))
        if self.state.lost is False:
            step.indications.append(
                connection_lost(self._namespace.name, fault, self.host, self._clock())
            )
        self.state.lost = fault
        return step

    def _inventory(self, news: Inventory) -> Step:
        step = Step()
        if self.state.lost is not False:
            step.rows.update([connection_row(lost=False)])
            if self.state.lost:
                step.indications.append(
                    connection_regained(self._namespace.name, self.host, self._clock())
                )
            self.state.lost = False
        if self._stored is not None:
            self.state.inventory = recalled_inventory(self._stored, news)
            self._stored = None
        before = self.state.inventory or nothing_known(news)
        after, changed = known_inventory(before, news)
        if objects(after, "hosts") is None:
            # Most of what is shown says at which host it is.
            return step
        reached, changed = _next_step(before, after, changed)
        step.complete = reached is after
        step.rows.update(changed_rows(before, reached, changed))
        step.indications += self._differences(before, reached, changed)
        self.state.inventory = reached
        return step

    def _differences(
        self, before: Inventory, after: Inventory, changed: Sequence[str]
    ) -> Iterator[Indication]:
        now, name = self._clock(), self._namespace.name
        of_systems: dict[str, str] = {}
        for difference in differences(self._namespace, before, after, changed):
            indication = life_cycle_indication(name, difference, now)
            shown = difference.after
            if shown is not None and shown.class_name == COMPUTER_SYSTEM.name:
                of_systems[str(shown.values["Name"])] = identifier_of(indication)
            yield indication
        before, after = comparable(before, after)
        for uuid in changed:
            system = after.virtual_systems.get(uuid)
            if system is not None:
                correlated = [of_systems[uuid]] if uuid in of_systems else []
                former = before.virtual_systems.get(uuid)
                yield from system_alerts(name, former, system, now, correlated)

    def _job(self, uuid: str, job: Job | None) -> Step:
        before = self.state.jobs.get(uuid)
        if job is before:
            return Step()
        self.state.note(JobNews(uuid, job))
        rows: dict[ToldKey, bytes | None] = {job_key(uuid): None}
        if job is not None:
            rows.update([job_row(job)])
        step = Step(rows=rows)
        difference = self._job_difference(before, job)
        if difference is None:
            return step
        indication = life_cycle_indication(self._namespace.name, difference, self._clock())
        step.indications.append(indication)
        failed = job is not None and job.state is JobState.EXCEPTION
        if failed and (before is None or before.state is not JobState.EXCEPTION):
            assert job is not None
            correlated = [identifier_of(indication)]
            step.indications.append(
                operation_alert(self._namespace, job, self.host, self._clock(), correlated)
            )
        return step

    def _job_difference(self, before: Job | None, after: Job | None) -> Difference | None:
        former = None if before is None else CONCRETE_JOB.node(OfJob(before, ENGLISH))
        present = None if after is None else CONCRETE_JOB.node(OfJob(after, ENGLISH))
        difference = Difference(
            None if former is None else self._namespace.former_record(former),
            None if present is None else self._namespace.record(present),
        )
        values = [None if each is None else each.values for each in difference]
        return None if values[0] == values[1] else difference


def _next_step(
    before: Inventory, after: Inventory, changed: Sequence[str]
) -> tuple[Inventory, Sequence[str]]:
    """``after``, or what lies between where very many systems differ; and those that do so far."""
    former, present = objects(before, "virtual_systems"), objects(after, "virtual_systems")
    hosts = [objects(each, "hosts") for each in (before, after)]
    # What the systems show changes with the hosts, all at once.
    at_once = None in hosts or set(hosts[0] or ()) != set(hosts[1] or ())
    if len(changed) <= _MOST_SYSTEMS or former is None or present is None or at_once:
        return after, changed
    systems: dict[str, VirtualSystem] = {**former}
    some = changed[:_MOST_SYSTEMS]
    for uuid in some:
        if uuid in present:
            systems[uuid] = present[uuid]
        else:
            del systems[uuid]
    return replace(after, virtual_systems=MappingProxyType(systems)), some
