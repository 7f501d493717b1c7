"""Values as programs print them: lists of Python, JSON and OCaml, constructors, quoted texts.

Everything here looks at a bounded piece of the text and goes through it once.
"""

from __future__ import annotations

import re

from virtcim.errormap.patterns import later

__all__ = [
    "LONGEST",
    "Constructed",
    "bare_words",
    "closing",
    "constructed",
    "listed",
    "symbolic",
    "unquoted",
]

# How much of a text one printed value may take.
LONGEST = 16 * 1024
_MOST_WORDS = 100
_DEEPEST = 8

_QUOTED = later(r"\s*[bu]?('(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")\s*([,;\])])", re.DOTALL)
_BARE = later(r"\s*([^'\"\[\](){},;]*)\s*([,;\])])")
_BEGINS_QUOTED = later(r"\s*[bu]?['\"]")
_ESCAPE = later(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|([0-9]{3})|([ntr\\'\"/bf0a])|\n\s*)")
_LETTERS = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "0": "\0", "a": "\a"}
_OPENING, _CLOSING = "([{", ")]}"
# A value of OCaml's RPC library: S(text), I(42), B(true), F(1.5).
_RPC = later(r"\s*([A-Z][a-z0-9]{0,3})\(")
_NAME = later(r"\s*(?:[A-Z]\w{0,60}\.){0,4}([A-Z]\w{2,60})")

Constructed = tuple[str, list[str]]


def unquoted(printed: str) -> str:
    """The text behind a printed string with its quotes; anything else as it is."""
    if len(printed) < 2 or printed[0] != printed[-1] or printed[0] not in "'\"":
        return printed
    return _ESCAPE.sub(_unescaped, printed[1:-1]) if "\\" in printed else printed[1:-1]


def _unescaped(match: re.Match[str]) -> str:
    if match[1] or match[2]:
        return chr(int(match[1] or match[2], 16))
    if match[3]:
        # OCaml counts in decimals, and no character is above 255.
        return chr(int(match[3]) & 0xFF)
    return _LETTERS.get(match[4], match[4]) if match[4] else ""


def listed(text: str, at: int) -> tuple[list[str], int] | None:
    """The elements of the list that begins at ``at``, and where it ends; None if it is none.

    ``['A', 'b']``, ``["A", "b"]``, ``[ "A"; "b" ]`` and ``[ A; b ]``. An element that is a list
    itself comes as it is written.
    """
    if at >= len(text) or text[at] not in "[(":
        return None
    begin = at + 1
    if not _BEGINS_QUOTED.match(text, begin):
        end = closing(text, at)
        return (bare_words(text[begin:end]), end + 1) if end > 0 else None
    words: list[str] = []
    at, last = begin, min(len(text), begin + LONGEST)
    while len(words) < _MOST_WORDS:
        match = _QUOTED.match(text, at, last) or _BARE.match(text, at, last)
        if match is not None:
            words.append(unquoted(match[1]) if match[1][:1] in ("'", '"') else match[1].strip())
            at = match.end()
            if match[2] in "])":
                return words, at
            continue
        opening = at + len(text[at:last]) - len(text[at:last].lstrip())
        end = closing(text, opening) if opening < last and text[opening] in _OPENING else -1
        if end < 0:
            return None
        words.append(text[opening : end + 1])
        following = _BARE.match(text, end + 1, last)
        if following is None:
            return None
        at = following.end()
        if following[2] in "])":
            return words, at
    return words, at


def bare_words(inner: str) -> list[str]:
    """The elements of a list without quotes: parted by semicolons, or by commas if it has none."""
    words: list[str] = []
    begin = depth = 0
    separator = ";" if ";" in inner else ","
    for at, character in enumerate(inner):
        if character in _OPENING:
            depth += 1
        elif character in _CLOSING:
            depth -= 1
        elif character == separator and depth <= 0:
            words.append(unquoted(inner[begin:at].strip()))
            begin = at + 1
            if len(words) >= _MOST_WORDS:
                break
    words.append(unquoted(inner[begin:].strip()))
    return words


# An atom of a symbolic expression or of JSON, or what opens and closes its lists.
_ATOM = later(r"\"((?:[^\"\\]|\\.)*)\"|([\[(])|([\])])|([^\s()\[\],\":]+)|[\s,:]+", re.DOTALL)


def symbolic(text: str, at: int) -> tuple[list[str], int] | None:
    """The atoms of the list that begins at ``at``, whatever their depth, and where it ends.

    ``["Name", ["a", 3]]`` and ``(Name (a 3))``; one that was cut off ends with the text.
    """
    words: list[str] = []
    depth, last = 0, min(len(text), at + LONGEST)
    while at < last:
        match = _ATOM.match(text, at, last)
        if match is None:
            break
        at = match.end()
        if match[1] is not None:
            words.append(unquoted(f'"{match[1]}"'))
        elif match[4]:
            words.append(match[4])
        depth += bool(match[2]) - bool(match[3])
        if not depth or len(words) >= _MOST_WORDS:
            break
    return (words, at) if words else None


def closing(text: str, at: int) -> int:
    """Where the bracket at ``at`` closes: by counting, else the first of its kind; or -1."""
    opening = text[at]
    bracket = _CLOSING[_OPENING.index(opening)]
    window = text[at : at + LONGEST]
    first = window.find(bracket)
    if first < 0:
        return -1
    depth = 0
    for offset, character in enumerate(window):
        if character == opening:
            depth += 1
        elif character == bracket:
            depth -= 1
            if not depth:
                return at + offset
    return at + first


def constructed(text: str, at: int, level: int = _DEEPEST) -> Constructed | None:
    """The constructor of OCaml that is printed at ``at``, and the texts that it carries.

    As the exception printer has it, ``Name("a", 3)`` and ``Name((A, b))``, as the older printer
    of back-end errors has it, ``Name(CODE, [ a; b ])``, and as the RPC library prints a value:
    ``[S(Name);[S(a);S(b)]]`` or ``S(Name)``. Lists inside are taken apart.
    """
    value = _rpc(text[at : at + LONGEST], 0, level)
    if value is not None:
        flat = list(_flat(value[0]))
        return (flat[0], flat[1:]) if flat else None
    match = _NAME.match(text, at)
    if match is None:
        return None
    name, at = match[1], match.end()
    while at < len(text) and text[at] == " ":
        at += 1
    if at >= len(text) or text[at] != "(":
        return name, []
    inner = text[at + 1 : at + 1 + LONGEST].lstrip(" (")
    value = _rpc(inner, 0, level) if level else None
    if value is not None:
        return name, list(_flat(value[0]))
    end = closing(text, at)
    # What the quotes hold may be unbalanced; what is not quoted is not.
    words = listed(text, at) if _BEGINS_QUOTED.match(text, at + 1) else None
    plain = _plain_arguments(text[at + 1 : end]) if end > 0 else []
    given = words[0] if words is not None else plain
    return name, [part for word in given for part in _parts(word, level)]


def _plain_arguments(inner: str) -> list[str]:
    """Arguments by commas at the top: in a list behind them, semicolons part the elements."""
    words: list[str] = []
    begin = depth = 0
    for at, character in enumerate(inner):
        if character in _OPENING:
            depth += 1
        elif character in _CLOSING:
            depth -= 1
        elif character == "," and depth <= 0 and len(words) < _MOST_WORDS:
            words.append(unquoted(inner[begin:at].strip()))
            begin = at + 1
    words.append(unquoted(inner[begin:].strip()))
    return [word for word in words if word != "_"]


def _parts(word: str, level: int) -> list[str]:
    """The elements of ``word`` where it is a list or a tuple, else itself."""
    if level and word[:1] in ("[", "("):
        inner = listed(word, 0)
        if inner is not None and inner[1] == len(word):
            return inner[0]
    return [word]


_Rpc = str | list["_Rpc"]


def _rpc(text: str, at: int, level: int) -> tuple[_Rpc, int] | None:
    """The value of the RPC library that is printed at ``at``, and where it ends."""
    while at < len(text) and text[at] in " \n":
        at += 1
    if at < len(text) and text[at] == "[" and level:
        values: list[_Rpc] = []
        at += 1
        while at < len(text) and len(values) < _MOST_WORDS:
            if text[at] == "]":
                return values, at + 1
            if text[at] in "; ":
                at += 1
                continue
            value = _rpc(text, at, level - 1)
            if value is None:
                return None
            values.append(value[0])
            at = value[1]
        return (values, at) if values else None
    match = _RPC.match(text, at)
    if match is None:
        return None
    end = _rpc_end(text, match.end())
    return text[match.end() : end], end + 1


def _rpc_end(text: str, begin: int) -> int:
    """Where the text of ``S(`` ends: at the bracket that closes it, whatever it holds."""
    depth, first = 0, -1
    if text.find(")", begin) < 0:
        return len(text)
    for at in range(begin, len(text)):
        character = text[at]
        if character == "(":
            depth += 1
        elif character == ")":
            ends = text[at + 1 : at + 2] in ("", ";", "]", ")")
            if not depth and ends:
                return at
            if first < 0 and ends:
                first = at
            depth = max(0, depth - 1)
    return first if first >= 0 else len(text)


def _flat(value: _Rpc) -> list[str]:
    if isinstance(value, str):
        return [value]
    return [text for inner in value for text in _flat(inner)]
