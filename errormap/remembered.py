"""Decisions remembered by the shape of a fault: what differs in its values alone is decided once.

Long numbers and identifiers name objects, and no rule asks for one: faults that differ in nothing
else fall under the same rule.
"""

from __future__ import annotations

from itertools import pairwise

from virtcim.errormap.engine import Decision, decide
from virtcim.errormap.fault import Fault
from virtcim.errormap.numbers import may_mean_something
from virtcim.errormap.reading.facts import Facts
from virtcim.errormap.reading.values import parted
from virtcim.errormap.rules import Rule

__all__ = ["decide_like"]

_MOST = 4096
_LONGEST = 2048
_LEVELS = 8
_Shape = tuple[object, ...]

# The rule, how deep the fault that it decided on is nested, and which of its messages it was.
_known: dict[_Shape, tuple[Rule, int, int]] = {}


def decide_like(fault: Fault) -> Decision:
    """What ``decide`` says of ``fault``, without asking again for a shape that is known."""
    shape = _shape_of(fault)
    if shape is None:
        return decide(fault)
    known = _known.get(shape)
    if known is None:
        decision = decide(fault)
        if _means_something(shape):
            return decision
        if len(_known) >= _MOST:
            _known.clear()
        _known[shape] = (decision.rule, _depth_of(decision.fault, fault), decision.facts.place)
        return decision
    rule, depth, place = known
    for _ in range(depth):
        assert fault.cause is not None
        fault = fault.cause
    return Decision(rule=rule, facts=Facts(fault, place=place))


def _shape_of(fault: Fault) -> _Shape | None:
    """The fault without what names an object; None where it is too long to be kept."""
    shape: list[object] = []
    size = 0
    nested: Fault | None = fault
    for _ in range(_LEVELS):
        if nested is None:
            return tuple(shape)
        words = "\0".join((*nested.arguments, nested.text))
        size += len(words)
        if size > _LONGEST:
            return None
        shape += (nested.source, nested.code, nested.operation, nested.sent, *parted(words)[0])
        nested = nested.cause
    return None


def _means_something(shape: _Shape) -> bool:
    """Whether one of the values that were left out may be more than a name."""
    return any(
        isinstance(text, str) and type(kind) is int and may_mean_something(text)
        for text, kind in pairwise(shape)
    )


def _depth_of(decided: Fault, fault: Fault) -> int:
    depth = 0
    nested: Fault | None = fault
    while nested is not None and nested is not decided:
        nested, depth = nested.cause, depth + 1
    return depth
