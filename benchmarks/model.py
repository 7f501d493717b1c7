"""What each class costs per instance, with few and with many virtual systems."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Annotated

import pywbem
import typer
from measurement import timed
from plot import Panel, plotted
from raw_clients import CimClient, RequestError, XmlRpcClient, cim_request
from report import Progress, machine, print_lines
from rich import box
from rich.console import Console
from rich.table import Table
from stage import (
    Memory,
    Stage,
    count_hypervisor_calls,
    memory_of,
    system_uuid,
    thread_time_s,
)
from staging import serving, staged, told

from virtcim.providers import ROOT
from virtcim.registration import registrations

_SYSTEM = "VirtCIM_ComputerSystem"
# What few instances cost is the cost of a request.
_FEWEST = 500
_RATIO_TARGET = 1.3
# Whoever knows only the standard asks for these: their subclasses are read together.
_SUPERCLASSES = ("CIM_ResourceAllocationSettingData", "CIM_LogicalDevice", "CIM_SettingData")
_ASSOCIATORS_TARGET_S = 0.003
_MEMORY_TARGET_BYTES = 600_000_000

app = typer.Typer(rich_markup_mode=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """What was measured with one number of virtual systems; times are medians.

    ``first_s`` is the processor time of the first reading of each class. Processor time is that of
    the server: on a machine with others it says more than the clock.
    """

    systems: int
    instances: Mapping[str, int]
    seconds: Mapping[str, float]
    processor_s: Mapping[str, float]
    first_s: Mapping[str, float]
    associators_s: float
    memory: Memory
    hypervisor_calls: int

    def per_instance_s(self, class_name: str) -> float | None:
        """What one instance of the class costs, None where there are too few to tell."""
        number = self.instances[class_name]
        return self.processor_s[class_name] / number if number >= _FEWEST else None


@app.command()
def main(
    systems: Annotated[int, typer.Option(min=1, max=65535, help="How many is many.")] = 10000,
    reference: Annotated[int, typer.Option(min=1, max=65535, help="How many is few.")] = 1000,
    repeat: Annotated[int, typer.Option(min=1, help="Readings of each class.")] = 5,
    only: Annotated[
        list[str] | None, typer.Option(help="Read this class only. May be repeated.")
    ] = None,
    serve_option: Annotated[
        list[str] | None, typer.Option(help="Give `virtcim serve` this argument, too.")
    ] = None,
    also: Annotated[
        list[int] | None,
        typer.Option(min=1, max=65535, help="Measure this many, too. May be repeated."),
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(help="Draw what is measured against the size, as SVG.")
    ] = None,
    as_json_object: Annotated[
        bool, typer.Option("--json", help="Print one JSON object; times are in seconds.")
    ] = False,
) -> None:
    """Measure what EnumerateInstances of classes costs per instance, at two sizes or more.

    Of every class that is served, and of superclasses, whose instances are more than of any other.

    With the daemons as users start them, on libvirt's test driver, each virtual system with two
    disks and two network ports. The exit status says whether all answers were right, never how
    long they took.

    Example: .venv/bin/python benchmarks/model.py --systems 2000 --reference 200
    """
    with told() as progress:
        runs = [
            _measure(number, repeat, only or _class_names(), serve_option or (), progress)
            for number in sorted({reference, systems, *(also or ())})
        ]
    if plot is not None:
        plot.write_text(_plotted(runs))
    if as_json_object:
        print(json.dumps([*map(_as_json, runs)], indent=2))
    else:
        of_size = {run.systems: run for run in runs}
        _print(of_size[reference], of_size[systems])


def _class_names() -> list[str]:
    """The classes that are served, and the superclasses that clients ask for."""
    served = [row.class_name for row in registrations((ROOT,)) if row.namespaces]
    return [*served, *_SUPERCLASSES]


def _measure(
    systems: int,
    repeat: int,
    class_names: Sequence[str],
    options: Sequence[str],
    progress: Progress,
) -> _Run:
    with (
        staged(systems, progress) as stage,
        serving(stage, *options) as server,
        CimClient(server.url) as client,
    ):
        before = _libvirt_calls(stage)
        instances, seconds, processor_s, first_s = {}, {}, {}, {}
        for name in class_names:
            progress.step(f"{systems} virtual systems: {name}")
            request = cim_request("EnumerateInstances", ROOT, ClassName=name)
            readings, used = [], []
            for _ in range(repeat):
                start_s = thread_time_s(server.pid)
                readings.append(_read(client, request))
                used.append(thread_time_s(server.pid) - start_s)
            instances[name] = readings[0][1]
            seconds[name] = median(taken for taken, _ in readings)
            processor_s[name], first_s[name] = median(used), used[0]
        return _Run(
            systems=systems,
            instances=instances,
            seconds=seconds,
            processor_s=processor_s,
            first_s=first_s,
            associators_s=_associators(client, systems, repeat),
            memory=memory_of(server),
            hypervisor_calls=_libvirt_calls(stage) - before,
        )


def _libvirt_calls(stage: Stage) -> int:
    # A connection of its own: the toolstack closes one that is idle for as long as this takes.
    with XmlRpcClient(stage.toolstack_url) as xapi:
        return count_hypervisor_calls(xapi).libvirt_calls


def _read(client: CimClient, request: bytes) -> tuple[float, int]:
    taken, reply = timed(partial(client.send, request))
    if b"<ERROR " in reply:
        raise RequestError(f"{request!r}: {reply[:1000]!r}")
    return taken, reply.count(b"<INSTANCE ")


def _associators(client: CimClient, systems: int, repeat: int) -> float:
    """The median over different systems of reading all that is associated with one."""
    seconds = []
    for number in range(min(systems, 20 * repeat)):
        keys = {"CreationClassName": _SYSTEM, "Name": system_uuid(number)}
        path = pywbem.CIMInstanceName(_SYSTEM, keys)
        request = cim_request("Associators", ROOT, ObjectName=path)
        taken, found = _read(client, request)
        if not found:
            raise RequestError(f"nothing is associated with virtual system {number}")
        seconds.append(taken)
    return median(seconds)


def _print(few: _Run, many: _Run) -> None:
    table = Table(box=box.ASCII2, padding=(0, 0, 0, 1))
    table.add_column("EnumerateInstances")
    for heading in (
        "instances",
        "ms",
        "first: CPU ms",
        "CPU us each",
        f"each of {few.systems}",
        "ratio",
    ):
        table.add_column(heading, justify="right")
    for name, number in many.instances.items():
        each, before = many.per_instance_s(name), few.per_instance_s(name)
        table.add_row(
            name.removeprefix("VirtCIM_"),
            str(number),
            f"{many.seconds[name] * 1e3:.1f}",
            f"{many.first_s[name] * 1e3:.1f}",
            f"{each * 1e6:.1f}" if each else "",
            f"{before * 1e6:.1f}" if before else "",
            f"{each / before:.2f}" if each and before else "",
        )
    Console(highlight=False, width=None if sys.stdout.isatty() else 120).print(table)
    print_lines(
        f"target of every ratio: {_RATIO_TARGET}",
        *(
            f"{run.systems} virtual systems: Associators of one takes {run.associators_s * 1e3:.2f}"
            f" ms (target {_ASSOCIATORS_TARGET_S * 1e3:.0f}); memory of `virtcim serve`"
            f" {run.memory.now_bytes / 1e6:.0f} MB, peak {run.memory.peak_bytes / 1e6:.0f} MB"
            f" (target {_MEMORY_TARGET_BYTES / 1e6:.0f}); {run.hypervisor_calls} calls of libvirt"
            for run in (few, many)
        ),
    )


def _plotted(runs: Sequence[_Run]) -> str:
    """What was measured against the number of virtual systems, of classes that grow with it."""
    most = runs[-1]
    names = [name for name, number in most.instances.items() if number >= most.systems]

    def lines(cost: Callable[[_Run, str], float]) -> dict[str, list[float | None]]:
        return {
            name.removeprefix("VirtCIM_"): [
                cost(run, name) * 1e6 / run.instances[name] if run.instances[name] else None
                for run in runs
            ]
            for name in names
        }

    memory_mb: list[float | None] = [run.memory.now_bytes / 1e6 for run in runs]
    here = machine()
    return plotted(
        "virtual systems",
        [run.systems for run in runs],
        [
            Panel(
                title="Processor time per instance, us",
                lines=lines(lambda run, name: run.processor_s[name]),
            ),
            Panel(
                title="The same, first time, us",
                lines=lines(lambda run, name: run.first_s[name]),
            ),
            Panel(title="Memory of virtcim serve, MB", lines={"memory": memory_mb}),
        ],
        f"{here['date'][:10]}, {here['processors']}, load {here['load'].split()[0]}",
    )


def _as_json(run: _Run) -> dict[str, object]:
    return {
        "systems": run.systems,
        "classes": {
            name: {
                "instances": number,
                "median_s": run.seconds[name],
                "processor_s": run.processor_s[name],
                "first_processor_s": run.first_s[name],
            }
            for name, number in run.instances.items()
        },
        "associators_s": run.associators_s,
        "memory_bytes": run.memory.now_bytes,
        "peak_memory_bytes": run.memory.peak_bytes,
        "hypervisor_calls": run.hypervisor_calls,
    }


if __name__ == "__main__":
    app()
