"""A query that is ready to be asked of records."""

from __future__ import annotations

from dataclasses import dataclass

from virtcim.cim.records import Record
from virtcim.cimserver.queries.conditions import Truth, compiled
from virtcim.cimserver.queries.properties import Classes, Scope
from virtcim.cimserver.queries.syntax import InvalidQuery

__all__ = ["InvalidQuery", "Query", "UnknownLanguage", "compile_query"]

# In lower case, with whether it is CQL.
_LANGUAGES = {"dmtf:cql": True, "cim:cql": True, "wql": False}


class UnknownLanguage(Exception):  # noqa: N818 - it is named after the CIM status
    """The query language is none that is spoken here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What is selected: from which class and its subclasses, under which condition, and of what.

    ``properties`` are names in lower case; None: all.
    """

    class_name: str
    properties: frozenset[str] | None
    where: Truth

    def selects(self, record: Record) -> bool:
        """Whether a record of the class is selected."""
        return self.where(record) is True


def compile_query(language: str, text: str, classes: Classes) -> Query:
    """Read a query and check it against the classes. Raises InvalidQuery and UnknownLanguage."""
    # Loading the parser takes longer than most servers ever need it.
    from virtcim.cimserver.queries.reading import read_query

    cql = _LANGUAGES.get(language.strip().lower())
    if cql is None:
        raise UnknownLanguage(language)
    select = read_query(text)
    class_name = classes.canonical(select.class_name)
    if class_name is None:
        raise InvalidQuery(f"there is no class {select.class_name:.80}", select.place)
    scope = Scope(classes, class_name, select.alias)
    return Query(
        class_name=class_name,
        properties=frozenset(map(scope.selected, select.properties)) or None,
        where=_always if select.where is None else compiled(select.where, scope, cql=cql),
    )


def _always(_: Record) -> bool:
    return True
