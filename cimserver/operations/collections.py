"""The operations that give many objects: all instances of a class, and the associations.

One table of sources serves both forms of each operation: the plain one, and the one that opens an
enumeration (DSP0200 "Pulled Enumeration Operations"), which writes the same objects another way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from virtcim.cim.cimxml.instances import Encoder, Form, Selection
from virtcim.cim.cimxml.paths import instance_name
from virtcim.cim.cimxml.responses import Reply
from virtcim.cim.cimxml.values import shown
from virtcim.cim.errors import EncodingError
from virtcim.cim.records import ObjectPath, Record, RecordList
from virtcim.cimserver.boundary import AssociatorFilters, ReferenceFilters
from virtcim.cimserver.enumerations import PullKind
from virtcim.cimserver.errors import invalid_parameter
from virtcim.cimserver.operations.call import Arguments, Context, Operation, ParameterKind
from virtcim.cimserver.operations.class_associations import (
    class_associators,
    class_references,
    written_class_names,
    written_classes,
)
from virtcim.cimserver.operations.pull import OPEN_PARAMETERS, opened, refuse_filters

__all__ = ["OPERATIONS", "selection"]

Writer = Callable[[Any], bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Source:
    """Where the objects of an operation come from: of a class, or around an instance.

    ``find`` gets the name of the parameter that says where to start.
    """

    plain: str
    pull: str
    of_class: bool = False
    parameters: Mapping[str, ParameterKind]
    gives_paths: bool
    find: Callable[[Context, Arguments, str], Iterable[Record] | Iterable[ObjectPath]]


_INSTANCE_VIEW: dict[str, ParameterKind] = {
    "IncludeClassOrigin": "boolean",
    "PropertyList": "strings",
}
_OLD_VIEW: dict[str, ParameterKind] = {"LocalOnly": "boolean", "IncludeQualifiers": "boolean"}
_ASSOCIATORS: dict[str, ParameterKind] = {
    "AssocClass": "class",
    "ResultClass": "class",
    "Role": "string",
    "ResultRole": "string",
}
_REFERENCES: dict[str, ParameterKind] = {"ResultClass": "class", "Role": "string"}


_EVERYTHING = Selection()


def selection(context: Context, arguments: Arguments, as_class: str = "") -> Selection:
    """What of the instances the client wants to see; names that no class declares are ignored."""
    wanted = arguments.names("PropertyList")
    class_origin = arguments.flag("IncludeClassOrigin", default=False)
    if wanted is None and not (as_class or class_origin):
        return _EVERYTHING
    return Selection(
        property_list=None if wanted is None else wanted & context.services.property_names,
        as_class=as_class,
        class_origin=class_origin,
    )


def _instances(context: Context, arguments: Arguments, start: str) -> Iterable[Record]:
    class_name = context.known_class(arguments.text(start))
    return context.providers.enumerate_instances(context.namespace, class_name)


def _instance_names(context: Context, arguments: Arguments, start: str) -> Iterable[ObjectPath]:
    found = _instances(context, arguments, start)
    return [*map(_path, found)] if isinstance(found, RecordList) else map(_path, found)


def _path(record: Record) -> ObjectPath:
    if record.path is None:
        raise EncodingError(f"an instance of {record.class_name} has no path")
    return record.path


def _reference_filters(context: Context, arguments: Arguments) -> ReferenceFilters:
    return {
        "result_class": _known(context, arguments, "ResultClass"),
        "role": arguments.text("Role"),
    }


def _associator_filters(context: Context, arguments: Arguments) -> AssociatorFilters:
    return {
        "assoc_class": _known(context, arguments, "AssocClass"),
        "result_role": arguments.text("ResultRole"),
        **_reference_filters(context, arguments),
    }


def _known(context: Context, arguments: Arguments, name: str) -> str:
    """The class that parameter ``name`` gives, empty where it gives none."""
    given = arguments.text(name)
    if given and context.services.schema.canonical(given) is None:
        # DSP0200 has no invalid class for the operations on associations.
        raise invalid_parameter(f"{name}: there is no class {shown(given)}")
    return given


def _associators(context: Context, arguments: Arguments, start: str) -> list[Record]:
    filters = _associator_filters(context, arguments)
    return context.providers.associators(arguments.path(start), **filters)


def _associator_names(context: Context, arguments: Arguments, start: str) -> list[ObjectPath]:
    filters = _associator_filters(context, arguments)
    return context.providers.associator_names(arguments.path(start), **filters)


def _references(context: Context, arguments: Arguments, start: str) -> list[Record]:
    filters = _reference_filters(context, arguments)
    return context.providers.references(arguments.path(start), **filters)


def _reference_names(context: Context, arguments: Arguments, start: str) -> list[ObjectPath]:
    filters = _reference_filters(context, arguments)
    return context.providers.reference_names(arguments.path(start), **filters)


_SOURCES = (
    _Source(
        plain="EnumerateInstances",
        pull="OpenEnumerateInstances",
        of_class=True,
        parameters={"DeepInheritance": "boolean", **_INSTANCE_VIEW},
        gives_paths=False,
        find=_instances,
    ),
    _Source(
        plain="EnumerateInstanceNames",
        pull="OpenEnumerateInstancePaths",
        of_class=True,
        parameters={},
        gives_paths=True,
        find=_instance_names,
    ),
    _Source(
        plain="Associators",
        pull="OpenAssociatorInstances",
        parameters={**_ASSOCIATORS, **_INSTANCE_VIEW},
        gives_paths=False,
        find=_associators,
    ),
    _Source(
        plain="AssociatorNames",
        pull="OpenAssociatorInstancePaths",
        parameters=_ASSOCIATORS,
        gives_paths=True,
        find=_associator_names,
    ),
    _Source(
        plain="References",
        pull="OpenReferenceInstances",
        parameters={**_REFERENCES, **_INSTANCE_VIEW},
        gives_paths=False,
        find=_references,
    ),
    _Source(
        plain="ReferenceNames",
        pull="OpenReferenceInstancePaths",
        parameters=_REFERENCES,
        gives_paths=True,
        find=_reference_names,
    ),
)


def _plain_operation(source: _Source) -> Operation:
    start = "ClassName" if source.of_class else "ObjectName"

    def run(context: Context, arguments: Arguments) -> Reply:
        if not source.of_class and not arguments.path(start).keys:
            return _of_class(source, context, arguments)
        found = source.find(context, arguments, start)
        wanted = _selection(source, context, arguments, start)
        if isinstance(found, RecordList) and source.of_class:
            writer = context.services.encoder.writer("VALUE.NAMEDINSTANCE", wanted)
            return Reply(result=writer.all_of(found))
        return Reply(result=_written(source, context, wanted, found))

    old = {} if source.gives_paths else _OLD_VIEW
    return Operation(
        parameters={start: "class" if source.of_class else "object", **source.parameters, **old},
        required=(start,),
        run=run,
        around="" if source.of_class else start,
    )


def _open_operation(source: _Source) -> Operation:
    start = "ClassName" if source.of_class else "InstanceName"
    kind: PullKind = "PullInstancePaths" if source.gives_paths else "PullInstancesWithPath"

    def run(context: Context, arguments: Arguments) -> Reply:
        refuse_filters(arguments)

        def find() -> Iterable[Record] | Iterable[ObjectPath]:
            return source.find(context, arguments, start)

        write = _pull_writer(source, context, _selection(source, context, arguments, start))
        return opened(context, arguments, kind, find, write)

    return Operation(
        parameters={
            start: "class" if source.of_class else "instance",
            **source.parameters,
            **OPEN_PARAMETERS,
        },
        required=(start,),
        run=run,
    )


def _selection(source: _Source, context: Context, arguments: Arguments, start: str) -> Selection:
    if source.of_class and not arguments.flag("DeepInheritance", default=True):
        return selection(context, arguments, context.known_class(arguments.text(start)))
    return selection(context, arguments)


def _of_class(source: _Source, context: Context, arguments: Arguments) -> Reply:
    class_name = arguments.path("ObjectName").class_name
    schema = context.services.schema
    if "AssocClass" in source.parameters:
        names = class_associators(schema, class_name, **_associator_filters(context, arguments))
    else:
        names = class_references(schema, class_name, **_reference_filters(context, arguments))
    if source.gives_paths:
        return Reply(result=written_class_names(context, names))
    return Reply(result=written_classes(context, arguments, names))


def _written(
    source: _Source, context: Context, wanted: Selection, found: Iterable[Any]
) -> Iterable[bytes]:
    """What the plain operation gives of what was found."""
    encoder = context.services.encoder
    if source.gives_paths:
        write = _written_name if source.of_class else _written_path(encoder)
        return map(write, found)
    form: Form = "VALUE.NAMEDINSTANCE" if source.of_class else "VALUE.OBJECTWITHPATH"
    return encoder.writer(form, wanted).of_many(found)


def _written_path(encoder: Encoder) -> Writer:
    return lambda path: f"<OBJECTPATH>{encoder.instance_path(path)}</OBJECTPATH>".encode()


def _pull_writer(source: _Source, context: Context, wanted: Selection) -> Writer:
    encoder = context.services.encoder
    if source.gives_paths:
        return lambda path: encoder.instance_path(path).encode()
    return encoder.writer("VALUE.INSTANCEWITHPATH", wanted).in_list


def _written_name(path: ObjectPath) -> bytes:
    return (path.encoded_name or instance_name(path)).encode()


OPERATIONS: dict[str, Operation] = {
    **{source.plain: _plain_operation(source) for source in _SOURCES},
    **{source.pull: _open_operation(source) for source in _SOURCES},
}
