"""The statements of the queue that are executed again and again, each made once.

Making one takes longer than SQLite needs to execute it.
"""

from __future__ import annotations

import sqlalchemy as sa

from virtcim.cimserver.indications.delivery.tables import BACKLOG, DELIVERY, PAYLOAD, SEQUENCE

__all__ = [
    "ADD_TO_BACKLOG",
    "DEAL_WITH",
    "DROP_OLDEST_DELIVERIES",
    "DROP_OLDEST_PAYLOADS",
    "INSERT_PAYLOAD",
    "IS_EXCESS",
    "NOTE_FAILURES",
    "NUMBER",
    "OLDEST_OF_SUBSCRIPTIONS",
    "OLDEST_SIZES",
    "REMOVE_ALL_UNUSED",
    "REMOVE_UNUSED",
    "STORED",
    "TAKE",
    "WAITING",
]

# Parameters do not have the names of columns, which SQLAlchemy keeps for itself.
_destination: sa.BindParameter[str] = sa.bindparam("to_destination")
_subscription: sa.BindParameter[str] = sa.bindparam("of_subscription")

# Advance the numbers of a destination by so many, and give the next.
NUMBER = (
    sa.update(SEQUENCE)
    .where(SEQUENCE.c.destination == _destination)
    .values(next_number=SEQUENCE.c.next_number + sa.bindparam("many"))
    .returning(SEQUENCE.c.next_number)
)
# Add to the total of a subscription, and give it.
ADD_TO_BACKLOG = (
    sa.update(BACKLOG)
    .where(BACKLOG.c.subscription == _subscription)
    .values(total=BACKLOG.c.total + sa.bindparam("added"))
    .returning(BACKLOG.c.total)
)
INSERT_PAYLOAD = sa.insert(PAYLOAD).returning(PAYLOAD.c.id)
# Whether something of a subscription lies below a total.
IS_EXCESS = (
    sa.select(sa.literal(1))
    .where(DELIVERY.c.subscription == _subscription, DELIVERY.c.before < sa.bindparam("below"))
    .limit(1)
)
WAITING = sa.select(
    SEQUENCE.c.destination, SEQUENCE.c.failed_attempts, SEQUENCE.c.failing_for_s
).where(sa.exists().where(DELIVERY.c.destination == SEQUENCE.c.destination))
TAKE = (
    sa.select(
        DELIVERY.c.destination,
        SEQUENCE.c.context,
        DELIVERY.c.number,
        DELIVERY.c.subscription,
        DELIVERY.c.filter_name,
        DELIVERY.c.payload,
        PAYLOAD.c.text.label("compressed"),
    )
    .join_from(DELIVERY, PAYLOAD, PAYLOAD.c.id == DELIVERY.c.payload, isouter=True)
    .join(SEQUENCE, SEQUENCE.c.destination == DELIVERY.c.destination)
    .where(DELIVERY.c.destination == _destination, DELIVERY.c.number > sa.bindparam("after"))
    .order_by(DELIVERY.c.number)
    .limit(sa.bindparam("most"))
)
# Remove what was sent to a destination, up to a number.
DEAL_WITH = sa.delete(DELIVERY).where(
    DELIVERY.c.destination == _destination, DELIVERY.c.number <= sa.bindparam("up_to")
)
_is_unused = ~sa.exists().where(DELIVERY.c.payload == PAYLOAD.c.id)
# Remove a payload, unless a delivery refers to it.
REMOVE_UNUSED = sa.delete(PAYLOAD).where(PAYLOAD.c.id == sa.bindparam("unused"), _is_unused)
REMOVE_ALL_UNUSED = sa.delete(PAYLOAD).where(_is_unused)
# The bytes of all payloads, and the number of deliveries.
STORED = sa.select(
    sa.select(sa.func.coalesce(sa.func.sum(PAYLOAD.c.size), 0)).scalar_subquery(),
    sa.select(sa.func.count()).select_from(DELIVERY).scalar_subquery(),
)
# Payloads beyond an id, the oldest first, with their size and the number of their deliveries.
OLDEST_SIZES = (
    sa.select(
        PAYLOAD.c.id,
        PAYLOAD.c.size,
        sa.select(sa.func.count()).where(DELIVERY.c.payload == PAYLOAD.c.id).scalar_subquery(),
    )
    .where(PAYLOAD.c.id > sa.bindparam("after"))
    .order_by(PAYLOAD.c.id)
    .limit(sa.bindparam("most"))
)
_is_old = DELIVERY.c.payload <= sa.bindparam("newest")
OLDEST_OF_SUBSCRIPTIONS = (
    sa.select(DELIVERY.c.subscription, sa.func.count().label("many"))
    .where(_is_old)
    .group_by(DELIVERY.c.subscription)
    .order_by(DELIVERY.c.subscription)
)
DROP_OLDEST_DELIVERIES = sa.delete(DELIVERY).where(_is_old)
DROP_OLDEST_PAYLOADS = sa.delete(PAYLOAD).where(PAYLOAD.c.id <= sa.bindparam("newest"))
NOTE_FAILURES = (
    sa.update(SEQUENCE)
    .where(SEQUENCE.c.destination == _destination)
    .values(failed_attempts=sa.bindparam("attempts"), failing_for_s=sa.bindparam("for_s"))
)
