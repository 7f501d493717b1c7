"""Kill and stop the daemons under clients that make and remove machines, and look what is left.

Toolstack and CIM server run over a private libvirtd with QEMU, as users start them. Clients define
machines with new images, add disks, start and remove machines, all the time; meanwhile one of the
daemons is killed (SIGKILL) or stopped (SIGTERM) again and again, and started again. Afterwards
machines, images and jobs are compared with what the clients were told: nothing may be half-made,
no image may belong to nothing, and nobody may have been told what is not so.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

import libvirt
from daemons import Daemon
from load_clients import Client, Comparison, Load, compare, wait_for_all
from private_libvirt import PrivateLibvirt

__all__ = ["Report", "run"]

_PATIENCE_S = 120.0
_UNDER_WAY_S = 30.0
_LOOK_S = 0.05
# Below it there may be services that are not running at the moment.
_FIRST_PORT = 10_000
_EPHEMERAL_PORTS = Path("/proc/sys/net/ipv4/ip_local_port_range")
_CLEANED_UP = re.compile(
    "is deleted|a machine has it|was defined when|it is taken back|had not been made"
)


@dataclass(slots=True)
class Report:
    """What one run came to."""

    daemon: str
    ways: list[str]
    clients: int
    seconds: float = 0.0
    counts: dict[str, int] = field(default_factory=dict)
    comparison: Comparison = field(default_factory=Comparison)
    #: What the daemons said to have cleaned up when they were started again.
    cleaned_up: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """Whether nothing is left that must not be."""
        return self.comparison.is_clean


def run(
    daemon: str,
    ways: Sequence[str],
    *,
    clients: int,
    seed: int = 1,
    pause_s: tuple[float, float] = (0.3, 2.0),
    progress: Callable[[str], None] = lambda _: None,
) -> Report:
    """End one daemon (`toolstack`, `serve`) under load, in each of the `ways` (`kill`, `stop`)."""
    chance = random.Random(seed)  # noqa: S311 - a choice, no secret
    report = Report(daemon=daemon, ways=list(ways), clients=clients)
    began = time.monotonic()
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="virtcim-load-")))
        directory.chmod(0o711)
        private = stack.enter_context(PrivateLibvirt())
        daemons = _start(stack, directory, private.uri)
        load = Load(daemons["serve"].url)
        working = [Client(load, number, seed) for number in range(clients)]
        for client in working:
            client.start()
        for number, way in enumerate(ways):
            done = _under_way(load, clients)
            time.sleep(chance.uniform(*pause_s))
            progress(f"{daemon}: {way}, {number + 1} of {len(ways)}, {done} operations ended")
            if way == "kill":
                daemons[daemon].kill()
            else:
                daemons[daemon].stop()
            daemons[daemon].start()
        time.sleep(pause_s[1])
        load.stopping.set()
        wait_for_all(working, _PATIENCE_S)
        # Whoever starts now finds what is left; then all is to be as it was told.
        for one in daemons.values():
            one.stop()
        for one in daemons.values():
            one.start()
        for one in daemons.values():
            one.stop()
        machines = [machine for client in working for machine in client.machines]
        connection = libvirt.open(private.uri)
        try:
            report.comparison = compare(connection, machines)
        finally:
            connection.close()
        report.comparison.untruthful += load.untruthful
        report.counts = {"machines": len(machines), **dict(sorted(load.counts.items()))}
        for one in daemons.values():
            report.cleaned_up += [
                line for line in one.log.read_text().splitlines() if _CLEANED_UP.search(line)
            ]
    report.seconds = round(time.monotonic() - began, 1)
    return report


def _under_way(load: Load, clients: int) -> int:
    """Wait until the clients are at work again, and give how many operations have ended."""
    before = done = sum(load.counts.values())
    deadline = time.monotonic() + _UNDER_WAY_S
    while done - before < clients // 2 and time.monotonic() < deadline:
        time.sleep(_LOOK_S)
        done = sum(load.counts.values())
    return done


def _start(stack: ExitStack, directory: Path, uri: str) -> dict[str, Daemon]:
    path = directory / "toolstack.sock"
    toolstack = Daemon(
        *("toolstack", "--libvirt", uri, "--listen", f"unix:{path}"),
        *("--state", str(directory / "toolstack"), "--domain-type", "qemu"),
        log=directory / "toolstack.log",
    )
    stack.enter_context(toolstack)
    server = Daemon(
        *("serve", "--hypervisor", f"xapi+unix://{path}"),
        # It comes back where the clients look for it.
        *("--listen", f"http://127.0.0.1:{_lasting_port()}"),
        *("--auth", "none", "--state", str(directory / "serve"), "--job-after", "0.2"),
        log=directory / "serve.log",
    )
    stack.enter_context(server)
    return {"toolstack": toolstack, "serve": server}


def _lasting_port() -> int:
    """A free TCP port that no connection is given by itself while the server is not there.

    A client that tries one of those again and again may even be connected with itself.
    """
    first_ephemeral = int(_EPHEMERAL_PORTS.read_text().split()[0])
    while True:
        port = random.randrange(_FIRST_PORT, max(first_ephemeral, 2 * _FIRST_PORT))  # noqa: S311
        with socket.socket() as tried, suppress(OSError):
            tried.bind(("127.0.0.1", port))
            return port


def _shown(report: Report) -> str:
    found = report.comparison
    counts = ", ".join(f"{what}: {number}" for what, number in report.counts.items())
    kills, stops = report.ways.count("kill"), report.ways.count("stop")
    how = f"{kills} kills, {stops} orderly stops, {report.clients} clients, {report.seconds} s"
    left = f"half-made: {len(found.half_made)}, images of nothing: {len(found.images_of_nothing)}"
    told = f"told what is not so: {len(found.untruthful)}, cleaned up: {len(report.cleaned_up)}"
    lines = [f"{report.daemon}: {how}", f"  {counts}", f"  {left}, {told}"]
    lines += [f"    {one}" for one in (*found.half_made, *found.images_of_nothing)]
    return "\n".join([*lines, *(f"    {one}" for one in found.untruthful)])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; the status is 1 where something is left that must not be."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clients", type=int, default=10, help="clients at once (10)")
    parser.add_argument("--kills", type=int, default=20, help="kills of each daemon (20)")
    parser.add_argument("--stops", type=int, default=20, help="orderly stops of each daemon (20)")
    parser.add_argument(
        "--daemon",
        choices=("toolstack", "serve", "both"),
        default="both",
        help="which daemon is ended (both, one after the other)",
    )
    parser.add_argument("--seed", type=int, default=1, help="of the clients' choices (1)")
    parser.add_argument("--json", action="store_true", help="print the reports as JSON")
    options = parser.parse_args(arguments)
    libvirt.registerErrorHandler(lambda *_: None, None)
    daemons = ("toolstack", "serve") if options.daemon == "both" else (options.daemon,)
    reports: list[Report] = []
    for daemon in daemons:
        for way, times in (("kill", options.kills), ("stop", options.stops)):
            if times:
                reports.append(
                    run(
                        daemon,
                        [way] * times,
                        clients=options.clients,
                        seed=options.seed,
                        progress=lambda text: print(text, file=sys.stderr, flush=True),
                    )
                )
                if not options.json:
                    print(_shown(reports[-1]), flush=True)
    if options.json:
        print(json.dumps([asdict(report) for report in reports], indent=2))
    return 0 if all(report.is_clean for report in reports) else 1


if __name__ == "__main__":
    sys.exit(main())
