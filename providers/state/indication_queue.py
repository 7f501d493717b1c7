"""The tables of queued indications, as the database first had them."""

from __future__ import annotations

import sqlalchemy as sa

__all__ = ["make_indication_queue"]


def make_indication_queue(connection: sa.Connection) -> None:
    """What is delivered to whom, in which order; ``cimserver.indications.delivery`` uses it."""
    metadata = sa.MetaData()
    number = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    sa.Table(
        "indication_payload",
        metadata,
        sa.Column("id", number, primary_key=True),
        sa.Column("text", sa.LargeBinary, nullable=False),
        sa.Column("size", sa.Integer, nullable=False),
    )
    delivery = sa.Table(
        "indication_delivery",
        metadata,
        sa.Column("destination", sa.Text, primary_key=True),
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("subscription", sa.Text, nullable=False),
        sa.Column("filter_name", sa.Text, nullable=False),
        sa.Column("payload", sa.BigInteger, nullable=False),
        sa.Column("queued", sa.Float, nullable=False),
        sa.Column("size", sa.Integer, nullable=False),
        sa.Column("before", sa.BigInteger, nullable=False),
    )
    sa.Index("indication_delivery_backlog", delivery.c.subscription, delivery.c.before)
    sa.Index("indication_delivery_payload", delivery.c.payload)
    sa.Table(
        "indication_sequence",
        metadata,
        sa.Column("destination", sa.Text, primary_key=True),
        sa.Column("context", sa.Text, nullable=False),
        sa.Column("next_number", sa.BigInteger, nullable=False),
        sa.Column("failed_attempts", sa.Integer, nullable=False),
        sa.Column("failing_for_s", sa.Float, nullable=False),
    )
    sa.Table(
        "indication_backlog",
        metadata,
        sa.Column("subscription", sa.Text, primary_key=True),
        sa.Column("total", sa.BigInteger, nullable=False),
    )
    deliverer = sa.Table(
        "indication_deliverer",
        metadata,
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("beat", sa.BigInteger, nullable=False),
    )
    metadata.create_all(connection)
    connection.execute(sa.insert(deliverer).values(id=1, owner="", beat=0))
