"""Errors of XAPI's as they are printed inside other texts, whatever the spelling.

``Server_error(CODE, [ a; b ])`` and its older form with quotes, ``['CODE', 'a']`` of Python and
JSON, ``CODE(a, b)`` and ``CODE: [ a; b ]`` of clients and HTTP handlers, the fields of an answer or
a task, exceptions of the server's parts, and ``(Failure "...")``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache
from itertools import chain, islice

from virtcim.errormap.forms.constructors import NAMES, as_server_error
from virtcim.errormap.forms.printed import (
    LONGEST,
    closing,
    constructed,
    listed,
    symbolic,
    unquoted,
)
from virtcim.errormap.patterns import later
from virtcim.errormap.rules import FAMILY, load

__all__ = ["Printed", "known_code", "printed_errors"]

# Where the printed error begins and ends, its code, its arguments.
Printed = tuple[int, int, list[str]]

_CODE = r"[A-Z][A-Z0-9_]{2,80}"
_SERVER_ERROR = later(
    rf'Server_error ?\(\s{{0,8}}"?({_CODE})"?\s{{0,8}}'
    r"(?:(\)|,\s{0,8}\[\s{0,8}\]\))|,\s{0,8}(?=[\[(]))"
)
_LIST = later(rf"\[\s{{0,8}}[bu]?['\"]({_CODE})['\"]")
# What is raised as an error of the XenAPI is one, whether or not its code is known.
_RAISED = later(r"\b(?:XenAPI(?:Plugin)?\.|Xen)?(?:Failure|APIError)[:(] ?$")
_FIELD = later(
    r"['\"]?(?:ErrorDescription|error_info|error_description|errorInfo)['\"]?\s{0,8}[:=]\s{0,8}(?=\[)"
)
_CLIENT = later(rf"(?<![A-Za-z0-9_.])({_CODE})\(")
_HANDLER = later(rf"(?<![A-Za-z0-9_.])({_CODE}):? (?=\[)")
_ORCHESTRA = later(
    # A client's log has code and params, JSON-RPC message and data.
    rf"['\"]?\b(?:code|message)['\"]?\s{{0,8}}:\s{{0,8}}['\"]({_CODE})['\"],?\s{{0,40}}"
    r"['\"]?(?:params|data)['\"]?\s{0,8}:\s{0,8}(?=\[)"
)
_TOOL = later(
    rf"(?<!with )Error code: ?({_CODE})(?:\s{{1,8}}Error parameters?: ?([^\n]{{0,4000}}))?",
    re.IGNORECASE,
)
_WIRE_MEMBER = "<name>ErrorDescription</name>"
_WIRE = later(_WIRE_MEMBER)
_WIRE_VALUE = later(
    r"<value>\s{0,40}(?:<string>([^<]{0,8000})</string>|<string/>|([^<]{0,8000}))\s{0,40}</value>"
)
_PART = later(
    r"(?:\b(?:Storage_interface|Xenops_interface|Network_interface|Storage_error|Xenopsd_error"
    r"|Memory_interface|MemoryError|Network_error)"
    r"|\b(?:Domain|Device|Device_common|Bootloader|Service|Hotplug|Xenops_helpers|Mac)(?=\.[A-Z]))"
)
_WRAPPER = later(
    r"(?:(?:Storage|Xenops|Memory|Network)_interface\.)?"
    r"(?:(?:Storage|Xenopsd|Network)_error|MemoryError) ?\("
)
# Java's and Ruby's bindings name a class for each code.
_JAVA = later(
    r"\b(?:xenapi\.Types[.$]|XenApi::Errors::)([A-Z][A-Za-z0-9]{2,80})(?:: ?([^\n]{0,4000}))?"
)
# What the storage manager's newer plug-ins raise, as Python prints it.
_STORAGE_RAISED = later(r"\bxapi\.storage\.[\w.]{1,80}\.([A-Z][a-z]\w{2,60})(?:: ?([^\n]{0,400}))?")
_WORD_BEGINS = later(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_MODULE = later(r"(?:[A-Z]\w{0,60}\.){1,4}(?=[A-Z]\w)")
_CONSTRUCTOR = later(
    r"\b(Sr_not_attached|Sr_does_not_exist|SR_does_not_exist|Volume_does_not_exist|Sr_unhealthy"
    r"|Vdi_does_not_exist|Illegal_transition|Not_enough_space|Activated_on_another_host"
    r"|Content_ids_do_not_match|No_storage_plugin_for_sr"
    r"|Backend_error(?:_with_backtrace)?) ?(?=[(\[])"
)
# A variant as JSON has it, or as a symbolic expression: its name, and what it carries.
_VARIANT = later(
    r'\[\s{0,8}"([A-Z][a-z][A-Za-z_]{2,60})"\s{0,8}[,\]]|(?<!S)\(([A-Z][a-z]\w{0,40}_\w{1,40})(?=[\s()])'
)
_FAILURE = later(r'\bFailure(?: |\()\s{0,4}(?=")')
_OCAML_STRING = later(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_BACK_END = later(r"SR_BACKEND_FAILURE(?:_[0-9]{1,4})?")


@cache
def _codes() -> frozenset[str]:
    return frozenset(code for rule in load("xapi") for code in rule.code if FAMILY not in code)


def known_code(word: str) -> bool:
    """Whether ``word`` is a code of the XenAPI: of the table, or of a storage back end."""
    return _BACK_END.fullmatch(word) is not None or word in _codes()


def _reading(
    pattern: re.Pattern[str], read: Callable[[str, re.Match[str]], Printed | None]
) -> Callable[[str], Iterator[Printed]]:
    """A finder of what ``read`` makes of each match; what lies inside one of those is passed."""

    def finder(text: str) -> Iterator[Printed]:
        at = 0
        while (match := pattern.search(text, at)) is not None:
            printed = read(text, match)
            at = match.end()
            if printed is not None:
                yield printed
                at = max(at, printed[1])

    return finder


def _server_error(text: str, match: re.Match[str]) -> Printed | None:
    if match[2]:
        return match.start(), match.end(), [match[1]]
    found = listed(text, match.end())
    if found is None:
        return None
    end = found[1] + 1 if text[found[1] : found[1] + 1] == ")" else found[1]
    return match.start(), end, [match[1], *found[0]]


def _list(text: str, match: re.Match[str]) -> Printed | None:
    raised = _RAISED.search(text[max(match.start() - 40, 0) : match.start()]) is not None
    found = listed(text, match.start()) if raised or known_code(match[1]) else None
    return (match.start(), found[1], found[0]) if found is not None else None


def _field(text: str, match: re.Match[str]) -> Printed | None:
    found = listed(text, match.end())
    if found is None or not any(found[0]):
        return None
    return match.start(), found[1], found[0]


def _client(text: str, match: re.Match[str]) -> Printed | None:
    if not known_code(match[1]):
        return None
    end = _line_closing(text, match.end())
    return match.start(), end + 1, [match[1], *_by_commas(text[match.end() : end])]


def _line_closing(text: str, at: int) -> int:
    """Where the bracket that was opened before ``at`` closes; the line's end if it does not."""
    depth = 1
    last = min(len(text), at + 8000) if text.find(")", at, at + 8000) >= 0 else at
    for place in range(at, last):
        if text[place] == "(":
            depth += 1
        elif text[place] == ")":
            depth -= 1
            if not depth:
                return place
    end = text.find("\n", at)
    return end if end > 0 else len(text)


