"""How much is kept for subscriptions whose listener does not take it."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Retention"]

_MIB = 2**20
_DAY_S = 24 * 60 * 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """What is kept of the deliveries of each subscription: beyond it the oldest are dropped.

    ``bytes`` counts what they take in the database; of what several subscriptions share, each has
    all counted. ``age_s`` is how long one may wait.
    """

    bytes: int = 64 * _MIB
    age_s: float = _DAY_S
