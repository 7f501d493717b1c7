"""One instance in MOF text: ``instance of CLASS { property = value; ... };``.

DSP0004 "MOF Syntax Grammar Description".

MOF text does not say of which type a property is: a number is read as the widest that can hold it,
and a datetime stays the text that it is in quotes. The declaration of the class says more, see
declared_values.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple, NoReturn

from virtcim.cim.data_types import DATA_TYPES, INTEGER_RANGES
from virtcim.cim.records import Record, Scalar, Value

__all__ = ["MofError", "parse_mof_instance"]


class MofError(ValueError):
    """The text is no MOF instance; the message says where."""


class Token(NamedTuple):
    """One word of the text."""

    kind: str
    text: str
    offset: int


_TOKEN = re.compile(
    r"""(?P<blank>\s+|//[^\n]*|/\*(?:[^*]|\*(?!/))*\*/)
      | (?P<string>"(?:[^"\\\n]|\\.)*")
      | (?P<character>'(?:[^'\\\n]|\\.[0-9a-fA-F]{0,4})')
      | (?P<real>[+-]?[0-9]*\.[0-9]+(?:[eE][+-]?[0-9]+)?)
      | (?P<binary>[+-]?[01]+[bB])
      | (?P<integer>[+-]?(?:0[xX][0-9a-fA-F]+|[0-9]+))
      | (?P<alias>\$[A-Za-z_][A-Za-z0-9_]*)
      | (?P<word>[A-Za-z_][A-Za-z0-9_]*)
      | (?P<sign>[{}=;,])""",
    re.VERBOSE,
)
_OCTAL = re.compile(r"[+-]?[0-7]+")
_ESCAPE = re.compile(r"\\(?:[xX]([0-9a-fA-F]{1,4})|(.))", re.DOTALL)
_ESCAPED: Mapping[str, str] = MappingProxyType(
    {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r"}
)
_CONSTANTS: Mapping[str, bool | None] = MappingProxyType(
    {"true": True, "false": False, "null": None}
)
# More digits than any CIM type has.
_MAX_DIGITS = 70


def parse_mof_instance(text: str) -> Record:
    """The one instance in ``text``. Raises MofError."""
    return _Parser(text).instance()


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = _tokens(text)
        self._position = 0

    def instance(self) -> Record:
        self._keyword("instance")
        self._keyword("of")
        class_name = self._expect("word").text
        # An alias names the instance for others in the same text, and there are none.
        if self._peek().text.lower() == "as":
            self._keyword("as")
            self._expect("alias")
        self._sign("{")
        values: dict[str, Value] = {}
        seen: set[str] = set()
        while not self._at_sign("}"):
            name = self._expect("word").text
            if name.lower() in seen:
                self._fail(f"the property {name} is given twice")
            seen.add(name.lower())
            self._sign("=")
            values[name] = self._value(name)
            self._sign(";")
        self._sign("}")
        if self._at_sign(";"):
            self._sign(";")
        if self._peek().kind != "end":
            self._fail("there is more than one instance")
        return Record(class_name, values)

    def _value(self, name: str) -> Value:
        if not self._at_sign("{"):
            return self._scalar(name)
        self._sign("{")
        items: list[Scalar] = []
        while not self._at_sign("}"):
            if items:
                self._sign(",")
            item = self._scalar(name)
            if item is None:
                self._fail(f"an element of {name} is NULL")
            items.append(item)
        self._sign("}")
        return items

    def _scalar(self, name: str) -> Scalar | None:
        token = self._next()
        if token.kind == "string":
            text = _unescape(token.text)
            while self._peek().kind == "string":
                text += _unescape(self._next().text)
            return text
        if token.kind in ("character", "real", "binary", "integer"):
            try:
                return _literal(token)
            except ValueError as error:
                self._fail(f"{token.text:.40} is no value for {name}: {error}")
        if token.kind == "word" and token.text.lower() in _CONSTANTS:
            return _CONSTANTS[token.text.lower()]
        self._position -= 1
        return self._fail(f"{token.text!r} is no value for {name}")

    def _peek(self) -> Token:
        return self._tokens[self._position]

    def _next(self) -> Token:
        token = self._peek()
        if token.kind == "end":
            self._fail("the text ends too early")
        self._position += 1
        return token

    def _expect(self, kind: str) -> Token:
        if self._peek().kind != kind:
            self._fail(f"a name is expected, not {self._peek().text!r}")
        return self._next()

    def _keyword(self, word: str) -> None:
        if self._peek().text.lower() != word:
            self._fail(f"{word!r} is expected, not {self._peek().text!r}")
        self._position += 1

    def _at_sign(self, sign: str) -> bool:
        token = self._peek()
        return token.kind == "sign" and token.text == sign

    def _sign(self, sign: str) -> None:
        if not self._at_sign(sign):
            self._fail(f"{sign!r} is expected, not {self._peek().text[:40]!r}")
        self._position += 1

    def _fail(self, why: str) -> NoReturn:
        raise MofError(f"{why} (line {self._text.count(chr(10), 0, self._peek().offset) + 1})")


def _tokens(text: str) -> list[Token]:
    tokens: list[Token] = []
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            line = text.count("\n", 0, position) + 1
            raise MofError(f"{text[position : position + 20]!r} is not understood (line {line})")
        kind = match.lastgroup or ""
        if kind != "blank":
            tokens.append(Token(kind, match[0], position))
        position = match.end()
    tokens.append(Token("end", "", len(text)))
    return tokens


def _unescape(literal: str) -> str:
    def replaced(match: re.Match[str]) -> str:
        if match[1]:
            number = int(match[1], 16)
            if 0xD800 <= number <= 0xDFFF:
                raise MofError(f"{match[0]} is no character")
            return chr(number)
        return _ESCAPED.get(match[2], match[2])

    return _ESCAPE.sub(replaced, literal[1:-1])


def _literal(token: Token) -> Scalar:
    """The value of one literal. Raises ValueError saying what was expected."""
    if token.kind == "character":
        return DATA_TYPES["char16"].read(_unescape(token.text))
    if token.kind == "real":
        return DATA_TYPES["real64"].read(token.text)
    return _integer(token)


def _integer(token: Token) -> int:
    """A number: binary with a b, hexadecimal with 0x, octal with a leading 0, else decimal."""
    if len(token.text) > _MAX_DIGITS:
        raise ValueError("the number is too long")
    digits = token.text.lower()
    if token.kind == "binary":
        number = int(digits[:-1], 2)
    elif "x" in digits:
        number = int(digits, 16)
    elif digits.lstrip("+-").startswith("0"):
        if not _OCTAL.fullmatch(digits):
            raise ValueError("a number that begins with 0 is octal")
        number = int(digits, 8)
    else:
        number = int(digits)
    lowest, highest = INTEGER_RANGES["sint64"][0], INTEGER_RANGES["uint64"][1]
    if not lowest <= number <= highest:
        raise ValueError(f"an integer is between {lowest} and {highest}")
    return number
