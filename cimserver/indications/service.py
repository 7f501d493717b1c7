"""The indication service of a server: subscriptions, the queue, and what sends from it."""

from __future__ import annotations

import socket
from collections.abc import Callable

from virtcim.cim.cimxml.instances import Encoder
from virtcim.cimserver.declarations import Declarations
from virtcim.cimserver.indications.delivery.deliverer import Deliverer
from virtcim.cimserver.indications.delivery.queue import DeliveryQueue
from virtcim.cimserver.indications.delivery.retention import Retention
from virtcim.cimserver.indications.delivery.tls import ListenerTls
from virtcim.cimserver.indications.hub import IndicationHub
from virtcim.cimserver.indications.networks import ANYWHERE, ListenerNetworks
from virtcim.cimserver.indications.subscriptions import SubscriptionManager
from virtcim.cimserver.limits import Limits
from virtcim.mof import Schema
from virtcim.providers import Providers

__all__ = ["IndicationService"]


class IndicationService:
    """What clients subscribe with, and what tells them, over the state database of the providers.

    ``may_see`` says whether a user may see a namespace, and so be told of it; ``networks`` are
    where listeners may be; ``host`` is what object paths name, the machine's own name by default.
    Clients can subscribe at once; they are
    told from ``start`` to ``stop``. Raises StateError where the database cannot be read.
    """

    def __init__(
        self,
        providers: Providers,
        schema: Schema,
        limits: Limits,
        *,
        may_see: Callable[[str, str], bool] = lambda _user, _namespace: True,
        tls: ListenerTls | None = None,
        networks: ListenerNetworks = ANYWHERE,
        host: str = "",
    ) -> None:
        self._providers = providers
        declarations = Declarations(schema)
        self.queue = DeliveryQueue(
            providers.state,
            retention=Retention(
                bytes=limits.waiting_indication_bytes,
                all_bytes=limits.indication_queue_bytes,
                age_s=limits.waiting_indications_s,
            ),
        )
        self.subscriptions = SubscriptionManager(
            providers.state,
            declarations,
            providers.namespaces,
            limits,
            waiting=self.queue,
            networks=networks,
            may_see=may_see,
            changed=self._changed,
        )
        providers.on_state_written(self.subscriptions.take_over)
        providers.show(lambda: self.subscriptions.snapshot)
        self._deliverer = Deliverer(
            self.queue,
            self.subscriptions,
            tls=tls,
            networks=networks,
            leads=providers.subscriptions_changed,
        )
        providers.on_server_gone(self._deliverer.look_again)
        self._hub = IndicationHub(
            self.queue,
            lambda: self.subscriptions.index,
            encoder=Encoder(declarations, host or socket.gethostname()),
            declarations=declarations,
            wake=self._deliverer.wake,
        )

    def _changed(self) -> None:
        self._providers.subscriptions_changed()
        self._providers.state_written()

    def start(self) -> None:
        """Deliver what waits, and tell of what happens from now on."""
        self._deliverer.start()
        self._providers.start_indications(self._hub, leads=lambda: self._deliverer.is_leading)

    def stop(self) -> None:
        """Tell of nothing any more; what is not delivered waits for the next start."""
        self._providers.stop_indications()
        self._deliverer.stop()
