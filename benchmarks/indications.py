"""How long an indication takes to its listener, and how many can be delivered in a second."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import sqlalchemy as sa
import typer
from indication_sink import sink
from report import Progress, machine, print_lines

from virtcim.cim.cimxml.instances import Encoder
from virtcim.cim.records import ObjectPath, Record, Value
from virtcim.cimserver.declarations import Declarations
from virtcim.cimserver.indications.delivery.deliverer import Deliverer
from virtcim.cimserver.indications.delivery.queue import DeliveryQueue
from virtcim.cimserver.indications.hub import IndicationHub
from virtcim.cimserver.queries import Query, compile_query
from virtcim.mof import load_schema
from virtcim.providers import Indication
from virtcim.providers.state.database import StateDatabase

_NAMESPACE = "root/virt"
_CLASS = "VirtCIM_InstModification"
_SUBSCRIPTIONS = 20
_PER_SECOND = 50

app = typer.Typer(rich_markup_mode=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Destination:
    id: str
    url: str
    is_transient: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Subscription:
    id: str
    filter_name: str
    destination: _Destination
    query: Query
    on_fatal_error_policy: int = 2
    failure_trigger_s: float = 0.0


@dataclass(frozen=True, slots=True)
class _Settings:
    retry_attempts: int = 3
    retry_interval_s: int = 30
    removal_action: int = 2
    removal_time_s: int = 30 * 24 * 60 * 60


@dataclass(frozen=True, slots=True)
class _Subscriptions:
    """Subscriptions that nobody changes: by the queries of each, as clients write them."""

    everybody: Sequence[_Subscription]
    by_id: dict[str, _Subscription] = field(default_factory=dict)

    def matching(self, indication: Indication) -> Sequence[_Subscription]:
        return [one for one in self.everybody if one.query.selects(indication.record)]

    def wanted(self, _namespace: str) -> Collection[str]:
        return (_CLASS,)

    def find(self, subscription: str) -> _Subscription | None:
        if not self.by_id:
            self.by_id.update({one.id: one for one in self.everybody})
        return self.by_id.get(subscription)

    def settings(self) -> _Settings:
        return _Settings()

    def disable(self, subscription: str) -> None:
        raise AssertionError(subscription)

    def remove(self, subscription: str) -> None:
        raise AssertionError(subscription)


class _Bench:
    """A durable queue with its deliverer, and a listener in a process of its own."""

    def __init__(self, directory: Path, destinations: int, sink_port: int) -> None:
        declarations = Declarations(load_schema())
        # Each is for the changes of one property; two of them for those of State 0.
        self.subscriptions = _Subscriptions(
            [
                _Subscription(
                    id=f"subscription {number}",
                    filter_name=f"virtcim:bench-{number}",
                    destination=_Destination(
                        id=f"destination {number % destinations}",
                        url=f"http://127.0.0.1:{sink_port}/{number % destinations}",
                    ),
                    query=compile_query(
                        "DMTF:CQL",
                        f"SELECT * FROM {_CLASS} WHERE SourceInstance.CIM_ComputerSystem::"
                        f"EnabledState = {max(number, 1)}",
                        declarations,
                    ),
                )
                for number in range(_SUBSCRIPTIONS)
            ]
        )
        self.database = StateDatabase(str(directory))
        self.queue = DeliveryQueue(self.database)
        self.deliverer = Deliverer(self.queue, self.subscriptions)
        self.hub = IndicationHub(
            self.queue,
            lambda: self.subscriptions,
            encoder=Encoder(declarations, "host"),
            declarations=declarations,
            wake=self.deliverer.wake,
        )

    def tell(self, number: int, identifier: str) -> None:
        state = number % (_SUBSCRIPTIONS - 1) + 1
        values: dict[str, Value] = {
            "IndicationIdentifier": identifier,
            "IndicationTime": datetime.now(UTC),
            "SourceInstance": _system(number, state),
            "PreviousInstance": _system(number, state + 1),
            "SourceInstanceModelPath": f"root/virt:VirtCIM_ComputerSystem.Name=vm{number}",
        }
        self.hub.tell([Indication(namespace=_NAMESPACE, record=Record(_CLASS, values))], _nothing)

    def close(self) -> None:
        self.deliverer.stop()
        self.database.close()


def _nothing(_: sa.Connection) -> None:
    """Nothing is to be remembered here."""


def _system(number: int, state: int) -> Record:
    """A virtual system as the providers give it, as far as its size and its names matter."""
    name = f"00000000-0000-4000-8000-{number:012}"
    keys = {"CreationClassName": "VirtCIM_ComputerSystem", "Name": name}
    values: dict[str, Value] = {
        **keys,
        "ElementName": f"vm{number}",
        "Caption": "Virtual system",
        "Description": "A virtual system on a hypervisor that is being measured",
        "EnabledState": state,
        "RequestedState": 12,
        "OperationalStatus": [2],
        "StatusDescriptions": ["OK"],
        "OtherIdentifyingInfo": [name, f"vm{number}"],
        "IdentifyingDescriptions": ["VM UUID", "VM label"],
        "TimeOfLastStateChange": datetime.now(UTC),
    }
    return Record(
        "VirtCIM_ComputerSystem",
        values,
        ObjectPath("VirtCIM_ComputerSystem", keys, namespace=_NAMESPACE),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Latency:
    """From ``tell`` to the listener, in milliseconds, and what a second of it costs."""

    deliveries: int
    median_ms: float
    percentile_99_ms: float
    most_ms: float
    processor_share: float


def _latency(seconds: int, directory: Path) -> _Latency:
    with sink() as (port, arrived):
        bench = _Bench(directory, _SUBSCRIPTIONS, port)
        bench.deliverer.start()
        told: dict[str, float] = {}
        bench.tell(0, "warm")
        time.sleep(1.0)
        processor_s, began = time.process_time(), time.monotonic()
        for number in range(seconds * _PER_SECOND):
            time.sleep(max(began + number / _PER_SECOND - time.monotonic(), 0.0))
            told[str(number)] = time.monotonic()
            bench.tell(number, str(number))
        processor_s = time.process_time() - processor_s
        while bench.queue.size().deliveries:
            time.sleep(0.05)
        bench.close()
        taken = sorted(one.at - told[one.identifier] for one in arrived() if one.identifier in told)
    return _Latency(
        deliveries=len(taken),
        median_ms=taken[len(taken) // 2] * 1e3,
        percentile_99_ms=taken[len(taken) * 99 // 100] * 1e3,
        most_ms=taken[-1] * 1e3,
        processor_share=processor_s / seconds,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Throughput:
    """What a queue that is full is delivered at."""

    destinations: int
    deliveries: int
    per_second: float
    processor_ms: float


def _throughput(deliveries: int, destinations: int, directory: Path) -> _Throughput:
    with sink() as (port, arrived):
        bench = _Bench(directory, destinations, port)
        for number in range(deliveries):
            bench.tell(number * _SUBSCRIPTIONS + number % _SUBSCRIPTIONS, str(number))
        waiting = bench.queue.size().deliveries
        processor_s, began = time.process_time(), time.monotonic()
        bench.deliverer.start()
        while bench.queue.counters.read().sent < waiting:
            time.sleep(0.01)
        taken_s, processor_s = time.monotonic() - began, time.process_time() - processor_s
        bench.close()
        assert len(arrived()) == waiting
    return _Throughput(
        destinations=destinations,
        deliveries=waiting,
        per_second=waiting / taken_s,
        processor_ms=processor_s / waiting * 1e3,
    )


@app.command()
def main(
    seconds: Annotated[int, typer.Option(min=1, help="How long the latency is measured.")] = 30,
    deliveries: Annotated[int, typer.Option(min=1, help="How many indications are queued.")] = 5000,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Tell indications to 20 subscriptions of which one or two match, and deliver them.

    The queue is a SQLite database on disk, the listener a process that only answers; latency is
    taken at 50 indications a second.

    Example: .venv/bin/python benchmarks/indications.py --seconds 30
    """
    with Progress() as progress, tempfile.TemporaryDirectory(prefix="virtcim-bench-") as made:
        directory = Path(made)
        progress.step(f"latency for {seconds} s")
        latency = _latency(seconds, directory / "latency")
        throughputs = []
        for destinations in (1, 4, _SUBSCRIPTIONS):
            progress.step(f"throughput to {destinations} destinations")
            throughputs.append(
                _throughput(deliveries, destinations, directory / f"to-{destinations}")
            )
    if as_json:
        document = {
            "machine": machine(),
            "latency": asdict(latency),
            "throughput": [asdict(one) for one in throughputs],
        }
        print(json.dumps(document))
        return
    print_lines(
        ", ".join(f"{name} {value}" for name, value in machine().items()),
        f"{_PER_SECOND} indications a second, {_SUBSCRIPTIONS} subscriptions, {latency.deliveries}"
        f" deliveries: median {latency.median_ms:.1f} ms, 99 % {latency.percentile_99_ms:.1f} ms,"
        f" most {latency.most_ms:.1f} ms; {latency.processor_share * 100:.0f} % of a processor",
        *(
            f"{one.deliveries} deliveries to {one.destinations} destinations:"
            f" {one.per_second:.0f} a second, {one.processor_ms:.2f} ms of processor time each"
            for one in throughputs
        ),
    )


if __name__ == "__main__":
    app()
