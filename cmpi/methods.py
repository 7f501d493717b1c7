"""The method interface: methods by their declarations (DSP0200 "Extrinsic Method Invocation")."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from virtcim.cim.declarations import DeclaredClasses, DeclaredMethod
from virtcim.cim.errors import EncodingError
from virtcim.cim.records import CimError, MethodResult, StatusCode, Value
from virtcim.cmpi.blocks import text_block
from virtcim.cmpi.reading import typed_value
from virtcim.cmpi.request import Operation, Request, Serve, Session
from virtcim.providers import ErrorCode, failure

__all__ = ["METHOD_OPERATIONS", "declared_method", "typed_parameters"]

_SHOWN_CHARACTERS = 80


def _invoke_method(session: Session, request: Request) -> None:
    target, declarations = session.target(request), session.host.declarations
    method = declared_method(declarations, target.class_name, request.texts[0])
    namespace = request.path.namespace
    parameters = typed_parameters(request.rest.values(), method, declarations, namespace)
    result = session.providers.invoke_method(target, method.name, parameters)
    session.call.give(_answer(session, namespace, method, result))


def declared_method(declarations: DeclaredClasses, class_name: str, name: str) -> DeclaredMethod:
    """A method of a class. Raises CimError where it has no such method."""
    method = None
    if declarations.canonical(class_name) is not None:
        method = declarations.method(class_name, name)
    if method is None:
        shown = repr(name[:_SHOWN_CHARACTERS])
        raise CimError(StatusCode.METHOD_NOT_FOUND, f"{class_name} has no method {shown}")
    return method


def typed_parameters(
    values: Iterable[tuple[str, Value]],
    method: DeclaredMethod,
    declarations: DeclaredClasses,
    namespace: str,
) -> dict[str, Value]:
    """What a method is given, as it is declared. Raises CimError and MisfitError."""
    given: dict[str, Value] = {}
    for name, value in values:
        declared = method.parameters.get(name.lower())
        if declared is None:
            shown = repr(name[:_SHOWN_CHARACTERS])
            raise failure(ErrorCode.ERR_INVALID_PARM_NUM, f"{method.name} has no parameter {shown}")
        typed = typed_value(value, declared, declarations, namespace)
        if declared.is_input:
            given[declared.name] = typed
        elif typed is not None:
            raise failure(
                ErrorCode.ERR_INVALID_PARM_NUM,
                f"{declared.name} of {method.name} is only an output",
            )
    return given


def _answer(
    session: Session, namespace: str, method: DeclaredMethod, result: MethodResult
) -> bytes:
    items: list[bytes] = []
    for name, value in result.output.items():
        declared = method.parameters.get(name.lower())
        if declared is None or not declared.is_output:
            raise EncodingError(f"{method.name} declares no output parameter {name!r}")
        if value is not None:
            written = session.writer.value(value, declared, namespace)
            items.append(b"o" + text_block(declared.name) + written)
    if result.return_value is not None:
        items.append(b"v" + session.writer.value(result.return_value, method.returns, namespace))
    return b"".join([*items, b"d"])


METHOD_OPERATIONS: Mapping[Operation, Serve] = MappingProxyType(
    {Operation.INVOKE_METHOD: _invoke_method}
)
