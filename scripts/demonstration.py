"""The main job, shown end to end: a console's requests, real virtual machines, real refusals.

`scripts/demo` runs this after set-up. Everything it needs is made in a temporary directory and is
gone afterwards; the virtual machines of the computer it runs on are never touched.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NoReturn

import libvirt
from boot_sectors import IDLE, write_disk
from daemons import Daemon, DaemonError
from demonstration_steps import (
    GUEST_BYTES,
    NAMESPACE,
    Show,
    Stage,
    UnexpectedResultError,
    show_definition,
    show_fault,
    show_resource_pools,
    show_state_change,
    show_virtual_systems,
)
from domain_type import best_domain_type
from private_libvirt import PrivateLibvirt, PrivateLibvirtError
from wbemcli_client import Answer

_TIB = 1 << 40

_MACHINE_XML = """\
<domain type='{domain_type}'>
  <name>{name}</name><memory unit='b'>{memory_bytes}</memory><vcpu>1</vcpu>
  <os><type>hvm</type></os><features><acpi/></features>
  <devices>
    <disk type='file'>
      <driver name='qemu' type='raw'/><source file='{image}'/><target dev='vda' bus='virtio'/>
    </disk>
  </devices>
</domain>
"""


@contextmanager
def qemu_host(show: Show) -> Iterator[tuple[str, list[str], Path]]:
    """A private libvirtd with QEMU and two virtual machines; gives URI, options and images."""
    show.progress("starting a private libvirtd with QEMU")
    with PrivateLibvirt() as private_libvirt:
        domain_type = best_domain_type(private_libvirt)
        kind = "KVM" if domain_type == "kvm" else "emulation (KVM does not work here)"
        show.progress(f"virtual machines run by {kind}")
        connection = libvirt.open(private_libvirt.uri)
        for name in ("web", "database", "mail"):
            image = private_libvirt.images / f"{name}.img"
            private_libvirt.give(write_disk(image, IDLE, size_bytes=16 << 20))
            xml = _MACHINE_XML.format(
                domain_type=domain_type, name=name, memory_bytes=GUEST_BYTES, image=image
            )
            # The third has to be defined by the console.
            if name != "mail":
                connection.defineXML(xml)
        connection.storagePoolLookupByName("default").refresh()
        connection.lookupByName("web").create()
        connection.close()
        yield private_libvirt.uri, ["--domain-type", domain_type], private_libvirt.images


@contextmanager
def simulated_host(show: Show) -> Iterator[tuple[str, list[str], Path]]:
    """The host that libvirt's test driver simulates, with one running virtual machine."""
    show.progress("using libvirt's test driver: nothing real runs")
    yield "test:///default", [], Path("/default-pool")


@contextmanager
def cim_server(
    show: Show, directory: Path, libvirt_uri: str, options: list[str]
) -> Iterator[Stage]:
    """Start both daemons over that libvirt."""
    socket = directory / "toolstack.sock"
    with ExitStack() as stack:
        show.progress("starting virtcim toolstack")
        stack.enter_context(
            Daemon(
                "toolstack",
                "--libvirt",
                libvirt_uri,
                "--listen",
                f"unix:{socket}",
                "--state",
                str(directory / "toolstack"),
                *options,
                log=directory / "toolstack.log",
            )
        )
        show.progress("starting virtcim serve")
        server = stack.enter_context(
            Daemon(
                "serve",
                "--hypervisor",
                f"xapi+unix://{socket}",
                "--listen",
                "http://127.0.0.1:0",
                "--state",
                str(directory / "serve"),
                # Each step is to show its outcome at once, also where emulation is slow.
                "--job-after",
                "60",
                log=directory / "serve.log",
            )
        )
        yield Stage(show, server.url, directory)


def show_qemu(stage: Stage, images: Path) -> None:
    """The whole demonstration with real virtual machines."""
    show_virtual_systems(stage, {"web", "database"})
    show_resource_pools(stage)
    show_state_change(stage, "database", requested=2, word="start")
    show_definition(stage, "mail", str(images / "mail.img"))

    def start_without_disk() -> Answer:
        stage.define("no-disk", disk=str(images / "missing.img"), shown=False)
        return stage.request_state(stage.machine("no-disk"), 2)

    show_fault(
        stage,
        "Refused: the disk is missing",
        "A virtual machine is defined as above, with a file that does not exist, and started.",
        "ERR_CANNOT_ACCESS_DISK_FILE",
        start_without_disk,
    )
    show_fault(
        stage,
        "Refused: 10 TiB of memory",
        "More than the memory pool of the host offers: the range is named, and nothing is made.",
        "ERR_BAD_PARAMETER",
        lambda: stage.define("giant", memory_bytes=10 * _TIB, disk=str(images / "mail.img")),
    )
    show_fault(
        stage,
        "Refused: the name is taken",
        "There is a virtual machine 'web' already.",
        "ERR_ALREADY_EXIST",
        lambda: stage.define("web", disk=str(images / "web.img")),
    )


