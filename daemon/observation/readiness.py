"""Whether a daemon can answer, told to whoever asks: without what only its users may read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Connection", "State", "readiness"]


class State(StrEnum):
    """How it stands with one connection to what is served."""

    CONNECTED = "connected"
    LOADING = "loading"
    DISCONNECTED = "disconnected"
    BEHIND = "behind"


@dataclass(frozen=True, slots=True)
class Connection:
    """One of them: how much has been ``read`` while it is LOADING, ``of`` is 0 where nobody knows;
    the ERR_ code while it is not CONNECTED."""

    state: State
    error: str = ""
    read: int = 0
    of: int = 0

    @property
    def reason(self) -> str:
        """Why there is nothing to be had, empty where there is."""
        if self.state is State.CONNECTED:
            return ""
        if self.state is State.LOADING and self.of:
            return f"loading, {self.read:,} of {self.of:,}"
        return self.state.value

    def as_json(self) -> dict[str, object]:
        """What is told of it."""
        told: dict[str, object] = {"state": self.state.value}
        if self.state is State.LOADING and self.of:
            told |= {"read": self.read, "of": self.of}
        if self.error:
            told["error"] = self.error
        return told


def readiness(connections: Mapping[str, Connection], *, draining: bool) -> dict[str, object]:
    """What /readyz tells: ``ready`` where everything can be answered, else also the ``reason``."""
    reasons = [f"{name}: {one.reason}" for name, one in connections.items() if one.reason]
    if draining:
        reasons.insert(0, "draining")
    told: dict[str, object] = {"ready": not reasons}
    if reasons:
        told["reason"] = "; ".join(reasons)
    told["connections"] = {name: one.as_json() for name, one in connections.items()}
    return told
