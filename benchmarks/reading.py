"""What reading costs: bare libvirt, the toolstack and the CIM server, measured in one run."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import Annotated

import libvirt
import pywbem
import typer
from raw_clients import RequestError
from reading_run import ReadingRun
from report import Progress, as_json, print_lines, print_table
from stage import (
    DISKS_PER_SYSTEM,
    NETWORK_PORTS_PER_SYSTEM,
    DaemonError,
    PrivateLibvirtError,
    Stage,
)

_RATIO = "ratio: to bare libvirt over libvirtd, for all or for one virtual system"

app = typer.Typer(rich_markup_mode=None)


@app.command()
def main(
    systems: Annotated[
        int, typer.Option(min=1, max=65535, help="How many virtual systems there are.")
    ] = 1000,
    repeat: Annotated[
        int,
        typer.Option(
            min=1, help="Repetitions of each long reading; ten times as many of short ones."
        ),
    ] = 30,
    starts: Annotated[
        int, typer.Option(min=1, help="Starts of the CIM server, each with a cold cache.")
    ] = 7,
    as_json_object: Annotated[
        bool, typer.Option("--json", help="Print one JSON object; times are in seconds.")
    ] = False,
) -> None:
    """Measure what reading all or one of N virtual systems costs at each level.

    Bare libvirt, the toolstack and the CIM server are measured in one run, over real sockets and
    with the daemons as users start them, on libvirt's test driver inside a libvirtd of its own.
    The toolstack's own counters tell how often libvirt was called for it. The exit status says
    whether all answers were right, never how long they took.

    Example: .venv/bin/python benchmarks/reading.py --systems 100 --json > figures.json
    """
    try:
        with Progress() as progress, Stage(systems) as stage:
            run = ReadingRun(stage, progress, repeat=repeat, starts=starts)
            run.measure()
    except (
        RequestError,
        DaemonError,
        PrivateLibvirtError,
        pywbem.Error,
        libvirt.libvirtError,
        OSError,
    ) as error:
        print(f"error: {error}", file=sys.stderr)
        raise typer.Exit(1) from error
    size = {
        "systems": systems,
        "disks": systems * DISKS_PER_SYSTEM,
        "network_ports": systems * NETWORK_PORTS_PER_SYSTEM,
    }
    if as_json_object:
        print(_json(run, size))
        return
    title = ", ".join(f"{number} {name.replace('_', ' ')}" for name, number in size.items())
    print_table(title, run.measurements)
    print_lines(_RATIO, *_memory_lines(run), *_call_lines(run))


def _json(run: ReadingRun, size: dict[str, int]) -> str:
    return as_json(
        run.measurements,
        size=size,
        memory={name: asdict(memory) for name, memory in run.memory.items()},
        hypervisor_calls={
            "cim_requests": run.cim_requests,
            "before": asdict(run.calls_before),
            "after": asdict(run.calls_after),
        },
    )


def _memory_lines(run: ReadingRun) -> list[str]:
    return [
        f"memory of `virtcim {name}`: {memory.now_bytes / 1e6:.0f} MB"
        f" (peak {memory.peak_bytes / 1e6:.0f} MB)"
        for name, memory in run.memory.items()
    ]


def _call_lines(run: ReadingRun) -> list[str]:
    before, after = run.calls_before, run.calls_after
    requests = {
        method: number - before.requests.get(method, 0)
        for method, number in after.requests.items()
        if number != before.requests.get(method, 0)
    }
    caused = (
        f"{run.cim_requests} CIM read requests caused"
        f" {after.libvirt_calls - before.libvirt_calls} calls of libvirt"
        f" ({before.libvirt_calls} before, {after.libvirt_calls} after); meanwhile the toolstack"
        " itself, following the hypervisor, made"
        f" {after.libvirt_background_calls - before.libvirt_background_calls}"
    )
    listed = ", ".join(f"{number} {method}" for method, number in requests.items()) or "none"
    return [caused, f"requests to the toolstack meanwhile: {listed}"]


if __name__ == "__main__":
    app()
