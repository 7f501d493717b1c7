"""Reading queries: one grammar for what DMTF:CQL (DSP0202) and WQL have in common.

What only one of them has is taken in both: ``#'Running'``, ``[*]`` and ``::`` of CQL, ``!=`` and
texts in double quotes of WQL. Joins, functions, DISTINCT and ORDER BY are refused by their place.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from lark import Lark, Token, Transformer, v_args
from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken, VisitError

from virtcim.cimserver.queries.syntax import (
    All,
    AnyOf,
    Chain,
    Comparison,
    Condition,
    Element,
    InvalidQuery,
    IsA,
    IsNull,
    Like,
    Literal,
    Not,
    Operand,
    Select,
    Step,
    Symbol,
)

__all__ = ["MOST_CHARACTERS", "read_query"]

# Far more than anybody writes.
MOST_CHARACTERS = 8192
_DEEPEST = 64

_GRAMMAR = r"""
query: SELECT selected FROM NAME alias? where?
alias: AS? NAME
where: WHERE condition
selected: STAR | named ("," named)*
?named: chain | chain "." STAR          -> whole

condition: conjunction (OR conjunction)*
conjunction: negation (AND negation)*
?negation: NOT negation                 -> contrary
    | "(" condition ")"
    | operand COMPARISON operand        -> comparison
    | operand IS NOT? NULL              -> is_null
    | operand ISA (NAME | TEXT)         -> is_a
    | operand NOT? LIKE TEXT            -> like
    | operand

?operand: chain | symbol | literal
symbol: chain "#" TEXT
chain: step | chain "." step
step: (NAME "::")? NAME ("[" (INTEGER | STAR) "]")?
literal: TEXT | BINARY | HEXADECIMAL | REAL | INTEGER | TRUE | FALSE | NULL

COMPARISON: "=" | "<>" | "!=" | "<=" | "<" | ">=" | ">"
STAR: "*"
SELECT: "SELECT"i
FROM: "FROM"i
WHERE: "WHERE"i
AS: "AS"i
AND: "AND"i
OR: "OR"i
NOT: "NOT"i
IS: "IS"i
ISA: "ISA"i
LIKE: "LIKE"i
TRUE: "TRUE"i
FALSE: "FALSE"i
NULL: "NULL"i
NAME: /[A-Z_][A-Z0-9_]*/i
TEXT: /'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"/s
BINARY: /[+-]?[01]+B(?![A-Z0-9_])/i
HEXADECIMAL: /[+-]?0X[0-9A-F]+/i
REAL: /[+-]?[0-9]*\.[0-9]+(?:E[+-]?[0-9]+)?/i
INTEGER: /[+-]?[0-9]+/
%ignore /[ \t\r\n\f]+/
"""

_NESTING = re.compile(
    r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[()]|\bNOT\b""", re.IGNORECASE | re.DOTALL
)
_ESCAPES = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r"}
_ESCAPE = re.compile(r"\\(u[0-9A-Fa-f]{4}|.)", re.DOTALL)
# What may stand somewhere, in the words of a message.
_SHOWN = {
    "NAME": "a name",
    "TEXT": "a text",
    "INTEGER": "a number",
    "$END": "the end",
    "LPAR": "'('",
    "RPAR": "')'",
    "LSQB": "'['",
    "RSQB": "']'",
    "DOT": "'.'",
    "COMMA": "','",
    "HASH": "'#'",
    "STAR": "'*'",
    "COMPARISON": "a comparison",
}
_UNSHOWN = frozenset({"BINARY", "HEXADECIMAL", "REAL", "TRUE", "FALSE", "__ANON_0"})


def read_query(text: str) -> Select:
    """What a query says. Raises InvalidQuery."""
    if len(text) > MOST_CHARACTERS:
        raise InvalidQuery(f"a query has at most {MOST_CHARACTERS} characters", MOST_CHARACTERS + 1)
    _check_depth(text)
    try:
        tree = _parser().parse(text)
        query: Select = _Reader().transform(tree)
    except UnexpectedInput as error:
        raise _refusal(error, text) from None
    except VisitError as error:
        if isinstance(error.orig_exc, InvalidQuery):
            raise error.orig_exc from None
        raise
    return query


@cache
def _parser() -> Lark:
    return Lark(_GRAMMAR, start="query", parser="lalr")


def _check_depth(text: str) -> None:
    """Refuse what is nested deeper than it could be evaluated."""
    depth = 0
    for found in _NESTING.finditer(text):
        depth += {"(": 1, ")": -1}.get(found[0], found[0].upper() == "NOT")
        if depth > _DEEPEST:
            raise InvalidQuery("conditions are nested too deeply", found.start() + 1)


