"""Whether a daemon can answer, whichever of its workers is asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["together"]


def together(told: Mapping[int, Mapping[str, Any] | None]) -> dict[str, Any]:
    """What /readyz tells of all workers by what each says, None where it says nothing.

    It is ready when each of them is; of a connection the worker tells that is not.
    """
    reasons: list[str] = []
    connections: dict[str, Any] = {}
    workers: dict[str, bool] = {}
    for number, one in sorted(told.items()):
        workers[str(number)] = one is not None and bool(one["ready"])
        if one is None:
            reasons.append(f"worker {number}: starting")
            continue
        if not one["ready"]:
            reasons.append(f"worker {number}: {one['reason']}")
        for name, state in one["connections"].items():
            if name not in connections or state["state"] != "connected":
                connections[name] = state
    all_told: dict[str, Any] = {"ready": not reasons}
    if reasons:
        all_told["reason"] = "; ".join(reasons)
    return {**all_told, "connections": connections, "workers": workers}