def _by_commas(inner: str) -> list[str]:
    return [word.strip() for word in inner.split(",")] if inner.strip() else []


def _handler(text: str, match: re.Match[str]) -> Printed | None:
    found = listed(text, match.end()) if known_code(match[1]) else None
    return (match.start(), found[1], [match[1], *found[0]]) if found is not None else None


def _orchestra(text: str, match: re.Match[str]) -> Printed | None:
    found = listed(text, match.end())
    if found is None:
        return None
    words = [] if found[0] == [""] else found[0]
    return match.start(), found[1], [match[1], *words]


def _tool(_: str, match: re.Match[str]) -> Printed | None:
    return match.start(), match.end(), [match[1].upper(), *_by_commas(match[2] or "")]


def _wire(text: str, match: re.Match[str]) -> Printed | None:
    last = match.end() + LONGEST
    end = text.find("</array>", match.end(), last)
    end = end if end > 0 else min(len(text), last)
    # The array's own <value> holds no text of its own and is not among them.
    begin = max(text.find("<data>", match.end(), end), match.end())
    words = [
        (value[1] or value[2] or "").strip() for value in _WIRE_VALUE.finditer(text, begin, end)
    ]
    return (match.start(), end, words) if words else None


def _part(text: str, match: re.Match[str]) -> Printed | None:
    wrapper = _WRAPPER.match(text, match.start())
    named = wrapper or _MODULE.match(text, match.start())
    return _exception(text, match.start(), named.end()) if named is not None else None


def _named(text: str, match: re.Match[str]) -> Printed | None:
    return _exception(text, match.start(), match.start())


def _exception(text: str, begin: int, at: int) -> Printed | None:
    value = constructed(text, at)
    if value is None:
        return None
    name, arguments = value
    if not arguments and text.startswith(f"{name} ", at):
        # An older printer puts what the exception carries behind it.
        arguments = [text[at + len(name) : at + LONGEST].strip()]
    error = as_server_error(name, arguments)
    if error is None:
        return None
    opening = text.find("(", begin, at + len(name) + 2)
    end = closing(text, opening) if opening >= 0 else -1
    return begin, end + 1 if end > 0 else at + len(name), [error[0], *error[1]]


