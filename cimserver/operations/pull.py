"""Opening, pulling and closing enumerations (DSP0200 "Pulled Enumeration Operations")."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from virtcim.cim.cimxml.responses import Reply, output_parameter
from virtcim.cim.cimxml.values import shown
from virtcim.cim.records import CimError, StatusCode
from virtcim.cimserver.enumerations import Enumeration, PullKind
from virtcim.cimserver.errors import invalid_parameter
from virtcim.cimserver.operations.call import Arguments, Context, Operation, ParameterKind

__all__ = ["OPEN_PARAMETERS", "OPERATIONS", "opened", "refuse_filters"]

OPEN_PARAMETERS: dict[str, ParameterKind] = {
    "FilterQueryLanguage": "string",
    "FilterQuery": "string",
    "OperationTimeout": "uint32",
    "ContinueOnError": "boolean",
    "MaxObjectCount": "uint32",
}
# The query languages that exist for filters, though filters are not supported here.
_FILTER_LANGUAGES = ("dmtf:fql", "dmtf:cql", "wql")


def opened(
    context: Context,
    arguments: Arguments,
    kind: PullKind,
    find: Callable[[], Iterable[object]],
    write: Callable[[Any], bytes],
) -> Reply:
    """Open an enumeration of what ``find`` gives, and answer with its first objects."""
    if arguments.flag("ContinueOnError", default=False):
        raise CimError(
            StatusCode.CONTINUATION_ON_ERROR_NOT_SUPPORTED, "ContinueOnError is not supported"
        )
    count = _object_count(context, arguments)
    timeout_s = context.services.enumerations.timeout_s(arguments.number("OperationTimeout"))
    enumeration = Enumeration(
        kind=kind,
        principal=context.principal,
        client=context.guard.requester.client,
        namespace=context.namespace,
        timeout_s=timeout_s,
        objects=find(),
        write=write,
        count=lambda: sum(1 for _ in find()),
    )
    texts = enumeration.take(count)
    if enumeration.is_over:
        return _answer(texts, None)
    return _answer(texts, context.services.enumerations.add(enumeration))


def refuse_filters(arguments: Arguments) -> None:
    """Refuse to open an enumeration of what a query lets through. Raises CimError."""
    language, query = arguments.text("FilterQueryLanguage"), arguments.text("FilterQuery")
    if language and language.lower() not in _FILTER_LANGUAGES:
        raise CimError(
            StatusCode.QUERY_LANGUAGE_NOT_SUPPORTED,
            f"the query language {shown(language)} is not supported",
        )
    if language or query:
        raise CimError(
            StatusCode.FILTERED_ENUMERATION_NOT_SUPPORTED, "FilterQuery is not supported"
        )


def _object_count(context: Context, arguments: Arguments) -> int:
    """How many objects to give now; a server may always give fewer than the client asks for."""
    wanted = arguments.number("MaxObjectCount") or 0
    return min(wanted, context.services.limits.objects_per_pull)


def _pull_operation(kind: PullKind) -> Operation:
    def run(context: Context, arguments: Arguments) -> Reply:
        handle = arguments.text("EnumerationContext")
        enumerations = context.services.enumerations
        enumeration = enumerations.find(handle, context.principal, context.namespace)
        if enumeration.kind != kind:
            raise invalid_parameter(f"the enumeration is pulled with {enumeration.kind}")
        with enumeration.lock:
            texts = enumeration.take(_object_count(context, arguments))
            if not enumeration.is_over:
                enumerations.count_again(handle)
                return _answer(texts, handle)
        enumerations.remove(handle)
        return _answer(texts, None)

    return Operation(
        parameters={"EnumerationContext": "string", "MaxObjectCount": "uint32"},
        required=("EnumerationContext", "MaxObjectCount"),
        run=run,
    )


def _close(context: Context, arguments: Arguments) -> Reply:
    """An administrator may also close what another user holds open."""
    handle = arguments.text("EnumerationContext")
    enumerations = context.services.enumerations
    of_anybody = context.guard.administers(context.namespace)
    enumerations.find(handle, None if of_anybody else context.principal, context.namespace)
    enumerations.remove(handle)
    return Reply(result=None)


def _count(context: Context, arguments: Arguments) -> Reply:
    handle = arguments.text("EnumerationContext")
    found = context.services.enumerations.find(handle, context.principal, context.namespace)
    with found.lock:
        return Reply(result=[f"<VALUE>{found.remaining()}</VALUE>".encode()])


def _answer(texts: Sequence[bytes], handle: str | None) -> Reply:
    ended = "TRUE" if handle is None else "FALSE"
    return Reply(
        result=texts,
        outputs=(
            output_parameter("EnumerationContext", "string", f"<VALUE>{handle or ''}</VALUE>"),
            output_parameter("EndOfSequence", "boolean", f"<VALUE>{ended}</VALUE>"),
        ),
    )


_HANDLE: dict[str, ParameterKind] = {"EnumerationContext": "string"}

OPERATIONS: dict[str, Operation] = {
    "PullInstancesWithPath": _pull_operation("PullInstancesWithPath"),
    "PullInstancePaths": _pull_operation("PullInstancePaths"),
    "PullInstances": _pull_operation("PullInstances"),
    "CloseEnumeration": Operation(parameters=_HANDLE, required=("EnumerationContext",), run=_close),
    "EnumerationCount": Operation(parameters=_HANDLE, required=("EnumerationContext",), run=_count),
}
