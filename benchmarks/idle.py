"""What `virtcim serve` costs while nobody asks for anything."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer
from indication_sink import sink
from report import print_lines
from stage import Daemon, thread_time_s
from staging import serving, staged, told

from changes import await_idle, subscribe

sys.path.append(str(Path(__file__).resolve().parent.parent / "tests"))

from postgresql import PrivatePostgresql, private_postgresql

_TARGET = 0.003
_TRANSACTIONS = "SELECT xact_commit FROM pg_stat_database WHERE datname = '{}'"

app = typer.Typer(rich_markup_mode=None)


@app.command()
def main(
    systems: Annotated[
        int, typer.Option(min=1, max=65535, help="How many virtual systems there are.")
    ] = 10000,
    seconds: Annotated[float, typer.Option(min=1, help="How long to look each time.")] = 60.0,
    with_postgresql: Annotated[
        bool, typer.Option("--postgresql", help="Keep the state in a private PostgreSQL.")
    ] = False,
) -> None:
    """Measure the processor time of `virtcim serve` that nobody asks, and with a subscription.

    The toolstack follows libvirt's test driver meanwhile. The exit status says whether the daemons
    did what they should.

    Example: .venv/bin/python benchmarks/idle.py --systems 1000 --seconds 20
    """
    with told() as progress, staged(systems, progress) as stage, ExitStack() as stack:
        state: tuple[str, ...] = ()
        transactions: Callable[[], int] = int
        if with_postgresql:
            postgresql = stack.enter_context(private_postgresql())
            url = postgresql.new_database()
            state, transactions = ("--state", url), _counter(postgresql, url)
        server = stack.enter_context(serving(stage, *state))
        progress.step("nobody asks")
        before = transactions()
        alone = _share(server, seconds)
        used = transactions() - before
        progress.step("somebody has subscribed")
        port, _ = stack.enter_context(sink())
        subscribe(server, port)
        subscribed = _share(server, seconds)
    print_lines(
        f"`virtcim serve` over {systems} virtual systems"
        f"{_in_postgresql(used / seconds) if with_postgresql else ''}, idle for {seconds:.0f} s:"
        f" {alone:.2%} of a processor, with a subscription {subscribed:.2%} (target {_TARGET:.1%})"
    )


def _in_postgresql(transactions_per_s: float) -> str:
    return f", its state in PostgreSQL ({transactions_per_s:.1f} transactions a second)"


def _counter(postgresql: PrivatePostgresql, url: str) -> Callable[[], int]:
    """How many transactions there have been in a database."""
    name = url.partition("@/")[2].partition("?")[0]

    def count() -> int:
        [[transactions]] = postgresql.execute(_TRANSACTIONS.format(name))
        return int(str(transactions))

    return count


def _share(server: Daemon, seconds: float) -> float:
    await_idle(server)
    before_s = thread_time_s(server.pid)
    time.sleep(seconds)
    return (thread_time_s(server.pid) - before_s) / seconds


if __name__ == "__main__":
    app()
