"""Weights of features by code, learned from labelled faults: the same file from the same faults.

A softmax over the codes whose weights are moved sample by sample, by steps that shrink with what
was moved before (AdaGrad: Duchi, Hazan, Singer 2011). Plain Python and a fixed order of samples.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple
from zlib import crc32

__all__ = ["Sample", "learned"]

_EPOCHS = 12
_STEP = 0.7
_FIRST = 1e-3
# How much a weight may be for what it explains: the greater, the surer it is of few faults.
_TRUST = 8.0
# Words of few samples say nothing of others.
_FEWEST = 2
# A code whose chance is nearer than this to what it is moves no weight.
_NEAR = 0.01


class Sample(NamedTuple):
    """The keys of the features of one fault, the number of its code, and how much it counts."""

    keys: tuple[int, ...]
    code: int
    counts: float = 1.0


def learned(samples: Sequence[Sample], trust: float = _TRUST) -> dict[int, dict[int, float]]:
    """The weights of each code by feature."""
    distinct = set(samples)
    seen = Counter(key for one in distinct for key in one.keys)
    codes = sorted({one.code for one in distinct})
    place = {code: at for at, code in enumerate(codes)}
    rows = {
        key: _Row([0.0] * len(codes), [_FIRST] * len(codes), 1 / (trust * count))
        for key, count in sorted(seen.items())
        if count >= _FEWEST
    }
    prepared = [
        ([rows[key] for key in one.keys if key in rows], one) for one in _shuffled(distinct)
    ]
    for _ in range(_EPOCHS):
        for found, one in prepared:
            _move(found, place[one.code], 1 / math.sqrt(len(one.keys)), one.counts)
    return {key: {code: row.weights[at] for code, at in place.items()} for key, row in rows.items()}


class _Row(NamedTuple):
    """What belongs to one feature: a number for each code, and how strongly weights are held."""

    weights: list[float]
    moved: list[float]
    shrink: float


def _move(found: Sequence[_Row], right: int, value: float, counts: float) -> None:
    """Move the weights of a sample's features, each worth ``value``, towards the code ``right``."""
    if not found:
        return
    columns = zip(*(row.weights for row in found), strict=True)
    chances = _chances(total * value for total in map(sum, columns))
    chances[right] -= 1.0
    slopes = [(at, much * value * counts) for at, much in enumerate(chances) if abs(much) > _NEAR]
    for weights, moved, shrink in found:
        for at, slope in slopes:
            weight = weights[at]
            gradient = slope + shrink * weight
            moved[at] += gradient * gradient
            weights[at] = weight - _STEP * gradient / math.sqrt(moved[at])


def _chances(scores: Iterable[float]) -> list[float]:
    found = list(scores)
    most = max(found)
    powers = [math.exp(one - most) for one in found]
    total = sum(powers)
    return [one / total for one in powers]


def _shuffled(samples: Iterable[Sample]) -> list[Sample]:
    """In an order that is always the same and in which no neighbours are alike."""
    return sorted(samples, key=lambda one: (crc32(repr(one).encode("ascii")), one))
