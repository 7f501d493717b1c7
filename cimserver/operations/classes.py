"""Reading classes and qualifier declarations (DSP0200 "GetClass" and "GetQualifier")."""

from __future__ import annotations

from virtcim.cim.cimxml.classes import ClassSelection
from virtcim.cim.cimxml.responses import Reply
from virtcim.cim.cimxml.values import shown
from virtcim.cim.records import CimError, StatusCode
from virtcim.cimserver.operations.call import Arguments, Context, Operation, ParameterKind

__all__ = ["OPERATIONS"]

_VIEW: dict[str, ParameterKind] = {
    "LocalOnly": "boolean",
    "IncludeQualifiers": "boolean",
    "IncludeClassOrigin": "boolean",
}


def _selection(context: Context, arguments: Arguments) -> ClassSelection:
    wanted = arguments.names("PropertyList")
    return ClassSelection(
        local_only=arguments.flag("LocalOnly", default=True),
        qualifiers=arguments.flag("IncludeQualifiers", default=True),
        class_origin=arguments.flag("IncludeClassOrigin", default=False),
        property_list=None if wanted is None else wanted & context.services.property_names,
    )


def _get_class(context: Context, arguments: Arguments) -> Reply:
    name = context.known_class(arguments.text("ClassName"), StatusCode.NOT_FOUND)
    declaration = context.services.classes.declaration(name, _selection(context, arguments))
    return Reply(result=[declaration])


def _subclasses(context: Context, arguments: Arguments) -> tuple[str, ...]:
    name = arguments.text("ClassName")
    if name:
        name = context.known_class(name)
    deep = arguments.flag("DeepInheritance", default=False)
    return context.services.schema.subclasses(name, deep=deep)


def _enumerate_classes(context: Context, arguments: Arguments) -> Reply:
    wanted, classes = _selection(context, arguments), context.services.classes
    return Reply(
        result=[classes.declaration(name, wanted) for name in _subclasses(context, arguments)]
    )


def _enumerate_class_names(context: Context, arguments: Arguments) -> Reply:
    names = _subclasses(context, arguments)
    return Reply(result=[f'<CLASSNAME NAME="{name}"/>'.encode() for name in names])


def _get_qualifier(context: Context, arguments: Arguments) -> Reply:
    name = arguments.text("QualifierName")
    declared = context.services.schema.qualifiers.get(name.lower())
    if declared is None:
        raise CimError(StatusCode.NOT_FOUND, f"there is no qualifier {shown(name)}")
    return Reply(result=[context.services.classes.qualifier(declared)])


def _enumerate_qualifiers(context: Context, _: Arguments) -> Reply:
    declared, classes = context.services.schema.qualifiers, context.services.classes
    return Reply(result=[classes.qualifier(one) for one in declared.values()])


OPERATIONS: dict[str, Operation] = {
    "GetClass": Operation(
        parameters={"ClassName": "class", "PropertyList": "strings", **_VIEW},
        required=("ClassName",),
        run=_get_class,
    ),
    "EnumerateClasses": Operation(
        parameters={"ClassName": "class", "DeepInheritance": "boolean", **_VIEW},
        run=_enumerate_classes,
    ),
    "EnumerateClassNames": Operation(
        parameters={"ClassName": "class", "DeepInheritance": "boolean"},
        run=_enumerate_class_names,
    ),
    "GetQualifier": Operation(
        parameters={"QualifierName": "string"}, required=("QualifierName",), run=_get_qualifier
    ),
    "EnumerateQualifiers": Operation(parameters={}, run=_enumerate_qualifiers),
}
