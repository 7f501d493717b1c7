"""The sentences that XAPI's tools print for its codes, recognised without their words.

``xe`` and the bindings of some languages print what the server's documentation says of a code, and
not the code; XenCenter has a sentence of its own, with values in it; the storage manager logs what
it says of a number, or what it calls it, and not the number. ``server_prose.toml`` holds hashes of
those sentences, of all releases since 2010, by their codes, and of the words before and behind a
value, and the names of numbers; ``scripts/server_prose.py`` makes it from the sources of all three.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from virtcim.errormap.compiled import content
from virtcim.errormap.patterns import later

__all__ = ["PATH", "beginning_of", "code_in", "ending_of", "key_of", "sentences_of"]

PATH = Path(__file__).with_name("server_prose.toml")
_WORD = later(r"[a-z0-9]+")
_END = later(r"(?<=[.!?])\s|\s(?=\[opterr=)")
# What a number says is the second of its words.
_STORAGE = "SR_BACKEND_FAILURE_"
# What the storage manager's programs call an error of theirs: two words or more in one.
_NAME = later(r"([A-Z]\w{0,30}[a-z][A-Z]\w{0,30}|[A-Z]{2,6}[a-z]\w{1,40})(?![\w.])")
_FIELD = later(r"([\w -]{1,40}): ?([^\n]{0,4000})")
# One or two words are what many programs say.
_FEWEST = 4
_KEY = 10
_LOOKED_AT = 2000
# What stands around a value is less than a sentence: it must be longer, and no longer than this.
_FEWEST_AROUND, _MOST_AROUND = 5, 20
_VALUE = " \u2026 "
# Who retells a sentence leaves it out.
_ARTICLE = "The "


def key_of(sentence: str) -> str:
    """What stands for ``sentence`` in the table; "" for one that is too short to be known by."""
    words = _words(sentence)
    return _hash(" ".join(words)) if len(words) >= _FEWEST else ""


def beginning_of(words: str) -> str:
    """What stands for the ``words`` before a value; "" where they are too few, or too many."""
    return _around(_words(words), "", _VALUE)


def ending_of(words: str) -> str:
    """What stands for the ``words`` behind a value; "" where they are too few, or too many."""
    return _around(_words(words), _VALUE, "")


def _words(sentence: str) -> list[str]:
    return _WORD.findall(sentence.lower().replace("'", ""))


def _around(words: list[str], before: str, behind: str) -> str:
    fits = _FEWEST_AROUND <= len(words) <= _MOST_AROUND
    return _hash(f"{before}{' '.join(words)}{behind}") if fits else ""


def _hash(words: str) -> str:
    # Most reports need no hash, and the library behind it is large.
    import hashlib

    return hashlib.sha256(words.encode()).hexdigest()[:_KEY]


def sentences_of(text: str) -> Iterator[str]:
    """The whole of ``text``, then what it begins with, ever shorter."""
    yield text
    ends = [end.start() for end in _END.finditer(text)]
    for end in reversed(ends):
        yield text[:end]


def code_in(text: str) -> list[str]:
    """Code and arguments of the error that ``text`` begins to tell of; empty for none.

    Below the sentence xe prints the arguments, each behind its name.
    """
    line, _, below = text.strip()[:_LOOKED_AT].partition("\n")
    named = _NAME.match(line)
    if named is not None and (number := _names().get(named[1])):
        return [f"{_STORAGE}{number}", "", line, ""]
    # What the code carries may follow behind a colon.
    for sentence in (*sentences_of(line), line.partition(": ")[0], f"{_ARTICLE}{line}"):
        if (key := key_of(sentence)) and (code := _table().get(key)):
            if code.startswith(_STORAGE):
                return [code, "", line, ""]
            rest = line[len(sentence) :].strip()
            fields = (match[2].strip() for match in _FIELD.finditer(below))
            return [code, *([rest] if rest else []), *fields]
    code = _code_around(line)
    return [code, line] if code else []


def _code_around(line: str) -> str:
    """The code of the sentence with a value in it that ``line`` begins with; "" for none."""
    begins = _words(line)[:_MOST_AROUND]
    for count in range(len(begins), _FEWEST_AROUND - 1, -1):
        if code := _table().get(_around(begins[:count], "", _VALUE)):
            return code
    ends = _words(_END.split(line, maxsplit=1)[0])[-_MOST_AROUND:]
    for at in range(len(ends) - _FEWEST_AROUND + 1):
        if code := _table().get(_around(ends[at:], _VALUE, "")):
            return code
    return ""


@cache
def _names() -> Mapping[str, int]:
    return {str(name): int(number) for name, number in content(PATH).get("name", {}).items()}


@cache
def _table() -> Mapping[str, str]:
    return {key: code for code, keys in content(PATH)["sentence"].items() for key in keys}