def show_simulated(stage: Stage) -> None:
    """The whole demonstration with the machine that libvirt's test driver simulates."""
    show_virtual_systems(stage, {"test"})
    show_resource_pools(stage)
    show_state_change(stage, "test", requested=3, word="stop")
    show_definition(stage, "mail", "/default-pool/mail.img")

    unknown = "00000000-0000-4000-8000-000000000000"
    path = f'VirtCIM_ComputerSystem.CreationClassName="VirtCIM_ComputerSystem",Name="{unknown}"'
    show_fault(
        stage,
        "Refused: no such virtual machine",
        "The console's list was old.",
        "ERR_VM_NOT_FOUND",
        lambda: stage.request_state(path, 2),
    )
    show_fault(
        stage,
        "Refused: pausing a virtual machine that is stopped",
        "RequestedState 9 is Quiesce.",
        "ERR_WRONG_STATE_FOR_OP",
        lambda: stage.request_state(stage.machine("test"), 9),
    )
    show_fault(
        stage,
        "Refused: the name is taken",
        "There is a virtual machine 'test' already.",
        "ERR_ALREADY_EXIST",
        lambda: stage.define("test", disk="/default-pool/test.img"),
    )


def show_what_next(stage: Stage) -> None:
    """Tell the spectator how to go on alone."""
    target = f"{stage.user}:$(cat {stage.password_file})"
    url = stage.url.replace("://", f"://{target}@")
    stage.show.step("Your turn", "Everything keeps running until Ctrl-C. Try:")
    pywbemcli = (
        f".venv/bin/pywbemcli -s {stage.url} -d {NAMESPACE} -u {stage.user} class enumerate --no"
    )
    for line in (
        f"URL:           {stage.url} (namespace {NAMESPACE})",
        f"user:          {stage.user}",
        f"password file: {stage.password_file}",
        "",
        f'wbemcli -nl ei "{url}/{NAMESPACE}:VirtCIM_ComputerSystem"',
        f'wbemcli -nl ei "{url}/{NAMESPACE}:VirtCIM_HostSystem"',
        f'wbemcli -nl ei "{url}/{NAMESPACE}:CIM_ResourceAllocationSettingData"',
        # Only developers have it: running virtcim does not take it.
        *([pywbemcli] if Path(sys.executable).with_name("pywbemcli").exists() else []),
        ".venv/bin/virtcim errormap explain libvirt 38 --text 'No such file or directory'",
    ):
        stage.show.line(line)


def _stop(number: int, _: object) -> NoReturn:
    raise KeyboardInterrupt(number)


def main() -> int:
    """Show it; 0 if every step gave what it must."""
    parser = argparse.ArgumentParser(prog="scripts/demo", description=__doc__)
    parser.add_argument("--once", action="store_true", help="end after showing it")
    parser.add_argument(
        "--libvirt",
        choices=("qemu", "test"),
        default="qemu",
        help="real virtual machines in a private libvirtd (the default), or libvirt's test driver",
    )
    arguments = parser.parse_args()
    os.environ["LC_ALL"] = "C"
    libvirt.registerErrorHandler(lambda *_: None, None)
    signal.signal(signal.SIGTERM, _stop)
    show = Show()
    try:
        with ExitStack() as stack:
            directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="virtcim-")))
            host = qemu_host if arguments.libvirt == "qemu" else simulated_host
            uri, options, images = stack.enter_context(host(show))
            stage = stack.enter_context(cim_server(show, directory, uri, options))
            if arguments.libvirt == "qemu":
                show_qemu(stage, images)
            else:
                show_simulated(stage)
            if not arguments.once:
                show_what_next(stage)
                signal.pause()
            show.progress("stopping everything")
    except (UnexpectedResultError, DaemonError, PrivateLibvirtError) as error:
        show.bad(str(error))
        return 1
    except KeyboardInterrupt:
        show.progress("stopped")
        return 1 if arguments.once else 0
    show.good("every step gave what it must")
    return 0


if __name__ == "__main__":
    sys.exit(main())
