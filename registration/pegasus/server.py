"""What an OpenPegasus server has, asked with its own cimcli over its local connection."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from pywbem import CIMClass, CIMInstance
from pywbem import Error as PywbemError

from virtcim.mof.pywbem_reading import read_element, read_elements
from virtcim.registration.plan import Command
from virtcim.registration.tools import RunCommand, ToolError

__all__ = [
    "INTEROP_NAMESPACES",
    "MODULE_CLASS",
    "NOT_FOUND",
    "REGISTRATION_CLASSES",
    "PegasusServer",
    "PegasusState",
    "ServerAnswerError",
    "ServerClass",
    "Tools",
]

INTEROP_NAMESPACES = ("root/interop", "root/PG_InterOp", "interop")
MODULE_CLASS = "PG_ProviderModule"
# In the order in which they are made; each names the one before.
REGISTRATION_CLASSES = (MODULE_CLASS, "PG_Provider", "PG_ProviderCapabilities")
NOT_FOUND = ("CIM_ERR_NOT_FOUND", "CIM_ERR_INVALID_CLASS", "CIM_ERR_INVALID_NAMESPACE")
# Printed for people to read: with the path of each instance in a line before it.
_PATH_LINE = re.compile(r"^path=.*$", re.MULTILINE)
_AROUND_VALUES = re.compile(r"\s*(</VALUE>)|(?<=<VALUE>)\s+")
_BETWEEN = re.compile(r">\s+<")
_QUALIFIER = re.compile(r'<QUALIFIER\.DECLARATION\s+NAME="(\w+)"')
_REFERENCE = re.compile(r'<PROPERTY\.REFERENCE\b[^>]*\bREFERENCECLASS="(\w+)"')
_ANY_REFERENCE = re.compile(r'\bREFERENCECLASS="(\w+)"')
_EMBEDDED = re.compile(r'<QUALIFIER NAME="EmbeddedInstance"[^>]*>\s*<VALUE>\s*(\w+)')
_CLASS = re.compile(r'<CLASS\s+NAME="(\w+)"(?:\s+SUPERCLASS="(\w+)")?.*?</CLASS>', re.DOTALL)


class ServerAnswerError(Exception):
    """What the server has cannot be found out; the text is a sentence for a person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """The paths of OpenPegasus' programs."""

    cimcli: str = "cimcli"
    cimmof: str = "cimmof"
    cimprovider: str = "cimprovider"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerClass:
    """A class of the server, read when somebody wants to know more than its name."""

    name: str
    superclass: str
    text: str = field(repr=False)

    def needs(self) -> frozenset[str]:
        """The classes, in lower case, that have to be there when this one is made or deleted."""
        found = _REFERENCE.findall(self.text)
        return frozenset(name.lower() for name in (self.superclass, *found) if name)

    def names(self) -> frozenset[str]:
        """All classes, in lower case, that it or a method of it names."""
        found = (*_ANY_REFERENCE.findall(self.text), *_EMBEDDED.findall(self.text))
        return self.needs() | {name.lower() for name in found}

    def declared(self) -> CIMClass:
        """The class with all that it inherits. Raises ServerAnswerError."""
        try:
            found: CIMClass = read_element(_as_sent(self.text).encode())
        except PywbemError as error:
            raise ServerAnswerError(f"the server's class {self.name}: {error}") from error
        return found


def _as_sent(printed: str) -> str:
    """CIM-XML without the white space that cimcli lays it out with, also around values."""
    return _AROUND_VALUES.sub(r"\1", _BETWEEN.sub("><", printed)).strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class PegasusState:
    """What there is in each namespace that there is: classes by lower-case name, and qualifiers.

    ``registered`` are the instances that belong to our module, by class.
    """

    classes: Mapping[str, Mapping[str, ServerClass]] = field(
        default_factory=lambda: MappingProxyType({})
    )
    qualifiers: Mapping[str, frozenset[str]] = field(default_factory=lambda: MappingProxyType({}))
    registered: Mapping[str, tuple[Mapping[str, Any], ...]] = field(
        default_factory=lambda: MappingProxyType({})
    )


class PegasusServer:
    """Asks the server. Everything raises ToolError and ServerAnswerError."""

    def __init__(self, tools: Tools, run: RunCommand) -> None:
        self._tools = tools
        self._run = run

    def interop_namespace(self, wished: str = "") -> str:
        """The namespace that holds the registrations of providers."""
        failures: list[ToolError] = []
        for name in (wished,) if wished else INTEROP_NAMESPACES:
            try:
                self._ask("gc", "-n", name, MODULE_CLASS)
            except ToolError as error:
                if not any(text in error.output for text in NOT_FOUND):
                    raise
                failures.append(error)
            else:
                return name
        asked = wished or ", ".join(INTEROP_NAMESPACES)
        raise ServerAnswerError(
            f"the server has no class {MODULE_CLASS} in {asked}: --interop names the namespace "
            "that holds the registrations of its providers"
        ) from failures[-1]

    def state(self, namespaces: Iterable[str], interop: str, module: str) -> PegasusState:
        """What there is in ``namespaces`` and of the registration of ``module``."""
        there = [name for name in namespaces if self._has(name)]
        return PegasusState(
            classes={name: self._classes(name) for name in there},
            qualifiers={name: self._qualifiers(name) for name in there},
            registered={
                class_name: tuple(self._registered(class_name, interop, module))
                for class_name in REGISTRATION_CLASSES
            },
        )

    def _has(self, namespace: str) -> bool:
        """Not by the server's list of namespaces, which providers of others make up, too."""
        try:
            self._ask("nc", "-n", namespace)
        except ToolError as error:
            if "CIM_ERR_INVALID_NAMESPACE" in error.output:
                return False
            raise
        return True

    def _classes(self, namespace: str) -> Mapping[str, ServerClass]:
        text = self._ask("ec", "-n", namespace, "-di", "-nlo", "-ic", "-o", "xml")
        return {
            found[1].lower(): ServerClass(name=found[1], superclass=found[2] or "", text=found[0])
            for found in _CLASS.finditer(text)
        }

    def _qualifiers(self, namespace: str) -> frozenset[str]:
        text = self._ask("eq", "-n", namespace, "-o", "xml")
        return frozenset(map(str.lower, _QUALIFIER.findall(text)))

    def _registered(
        self, class_name: str, interop: str, module: str
    ) -> Iterable[Mapping[str, Any]]:
        key = "Name" if class_name == MODULE_CLASS else "ProviderModuleName"
        for one in self._read("ei", "-n", interop, class_name):
            if isinstance(one, CIMInstance) and one.get(key) == module:
                yield {name: each.value for name, each in one.properties.items()}

    def _read(self, *words: str) -> list[Any]:
        text = _as_sent(_PATH_LINE.sub("", self._ask(*words, "-o", "xml")))
        try:
            return read_elements(f"<DECLGROUP>{text}</DECLGROUP>".encode())
        except PywbemError as error:
            asked = " ".join((self._tools.cimcli, *words))
            raise ServerAnswerError(f"what `{asked}` printed cannot be read: {error}") from error

    def _ask(self, *words: str) -> str:
        return self._run(Command(words=(self._tools.cimcli, *words)))
