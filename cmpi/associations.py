"""The association interface: what is around an instance (DSP0200 "Associators")."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from virtcim.cmpi.instances import give_names, give_paths, give_records
from virtcim.cmpi.request import Operation, Request, Serve, Session

__all__ = ["ASSOCIATION_OPERATIONS"]


def _associators(session: Session, request: Request) -> None:
    result_class, role, assoc_class, result_role = request.texts
    found = session.providers.associators(
        session.target(request),
        assoc_class=assoc_class,
        result_class=result_class,
        role=role,
        result_role=result_role,
    )
    give_records(session, request, found)


def _associator_names(session: Session, request: Request) -> None:
    result_class, role, assoc_class, result_role = request.texts
    found = session.providers.associator_names(
        session.target(request),
        assoc_class=assoc_class,
        result_class=result_class,
        role=role,
        result_role=result_role,
    )
    give_paths(session, request, found)


def _references(session: Session, request: Request) -> None:
    result_class, role = request.texts[:2]
    target = session.target(request)
    found = session.providers.references(target, result_class=result_class, role=role)
    give_records(session, request, found)


def _reference_names(session: Session, request: Request) -> None:
    result_class, role = request.texts[:2]
    target = session.target(request)
    found = session.providers.references(target, result_class=result_class, role=role)
    give_names(session, request, found)


ASSOCIATION_OPERATIONS: Mapping[Operation, Serve] = MappingProxyType(
    {
        Operation.ASSOCIATORS: _associators,
        Operation.ASSOCIATOR_NAMES: _associator_names,
        Operation.REFERENCES: _references,
        Operation.REFERENCE_NAMES: _reference_names,
    }
)
