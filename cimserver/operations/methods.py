"""Calling a method of a class on an instance or on the class.

DSP0200 "Extrinsic Method Invocation".
"""

from __future__ import annotations

from virtcim.cim.cimxml.instances import Encoder
from virtcim.cim.cimxml.requests import MethodCall
from virtcim.cim.cimxml.responses import Reply, output_parameter
from virtcim.cim.cimxml.values import ValueReader, shown
from virtcim.cim.declarations import Declared, DeclaredMethod
from virtcim.cim.errors import EncodingError
from virtcim.cim.records import CimError, MethodResult, StatusCode, Value
from virtcim.cimserver.errors import wrong_parameters
from virtcim.cimserver.operations.call import Context

__all__ = ["invoke_method"]


def invoke_method(context: Context, call: MethodCall) -> Reply:
    """Call a method with parameters of the types that it declares. Raises CimError."""
    services = context.services
    reader = context.reader
    target = reader.path(call.target, "the target")
    method = services.declarations.method(target.class_name, call.name)
    if method is None:
        raise CimError(
            StatusCode.METHOD_NOT_FOUND, f"{target.class_name} has no method {shown(call.name)}"
        )
    parameters = _parameters(call, method, reader)
    result = context.providers.invoke_method(target, method.name, parameters)
    return _reply(services.encoder, method, result)


def _parameters(call: MethodCall, method: DeclaredMethod, reader: ValueReader) -> dict[str, Value]:
    given: dict[str, Value] = {}
    for parameter in call.parameters:
        declared = method.parameters.get(parameter.name.lower())
        if declared is None:
            raise wrong_parameters(f"{method.name} has no parameter {shown(parameter.name)}")
        if declared.name in given:
            raise wrong_parameters(f"{declared.name} is given twice")
        value = reader.value(parameter.element, declared, declared.name)
        if declared.is_input:
            given[declared.name] = value
        elif value is not None:
            raise wrong_parameters(f"{declared.name} of {method.name} is only an output")
    return given


def _reply(encoder: Encoder, method: DeclaredMethod, result: MethodResult) -> Reply:
    """Write what a method gave; a NULL output is left out, as wbemcli dies of an empty one."""
    outputs: list[str] = []
    for name, value in result.output.items():
        declared = method.parameters.get(name.lower())
        if declared is None or not declared.is_output:
            raise EncodingError(f"{method.name} declares no output parameter {name!r}")
        if value is not None:
            outputs.append(_output(encoder, declared, value))
    if result.return_value is None:
        return Reply(result=None, outputs=outputs)
    text = encoder.value(result.return_value, method.returns)
    embedded = ' EmbeddedObject="instance"' if method.returns.is_embedded else ""
    head = f'<RETURNVALUE PARAMTYPE="{method.returns.type_name}"{embedded}>'
    return Reply(result=[f"{head}{text}</RETURNVALUE>".encode()], outputs=outputs)


def _output(encoder: Encoder, declared: Declared, value: Value) -> str:
    text = encoder.value(value, declared)
    return output_parameter(
        declared.name, declared.type_name, text, is_embedded=declared.is_embedded
    )
