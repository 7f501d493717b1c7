"""How the state of a server fails to be kept."""

from __future__ import annotations

__all__ = ["StateError", "StateHeldError"]


class StateError(Exception):
    """The state cannot be kept where it shall be; the text is a sentence for a person."""


class StateHeldError(StateError):
    """Another process keeps its state there; it can be observed meanwhile."""
