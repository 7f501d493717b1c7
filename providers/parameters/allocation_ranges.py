"""How much of a resource can be asked for: one source to publish and to enforce.

The amounts are in ``units``: bytes, or a number of things.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

__all__ = ["AllocationRange", "widest"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AllocationRange:
    """The amounts that can be asked for: multiples of ``increment`` from ``minimum`` on.

    ``default`` is None where nothing can be had now, ``maximum`` where nobody knows it.
    """

    units: str
    default: int | None
    minimum: int
    maximum: int | None
    increment: int

    def amounts(self) -> Mapping[str, int]:
        """What describes the range, by its name; empty where nothing can be had now."""
        if self.default is None:
            return {}
        named = {
            "Default": self.default,
            "Minimum": self.minimum,
            "Maximum": self.maximum,
            "Increment": self.increment,
        }
        return {name: amount for name, amount in named.items() if amount is not None}

    def objection(self, amount: int, present: Collection[int] = ()) -> str:
        """Why an amount cannot be had, empty where it can.

        What somebody has already (``present``) can be had again, and less than that.
        """
        if amount in present:
            return ""
        bounds = [self.maximum, *present]
        most = None if self.maximum is None else max(bound for bound in bounds if bound is not None)
        if amount < self.minimum or (most is not None and amount > most):
            return f"is outside the range, {self}"
        if amount % self.increment:
            return f"is no step of the range, {self}"
        return ""

    def __str__(self) -> str:
        most = f"to {self.maximum}" if self.maximum is not None else "upwards"
        steps = f" in steps of {self.increment}" if self.increment != 1 else ""
        return f"{self.minimum} {most} ({self.units}{steps})"


def widest(ranges: Iterable[AllocationRange]) -> AllocationRange | None:
    """The range of what can be had from any of several pools; None without pools."""
    found: AllocationRange | None = None
    for each in ranges:
        if found is None:
            found = each
            continue
        unknown = found.maximum is None or each.maximum is None
        found = replace(
            found,
            minimum=min(found.minimum, each.minimum),
            maximum=None if unknown else max(found.maximum or 0, each.maximum or 0),
            increment=min(found.increment, each.increment),
        )
    return found
