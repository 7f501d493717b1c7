"""How long it takes from a change at the hypervisor to the listeners that want to know."""

from __future__ import annotations

import json
import threading
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from typing import Annotated

import pywbem
import typer
from indication_sink import Arrival, sink
from raw_clients import CimClient, RequestError, XmlRpcClient
from report import Progress, machine, print_lines
from stage import (
    Daemon,
    Stage,
    await_hypervisor,
    await_inventory,
    processor_time_s,
)
from staging import told

_NAMESPACE = "root/virt"
_SUBSCRIPTIONS = 20
_PER_SECOND = 50
# So many are changed in turn for each subscription: one that is changed and changed back before the
# server has looked has not changed.
_MACHINES = 5
# A change is one call of the toolstack, which waits for libvirt.
_CLIENTS = 8
_REST_S = 3.0

app = typer.Typer(rich_markup_mode=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Latency:
    """From the call that changes a machine to the listener, in milliseconds.

    ``answered_...`` are from the answer to that call, ``told_...`` from the time that the
    indication itself has. The hypervisor's event happens during the call.
    """

    systems: int
    changes: int
    deliveries: int
    per_second: float
    median_ms: float
    percentile_99_ms: float
    most_ms: float
    answered_median_ms: float
    answered_percentile_99_ms: float
    told_median_ms: float
    told_percentile_99_ms: float
    call_median_ms: float
    server_processor_ms: float


@app.command()
def main(
    systems: Annotated[
        list[int] | None, typer.Option(min=100, max=65535, help="How many; repeatable.")
    ] = None,
    seconds: Annotated[int, typer.Option(min=1, help="How long it is measured.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Stop and start machines at 50 changes a second while 20 subscriptions are told.

    libvirt's test driver runs inside a libvirtd of its own. Each subscription is for the changes of
    state of five machines, and one more for those of the first five. The time is taken from before
    the call that changes a machine, so that it holds what libvirt takes.

    Example: .venv/bin/python benchmarks/indication_changes.py --systems 100 --systems 1000
    """
    with told() as progress:
        results = [_measured(one, seconds, progress) for one in systems or (100, 1000)]
    if as_json:
        print(json.dumps({"machine": machine(), "latencies": [asdict(one) for one in results]}))
        return
    print_lines(
        ", ".join(f"{name} {value}" for name, value in machine().items()),
        *(
            f"{one.systems} systems, {one.per_second:.0f} changes a second, {_SUBSCRIPTIONS}"
            f" subscriptions, {one.deliveries} deliveries: from the call to the listener median"
            f" {one.median_ms:.1f} ms, 99 % {one.percentile_99_ms:.1f} ms, most {one.most_ms:.1f}"
            f" ms; since the answer to the call median {one.answered_median_ms:.1f} ms,"
            f" 99 % {one.answered_percentile_99_ms:.1f} ms; since the indication's own time"
            f" median {one.told_median_ms:.1f} ms,"
            f" 99 % {one.told_percentile_99_ms:.1f} ms; the call {one.call_median_ms:.1f} ms;"
            f" {one.server_processor_ms:.1f} ms of the CIM server's processor time a change"
            for one in results
        ),
    )


def _measured(systems: int, seconds: int, progress: Progress) -> _Latency:
    progress.step(f"starting both daemons over {systems} virtual systems")
    with Stage(systems) as stage, sink() as (port, arrived):
        stage.start_toolstack()
        with XmlRpcClient(stage.toolstack_url) as client:
            await_hypervisor(client)
            records = client.call("VM.get_all_records")
        machines = [ref for ref in records if not records[ref]["is_a_template"]]
        machines = machines[: _MACHINES * (_SUBSCRIPTIONS - 1)]
        with stage.cim_server() as server:
            with CimClient(server.url) as cim:
                await_inventory(cim, _NAMESPACE)
            uuids = {ref: str(records[ref]["uuid"]) for ref in machines}
            groups = [
                [*uuids.values()][number :: _SUBSCRIPTIONS - 1]
                for number in range(_SUBSCRIPTIONS - 1)
            ]
            _subscribe(server, [*groups, groups[0]], port)
            time.sleep(_REST_S)
            progress.step(f"{seconds} s of changes among {systems} virtual systems")
            processor_s = processor_time_s(server)
            changes = _changes(
                stage,
                machines,
                {ref: records[ref]["power_state"] == "Running" for ref in machines},
                seconds * _PER_SECOND,
            )
            time.sleep(_REST_S)
            processor_s = processor_time_s(server) - processor_s
        return _latency(systems, changes, uuids, arrived(), processor_s)


@dataclass(frozen=True, slots=True)
class _Changed:
    """Which machine was changed, and when the call began and ended."""

    machine: str
    began: float
    ended: float


def _subscribe(server: Daemon, groups: Sequence[Sequence[str]], port: int) -> None:
    """A subscription for each, to a path of the sink of its own."""
    with pywbem.WBEMConnection(server.url, None, default_namespace="root/interop") as connection:

        def made(class_name: str, **values: object) -> pywbem.CIMInstanceName:
            return connection.CreateInstance(pywbem.CIMInstance(class_name, values))

        for number, uuids in enumerate(groups):
            names = " OR ".join(f"SourceInstance.Name = '{uuid}'" for uuid in uuids)
            destination = made(
                "CIM_ListenerDestinationCIMXML", Destination=f"http://127.0.0.1:{port}/{number}"
            )
            selecting = made(
                "CIM_IndicationFilter",
                Query="SELECT * FROM CIM_InstModification WHERE SourceInstance ISA "
                "CIM_ComputerSystem AND SourceInstance.EnabledState <> "
                f"PreviousInstance.EnabledState AND ({names})",
                QueryLanguage="DMTF:CQL",
            )
            made("CIM_IndicationSubscription", Filter=selecting, Handler=destination)


def _changes(
    stage: Stage, machines: Sequence[str], running: dict[str, bool], many: int
) -> list[_Changed]:
    """Stop and start the machines in turn, each change at its time."""
    local = threading.local()
    began = time.monotonic()

    def change(count: int) -> _Changed:
        if not hasattr(local, "client"):
            local.client = clients.enter_context(XmlRpcClient(stage.toolstack_url))
        ref = machines[count % len(machines)]
        time.sleep(max(began + count / _PER_SECOND - time.monotonic(), 0.0))
        at = time.monotonic()
        if running[ref]:
            local.client.call("VM.hard_shutdown", ref)
        else:
            local.client.call("VM.start", ref, False, False)
        running[ref] = not running[ref]
        return _Changed(ref, at, time.monotonic())

    with ExitStack() as clients, ThreadPoolExecutor(_CLIENTS) as pool:
        return list(pool.map(change, range(many)))


def _latency(
    systems: int,
    changes: Sequence[_Changed],
    uuids: Mapping[str, str],
    arrivals: Sequence[Arrival],
    processor_s: float,
) -> _Latency:
    """What belongs together by its order, as a listener is told of each machine."""
    told: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    for arrival in arrivals:
        told[arrival.path, arrival.source].append(arrival.at)
    made: defaultdict[str, list[_Changed]] = defaultdict(list)
    for one in changes:
        made[uuids[one.machine]].append(one)
    taken: list[float] = []
    since_answer: list[float] = []
    for (path, source), times in told.items():
        uuid = next(each for each in made if each in source)
        if len(made[uuid]) != len(times):
            raise RequestError(f"{path} was told {len(times)} of {len(made[uuid])} changes")
        taken += [at - one.began for one, at in zip(made[uuid], times, strict=True)]
        since_answer += [at - one.ended for one, at in zip(made[uuid], times, strict=True)]
    if len(told) != len(made) + _MACHINES:
        raise RequestError(f"listeners were told of {len(told)} machines")
    taken.sort()
    since_answer.sort()
    ages = sorted(one.age_s for one in arrivals)
    calls = sorted(one.ended - one.began for one in changes)
    return _Latency(
        systems=systems,
        changes=len(changes),
        deliveries=len(taken),
        per_second=len(changes) / (changes[-1].began - changes[0].began),
        median_ms=taken[len(taken) // 2] * 1e3,
        percentile_99_ms=taken[len(taken) * 99 // 100] * 1e3,
        most_ms=taken[-1] * 1e3,
        answered_median_ms=since_answer[len(since_answer) // 2] * 1e3,
        answered_percentile_99_ms=since_answer[len(since_answer) * 99 // 100] * 1e3,
        told_median_ms=ages[len(ages) // 2] * 1e3,
        told_percentile_99_ms=ages[len(ages) * 99 // 100] * 1e3,
        call_median_ms=calls[len(calls) // 2] * 1e3,
        server_processor_ms=processor_s / len(changes) * 1e3,
    )


if __name__ == "__main__":
    app()
