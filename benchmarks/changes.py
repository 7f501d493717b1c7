"""What a change of one machine costs both daemons, by how many machines there are."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Annotated, Any

import pywbem
import typer
from indication_sink import sink
from raw_clients import CimClient, XmlRpcClient
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
_STATE_CHANGED = (
    "SELECT * FROM CIM_InstModification WHERE SourceInstance ISA CIM_ComputerSystem "
    "AND SourceInstance.EnabledState <> PreviousInstance.EnabledState"
)
# So many machines are changed in turn.
_CHANGED = 50
# Until what the last change led to is done, too.
_REST_S = 3.0
# A daemon that has nothing to do but to look for changes takes less than this share of a processor.
_IDLE_SHARE = 0.05

app = typer.Typer(rich_markup_mode=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cost:
    """Per change: how long the call took, and the processor time of each daemon.

    ``told``: whether a listener was told of each change; half of them were told within
    ``median_s`` after the call was answered, all but one in a hundred within ``percentile_99_s``.
    """

    systems: int
    told: bool
    call_s: float
    toolstack_s: float
    server_s: float
    median_s: float = 0.0
    percentile_99_s: float = 0.0


@app.command()
def main(
    systems: Annotated[
        list[int] | None, typer.Option(min=1, max=65535, help="How many there are; repeatable.")
    ] = None,
    changes: Annotated[int, typer.Option(min=1, help="How many changes are made.")] = 200,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Stop and start machines one after the other while a CIM server follows.

    Then once more while a listener is told of each change of state. libvirt's test driver runs
    inside a libvirtd of its own, the listener in a process that only answers. The processor times
    hold what both daemons do meanwhile besides, such as looking for changes without an event.

    Example: .venv/bin/python benchmarks/changes.py --systems 100 --systems 10000
    """
    with told() as progress:
        costs = [
            cost for one in systems or (100, 10_000) for cost in _measured(one, changes, progress)
        ]
    if as_json:
        print(json.dumps({"machine": machine(), "costs": [asdict(one) for one in costs]}))
        return
    print_lines(
        ", ".join(f"{name} {value}" for name, value in machine().items()),
        *(
            f"{one.systems} systems{', each change told' if one.told else ''}: a change takes"
            f" {one.call_s * 1e3:.1f} ms, and of processor time {one.toolstack_s * 1e3:.1f} ms of"
            f" the toolstack and {one.server_s * 1e3:.1f} ms of the CIM server"
            f" ({_all(one) / _all(costs[0]):.1f} times what the first line cost)"
            + (
                f"; told {one.median_s * 1e3:.1f} ms after the answer (median),"
                f" 99 % within {one.percentile_99_s * 1e3:.1f} ms"
                if one.told
                else ""
            )
            for one in costs
        ),
    )


def _all(cost: _Cost) -> float:
    return cost.toolstack_s + cost.server_s


def _measured(systems: int, changes: int, progress: Progress) -> Iterator[_Cost]:
    progress.step(f"starting both daemons over {systems} virtual systems")
    with Stage(systems) as stage:
        toolstack = stage.start_toolstack()
        with XmlRpcClient(stage.toolstack_url) as client:
            await_hypervisor(client)
        with stage.cim_server() as server, XmlRpcClient(stage.toolstack_url) as client:
            with CimClient(server.url) as cim:
                await_inventory(cim, _NAMESPACE)
            records = client.call("VM.get_all_records")
            running = {
                ref: records[ref]["power_state"] == "Running" for ref in [*records][:_CHANGED]
            }
            daemons = toolstack, server
            progress.step(f"{changes} changes among {systems} virtual systems")
            cost, _ = _changed(client, running, daemons, changes)
            yield _Cost(systems=systems, told=False, **cost)
            progress.step(f"{changes} changes that are told")
            with sink() as (port, arrived):
                subscribe(server, port)
                cost, answered = _changed(client, running, daemons, changes)
                pairs = zip(arrived(), answered, strict=True)
                late_s = sorted(one.at - then for one, then in pairs)
            yield _Cost(
                systems=systems,
                told=True,
                median_s=late_s[len(late_s) // 2],
                percentile_99_s=late_s[len(late_s) * 99 // 100],
                **cost,
            )


def _changed(
    client: XmlRpcClient, running: dict[str, bool], daemons: tuple[Daemon, Daemon], changes: int
) -> tuple[dict[str, float], list[float]]:
    """What the changes cost, and when each was answered."""
    for each in daemons:
        await_idle(each)
    before = [processor_time_s(each) for each in daemons]
    began_s = time.perf_counter()
    answered: list[float] = []
    for number in range(changes):
        ref = [*running][number % len(running)]
        if running[ref]:
            client.call("VM.hard_shutdown", ref)
        else:
            client.call("VM.start", ref, False, False)
        answered.append(time.monotonic())
        running[ref] = not running[ref]
    call_s = (time.perf_counter() - began_s) / changes
    time.sleep(_REST_S)
    toolstack_s, server_s = (
        (processor_time_s(each) - earlier) / changes
        for each, earlier in zip(daemons, before, strict=True)
    )
    return {"call_s": call_s, "toolstack_s": toolstack_s, "server_s": server_s}, answered


def await_idle(daemon: Daemon) -> None:
    """Wait until what was begun before is done: what was there when somebody subscribed is kept."""
    while True:
        before_s = processor_time_s(daemon)
        time.sleep(_REST_S)
        if processor_time_s(daemon) - before_s < _IDLE_SHARE * _REST_S:
            return


def subscribe(server: Daemon, port: int) -> None:
    with pywbem.WBEMConnection(server.url, None, default_namespace=_NAMESPACE) as connection:
        manager = pywbem.WBEMSubscriptionManager("benchmark")
        at: Any = manager.add_server(pywbem.WBEMServer(connection))
        url = f"http://127.0.0.1:{port}"
        destination = manager.add_destination(at, url, owned=False, name="listener")
        selected = manager.add_filter(
            *(at, [_NAMESPACE], _STATE_CHANGED),
            query_language="DMTF:CQL",
            owned=False,
            name="changes",
        )
        manager.add_subscriptions(at, selected.path, destination.path, owned=False)


if __name__ == "__main__":
    app()
