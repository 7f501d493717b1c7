"""Pieces of text that a pattern cannot match without: a quick look before the slow one."""

from __future__ import annotations

import re

__all__ = ["needles"]

_SHORTEST = 3
_QUANTIFIERS = "?*+{"
_GROUP = re.compile(r"\((?:\?:|\?P<\w+>|(?!\?))(.*)\)", re.DOTALL)


def needles(pattern: str) -> tuple[str, ...]:
    """Literal texts of which every match of ``pattern`` contains one, or none if there are none.

    Reads the part of the pattern language that tables use. What has a quantifier, classes and
    escapes of letters end a literal text; looks ahead and behind need nothing.
    """
    found: dict[str, None] = {}
    for alternative in _alternatives(pattern):
        needed = _needed(alternative)
        if not needed:
            return ()
        found |= dict.fromkeys(needed)
    return tuple(found)


def _needed(tokens: list[str]) -> tuple[str, ...]:
    """The needles of one alternative: its longest literal text, else those of a group in it."""
    literals, groups = [""], []
    for at, token in enumerate(tokens):
        following = tokens[at + 1] if at + 1 < len(tokens) else " "
        plain = token[-1] if _is_literal(token) and following[0] not in _QUANTIFIERS else ""
        if plain:
            literals[-1] += plain
            continue
        literals.append("")
        group = _GROUP.fullmatch(token)
        if group and following[0] not in _QUANTIFIERS:
            groups.append(needles(group[1]))
    longest = max(literals, key=len)
    if len(longest) >= _SHORTEST:
        return (longest,)
    return max(groups, key=lambda needed: min(map(len, needed), default=0), default=())


def _is_literal(token: str) -> bool:
    if token[0] == "\\":
        return not token[1].isalnum()
    return token[0] not in "()[]{}.^$?*+"


def _alternatives(pattern: str) -> list[list[str]]:
    """The alternatives at the top of ``pattern`` as characters, escapes, classes and groups."""
    found: list[list[str]] = [[]]
    at = 0
    while at < len(pattern):
        end = _end(pattern, at)
        if pattern[at] == "|":
            found.append([])
        else:
            found[-1].append(pattern[at:end])
        at = end
    return found


def _end(pattern: str, at: int) -> int:
    """Where the token that begins at ``at`` ends."""
    opening = pattern[at]
    if opening == "\\":
        return at + 2
    if opening == "{":
        return pattern.index("}", at) + 1
    if opening == "[":
        # A bracket that stands first in a class is a member of it.
        end = at + (3 if pattern[at + 1] == "^" else 2)
        while pattern[end] != "]":
            end += 2 if pattern[end] == "\\" else 1
        return end + 1
    if opening == "(":
        end = at + 1
        while pattern[end] != ")":
            end = _end(pattern, end)
        return end + 1
    return at + 1
