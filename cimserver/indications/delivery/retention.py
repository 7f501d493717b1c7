"""How much is kept for listeners that do not take it."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Retention"]

_MIB = 2**20
_DAY_S = 24 * 60 * 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """What is kept of deliveries: beyond it the oldest are dropped.

    ``bytes`` counts what those of one subscription take in the database; of what several share,
    each has all counted. ``all_bytes`` counts what all take together, what is shared once.
    ``age_s`` is how long one may wait.
    """

    bytes: int = 64 * _MIB
    all_bytes: int = 1024 * _MIB
    age_s: float = _DAY_S
