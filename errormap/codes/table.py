"""The tables of codes: what a person is told about one code of a source.

``xapi_*.toml`` and ``xend.toml`` hold XenAPI's codes, ``sm*.toml`` the numbers of XAPI's storage
manager (``SR_BACKEND_FAILURE_44`` is ``44``), ``libvirt*.toml`` libvirt's numbers. docs/errors.md
describes the fields. Everything unexpected is an error: a typing slip must not become a sentence
that is never told.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

from virtcim.errormap.compiled import content
from virtcim.errormap.rules import PLACEHOLDER, UNITS, TableError

__all__ = ["STATE_UNIT", "TABLES", "Code", "codes", "find", "parse", "table_of"]

_FOLDER = Path(__file__).parent
_STORAGE = "SR_BACKEND_FAILURE_"
# The files of each table: a code stands in one of them.
TABLES: Mapping[str, tuple[str, ...]] = {
    "xapi": (
        "xapi_access", "xapi_availability", "xapi_calls", "xapi_certificates", "xapi_devices",
        "xapi_disks", "xapi_hosts", "xapi_interfaces", "xapi_machines", "xapi_network",
        "xapi_patches", "xapi_pools", "xapi_runs", "xapi_storage", "xapi_updates", "xend",
    ),
    "sm": ("sm", "sm_access", "sm_work"),
    "libvirt": ("libvirt", "libvirt_objects"),
}  # fmt: skip
_FIELDS = frozenset(
    ("arguments", "sentence", "without", "cause", "actions", "advice", "note", "synonym")
)
_SHARED_FIELDS = frozenset(("cause", "actions"))
STATE_UNIT = "state"
_UNITS = frozenset((*UNITS, STATE_UNIT, "seconds"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """One code: ``sentence`` may name ``arguments``, ``without`` says it when one is missing.

    ``arguments`` are the names of the code's arguments by position, "" for one that says nothing to
    a person. ``cause`` and ``actions`` are empty where those of the standard code fit.
    ``synonym`` names the code that this one is another spelling of.
    """

    code: str
    arguments: tuple[str, ...]
    sentence: str
    without: str
    cause: str
    actions: tuple[str, ...]
    note: str
    synonym: str

    @property
    def texts(self) -> tuple[str, ...]:
        """All of its texts for people."""
        every = (self.sentence, self.without, self.cause, *self.actions, self.note)
        return tuple(filter(None, every))


def table_of(source: str, code: str) -> tuple[str, str]:
    """The table that ``code`` of ``source`` stands in, and how it is called there."""
    if source == "xapi" and code.startswith(_STORAGE):
        return "sm", code.removeprefix(_STORAGE)
    return source, code


@lru_cache(maxsize=1024)
def find(source: str, code: str) -> Code | None:
    """What is known of a code; None where its source has no table or the table not the code.

    Raises TableError where the entry is wrong.
    """
    table, name = table_of(source, code)
    for file in TABLES.get(table, ()):
        if not _holds(file, name):
            continue
        document = _content(file)
        found = _code(file, name, document["code"][name], document.get("advice", {}))
        return find(source, found.synonym) if found.synonym else found
    return None


def codes(table: str) -> Iterator[Code]:
    """All codes of a table in the order of its files. Raises TableError where it is wrong."""
    for file in TABLES[table]:
        yield from parse(_document(file), file)


def parse(document: str, file: str) -> tuple[Code, ...]:
    """The codes of a TOML ``document``; raises TableError naming the code and the slip."""
    import tomllib

    try:
        found = tomllib.loads(document)
    except tomllib.TOMLDecodeError as error:
        raise TableError(f"{file}: {error}") from error
    if not {"code"} <= set(found) <= {"code", "advice"}:
        raise TableError(f"{file}: it consists of code and advice")
    shared = found.get("advice", {})
    for name, entry in shared.items():
        unknown = set(entry) - _SHARED_FIELDS
        if unknown:
            raise TableError(f"{file}: advice {name}: unknown field {min(unknown)!r}")
    read = tuple(_code(file, name, entry, shared) for name, entry in found["code"].items())
    unused = set(shared) - {entry.get("advice") for entry in found["code"].values()}
    if unused:
        raise TableError(f"{file}: advice {min(unused)!r} is of no code")
    return read


def _holds(file: str, name: str) -> bool:
    """Whether a file has the code: only that one file is worth being parsed."""
    document = _document(file)
    return f"\n[code.{name}]\n" in document or f'\n[code."{name}"]\n' in document


@cache
def _document(file: str) -> str:
    return (_FOLDER / f"{file}.toml").read_text(encoding="utf-8")


@cache
def _content(file: str) -> dict[str, dict[str, dict[str, object]]]:
    return content(_FOLDER / f"{file}.toml")


def _code(
    file: str, name: str, entry: Mapping[str, object], shared: Mapping[str, Mapping[str, object]]
) -> Code:
    where = f"{file}: {name}"
    unknown = set(entry) - _FIELDS
    if unknown:
        raise TableError(f"{where}: unknown field {min(unknown)!r}")
    advice = _text(entry, "advice", where)
    if advice and advice not in shared:
        raise TableError(f"{where}: there is no advice {advice!r}")
    common = shared.get(advice, {})
    code = Code(
        code=name,
        arguments=_texts(entry, "arguments", where, bare=True),
        sentence=_text(entry, "sentence", where),
        without=_text(entry, "without", where),
        cause=_text(entry, "cause", where) or _text(common, "cause", where),
        actions=_texts(entry, "actions", where) or _texts(common, "actions", where),
        note=_text(entry, "note", where),
        synonym=_text(entry, "synonym", where),
    )
    _check(code, where, alone=set(entry) == {"synonym"})
    return code


def _check(code: Code, where: str, *, alone: bool) -> None:
    if bool(code.synonym) != alone or bool(code.synonym) == bool(code.sentence):
        raise TableError(f"{where}: it has either a sentence or nothing but a synonym")
    named = _names(where, code.sentence, *code.actions)
    if not named <= set(code.arguments):
        raise TableError(f"{where}: nothing gives {{{min(named - set(code.arguments))}}}")
    if _names(where, code.without, code.cause, code.note):
        raise TableError(f"{where}: only sentence and actions may name arguments")
    if bool(_names(where, code.sentence)) != bool(code.without):
        raise TableError(f"{where}: without goes with a sentence that names an argument")
    if code.actions and all(_names(where, one) for one in code.actions):
        raise TableError(f"{where}: every action names an argument, which may be missing")


def _names(where: str, *texts: str) -> set[str]:
    found = set()
    for text in texts:
        for match in PLACEHOLDER.finditer(text):
            if match[2] is not None and match[2] not in _UNITS:
                raise TableError(f"{where}: unknown unit {match[2]!r}")
            found.add(match[1])
    return found


def _text(entry: Mapping[str, object], field: str, where: str) -> str:
    value = entry.get(field, "")
    if not isinstance(value, str):
        raise TableError(f"{where}: {field} is no text")
    return value


def _texts(
    entry: Mapping[str, object], field: str, where: str, *, bare: bool = False
) -> tuple[str, ...]:
    value = entry.get(field, [])
    if not isinstance(value, list) or not all(
        isinstance(one, str) and (one or bare) for one in value
    ):
        raise TableError(f"{where}: {field} is no list of texts")
    return tuple(value)
