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

import sqlalchemy as sa

from virtcim.cim.records import CimError, StatusCode
from virtcim.cmpi.blocks import text_block
from virtcim.cmpi.host import HostDeclarations
from virtcim.cmpi.request import Call, Delivery, Operation, Request, Session
from virtcim.cmpi.writing import BlockWriter
from virtcim.providers import INDICATION_CLASSES, Indication, StateError
from virtcim.providers.indications import Remember, identified

__all__ = ["Indications"]

_log = logging.getLogger(__name__)


class _Sink:
    """Hands indications to the server as long as they are enabled (``IndicationSink``)."""

    def __init__(
        self,
        session: Session,
        delivery: Delivery,
        wanted: Callable[[str, HostDeclarations], Collection[str]],
    ) -> None:
        self._host = session.host
        self._writer: BlockWriter = session.writer
        self._delivery: Delivery | None = delivery
        self._wanted = wanted
        self._lock = threading.Lock()

    def wanted(self, namespace: str) -> Collection[str]:
        """Which classes of indications somebody subscribes to in a namespace."""
        return self._wanted(namespace, self._host.declarations)

    def tell(self, indications: Sequence[Indication], remember: Remember) -> None:
        """Deliver indications, and keep what was told of. Raises StateError.

        One that the server refuses costs only itself: it would refuse it again.
        """
        for indication in indications:
            self._tell(indication)
        state = self._host.providers.state
        try:
            with state.lock, state.engine.begin() as connection:
                remember(connection)
        except sa.exc.SQLAlchemyError as error:
            raise StateError(f"what was told of cannot be kept in {state.reason(error)}") from error

    def _tell(self, indication: Indication) -> None:
        record = identified(indication.record, datetime.now(UTC))
        if record.class_name not in self.wanted(indication.namespace):
            return
        block = text_block(indication.namespace) + self._writer.instance(
            record, None, indication.namespace
        )
        with self._lock:
            if self._delivery is None:
                raise StateError("the CIM server has disabled indications")
            why = self._delivery.deliver(block)
        if why:
            _log.error("an indication of %s is lost: %s", record.class_name, why)

    def look_again(self) -> None:
        """The server may want something else now."""
        self._host.providers.subscriptions_changed()

    def start(self) -> None:
        """Begin to be told."""
        self._host.providers.start_indications(self)

    def close(self) -> None:
        """Deliver nothing any more; no thread uses the server when this returns."""
        with self._lock:
            delivery, self._delivery = self._delivery, None
        # What is just being told fails, and is told by whoever comes next.
        self._host.providers.stop_indications()
        if delivery is not None:
            delivery.close()


class Indications:
    """What the server subscribes to, and whether it is told."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # Held by whoever begins or ends to tell; _lock is taken by the threads that tell, too.
        self._turning = threading.Lock()
        # How often each class is subscribed to in each namespace, both in lower case, and with
        # which provider.
        self._filters: Counter[tuple[int, str, str]] = Counter()
        self._sink: _Sink | None = None
        self._enabled_by = -1

    def serve(
        self, call: Call, provider: int, request: Request, open_session: Callable[[], Session]
    ) -> None:
        """One operation of the interface of a provider. Raises CimError."""
        operation = request.operation
        if operation is Operation.MUST_POLL:
            raise CimError(StatusCode.NOT_SUPPORTED, "nobody needs to poll for indications")
        if operation is Operation.AUTHORIZE_FILTER:
            self._class_of(request, open_session())
        elif operation is Operation.ACTIVATE_FILTER:
            self._class_of(request, open_session())
            self._count(provider, request, 1)
        elif operation is Operation.DEACTIVATE_FILTER:
            self._count(provider, request, -1)
        elif operation is Operation.ENABLE_INDICATIONS:
            self._enable(call, provider, open_session())
        elif operation is Operation.DISABLE_INDICATIONS:
            self.close()

    def wanted(self, namespace: str, declarations: HostDeclarations) -> Collection[str]:
        """Which of INDICATION_CLASSES somebody subscribes to in a namespace."""
        place = namespace.lower()
        with self._lock:
            asked = [
                name for (_, where, name), many in self._filters.items() if where == place and many
            ]
        return [
            one for one in INDICATION_CLASSES if any(declarations.is_a(one, name) for name in asked)
        ]

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
            if sink is not None:
                sink.close()

    def _class_of(self, request: Request, session: Session) -> None:
        """Refuse a filter on what is never told of here."""
        name = request.texts[0]
        declarations = session.host.declarations
        if not any(declarations.is_a(one, name) for one in INDICATION_CLASSES):
            raise CimError(
                StatusCode.INVALID_QUERY, f"there are no indications of {name[:80]!r} here"
            )

    def _count(self, provider: int, request: Request, change: int) -> None:
        place = provider, request.path.namespace.lower(), request.texts[0].lower()
        with self._lock:
            self._filters[place] = max(0, self._filters[place] + change)
            sink = self._sink
        if sink is not None:
            sink.look_again()

    def _enable(self, call: Call, provider: int, session: Session) -> None:
        with self._turning:
            if self._sink is not None:
                return
            delivery = call.delivery()
            if delivery is None:
                raise CimError(
                    StatusCode.NOT_SUPPORTED,
                    "the CIM server lets no thread of ours deliver indications",
                )
            sink = _Sink(session, delivery, self.wanted)
            try:
                sink.start()
            except BaseException:
                delivery.close()
                raise
            self._sink, self._enabled_by = sink, provider
