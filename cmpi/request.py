"""A request of a CIM server: its block, which C has made (library/interfaces.c), and the answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Protocol

from virtcim.cim.records import ObjectPath
from virtcim.cmpi.alike import AlikeForms, AlikeRun, What
from virtcim.cmpi.blocks import number_block, text_block
from virtcim.cmpi.host import HostedProviders, HostProviders
from virtcim.cmpi.reading import BlockReader, typed_path
from virtcim.cmpi.writing import BlockWriter
from virtcim.errormap import accepted_language

__all__ = [
    "REQUEST_TEXTS",
    "Call",
    "Delivery",
    "ForeignHost",
    "Operation",
    "Request",
    "Serve",
    "Session",
    "status_item",
]

#: How many texts a request has (library/interfaces.c).
REQUEST_TEXTS = 4


class Operation(IntEnum):
    """What a server asks for; the numbers are those of library/bridge.h."""

    OPEN = 0
    CLEANUP = 1
    ENUMERATE_INSTANCES = 2
    ENUMERATE_INSTANCE_NAMES = 3
    GET_INSTANCE = 4
    CREATE_INSTANCE = 5
    MODIFY_INSTANCE = 6
    DELETE_INSTANCE = 7
    EXEC_QUERY = 8
    ASSOCIATORS = 9
    ASSOCIATOR_NAMES = 10
    REFERENCES = 11
    REFERENCE_NAMES = 12
    INVOKE_METHOD = 13
    AUTHORIZE_FILTER = 14
    MUST_POLL = 15
    ACTIVATE_FILTER = 16
    DEACTIVATE_FILTER = 17
    ENABLE_INDICATIONS = 18
    DISABLE_INDICATIONS = 19


class Delivery(Protocol):
    """A way to a CIM server for threads that it did not make."""

    def deliver(self, block: bytes) -> str:
        """Deliver one indication, with its namespace; why that failed, empty where it did not."""

    def close(self) -> None:
        """Give it back; it is used no more."""


class Call(Protocol):
    """The server's side of one request."""

    def give(self, block: bytes) -> None:
        """Hand over items of an answer. Raises ServerRefusal."""

    def delivery(self) -> Delivery | None:
        """A way for other threads, None where the server has none."""

    def is_a(self, namespace: str, class_name: str, ancestor: str) -> bool | None:
        """Whether a class is another one or its subclass; None where the server cannot tell."""


@dataclass(slots=True, kw_only=True, eq=False)
class Request:
    """``texts`` are those that the operation has, empty for each that is not given.

    ``wanted`` are the properties that are wanted in lower case, None for all. Nothing of it changes
    but ``target``, which ``Session.target`` keeps with it.
    """

    operation: Operation
    principal: str
    language: str
    path: ObjectPath
    properties: list[str] | None
    texts: tuple[str, str, str, str]
    flag: int
    rest: BlockReader
    wanted: frozenset[str] | None = field(init=False)
    target: ObjectPath | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        listed = self.properties
        self.wanted = None if listed is None else frozenset(map(str.lower, listed))

    @classmethod
    def read(cls, operation: int, block: bytes, interop: str = "") -> Request:
        """Read a block; what a client can put into it does no harm.

        ``interop`` is what the server calls its interop namespace, if not as we do.
        """
        reader = BlockReader(block, interop)
        principal, languages = reader.text() or "", reader.text() or ""
        return cls(
            operation=Operation(operation),
            principal=principal,
            language=accepted_language(languages),
            path=reader.path(),
            properties=reader.texts(),
            texts=(
                reader.text() or "",
                reader.text() or "",
                reader.text() or "",
                reader.text() or "",
            ),
            flag=reader.number(),
            rest=reader,
        )


@dataclass(slots=True, kw_only=True, eq=False)
class Session:
    """What an operation works with: the providers for its reader, and how answers are written."""

    host: HostedProviders
    providers: HostProviders
    writer: BlockWriter
    alike: AlikeForms
    call: Call

    def target(self, request: Request) -> ObjectPath:
        """What the request is about, with keys of their declared types. Raises MisfitError."""
        found = request.target
        if found is None:
            found = request.target = typed_path(request.path, self.host.declarations)
        return found

    def run(self, what: What, request: Request) -> AlikeRun:
        """What gives instances or names that are alike together."""
        return AlikeRun(what, self.alike, request.wanted, request.path.namespace)


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignHost:
    """Providers with an interface of their own, which are handed every request as it is.

    ``serve`` takes the server's side, the request, and whether the server takes embedded instances
    as objects; it raises what keeps it from an answer. ``may_unload`` says whether the server may
    unload them now; ``incident`` and ``close`` are those of ``HostedProviders``.
    """

    serve: Callable[[Call, Request, bool], None]
    may_unload: Callable[[], bool]
    incident: Callable[[str, BaseException], str]
    close: Callable[[], None]


#: An operation: it hands its answer over with ``Session.call``, and raises what keeps it from that.
Serve = Callable[[Session, Request], None]


def status_item(code: int, text: str | None = None) -> bytes:
    """The status of the whole request, for ``Call.give``."""
    return b"s" + number_block(code) + text_block(text)
