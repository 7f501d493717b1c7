"""Errors of XAPI's as they are printed inside other texts, whatever the spelling.

``Server_error(CODE, [ a; b ])`` and its older form with quotes, ``['CODE', 'a']`` of Python and
JSON, ``CODE(a, b)`` and ``CODE: [ a; b ]`` of clients and HTTP handlers, the fields of an answer or
a task, exceptions of the server's parts, and ``(Failure "...")``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache
from itertools import islice

from virtcim.errormap.forms.constructors import as_server_error
from virtcim.errormap.forms.printed import constructed, listed, unquoted
from virtcim.errormap.rules import load

__all__ = ["known_code", "printed_errors"]

# Where the printed error begins and ends, its code, its arguments.
Printed = tuple[int, int, list[str]]

_CODE = r"[A-Z][A-Z0-9_]{2,80}"
_SERVER_ERROR = re.compile(rf'Server_error ?\(\s{{0,8}}"?({_CODE})"?,\s{{0,8}}(?=[\[(])')
_SERVER_ERROR_ALONE = re.compile(
    rf'Server_error ?\(\s{{0,8}}"?({_CODE})"?\s{{0,8}}(?:\)|,\s*\[\]\))'
)
_LIST = re.compile(rf"\[\s{{0,8}}[bu]?['\"]({_CODE})['\"]")
_FIELD = re.compile(
    r"['\"]?(?:ErrorDescription|error_info|error_description)['\"]?\s{0,8}[:=]\s{0,8}(?=\[)"
)
_CLIENT = re.compile(rf"(?<![A-Za-z0-9_.])({_CODE})\(")
_HANDLER = re.compile(rf"(?<![A-Za-z0-9_.])({_CODE}):? (?=\[)")
_ORCHESTRA = re.compile(
    rf"['\"]?\bcode['\"]?\s{{0,8}}:\s{{0,8}}['\"]({_CODE})['\"],?\s{{0,40}}"
    r"['\"]?params['\"]?\s{0,8}:\s{0,8}(?=\[)"
)
_TOOL = re.compile(
    rf"Error code: ?({_CODE})(?:\s{{1,8}}Error parameters?: ?([^\n]{{0,4000}}))?", re.IGNORECASE
)
_WIRE_MEMBER = "<name>ErrorDescription</name>"
_WIRE_VALUE = re.compile(
    r"<value>\s{0,40}(?:<string>([^<]{0,8000})</string>|<string/>|([^<]{0,8000}))\s{0,40}</value>"
)
_PART = re.compile(
    r"(?:\b(?:Storage_interface|Xenops_interface|Network_interface|Storage_error|Xenopsd_error)"
    r"|\b(?:Domain|Device|Device_common|Bootloader|Service|Hotplug|Xenops_helpers)(?=\.[A-Z]))"
)
_WRAPPER = re.compile(r"(?:Storage_interface\.|Xenops_interface\.)?(?:Storage|Xenopsd)_error ?\(")
_MODULE = re.compile(r"(?:[A-Z]\w{0,60}\.){1,4}(?=[A-Z]\w)")
_CONSTRUCTOR = re.compile(
    r"\b(Sr_not_attached|Sr_does_not_exist|SR_does_not_exist|Volume_does_not_exist|Sr_unhealthy"
    r"|Vdi_does_not_exist|Illegal_transition|Not_enough_space|Activated_on_another_host"
    r"|Content_ids_do_not_match|No_storage_plugin_for_sr"
    r"|Backend_error(?:_with_backtrace)?) ?(?=[(\[])"
)
_FAILURE = re.compile(r'\bFailure(?: |\()\s{0,4}(?=")')
_OCAML_STRING = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_BACK_END = re.compile(r"SR_BACKEND_FAILURE(?:_[0-9]{1,4})?")


@cache
def _codes() -> frozenset[str]:
    return frozenset(code for rule in load("xapi") for code in rule.code if "*" not in code)


def known_code(word: str) -> bool:
    """Whether ``word`` is a code of the XenAPI: of the table, or of a storage back end."""
    return _BACK_END.fullmatch(word) is not None or word in _codes()


def _server_error(text: str) -> Iterator[Printed]:
    for match in _SERVER_ERROR.finditer(text):
        found = listed(text, match.end())
        if found is not None:
            yield match.start(), _past_bracket(text, found[1]), [match[1], *found[0]]
    for match in _SERVER_ERROR_ALONE.finditer(text):
        yield match.start(), match.end(), [match[1]]


def _past_bracket(text: str, at: int) -> int:
    return at + 1 if text[at : at + 1] == ")" else at


def _list(text: str) -> Iterator[Printed]:
    for match in _LIST.finditer(text):
        found = listed(text, match.start()) if known_code(match[1]) else None
        if found is not None:
            yield match.start(), found[1], found[0]


def _field(text: str) -> Iterator[Printed]:
    for match in _FIELD.finditer(text):
        found = listed(text, match.end())
        if found is not None and any(found[0]):
            yield match.start(), found[1], found[0]


def _client(text: str) -> Iterator[Printed]:
    for match in _CLIENT.finditer(text):
        if known_code(match[1]):
            end = _closing(text, match.end())
            yield match.start(), end + 1, [match[1], *_by_commas(text[match.end() : end])]


def _closing(text: str, at: int) -> int:
    """Where the bracket that was opened before ``at`` closes; the line's end if it does not."""
    depth = 1
    for place in range(at, min(len(text), at + 8000)):
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


