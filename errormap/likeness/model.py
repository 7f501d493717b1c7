"""Weighing the words of a fault: which code known faults with such words have, and how surely.

``known.bin`` holds hashes of features with a whole number for each code that they speak for or
against, and no word of any fault; ``scripts/likeness_model`` makes it from labelled faults.
``operated.bin`` is the same for the two codes that name no reason: GENERAL there is
ERR_OPERATION_FAILED. The sum
of the numbers, over the root of how many features there are, gives the chances of the codes.
"""

from __future__ import annotations

import json
import math
import sys
from array import array
from bisect import bisect_left
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cache
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

from virtcim.errormap.error_code import ErrorCode
from virtcim.errormap.likeness.features import WORD, features, key_of, shown, told_features
from virtcim.errormap.reading.facts import Facts
from virtcim.errormap.rules import TableError

__all__ = [
    "GENERAL",
    "OPERATED_PATH",
    "PATH",
    "Likeness",
    "Model",
    "likeness",
    "operated",
    "packed",
    "unpacked",
]

PATH = Path(__file__).with_name("known.bin")
OPERATED_PATH = Path(__file__).with_name("operated.bin")
# What the codes that say nothing of the reason count as, together.
GENERAL = ""
_LENGTH = 4
_MOST_WEIGHT = 127
_FEWEST_WORDS = 3
_SHOWN = 6


class Likeness(NamedTuple):
    """The code that known faults with such words have, how surely, and what weighed most."""

    code: ErrorCode
    chance: float
    words: tuple[str, ...]


class Model(NamedTuple):
    """What was learned: the weight of each feature for codes, in units of ``unit``.

    ``codes`` are names of codes, GENERAL among them; the code must have a chance of ``threshold``.
    ``keys`` are those of the features, in order; ``ends`` tells where the part of each one ends in
    ``places`` (numbers of codes) and ``weights``. ``made_from`` is what the maker says of it.
    """

    codes: tuple[str, ...]
    unit: float
    threshold: float
    keys: array[int]
    ends: array[int]
    places: bytes
    weights: array[int]
    made_from: Mapping[str, object]

    def of(self, key: int) -> Iterable[tuple[int, int]]:
        """The number of each code that the feature of ``key`` weighs for, and its weight."""
        at = bisect_left(self.keys, key)
        if at == len(self.keys) or self.keys[at] != key:
            return ()
        begin, end = self.ends[at - 1] if at else 0, self.ends[at]
        return zip(self.places[begin:end], self.weights[begin:end], strict=True)

    def chances(self, keys: Collection[int]) -> list[float]:
        """The chance of each code for a fault with features of these keys."""
        scores = [0] * len(self.codes)
        for key in keys:
            for code, weight in self.of(key):
                scores[code] += weight
        value = self.unit / math.sqrt(len(keys) or 1)
        most = max(scores)
        powers = [math.exp((score - most) * value) for score in scores]
        total = sum(powers)
        return [power / total for power in powers]


def likeness(
    facts: Facts, forbidden: Collection[ErrorCode] = (), model: Model | None = None
) -> Likeness | None:
    """The code of the faults that a fault is like; None where that is not sure, or ``forbidden``.

    Without ``model`` it is that of the file; raises TableError where that is damaged.
    """
    found = weighed(features(facts), model or _model())
    return None if found is None or found.code in forbidden else found


def weighed(found: Collection[str], model: Model) -> Likeness | None:
    """The code that the features ``found`` weigh for; None for GENERAL and where it is not sure."""
    keys = {key_of(one): one for one in found}
    if (
        sum(one.startswith(WORD) and any(model.of(key)) for key, one in keys.items())
        < _FEWEST_WORDS
    ):
        return None
    chances = model.chances(keys)
    best = max(range(len(chances)), key=chances.__getitem__)
    name = model.codes[best]
    if name == GENERAL or chances[best] < model.threshold:
        return None
    weights = {one: dict(model.of(key)).get(best, 0) for key, one in keys.items() if shown(one)}
    heaviest = sorted(weights, key=lambda one: (-weights[one], one))[:_SHOWN]
    words = tuple(shown(one) for one in heaviest if weights[one] > 0)
    return Likeness(ErrorCode[name], chances[best], words)


def operated(facts: Facts, model: Model | None = None) -> Likeness | None:
    """Whether the words are those of faults of which it is known that a machine was operated.

    Without ``model`` it is that of the file; raises TableError where that is damaged.
    """
    return weighed(told_features(facts), model or _operated())


def packed(
    codes: Sequence[str],
    weights: Mapping[int, Mapping[int, float]],
    threshold: float,
    made_from: Mapping[str, object] | None = None,
    least: float = 0.0,
) -> bytes:
    """The content of the file: ``weights`` by key and number of a code, as whole numbers.

    Those that weigh less than ``least`` are left out.
    """
    most = max(abs(weight) for row in weights.values() for weight in row.values())
    unit = most / _MOST_WEIGHT
    rows = {}
    for key in sorted(weights):
        kept = [(code, weight) for code, weight in weights[key].items() if abs(weight) >= least]
        row = [(code, round(weight / unit)) for code, weight in sorted(kept)]
        if row := [(code, weight) for code, weight in row if weight]:
            rows[key] = row
    body = b"".join(
        (
            _little(array("I", rows)).tobytes(),
            bytes(map(len, rows.values())),
            bytes(code for row in rows.values() for code, _ in row),
            array("b", [weight for row in rows.values() for _, weight in row]).tobytes(),
        )
    )
    head = json.dumps(
        {
            "codes": list(codes),
            "unit": round(unit, 9),
            "threshold": threshold,
            "features": len(rows),
            "made_from": dict(made_from or {}),
            "sum": crc32(body),
        },
        separators=(",", ":"),
    ).encode("ascii")
    return len(head).to_bytes(_LENGTH, "little") + head + body


def unpacked(content: bytes, name: str = PATH.name) -> Model:
    """What ``packed`` made; raises TableError with ``name`` where it is nothing that it made."""
    end = _LENGTH + int.from_bytes(content[:_LENGTH], "little")
    try:
        head = json.loads(content[_LENGTH:end])
        codes, count = tuple(head["codes"]), head["features"]
        body = content[end:]
        if head["sum"] != crc32(body):
            raise ValueError("its sum is another one")
        keys = _little(array("I", body[: 4 * count]))
        ends = array("I", accumulate(body[4 * count : 5 * count]))
        pairs = body[5 * count :]
        half = len(pairs) // 2
        of, weights = pairs[:half], array("b", pairs[half:])
        if len(ends) != count or (ends[-1] if ends else 0) != half or len(weights) != half:
            raise ValueError("its parts do not fit")
        return Model(
            codes, head["unit"], head["threshold"], keys, ends, of, weights, head["made_from"]
        )
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise TableError(f"likeness: {name} is damaged: {error}") from error


@cache
def _model() -> Model:
    return unpacked(PATH.read_bytes())


@cache
def _operated() -> Model:
    return unpacked(OPERATED_PATH.read_bytes(), OPERATED_PATH.name)


def _little(numbers: array[int]) -> array[int]:
    """The numbers in the order of bytes that the file has, or those of the file in ours."""
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers
