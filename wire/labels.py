"""Labels of objects: texts of one line that must not change how the text around them is read."""

from __future__ import annotations

import re
import unicodedata

__all__ = ["cut_to_bytes", "image_label", "label_fault", "shown_label"]

# Unicode categories by what they are called here: Cc holds C0, DELETE and C1.
_CATEGORIES = {
    "Cc": "a control character",
    "Zl": "a line separator",
    "Zp": "a paragraph separator",
    "Cs": "half of a surrogate pair",
}
# The explicit directional characters of UAX #9: marks, embeddings, overrides and isolates.
_DIRECTIONAL = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_NONCHARACTERS = frozenset("\ufffe\uffff")
# The longest name of a file (NAME_MAX), in bytes of UTF-8.
_FILE_NAME_BYTES = 255
_SUSPECT = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)


def label_fault(text: str) -> str:
    """Say what no label may hold (``contains a control character, U+000A``); empty if all is well.

    These characters hide, reorder or break what is shown beside them; XML cannot carry some.
    """
    found = _SUSPECT.search(text)
    return "" if found is None else f"contains {_kind(found[0])}, U+{ord(found[0]):04X}"


def _kind(character: str) -> str:
    if character in _DIRECTIONAL:
        return "a character that changes the direction of writing"
    if character in _NONCHARACTERS:
        return "what is no character"
    return _CATEGORIES[unicodedata.category(character)]


def shown_label(text: str) -> str:
    """Give the text with each such character escaped, as in ``\\n`` or ``\\u202e``."""
    return _SUSPECT.sub(lambda found: _escaped(found[0]), text)


def _escaped(character: str) -> str:
    if character < "\x80":
        return character.encode("unicode_escape").decode("ascii")
    return f"\\u{ord(character):04x}"


def cut_to_bytes(text: str, limit: int) -> str:
    """Give as much of the beginning of a text as ``limit`` bytes of UTF-8 hold."""
    return text.encode()[: max(limit, 0)].decode(errors="ignore")


def image_label(machine: str, device: str, unique: str) -> str:
    """Label the image that is made with a machine's disk: images outlive their machine.

    Where labels become names of files a long name of the machine is cut.
    """
    ending = f"-{device}-{unique}"
    return cut_to_bytes(shown_label(machine), _FILE_NAME_BYTES - len(ending.encode())) + ending
