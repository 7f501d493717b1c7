"""The association operations on a class: what declarations say (DSP0200 "Associators")."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pywbem import CIMClass

from virtcim.cim.cimxml.classes import ClassSelection
from virtcim.cimserver.operations.call import Arguments, Context
from virtcim.mof import Schema

__all__ = ["class_associators", "class_references", "written_class_names", "written_classes"]


def class_references(
    schema: Schema, class_name: str, *, result_class: str = "", role: str = ""
) -> list[str]:
    """The association classes that can refer to instances of a class."""
    return sorted({found.classname for found, _ in _ends(schema, class_name, result_class, role)})


def class_associators(
    schema: Schema,
    class_name: str,
    *,
    assoc_class: str = "",
    result_class: str = "",
    role: str = "",
    result_role: str = "",
) -> list[str]:
    """The classes at the other ends of the associations that can refer to a class."""
    found: set[str] = set()
    for association, near in _ends(schema, class_name, assoc_class, role):
        for far in association.properties.values():
            if far.type != "reference" or far.name == near:
                continue
            if result_role and far.name.lower() != result_role.lower():
                continue
            if not result_class or schema.is_a(far.reference_class, result_class):
                found.add(far.reference_class)
    return sorted(found)


def _ends(
    schema: Schema, class_name: str, association: str, role: str
) -> Iterator[tuple[CIMClass, str]]:
    """The association classes with the name of their end that a class can be at."""
    for declared in schema.associations():
        if association and not schema.is_a(declared.classname, association):
            continue
        for end in declared.properties.values():
            if end.type != "reference" or not schema.is_a(class_name, end.reference_class):
                continue
            if not role or end.name.lower() == role.lower():
                yield declared, end.name


def written_class_names(context: Context, names: Iterable[str]) -> list[bytes]:
    """``<!ELEMENT OBJECTPATH (INSTANCEPATH | CLASSPATH)>``"""
    encoder = context.services.encoder
    return [
        f"<OBJECTPATH>{encoder.class_path(name, context.namespace)}</OBJECTPATH>".encode()
        for name in names
    ]


def written_classes(context: Context, arguments: Arguments, names: Iterable[str]) -> list[bytes]:
    """``<!ELEMENT VALUE.OBJECTWITHPATH (CLASSPATH, CLASS)>``"""
    encoder, classes = context.services.encoder, context.services.classes
    wanted = ClassSelection(
        local_only=False,
        qualifiers=arguments.flag("IncludeQualifiers", default=False),
        class_origin=arguments.flag("IncludeClassOrigin", default=False),
        property_list=arguments.names("PropertyList"),
    )
    return [
        b"".join(
            (
                b"<VALUE.OBJECTWITHPATH>",
                encoder.class_path(name, context.namespace).encode(),
                classes.declaration(name, wanted),
                b"</VALUE.OBJECTWITHPATH>",
            )
        )
        for name in names
    ]
