"""Make errormap/reading/translated.bin: hashes of libvirt's messages in other languages.

Reads the compiled catalogues that the Debian packages libvirt-l10n and libc-l10n put below
/usr/share/locale (or below DIR), and keeps hashes of the messages with what their English forms
mean: a number of libvirt's, an errno, the rules of the tables whose words they meet. None of the
messages is kept. To be run again when the rules of libvirt or the shared texts have changed.

Example: .venv/bin/python scripts/translated_messages.py /usr/share/locale
"""

from __future__ import annotations

import errno
import gettext
import os
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from virtcim.errormap.engine import holds
from virtcim.errormap.fault import Fault
from virtcim.errormap.reading.facts import Facts
from virtcim.errormap.reading.libvirt_numbers import BEGINNINGS
from virtcim.errormap.reading.translated import (
    ERROR,
    PATH,
    QUOTED,
    beginning_of,
    errno_value,
    key_of,
    packed,
)
from virtcim.errormap.rules import SHARED, Rule, load

_LOCALES = Path("/usr/share/locale")
# The languages in which reports are met; each costs some 25 KiB.
_LANGUAGES = (
    *("cs", "de", "es", "fi", "fr", "hu", "it", "ja", "ko", "nl"),
    *("pl", "pt", "pt_BR", "ru", "sv", "tr", "uk", "zh_CN", "zh_TW"),
)
_PLACE = re.compile(r"%(?:\d+\$)?[-#0 +']*(?:\d+|\*)?(?:\.(?:\d+|\*))?(?:hh|h|ll|l|z|j)?[a-zA-Z]")
# An argument at the end may be anything, and is looked for without.
_LAST = re.compile("\\s*[:\uff1a]\\s*%(?:\\d+\\$)?s\\s*$")
_MAGIC = b"\xde\x12\x04\x95"
_WORDS = ("error: ", "error")
_FEWEST_WORDS = 2
_SHORTEST_HEAD = 8


def main(arguments: list[str]) -> int:
    """Write the file; the exit status says whether it could be."""
    if len(arguments) > 1 or arguments[:1] in (["-h"], ["--help"]):
        print(__doc__)
        return 0 if arguments[:1] in (["-h"], ["--help"]) else 2
    locales = Path(arguments[0]) if arguments else _LOCALES
    values: dict[bytes, int] = {}
    sets: dict[bytes, frozenset[str]] = {}
    heads: dict[bytes, frozenset[str]] = {}
    met = _Met()
    counts: Counter[str] = Counter()
    for language, english, translated in _messages(locales, "libvirt"):
        counts[language] += 1
        _note_number(english, translated, values)
        rules = met.by(english)
        if rules:
            key = key_of(_PLACE.sub("0", _LAST.sub("", translated)))
            sets[key] = sets.get(key, rules) & rules
            if (head := _head(translated)) is not None:
                key = beginning_of(head)
                heads[key] = heads.get(key, rules) & rules
    for _, english, translated in _messages(locales, "libc"):
        number = _ERRNOS.get(english)
        if number is not None:
            values[key_of(translated)] = errno_value(number)
    sets = {key: rules for key, rules in (sets | heads).items() if rules}
    if not values:
        print(f"translated_messages: no catalogues of libvirt below {locales}", file=sys.stderr)
        return 1
    PATH.write_bytes(packed(values, sets))
    print(
        f"{PATH.name}: {PATH.stat().st_size:,} bytes, {len(values):,} words, {len(sets):,} messages"
        f" of {len(counts)} languages"
    )
    return 0


_ERRNOS = {os.strerror(number): number for number in errno.errorcode}


def _note_number(english: str, translated: str, values: dict[bytes, int]) -> None:
    if english in _WORDS:
        values[key_of(translated.rstrip(" :\uff1a"))] = ERROR
        return
    head, place = english.rpartition(": ")[::2]
    number = BEGINNINGS.get(f"{head.lower()}:")
    if number is not None and _PLACE.fullmatch(place):
        cut = _LAST.sub("", translated)
        if cut != translated:
            values[key_of(cut)] = number


def _head(translated: str) -> str | None:
    """What stands before the first argument that is not quoted, where that is enough to know."""
    quoteless = QUOTED.sub("0", _LAST.sub("", translated))
    place = _PLACE.search(quoteless)
    head = quoteless[: place.start()].rstrip() if place is not None else ""
    return head if len(head) >= _SHORTEST_HEAD else None


class _Met:
    """Which rules the words of an English message meet, whatever call it came with."""

    def __init__(self) -> None:
        self._rules: list[Rule] = [
            rule
            for source in ("libvirt", SHARED)
            for rule in load(source)
            if rule.text or rule.about
        ]
        self._known: dict[str, frozenset[str]] = {}

    def by(self, english: str) -> frozenset[str]:
        if english not in self._known:
            text = _PLACE.sub("x", english)
            facts = Facts(Fault(source="libvirt", code="1", text=text))
            self._known[english] = (
                frozenset(rule.id for rule in self._rules if holds(rule, facts, words_only=True))
                if len(text.split()) >= _FEWEST_WORDS
                else frozenset()
            )
        return self._known[english]


def _messages(locales: Path, domain: str) -> Iterator[tuple[str, str, str]]:
    """Language, English message and translation of every catalogue of ``domain``."""
    for language in _LANGUAGES:
        path = locales / language / "LC_MESSAGES" / f"{domain}.mo"
        if not path.exists():
            continue
        with path.open("rb") as stream:
            catalogue = gettext.GNUTranslations(stream)
        for english in _english(path):
            translated = catalogue.gettext(english)
            if translated and translated != english:
                yield language, english, translated


def _english(path: Path) -> list[str]:
    """The English messages of a compiled catalogue (GNU gettext manual, the format of MO files)."""
    content = path.read_bytes()
    order: Literal["little", "big"] = "little" if content[:4] == _MAGIC else "big"
    count, table = (int.from_bytes(content[at : at + 4], order) for at in (8, 12))
    found = []
    for at in range(table, table + 8 * count, 8):
        length, start = (
            int.from_bytes(content[at + more : at + more + 4], order) for more in (0, 4)
        )
        # What stands behind a zero is the plural form.
        found.append(content[start : start + length].partition(b"\0")[0].decode("utf-8"))
    return [english for english in found if english]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