def _refusal(error: UnexpectedInput, text: str) -> InvalidQuery:
    at = error.pos_in_stream or 0
    if isinstance(error, UnexpectedCharacters):
        return InvalidQuery(f"{text[at]!r} cannot be read", at + 1)
    assert isinstance(error, UnexpectedToken)
    possible = sorted(
        {_SHOWN.get(one, one) for one in error.accepts or error.expected if one not in _UNSHOWN}
    )
    found = "the query ends" if error.token.type == "$END" else f"{error.token.value[:40]!r} stands"
    if error.token.type == "$END":
        at = len(text)
    return InvalidQuery(f"{found} where {_joined(possible)} may stand", at + 1)


def _joined(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def _place(token: Token) -> int:
    assert token.start_pos is not None
    return token.start_pos + 1


@v_args(inline=True)
class _Reader(Transformer[Token, Any]):
    """Makes what the query says of the tree that Lark gives."""

    def query(self, _select: Token, selected: tuple[Chain, ...], *rest: Any) -> Select:
        _from, name, *others = rest
        alias, where = "", None
        for one in others:
            if isinstance(one, Token):
                alias = str(one)
            else:
                where = one
        return Select(
            properties=selected,
            class_name=str(name),
            alias=alias,
            where=where,
            place=_place(name),
        )

    def alias(self, *words: Token) -> Token:
        return words[-1]

    def where(self, _where: Token, condition: Condition) -> Condition:
        return condition

    def selected(self, *named: Any) -> tuple[Chain, ...]:
        return () if any(not isinstance(one, Chain) for one in named) else named

    def whole(self, chain: Chain, star: Token) -> Token:
        if len(chain.steps) > 1:
            raise InvalidQuery(
                "all properties of an embedded instance cannot be selected", chain.place
            )
        return star

    def condition(self, *parts: Any) -> Condition:
        conditions = _without_tokens(parts)
        return conditions[0] if len(conditions) == 1 else AnyOf(conditions)

    def conjunction(self, *parts: Any) -> Condition:
        conditions = _without_tokens(parts)
        return conditions[0] if len(conditions) == 1 else All(conditions)

    def contrary(self, _not: Token, condition: Condition) -> Condition:
        return Not(condition)

    def comparison(self, left: Operand, operator: Token, right: Operand) -> Condition:
        name = "<>" if operator == "!=" else str(operator)
        for one, other in ((left, right), (right, left)):
            # WQL's way to say IS NULL.
            if isinstance(other, Literal) and other.value is None and isinstance(one, Chain):
                if name not in ("=", "<>"):
                    raise InvalidQuery("NULL is neither less nor more", other.place)
                return IsNull(one, name == "<>")
        return Comparison(left, name, right, _place(operator))

    def is_null(self, operand: Operand, *words: Token) -> Condition:
        return IsNull(_chain(operand, "IS NULL"), any(word.type == "NOT" for word in words))

    def is_a(self, operand: Operand, _isa: Token, name: Token) -> Condition:
        class_name = _text(name) if name.type == "TEXT" else str(name)
        return IsA(_chain(operand, "ISA"), class_name, _place(name))

    def like(self, operand: Operand, *rest: Token) -> Condition:
        pattern = rest[-1]
        negated = any(word.type == "NOT" for word in rest)
        # A backslash is the pattern's own.
        return Like(_chain(operand, "LIKE"), pattern[1:-1], negated, _place(pattern))

    def symbol(self, chain: Chain, text: Token) -> Symbol:
        return Symbol(chain, _text(text), _place(text))

    def chain(self, *parts: Any) -> Chain:
        *before, step = parts
        return Chain((*(before[0].steps if before else ()), step))

    def step(self, *parts: Token) -> Step:
        names = [part for part in parts if part.type == "NAME"]
        index: int | Element | None = None
        if parts[-1].type == "STAR":
            index = Element.ANY
        elif parts[-1].type == "INTEGER":
            index = int(parts[-1])
            if index < 0:
                raise InvalidQuery("elements are numbered from 0", _place(parts[-1]))
        scope = str(names[0]) if len(names) > 1 else ""
        return Step(str(names[-1]), scope, index, _place(names[0]))

    def literal(self, token: Token) -> Literal:
        return Literal(_value(token), _place(token))


def _without_tokens(parts: tuple[Any, ...]) -> tuple[Condition, ...]:
    return tuple(part for part in parts if not isinstance(part, Token))


def _chain(operand: Operand, what: str) -> Chain:
    if not isinstance(operand, Chain):
        raise InvalidQuery(f"{what} needs a property", operand.place)
    return operand


def _value(token: Token) -> str | int | float | bool | None:
    match token.type:
        case "TEXT":
            return _text(token)
        case "BINARY":
            return int(token[:-1], 2)
        case "HEXADECIMAL":
            return int(token, 16)
        case "REAL":
            return float(token)
        case "INTEGER":
            return int(token)
        case "NULL":
            return None
    return bool(token.type == "TRUE")


def _text(token: Token) -> str:
    return _ESCAPE.sub(_escaped, token[1:-1])


def _escaped(found: re.Match[str]) -> str:
    escape = found[1]
    return chr(int(escape[1:], 16)) if len(escape) > 1 else _ESCAPES.get(escape, escape)
