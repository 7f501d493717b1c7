"""Reading all objects of one class, as far as the server's answers can be read.

One call gives all of them. Where its answer cannot be used they are asked for one by one, so that
an odd one costs only itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from virtcim.hypervisor.xenapi.session import UnusableAnswerError, XenApiSession

__all__ = ["ClassRecords", "read_class"]

_GONE = "HANDLE_INVALID"


class ClassRecords(NamedTuple):
    """The records of a class by reference, and why others cannot be read."""

    records: dict[str, Any]
    unreadable: dict[str, str]


def read_class(
    session: XenApiSession,
    session_ref: str,
    class_name: str,
    on_records: Callable[[int], None] = lambda _: None,
) -> ClassRecords:
    """Read every object of a class; ``on_records`` is told now and then how many have arrived.

    Raises UnusableAnswerError where not even the references can be had, and HypervisorError where
    the connection or the session is lost.
    """
    try:
        return ClassRecords(_all_records(session, session_ref, class_name, on_records), {})
    except UnusableAnswerError as exc:
        refs = _refs(session, session_ref, class_name, exc)
    records: dict[str, Any] = {}
    unreadable: dict[str, str] = {}
    for ref in refs:
        try:
            records[ref] = session.call_in(session_ref, f"{class_name}.get_record", ref)
        except UnusableAnswerError as exc:
            if exc.fault.code != _GONE:
                unreadable[ref] = exc.brief
    return ClassRecords(records, unreadable)


def _all_records(
    session: XenApiSession, session_ref: str, class_name: str, on_records: Callable[[int], None]
) -> dict[str, Any]:
    method = f"{class_name}.get_all_records"
    records = session.call_in(session_ref, method, on_records=on_records)
    if not isinstance(records, dict):
        raise UnusableAnswerError.of(method, "the answer is no map of records")
    return records


def _refs(
    session: XenApiSession, session_ref: str, class_name: str, because: UnusableAnswerError
) -> list[str]:
    try:
        refs = session.call_in(session_ref, f"{class_name}.get_all")
    except UnusableAnswerError:
        raise because from None
    if not isinstance(refs, list) or not all(isinstance(ref, str) for ref in refs):
        raise because
    return refs
