"""The languages that people are told failures in, and their catalogues (gettext).

English is the language of the source; codes, rule names and the sources' own words are the same
in every language. Catalogues are made from ``locale/LANGUAGE/LC_MESSAGES/virtcim.po``.
"""

from __future__ import annotations

import gettext
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from virtcim.errormap.patterns import later

__all__ = [
    "DOMAIN",
    "ENGLISH",
    "LOCALES",
    "accepted_language",
    "catalogue",
    "environment_language",
    "languages",
]

DOMAIN = "virtcim"
ENGLISH = "en"
LOCALES = Path(__file__).parent / "locale"
# DSP0200 takes this header from RFC 2616 clause 14.4; its weights have at most three decimals.
_RANGE = later(r"\s*([A-Za-z0-9*-]{1,35})\s*(?:;\s*[qQ]\s*=\s*([01](?:\.[0-9]{0,3})?)\s*)?")
_RANGES_READ = 40


@cache
def languages() -> tuple[str, ...]:
    """The languages there is a catalogue for, English first."""
    found = (path.parent.parent.name for path in LOCALES.glob(f"*/LC_MESSAGES/{DOMAIN}.mo"))
    return (ENGLISH, *sorted(found))


@cache
def catalogue(language: str) -> gettext.NullTranslations:
    """The catalogue of ``language``; the one that leaves texts English where there is none."""
    if language == ENGLISH or language not in languages():
        return gettext.NullTranslations()
    return gettext.translation(DOMAIN, LOCALES, [language])


def accepted_language(header: str) -> str:
    """The best of our languages for an Accept-Language header, English where none is wanted.

    ``de-AT`` is answered in ``de``. A range that cannot be read is passed over.
    """
    weights: dict[str, float] = {}
    for text in header.split(",")[:_RANGES_READ]:
        found = _RANGE.fullmatch(text)
        if found is not None:
            weights.setdefault(found[1].lower(), float(found[2] or 1))
    # The first of equal weight wins, as clients list their languages by preference.
    wanted = sorted(weights, key=lambda one: -weights[one])
    refused = {one for one in wanted if weights[one] == 0}
    for one in wanted:
        known = _known(one)
        if one not in refused and known and known not in refused:
            return known
    return ENGLISH


def environment_language(environment: Mapping[str, str]) -> str:
    """The language of the messages by LC_ALL, LC_MESSAGES and LANG, refined by LANGUAGE.

    As in GNU gettext, LANGUAGE is a list that counts only where the locale is not C.
    """
    locale = next(
        (environment[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if environment.get(name)),
        "C",
    )
    if locale.partition(".")[0] in ("C", "POSIX"):
        return ENGLISH
    for one in (*environment.get("LANGUAGE", "").split(":"), locale):
        known = _known(re.split(r"[.@]", one)[0].replace("_", "-").lower())
        if known:
            return known
    return ENGLISH


def _known(tag: str) -> str:
    """Our language for a tag such as ``de-at``; empty where there is none."""
    if tag == "*":
        return ENGLISH
    while tag:
        if tag in languages():
            return tag
        tag = tag.rpartition("-")[0]
    return ""
