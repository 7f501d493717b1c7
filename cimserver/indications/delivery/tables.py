"""The tables of the queue; ``providers.state.database`` makes them."""

from __future__ import annotations

import sqlalchemy as sa

__all__ = ["BACKLOG", "DELIVERER", "DELIVERY", "PAYLOAD", "SEQUENCE"]

_METADATA = sa.MetaData()

# What several deliveries have in common, compressed.
PAYLOAD = sa.Table(
    "indication_payload",
    _METADATA,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    sa.Column("text", sa.LargeBinary, nullable=False),
    sa.Column("size", sa.Integer, nullable=False),
)
# One indication for one subscription. The numbers of a destination are its order: they are given
# while its row in SEQUENCE is locked, so that a smaller one is never seen after a larger one.
# ``before`` is the size of everything that was ever queued for the subscription before this.
DELIVERY = sa.Table(
    "indication_delivery",
    _METADATA,
    sa.Column("destination", sa.Text, primary_key=True),
    sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("subscription", sa.Text, nullable=False),
    sa.Column("filter_name", sa.Text, nullable=False),
    sa.Column("payload", sa.BigInteger, nullable=False),
    sa.Column("queued", sa.Float, nullable=False),
    sa.Column("size", sa.Integer, nullable=False),
    sa.Column("before", sa.BigInteger, nullable=False),
)
# A destination: the sequence of its indications, and how often and for how long it failed.
SEQUENCE = sa.Table(
    "indication_sequence",
    _METADATA,
    sa.Column("destination", sa.Text, primary_key=True),
    sa.Column("context", sa.Text, nullable=False),
    sa.Column("next_number", sa.BigInteger, nullable=False),
    sa.Column("failed_attempts", sa.Integer, nullable=False),
    sa.Column("failing_for_s", sa.Float, nullable=False),
)
# The size of everything that was ever queued for a subscription.
BACKLOG = sa.Table(
    "indication_backlog",
    _METADATA,
    sa.Column("subscription", sa.Text, primary_key=True),
    sa.Column("total", sa.BigInteger, nullable=False),
)
# The one row says which deliverer of several delivers; the beat counts while it does.
DELIVERER = sa.Table(
    "indication_deliverer",
    _METADATA,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("owner", sa.Text, nullable=False),
    sa.Column("beat", sa.BigInteger, nullable=False),
)
