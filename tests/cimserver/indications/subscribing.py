"""A server that takes subscriptions, and what is asked of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pywbem

from tests.cimserver.serving import Served, served
from tests.providers.simulated_endpoint import SimulatedEndpoint
from virtcim.cim.records import Record
from virtcim.cimserver import CimServer, Limits
from virtcim.cimserver.indications.networks import ANYWHERE, ListenerNetworks
from virtcim.cimserver.indications.service import IndicationService
from virtcim.cimserver.indications.subscriptions import SubscriptionManager
from virtcim.daemon.incidents import incident
from virtcim.mof import Schema, ensure_schema, load_schema
from virtcim.providers import Indication, Providers

__all__ = [
    "DESTINATION",
    "FILTER",
    "HANDLER",
    "INTEROP",
    "QUERY",
    "SUBSCRIPTION",
    "Subscribing",
    "compiled_schema",
    "created",
    "modified",
    "refusal",
    "subscribing",
]

INTEROP = "root/interop"
FILTER, SUBSCRIPTION = "CIM_IndicationFilter", "CIM_IndicationSubscription"
DESTINATION, HANDLER = "CIM_ListenerDestinationCIMXML", "CIM_IndicationHandlerCIMXML"
QUERY = "SELECT * FROM CIM_InstModification WHERE SourceInstance ISA CIM_ComputerSystem"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscribing:
    """A served server, its subscriptions, and a client of it."""

    providers: Providers
    server: Served
    manager: SubscriptionManager
    connection: pywbem.WBEMConnection

    def create(self, class_name: str, *, namespace: str = INTEROP, **values: Any) -> Any:
        """CreateInstance; the path."""
        made = pywbem.CIMInstance(class_name, properties=values)
        return self.connection.CreateInstance(made, namespace=namespace)

    def filter(self, name: str = "f", query: str = QUERY, **values: Any) -> Any:
        """Create a filter, in WQL unless said otherwise."""
        return self.create(
            FILTER, **{"Name": name, "Query": query, "QueryLanguage": "WQL"} | values
        )

    def destination(self, name: str = "d", **values: Any) -> Any:
        """Create a listener destination."""
        return self.create(DESTINATION, **{"Name": name, "Destination": "http://h:5000"} | values)

    def subscribe(self, filtered: Any = None, handler: Any = None, **values: Any) -> Any:
        """Subscribe, with a new filter and a new destination where none is given."""
        ends = {"Filter": filtered or self.filter(), "Handler": handler or self.destination()}
        return self.create(SUBSCRIPTION, **ends | values)

    def modify(self, path: Any, *, only: list[str] | None = None, **values: Any) -> None:
        """ModifyInstance."""
        changed = pywbem.CIMInstance(path.classname, properties=values)
        changed.path = path  # only now: its keys would follow the values
        self.connection.ModifyInstance(changed, PropertyList=only)

    def names(self, class_name: str, namespace: str = INTEROP) -> list[Any]:
        """The paths of the instances of a class."""
        found: list[Any] = self.connection.EnumerateInstanceNames(class_name, namespace=namespace)
        return found

    def told(self, indication: Indication) -> list[str]:
        """The URLs that an indication is for."""
        return [one.destination.url for one in self.manager.index.matching(indication)]


@cache
def compiled_schema() -> Schema:
    """The schema, of which each class is read once for all tests."""
    ensure_schema()
    return load_schema()


@contextmanager
def subscribing(
    state: str | Path = "",
    limits: Limits | None = None,
    networks: ListenerNetworks = ANYWHERE,
) -> Iterator[Subscribing]:
    """A server over two hypervisors with a few machines."""
    schema = compiled_schema()
    endpoints = (SimulatedEndpoint(2), SimulatedEndpoint(0, name="other"))
    providers = Providers(endpoints, schema, state=str(state), incident=incident)
    try:
        service = IndicationService(providers, schema, limits or Limits(), networks=networks)
        manager = service.subscriptions
        server = CimServer(providers, schema, authenticate=None, subscriptions=manager)
        with served(server) as running, running.pywbem() as connection:
            yield Subscribing(
                providers=providers, server=running, manager=manager, connection=connection
            )
    finally:
        providers.close()


def refusal(call: Any, *arguments: Any, **named: Any) -> tuple[int, str]:
    """The status and the text with which a call is refused."""
    try:
        call(*arguments, **named)
    except pywbem.CIMError as error:
        return int(error.status_code), error.status_description
    raise AssertionError("it was not refused")


def _system(**values: Any) -> Record:
    return Record("VirtCIM_ComputerSystem", {"Name": "uuid", "EnabledState": 2} | values)


def created(namespace: str = "root/virt", **values: Any) -> Indication:
    """A new virtual system."""
    return Indication(
        namespace=namespace,
        record=Record("VirtCIM_InstCreation", {"SourceInstance": _system(**values)}),
    )


def modified(before: int, after: int, namespace: str = "root/virt") -> Indication:
    """A virtual system whose EnabledState has changed."""
    values = {
        "SourceInstance": _system(EnabledState=after),
        "PreviousInstance": _system(EnabledState=before),
    }
    return Indication(namespace=namespace, record=Record("VirtCIM_InstModification", values))
