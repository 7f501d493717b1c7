"""Running a request: the table of all operations, and the boundary where failures are answered."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from functools import lru_cache

from virtcim.cim.cimxml.classes import ClassEncoder
from virtcim.cim.cimxml.instances import Encoder
from virtcim.cim.cimxml.requests import MethodCall, Request
from virtcim.cim.cimxml.responses import Answer, Reply, error_message, response_message
from virtcim.cim.cimxml.values import ValueReader, shown
from virtcim.cim.errors import CimXmlError, InvalidValue
from virtcim.cim.records import CimError, StatusCode
from virtcim.cimserver.boundary import ProviderBoundary
from virtcim.cimserver.declarations import Declarations
from virtcim.cimserver.enumerations import Enumerations
from virtcim.cimserver.errors import incident, invalid_parameter
from virtcim.cimserver.guard import Guard
from virtcim.cimserver.guarded_providers import GuardedProviders
from virtcim.cimserver.indications.subscriptions import SubscriptionManager
from virtcim.cimserver.limits import Limits
from virtcim.cimserver.measures import OperationMeasures
from virtcim.cimserver.operations import (
    classes,
    collections,
    instance_changes,
    instances,
    pull,
    queries,
)
from virtcim.cimserver.operations.call import Arguments, Context, Operation, Services
from virtcim.cimserver.operations.methods import invoke_method
from virtcim.cimserver.other_workers import OtherWorkers
from virtcim.daemon.audit import Audit
from virtcim.daemon.current_request import complete_s
from virtcim.daemon.requester import Requester
from virtcim.mof import Schema

__all__ = ["OPERATIONS", "Operations"]

_log = logging.getLogger(__name__)

_SHOWN_NAME = 80
_MOST_CONTEXTS = 256
# sblim clients (wbemcli, sfcc) give every message this number.
_SBLIM_MESSAGE_ID = "4711"

_SPELLED: Mapping[str, Operation] = {
    name: operation
    for table in (
        classes.OPERATIONS,
        instances.OPERATIONS,
        instance_changes.OPERATIONS,
        collections.OPERATIONS,
        pull.OPERATIONS,
        queries.OPERATIONS,
    )
    for name, operation in table.items()
}
OPERATIONS: Mapping[str, Operation] = {
    name.lower(): operation for name, operation in _SPELLED.items()
}
# What reads one instance or what is around it, as clients spell it.
_AT_ONCE = frozenset(
    name
    for table in (instances.OPERATIONS, collections.OPERATIONS)
    for name, operation in table.items()
    if operation.around
)


@lru_cache(maxsize=256)
def _report(what: str) -> None:
    """Say once what is left out."""
    _log.error("an instance is left out of lists: %s", what)


class Operations:
    """All operations over one set of providers and one schema; safe to use from many threads."""

    def __init__(
        self,
        providers: ProviderBoundary,
        schema: Schema,
        *,
        host: str,
        limits: Limits,
        debug_errors: bool,
        audit: Audit,
        subscriptions: SubscriptionManager | None = None,
        others: OtherWorkers | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        declarations = Declarations(schema)
        self._debug_errors = debug_errors
        self._held_bytes = limits.held_reply_bytes
        self._audit = audit
        #: What has been counted.
        self.measures = OperationMeasures(_SPELLED)
        self._namespaces = {name.lower(): name for name in providers.namespaces}
        self._services = Services(
            providers=providers,
            schema=schema,
            declarations=declarations,
            encoder=Encoder(declarations, host, left_out=_report),
            classes=ClassEncoder(schema.classes.__getitem__),
            enumerations=Enumerations(limits, clock)
            if others is None
            else others.enumerations(limits, clock),
            limits=limits,
            property_names=schema.property_names,
            subscriptions=subscriptions,
        )
        # The same requesters ask again and again.
        self._context = lru_cache(_MOST_CONTEXTS)(self._new_context)

    @property
    def open_enumerations(self) -> int:
        """How many enumerations are open."""
        return len(self._services.enumerations)

    def may_open(self, client: str) -> bool:
        """Whether there is room for one more open enumeration of a client."""
        return self._services.enumerations.has_room(client)

    def answer(
        self, request: Request, *, requester: Requester, user_agent: str, language: str
    ) -> Answer:
        """Run a request and write its response message, an error where it failed; may block.

        The log is English; the client is told of a failure in ``language`` where that can be.
        Raises CimXmlError only for a message that is not CIM-XML.
        """
        answer = self._answered(request, requester, user_agent, language, at_once=False)
        assert answer is not None
        return answer

    def answer_at_once(
        self, request: Request, *, requester: Requester, user_agent: str, language: str
    ) -> Answer | None:
        """``answer`` where that waits for nothing and takes about as long as a way to a thread.

        None for everything else, of which nothing was done then.
        """
        if request.name not in _AT_ONCE or isinstance(request, MethodCall):
            return None
        return self._answered(request, requester, user_agent, language, at_once=True)

    def _answered(
        self,
        request: Request,
        requester: Requester,
        user_agent: str,
        language: str,
        *,
        at_once: bool,
    ) -> Answer | None:
        began_s = complete_s()
        try:
            try:
                reply = self._run(request, requester, language, at_once=at_once)
                if reply is None:
                    return None
                answer = response_message(request, reply, held_bytes=self._held_bytes)
                self.measures.note(request.name, began_s)
                return answer
            except CimError as exc:
                self.measures.note(request.name, began_s, exc)
                _log.info(
                    "%r for %r failed with status %d: %r",
                    request.name[:_SHOWN_NAME],
                    requester.user,
                    exc.status_code,
                    exc.description,
                )
                return self._error(request, exc.in_language(language), user_agent)
        except CimXmlError:
            raise
        except Exception as exc:  # noqa: BLE001 - the one boundary of a request
            error = incident(request.name, exc, show_traceback=self._debug_errors)
            self.measures.note(request.name, began_s, error)
            return self._error(request, error.in_language(language), user_agent)

    def _new_context(
        self, requester: Requester, namespace: str, providers: ProviderBoundary
    ) -> Context:
        services = self._services
        guard = Guard(requester, services.schema, self._audit, services.providers.namespaces)
        return Context(
            services=services,
            providers=GuardedProviders(providers, guard, services.subscriptions),
            namespace=namespace,
            guard=guard,
            reader=ValueReader(services.declarations, namespace),
        )

    def _error(self, request: Request, error: CimError, user_agent: str) -> Answer:
        """The sblim clients cannot read the instances of an error.

        They would show their user a parse exception instead of it.
        """
        is_sblim = request.message_id == _SBLIM_MESSAGE_ID and not user_agent
        return error_message(request, error, self._services.encoder, with_instances=not is_sblim)

    def _run(
        self, request: Request, requester: Requester, language: str, *, at_once: bool
    ) -> Reply | None:
        namespace = self._namespaces.get(request.namespace.lower())
        if namespace is None:
            raise CimError(
                StatusCode.INVALID_NAMESPACE, f"there is no namespace {shown(request.namespace)}"
            )
        providers = self._services.providers.in_language(language)
        # The checker does not take a protocol for hashable.
        context = self._context(requester, namespace, providers)  # type: ignore[arg-type]
        try:
            if isinstance(request, MethodCall):
                return invoke_method(context, request)
            operation = OPERATIONS.get(request.name.lower())
            if operation is None:
                raise CimError(
                    StatusCode.NOT_SUPPORTED,
                    f"the operation {shown(request.name)} is not supported",
                )
            context.guard.require_operation(request.name, namespace)
            arguments = Arguments(request, operation, context.reader)
            if at_once and not context.providers.reads_at_once(arguments.path(operation.around)):
                return None
            return operation.run(context, arguments)
        except InvalidValue as exc:
            raise invalid_parameter(str(exc)) from exc
