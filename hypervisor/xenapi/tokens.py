"""Tokens of event.from that compare, as our own toolstack gives them."""

from __future__ import annotations

__all__ = ["is_at_least", "is_same_life"]

# The life of the toolstack, and how much has happened in it; both are of this length.
_DIGITS = 13


def is_same_life(token: str, other: str) -> bool:
    """Whether two tokens are of one life of the toolstack: only these compare."""
    both = (token, other)
    are_ours = all(len(one) == 2 * _DIGITS and one.isascii() and one.isdigit() for one in both)
    return are_ours and token[:_DIGITS] == other[:_DIGITS]


def is_at_least(token: str, other: str) -> bool:
    """Whether everything has been seen at ``token`` that had been at ``other``."""
    return is_same_life(token, other) and token >= other
