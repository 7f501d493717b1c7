"""The engine that evaluates the table of associations from either end.

A row names the association class and its two ends; each end tells which instances of the other
one are reached from its own. The cost of an answer grows with the answer, not with the inventory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from virtcim.cim.records import AssociationForm, AssociationKind, AssociationRecord, Record, Value
from virtcim.providers.engine.instance_class import AnyClass, AnyNode, ClassModel
from virtcim.providers.engine.reach import Reach
from virtcim.providers.engine.view import View

__all__ = ["Association", "AssociationEngine", "End", "Filters", "Link"]


_NO_VALUES: Mapping[str, Value] = {}


def _no_values(_first: AnyNode, _second: AnyNode) -> Mapping[str, Value]:
    return _NO_VALUES


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """One end: its role, and what is reached at the other end from each of its classes.

    ``namespace`` is where its instances are, empty where they are beside the association.
    """

    role: str
    reach: Reach
    namespace: str = ""

    @property
    def classes(self) -> tuple[AnyClass, ...]:
        """The classes whose instances are at this end."""
        return self.reach.classes


@dataclass(frozen=True, slots=True, kw_only=True)
class Association:
    """One association class; the second end is the one of which there may be many.

    ``values`` gives the properties besides the two references. All instances are the ``pairs``
    where both ends may be in other namespaces, else what is reached from ``listed_from`` (0 or 1).
    """

    name: str
    ends: tuple[End, End]
    values: Callable[[AnyNode, AnyNode], Mapping[str, Value]] = _no_values
    pairs: Callable[[View], Iterable[tuple[AnyNode, AnyNode]]] | None = None
    listed_from: Literal[0, 1] = 0
    roles: tuple[str, str] = field(init=False)

    def __post_init__(self) -> None:
        first, second = self.ends
        object.__setattr__(self, "roles", (first.role, second.role))


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """The filters of association operations (DSP0200 "Associators"); empty: no restriction."""

    assoc_class: str = ""
    result_class: str = ""
    role: str = ""
    result_role: str = ""


@dataclass(frozen=True, slots=True)
class Link:
    """One instance of an association: from the end ``near`` (0 or 1) to the other one."""

    association: Association
    near: int
    source: AnyNode
    target: AnyNode


class AssociationEngine:
    """Evaluates the table in one namespace; safe to use from many threads.

    Association instances are not kept: they are cheap, and there are more of them than of
    anything else.
    """

    def __init__(
        self,
        namespace: str,
        classes: ClassModel,
        table: tuple[Association, ...],
    ) -> None:
        self._namespace = namespace
        self._classes = classes
        self._kinds = {
            each.name: AssociationKind(class_name=each.name, roles=each.roles, namespace=namespace)
            for each in table
        }
        self._by_name = {each.name: each for each in table}
        # The associations that an instance of each class can have, and at which end it is.
        self._of_class: dict[AnyClass, list[tuple[Association, int]]] = {}
        for association in table:
            for near, end in enumerate(association.ends):
                for instance_class in end.classes:
                    self._of_class.setdefault(instance_class, []).append((association, near))

    @property
    def names(self) -> tuple[str, ...]:
        """The association classes that are served here."""
        return tuple(self._by_name)

    def links(self, view: View, source: AnyNode, filters: Filters) -> Iterator[Link]:
        """The associations of ``source`` that pass the filters, from its own end."""
        for association, near in self._of_class.get(source.instance_class, ()):
            if filters.assoc_class and not self._is_a(association.name, filters.assoc_class):
                continue
            end, far = association.ends[near], association.ends[1 - near]
            if (
                _role_fits(filters.role, end.role)
                and _role_fits(filters.result_role, far.role)
                and self._any_fits(far.classes, filters.result_class)
            ):
                for target in end.reach(view, source):
                    if self._any_fits((target.instance_class,), filters.result_class):
                        yield Link(association, near, source, target)

    def record(self, link: Link) -> AssociationRecord:
        """The association instance of a link."""
        if link.near == 0:
            return self._make(link.association, link.source, link.target)
        return self._make(link.association, link.target, link.source)

    def enumerate(self, view: View, name: str) -> Iterator[Record]:
        """Every instance of one association class."""
        association = self._by_name[name]
        if association.pairs is not None:
            for first, second in association.pairs(view):
                yield self._make(association, first, second)
            return
        kind, here = self._kinds[name], self._namespace
        near, far = association.listed_from, 1 - association.listed_from
        end, has_values = association.ends[near], association.values is not _no_values
        further = _NO_VALUES
        for instance_class in end.classes:
            reached = end.reach.from_class(instance_class)
            # All of one class have the same one, and mostly what is reached from them, too.
            form: AssociationForm | None = None
            for found in instance_class.all(view):
                source = found.at(end.namespace) if end.namespace else found
                own, parts = source.name(here)
                # As _make, which there is too much of for.
                for target in reached(view, source):
                    other, others = target.name(here)
                    if form is None or form.names[far] is not other:
                        form = kind.form(other, own) if near else kind.form(own, other)
                    if has_values:
                        pair = (target, source) if near else (source, target)
                        further = _further(association, *pair)
                    names = (others, parts) if near else (parts, others)
                    yield AssociationRecord(form, *names, further)

    def find(self, view: View, name: str, nodes: tuple[AnyNode, AnyNode]) -> Record | None:
        """The association instance between two instances, None where they are not associated."""
        association = self._by_name[name]
        first, second = nodes
        near, far = association.ends
        if first.instance_class not in near.reach or second.instance_class not in far.reach:
            return None
        wanted = self._key(first)
        # From the second end, where there are few to be reached.
        for target in far.reach(view, second):
            if self._key(target) == wanted:
                return self._make(association, target, second)
        return None

    def roles(self, name: str) -> tuple[str, str]:
        """The roles of the two ends of one association class."""
        return self._by_name[name].roles

    def _make(self, association: Association, first: AnyNode, second: AnyNode) -> AssociationRecord:
        """The association of two instances."""
        (one, parts), (other, others) = first.name(self._namespace), second.name(self._namespace)
        form = self._kinds[association.name].form(one, other)
        return AssociationRecord(form, parts, others, _further(association, first, second))

    def _key(self, node: AnyNode) -> tuple[str, AnyClass, str]:
        """What tells instances apart."""
        return node.namespace or self._namespace, node.instance_class, node.identity

    def _any_fits(self, classes: Iterable[AnyClass], wanted: str) -> bool:
        return not wanted or any(self._is_a(each.name, wanted) for each in classes)

    def _is_a(self, name: str, ancestor: str) -> bool:
        return self._classes.is_a(name, ancestor)


def _further(association: Association, first: AnyNode, second: AnyNode) -> Mapping[str, Value]:
    """The values of the properties besides the references that are not NULL."""
    if association.values is _no_values:
        return _NO_VALUES
    values = association.values(first, second).items()
    return {name: value for name, value in values if value is not None}


def _role_fits(wanted: str, role: str) -> bool:
    return not wanted or wanted.lower() == role.lower()
