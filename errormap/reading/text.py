"""Turning what sources send into bounded text."""

from __future__ import annotations

import unicodedata

from virtcim.errormap.patterns import later

__all__ = ["as_integer", "as_text", "one_line", "searched"]

_KEPT = 8 * 1024
_INTEGER = later(r"\s*-?[0-9]{1,19}\s*")


def as_text(value: object) -> str:
    """``value`` as text without ever failing; null is the empty text, bytes are read as UTF-8."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, bool):
        return "true" if value else "false"
    try:
        return str(value)
    except (ValueError, RecursionError):
        # str() of an integer beyond sys.int_info limits or of a bottomless structure.
        return f"<{type(value).__name__}>"


def as_integer(value: object) -> int | None:
    """``value`` as an integer where it is one, also as decimal text or as 2.0; else None."""
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        return int(value)
    return None


def searched(text: str) -> str:
    """The part of ``text`` that patterns look at: its first and last 8 KiB, in lower case."""
    if len(text) > 2 * _KEPT:
        text = f"{text[:_KEPT]}\n{text[-_KEPT:]}"
    return text.lower()


def one_line(text: str, length: int) -> str:
    """``text`` on one line without control characters, its middle left out past ``length``."""
    if len(text) > 2 * length:
        text = f"{text[:length]} {text[-length:]}"
    if not text.isprintable():
        text = "".join(map(_printable, text))
    line = " ".join(text.split())
    if len(line) <= length:
        return line
    half = (length - 5) // 2
    return f"{line[:half]} ... {line[-half:]}"


def _printable(character: str) -> str:
    if character.isprintable():
        return character
    # Lone surrogates cannot be encoded, format characters can hide or reorder what follows.
    return "\N{REPLACEMENT CHARACTER}" if unicodedata.category(character) == "Cs" else " "
