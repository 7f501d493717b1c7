"""Filling the templates of sentences with a fault's own arguments, in any language."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from virtcim.errormap.rules import PLACEHOLDER, UNITS
from virtcim.errormap.telling.language import catalogue

__all__ = ["SIZES", "STATES", "filled", "size"]

# The states of a machine, as the sources spell them.
STATES = {
    "running": "running",
    "active": "running",
    "halted": "halted",
    "inactive": "halted",
    "shut off": "halted",
    "paused": "paused",
    "suspended": "suspended",
}
SIZES = ("bytes", "KiB", "MiB", "GiB", "TiB")
_STATE_NAMES = ("state", "expected_state")


def filled(template: str, lookup: Callable[[str], tuple[str, str]], language: str) -> str:
    """``template`` in ``language`` with its placeholders filled; empty where a value is missing.

    ``lookup`` gives the value of a name and the unit it is in, both empty where there is none.
    """
    first, placeholders = _parsed(template, language)
    parts = [first]
    for name, unit, following in placeholders:
        value, given_unit = lookup(name)
        if not value:
            return ""
        parts += (_shown(name, value, unit or given_unit, language), following)
    return "".join(parts)


@lru_cache(maxsize=4096)
def _parsed(template: str, language: str) -> tuple[str, tuple[tuple[str, str, str], ...]]:
    """The translated text before the first placeholder; each name, unit and the text behind it."""
    pieces = PLACEHOLDER.split(catalogue(language).gettext(template))
    rest = iter(pieces[1:])
    return pieces[0], tuple(
        (name, unit or "", text) for name, unit, text in zip(rest, rest, rest, strict=True)
    )


def _shown(name: str, value: str, unit: str, language: str) -> str:
    if name in _STATE_NAMES:
        known = STATES.get(value.lower())
        return catalogue(language).pgettext("state", known) if known else value
    if unit == "state":
        return _shown("state", value, "", language)
    if unit == "seconds":
        # XAPI prints its time-outs as 1200. and the like.
        return f"{value.rstrip('.')} s"
    if unit not in UNITS or not value.isdecimal() or len(value) > 30:
        return value
    return size(value, unit, language)


def size(number: str, unit: str, language: str) -> str:
    """A decimal ``number`` of ``unit``s, one of UNITS, in the unit that a person would use."""
    found = float(number) * UNITS[unit]
    for name in SIZES:
        if found < 1024 or name == SIZES[-1]:
            break
        found /= 1024
    shown = f"{found:.0f}" if name == "bytes" else f"{found:.1f}"
    return f"{shown.replace('.', catalogue(language).pgettext('decimal sign', '.'))} {name}"
