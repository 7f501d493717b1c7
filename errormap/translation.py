"""From a Fault to its StandardError, and the account of how it was decided."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from virtcim.errormap.engine import Decision, by_rules, decide, matching, shared_for, stages
from virtcim.errormap.fault import Fault, StandardError
from virtcim.errormap.reading.facts import Facts
from virtcim.errormap.remembered import decide_like
from virtcim.errormap.rules import Rule
from virtcim.errormap.telling.messages import message

__all__ = ["REASONS", "TABLE_VERSION", "Explanation", "Lost", "explain", "translate"]

TABLE_VERSION = "3.0.0"

_KEPT_LENGTH = 2048
_KEPT_LEVELS = 8

LATER = "it stands later in the table"
SHARED_LATER = "the texts that all sources share come after the source's own rules"
WEAK = "it is weak: used only when nothing else is known"
NESTED_FIRST = "the fault nested inside goes before it"
OUTER_FIRST = "it is for the nested fault, and the outer one was clear"
REASONS = (LATER, SHARED_LATER, WEAK, NESTED_FIRST, OUTER_FIRST)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """A rule whose conditions held too, and why it did not decide."""

    rule: Rule
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """How a fault was decided: ``path`` leads from the fault to the nested one that decided.

    ``words`` are those that weighed most where likeness to known faults decided.
    """

    error: StandardError
    rule: Rule
    path: tuple[Fault, ...]
    lost: tuple[Lost, ...]
    words: tuple[str, ...] = ()


def translate(fault: Fault) -> StandardError:
    """The standard form of ``fault``: pure, total, never raises, keeps the whole fault."""
    rule, told = _told(fault) if _is_small(fault) else _decided(fault)
    return _standard(fault, rule, told)


def explain(fault: Fault) -> Explanation:
    """What ``translate`` says of ``fault``, with the deciding rule and those that lost."""
    decision = decide(fault)
    path = [fault]
    while path[-1] is not decision.fault and path[-1].cause is not None:
        path.append(path[-1].cause)
    return Explanation(
        error=_standard(fault, decision.rule, message(decision.rule, decision.facts, fault)),
        rule=decision.rule,
        path=tuple(path),
        lost=_first_of_each(decision.rule, _losers(decision, path)),
        words=_words(decision),
    )


def _standard(fault: Fault, rule: Rule, told: str) -> StandardError:
    return StandardError(
        code=rule.err, message=told, rule=rule.id, table_version=TABLE_VERSION, fault=fault
    )


def _words(decision: Decision) -> tuple[str, ...]:
    if not decision.by_likeness:
        return ()
    from virtcim.errormap.likeness.model import likeness, operated
    from virtcim.errormap.likeness.rules import OPERATED

    weigh = operated if decision.rule is OPERATED else likeness
    found = weigh(decision.facts)
    return found.words if found is not None else ()


def _decided(fault: Fault) -> tuple[Rule, str]:
    decision = decide_like(fault)
    return decision.rule, message(decision.rule, decision.facts, fault)


# What is wrong now is mostly wrong again a second later, for whoever asks: the same fault comes
# over and over, and what is said of it does not change.
_told = lru_cache(maxsize=1024)(_decided)


def _is_small(fault: Fault) -> bool:
    """Whether a fault is worth keeping: a thousand of them must not fill the memory."""
    size = 0
    nested: Fault | None = fault
    for _ in range(_KEPT_LEVELS):
        if nested is None:
            return size < _KEPT_LENGTH
        size += len(nested.text) + sum(map(len, nested.arguments))
        nested = nested.cause
    return False


def _losers(decision: Decision, path: Sequence[Fault]) -> Iterator[Lost]:
    """Every rule that held for a fault on the way, in the order in which they were asked."""
    own, weak = stages(decision.fault.source, decision.fault.code)
    for candidates, why in ((own, LATER), (shared_for(decision.fault), SHARED_LATER), (weak, WEAK)):
        for rule in matching(candidates, decision.facts):
            is_sibling = rule.source == decision.rule.source and rule.weak == decision.rule.weak
            yield Lost(rule=rule, why=LATER if is_sibling else why)
    for outer in path[-2::-1]:
        _, weak = stages(outer.source, outer.code)
        for rule in matching((*shared_for(outer), *weak), Facts(outer)):
            yield Lost(rule=rule, why=NESTED_FIRST)
    if decision.fault.cause is not None:
        nested = by_rules(decision.fault.cause)
        if not nested.by_default:
            yield Lost(rule=nested.rule, why=OUTER_FIRST)


def _first_of_each(winner: Rule, losers: Iterable[Lost]) -> tuple[Lost, ...]:
    found: dict[str, Lost] = {}
    for lost in losers:
        if lost.rule.id != winner.id:
            found.setdefault(lost.rule.id, lost)
    return tuple(found.values())
