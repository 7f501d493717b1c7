"""Make the table of hashes by which the sentences of XAPI's tools are recognised.

Usage: .venv/bin/python scripts/server_prose.py DIR...

Each DIR holds unpacked sources of one release of xen-api: the files that declare its codes
(api_errors.ml) and what it says of them (datamodel_errors.ml, or datamodel.ml in older ones); or
those of its storage manager (XE_SR_ERRORCODES.xml). Only hashes are kept, and added to those that
the table holds.
"""

from __future__ import annotations

import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from html import unescape
from pathlib import Path

from virtcim.errormap.compiled import content
from virtcim.errormap.reading.server_prose import PATH, key_of, sentences_of
from virtcim.errormap.rules import FAMILY, load

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


def main() -> None:
    """Write the table from the releases that are named, and from what it holds."""
    codes: dict[str, set[str]] = defaultdict(set)
    for code, held in content(PATH)["sentence"].items() if PATH.exists() else ():
        for key in held:
            codes[key].add(code)
    for folder in map(Path, sys.argv[1:]):
        for code, text in (*told(folder), *of_storage(folder)):
            for sentence in sentences_of(text):
                codes[key_of(sentence)].add(code)
    codes.pop("", None)
    known = {code for rule in load("xapi") for code in rule.code if FAMILY not in code}
    keys: dict[str, list[str]] = defaultdict(list)
    for key, of in sorted(codes.items()):
        if len(of) == 1 and of <= known:
            keys[next(iter(of))].append(key)
    lines = ["# Made by scripts/server_prose.py: hashes of sentences, by code.", "", "[sentence]"]
    for code in sorted(keys):
        printed = ", ".join(f'"{key}"' for key in keys[code])
        lines.append(f"{code} = [{printed}]")
    PATH.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"{len(keys)} codes, {sum(map(len, keys.values()))} sentences")


if __name__ == "__main__":
    main()