def _handler(text: str) -> Iterator[Printed]:
    for match in _HANDLER.finditer(text):
        found = listed(text, match.end()) if known_code(match[1]) else None
        if found is not None:
            yield match.start(), found[1], [match[1], *found[0]]


def _orchestra(text: str) -> Iterator[Printed]:
    for match in _ORCHESTRA.finditer(text):
        found = listed(text, match.end())
        if found is not None:
            words = [] if found[0] == [""] else found[0]
            yield match.start(), found[1], [match[1], *words]


def _tool(text: str) -> Iterator[Printed]:
    for match in _TOOL.finditer(text):
        yield match.start(), match.end(), [match[1].upper(), *_by_commas(match[2] or "")]


def _wire(text: str) -> Iterator[Printed]:
    at = text.find(_WIRE_MEMBER)
    while at >= 0:
        end = text.find("</array>", at)
        end = end if end > 0 else min(len(text), at + 8000)
        # The array's own <value> holds no text of its own and is not among them.
        begin = text.find("<data>", at, end)
        words = [
            (match[1] or match[2] or "").strip()
            for match in _WIRE_VALUE.finditer(text, begin if begin > 0 else at, end)
        ]
        if words:
            yield at, end, words
        at = text.find(_WIRE_MEMBER, end)


def _part(text: str) -> Iterator[Printed]:
    for match in _PART.finditer(text):
        wrapper = _WRAPPER.match(text, match.start())
        if wrapper is not None:
            at = wrapper.end()
        else:
            module = _MODULE.match(text, match.start())
            if module is None:
                continue
            at = module.end()
        yield from _exception(text, match.start(), at)


def _named(text: str) -> Iterator[Printed]:
    for match in _CONSTRUCTOR.finditer(text):
        yield from _exception(text, match.start(), match.start())


def _exception(text: str, begin: int, at: int) -> Iterator[Printed]:
    value = constructed(text, at)
    if value is not None and not value[1] and text.startswith(f"{value[0]} ", at):
        # An older printer puts what the exception carries behind it.
        value = value[0], [text[at + len(value[0]) :].strip()]
    error = as_server_error(*value) if value is not None else None
    if error is not None:
        end = text.find(")", at)
        yield begin, end + 1 if end > 0 else len(text), [error[0], *error[1]]


def _failure(text: str) -> Iterator[Printed]:
    for match in _FAILURE.finditer(text):
        string = _OCAML_STRING.match(text, match.end())
        if string is not None:
            yield match.start(), string.end(), ["INTERNAL_ERROR", unquoted(string[0])]


# What the text must contain for a finder to be asked.
_Finder = Callable[[str], Iterator[Printed]]
_FINDERS: tuple[tuple[tuple[str, ...], _Finder], ...] = (
    (("Server_error",), _server_error),
    (("['", '["', "[u'", '[u"', "[ '", '[ "', "[b'"), _list),
    (("ErrorDescription", "error_info", "error_description"), _field),
    (("_error(", "_error (", "_interface.", "Domain.", "Device", "Bootloader.", "Service.",
      "Hotplug.", "Xenops_helpers."), _part),
    (("_attached", "_exist", "_unhealthy", "Illegal_transition", "_enough_space", "Activated_on",
      "_ids_do_", "_plugin_for_sr", "Backend_error"), _named),
    (("Failure",), _failure),
    (("params",), _orchestra),
    (("rror code:",), _tool),
    ((_WIRE_MEMBER,), _wire),
)  # fmt: skip
_NEEDLES = tuple((needle, finder) for needles, finder in _FINDERS for needle in needles)
_SHOUTED = re.compile(r"[A-Z][A-Z0-9]{1,40}_[A-Z0-9_]{1,60}(?:\(|:? \[)")


def printed_errors(text: str, most: int) -> Iterator[Printed]:
    """The errors that ``text`` contains in printed form, up to ``most`` of each form.

    An error that is printed inside another one comes too.
    """
    done = None
    for needle, finder in _NEEDLES:
        if needle in text and finder is not done:
            done = finder
            yield from islice(finder(text), most)
    if _SHOUTED.search(text) is not None:
        yield from islice(_client(text), most)
        yield from islice(_handler(text), most)
