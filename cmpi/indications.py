"""The indication interface: what a CIM server subscribes to here, and is told (DSP1054).

Filters, destinations and delivery to clients are the server's own. It says which classes of
indications somebody subscribes to, and is handed those that happen, from the threads of the
providers.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime
from typing import Generic, Protocol, TypeVar

import sqlalchemy as sa

from virtcim.cim.records import CimError, Record, StatusCode
from virtcim.cmpi.blocks import text_block
from virtcim.cmpi.host import HostProviders
from virtcim.cmpi.request import Call, Operation, Request
from virtcim.cmpi.writing import BlockWriter
from virtcim.providers import Indication, StateError
from virtcim.providers.indications import Remember, identified, indication_classes_of

__all__ = [
    "INDICATION_OPERATIONS",
    "Indications",
    "Way",
    "block_writer",
    "check_filter",
    "serve_indications",
]

_log = logging.getLogger(__name__)
_SHOWN_CHARACTERS = 80
_What = TypeVar("_What")
_Taken_contra = TypeVar("_Taken_contra", contravariant=True)

INDICATION_OPERATIONS = frozenset(
    (
        *(Operation.AUTHORIZE_FILTER, Operation.MUST_POLL, Operation.ACTIVATE_FILTER),
        *(Operation.DEACTIVATE_FILTER, Operation.ENABLE_INDICATIONS),
        Operation.DISABLE_INDICATIONS,
    )
)


class Way(Protocol[_Taken_contra]):
    """A way to the CIM server for threads that it did not make."""

    def deliver(self, what: _Taken_contra) -> str:
        """Deliver one indication; why that failed, empty where it did not."""

    def close(self) -> None:
        """Give it back; it is used no more."""


#: Writes an indication, with the namespace that it tells of, for the way to the server.
Write = Callable[[str, Record], _What]


class _Sink(Generic[_What]):
    """Hands indications to the server as long as they are enabled (``IndicationSink``)."""

    def __init__(
        self,
        providers: HostProviders,
        write: Write[_What],
        way: Way[_What],
        wanted: Callable[[str], Collection[str]],
    ) -> None:
        self._providers = providers
        self._write = write
        self._way: Way[_What] | None = way
        self._wanted = wanted
        self._lock = threading.Lock()

    def wanted(self, namespace: str) -> Collection[str]:
        """Which classes of indications somebody subscribes to in a namespace."""
        return self._wanted(namespace)

    def tell(self, indications: Sequence[Indication], remember: Remember) -> None:
        """Deliver indications, and keep what was told of. Raises StateError.

        One that the server refuses costs only itself: it would refuse it again.
        """
        for indication in indications:
            self._tell(indication)
        state = self._providers.state
        try:
            with state.lock, state.engine.begin() as connection:
                remember(connection)
        except sa.exc.SQLAlchemyError as error:
            raise StateError(f"what was told of cannot be kept in {state.reason(error)}") from error

    def _tell(self, indication: Indication) -> None:
        record = identified(indication.record, datetime.now(UTC))
        if record.class_name not in self.wanted(indication.namespace):
            return
        written = self._write(indication.namespace, record)
        with self._lock:
            if self._way is None:
                raise StateError("the CIM server has disabled indications")
            why = self._way.deliver(written)
        if why:
            _log.error("an indication of %s is lost: %s", record.class_name, why)

    def look_again(self) -> None:
        """The server may want something else now."""
        self._providers.subscriptions_changed()

    def start(self) -> None:
        """Begin to be told."""
        self._providers.start_indications(self)

    def close(self) -> None:
        """Deliver nothing any more; no thread uses the server when this returns."""
        with self._lock:
            way, self._way = self._way, None
        # What is just being told fails, and is told by whoever comes next.
        self._providers.stop_indications()
        if way is not None:
            way.close()


class Indications(Generic[_What]):
    """What the server subscribes to, and whether it is told.

    Filters count, and indications are enabled, also while there are no providers: a server says
    both once, and never again.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # Held by whoever begins or ends to tell; _lock is taken by the threads that tell, too.
        self._turning = threading.Lock()
        # How often each class is subscribed to in each namespace, both in lower case, and with
        # which provider.
        self._filters: Counter[tuple[int, str, str]] = Counter()
        # The way to the server, as long as there are no providers that have something to tell.
        self._unused: Way[_What] | None = None
        self._sink: _Sink[_What] | None = None
        self._enabled_by = -1

    def activate(self, provider: int, namespace: str, class_name: str) -> None:
        """Begin to count a filter on a class. Raises CimError for what is never told of here."""
        check_filter(class_name)
        self._count(provider, namespace, class_name, 1)

    def deactivate(self, provider: int, namespace: str, class_name: str) -> None:
        """Count a filter no more."""
        self._count(provider, namespace, class_name, -1)

    def enable(self, provider: int, find_way: Callable[[], Way[_What] | None]) -> None:
        """Take a way to the server, unless there is one. Raises CimError where it has none."""
        with self._turning:
            if self._sink is not None or self._unused is not None:
                return
            self._unused = find_way()
            if self._unused is None:
                raise CimError(
                    StatusCode.NOT_SUPPORTED,
                    "the CIM server lets no thread of ours deliver indications",
                )
            self._enabled_by = provider

    def begin(self, providers: HostProviders, write: Write[_What]) -> None:
        """Tell the server what happens, if it has enabled that and is not told yet."""
        with self._turning:
            way, self._unused = self._unused, None
            if way is None:
                return
            sink = _Sink(providers, write, way, self.wanted)
            try:
                sink.start()
            except BaseException:
                way.close()
                raise
            self._sink = sink

    def wanted(self, namespace: str) -> Collection[str]:
        """Which of INDICATION_CLASSES somebody subscribes to in a namespace."""
        place = namespace.lower()
        with self._lock:
            asked = [
                name for (_, where, name), many in self._filters.items() if where == place and many
            ]
        return {one for name in asked for one in indication_classes_of(name)}

    def forget(self, provider: int) -> None:
        """A provider is no more, and what it was told with: no thread uses it afterwards."""
        with self._lock:
            for place in [place for place in self._filters if place[0] == provider]:
                del self._filters[place]
        if self._enabled_by == provider:
            self.close()

    def close(self) -> None:
        """Tell the server nothing any more; no thread uses it when this returns."""
        with self._turning:
            sink, self._sink = self._sink, None
            way, self._unused = self._unused, None
            if sink is not None:
                sink.close()
            if way is not None:
                way.close()

    def _count(self, provider: int, namespace: str, class_name: str, change: int) -> None:
        place = provider, namespace.lower(), class_name.lower()
        with self._lock:
            self._filters[place] = max(0, self._filters[place] + change)
            sink = self._sink
        if sink is not None:
            sink.look_again()


