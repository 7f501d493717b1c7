"""What libvirt has no place for, kept in one SQLite database of the state directory."""

from __future__ import annotations

from virtcim.toolstack.state.database import StateDatabase, StateError
from virtcim.toolstack.state.state import State

__all__ = ["State", "StateDatabase", "StateError"]
