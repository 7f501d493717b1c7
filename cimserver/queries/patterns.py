"""The patterns of LIKE: WQL's (``%``, ``_``, ``[a-f]``) and CQL's (``.``, ``*``, ``[a-f]``).

Matched in time proportional to the text: a pattern is a list of places, each one character of a
set, once or any number of times.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

__all__ = ["PatternError", "matcher"]

_Matches = Callable[[str], bool]


class PatternError(ValueError):
    """What is wrong with a pattern."""


def matcher(pattern: str, *, cql: bool) -> Callable[[str], bool]:
    """What says whether a whole text is like the pattern. Raises PatternError."""
    places = list(_cql(pattern) if cql else _wql(pattern))

    def matches(text: str) -> bool:
        reached = _closure({0}, places)
        for character in text:
            after = set()
            for place in reached:
                if place < len(places) and places[place][0](character):
                    after.add(place if places[place][1] else place + 1)
            reached = _closure(after, places)
            if not reached:
                return False
        return len(places) in reached

    return matches


def _closure(reached: set[int], places: list[tuple[_Matches, bool]]) -> set[int]:
    """With the places that are reached by taking nothing."""
    found = set(reached)
    for start in reached:
        place = start
        while place < len(places) and places[place][1]:
            place += 1
            found.add(place)
    return found


def _wql(pattern: str) -> Iterator[tuple[_Matches, bool]]:
    at = 0
    while at < len(pattern):
        character = pattern[at]
        at += 1
        if character == "%":
            yield _anything, True
        elif character == "_":
            yield _anything, False
        elif character == "[":
            matches, at = _set(pattern, at)
            yield matches, False
        else:
            yield character.__eq__, False


def _cql(pattern: str) -> Iterator[tuple[_Matches, bool]]:
    at = 0
    while at < len(pattern):
        character = pattern[at]
        at += 1
        matches: _Matches
        if character == ".":
            matches = _anything
        elif character == "[":
            matches, at = _set(pattern, at)
        elif character == "*":
            raise PatternError("a * stands after nothing that could be repeated")
        else:
            if character == "\\":
                if at == len(pattern):
                    raise PatternError("a \\ stands before nothing")
                character = pattern[at]
                at += 1
            matches = character.__eq__
        repeated = pattern[at : at + 1] == "*"
        at += repeated
        yield matches, repeated


def _set(pattern: str, at: int) -> tuple[_Matches, int]:
    """The characters between brackets, after the first one, and where the pattern goes on."""
    end = pattern.find("]", at + 1 + (pattern[at : at + 1] == "^"))
    if end < 0:
        raise PatternError("a [ has no ]")
    inside = pattern[at:end]
    negated = inside.startswith("^")
    ranges = list(_ranges(inside[negated:]))

    def matches(character: str) -> bool:
        return any(low <= character <= high for low, high in ranges) is not negated

    return matches, end + 1


def _ranges(inside: str) -> Iterator[tuple[str, str]]:
    at = 0
    while at < len(inside):
        if inside[at + 1 : at + 2] == "-" and at + 2 < len(inside):
            yield inside[at], inside[at + 2]
            at += 3
        else:
            yield inside[at], inside[at]
            at += 1


def _anything(_: str) -> bool:
    return True
