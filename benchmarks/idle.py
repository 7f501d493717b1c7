"""What `virtcim serve` costs while nobody asks for anything."""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack
from typing import Annotated

import pywbem
import typer
from raw_clients import CimClient, RequestError, XmlRpcClient
from report import Progress, print_lines
from stage import (
    Daemon,
    DaemonError,
    PrivateLibvirtError,
    Stage,
    await_hypervisor,
    await_inventory,
    thread_time_s,
)

from changes import await_idle, listener, subscribe
from virtcim.providers import ROOT

_TARGET = 0.003

app = typer.Typer(rich_markup_mode=None)


@app.command()
def main(
    systems: Annotated[
        int, typer.Option(min=1, max=65535, help="How many virtual systems there are.")
    ] = 10000,
    seconds: Annotated[float, typer.Option(min=1, help="How long to look each time.")] = 60.0,
) -> None:
    """Measure the processor time of `virtcim serve` that nobody asks, and with a subscription.

    The toolstack follows libvirt's test driver meanwhile. The exit status says whether the daemons
    did what they should.

    Example: .venv/bin/python benchmarks/idle.py --systems 1000 --seconds 20
    """
    try:
        with Progress() as progress, Stage(systems) as stage, ExitStack() as stack:
            progress.step(f"starting the daemons with {systems} virtual systems")
            stage.start_toolstack()
            with XmlRpcClient(stage.toolstack_url) as xapi:
                await_hypervisor(xapi)
            server = stack.enter_context(stage.cim_server())
            with CimClient(server.url) as client:
                await_inventory(client, ROOT)
            progress.step("nobody asks")
            alone = _share(server, seconds)
            progress.step("somebody has subscribed")
            port, _ = stack.enter_context(listener())
            subscribe(server, port)
            subscribed = _share(server, seconds)
    except (RequestError, DaemonError, PrivateLibvirtError, pywbem.Error, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        raise typer.Exit(1) from error
    print_lines(
        f"`virtcim serve` over {systems} virtual systems, idle for {seconds:.0f} s: {alone:.2%} of"
        f" a processor, with a subscription {subscribed:.2%} (target {_TARGET:.1%})"
    )


def _share(server: Daemon, seconds: float) -> float:
    await_idle(server)
    before_s = thread_time_s(server.pid)
    time.sleep(seconds)
    return (thread_time_s(server.pid) - before_s) / seconds


if __name__ == "__main__":
    app()
