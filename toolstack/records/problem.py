"""Where a record says what of its object cannot be read, understood or shown."""

from __future__ import annotations

__all__ = ["PROBLEM_KEY", "stated"]

# In other_config.
PROBLEM_KEY = "virtcim-problem"


def stated(problem: str) -> dict[str, str]:
    """Give what other_config says of a problem; nothing where there is none."""
    return {PROBLEM_KEY: problem} if problem else {}
