"""Filters, destinations and subscriptions as rows of the state database."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import sqlalchemy as sa

__all__ = [
    "ElementRow",
    "Rows",
    "SubscriptionRow",
    "change_element",
    "change_service",
    "change_subscription",
    "element_key",
    "insert",
    "read_rows",
    "remove_element",
    "remove_subscriptions",
    "revise",
    "revision",
    "subscription_key",
]

# The tables are made in the migrations of the state database; only names and types matter here.
_METADATA = sa.MetaData()
_ELEMENTS = sa.Table(
    "indication_element",
    _METADATA,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("key", sa.String(64)),
    sa.Column("namespace", sa.Text),
    sa.Column("class_name", sa.Text),
    sa.Column("identity", sa.Text),
    sa.Column("properties", sa.JSON),
    sa.Column("principal", sa.Text),
    sa.Column("created", sa.Float),
)
_SUBSCRIPTIONS = sa.Table(
    "indication_subscription",
    _METADATA,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("key", sa.String(64)),
    sa.Column("namespace", sa.Text),
    sa.Column("class_name", sa.Text),
    sa.Column("source", sa.String(64)),
    sa.Column("handler", sa.String(64)),
    sa.Column("properties", sa.JSON),
    sa.Column("principal", sa.Text),
    sa.Column("started", sa.Float),
    sa.Column("changed", sa.Float),
)
_SERVICE = sa.Table(
    "indication_service",
    _METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("revision", sa.Integer),
    sa.Column("properties", sa.JSON),
)


_ELEMENT_COLUMNS = tuple(_ELEMENTS.columns.keys())
_SUBSCRIPTION_COLUMNS = tuple(_SUBSCRIPTIONS.columns.keys())


@dataclass(frozen=True, slots=True, kw_only=True)
class ElementRow:
    """A filter or a listener destination; ``key`` is what it is found by, ``created`` since 1970.

    ``properties`` are those besides the keys, as values of JSON.
    """

    id: str
    key: str
    namespace: str
    class_name: str
    identity: str
    properties: Mapping[str, Any]
    principal: str
    created: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionRow:
    """A subscription; ``source`` and ``handler`` are the keys of what it is between.

    ``started`` and ``changed``, the last change of its state, are in seconds since 1970.
    """

    id: str
    key: str
    namespace: str
    class_name: str
    source: str
    handler: str
    properties: Mapping[str, Any]
    principal: str
    started: float
    changed: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Everything that is kept, at one revision."""

    revision: int
    service: Mapping[str, Any]
    elements: tuple[ElementRow, ...]
    subscriptions: tuple[SubscriptionRow, ...]


def element_key(namespace: str, class_name: str, identity: str) -> str:
    """What an instance is found by; of one length, as databases index no long texts."""
    return _digest(namespace.lower(), class_name, identity)


def subscription_key(source: str, handler: str) -> str:
    """What the subscription between two instances is found by: there is but one."""
    return _digest(source, handler)


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()


# Rows have the columns of their table in order; mappings of them take twice as long.
def _element_row(*columns: Any) -> ElementRow:
    return ElementRow(**dict(zip(_ELEMENT_COLUMNS, columns, strict=True)))


def _subscription_row(*columns: Any) -> SubscriptionRow:
    return SubscriptionRow(**dict(zip(_SUBSCRIPTION_COLUMNS, columns, strict=True)))


def read_rows(connection: sa.Connection) -> Rows:
    """Everything, the oldest first."""
    service = connection.execute(sa.select(_SERVICE)).one()
    elements = connection.execute(
        sa.select(_ELEMENTS).order_by(_ELEMENTS.c.created, _ELEMENTS.c.id)
    )
    subscriptions = connection.execute(
        sa.select(_SUBSCRIPTIONS).order_by(_SUBSCRIPTIONS.c.started, _SUBSCRIPTIONS.c.id)
    )
    return Rows(
        revision=service.revision,
        service=service.properties,
        elements=tuple(_element_row(*row) for row in elements),
        subscriptions=tuple(_subscription_row(*row) for row in subscriptions),
    )


def revise(connection: sa.Connection) -> None:
    """Begin a change: whoever else changes something waits until it is over."""
    connection.execute(sa.update(_SERVICE).values(revision=_SERVICE.c.revision + 1))


def revision(connection: sa.Connection) -> int:
    """How often something was changed."""
    number: int = connection.execute(sa.select(_SERVICE.c.revision)).scalar_one()
    return number


def insert(connection: sa.Connection, row: ElementRow | SubscriptionRow) -> None:
    """Keep a new row."""
    table = _ELEMENTS if isinstance(row, ElementRow) else _SUBSCRIPTIONS
    connection.execute(sa.insert(table).values(asdict(row)))


def change_element(connection: sa.Connection, id: str, properties: Mapping[str, Any]) -> None:  # noqa: A002
    """Keep other properties of a filter or destination."""
    statement = sa.update(_ELEMENTS).where(_ELEMENTS.c.id == id)
    connection.execute(statement.values(properties=properties))


def change_subscription(
    connection: sa.Connection,
    id: str,  # noqa: A002
    properties: Mapping[str, Any],
    changed: float,
) -> None:
    """Keep other properties of a subscription."""
    statement = sa.update(_SUBSCRIPTIONS).where(_SUBSCRIPTIONS.c.id == id)
    connection.execute(statement.values(properties=properties, changed=changed))


def change_service(connection: sa.Connection, properties: Mapping[str, Any]) -> None:
    """Keep other settings of the service."""
    connection.execute(sa.update(_SERVICE).values(properties=properties))


def remove_element(connection: sa.Connection, id: str) -> None:  # noqa: A002
    """Forget a filter or destination."""
    connection.execute(sa.delete(_ELEMENTS).where(_ELEMENTS.c.id == id))


def remove_subscriptions(connection: sa.Connection, ids: Iterable[str]) -> None:
    """Forget subscriptions."""
    connection.execute(sa.delete(_SUBSCRIPTIONS).where(_SUBSCRIPTIONS.c.id.in_(list(ids))))