def check_filter(class_name: str) -> None:
    """Refuse a filter on what is never told of here. Raises CimError."""
    if not indication_classes_of(class_name):
        shown = repr(class_name[:_SHOWN_CHARACTERS])
        raise CimError(StatusCode.INVALID_QUERY, f"there are no indications of {shown} here")


def serve_indications(
    indications: Indications[bytes], call: Call, provider: int, request: Request
) -> None:
    """One operation of the interface of a provider. Raises CimError."""
    operation, namespace = request.operation, request.path.namespace
    class_name = request.texts[0] or request.path.class_name
    if operation is Operation.MUST_POLL:
        raise CimError(StatusCode.NOT_SUPPORTED, "nobody needs to poll for indications")
    if operation is Operation.AUTHORIZE_FILTER:
        check_filter(class_name)
    elif operation is Operation.ACTIVATE_FILTER:
        indications.activate(provider, namespace, class_name)
    elif operation is Operation.DEACTIVATE_FILTER:
        indications.deactivate(provider, namespace, class_name)
    elif operation is Operation.ENABLE_INDICATIONS:
        indications.enable(provider, call.delivery)
    elif operation is Operation.DISABLE_INDICATIONS:
        indications.close()


def block_writer(writer: BlockWriter) -> Write[bytes]:
    """What writes indications for ``Call.delivery``."""
    return lambda namespace, record: (
        text_block(namespace) + writer.instance(record, None, namespace)
    )
