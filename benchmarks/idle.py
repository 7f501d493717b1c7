"""What `virtcim serve` costs while nobody asks for anything."""

from __future__ import annotations

import time
from typing import Annotated

import typer
from indication_sink import sink
from report import print_lines
from stage import Daemon, thread_time_s
from staging import serving, staged, told

from changes import await_idle, subscribe

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
    with told() as progress, staged(systems, progress) as stage, serving(stage) as server:
        progress.step("nobody asks")
        alone = _share(server, seconds)
        progress.step("somebody has subscribed")
        with sink() as (port, _):
            subscribe(server, port)
            subscribed = _share(server, seconds)
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
