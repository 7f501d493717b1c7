"""The metrics of several workers as those of one daemon."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from virtcim.daemon.observation.measures import Distribution, Family, Labels

__all__ = ["Totals", "families_from_json", "families_to_json"]

_Values = Mapping[Labels, "float | Distribution"]


def families_to_json(families: Iterable[Family]) -> list[Any]:
    """What ``families_from_json`` reads."""
    return [
        {
            "name": one.name,
            "kind": one.kind,
            "what": one.what,
            "labels": one.labels,
            "together": one.together,
            "values": [
                [labels, [value.counts, value.sum_s] if isinstance(value, Distribution) else value]
                for labels, value in one.values.items()
            ],
        }
        for one in families
    ]


def families_from_json(given: Iterable[Any]) -> list[Family]:
    """What another process has counted."""
    return [
        Family(
            name=one["name"],
            kind=one["kind"],
            what=one["what"],
            labels=tuple(one["labels"]),
            together=one["together"],
            values={
                tuple(labels): Distribution(tuple(value[0]), value[1])
                if isinstance(value, list)
                else value
                for labels, value in one["values"]
            },
        )
        for one in given
    ]


class Totals:
    """Adds up what workers have counted, those that have ended included.

    What a worker that dies has counted since it was last asked is lost; what it had said before is
    not, so no counter ever goes back.
    """

    def __init__(self) -> None:
        self._last: dict[str, Sequence[Family]] = {}
        self._ended: dict[str, Family] = {}

    def of(self, told: Mapping[str, Sequence[Family]], alive: Iterable[str]) -> list[Family]:
        """The metrics of all, by the name of the life of a process; of those that are ``alive``
        and have told nothing now, what they last told."""
        self._last.update(told)
        for gone in self._last.keys() - set(alive):
            _add(self._ended, (one for one in self._last.pop(gone) if one.kind != "gauge"))
        total = dict(self._ended)
        for families in self._last.values():
            _add(total, families)
        return [*total.values()]


def _add(total: dict[str, Family], families: Iterable[Family]) -> None:
    for one in families:
        before = total.get(one.name)
        if before is not None:
            one = replace(one, values=_together(one, before.values, one.values))  # noqa: PLW2901
        total[one.name] = one


def _together(family: Family, first: _Values, second: _Values) -> _Values:
    values = dict(first)
    for labels, value in second.items():
        other = values.get(labels)
        values[labels] = value if other is None else _combined(family, other, value)
    return values


def _combined(
    family: Family, first: float | Distribution, second: float | Distribution
) -> float | Distribution:
    if isinstance(first, Distribution) and isinstance(second, Distribution):
        counts = (a + b for a, b in zip(first.counts, second.counts, strict=True))
        return Distribution(tuple(counts), first.sum_s + second.sum_s)
    assert not isinstance(first, Distribution)
    assert not isinstance(second, Distribution)
    if family.together == "sum":
        return first + second
    return max(first, second) if family.together == "most" else min(first, second)
