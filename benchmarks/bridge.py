"""What the bridge costs that other CIM servers load, beside the embedded server."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import pywbem
import typer
from measurement import Measurement
from raw_clients import CimClient, RequestError, XmlRpcClient, cim_request
from report import Progress, as_json, print_lines, print_table
from stage import (
    DISKS_PER_SYSTEM,
    DaemonError,
    PrivateLibvirtError,
    Stage,
    await_hypervisor,
    await_inventory,
    system_uuid,
    thread_time_s,
)

_ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(_ROOT))

from tests.cmpi import words  # noqa: E402 - found through the path above
from tests.cmpi.server import Server, running  # noqa: E402
from virtcim.cmpi.build import BuildError, build  # noqa: E402

_NAMESPACE = "root/virt"
_SYSTEM = "VirtCIM_ComputerSystem"
_DISK = "VirtCIM_DiskResourceAllocationSettingData"
_LINK = "VirtCIM_SystemDevice"
_SHORT, _LONG = 100, 1
_RATIO = "ratio: processor time, to that of the embedded server for the same answer"

app = typer.Typer(rich_markup_mode=None)


@contextmanager
def _bridge(stage: Stage, flavour: str) -> Iterator[Server]:
    """A server of the tests that has loaded the bridge, over the toolstack of the stage."""
    with tempfile.TemporaryDirectory(prefix="virtcim-bridge-") as folder:
        into = Path(folder)
        library = build(into, host="tests.cmpi.hosts:configured", path=str(_ROOT))
        broker = into / "broker"
        files = sorted((_ROOT / "tests" / "cmpi" / "broker").glob("*.c"))
        options = ["-std=gnu11", "-O2", f"-I{_ROOT / 'cmpi' / 'library'}", "-o", str(broker)]
        subprocess.run(["cc", *map(str, files), *options, "-ldl", "-lpthread"], check=True)
        configuration = into / "virtcim.toml"
        url = f"xapi+unix://{stage.toolstack_url.removeprefix('unix:')}"
        configuration.write_text(f'[serve]\nhypervisor = "{url}"\nstate = "{into / "state"}"\n')
        variables = {"VIRTCIM_CONFIGURATION": str(configuration)}
        with running(broker, into / "log", flavour, **variables) as server:
            server.load(library)
            server.command("count 1")
            yield server


def _processor_time(
    name: str, pid: int, action: Callable[[], None], *, each: int, repeat: int, baseline: str = ""
) -> Measurement:
    """The processor time of one of the ``each`` requests that ``action`` makes."""
    action()
    seconds = []
    for _ in range(repeat):
        before = thread_time_s(pid)
        action()
        seconds.append((thread_time_s(pid) - before) / each)
    return Measurement(name=name, seconds=tuple(seconds), baseline=baseline)


def _expect(found: int, instances: int, what: str) -> None:
    if found != instances:
        raise RequestError(f"{what}: {found} instances instead of {instances}")


class _Run:
    """The same readings through both, in turn."""

    def __init__(self, stage: Stage, progress: Progress, *, repeat: int) -> None:
        self._stage = stage
        self._announce = progress.step
        self._repeat = repeat
        self.measurements: list[Measurement] = []
        # What the embedded server gives of each reading, which the bridge has to give, too.
        self._found: dict[str, int] = {}
        name = system_uuid(stage.systems // 2)
        self._keys = {"CreationClassName": _SYSTEM, "Name": name}

    def measure(self, flavours: tuple[str, ...]) -> None:
        """Measure the embedded server, then the bridge. Raises RequestError."""
        self._announce("starting the toolstack and the embedded server")
        self._stage.start_toolstack()
        with XmlRpcClient(self._stage.toolstack_url) as xapi:
            await_hypervisor(xapi)
        with self._stage.cim_server() as served, CimClient(served.url) as client:
            await_inventory(client, _NAMESPACE)
            self._embedded(client, served.pid)
        for flavour in flavours:
            self._announce(f"building and loading the bridge, as {flavour} does")
            with _bridge(self._stage, flavour) as server:
                self._bridged(server, flavour)

    def _readings(self) -> list[tuple[str, str, int, int]]:
        """Each with its class, how many instances it gives at least, and how often it is done."""
        systems = self._stage.systems
        return [
            (f"EnumerateInstances {_SYSTEM}", _SYSTEM, systems, _LONG),
            (f"EnumerateInstances {_DISK}", _DISK, systems * DISKS_PER_SYSTEM, _LONG),
            (f"EnumerateInstances {_LINK}", _LINK, systems * DISKS_PER_SYSTEM, _LONG),
            (f"GetInstance {_SYSTEM}", _SYSTEM, 1, _SHORT),
        ]

    def _embedded(self, client: CimClient, pid: int) -> None:
        path = pywbem.CIMInstanceName(_SYSTEM, self._keys)
        for name, class_name, instances, each in self._readings():
            request = (
                cim_request("GetInstance", _NAMESPACE, InstanceName=path)
                if each == _SHORT
                else cim_request("EnumerateInstances", _NAMESPACE, ClassName=class_name)
            )

            found = client.send(request).count(b"<INSTANCE ")
            if found < instances:
                raise RequestError(f"{name}: {found} instances, fewer than {instances}")
            self._found[name] = found

            def ask(request: bytes = request, each: int = each, found: int = found) -> None:
                for _ in range(each):
                    reply = client.send(request)
                    _expect(reply.count(b"<INSTANCE "), found, "the embedded server")

            self._announce(name)
            self.measurements.append(
                _processor_time(f"{name}, embedded", pid, ask, each=each, repeat=self._repeat)
            )

    def _bridged(self, server: Server, flavour: str) -> None:
        provider = server.open()
        keys = {key: ("string", value) for key, value in self._keys.items()}
        for name, class_name, _, each in self._readings():
            is_one, found = each == _SHORT, self._found[name]
            path = words.Path(
                namespace=_NAMESPACE, class_name=class_name, keys=keys if is_one else {}
            )
            operation = "getInstance" if is_one else "enumerateInstances"

            def ask(
                path: words.Path = path,
                operation: str = operation,
                each: int = each,
                found: int = found,
            ) -> None:
                answer = server.read(provider, operation, path, how=f"repeat {each}")
                if answer.status:
                    raise RequestError(f"{operation}: {answer.status} {answer.message}")
                _expect(answer.counted, found, f"the bridge in {flavour}")

            self._announce(name)
            self.measurements.append(
                _processor_time(
                    f"{name}, bridge ({flavour})",
                    server.process.pid,
                    ask,
                    each=each,
                    repeat=self._repeat,
                    baseline=f"{name}, embedded",
                )
            )


@app.command()
def main(
    systems: Annotated[
        int, typer.Option(min=1, max=65535, help="How many virtual systems there are.")
    ] = 1000,
    repeat: Annotated[int, typer.Option(min=1, help="Repetitions of each reading.")] = 20,
    as_json_object: Annotated[
        bool, typer.Option("--json", help="Print one JSON object; times are in seconds.")
    ] = False,
) -> None:
    """Measure what the bridge and the embedded server use of the processor for the same readings.

    Both run over one toolstack, on libvirt's test driver. The bridge is loaded by the server of the
    tests, with the tables of functions of OpenPegasus and of sfcb; its own work, of keeping what it
    is given, is in the figures, and no HTTP or XML. The embedded server answers over HTTP.

    Example: .venv/bin/python benchmarks/bridge.py --systems 100
    """
    try:
        with Progress() as progress, Stage(systems) as stage:
            run = _Run(stage, progress, repeat=repeat)
            run.measure(("Pegasus", "sfcb"))
    except (
        RequestError,
        DaemonError,
        PrivateLibvirtError,
        BuildError,
        subprocess.CalledProcessError,
        OSError,
    ) as error:
        print(f"error: {error}", file=sys.stderr)
        raise typer.Exit(1) from error
    if as_json_object:
        print(as_json(run.measurements, size={"systems": systems}))
        return
    print_table(f"{systems} systems, processor time", run.measurements)
    print_lines(_RATIO)


if __name__ == "__main__":
    app()
