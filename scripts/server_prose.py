"""Make the table of hashes by which the sentences of XAPI's tools are recognised.

Usage: .venv/bin/python scripts/server_prose.py DIR...

Each DIR holds unpacked sources of one release of xen-api: the files that declare its codes
(api_errors.ml) and what it says of them (datamodel_errors.ml, or datamodel.ml in older ones); those
of its storage manager (XE_SR_ERRORCODES.xml); or those of XenCenter (FriendlyErrorNames.resx).
Only hashes are kept, and the names that the storage manager has for its numbers. They are added to
those that the table holds.
"""

from __future__ import annotations

import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from html import unescape
from pathlib import Path

from virtcim.errormap.compiled import content
from virtcim.errormap.reading.server_prose import (
    PATH,
    beginning_of,
    ending_of,
    key_of,
    sentences_of,
)
from virtcim.errormap.rules import load

_NAMED = re.compile(r'let\s+(\w+)\s*=\s*(?:add_error\s+)?"([A-Z0-9_]+)"')
_JOINED = re.compile(
    r'let\s+(\w+)\s*=\s*(?:add_error\s*)?\(?\s*(\w+)\s*\^\s*(?:"([A-Z_0-9]+)"|(\w+))'
)
_TOLD = re.compile(
    r"error\s+Api_errors\.(\w+)\s+\[[^\]]*\]\s*~doc:\s*\(?"
    r'((?:"(?:[^"\\]|\\.)*"\s*\^?\s*)+)',
    re.DOTALL,
)
_STRING = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_CONTINUED = re.compile(r"\\\n\s*")


def told(folder: Path) -> Iterator[tuple[str, str]]:
    """The codes of one release, each with what its documentation says."""
    declared = "".join(path.read_text("utf-8") for path in sorted(folder.rglob("api_errors.ml")))
    names = {match[1]: match[2] for match in _NAMED.finditer(declared)}
    for match in _JOINED.finditer(declared):
        begin, end = names.get(match[2]), match[3] or names.get(match[4] or "")
        if begin and end:
            names[match[1]] = begin + end
    for path in sorted(folder.rglob("datamodel*.ml")):
        for match in _TOLD.finditer(path.read_text("utf-8")):
            text = "".join(string[1] for string in _STRING.finditer(match[2]))
            text = _CONTINUED.sub("", text).replace('\\"', '"').replace("\\n", " ")
            if match[1] in names:
                yield names[match[1]], " ".join(text.split())


_STORAGE = re.compile(
    r"<description>([^<]{1,400})</description>\s*<value>\s*([0-9]{1,4})\s*</value>", re.DOTALL
)


def of_storage(folder: Path) -> Iterator[tuple[str, str]]:
    """The numbers of the storage manager, each with its description."""
    for path in sorted(folder.rglob("XE_SR_ERRORCODES.xml")):
        for match in _STORAGE.finditer(path.read_text("utf-8")):
            yield f"SR_BACKEND_FAILURE_{match[2]}", " ".join(unescape(match[1]).split())


_STORAGE_NAME = re.compile(
    r"<name>\s*([A-Z]\w{2,60})\s*</name>\s*<description>[^<]{0,400}</description>"
    r"\s*<value>\s*([0-9]{1,4})\s*</value>",
    re.DOTALL,
)
# A single word may stand anywhere.
_TWO_WORDS = re.compile(r"[A-Z]\w*[a-z][A-Z]\w*|[A-Z]{2,6}[a-z]\w+")


def names_of_storage(folder: Path) -> Iterator[tuple[str, int]]:
    """The names that the storage manager's programs have for its numbers."""
    for path in sorted(folder.rglob("XE_SR_ERRORCODES.xml")):
        for match in _STORAGE_NAME.finditer(path.read_text("utf-8")):
            if _TWO_WORDS.fullmatch(match[1]):
                yield match[1], int(match[2])


_FRIENDLY = re.compile(
    r'<data name="([A-Z0-9_]{3,80})"[^>]*>\s*<value>([^<]{1,2000})</value>', re.DOTALL
)
_PLACE = re.compile(r"['\"(]{0,2}\{[0-9]\}['\")]{0,2}")
# The codes of older servers that one code stands for now.
_FEATURE = "VM_LACKS_FEATURE"


def keys_of(text: str) -> Iterator[str]:
    """What a sentence is known by: the whole, or what stands before and behind its values."""
    parts = _PLACE.split(text)
    if len(parts) == 1:
        yield from map(key_of, sentences_of(text))
        return
    first, *_, last = parts
    whole = first.strip().endswith((".", "!", "?"))
    yield from map(key_of, sentences_of(first.strip())) if whole else (beginning_of(first),)
    yield ending_of(re.split(r"(?<=[.!?])\s", last.strip(), maxsplit=1)[0])


def of_center(folder: Path) -> Iterator[tuple[str, str]]:
    """The codes that XenCenter has sentences for, each with what the sentence is known by."""
    for path in sorted(folder.rglob("FriendlyErrorNames.resx")):
        for match in _FRIENDLY.finditer(path.read_text("utf-8-sig")):
            code = _FEATURE if match[1].startswith(f"{_FEATURE}_") else match[1]
            for key in keys_of(" ".join(unescape(match[2]).split())):
                yield code, key


def _one_of(codes: set[str], held: str, known: dict[str, set[str]]) -> str:
    """The code that a sentence stands for: that which it was ``held`` for, or the only one.

    Several must mean the same.
    """
    if held in codes:
        return held
    codes = codes & set(known)
    meant = {frozenset(known[code]) for code in codes}
    return min(codes) if len(meant) == 1 else ""


def main() -> None:
    """Write the table from the releases that are named, and from what it holds."""
    before = content(PATH) if PATH.exists() else {}
    table, names = before.get("sentence", {}), dict(before.get("name", {}))
    held = {key: code for code, keys in table.items() for key in keys}
    codes: dict[str, set[str]] = defaultdict(set)
    for key, code in held.items():
        codes[key].add(code)
    for folder in map(Path, sys.argv[1:]):
        for code, text in (*told(folder), *of_storage(folder)):
            for sentence in sentences_of(text):
                codes[key_of(sentence)].add(code)
        for code, key in of_center(folder):
            codes[key].add(code)
        names |= dict(names_of_storage(folder))
    codes.pop("", None)
    known: dict[str, set[str]] = defaultdict(set)
    for rule in load("xapi"):
        for code in rule.code:
            known[code].add(rule.err.name)
    keys: dict[str, list[str]] = defaultdict(list)
    for key, of in sorted(codes.items()):
        if code := _one_of(of, held.get(key, ""), known):
            keys[code].append(key)
    lines = ["# Made by scripts/server_prose.py: hashes of sentences, by code.", "", "[sentence]"]
    for code in sorted(keys):
        printed = ", ".join(f'"{key}"' for key in keys[code])
        lines.append(f"{code} = [{printed}]")
    lines += ["", "[name]", *(f"{name} = {names[name]}" for name in sorted(names))]
    PATH.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"{len(keys)} codes, {sum(map(len, keys.values()))} sentences")


if __name__ == "__main__":
    main()
