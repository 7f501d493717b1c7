"""libvirt's and the C library's messages in other languages, recognised without their words.

``translated.bin`` holds hashes only: of what libvirt begins the messages of a number with, of the
words of errno, of the word for an error, and of whole messages, with the rules whose words their
English forms meet. ``scripts/translated_messages`` makes it from the catalogues that Debian ships.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import NamedTuple

from virtcim.errormap.patterns import later

__all__ = [
    "ERROR",
    "NOTHING",
    "PATH",
    "QUOTED",
    "Translated",
    "beginning_of",
    "errno_value",
    "key_of",
    "packed",
    "recognised",
]

PATH = Path(__file__).with_name("translated.bin")
# A record is a key and a value of two bytes: the word for an error, a number of libvirt's, an errno
# behind _ERRNO, or a set of rules behind _SETS.
ERROR = 0
_ERRNO = 1_000
_SETS = 2_000
_KEY = 5
_RECORD = _KEY + 2
_LENGTH = 4
_LONGEST = 600
_MOST_SEGMENTS = 8
_MOST_WORDS = 16
QUOTED = later(
    "'[^'\n]{0,300}'|\"[^\"\n]{0,300}\"|`[^'\n]{0,300}'"
    "|\u00ab[^\u00bb\n]{0,300}\u00bb|\u201e[^\u201c\u201d\n]{0,300}[\u201c\u201d]"
    "|[\u201c\u2018][^\u201d\u2019\n]{0,300}[\u201d\u2019]|\u300c[^\u300d\n]{0,300}\u300d"
)
_NUMBER = later(r"(?:0x)?\d[\da-f]*(?:[.:-][\da-f]+)*", re.IGNORECASE)
_SPACES = later(r"\s+")
# Letters of other scripts than the Latin one: between them a Latin word is a value, or a term.
_OTHER_SCRIPT = later("[\u0400-\u04ff\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7af]")
_LATIN_WORDS = later(r"[a-z0-9_][\w./:@+-]*(?: [a-z0-9_][\w./:@+-]*)*", re.IGNORECASE | re.ASCII)
_COLON = later("\\s*(?:\uff1a\\s*|:(?:\\s+|$))")
_ENDS = " ,;!.\u3002\uff01"


class Translated(NamedTuple):
    """What was recognised in a message; 0 and an empty set where nothing was.

    ``number`` is libvirt's (virErrorNumber), ``errno`` the system's, ``rules`` name the rules whose
    words the English message meets.
    """

    number: int
    errno: int
    rules: frozenset[str]


NOTHING = Translated(0, 0, frozenset())


def beginning_of(text: str) -> bytes:
    """The hash of how a message begins, up to an argument that may be anything."""
    return key_of(f"{text.strip(_ENDS)} \u2026")


def key_of(text: str) -> bytes:
    """The hash of a message in which what is quoted, and numbers, do not count.

    In other scripts than the Latin one no Latin words count.
    """
    masked = QUOTED.sub("0", text[:_LONGEST])
    words = _LATIN_WORDS if _OTHER_SCRIPT.search(masked) is not None else _NUMBER
    masked = words.sub("0", masked)
    plain = _SPACES.sub(" ", masked).strip(_ENDS).casefold()
    import hashlib

    return hashlib.blake2b(plain.encode("utf-8", "replace"), digest_size=_KEY).digest()


# How virt-manager hands a message on in its own words; what is quoted within one does not count.
_HANDED_ON = later(
    r"[^'\"\u00ab\u201e\u201c:\uff1a\n]{2,80}[:\uff1a]\s?"
    r"['\"\u00ab\u201e\u201c](.{8,4000})['\"\u00bb\u201c\u201d]\s*"
)


@lru_cache(maxsize=512)
def recognised(message: str) -> Translated:
    """What is known of a message, one line in any language but English."""
    handed = _HANDED_ON.fullmatch(message[:_LONGEST])
    message = handed[1] if handed is not None else message
    number = errno = 0
    rules: frozenset[str] = frozenset()
    segments = _segments(message)
    for at, (start, end) in enumerate(segments):
        value = _value(key_of(message[start:end]))
        if value is not None and value < _ERRNO:
            number = number or value
        elif value is not None and value < _SETS:
            errno = value - _ERRNO
        for _, last in segments[at:]:
            value = _value(key_of(message[start:last]))
            if value is not None and value >= _SETS:
                rules |= _table()[1][value - _SETS]
        if not rules:
            rules = _by_beginning(message[start : segments[-1][1]])
    return Translated(number, errno, rules)


def _by_beginning(message: str) -> frozenset[str]:
    """The rules of the longest known beginning of a message."""
    words = QUOTED.sub("0", message[:_LONGEST]).split(" ")[:_MOST_WORDS]
    for count in range(len(words) - 1, 0, -1):
        value = _value(beginning_of(" ".join(words[:count])))
        if value is not None and value >= _SETS:
            return _table()[1][value - _SETS]
    return frozenset()


def errno_value(number: int) -> int:
    """The value that stands for an errno in the file."""
    return _ERRNO + number


def packed(values: Mapping[bytes, int], sets: Mapping[bytes, frozenset[str]]) -> bytes:
    """The content of the file: ``values`` and ``sets`` of rules by the keys of messages."""
    distinct = sorted({tuple(sorted(one)) for one in sets.values()})
    place = {one: _SETS + at for at, one in enumerate(distinct)}
    records = {key: place[tuple(sorted(one))] for key, one in sets.items()} | dict(values)
    head = json.dumps(distinct, separators=(",", ":")).encode("ascii")
    body = b"".join(key + records[key].to_bytes(2, "little") for key in sorted(records))
    return len(head).to_bytes(_LENGTH, "little") + head + body


@cache
def _table() -> tuple[bytes, tuple[frozenset[str], ...]]:
    content = PATH.read_bytes()
    end = _LENGTH + int.from_bytes(content[:_LENGTH], "little")
    sets: Iterable[list[str]] = json.loads(content[_LENGTH:end])
    return content[end:], tuple(frozenset(one) for one in sets)


def _value(key: bytes) -> int | None:
    """The value of a key, found by halving: the records are sorted."""
    records = _table()[0]
    low, high = 0, len(records) // _RECORD
    while low < high:
        middle = (low + high) // 2
        at = middle * _RECORD
        if records[at : at + _KEY] < key:
            low = middle + 1
        else:
            high = middle
    at = low * _RECORD
    if records[at : at + _KEY] != key:
        return None
    return int.from_bytes(records[at + _KEY : at + _RECORD], "little")


def _segments(message: str) -> list[tuple[int, int]]:
    """Where the pieces of a message between its colons begin and end."""
    found, start = [], 0
    for match in _COLON.finditer(message):
        found.append((start, match.start()))
        start = match.end()
    found.append((start, len(message)))
    if len(found) > _MOST_SEGMENTS:
        found = [*found[: _MOST_SEGMENTS - 1], found[-1]]
    return [(start, end) for start, end in found if start < end]
