"""What a change of one machine costs both daemons, by how many machines there are."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict, dataclass
from typing import Annotated

import typer
from raw_clients import CimClient, RequestError, XmlRpcClient
from report import Progress, machine, print_lines
from stage import (
    DaemonError,
    PrivateLibvirtError,
    Stage,
    await_hypervisor,
    await_inventory,
    processor_time_s,
)

_NAMESPACE = "root/virt"
# So many machines are changed in turn.
_CHANGED = 50
# Until what the last change led to is done, too.
_REST_S = 3.0

app = typer.Typer(rich_markup_mode=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cost:
    """Per change: how long the call took, and the processor time of each daemon."""

    systems: int
    call_s: float
    toolstack_s: float
    server_s: float


@app.command()
def main(
    systems: Annotated[
        list[int] | None, typer.Option(min=1, max=65535, help="How many there are; repeatable.")
    ] = None,
    changes: Annotated[int, typer.Option(min=1, help="How many changes are made.")] = 200,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Stop and start machines one after the other while a CIM server follows.

    libvirt's test driver runs inside a libvirtd of its own. The processor times hold what both
    daemons do meanwhile besides, such as looking for changes without an event.

    Example: .venv/bin/python benchmarks/changes.py --systems 100 --systems 10000
    """
    try:
        with Progress() as progress:
            costs = [_measured(one, changes, progress) for one in systems or (100, 10_000)]
    except (RequestError, DaemonError, PrivateLibvirtError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        raise typer.Exit(1) from error
    if as_json:
        print(json.dumps({"machine": machine(), "costs": [asdict(one) for one in costs]}))
        return
    print_lines(
        ", ".join(f"{name} {value}" for name, value in machine().items()),
        *(
            f"{one.systems} systems: a change takes {one.call_s * 1e3:.1f} ms, and of processor"
            f" time {one.toolstack_s * 1e3:.1f} ms of the toolstack and {one.server_s * 1e3:.1f} ms"
            f" of the CIM server ({_all(one) / _all(costs[0]):.1f} times"
            f" what {costs[0].systems} systems cost)"
            for one in costs
        ),
    )


def _all(cost: _Cost) -> float:
    return cost.toolstack_s + cost.server_s


def _measured(systems: int, changes: int, progress: Progress) -> _Cost:
    progress.step(f"starting both daemons over {systems} virtual systems")
    with Stage(systems) as stage:
        toolstack = stage.start_toolstack()
        with XmlRpcClient(stage.toolstack_url) as client:
            await_hypervisor(client)
        with stage.cim_server() as server:
            with CimClient(server.url) as cim:
                await_inventory(cim, _NAMESPACE)
            with XmlRpcClient(stage.toolstack_url) as client:
                records = client.call("VM.get_all_records")
                running = {
                    ref: records[ref]["power_state"] == "Running" for ref in [*records][:_CHANGED]
                }
                time.sleep(_REST_S)
                progress.step(f"{changes} changes among {systems} virtual systems")
                before = processor_time_s(toolstack), processor_time_s(server)
                began_s = time.perf_counter()
                for number in range(changes):
                    ref = [*running][number % len(running)]
                    if running[ref]:
                        client.call("VM.hard_shutdown", ref)
                    else:
                        client.call("VM.start", ref, False, False)
                    running[ref] = not running[ref]
                call_s = (time.perf_counter() - began_s) / changes
            time.sleep(_REST_S)
            return _Cost(
                systems=systems,
                call_s=call_s,
                toolstack_s=(processor_time_s(toolstack) - before[0]) / changes,
                server_s=(processor_time_s(server) - before[1]) / changes,
            )


if __name__ == "__main__":
    app()
