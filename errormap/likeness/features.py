"""What of a fault counts for its likeness to others: its words, and what came with them.

Names of objects (paths, long numbers, identifiers) count for nothing, so that faults which differ
in nothing else are alike; of a path counts what kind of file it ends in. Runs of letters count as
well as words, so that "inaccessible" is like "cannot access".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from zlib import crc32

from virtcim.errormap.patterns import later
from virtcim.errormap.reading.facts import Facts
from virtcim.errormap.reading.values import parted

__all__ = ["WORD", "features", "key_of", "shown", "told_features"]

# What begins the features that are words of the message: the others stand for what came with it.
WORD = "w:"
_PAIR = "p:"
_LETTERS = "l:"
_WITH = "c:"
_WORDS = later(r"[^\W\d_]{2,24}")
_PATH = later(r"(?<![\w<])(?:[a-z]+:/|\.{1,2})?/[^\s'\"`,;:()\[\]<>]+")
_KIND_OF_FILE = later(r"\.[a-z][a-z0-9]{1,7}$")
_MOST_WORDS = 160
_RUN = 4


def features(facts: Facts) -> tuple[str, ...]:
    """The features of a message, each once."""
    # The words of an errno say how, never what.
    words = _words(facts.words)
    fault = facts.fault
    found = [f"{_WITH}{fault.source}", f"{_WITH}code {fault.source} {fault.code.lower()[:60]}"]
    found += [f"{_WITH}call {facts.call[:60]}"]
    named = _words(fault.code.lower().replace("_", " ")) if fault.source == "xapi" else []
    distinct = dict.fromkeys((*named, *words))
    found += [f"{WORD}{word}" for word in distinct]
    found += [f"{_PAIR}{one} {other}" for one, other in pairwise(words)]
    found += [f"{_LETTERS}{run}" for word in distinct for run in _runs(f" {word} ")]
    return tuple(dict.fromkeys(found))


def told_features(facts: Facts) -> tuple[str, ...]:
    """Those that tell whether a machine was operated, where no call does."""
    return tuple(one for one in features(facts) if not one.startswith(_LETTERS))


def key_of(feature: str) -> int:
    """What stands for a feature in the file: 32 bits of it."""
    return crc32(feature.encode("utf-8", "replace"))


def shown(feature: str) -> str:
    """The words that a feature stands for; "" where it stands for none that people read."""
    return feature[len(WORD) :] if feature.startswith((WORD, _PAIR)) else ""


def _runs(word: str) -> Iterator[str]:
    return (word[at : at + _RUN] for at in range(len(word) - _RUN + 1))


def _words(text: str) -> list[str]:
    named = " ".join(parted(text)[0][::2])
    return _WORDS.findall(_PATH.sub(_kind_of_file, named))[:_MOST_WORDS]


def _kind_of_file(path: re.Match[str]) -> str:
    found = _KIND_OF_FILE.search(path[0])
    return f" {found[0]} " if found else " "
