"""What is seen of a CIM server: whether its hypervisors are there, what is known, what happened."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from virtcim.cimserver import CimServer
from virtcim.cimserver.indications.delivery.queue import DeliveryQueue
from virtcim.daemon.observation.measures import Distribution, Family, Labels
from virtcim.daemon.observation.readiness import Connection, State
from virtcim.errormap import HypervisorError, translate
from virtcim.hypervisor import Endpoint, InventoryLoadingError
from virtcim.hypervisor.model import Inventory

__all__ = [
    "connection_of",
    "indication_families",
    "inventory_families",
    "load_families",
]


def connection_of(endpoint: Endpoint, *, is_current: bool = True) -> Connection:
    """How it stands with a hypervisor. Nothing of its own words is in it: others may read it.

    ``is_current``: it is known without asking that what is shown has all that others wrote.
    """
    try:
        endpoint.inventory()
    except InventoryLoadingError as error:
        code = translate(error.fault).code.name
        return Connection(State.LOADING, code, error.loading.read, error.loading.of)
    except HypervisorError as error:
        return Connection(State.DISCONNECTED, translate(error.fault).code.name)
    return Connection(State.CONNECTED if is_current else State.BEHIND)


def inventory_families(endpoints: Mapping[str, Endpoint]) -> Iterable[Family]:
    """What is known of each hypervisor, by the namespace in which it is served."""
    connected: dict[Labels, float | Distribution] = {}
    ages: dict[Labels, float | Distribution] = {}
    objects: dict[Labels, float | Distribution] = {}
    for namespace, endpoint in endpoints.items():
        try:
            inventory = endpoint.inventory()
        except HypervisorError:
            connected[namespace,] = 0
            continue
        connected[namespace,] = 1
        ages[namespace,] = endpoint.age_s
        for kind, count in _sizes(inventory).items():
            objects[namespace, kind] = count
    yield Family(
        name="virtcim_inventory_connected",
        kind="gauge",
        what="Whether everything of a hypervisor is known, 1 or 0.",
        labels=("namespace",),
        values=connected,
        together="least",
    )
    yield Family(
        name="virtcim_inventory_age_seconds",
        kind="gauge",
        what="How long ago a hypervisor last said that nothing else has changed.",
        labels=("namespace",),
        values=ages,
        together="most",
    )
    yield Family(
        name="virtcim_inventory_objects",
        kind="gauge",
        what="Objects of a hypervisor that are known, by their kind.",
        labels=("namespace", "kind"),
        values=objects,
        together="most",
    )


def _sizes(inventory: Inventory) -> dict[str, int]:
    return {
        "host": len(inventory.hosts),
        "virtual_system": len(inventory.virtual_systems),
        "storage_repository": len(inventory.storage_repositories),
        "disk_image": len(inventory.disk_images),
        "network": len(inventory.networks),
    }


def load_families(server: CimServer) -> Iterable[Family]:
    """What clients have of a CIM server just now."""
    load = server.load
    yield Family.single("virtcim_cim_requests", "gauge", "Requests in progress.", load.requests)
    yield Family.single(
        "virtcim_cim_requests_waiting", "gauge", "Requests that wait for their turn.", load.waiting
    )
    yield Family.single(
        "virtcim_message_memory_bytes",
        "gauge",
        "Memory of messages that clients are slow to send or to take.",
        load.message_bytes,
    )
    yield Family.single(
        "virtcim_open_enumerations", "gauge", "Enumerations that are open.", load.open_enumerations
    )


def indication_families(queue: DeliveryQueue) -> Iterable[Family]:
    """What was sent, what was not, and what waits."""
    counts, size = queue.counters.read(), queue.size()
    what = {
        "queued": "Deliveries of indications that were accepted.",
        "sent": "Deliveries that a listener has taken.",
        "failed": "Attempts to deliver that failed.",
        "retried": "Attempts to deliver after one that failed.",
    }
    for name, text in what.items():
        value = getattr(counts, name)
        yield Family.single(f"virtcim_indications_{name}_total", "counter", text, value)
    yield Family(
        name="virtcim_indications_dropped_total",
        kind="counter",
        what="Deliveries that were given up, by the reason.",
        labels=("reason",),
        values={(why.value,): count for why, count in counts.dropped.items()},
    )
    yield Family.single(
        "virtcim_indication_queue_deliveries",
        "gauge",
        "Deliveries that wait.",
        size.deliveries,
        together="most",
    )
    yield Family.single(
        "virtcim_indication_queue_bytes",
        "gauge",
        "Bytes that wait.",
        size.payload_bytes,
        together="most",
    )
    yield Family.single(
        "virtcim_indication_queue_oldest_seconds",
        "gauge",
        "How long the oldest delivery has waited.",
        size.oldest_age_s,
        together="most",
    )
