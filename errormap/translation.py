"""From a Fault to its StandardError, and the account of how it was decided."""

from __future__ import annotations

from dataclasses import dataclass

from virtcim.errormap.engine import Decision, decide, holds, stages
from virtcim.errormap.fault import Fault, StandardError
from virtcim.errormap.messages import message
from virtcim.errormap.rules import SHARED, Rule, load

__all__ = ["TABLE_VERSION", "Explanation", "Lost", "explain", "translate"]

TABLE_VERSION = "1.0.0-dev"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """A rule whose conditions held too, and why it did not decide."""

    rule: Rule
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """How a fault was decided: ``path`` leads from the fault to the nested one that decided."""

    error: StandardError
    rule: Rule
    path: tuple[Fault, ...]
    lost: tuple[Lost, ...]


def translate(fault: Fault) -> StandardError:
    """The standard form of ``fault``: pure, total, never raises, keeps the whole fault."""
    return _standard(fault, decide(fault))


def explain(fault: Fault) -> Explanation:
    """What ``translate`` says of ``fault``, with the deciding rule and those that lost."""
    decision = decide(fault)
    path = [fault]
    while path[-1] is not decision.fault and path[-1].cause is not None:
        path.append(path[-1].cause)
    return Explanation(
        error=_standard(fault, decision),
        rule=decision.rule,
        path=tuple(path),
        lost=tuple(_losers(decision)),
    )


def _standard(fault: Fault, decision: Decision) -> StandardError:
    return StandardError(
        code=decision.rule.err,
        message=message(decision.rule, decision.facts, fault),
        rule=decision.rule.id,
        table_version=TABLE_VERSION,
        fault=fault,
    )


def _losers(decision: Decision) -> list[Lost]:
    own, weak = stages(decision.fault.source, decision.fault.code)
    reasons = (
        (own, "it stands later in the table"),
        (load(SHARED), "shared text rules come after the rules of the source"),
        (weak, "it is weak: used only when nothing else is known"),
    )
    found: list[Lost] = []
    for candidates, why in reasons:
        for rule in candidates:
            if rule is not decision.rule and holds(rule, decision.facts):
                same_table = rule.source == decision.rule.source and rule.weak == decision.rule.weak
                found.append(
                    Lost(rule=rule, why="it stands later in the table" if same_table else why)
                )
    return found
