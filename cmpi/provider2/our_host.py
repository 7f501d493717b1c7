"""Our own providers in the process of a binding: opened with the first request that needs them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pywbem

from virtcim.cim.records import Record
from virtcim.cmpi.host import DEFAULT_HOST, HostedProviders, OpenHost, factory
from virtcim.cmpi.indications import Indications
from virtcim.cmpi.provider2.conversion import shown_indication
from virtcim.cmpi.provider2.handle_way import Told
from virtcim.cmpi.statuses import error_of, lonely_incident
from virtcim.errormap import accepted_language

__all__ = ["HOST", "MODULE", "OurHost", "host_is", "language_of", "told"]


#: Whose filters those of the one module are (``Indications``).
MODULE = 0
_log = logging.getLogger(__name__)


class OurHost:
    """The providers, and what is subscribed to; safe in many threads."""

    def __init__(self) -> None:
        self.open: OpenHost = factory(DEFAULT_HOST)
        self.indications: Indications[Told] = Indications()
        self._lock = threading.Lock()
        self._hosted: HostedProviders | None = None

    def opened(self) -> HostedProviders:
        """The providers, opened if they were not yet. Raises CimError."""
        with self._lock:
            if self._hosted is None:
                self._hosted = self.open()
            return self._hosted

    def hosted(self) -> HostedProviders:
        """What the requests are answered by. Raises CimError."""
        hosted = self._hosted
        if hosted is None:
            hosted = self.opened()
            try:
                # For whoever subscribed while they could not be opened.
                self.begin_indications(hosted)
            except Exception:  # noqa: BLE001 - the request that opened them is served
                _log.exception("indications cannot begin")
        return hosted

    def begin_indications(self, hosted: HostedProviders) -> None:
        """Tell the server what happens, if it has enabled that and is not told yet."""

        def write(namespace: str, record: Record) -> Told:
            return shown_indication(namespace, record, hosted.declarations)

        self.indications.begin(hosted.providers, write)

    def incident(self, what: str, error: BaseException) -> str:
        """Tell of what nobody foresaw."""
        hosted = self._hosted
        return (lonely_incident if hosted is None else hosted.incident)(what, error)

    def close(self) -> None:
        """End the providers, with their threads."""
        self.indications.forget(MODULE)
        with self._lock:
            hosted, self._hosted = self._hosted, None
        if hosted is not None:
            hosted.close()


HOST = OurHost()


def host_is(open_host: OpenHost) -> None:
    """Have other providers than those that the system's configuration says."""
    HOST.open = open_host


def language_of(env: Any) -> str:
    """The language of whoever asks; a binding has it in one of two places, or says nothing."""
    for read in (
        getattr(env, "get_context_value", None),
        getattr(getattr(env, "ctx", None), "get", None),
    ):
        found = read("CMPIAcceptLanguage") if read is not None else None
        if found:
            return accepted_language(str(found))
    return accepted_language("")


@contextmanager
def told(what: str, language: str) -> Iterator[None]:
    """Whatever goes wrong as an error of pywbem's, with its status and its text."""
    try:
        yield
    except pywbem.CIMError:
        raise
    except Exception as error:
        shown = error_of(what, error, HOST.incident).in_language(language)
        raise pywbem.CIMError(shown.status_code, shown.description) from error
