"""What it costs to start over many domains, and to follow them while nothing happens."""

from __future__ import annotations

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

_RATIO_TARGET = 2.0
_SHARE_TARGET = 0.03

app = typer.Typer(rich_markup_mode=None)


@app.command()
def main(
    qemu: Annotated[int, typer.Option(min=1, help="Halted domains of real QEMU.")] = 2000,
    simulated: Annotated[int, typer.Option(min=1, help="Domains of the test driver.")] = 10000,
    follow: Annotated[float, typer.Option(min=0.0, help="Seconds of following; 0: none.")] = 60.0,
) -> None:
    """Measure the start of `virtcim toolstack`, and what it uses afterwards.

    Over a private libvirtd with QEMU the time to `ready` and a complete inventory is compared with
    libvirt's own list and XMLDesc of all, taken before and after it. Over the test driver, which
    lives in the toolstack's process, the processor time is compared with libvirt's own reading of
    its file.

    Example: .venv/bin/python benchmarks/start.py --qemu 500 --simulated 1000 --follow 20
    """
    libvirt.registerErrorHandler(lambda *_: None, None)
    try:
        with Progress() as progress, PrivateLibvirt() as private_libvirt:
            progress.step(f"defining {qemu} domains")
            lines = _over_qemu(private_libvirt, qemu, follow, progress)
            progress.step(f"{simulated} simulated domains")
            lines += _over_the_test_driver(private_libvirt, simulated, follow, progress)
    except (DaemonError, PrivateLibvirtError, libvirt.libvirtError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        raise typer.Exit(1) from error
    print_lines(*lines)


def _over_qemu(
    private_libvirt: PrivateLibvirt, number: int, follow_s: float, progress: Progress
) -> list[str]:
    connection = libvirt.open(private_libvirt.uri)
    for each in range(number):
        connection.defineXML(_domain_xml(each))
    progress.step("starting over QEMU")
    before_s, _ = timed(lambda: [domain.XMLDesc() for domain in connection.listAllDomains()])
    daemon = _toolstack(private_libvirt, private_libvirt.uri, "qemu")
    taken_s, _ = timed(lambda: _start(daemon))
    try:
        after_s, _ = timed(lambda: [domain.XMLDesc() for domain in connection.listAllDomains()])
        bare_s = (before_s + after_s) / 2
        return [
            (
                f"{number} halted QEMU domains: list and XMLDesc of all {bare_s:.2f} s, ready "
                f"after {taken_s:.2f} s: ratio {taken_s / bare_s:.1f} (target {_RATIO_TARGET:.0f})"
            ),
            *_following(daemon, f"{number} QEMU domains", follow_s),
        ]
    finally:
        daemon.stop()
        connection.close()


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
    used_s = []
    lines = []
    for name, where in (("one", f"test://{idle}"), ("many", uri)):
        daemon = _toolstack(private_libvirt, where, name)
        _start(daemon)
        try:
            used_s.append(processor_time_s(daemon))
            if name == "many":
                lines = _following(daemon, f"{number} simulated domains", follow_s)
        finally:
            daemon.stop()
    beyond_s = used_s[1] - used_s[0] - own_s
    return [
        (
            f"{number} simulated domains: libvirt reads its file in {own_s:.2f} s of processor "
            f"time, the toolstack needs {beyond_s:.2f} s more: ratio {beyond_s / own_s:.2f}"
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
    disk = Path("/nowhere") / f"{number}.img"
    return (
        f"<domain type='qemu'><name>halted-{number:05}</name><memory unit='MiB'>64</memory>"
        "<vcpu>1</vcpu><os><type>hvm</type></os><devices><disk type='file'>"
        f"<driver name='qemu' type='raw'/><source file='{disk}'/><target dev='vda' bus='virtio'/>"
        "</disk><disk type='file' device='cdrom'><target dev='sda' bus='sata'/></disk>"
        "<interface type='user'/><graphics type='vnc'/></devices></domain>"
    )


if __name__ == "__main__":
    app()
