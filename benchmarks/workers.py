"""What a second worker is worth: GetInstance of many clients, beside one process and the least."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from selectors import EVENT_READ, DefaultSelector
from typing import Annotated

import typer
from floor import bare_program, operations, replies_of
from prepared import PreparedConnection, prepared
from report import machine, print_lines
from stage import thread_time_s
from staging import serving, staged, told

app = typer.Typer(rich_markup_mode=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rate:
    """What one server did: requests a second, and processor time of one, here and there."""

    name: str
    per_second: float
    processor_s: float
    client_s: float


@app.command()
def main(
    systems: Annotated[int, typer.Option(min=1, help="How many virtual systems there are.")] = 1000,
    workers: Annotated[int, typer.Option(min=2, help="How many workers.")] = 2,
    clients: Annotated[int, typer.Option(min=1, help="How many connections are used.")] = 16,
    seconds: Annotated[float, typer.Option(min=0.1, help="How long each is measured.")] = 2.0,
    rounds: Annotated[int, typer.Option(min=1, help="How often; the best of all counts.")] = 5,
    as_json_object: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Measure GetInstance of a system with one process, with workers, and as a bare program.

    All are asked in turn, by the same client, which sends the next request of each connection as
    soon as it has the reply to the last one. The client needs a part of the cores, too.

    Example: .venv/bin/python benchmarks/workers.py --systems 100 --rounds 2
    """
    with told() as progress, staged(systems, progress) as stage, ExitStack() as stack:
        one = stack.enter_context(serving(stage))
        several = stack.enter_context(serving(stage, "--workers", str(workers)))
        [operation] = [each for each in operations(systems) if each.name.startswith("GetI")]
        with PreparedConnection(one.url) as connection:
            replies = replies_of(connection, operation)
        url, pid = stack.enter_context(bare_program(replies))
        servers = {
            "one process": (one.url, [one.pid]),
            f"{workers} workers": (several.url, [several.pid, *_children(several.pid)]),
            "bare program": (url, [pid]),
        }
        requests = [prepared(each, number) for number, each in enumerate(operation.messages)]
        rates: dict[str, list[_Rate]] = {name: [] for name in servers}
        for number in range(rounds):
            for name, (where, pids) in servers.items():
                progress.step(f"{name}, round {number + 1}")
                rates[name].append(_rate(name, where, pids, requests, clients, seconds))
        memory = {name: sum(map(_proportional_bytes, pids)) for name, (_, pids) in servers.items()}
    best = [max(each, key=lambda rate: rate.per_second) for each in rates.values()]
    if as_json_object:
        found = [{**asdict(each), "memory_bytes": memory[each.name]} for each in best]
        print(json.dumps({"machine": machine(), "systems": systems, "servers": found}, indent=2))
    else:
        print_lines(
            f"GetInstance of one of {systems} virtual systems, {clients} clients",
            *(_line(each, memory[each.name], best[-1]) for each in best),
        )


def _line(rate: _Rate, memory_bytes: int, bare: _Rate) -> str:
    return (
        f"{rate.name:14} {rate.per_second:7.0f} a second ({rate.per_second / bare.per_second:.0%}),"
        f" {rate.processor_s * 1e3:5.2f} ms of processor time and {rate.client_s * 1e3:.2f} at the"
        f" client, {memory_bytes / 2**20:4.0f} MiB"
    )


def _children(pid: int) -> list[int]:
    return [*map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]


def _proportional_bytes(pid: int) -> int:
    """The memory of a process, with its part of what it shares with others."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0


def _rate(
    name: str,
    url: str,
    pids: Sequence[int],
    requests: Sequence[bytes],
    clients: int,
    seconds: float,
) -> _Rate:
    done = 0
    with ExitStack() as stack, DefaultSelector() as selector:
        connections = [stack.enter_context(PreparedConnection(url)) for _ in range(clients)]
        for each in connections:
            each.send(requests[0])
            each.receive()
            selector.register(each, EVENT_READ)
        used = sum(map(thread_time_s, pids))
        began, own = time.monotonic(), time.process_time()
        for number, each in enumerate(connections):
            each.send(requests[number % len(requests)])
        while time.monotonic() - began < seconds:
            for key, _ in selector.select():
                each = key.fileobj  # type: ignore[assignment]
                each.receive()
                done += 1
                each.send(requests[done % len(requests)])
        took, own = time.monotonic() - began, time.process_time() - own
        used = sum(map(thread_time_s, pids)) - used
        for each in connections:
            each.receive()
    return _Rate(name=name, per_second=done / took, processor_s=used / done, client_s=own / done)


if __name__ == "__main__":
    app()
