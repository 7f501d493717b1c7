"""Which class is served by which kinds of providers, generated from the providers' own tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from virtcim.mof import PROFILE_CLASSES
from virtcim.providers import (
    ASSOCIATIONS,
    ERROR_CLASS,
    IMPLEMENTATION_CLASSES,
    INDICATION_CLASSES,
    INTEROP,
    INTEROP_CLASSES,
    METHODS,
    SERVER_CLASSES,
)

__all__ = [
    "UNSERVED_CLASSES",
    "Kind",
    "Registration",
    "all_registrations",
    "registrations",
]

#: What a server has to know in the namespaces of the hypervisors though nobody gives instances of
#: it: the class of the errors that methods give, and what the profiles leave open, so that a
#: client that looks for it finds that there is none.
UNSERVED_CLASSES = (ERROR_CLASS, *PROFILE_CLASSES)

Kind = Literal["instance", "association", "indication", "method"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """One served class: where, and by which kinds of providers."""

    class_name: str
    namespaces: tuple[str, ...]
    kinds: tuple[Kind, ...]
    methods: tuple[str, ...] = ()


def all_registrations(
    namespaces: Sequence[str], interop: str = INTEROP
) -> tuple[Registration, ...]:
    """What a server of somebody else's is told: also the classes of what happens.

    ``namespaces`` are those of the hypervisors, ``interop`` is what the server calls its interop
    namespace. What tells of the server itself is its own, and so are filters, destinations and
    subscriptions.
    """
    of_server = {each.name for each in SERVER_CLASSES} | {
        row.name
        for row in ASSOCIATIONS
        if any(set(end.classes) <= set(SERVER_CLASSES) for end in row.ends)
    }
    rows = [
        replace(
            row,
            namespaces=tuple(interop if name == INTEROP else name for name in row.namespaces),
        )
        for row in registrations((*namespaces, INTEROP))
        if row.class_name not in of_server
    ]
    rows += [
        Registration(class_name=name, namespaces=tuple(namespaces), kinds=("indication",))
        for name in INDICATION_CLASSES
    ]
    return tuple(rows)


def registrations(namespaces: Sequence[str]) -> tuple[Registration, ...]:
    """Every served class, for a server with these namespaces (``Providers.namespaces``)."""
    interop = tuple(name for name in namespaces if name == INTEROP)
    implementation = tuple(name for name in namespaces if name not in interop)
    places = dict.fromkeys(IMPLEMENTATION_CLASSES, implementation)
    places |= dict.fromkeys(INTEROP_CLASSES, interop)
    ends = {row: {each for end in row.ends for each in end.classes} for row in ASSOCIATIONS}
    associated = set().union(*ends.values())
    rows: list[Registration] = []
    for instance_class, where in places.items():
        methods = tuple(
            method.name for method in METHODS.values() if method.instance_class is instance_class
        )
        kinds: list[Kind] = ["instance"]
        # A server asks the provider of the source class, too, where an association leads.
        if instance_class in associated:
            kinds.append("association")
        if methods:
            kinds.append("method")
        rows.append(
            Registration(
                class_name=instance_class.name,
                namespaces=where,
                kinds=tuple(kinds),
                methods=methods,
            )
        )
    rows += [
        Registration(
            class_name=row.name,
            # Wherever one of its ends is.
            namespaces=tuple(
                name for name in namespaces if any(name in places.get(each, ()) for each in classes)
            ),
            kinds=("instance", "association"),
        )
        for row, classes in ends.items()
    ]
    return tuple(rows)
