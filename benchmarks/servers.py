"""What a write costs with several servers, each of which shows it before it is answered."""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import pywbem
import typer
from raw_clients import CimClient, RequestError
from report import machine, print_lines
from stage import (
    Daemon,
    await_inventory,
    system_uuid,
)
from staging import NAMESPACE, staged, told

sys.path.append(str(Path(__file__).resolve().parent.parent / "tests"))

from postgresql import PrivatePostgresql, private_postgresql

_ENABLED, _DISABLED = 2, 3
_TRANSACTIONS = "SELECT xact_commit FROM pg_stat_database WHERE datname = '{}'"
# PostgreSQL's processes tell of what they did a second later.
_SETTLED_S = 3.0
_MOST_SERVERS = 3
_NO_JOBS = ("--job-after", "60")

app = typer.Typer(rich_markup_mode=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cost:
    """What changes of state took at the first of so many servers."""

    state: str
    servers: int
    median_ms: float
    p99_ms: float
    transactions_per_write: float  # of all servers, without those of servers that nobody asks
    transactions_per_idle_s: float


@app.command()
def main(
    systems: Annotated[int, typer.Option(min=2, help="How many virtual systems there are.")] = 100,
    writes: Annotated[int, typer.Option(min=2, help="How many changes are timed.")] = 200,
    as_json_object: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Measure a RequestStateChange with one server on SQLite, and one to three on PostgreSQL.

    Each is followed by a read at the last server, which must show it. PostgreSQL waits for no disk
    here; a job that is not promised to anybody waits for none elsewhere either.

    Example: .venv/bin/python benchmarks/servers.py --writes 50
    """
    costs = []
    with (
        told() as progress,
        staged(systems, progress) as stage,
        private_postgresql() as postgresql,
    ):
        progress.step("one server on SQLite")
        with stage.cim_server(*_NO_JOBS) as server:
            costs.append(_cost("SQLite", [server], writes, None, ""))
        for number in range(1, _MOST_SERVERS + 1):
            # What a server costs that only follows the same hypervisor, and then the rest.
            for shared in (False, True) if number > 1 else (True,):
                state = "one PostgreSQL" if shared else "one each"
                progress.step(f"{number} servers on {state}")
                urls = [postgresql.new_database() for _ in range(1 if shared else number)]
                with ExitStack() as stack:
                    servers = [
                        stack.enter_context(
                            stage.cim_server("--state", urls[each % len(urls)], *_NO_JOBS)
                        )
                        for each in range(number)
                    ]
                    costs.append(_cost(state, servers, writes, postgresql, urls[0]))
    if as_json_object:
        found = [asdict(each) for each in costs]
        print(json.dumps({"machine": machine(), "systems": systems, "costs": found}, indent=2))
        return
    print_lines(
        f"RequestStateChange of one of {systems} virtual systems, {writes} times",
        *(
            f"{each.servers} on {each.state:14} median {each.median_ms:6.1f} ms, 99 % "
            f"{each.p99_ms:6.1f} ms, {each.transactions_per_write:4.1f} transactions, and "
            f"{each.transactions_per_idle_s:4.1f} a second while nobody asks"
            for each in costs
        ),
    )


def _cost(
    state: str,
    servers: Sequence[Daemon],
    writes: int,
    postgresql: PrivatePostgresql | None,
    url: str,
) -> _Cost:
    for each in servers:
        with CimClient(each.url) as client:
            await_inventory(client, NAMESPACE)

    def transactions() -> int:
        if postgresql is None:
            return 0
        name = url.partition("@/")[2].partition("?")[0]
        time.sleep(_SETTLED_S)
        [[count]] = postgresql.execute(_TRANSACTIONS.format(name))
        return int(str(count))

    began_s, began = time.monotonic(), transactions()
    idle = transactions() - began
    idle_s = time.monotonic() - began_s - (_SETTLED_S if postgresql else 0.0)
    idle_per_s = idle / idle_s if idle_s else 0.0
    began_s, began = time.monotonic(), transactions()
    agree = servers if state != "one each" else servers[:1]
    taken = _changes(agree[0].url, agree[-1].url, writes)
    used = transactions() - began
    background = idle_per_s * (time.monotonic() - began_s - _SETTLED_S)
    return _Cost(
        state=state,
        servers=len(servers),
        median_ms=statistics.median(taken) * 1e3,
        p99_ms=statistics.quantiles(taken, n=100)[98] * 1e3,
        transactions_per_write=max(used - background, 0.0) / writes,
        transactions_per_idle_s=idle_per_s,
    )


def _changes(writing: str, reading: str, writes: int) -> list[float]:
    """Seconds of each change. Raises RequestError where the next read does not show one."""
    path = pywbem.CIMInstanceName(
        "VirtCIM_ComputerSystem",
        {"CreationClassName": "VirtCIM_ComputerSystem", "Name": system_uuid(1)},
        namespace=NAMESPACE,
    )
    taken = []
    with (
        pywbem.WBEMConnection(writing, None, default_namespace=NAMESPACE) as writer,
        pywbem.WBEMConnection(reading, None, default_namespace=NAMESPACE) as reader,
    ):
        state = int(writer.GetInstance(path)["EnabledState"])
        for _ in range(writes):
            state = _DISABLED if state == _ENABLED else _ENABLED
            began_s = time.perf_counter()
            status, _ = writer.InvokeMethod(
                "RequestStateChange", path, RequestedState=pywbem.Uint16(state)
            )
            taken.append(time.perf_counter() - began_s)
            if status != 0:
                raise RequestError(f"RequestStateChange gave {status}")
            if reader.GetInstance(path)["EnabledState"] != state:
                raise RequestError("the next read does not show what was written")
    return taken


if __name__ == "__main__":
    app()
