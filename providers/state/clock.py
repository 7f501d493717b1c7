"""The clock that times in the state database are compared with: nobody sets it.

A computer counts from its start, and nothing but the end of that is believed to be another time:
the first process after a start notes what the time was then, and every later one, also on a
database that others use as well, goes on from there. Where several computers share a database, its
own clock says what the time was, so that theirs may differ.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa

__all__ = ["Clock", "kept_clock", "make_clock", "steady_clock", "uptime_s"]

_log = logging.getLogger(__name__)

Clock = Callable[[], float]

# Another one after each start of the computer (proc(5), "/proc/sys/kernel/random").
_BOOT = Path("/proc/sys/kernel/random/boot_id")
_CLOCK = sa.Table(
    "clock",
    sa.MetaData(),
    sa.Column("boot", sa.String(64), primary_key=True),
    sa.Column("began", sa.Float, nullable=False),
)


def uptime_s() -> float:
    """Seconds that include those in which the computer was suspended."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def steady_clock() -> Clock:
    """Seconds since 1970 as this process began to count them: setting the clock changes nothing."""
    return _counting_from(time.time() - uptime_s())


def make_clock(connection: sa.Connection) -> None:
    """When each computer was started, by what its time was said to be then."""
    sa.Table(
        "clock",
        sa.MetaData(),
        sa.Column("boot", sa.String(64), primary_key=True),
        sa.Column("began", sa.Float, nullable=False),
    ).create(connection)


def kept_clock(
    connection: sa.Connection,
    *,
    is_observed: bool = False,
    boot: str | None = None,
    clock: Clock = time.time,
    uptime: Clock = uptime_s,
) -> Clock:
    """Seconds since 1970, by the same clock for all that use a database since ``boot``.

    The caller's transaction keeps others from noting theirs; an observer notes nothing.
    """
    boot = _this_boot() if boot is None else boot
    if not boot:
        return _counting_from(clock() - uptime(), uptime)
    row = sa.select(_CLOCK.c.began).where(_CLOCK.c.boot == boot)
    began = connection.execute(row).scalar_one_or_none()
    if not isinstance(began, float) or not math.isfinite(began):
        is_postgresql = connection.dialect.name == "postgresql"
        now = _time_of(connection) if is_postgresql else clock()
        began = now - uptime()
        if not is_observed:
            others = _CLOCK.c.boot == boot if is_postgresql else sa.true()
            connection.execute(sa.delete(_CLOCK).where(others))
            connection.execute(sa.insert(_CLOCK).values(boot=boot, began=began))
    return _counting_from(began, uptime)


def _counting_from(began: float, uptime: Clock = uptime_s) -> Clock:
    return lambda: began + uptime()


def _this_boot() -> str:
    try:
        return _BOOT.read_text(encoding="ascii").strip()
    except (OSError, UnicodeError) as error:
        _log.warning("what is set of the clock between stop and start is believed: %s", error)
        return ""


def _time_of(connection: sa.Connection) -> float:
    return float(
        connection.execute(sa.text("SELECT extract(epoch FROM clock_timestamp())")).scalar_one()
    )
