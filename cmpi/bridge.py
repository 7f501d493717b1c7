"""Serving the requests of a CIM server, from the first interface that it opens to the last."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping

from virtcim.cim.records import StatusCode
from virtcim.cmpi.alike import AlikeForms
from virtcim.cmpi.associations import ASSOCIATION_OPERATIONS
from virtcim.cmpi.host import HostedProviders
from virtcim.cmpi.indications import (
    INDICATION_OPERATIONS,
    Indications,
    block_writer,
    serve_indications,
)
from virtcim.cmpi.instances import INSTANCE_OPERATIONS
from virtcim.cmpi.methods import METHOD_OPERATIONS
from virtcim.cmpi.request import (
    Call,
    ForeignHost,
    Operation,
    Request,
    Serve,
    Session,
    status_item,
)
from virtcim.cmpi.statuses import error_of, failed, lonely_incident
from virtcim.cmpi.writing import BlockWriter
from virtcim.errormap import ENGLISH

__all__ = ["DO_NOT_UNLOAD", "AnyHost", "Bridge"]

_log = logging.getLogger(__name__)

#: The answer to a server that would rather not keep us (The Open Group C061, "CMPIrc").
DO_NOT_UNLOAD = 50
# From this version of its tables on a server takes instances as values of properties.
_EMBEDDING_VERSION = 200

AnyHost = HostedProviders | ForeignHost

# What needs no providers as long as nothing else was asked for.
_WITHOUT_PROVIDERS = frozenset(
    (Operation.MUST_POLL, Operation.DEACTIVATE_FILTER, Operation.DISABLE_INDICATIONS)
)
# What reads, and is told by the part of a block that every request has.
_READING = frozenset(
    (
        *(Operation.ENUMERATE_INSTANCES, Operation.ENUMERATE_INSTANCE_NAMES),
        *(Operation.GET_INSTANCE, Operation.ASSOCIATORS, Operation.ASSOCIATOR_NAMES),
        *(Operation.REFERENCES, Operation.REFERENCE_NAMES),
    )
)
# Of such requests that are kept as they were understood: some 4 MB at most.
_MOST_KNOWN, _LONGEST_KNOWN = 2048, 1024
_OPERATIONS: Mapping[Operation, Serve] = {
    **INSTANCE_OPERATIONS,
    **ASSOCIATION_OPERATIONS,
    **METHOD_OPERATIONS,
}


class Bridge:
    """One for a process; safe to use from many threads.

    The providers are opened with the first request that needs them and closed when the server has
    cleaned up every interface; one that only asks whether it may unload us is told not to.
    ``interop`` is what the server calls its interop namespace, if not as we do.
    """

    def __init__(self, open_host: Callable[[], AnyHost], interop: str = "") -> None:
        self._open_host = open_host
        self._interop = interop
        self._lock = threading.Lock()
        self._opened: set[int] = set()
        self._embeds = False
        self._host: AnyHost | None = None
        self._alike: AlikeForms | None = None
        self._known: dict[tuple[int, bytes], Request] = {}
        self._indications: Indications[bytes] = Indications()

    def serve(self, call: Call, provider: int, operation: int, block: bytes) -> int:
        """Serve one request; its status, of which the server is told the text. Never raises."""
        language = ENGLISH
        what = f"operation {operation}"
        try:
            # Clients ask for the same again and again, and all of it is in the block.
            request = self._known.get((operation, block)) or self._read(operation, block)
            language, what = request.language, request.operation.name.lower()
            return self._run(call, provider, request)
        except BaseException as exc:  # noqa: BLE001 - C knows no exceptions
            return self._failed(call, what, exc, language)

    def _failed(self, call: Call, what: str, exc: BaseException, language: str) -> int:
        try:
            host = self._host
            incident = lonely_incident if host is None else host.incident
            error = error_of(what, exc, incident).in_language(language)
            _log.info("%s failed with status %d: %r", what, error.status_code, error.description)
            call.give(failed(error))
        except BaseException:  # noqa: BLE001 - not even that could be told
            _log.exception("a failure of %s cannot be told", what)
        return StatusCode.FAILED

    def _run(self, call: Call, provider: int, request: Request) -> int:
        operation = request.operation
        if operation is Operation.OPEN:
            self._open(provider, request)
        elif operation is Operation.CLEANUP:
            return self._clean_up(call, provider, terminating=bool(request.flag))
        elif (foreign := self._foreign(operation)) is not None:
            foreign.serve(call, request, self._embeds)
        elif (serve := _OPERATIONS.get(operation)) is not None:
            serve(self._session(call, request), request)
        else:
            serve_indications(self._indications, call, provider, request)
            self._begin_indications()
        return 0

    def _read(self, operation: int, block: bytes) -> Request:
        request = Request.read(operation, block, self._interop)
        if (
            operation in _READING
            and len(block) <= _LONGEST_KNOWN
            and isinstance(self._host, HostedProviders)
        ):
            if len(self._known) >= _MOST_KNOWN:
                self._known = {}
            self._known[operation, block] = request
        return request

    def _open(self, provider: int, request: Request) -> None:
        with self._lock:
            self._opened.add(provider)
            self._embeds = request.flag >= _EMBEDDING_VERSION
        _log.info(
            "the provider %s was loaded by %s", request.texts[0], request.texts[1] or "a CIM server"
        )

    def _foreign(self, operation: Operation) -> ForeignHost | None:
        """Whoever answers all requests otherwise, None where the operations here do."""
        if self._host is None and operation in INDICATION_OPERATIONS:
            return self._foreign_subscribed_to(operation)
        host = self._hosted()
        return host if isinstance(host, ForeignHost) else None

    def _foreign_subscribed_to(self, operation: Operation) -> ForeignHost | None:
        """The same for a server that subscribes: it does so once, whether there are providers."""
        if operation in _WITHOUT_PROVIDERS:
            return None
        try:
            host = self._hosted()
        except Exception as exc:  # noqa: BLE001 - told with each other request
            _log.warning("there is nothing to tell of until the providers can be opened: %s", exc)
            return None
        return host if isinstance(host, ForeignHost) else None

    def _begin_indications(self) -> None:
        host, alike = self._host, self._alike
        if isinstance(host, HostedProviders) and alike is not None:
            self._indications.begin(host.providers, block_writer(alike.writer))

    def _begin_late_indications(self) -> None:
        """For whoever subscribed while the providers could not be opened."""
        try:
            self._begin_indications()
        except Exception:  # noqa: BLE001 - the request that opened them is served
            _log.exception("indications cannot begin")

    def _session(self, call: Call, request: Request) -> Session:
        host, alike = self._hosted(), self._alike
        assert isinstance(host, HostedProviders)
        assert alike is not None
        providers = host.providers.in_language(request.language)
        return Session(host=host, providers=providers, writer=alike.writer, alike=alike, call=call)

    def _hosted(self) -> AnyHost:
        host = self._host
        if host is None:
            with self._lock:
                host = self._host
                if host is None:
                    host = self._open_host()
                    if isinstance(host, HostedProviders):
                        writer = BlockWriter(
                            host.declarations, embeds=self._embeds, interop=self._interop
                        )
                        self._alike = AlikeForms(writer)
                    self._host = host
            self._begin_late_indications()
        return host

    def _may_unload(self) -> bool:
        host = self._host
        return isinstance(host, ForeignHost) and host.may_unload()

    def _clean_up(self, call: Call, provider: int, *, terminating: bool) -> int:
        if not terminating and not self._may_unload():
            call.give(status_item(DO_NOT_UNLOAD))
            return DO_NOT_UNLOAD
        self._indications.forget(provider)
        with self._lock:
            self._opened.discard(provider)
            if self._opened:
                return 0
            host, self._host, self._alike, self._known = self._host, None, None, {}
        if host is not None:
            host.close()
        return 0
