"""How a class of instances is described: its keys, where its objects come from, and their values.

Every concept of this room describes its classes with one InstanceClass each, most of them with
``per_host``, ``per_system`` or ``per_part``; the engines (``record_cache``,
``association_engine``) do the rest.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Generic, NamedTuple, Protocol, TypeGuard, TypeVar

from virtcim.cim.declarations import DeclaredProperties
from virtcim.cim.records import FormedPath, KeyPieces, NameForm, ObjectPath, Value
from virtcim.providers.engine.key_shapes import INSTANCE_ID, KeyShape
from virtcim.providers.engine.sources import Sources
from virtcim.providers.engine.view import View

__all__ = ["AnyClass", "AnyNode", "ClassModel", "InstanceClass", "Naming", "Node", "ServedClass"]

S = TypeVar("S", bound=Sources)
S_co = TypeVar("S_co", bound=Sources, covariant=True)


class ClassModel(DeclaredProperties, Protocol):
    """What the providers must know of the schema; class names in any case."""

    def is_a(self, class_name: str, ancestor: str) -> bool:
        """Whether the class is ``ancestor`` or a subclass of it."""


class ServedClass(ABC, Generic[S_co]):
    """What everybody may ask of a class, also where there are several with different sources.

    ``volatile`` are instances that come and go while the inventory stays the same. Instances
    ``within_system`` belong to one virtual system, and so does what they are associated with, but
    for single things like the host or a pool.
    """

    __slots__ = ()

    name: str
    shape: KeyShape
    volatile: bool
    within_system: bool

    @abstractmethod
    def find(self, view: View, identity: str) -> Node[S_co] | None:
        """The instance with an identity, None where there is none."""

    @abstractmethod
    def all(self, view: View) -> Iterator[Node[S_co]]:
        """Every instance."""

    def owns(self, node: Node[Sources]) -> TypeGuard[Node[S_co]]:
        """Whether the instance is one of this class (no subclass): its sources are known then."""
        return node.instance_class is self


class Naming(NamedTuple, Generic[S]):
    """How the names of instances are made without their identities, for what there is most of.

    ``parts`` gives what tells an instance from others, ``pieces`` how each key is put together of
    them.
    """

    parts: Callable[[S], tuple[str, ...]]
    pieces: Mapping[str, KeyPieces]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class InstanceClass(ServedClass[S]):
    """One class of instances with sources of one shape.

    ``identity`` gives the value of the variable key, ``found`` the sources of the instance with
    an identity (None where there is none), ``every`` those of every instance, ``values`` its
    property values without the keys, ``naming`` the same keys as the identity. An instance stays
    the same record while its sources are the same objects.
    """

    name: str
    shape: KeyShape = INSTANCE_ID
    identity: Callable[[S], str]
    found: Callable[[View, str], S | None]
    every: Callable[[View], Iterable[S]]
    values: Callable[[S], Mapping[str, Value]]
    volatile: bool = False
    within_system: bool = False
    naming: Naming[S] | None = None
    # What name_form has given, by namespace.
    names: dict[str, tuple[NameForm, Callable[[S], tuple[str, ...]]]] = field(
        init=False, default_factory=dict
    )

    def name_form(self, namespace: str) -> tuple[NameForm, Callable[[S], tuple[str, ...]]]:
        """What the names of all instances in a namespace have in common, and what gives the parts
        of the name of the one with some sources."""
        naming = self.naming or self._naming_by_identity()
        form = NameForm(self.name, naming.pieces, namespace=namespace)
        return self.names.setdefault(namespace, (form, naming.parts))

    def _naming_by_identity(self) -> Naming[S]:
        shape, identity = self.shape, self.identity
        keys: dict[str, KeyPieces] = {name: (value,) for name, value in shape.blank.items()}
        keys |= {name: (place,) for place, name in enumerate(shape.varying)}
        return Naming(lambda of: shape.split(identity(of)), keys)

    def node(self, sources: S) -> Node[S]:
        """The instance with these sources."""
        return Node(self, sources)

    def find(self, view: View, identity: str) -> Node[S] | None:
        """The instance with an identity, None where there is none."""
        sources = self.found(view, identity)
        return None if sources is None else Node(self, sources)

    def all(self, view: View) -> Iterator[Node[S]]:
        """Every instance."""
        return map(partial(Node, self), self.every(view))


class Node(Generic[S_co]):
    """One instance, not yet computed: its class and its sources; `InstanceClass.node` makes it.

    ``namespace`` is where it is, empty where that is where one looks.
    """

    __slots__ = ("_class", "_identity", "_path", "instance_class", "namespace", "sources")

    instance_class: ServedClass[S_co]

    def __init__(
        self, instance_class: InstanceClass[S_co], sources: S_co, namespace: str = ""
    ) -> None:
        # The class twice: nobody but this one may use it as one of sources of a known shape.
        self._class = self.instance_class = instance_class
        self.sources = sources
        self.namespace = namespace
        self._identity = ""
        self._path: ObjectPath | None = None

    @property
    def identity(self) -> str:
        """What tells the instance from the others of its class."""
        if not self._identity:
            self._identity = self._class.identity(self.sources)
        return self._identity

    def keys(self) -> dict[str, str]:
        """Its key properties."""
        return self._class.shape.keys(self.identity)

    def path(self, here: str) -> ObjectPath:
        """Its name, for whoever looks from the namespace ``here``; the same object every time."""
        namespace, path = self.namespace or here, self._path
        if path is None or path.namespace != namespace:
            path = self._path = FormedPath(*self.name(here))
        return path

    def name(self, here: str) -> tuple[NameForm, tuple[str, ...]]:
        """Its name as what all of its class have in common, and its own parts."""
        namespace = self.namespace or here
        # Mostly known; a function less, as this is what most is asked for.
        form, parts = self._class.names.get(namespace) or self._class.name_form(namespace)
        return form, parts(self.sources)

    def values(self) -> Mapping[str, Value]:
        """Its properties without the keys, computed now."""
        return self._class.values(self.sources)

    def at(self, namespace: str) -> Node[S_co]:
        """The same instance, seen from another namespace."""
        return Node(self._class, self.sources, namespace)


# An instance, and a class, of which only is known what all have.
AnyNode = Node[Sources]
AnyClass = ServedClass[Sources]
