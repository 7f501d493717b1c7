"""What an operation knows while it runs, and the typed parameters it was called with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from virtcim.cim.cimxml.classes import ClassEncoder
from virtcim.cim.cimxml.elements import Element
from virtcim.cim.cimxml.instances import Encoder
from virtcim.cim.cimxml.requests import IntrinsicCall
from virtcim.cim.cimxml.responses import Reply
from virtcim.cim.cimxml.values import ValueReader, shown
from virtcim.cim.declarations import Declared
from virtcim.cim.records import CimError, ObjectPath, Record, StatusCode, Value
from virtcim.cimserver.boundary import ProviderBoundary
from virtcim.cimserver.declarations import Declarations
from virtcim.cimserver.enumerations import Enumerations
from virtcim.cimserver.errors import invalid_parameter, wrong_parameters
from virtcim.cimserver.guard import Guard
from virtcim.cimserver.indications.subscriptions import SubscriptionManager
from virtcim.cimserver.limits import Limits
from virtcim.mof import Schema

__all__ = ["Arguments", "Context", "Operation", "ParameterKind", "Services"]

ParameterKind = Literal[
    "class",
    "instance",
    "object",
    "boolean",
    "string",
    "uint32",
    "strings",
    "new instance",
    "named instance",
    "value",
]

_DECLARED: dict[str, Declared] = {
    "boolean": Declared(name="", type_name="boolean"),
    "string": Declared(name="", type_name="string"),
    "uint32": Declared(name="", type_name="uint32"),
    "strings": Declared(name="", type_name="string", is_array=True),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What all operations share."""

    providers: ProviderBoundary
    schema: Schema
    declarations: Declarations
    encoder: Encoder
    classes: ClassEncoder
    enumerations: Enumerations
    limits: Limits
    property_names: frozenset[str]  # of all classes, in lower case
    subscriptions: SubscriptionManager | None = None  # None where nothing can be created


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """Who asks, in which namespace (spelled as it is declared); the same for all of his calls.

    ``providers`` are those for the reader's language, and show and do what he may see and do; what
    else changes something goes through ``guard``. ``reader`` reads paths of the namespace.
    """

    services: Services
    providers: ProviderBoundary
    namespace: str
    guard: Guard
    reader: ValueReader

    @property
    def principal(self) -> str:
        """The user who asks, empty where nobody logs in."""
        return self.guard.requester.user

    def known_class(self, name: str, status_code: int = StatusCode.INVALID_CLASS) -> str:
        """The declared spelling of a class name. Raises CimError with ``status_code``."""
        canonical = self.services.schema.canonical(name)
        if canonical is None:
            raise CimError(status_code, f"there is no class {shown(name)}")
        return canonical


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """An intrinsic operation: its parameters, which of them it needs, and what it does.

    ``around`` names the parameter with the one instance that a reading operation is about, empty
    where it is about more.
    """

    parameters: Mapping[str, ParameterKind]
    required: tuple[str, ...] = ()
    run: Callable[[Context, Arguments], Reply]
    around: str = ""
    spelled: Mapping[str, str] = field(init=False)  # the parameters by lower-case name

    def __post_init__(self) -> None:
        spelled = {name.lower(): name for name in self.parameters}
        object.__setattr__(self, "spelled", spelled)


class Arguments:
    """The parameters of one call, read and typed; names as the operation spells them."""

    def __init__(self, call: IntrinsicCall, operation: Operation, reader: ValueReader) -> None:
        given: dict[str, object] = {}
        for parameter in call.parameters:
            name = operation.spelled.get(parameter.name.lower())
            if name is None:
                raise wrong_parameters(f"{call.name} has no parameter {shown(parameter.name)}")
            if name in given:
                raise wrong_parameters(f"{name} is given twice")
            kind = operation.parameters[name]
            given[name] = _read(parameter.element, kind, reader, name)
        for name in operation.required:
            if given.get(name) is None:
                raise wrong_parameters(f"{call.name} needs {name}")
        self._given = given

    def flag(self, name: str, *, default: bool) -> bool:
        """A boolean, ``default`` where it is not given or NULL."""
        value = self._given.get(name)
        return default if value is None else bool(value)

    def text(self, name: str) -> str:
        """A string or class name, empty where it is not given or NULL."""
        value = self._given.get(name)
        return value if isinstance(value, str) else ""

    def number(self, name: str) -> int | None:
        """A number, None where it is not given or NULL."""
        value = self._given.get(name)
        return value if isinstance(value, int) else None

    def path(self, name: str) -> ObjectPath:
        """The required object path ``name``."""
        value = self._given[name]
        assert isinstance(value, ObjectPath)
        return value

    def record(self, name: str) -> Record:
        """The required instance ``name``."""
        value = self._given[name]
        assert isinstance(value, Record)
        return value

    def value(self, name: str, declared: Declared, reader: ValueReader) -> Value:
        """The value ``name`` as one of the declared type, None where it is not given or NULL."""
        element = self._given.get(name)
        return reader.value(element if isinstance(element, Element) else None, declared, name)

    def names(self, name: str) -> frozenset[str] | None:
        """A list of names in lower case, None where it is not given or NULL."""
        value = self._given.get(name)
        if not isinstance(value, list):
            return None
        return frozenset(str(one).strip().lower() for one in value)


def _read(element: Element | None, kind: ParameterKind, reader: ValueReader, name: str) -> object:
    if element is None:
        return None
    if kind == "class":
        if element.name != "CLASSNAME":
            raise invalid_parameter(f"{name} must be a CLASSNAME")
        return element.attribute("NAME")
    if kind == "new instance":
        return reader.instance(element, name)
    if kind == "named instance":
        return reader.named_instance(element, name)
    if kind == "value":
        return element
    if kind in ("instance", "object"):
        path = reader.path(element, name)
        if kind == "instance" and not path.keys:
            raise invalid_parameter(f"{name} must be the name of an instance")
        return path
    return reader.value(element, _DECLARED[kind], name)
