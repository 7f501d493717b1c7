"""What a good client sees while others attack the daemon, and how much memory that takes.

Example: .venv/bin/python benchmarks/hostile/run.py --systems 100 --seconds 10 --only silent
"""

from __future__ import annotations

import base64
import http.client
import json
import resource
import sys
import threading
import time
import xmlrpc.client
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from itertools import cycle
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer
from rich import box
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from attacks import ATTACKS, Attack
from raw_clients import CimClient, XmlRpcClient, cim_request
from report import Progress, machine
from stage import (
    Daemon,
    DaemonError,
    PrivateLibvirtError,
    Stage,
    await_hypervisor,
    await_inventory,
    memory_of,
    system_uuid,
)

_NAMESPACE = "root/virt"
_SYSTEM = "VirtCIM_ComputerSystem"
_PATIENCE_S = 30.0
_PAUSE_S = 0.05
_SESSIONS = 100
# What a service has where nobody says otherwise.
_USUAL_DESCRIPTORS = 1024
_OWN_DESCRIPTORS = 8192

Ask = Callable[[], None]

app = typer.Typer(rich_markup_mode=None)


@dataclass(slots=True, kw_only=True)
class Seen:
    """What the good client saw: seconds of good answers, and what the others were."""

    daemon: str
    attack: str
    answers_s: list[float] = field(default_factory=list)
    others: Counter[str] = field(default_factory=Counter)
    peak_bytes: int = 0
    log_lines: int = 0

    def quantile_s(self, part: float) -> float:
        """The time within which this part of the good answers came."""
        ordered = sorted(self.answers_s)
        return ordered[min(len(ordered) - 1, int(part * len(ordered)))] if ordered else 0.0


class WrongAnswerError(Exception):
    """An answer that is not what was asked for; the text says what it is."""


