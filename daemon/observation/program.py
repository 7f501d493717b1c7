"""What every daemon of ours tells of itself, and of each of its processes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from virtcim.daemon.audit import Audit
from virtcim.daemon.logins import PasswordChecks
from virtcim.daemon.observation.measures import Family, Together

__all__ = ["process_families", "program_families"]

_START = "process_start_time_seconds"


def program_families(daemon: str, logins: PasswordChecks | None, audit: Audit) -> Iterable[Family]:
    """Which program this is, who was not let in, and what could not be written down."""
    from importlib.metadata import version

    from virtcim.errormap import TABLE_VERSION

    yield Family(
        name="virtcim_build_info",
        kind="gauge",
        what="Always 1: the daemon, its version and that of its error table.",
        labels=("daemon", "version", "error_table"),
        values={(daemon, version("virtcim"), TABLE_VERSION): 1},
        together="most",
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


def process_families() -> Iterable[Family]:
    """Memory, processor time, descriptors and start of this process."""
    from prometheus_client.process_collector import ProcessCollector

    for metric in ProcessCollector(registry=None).collect():
        kind: Literal["counter", "gauge"] = "counter" if metric.type == "counter" else "gauge"
        for sample in metric.samples:
            together: Together = "least" if sample.name == _START else "sum"
            yield Family.single(
                sample.name, kind, metric.documentation, sample.value, together=together
            )
