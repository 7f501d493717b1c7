"""What every daemon of ours tells of itself."""

from __future__ import annotations

from collections.abc import Iterable

from virtcim.daemon.audit import Audit
from virtcim.daemon.logins import Logins
from virtcim.daemon.observation.measures import Family

__all__ = ["program_families"]


def program_families(daemon: str, logins: Logins | None, audit: Audit) -> Iterable[Family]:
    """Which program this is, who was not let in, and what could not be written down."""
    from importlib.metadata import version

    from virtcim.errormap import TABLE_VERSION

    yield Family(
        name="virtcim_build_info",
        kind="gauge",
        what="Always 1: the daemon, its version and that of its error table.",
        labels=("daemon", "version", "error_table"),
        values={(daemon, version("virtcim"), TABLE_VERSION): 1},
    )
    yield Family.single(
        "virtcim_logins_failed_total",
        "counter",
        "Wrong passwords.",
        0 if logins is None else logins.failed,
    )
    yield Family.single(
        "virtcim_logins_sent_away_total",
        "counter",
        "Logins that were not looked at, as too many waited.",
        0 if logins is None else logins.sent_away,
    )
    yield Family.single(
        "virtcim_audit_lines_failed_total",
        "counter",
        "Lines that the audit file did not take.",
        audit.failed,
    )
