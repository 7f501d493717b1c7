"""What it costs to start over many domains, and to follow them while nothing happens."""

from __future__ import annotations

import compileall
import sys
import time
from pathlib import Path
from typing import Annotated

import libvirt
import typer
from measurement import timed
from raw_clients import XmlRpcClient
from report import Progress, print_lines
from stage import (
    Daemon,
    DaemonError,
    PrivateLibvirt,
    PrivateLibvirtError,
    await_hypervisor,
    processor_time_s,
    simulated_host_xml,
)

_ROOT = Path(__file__).resolve().parent.parent
_RATIO_TARGET = 2.0
_SHARE_TARGET = 0.03

app = typer.Typer(rich_markup_mode=None)


@app.command()
def main(
    qemu: Annotated[int, typer.Option(min=1, help="Halted domains of real QEMU.")] = 2000,
    simulated: Annotated[int, typer.Option(min=1, help="Domains of the test driver.")] = 10000,
    follow: Annotated[float, typer.Option(min=0.0, help="Seconds of following; 0: none.")] = 60.0,
    starts: Annotated[int, typer.Option(min=1, help="How often it is started over QEMU.")] = 5,
) -> None:
    """Measure the start of `virtcim toolstack`, and what it uses afterwards.

    Over a private libvirtd with QEMU the time from starting the program, with an empty state
    directory, to `ready` and an answered VM.get_all is compared with libvirt's own list and XMLDesc
    of all, asked for by a bare Python client that is connected already, before and after it. The
    best of several starts counts, as others may use the machine. What libvirt has answered is
    understood when it is wanted: the first VM.get_all_records is asked for right after that, and
    waits for it. Over the test driver, which lives in the toolstack's process, the processor time
    until everything is understood is compared with libvirt's own reading of its file. The program
    is compiled before, as an installed one is.

    Example: .venv/bin/python benchmarks/start.py --qemu 500 --simulated 1000 --follow 20
    """
    libvirt.registerErrorHandler(lambda *_: None, None)
    try:
        with Progress() as progress, PrivateLibvirt() as private_libvirt:
            progress.step(f"defining {qemu} domains")
            _compile()
            lines = _over_qemu(private_libvirt, qemu, follow, starts, progress)
            progress.step(f"{simulated} simulated domains")
            lines += _over_the_test_driver(private_libvirt, simulated, follow, progress)
    except (DaemonError, PrivateLibvirtError, libvirt.libvirtError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        raise typer.Exit(1) from error
    print_lines(*lines)


def _compile() -> None:
    """Compile all rooms, as pip does."""
    for room in sorted(_ROOT.glob("*/__init__.py")):
        compileall.compile_dir(room.parent, quiet=1)


def _over_qemu(
    private_libvirt: PrivateLibvirt, number: int, follow_s: float, starts: int, progress: Progress
) -> list[str]:
    connection = libvirt.open(private_libvirt.uri)
    for each in range(number):
        connection.defineXML(_domain_xml(each))
    progress.step("starting over QEMU")
    try:
        bare_s = [_bare_s(connection)]
        found = []
        lines = []
        for each in range(starts):
            daemon = _toolstack(private_libvirt, private_libvirt.uri, f"qemu-{each}")
            taken_s, _ = timed(lambda daemon=daemon: _start(daemon))
            try:
                used_s = processor_time_s(daemon)
                first_s, again_s = _all_records_s(daemon)
                if each == starts - 1:
                    lines = _following(daemon, f"{number} QEMU domains", follow_s)
            finally:
                daemon.stop()
            bare_s.append(_bare_s(connection))
            own_s = (bare_s[-2] + bare_s[-1]) / 2
            found.append((taken_s / own_s, taken_s, own_s, used_s, first_s, again_s))
        ratio, taken_s, own_s, used_s, first_s, again_s = min(found)
        ratios = ", ".join(f"{one[0]:.1f}" for one in found)
        return [
            (
                f"{number} halted QEMU domains: list and XMLDesc of all {own_s:.2f} s, ready "
                f"after {taken_s:.2f} s with {used_s:.2f} s of processor time: ratio {ratio:.1f} "
                f"(target {_RATIO_TARGET:.0f}; of all starts: {ratios})"
            ),
            f"then VM.get_all_records: {first_s:.2f} s, once more: {again_s:.2f} s",
            *lines,
        ]
    finally:
        connection.close()


def _bare_s(connection: libvirt.virConnect) -> float:
    """What libvirt itself takes: the least of three, while nobody else asks it."""
    return min(
        timed(lambda: [domain.XMLDesc() for domain in connection.listAllDomains()])[0]
        for _ in range(3)
    )


def _all_records_s(daemon: Daemon) -> tuple[float, float]:
    """The first time the records have to be made."""
    with XmlRpcClient(daemon.url.removeprefix("http+")) as client:
        first_s, _ = timed(lambda: client.call("VM.get_all_records"))
        again_s, _ = timed(lambda: client.call("VM.get_all_records"))
    return first_s, again_s


def _understand_all(daemon: Daemon) -> None:
    """Want something of all domains, so that each is read, named and in its place."""
    with XmlRpcClient(daemon.url.removeprefix("http+")) as client:
        client.call("VBD.get_all")


def _over_the_test_driver(
    private_libvirt: PrivateLibvirt, number: int, follow_s: float, progress: Progress
) -> list[str]:
    description = private_libvirt.directory / "host.xml"
    description.write_text(simulated_host_xml(number))
    uri = f"test://{description}"
    began_s = time.process_time()
    libvirt.open(uri).close()
    own_s = time.process_time() - began_s
    progress.step("starting over the test driver")
    idle = private_libvirt.directory / "idle.xml"
    idle.write_text(simulated_host_xml(1))
    ready_s = []
    used_s = []
    lines = []
    for name, where in (("one", f"test://{idle}"), ("many", uri)):
        daemon = _toolstack(private_libvirt, where, name)
        _start(daemon)
        try:
            ready_s.append(processor_time_s(daemon))
            _understand_all(daemon)
            used_s.append(processor_time_s(daemon))
            if name == "many":
                lines = _following(daemon, f"{number} simulated domains", follow_s)
        finally:
            daemon.stop()
    beyond_s = used_s[1] - used_s[0] - own_s
    until_ready_s = ready_s[1] - ready_s[0] - own_s
    return [
        (
            f"{number} simulated domains: libvirt reads its file in {own_s:.2f} s of processor "
            f"time, the toolstack needs {beyond_s:.2f} s more to understand all of them "
            f"({until_ready_s:.2f} s until ready): ratio {beyond_s / own_s:.2f}"
        ),
        *lines,
    ]


def _following(daemon: Daemon, what: str, follow_s: float) -> list[str]:
    """How much of a processor it takes to look for changes where there are none."""
    if not follow_s:
        return []
    began_s = processor_time_s(daemon)
    time.sleep(follow_s)
    share = (processor_time_s(daemon) - began_s) / follow_s
    return [f"following {what}: {share:.1%} of a processor (target {_SHARE_TARGET:.0%})"]


def _toolstack(private_libvirt: PrivateLibvirt, uri: str, name: str) -> Daemon:
    socket = private_libvirt.directory / f"{name}.sock"
    return Daemon(
        *("toolstack", "--libvirt", uri, "--listen", f"unix:{socket}"),
        *("--state", str(private_libvirt.directory / name)),
        log=private_libvirt.directory / f"{name}.log",
    )


def _start(daemon: Daemon) -> None:
    """Start it and wait until its inventory is complete, which `ready` waits for ten seconds."""
    daemon.start()
    with XmlRpcClient(daemon.url.removeprefix("http+")) as client:
        await_hypervisor(client)


def _domain_xml(number: int) -> str:
    disks = "".join(
        "<disk type='file'><driver name='qemu' type='raw'/>"
        f"<source file='/nowhere/{number}-{target}.img'/><target dev='{target}' bus='virtio'/>"
        "</disk>"
        for target in ("vda", "vdb")
    )
    return (
        f"<domain type='qemu'><name>halted-{number:05}</name><memory unit='MiB'>64</memory>"
        f"<vcpu>1</vcpu><os><type>hvm</type></os><devices>{disks}"
        "<interface type='user'/><interface type='user'/><graphics type='vnc'/></devices></domain>"
    )


if __name__ == "__main__":
    app()
