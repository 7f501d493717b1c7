"""How instances at one end of an association are reached from those at the other end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeVar, cast

from virtcim.providers.engine.instance_class import (
    AnyClass,
    AnyNode,
    InstanceClass,
    Node,
    ServedClass,
)
from virtcim.providers.engine.sources import Sources
from virtcim.providers.engine.view import View

__all__ = ["Reach", "reach_from", "same"]

S = TypeVar("S", bound=Sources)
_Reached = Callable[[View, AnyNode], Iterable[AnyNode]]


class Reach:
    """For each of some classes, how other instances are reached from its own.

    Made with `reach_from` for each class, and put together with ``|``. Called with an instance of
    another class it reaches nothing.
    """

    __slots__ = ("_by_class",)

    def __init__(self, by_class: Mapping[AnyClass, _Reached]) -> None:
        self._by_class = by_class

    @property
    def classes(self) -> tuple[AnyClass, ...]:
        """The classes that something is reached from, in the order in which they were given."""
        return tuple(self._by_class)

    def __contains__(self, instance_class: AnyClass) -> bool:
        return instance_class in self._by_class

    def __call__(self, view: View, node: AnyNode) -> Iterable[AnyNode]:
        """The instances that are reached from ``node``."""
        reached = self._by_class.get(node.instance_class)
        return () if reached is None else reached(view, node)

    def from_class(self, instance_class: AnyClass) -> _Reached:
        """How instances are reached from those of one of the classes."""
        return self._by_class[instance_class]

    def __or__(self, other: Reach) -> Reach:
        """From the classes of both. Raises ValueError for a class that is in both."""
        twice = self._by_class.keys() & other._by_class.keys()
        if twice:
            raise ValueError(f"reached in two ways: {sorted(each.name for each in twice)}")
        return Reach({**self._by_class, **other._by_class})

    def then(self, further: Reach) -> Reach:
        """What ``further`` reaches from what is reached here."""
        return Reach({each: self._followed(by, further) for each, by in self._by_class.items()})

    @staticmethod
    def _followed(reached: _Reached, further: Reach) -> _Reached:
        def both(view: View, node: AnyNode) -> Iterator[AnyNode]:
            for between in reached(view, node):
                yield from further(view, between)

        return both


def reach_from(
    classes: ServedClass[S] | Iterable[ServedClass[S]],
    reached: Callable[[View, Node[S]], Iterable[AnyNode]],
) -> Reach:
    """How from one class, or from each of several: ``reached`` must know their sources."""
    several = (classes,) if isinstance(classes, ServedClass) else classes
    # Whoever calls a reach looks for it by the class of the node, so that its sources are known.
    return Reach(dict.fromkeys(several, cast(_Reached, reached)))


def same(instance_class: InstanceClass[S]) -> Callable[[View, Node[S]], Iterable[Node[S]]]:
    """The instance of another class that has the same sources."""
    return lambda _, node: (instance_class.node(node.sources),)
