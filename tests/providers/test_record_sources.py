"""Unchanged means that all sources are the same: for each class, each source, each field of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any, NamedTuple

import pytest

from tests.providers.simulated_endpoint import SimulatedEndpoint
from virtcim.cim.records import Record
from virtcim.cim.value_maps import JobState
from virtcim.errormap import ErrorCode, from_xapi, translate
from virtcim.hypervisor.model import StopReason
from virtcim.providers.boundary import IMPLEMENTATION_CLASSES, INTEROP_CLASSES
from virtcim.providers.coded_error import Failure
from virtcim.providers.engine.instance_class import InstanceClass
from virtcim.providers.engine.record_cache import RecordCache
from virtcim.providers.engine.sources import Sources
from virtcim.providers.engine.view import View
from virtcim.providers.state.job import Job, JobElement
from virtcim.providers.state.job_store import JobStore

CLASSES = (*IMPLEMENTATION_CLASSES, *INTEROP_CLASSES)
NAMESPACE = "root/virt"
_NOW = datetime(2026, 11, 20, tzinfo=UTC)


class World:
    """A hypervisor and jobs, whose objects can be replaced one by one."""

    def __init__(self) -> None:
        self.endpoint = SimulatedEndpoint(systems=20)
        self.jobs = JobStore(clock=lambda: _NOW)
        for number, state in enumerate((JobState.RUNNING, JobState.EXCEPTION)):
            self.jobs.put(_job(number, state))

    def view(self) -> View:
        return View(
            namespace=NAMESPACE,
            namespaces=lambda: [NAMESPACE, "root/interop"],
            endpoint=self.endpoint,
            jobs=self.jobs,
        )

    def cache(self) -> RecordCache:
        return RecordCache(NAMESPACE, CLASSES, self.view)

    def put(self, old: object, new: object) -> None:
        """Let the new object stand everywhere that the old one stood."""
        if isinstance(new, Job):
            self.jobs.put(new)
        else:
            self.endpoint.current = _substituted(self.endpoint.current, old, new)


def _job(number: int, state: JobState) -> Job:
    failed = state is JobState.EXCEPTION
    return Job(
        uuid=f"job{number}",
        namespace=NAMESPACE,
        name="DefineSystem",
        state=state,
        submitted=_NOW,
        changed=_NOW,
        updated=_NOW,
        failure=Failure(code=ErrorCode.ERR_OPERATION_FAILED, text="m") if failed else None,
        owner=JobElement("VirtCIM_ComputerSystem", "x"),
    )


def _substituted(value: Any, old: object, new: object) -> Any:
    """The same structure with one object replaced; what does not hold it stays as it is."""
    if value is old:
        return new
    if isinstance(value, tuple):
        made: Any = tuple(_substituted(each, old, new) for each in value)
        return value if all(a is b for a, b in zip(made, value, strict=True)) else made
    if isinstance(value, Mapping):
        made = {key: _substituted(each, old, new) for key, each in value.items()}
        return value if all(made[key] is each for key, each in value.items()) else made
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        before = {each.name: getattr(value, each.name) for each in dataclasses.fields(value)}
        after = {name: _substituted(each, old, new) for name, each in before.items()}
        changed = {name: each for name, each in after.items() if each is not before[name]}
        return dataclasses.replace(value, **changed) if changed else value
    return value


def _another(value: object) -> Iterator[object]:
    """Other values that a field may have."""
    match value:
        case bool():
            yield not value
        case Enum():
            yield from (each for each in type(value) if each is not value)
        case int():
            yield value + 2**30
        case str():
            yield f"{value}x"
        case datetime():
            yield value + timedelta(seconds=5)
        case Failure():
            yield Failure(code=value.code, text=f"{value.text}x")
        case tuple() | None:
            yield from (
                (),
                _NOW,
                StopReason(reason="crashed", error=translate(from_xapi(["X"]))),
                JobElement("A", "b"),
                Failure(code=ErrorCode.ERR_UNKNOWN, text="m"),
            )


def _shown(instance_class: InstanceClass[Any], sources: Sources) -> tuple[str, object]:
    return instance_class.identity(sources), dict(instance_class.values(sources))


def _replaced(sources: Sources, at: int, other: object) -> Sources:
    make: Any = type(sources)
    replaced: Sources = make(*sources[:at], other, *sources[at + 1 :])
    return replaced


def _changes(instance_class: InstanceClass[Any], sources: Sources, at: int) -> dict[str, object]:
    """By field what the source at ``at`` may be instead, so that the instance looks different."""
    identity, before = _shown(instance_class, sources)
    found: dict[str, object] = {}
    for field in dataclasses.fields(sources[at]):
        for value in _another(getattr(sources[at], field.name)):
            other = dataclasses.replace(sources[at], **{field.name: value})
            try:
                after = _shown(instance_class, _replaced(sources, at, other))
            except (AttributeError, KeyError, TypeError, ValueError):
                continue  # no such object can be
            if after[0] == identity and after[1] != before:
                found[field.name] = other
    return found


def _is_replaceable(source: object) -> bool:
    """Whether it is an object of the domain: the rest is what an identity is made of."""
    if type(source).__module__ in ("virtcim.hypervisor.model", "virtcim.providers.state.job"):
        return not isinstance(source, Enum)
    constant = isinstance(source, str | int | InstanceClass)
    assert constant or type(source).__module__.startswith("virtcim.providers.")
    return False


def _sources(instance_class: InstanceClass[Any], view: View) -> dict[str, Sources]:
    return {each.identity: each.sources for each in instance_class.all(view)}


class _Known(NamedTuple):
    sources: Sources
    record: Record


def _enumerated(
    cache: RecordCache, instance_class: InstanceClass[Any], view: View
) -> dict[str, _Known]:
    records = cache.enumerate(instance_class, view)
    found = _sources(instance_class, view)
    pairs = zip(found.items(), records, strict=True)
    return {identity: _Known(sources, record) for (identity, sources), record in pairs}


def _content(record: Record) -> object:
    return record.class_name, record.path, dict(record.values)


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    yield made
    made.jobs.close()


@pytest.mark.parametrize("instance_class", CLASSES, ids=lambda each: each.name)
def test_a_record_is_new_exactly_when_a_source_changed(
    instance_class: InstanceClass[Any], world: World
) -> None:
    cache, view, original = world.cache(), world.view(), world.endpoint.current
    sources = _sources(instance_class, view)
    assert sources, "the population lacks such an instance"
    for at, example in enumerate(next(iter(sources.values()))):
        if not _is_replaceable(example):
            continue
        changes: dict[str, tuple[str, object, object]] = {}
        for identity, each in sources.items():
            for field, other in _changes(instance_class, each, at).items():
                changes.setdefault(field, (identity, each[at], other))
        assert changes, "nothing shows this source"
        for identity, old, new in changes.values():
            before = _enumerated(cache, instance_class, world.view())
            # This source alone, although others may hold it and change with it.
            alone = instance_class.node(_replaced(before[identity].sources, at, new))
            assert _content(cache.record(alone)) == _content(world.cache().record(alone))
            assert _content(cache.record(alone)) != _content(before[identity].record)
            before = _enumerated(cache, instance_class, world.view())
            world.put(old, new)
            changed = _check(world, cache, instance_class, before)
            # A drive of another kind is an instance of another class.
            assert identity in changed or identity not in _sources(instance_class, world.view())
            world.endpoint.current = original
            world.put(new, old)


def _check(
    world: World, cache: RecordCache, instance_class: InstanceClass[Any], before: dict[str, _Known]
) -> set[str]:
    """Find every record as good as a fresh one, and those of the same sources kept.

    Gives the identities of the instances that look different.
    """
    view = world.view()
    fresh = _enumerated(world.cache(), instance_class, view)
    # One at a time first: no enumeration may be what brings a record up to date.
    singles = {key: cache.record(instance_class.node(fresh[key].sources)) for key in fresh}
    after = _enumerated(cache, instance_class, view)
    assert [_content(each.record) for each in after.values()] == [
        _content(each.record) for each in fresh.values()
    ]
    assert all(singles[identity] is each.record for identity, each in after.items())
    for identity in after.keys() & before.keys():
        pairs = zip(before[identity].sources, after[identity].sources, strict=True)
        same = all(old is new or (old == new and not _is_replaceable(new)) for old, new in pairs)
        assert (after[identity].record is before[identity].record) == same
    return {
        identity
        for identity, each in after.items()
        if identity in before and _content(each.record) != _content(before[identity].record)
    }