def _variant(text: str, match: re.Match[str]) -> Printed | None:
    name = match[1] or match[2]
    found = symbolic(text, match.start()) if name in NAMES else None
    if found is None:
        return None
    error = as_server_error(name, found[0][1:])
    return (match.start(), found[1], [error[0], *error[1]]) if error is not None else None


def _java(_: str, match: re.Match[str]) -> Printed | None:
    code, said = _WORD_BEGINS.sub("_", match[1]).upper(), match[2] or ""
    numbered = _BACK_END.match(said)
    code = numbered[0] if numbered is not None else code
    return (match.start(), match.end(), [code, said]) if known_code(code) else None


def _storage_raised(_: str, match: re.Match[str]) -> Printed | None:
    error = as_server_error(match[1], [match[2] or ""]) if match[1] in NAMES else None
    return (match.start(), match.end(), [error[0], *error[1]]) if error is not None else None


def _failure(text: str, match: re.Match[str]) -> Printed | None:
    string = _OCAML_STRING.match(text, match.end(), match.end() + LONGEST)
    if string is None:
        return None
    return match.start(), string.end(), ["INTERNAL_ERROR", unquoted(string[0])]


# What every text that a finder can find something in contains, the rarest first: nearly all texts
# contain none of it, and a plain search finds that out soonest.
_Finder = Callable[[str], Iterator[Printed]]
_LISTS = _reading(_LIST, _list)
_FIELDS = _reading(_FIELD, _field)
_ORCHESTRAS = _reading(_ORCHESTRA, _orchestra)
_SERVER_ERRORS = _reading(_SERVER_ERROR, _server_error)
_PARTS = _reading(_PART, _part)
_NAMEDS = _reading(_CONSTRUCTOR, _named)
_VARIANTS = _reading(_VARIANT, _variant)
_FAILURES = _reading(_FAILURE, _failure)
_TOOLS = _reading(_TOOL, _tool)
_WIRES = _reading(_WIRE, _wire)
_JAVAS = _reading(_JAVA, _java)
_STORAGE_RAISES = _reading(_STORAGE_RAISED, _storage_raised)
_CLIENTS = _reading(_CLIENT, _client)
_HANDLERS = _reading(_HANDLER, _handler)
_IN_LISTS: tuple[tuple[tuple[str, ...], _Finder], ...] = (
    (("['", '["', "[u'", '[u"', "[ '", '[ "', "[b'"), _LISTS),
    (("ErrorDescription", "error_info", "error_description", "errorInfo"), _FIELDS),
    (("params", '"data"'), _ORCHESTRAS),
    (("Server_error",), _SERVER_ERRORS),
)
_IN_NAMES: tuple[tuple[tuple[str, ...], _Finder], ...] = (
    (("Server_error",), _SERVER_ERRORS),
    (("_error(", "_error (", "_interface.", "Device_common.", "Network_error."), _PARTS),
    (("_attached", "_exist", "_unhealthy", "Illegal_transition", "_enough_space", "Activated_on",
      "_ids_do_", "_plugin_for_sr", "Backend_error"), _NAMEDS),
)  # fmt: skip
_IN_WORDS: tuple[tuple[str, _Finder], ...] = (
    ("Failure", _FAILURES),
    ("rror code:", _TOOLS),
    ("xenapi.Types", _JAVAS),
    ("XenApi::Errors", _JAVAS),
    ("xapi.storage.", _STORAGE_RAISES),
    ("MemoryError(", _PARTS),
    (_WIRE_MEMBER, _WIRES),
    ("Domain.", _PARTS),
    ("Device.", _PARTS),
    ("Bootloader.", _PARTS),
    ("Service.", _PARTS),
    ("Hotplug.", _PARTS),
    ("Xenops_helpers.", _PARTS),
    ("Mac.", _PARTS),
)
_SHOUTED = later(r"[A-Z][A-Z0-9_]{3,80}(?:\(|:? \[)")


def printed_errors(text: str, most: int) -> Iterator[Printed]:
    """The errors that ``text`` contains in printed form, up to ``most`` of each form.

    An error that is printed inside another one comes too.
    """
    finders: dict[_Finder, None] = {}
    bracket = "[" in text
    tables = (_IN_LISTS if bracket else (), _IN_NAMES if "_" in text else ())
    for needles, finder in chain.from_iterable(tables):
        for needle in needles:
            if needle in text:
                finders[finder] = None
                break
    if (bracket or "(" in text) and _SHOUTED.search(text) is not None:
        finders |= {_CLIENTS: None, _HANDLERS: None}
    if '["' in text or ("_" in text and "(" in text):
        finders[_VARIANTS] = None
    for word, finder in _IN_WORDS:
        if word in text:
            finders[finder] = None
    for finder in finders:
        yield from islice(finder(text), most)
