"""What crosses the provider boundary: object paths, records, method results and CIM errors.

Property values are plain Python: ``None``, ``bool``, ``int``, ``float``, ``str``, aware
``datetime``, ``timedelta``, ``ObjectPath`` (a reference), ``Record`` (an embedded instance), or a
list of one of these. The CIM type of a value is that of its declaration in the schema; the host
looks it up there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, ClassVar, Literal, Protocol

from virtcim.errormap import ENGLISH

__all__ = [
    "AssociationForm",
    "AssociationKind",
    "AssociationRecord",
    "CimError",
    "FormedPath",
    "Keeping",
    "KeptText",
    "KeyPieces",
    "MethodResult",
    "NameForm",
    "ObjectPath",
    "Record",
    "RecordList",
    "Scalar",
    "StatusCode",
    "Value",
]


class ObjectPath:
    """The name of an instance, or of a class where it has no keys (DSP0004 "Object Paths").

    Class and key names compare without regard to case, as DSP0004 demands; hashable. A path is
    never changed after it was made; whoever writes it may keep the texts with it.
    """

    __slots__ = (
        "_identity",
        "class_name",
        "encoded_name",
        "encoded_reference",
        "keys",
        "namespace",
    )

    class_name: str
    keys: tuple[tuple[str, KeyValue], ...]
    namespace: str

    def __init__(
        self, class_name: str, keys: Mapping[str, KeyValue] | None = None, *, namespace: str = ""
    ) -> None:
        self.class_name = class_name
        self.keys = tuple((keys or {}).items())
        self.namespace = namespace
        # Most paths are only written, never compared.
        self._identity: tuple[object, ...] = ()
        self.encoded_name = self.encoded_reference = ""

    def key(self, name: str) -> KeyValue | None:
        """The value of the key ``name`` (in any case), None where there is no such key."""
        wanted = name.lower()
        return next((value for key, value in self.keys if key.lower() == wanted), None)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ObjectPath) and self._folded() == other._folded()

    def __hash__(self) -> int:
        return hash(self._folded())

    def _folded(self) -> tuple[object, ...]:
        """Equal for paths that are equal."""
        if not self._identity:
            keys = tuple(sorted((name.lower(), value) for name, value in self.keys))
            self._identity = (self.namespace.lower(), self.class_name.lower(), keys)
        return self._identity

    def __repr__(self) -> str:
        keys = ",".join(f"{name}={value!r}" for name, value in self.keys)
        return f"{self.namespace}:{self.class_name}" + (f".{keys}" if keys else "")


# What a key is put together of: texts, and the places of values among those that tell an instance
# from others.
KeyPieces = Sequence[str | int]


class NameForm:
    """What the names of many instances have in common: those of one class in one namespace.

    ``keys`` says for each of them, in order, what it is put together of. Whoever writes such names
    may keep in ``encoded`` what is the same in all of their texts, with the place of the value
    that goes into each gap.
    """

    __slots__ = ("class_name", "encoded", "keys", "namespace")

    def __init__(self, class_name: str, keys: Mapping[str, KeyPieces], *, namespace: str) -> None:
        self.class_name = class_name
        self.keys = keys
        self.namespace = namespace
        self.encoded: tuple[list[str], Sequence[int]] | None = None


class FormedPath(ObjectPath):
    """The name of an instance by what all of its class have in common, and its own ``parts``.

    Most names are only written, for which this is enough: the keys are there when they are first
    asked for.
    """

    __slots__ = ("form", "parts")

    def __init__(self, form: NameForm, parts: tuple[str, ...]) -> None:
        # Not that of ObjectPath: there are thousands of them in an answer.
        self.form = form
        self.parts = parts

    def __getattr__(self, name: str) -> Any:
        """Compute what is not there: Python asks for nothing else."""
        found: object
        if name == "keys":
            parts = self.parts
            found = tuple(
                (key, "".join(one if isinstance(one, str) else parts[one] for one in pieces))
                for key, pieces in self.form.keys.items()
            )
        elif name in ("class_name", "namespace"):
            found = getattr(self.form, name)
        elif name in ("encoded_name", "encoded_reference"):
            found = ""
        elif name == "_identity":
            found = ()
        else:
            raise AttributeError(name)
        setattr(self, name, found)
        return found


# What whoever writes a record may keep with it: its text, what makes it differ from others like it,
# or nothing, as there will be no second time.
Keeping = Literal["text", "differences", "nothing"]


class KeptText(Protocol):
    """The text of a record by one writer, as what makes it differ from others."""

    @property
    def writer(self) -> object:
        """Who has written it."""

    @property
    def further(self) -> KeptText | None:
        """What others have written."""

    @property
    def number(self) -> int:
        """How many there are, with this one."""

    @property
    def size_bytes(self) -> int:
        """How much memory it takes, about."""

    def text(self) -> bytes:
        """The whole text."""


class Record:
    """One CIM instance: its class, its name, and its property values by declared property name.

    Properties without an entry are NULL. A record is never changed after it was made; whoever
    writes it may keep the texts in ``encoded``, by the writer, or in ``differences``, as
    ``keeping`` says.
    """

    __slots__ = ("class_name", "differences", "encoded", "path", "values")

    keeping: ClassVar[Keeping] = "text"

    def __init__(
        self, class_name: str, values: Mapping[str, Value], path: ObjectPath | None = None
    ) -> None:
        self.class_name = class_name
        self.values = values
        self.path = path
        self.encoded: dict[object, bytes] | None = None
        self.differences: KeptText | None = None

    def release(self) -> None:
        """The text is kept, and the values will hardly be needed: forget what can be had again."""

    def __iter__(self) -> Iterator[str]:
        return iter(self.values)

    def __repr__(self) -> str:
        return f"Record({self.path or self.class_name!r})"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AssociationKind:
    """A class of associations in one namespace; ``roles`` are the names of its two references."""

    class_name: str
    roles: tuple[str, str]
    namespace: str
    _forms: dict[tuple[NameForm, NameForm], AssociationForm] = field(
        init=False, default_factory=dict, repr=False
    )

    def form(self, first: NameForm, second: NameForm) -> AssociationForm:
        """What those have in common whose ends have such names; the same object every time."""
        form = self._forms.get((first, second))
        if form is None:
            form = self._forms.setdefault((first, second), AssociationForm(self, (first, second)))
        return form


class AssociationForm:
    """What many associations of one kind have in common: the forms of the names of their ends."""

    __slots__ = ("kind", "names")

    def __init__(self, kind: AssociationKind, names: tuple[NameForm, NameForm]) -> None:
        self.kind = kind
        self.names = names


class AssociationRecord(Record):
    """An association between two instances, made for one answer: its references are its keys.

    ``first`` and ``second`` are the parts of the names of its ends, ``further`` the other
    properties without those that are NULL. Its name and its values, in which the names of the ends
    are, are put together for whoever wants them.
    """

    __slots__ = ("first", "form", "further", "second")

    keeping: ClassVar[Keeping] = "nothing"

    def __init__(
        self,
        form: AssociationForm,
        first: tuple[str, ...],
        second: tuple[str, ...],
        further: Mapping[str, Value],
    ) -> None:
        # Not that of Record: there are thousands of them in an answer, which is all they are for.
        self.form = form
        self.first = first
        self.second = second
        self.further = further

    def __getattr__(self, name: str) -> Any:
        """Compute what is not there: Python asks for nothing else."""
        found: object
        kind = self.form.kind
        if name == "values":
            found = {**self._references(), **self.further}
        elif name == "path":
            found = ObjectPath(kind.class_name, self._references(), namespace=kind.namespace)
        elif name == "class_name":
            found = kind.class_name
        elif name in ("encoded", "differences"):
            found = None
        else:
            raise AttributeError(name)
        setattr(self, name, found)
        return found

    @property
    def ends(self) -> tuple[object, ...]:
        """What tells it from all others of its namespace, without its name."""
        return self.form, self.first, self.second

    def _references(self) -> dict[str, ObjectPath]:
        (one, other), (first, second) = self.form.kind.roles, self.form.names
        return {one: FormedPath(first, self.first), other: FormedPath(second, self.second)}


class RecordList(list[Record]):
    """The instances of a class at one moment, in one list as long as they stay the same.

    It is never changed after it was made; whoever writes it may keep the text in ``encoded``, by
    the writer.
    """

    __slots__ = ("encoded",)

    def __init__(self, records: Iterable[Record]) -> None:
        super().__init__(records)
        self.encoded: dict[object, Sequence[bytes]] = {}


KeyValue = bool | int | str | ObjectPath
Scalar = bool | int | float | str | datetime | timedelta | ObjectPath | Record
Value = Scalar | Sequence[Scalar] | None


class StatusCode:
    """The CIM status codes that providers and hosts use (DSP0200 "Status Codes")."""

    FAILED = 1
    ACCESS_DENIED = 2
    INVALID_NAMESPACE = 3
    INVALID_PARAMETER = 4
    INVALID_CLASS = 5
    NOT_FOUND = 6
    NOT_SUPPORTED = 7
    CLASS_HAS_CHILDREN = 8
    CLASS_HAS_INSTANCES = 9
    INVALID_SUPERCLASS = 10
    ALREADY_EXISTS = 11
    NO_SUCH_PROPERTY = 12
    TYPE_MISMATCH = 13
    QUERY_LANGUAGE_NOT_SUPPORTED = 14
    INVALID_QUERY = 15
    METHOD_NOT_AVAILABLE = 16
    METHOD_NOT_FOUND = 17
    NAMESPACE_NOT_EMPTY = 20
    INVALID_ENUMERATION_CONTEXT = 21
    INVALID_OPERATION_TIMEOUT = 22
    PULL_HAS_BEEN_ABANDONED = 23
    PULL_CANNOT_BE_ABANDONED = 24
    FILTERED_ENUMERATION_NOT_SUPPORTED = 25
    CONTINUATION_ON_ERROR_NOT_SUPPORTED = 26
    SERVER_LIMITS_EXCEEDED = 27
    SERVER_IS_SHUTTING_DOWN = 28


class CimError(Exception):
    """A CIM operation failed: status code, description, and CIM_Error records if any.

    ``language`` is that of the texts.
    """

    def __init__(
        self,
        status_code: int,
        description: str,
        *,
        errors: tuple[Record, ...] = (),
        language: str = ENGLISH,
    ) -> None:
        super().__init__(status_code, description)
        self.status_code = status_code
        self.description = description
        self.errors = errors
        self.language = language

    def in_language(self, language: str) -> CimError:  # noqa: ARG002 - for those that can
        """The failure in ``language``; itself where there is nothing to translate."""
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodResult:
    """What an extrinsic method gave: its return value and its output parameters by name."""

    return_value: Value
    output: Mapping[str, Value] = field(default_factory=dict)
