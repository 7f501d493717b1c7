"""Reading everything for the first time: in pages of rows, where the server has them.

Our own toolstack gives what is read of each object in little text, which takes a fraction of the
time. An object that is there all the while is on one page, as it was then. What happens to objects
while the pages are read is told by the events since a token of before, as it is where one answer
holds everything. While one class is understood the next one is read.
"""

from __future__ import annotations

import gc
import logging
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from itertools import pairwise
from typing import Any

from virtcim.hypervisor.xenapi.class_records import ClassRecords, read_class
from virtcim.hypervisor.xenapi.progress import ReadingProgress
from virtcim.hypervisor.xenapi.read_fields import READ_FIELDS, TIMES
from virtcim.hypervisor.xenapi.session import UnusableAnswerError, XenApiSession
from virtcim.wire.decode import RESPONSE_LIMITS
from virtcim.wire.errors import MalformedMessage
from virtcim.wire.rows import Page, decode_page

__all__ = ["FirstReading", "all_of_it_stays"]

_log = logging.getLogger(__name__)

_GET_ROWS = "virtcim.get_rows"
_OURS = "virtcim"
_UNKNOWN = "MESSAGE_METHOD_UNKNOWN"
# The classes that there may be rows of, by the one that is read before.
_NEXT = dict(pairwise(READ_FIELDS))


@contextmanager
def all_of_it_stays() -> Iterator[None]:
    """Do within the block what makes many objects that stay, and waits for nobody.

    Looking for garbage among them takes as long as making them.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


class FirstReading:
    """Reads one class after the other in one session, and tells how far that is.

    ``name`` is that of the endpoint in the log. Ends with ``close``.
    """

    def __init__(
        self, session: XenApiSession, session_ref: str, progress: ReadingProgress, name: str
    ) -> None:
        self._session = session
        self._session_ref = session_ref
        self._progress = progress
        self._name = name
        self._has_rows = True
        self._reader = ThreadPoolExecutor(1, f"virtcim-reader-{name}")
        self._ahead: dict[str, Future[ClassRecords]] = {}

    def close(self) -> None:
        """Read no more; waits for the answer of a call that is under way."""
        self._reader.shutdown(cancel_futures=True)

    def read(self, class_name: str, vendor: str) -> ClassRecords:
        """Read every object of a class from the server of this vendor, as far as is known.

        Raises what ``read_class`` raises.
        """
        ahead = self._ahead.pop(class_name, None)
        read = self._read(class_name, vendor) if ahead is None else ahead.result()
        following = _NEXT.get(class_name)
        if following is not None and vendor == _OURS and self._has_rows:
            self._ahead[following] = self._reader.submit(self._read, following, vendor)
        return read

    def _read(self, class_name: str, vendor: str) -> ClassRecords:
        read = self._from_rows(class_name, vendor)
        if read is None:
            arrived = partial(self._progress.arrived, class_name)
            read = read_class(self._session, self._session_ref, class_name, arrived)
        self._progress.finished(class_name, read.records)
        return read

    def _from_rows(self, class_name: str, vendor: str) -> ClassRecords | None:
        """The records with what is read of them, None where they have to be read another way."""
        if vendor != _OURS or class_name not in READ_FIELDS or not self._has_rows:
            return None
        try:
            return ClassRecords(self._all_rows(class_name), {})
        except UnusableAnswerError as exc:
            # A toolstack of an earlier release has none.
            self._has_rows = exc.fault.code != _UNKNOWN
            if self._has_rows:
                _log.warning("%s: rows of %s cannot be read: %s", self._name, class_name, exc.brief)
            return None

    def _all_rows(self, class_name: str) -> dict[str, dict[str, Any]]:
        records: dict[str, dict[str, Any]] = {}
        after, characters = "", 0
        while True:
            page, length = self._page(class_name, after)
            characters += length
            # Together they may be as long as the one answer that they stand for.
            if characters > RESPONSE_LIMITS.max_bytes or (page.next and page.next <= after):
                raise UnusableAnswerError.of(_GET_ROWS, "the pages have no end")
            records |= page.records
            self._progress.arrived_of(class_name, len(records), page.total)
            if not page.next:
                return records
            after = page.next

    def _page(self, class_name: str, after: str) -> tuple[Page, int]:
        fields = READ_FIELDS[class_name]
        text = self._session.call_in(
            self._session_ref, _GET_ROWS, *(class_name, list(fields), after)
        )
        if not isinstance(text, str):
            raise UnusableAnswerError.of(_GET_ROWS, "the answer is no page")
        try:
            with all_of_it_stays():
                return decode_page(text, fields, TIMES.intersection(fields)), len(text)
        except MalformedMessage as exc:
            raise UnusableAnswerError.of(_GET_ROWS, str(exc), text[:500]) from exc
