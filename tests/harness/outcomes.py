"""What came of one look or one change, and how many of which kind there were."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

__all__ = ["Outcome", "Verdict", "summary"]


class Verdict(StrEnum):
    """How one thing came out."""

    RIGHT = "right"
    #: Refused by name, and nothing changed, although libvirt takes the edit by hand.
    REFUSED = "refused"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One thing that was tried with one description; ``detail``: what is wrong, or the refusal."""

    description: str
    kind: str
    what: str
    verdict: Verdict
    detail: str = ""

    def as_json(self) -> Mapping[str, Any]:
        """A JSON object of it."""
        return asdict(self)


def summary(outcomes: Iterable[Outcome]) -> dict[str, Counter[Verdict]]:
    """By kind, in the order in which they came, how many came out how."""
    counts: dict[str, Counter[Verdict]] = {}
    for outcome in outcomes:
        counts.setdefault(outcome.kind, Counter())[outcome.verdict] += 1
    return counts
