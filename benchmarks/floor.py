"""What each operation costs beside the floor: the same bytes from memory, on the same uvicorn."""

from __future__ import annotations

import json
import pickle
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Annotated

import pywbem
import typer
from measurement import timed
from prepared import PreparedConnection, exchange_all, prepared
from raw_clients import RequestError, cim_request
from report import Progress, machine, print_lines
from rich import box
from rich.console import Console
from rich.table import Table
from stage import DaemonError, system_uuid, thread_time_s
from staging import NAMESPACE, serving, staged, told

_SYSTEM = "VirtCIM_ComputerSystem"
_HOST = "VirtCIM_HostSystem"
_CLIENTS = 16
# So many different systems are read in turn, so that no answer is that to the same question.
_DIFFERENT = 200
_WIDTH = 160

__all__ = ["bare_program", "operations", "replies_of"]

app = typer.Typer(rich_markup_mode=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Operation:
    """Messages that cost the same, for different systems where it reads one."""

    name: str
    messages: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cost:
    """What one request costs one server: processor time and the clock with one client, and the
    requests of a second with many."""

    processor_s: float
    least_s: float
    median_s: float
    per_second: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Result:
    """One operation at both servers."""

    name: str
    reply_bytes: int
    served: _Cost
    floor: _Cost


@app.command()
def main(
    systems: Annotated[
        int, typer.Option(min=1, max=65535, help="How many virtual systems there are.")
    ] = 1000,
    seconds: Annotated[
        float, typer.Option(min=0.05, help="How long each operation is measured each time.")
    ] = 0.5,
    rounds: Annotated[int, typer.Option(min=1, help="How often; the least of all counts.")] = 5,
    only: Annotated[
        str, typer.Option(help="Measure only operations of which the name begins like this.")
    ] = "",
    as_json_object: Annotated[
        bool, typer.Option("--json", help="Print one JSON object; times are in seconds.")
    ] = False,
) -> None:
    """Measure each reading operation of `virtcim serve` beside a program that sends the same bytes.

    The bare ASGI program (benchmarks/bare_program.py) has all replies in memory and runs on the
    same uvicorn. Both are asked in turn, over sockets, by the same client, so that others on the
    machine disturb both. The exit status says whether all answers were right.

    Example: .venv/bin/python benchmarks/floor.py --systems 100 --rounds 2
    """
    with told() as progress, staged(systems, progress) as stage, serving(stage) as server:
        chosen = [one for one in operations(systems) if one.name.startswith(only)]
        with PreparedConnection(server.url) as connection:
            replies = [replies_of(connection, one) for one in chosen]
        flat = [reply for several in replies for reply in several]
        with bare_program(flat) as (url, pid):
            servers = {server.url: server.pid, url: pid}
            results = _measure(progress, chosen, replies, servers, seconds=seconds, rounds=rounds)
    if as_json_object:
        found = [asdict(one) for one in results]
        print(json.dumps({"machine": machine(), "systems": systems, "operations": found}, indent=2))
    else:
        _print(systems, results)


def operations(systems: int) -> list[_Operation]:
    paths = [
        pywbem.CIMInstanceName(_SYSTEM, {"CreationClassName": _SYSTEM, "Name": system_uuid(number)})
        for number in range(min(systems, _DIFFERENT))
    ]

    def around(name: str, parameter: str = "ObjectName", **filters: str) -> _Operation:
        messages = tuple(
            cim_request(name, NAMESPACE, **{parameter: path}, **filters) for path in paths
        )
        shown = ", ".join([f"{name} of a system", *(one.split("_")[1] for one in filters.values())])
        return _Operation(name=shown, messages=messages)

    def of_class(name: str, class_name: str) -> _Operation:
        message = cim_request(name, NAMESPACE, ClassName=class_name)
        return _Operation(name=f"{name} {class_name.split('_')[1]}", messages=(message,))

    return [
        around("GetInstance", "InstanceName"),
        around("Associators", AssocClass="VirtCIM_SettingsDefineState"),
        around("Associators"),
        around("AssociatorNames"),
        around("References"),
        around("ReferenceNames"),
        of_class("EnumerateInstanceNames", _HOST),
        of_class("EnumerateInstances", _HOST),
        of_class("EnumerateInstanceNames", _SYSTEM),
        of_class("EnumerateInstances", _SYSTEM),
        of_class("EnumerateInstances", "VirtCIM_SettingsDefineState"),
    ]


def replies_of(connection: PreparedConnection, operation: _Operation) -> list[bytes]:
    """The reply to each message of an operation."""
    replies = []
    for message in operation.messages:
        connection.send(prepared(message, 0))
        reply = connection.receive()
        if b"<ERROR " in reply or b"</CIM>" not in reply:
            raise RequestError(f"{operation.name}: {reply[:1000]!r}")
        replies.append(reply)
    return replies


@contextmanager
def bare_program(replies: list[bytes]) -> Iterator[tuple[str, int]]:
    """The URL and the process of a program that has these replies, until the block ends."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(pickle.dumps(replies))
        file.flush()
        program = Path(__file__).with_name("bare_program.py")
        with subprocess.Popen(
            ["setpriv", "--pdeathsig", "TERM", sys.executable, str(program), file.name],
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                assert process.stdout is not None
                found = re.fullmatch(r"ready (\S+)\n", process.stdout.readline())
                if found is None:
                    raise DaemonError("the bare program did not start")
                yield found[1], process.pid
            finally:
                process.terminate()


def _measure(
    progress: Progress,
    operations: Sequence[_Operation],
    replies: Sequence[Sequence[bytes]],
    servers: dict[str, int],
    *,
    seconds: float,
    rounds: int,
) -> list[_Result]:
    results = []
    first = 0
    for operation, expected in zip(operations, replies, strict=True):
        progress.step(operation.name)
        requests = [
            prepared(message, first + number) for number, message in enumerate(operation.messages)
        ]
        first += len(requests)
        costs: dict[str, list[_Cost]] = {url: [] for url in servers}
        for _ in range(rounds):
            for url, pid in servers.items():
                costs[url].append(_cost(url, pid, requests, seconds))
        served, floor = (_least(several) for several in costs.values())
        size = round(sum(map(len, expected)) / len(expected))
        results.append(_Result(name=operation.name, reply_bytes=size, served=served, floor=floor))
    return results


def _cost(url: str, pid: int, requests: Sequence[bytes], seconds: float) -> _Cost:
    with ExitStack() as stack:
        connections = [stack.enter_context(PreparedConnection(url)) for _ in range(_CLIENTS)]
        one = connections[0]

        def exchange(request: bytes) -> None:
            one.send(request)
            one.receive()

        exchange(requests[0])
        rough_s, _ = timed(lambda: exchange(requests[0]))
        times = max(_CLIENTS, round(seconds / 2 / rough_s))
        turns = [requests[number % len(requests)] for number in range(times)]
        before = thread_time_s(pid)
        taken = [timed(partial(exchange, request))[0] for request in turns]
        processor_s = (thread_time_s(pid) - before) / times
        together = [turns[start : start + _CLIENTS] for start in range(0, times, _CLIENTS)]

        def exchange_together() -> None:
            for several in together:
                exchange_all(connections[: len(several)], several)

        together_s, _ = timed(exchange_together)
    return _Cost(
        processor_s=processor_s,
        least_s=min(taken),
        median_s=median(taken),
        per_second=times / together_s,
    )


def _least(costs: Sequence[_Cost]) -> _Cost:
    """What was least disturbed by others."""
    return _Cost(
        processor_s=min(one.processor_s for one in costs),
        least_s=min(one.least_s for one in costs),
        median_s=min(one.median_s for one in costs),
        per_second=max(one.per_second for one in costs),
    )


def _print(systems: int, results: Sequence[_Result]) -> None:
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=_WIDTH)
    table = Table(box=box.ASCII2 if not console.is_terminal else box.SIMPLE_HEAD)
    table.add_column("operation")
    for heading in (
        "reply\nkB",
        "processor\nus",
        "least\nus",
        "median\nus",
        "per\nsecond",
        "bare:\nprocessor",
        "bare:\nleast",
        "bare:\nper second",
        "processor\nto bare",
        "per second\nto bare",
    ):
        table.add_column(heading, justify="right")
    for one in results:
        served, floor = one.served, one.floor
        table.add_row(
            one.name,
            f"{one.reply_bytes / 1000:.1f}",
            *(f"{each * 1e6:.0f}" for each in (served.processor_s, served.least_s)),
            f"{served.median_s * 1e6:.0f}",
            f"{served.per_second:.0f}",
            *(f"{each * 1e6:.0f}" for each in (floor.processor_s, floor.least_s)),
            f"{floor.per_second:.0f}",
            f"{served.processor_s / floor.processor_s:.2f}",
            f"{served.per_second / floor.per_second:.0%}",
        )
    console.print(f"{systems} virtual systems, {_CLIENTS} clients for the requests per second")
    console.print(", ".join(f"{name} {value}" for name, value in machine().items()))
    console.print(table)
    print_lines("processor: of the server, one client; the least of all rounds")


if __name__ == "__main__":
    app()