@app.command()
def main(
    systems: Annotated[int, typer.Option(min=1, help="How many virtual systems there are.")] = 1000,
    seconds: Annotated[float, typer.Option(min=1.0, help="How long each attack lasts.")] = 20.0,
    only: Annotated[str, typer.Option(help="A word of the names of the attacks to run.")] = "",
    as_json_object: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Attack the daemons in turn, each a process of its own, and measure what a good client sees.

    The good client reads an instance and a list (of the CIM server), or makes a call (of the
    toolstack), each on a new connection. The daemons are started with a soft limit of 1,024 file
    descriptors. The exit status says whether the daemons survived.
    """
    resource.setrlimit(resource.RLIMIT_NOFILE, (_OWN_DESCRIPTORS, _hard_limit()))
    try:
        with Progress() as progress, Stage(systems) as stage:
            progress.step(f"starting libvirt and the toolstack with {systems} virtual systems")
            stage.start_toolstack()
            with XmlRpcClient(stage.toolstack_url) as client:
                await_hypervisor(client)
            results = []
            for attack in ATTACKS:
                if only in f"{attack.daemon} {attack.name}":
                    progress.step(f"{attack.daemon}: {attack.name}")
                    results.append(_attacked(stage, attack, seconds))
    except (DaemonError, PrivateLibvirtError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        raise typer.Exit(1) from error
    if as_json_object:
        found = [asdict(one) for one in results]
        print(json.dumps({"machine": machine(), "systems": systems, "attacks": found}, indent=2))
    else:
        _print(systems, seconds, results)


def _hard_limit() -> int:
    return resource.getrlimit(resource.RLIMIT_NOFILE)[1]


def _attacked(stage: Stage, attack: Attack, seconds: float) -> Seen:
    seen = Seen(daemon=attack.daemon, attack=attack.name)
    with _started(stage, attack) as (daemon, ask):
        ask()
        lines_before = daemon.log.read_bytes().count(b"\n")
        port = urlsplit(daemon.url).port
        assert port is not None
        attacking = threading.Event()

        def measure() -> None:
            attacking.wait()
            until = time.monotonic() + seconds
            while time.monotonic() < until:
                _ask_once(ask, seen)
                time.sleep(_PAUSE_S)

        good = threading.Thread(target=measure)
        good.start()
        try:
            with attack.run(port):
                attacking.set()
                good.join()
        finally:
            attacking.set()
            good.join()
        seen.peak_bytes = memory_of(daemon).peak_bytes
        seen.log_lines = daemon.log.read_bytes().count(b"\n") - lines_before
    return seen


def _ask_once(ask: Ask, seen: Seen) -> None:
    began = time.perf_counter()
    try:
        ask()
    except WrongAnswerError as error:
        seen.others[str(error)] += 1
    except (OSError, http.client.HTTPException) as error:
        seen.others[type(error).__name__] += 1
    else:
        seen.answers_s.append(time.perf_counter() - began)


@contextmanager
def _started(stage: Stage, attack: Attack) -> Iterator[tuple[Daemon, Ask]]:
    """A daemon of its own for an attack, and what the good client asks it."""
    with ExitStack() as stack:
        resource.setrlimit(resource.RLIMIT_NOFILE, (_USUAL_DESCRIPTORS, _hard_limit()))
        try:
            make = stage.public_server if attack.daemon == "serve" else stage.public_toolstack
            daemon = stack.enter_context(make(with_passwords=attack.with_passwords))
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (_OWN_DESCRIPTORS, _hard_limit()))
        password = stage.password_of(daemon) if attack.with_passwords else ""
        if attack.daemon == "serve":
            yield daemon, _cim_asker(daemon.url, password)
        else:
            yield daemon, _toolstack_asker(daemon.url, password)


def _cim_asker(url: str, password: str) -> Ask:
    path = f'<INSTANCENAME CLASSNAME="{_SYSTEM}">' + "".join(
        f'<KEYBINDING NAME="{name}"><KEYVALUE VALUETYPE="string">{value}</KEYVALUE></KEYBINDING>'
        for name, value in (("CreationClassName", _SYSTEM), ("Name", system_uuid(0)))
    )
    one = cim_request("GetInstance", _NAMESPACE, InstanceName="").replace(
        b'<CLASSNAME NAME=""/>', f"{path}</INSTANCENAME>".encode()
    )
    several = cim_request("EnumerateInstances", _NAMESPACE, ClassName="VirtCIM_HostSystem")
    headers = {"Content-Type": "application/xml; charset=utf-8", "CIMOperation": "MethodCall"}
    if password:
        words = base64.b64encode(f"virtcim:{password}".encode()).decode()
        headers["Authorization"] = f"Basic {words}"
    else:
        with CimClient(url) as client:
            await_inventory(client, _NAMESPACE)
    turn = [0]

    def ask() -> None:
        turn[0] += 1
        answer = _posted(url, "/cimom", (one, several)[turn[0] % 2], headers)
        if b"<INSTANCE " not in answer:
            raise WrongAnswerError("an error of CIM")

    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            ask()
        except WrongAnswerError:
            if time.monotonic() > deadline:
                raise
            time.sleep(_PAUSE_S)
        else:
            return ask


def _toolstack_asker(url: str, password: str) -> Ask:
    # As that many scripts have that ask now and then.
    sessions = cycle(
        [
            _called(url, "session.login_with_password", "virtcim", password)
            for _ in range(1 if password else _SESSIONS)
        ]
    )

    def ask() -> None:
        _called(url, "host.get_all", next(sessions))

    return ask


def _called(url: str, method: str, *parameters: str) -> str:
    body = xmlrpc.client.dumps(parameters, method).encode()
    answer = _posted(url, "/", body, {"Content-Type": "text/xml"})
    (envelope,), _ = xmlrpc.client.loads(answer)
    if not isinstance(envelope, dict) or envelope.get("Status") != "Success":
        raise WrongAnswerError(str(envelope)[:60])
    return envelope["Value"]  # type: ignore[no-any-return]


def _posted(url: str, path: str, body: bytes, headers: dict[str, str]) -> bytes:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=_PATIENCE_S)
    try:
        connection.request("POST", path, body, headers)
        response = connection.getresponse()
        answer = response.read()
        if response.status != http.client.OK:
            raise WrongAnswerError(f"HTTP {response.status}")
        return answer
    finally:
        connection.close()


def _print(systems: int, seconds: float, results: list[Seen]) -> None:
    console = Console(width=None if sys.stdout.isatty() else 150)
    print(f"{systems} virtual systems, {seconds:.0f} s for each attack")
    print(", ".join(f"{name} {value}" for name, value in machine().items()))
    table = Table(box=box.ASCII if not sys.stdout.isatty() else box.SIMPLE)
    for name in ("daemon", "attack"):
        table.add_column(name)
    for name in ("answers", "p50 ms", "p99 ms", "longest ms", "peak MB", "log lines"):
        table.add_column(name, justify="right")
    table.add_column("no answer")
    for one in results:
        numbers = (one.quantile_s(0.5), one.quantile_s(0.99), max(one.answers_s, default=0.0))
        table.add_row(
            one.daemon,
            one.attack,
            str(len(one.answers_s)),
            *(f"{1000 * number:.0f}" for number in numbers),
            f"{one.peak_bytes / 1e6:.0f}",
            str(one.log_lines),
            ", ".join(f"{count} x {what}" for what, count in one.others.items()) or "-",
        )
    console.print(table)


if __name__ == "__main__":
    app()
