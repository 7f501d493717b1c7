"""What is registered, whatever the server: the providers, and the classes of each namespace."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from pywbem import CIMClass

from virtcim.mof import Schema
from virtcim.registration.needed_classes import needed_classes
from virtcim.registration.registry import UNSERVED_CLASSES, Registration, all_registrations

__all__ = ["OWN_PREFIX", "Library", "Model", "is_own", "model"]

OWN_PREFIX = "VirtCIM_"


@dataclass(frozen=True, slots=True, kw_only=True)
class Library:
    """The shared library that a server loads: its name without ``lib`` and ``.so``, and where.

    ``settings`` are lines that the file beside it must have, so that it serves this server.
    """

    name: str
    directory: Path
    build: tuple[str, ...]
    settings: frozenset[str] = frozenset()

    @property
    def path(self) -> Path:
        """The file."""
        return self.directory / f"lib{self.name}.so"


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """``classes`` are by namespace, each class behind what it needs."""

    schema: Schema
    registrations: tuple[Registration, ...]
    classes: Mapping[str, tuple[CIMClass, ...]]


def model(schema: Schema, namespaces: Sequence[str], interop: str) -> Model:
    """What is registered with a server whose interop namespace is ``interop``.

    ``namespaces`` are those of the hypervisors. Raises UnknownClassError.
    """
    rows = all_registrations(namespaces, interop)
    # An older schema may lack some.
    unserved = [name for name in UNSERVED_CLASSES if schema.find(name) is not None]
    classes = {
        name: needed_classes(
            schema,
            (
                *(row.class_name for row in rows if name in row.namespaces),
                *(unserved if name != interop else ()),
            ),
        )
        for name in (*namespaces, interop)
    }
    # A server need not ask its repository where it knows no provider: then it would be an error.
    rows += tuple(
        Registration(class_name=name, namespaces=tuple(namespaces), kinds=("instance",))
        for name in unserved
    )
    return Model(schema=schema, registrations=rows, classes=MappingProxyType(classes))


def is_own(class_name: str) -> bool:
    """Whether a class is one of ours, which no server has from anybody else."""
    return class_name.lower().startswith(OWN_PREFIX.lower())
